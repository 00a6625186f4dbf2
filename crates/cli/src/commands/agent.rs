//! `agent`: who sits in the slots.

use clap::Subcommand;
use missiond_core::access::Access;
use missiond_core::text::escape_line;
use missiond_core::{Error, Slot, SlotId};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{Cell, FAINT, STRONG, Table, agent_style, event_line, line, list, one, stamp};

/// See and end the agents in the slots
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List the slots and what goes on in them
    List,
    /// Show one slot
    Status {
        /// Its id.
        slot: SlotId,
    },
    /// End the agent in a slot; its task is cancelled
    Kill {
        /// The slot's id.
        slot: SlotId,
    },
    /// Show why a slot is in the state that it is in: the latest events with their evidence
    Explain {
        /// The slot's id.
        slot: SlotId,
    },
}

impl Agent {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let access = context.reach().await?;
        match self {
            Self::List => {
                let mut slots = access.slots().await?;
                // `scripted-10` after `scripted-9`.
                slots.sort_by_key(|slot| (slot.config.id.as_str().len(), slot.config.id.clone()));
                list(context.format, &slots, "no slots yet; `missiond up` makes them", || table(&slots))?;
            }
            Self::Status { slot } => {
                let slot = find(&access, &slot).await?;
                one(context.format, &slot, || show(&slot))?;
            }
            Self::Kill { slot } => {
                find(&access, &slot).await?;
                access.stop_slot(slot.clone()).await?;
                one(context.format, &find(&access, &slot).await?, || {
                    line(format!("the agent in {slot} has ended"))
                })?;
            }
            Self::Explain { slot } => {
                let explanation = access.explain(slot).await?;
                one(context.format, &explanation, || {
                    show(&explanation.slot)?;
                    line("")?;
                    explanation.events.iter().try_for_each(|event| line(event_line(event)))
                })?;
            }
        }
        Ok(Exit::OK)
    }
}

async fn find(access: &Access, id: &SlotId) -> anyhow::Result<Slot> {
    let slots = access.slots().await?;
    let known: Vec<String> = slots.iter().map(|slot| slot.config.id.to_string()).collect();
    let found = slots.into_iter().find(|slot| slot.config.id == *id);
    let there = if known.is_empty() { "there are none yet".to_owned() } else { known.join(", ") };
    Ok(found.ok_or_else(|| Error::Missing(format!("there is no slot `{id}`; the slots are: {there}")))?)
}

fn table(slots: &[Slot]) -> Table {
    let mut table = Table::new(&["SLOT", "AGENT", "DRIVER", "ROLE", "STATUS", "PID", "TASK", "SINCE"]);
    for slot in slots {
        table.row(vec![
            Cell::new(slot.config.id.as_str()),
            Cell::new(slot.config.agent.as_str()),
            Cell::new(slot.config.driver.as_str()),
            Cell::new(slot.config.role.as_str()),
            Cell::styled(slot.status.as_str(), agent_style(slot.status)),
            Cell::new(slot.pid.map(|pid| pid.to_string()).unwrap_or_default()),
            Cell::new(slot.task.map(|task| task.short()).unwrap_or_default()),
            Cell::styled(stamp(slot.since), FAINT),
        ]);
    }
    table
}

fn show(slot: &Slot) -> anyhow::Result<()> {
    let style = agent_style(slot.status);
    let config = &slot.config;
    line(format!(
        "{STRONG}{}{STRONG:#}  {style}{}{style:#} since {}",
        config.id,
        slot.status,
        stamp(slot.since)
    ))?;
    let field = |name: &str, value: &str| line(format!("  {FAINT}{name:<10}{FAINT:#}{}", escape_line(value)));
    field("agent", &format!("{}, {}, for {}", config.agent, config.driver, config.role))?;
    if let Some(task) = slot.task {
        field("task", &task.to_string())?;
    }
    if let Some(pid) = slot.pid {
        field("pid", &pid.to_string())?;
    }
    if let Some(reason) = &slot.reason {
        field("because", reason)?;
    }
    Ok(())
}
