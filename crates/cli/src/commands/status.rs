//! `status`: how things stand.

use clap::Args;
use missiond_core::control::{MissionStatus, TaskCounts};
use missiond_core::text::escape_line;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{FAINT, GREEN, YELLOW, line, one, stamp};

/// Show how the mission of this project stands
#[derive(Debug, Args)]
pub(crate) struct Status {}

/// What `status` prints.
#[derive(Serialize)]
struct Shown {
    project: std::path::PathBuf,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mission: Option<MissionStatus>,
    tasks: TaskCounts,
    pending_approvals: usize,
}

impl Status {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let access = context.reach().await?;
        let mission = access.status().await?;
        let tasks = match &mission {
            Some(mission) => mission.tasks,
            None => access.task_counts().await?,
        };
        let pending_approvals = access.approvals(false).await?.len();
        let root = access.paths().root().to_owned();
        let shown = Shown { project: root, running: mission.is_some(), mission, tasks, pending_approvals };
        one(context.format, &shown, || print(&shown))?;
        Ok(Exit::OK)
    }
}

fn print(shown: &Shown) -> anyhow::Result<()> {
    let field = |name: &str, value: &str| line(format!("{FAINT}{name:<11}{FAINT:#}{value}"));
    field("project", &escape_line(&shown.project.display().to_string()))?;
    match &shown.mission {
        Some(mission) => {
            let draining = if mission.draining { ", until the queue is empty" } else { "" };
            let version = escape_line(&mission.version);
            let since = stamp(mission.since);
            field(
                "mission",
                &format!(
                    "{GREEN}running{GREEN:#}, pid {}, missiond {version}, since {since}{draining}",
                    mission.pid
                ),
            )?;
            field("slots", &format!("{}, {} busy", mission.slots, mission.busy_slots))?;
        }
        None => field("mission", &format!("not running {FAINT}(`missiond up` starts one){FAINT:#}"))?,
    }
    let tasks = &shown.tasks;
    field(
        "tasks",
        &format!(
            "{} queued, {} running, {} done, {} failed, {} cancelled",
            tasks.queued, tasks.running, tasks.done, tasks.failed, tasks.cancelled
        ),
    )?;
    if shown.pending_approvals > 0 {
        let waiting = shown.pending_approvals;
        field(
            "approvals",
            &format!("{YELLOW}{waiting} waiting{YELLOW:#} {FAINT}(`missiond approvals`){FAINT:#}"),
        )?;
    }
    Ok(())
}
