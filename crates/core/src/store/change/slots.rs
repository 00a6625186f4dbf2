//! Slots and who sits in them.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::params;

use super::{Ledger, approvals, json, tasks};
use crate::ids::{SlotId, TaskId};
use crate::model::{AgentStatus, EventBody, Slot, SlotConfig, event_text};
use crate::ports::{StoreError, Vacated};
use crate::store::error::{conflict, invalid, not_found, stale};
use crate::store::{rows, sql};

/// How many slots a mission has at most.
const MAX_SLOTS: usize = 1000;

pub(super) fn load(ledger: &Ledger<'_>, slot: &SlotId) -> Result<Slot, StoreError> {
    let found = ledger.rows("slots", sql::SLOT, [slot.as_str()], rows::slot)?.pop();
    found.ok_or_else(|| {
        not_found(format!("there is no slot {slot}; add a `[[slot]]` with that id to the configuration"))
    })
}

pub(super) fn configure(
    ledger: &Ledger<'_>,
    configs: &[SlotConfig],
    at: Timestamp,
) -> Result<(), StoreError> {
    if configs.len() > MAX_SLOTS {
        return Err(invalid(format!("there are {} slots; at most {MAX_SLOTS} are taken", configs.len())));
    }
    let mut wanted = HashSet::new();
    if let Some(twice) = configs.iter().find(|config| !wanted.insert(&config.id)) {
        return Err(invalid(format!("slot {} is configured twice; give each an id of its own", twice.id)));
    }
    let there = ledger.rows("slots", sql::SLOTS, [], rows::slot)?;
    let leased: Vec<(TaskId, SlotId)> =
        ledger.rows("tasks", sql::TASKS_LEASED, [], |cells| Ok((cells.parsed(0)?, cells.parsed(1)?)))?;
    if let Some((task, slot)) = leased.iter().find(|(_, slot)| !wanted.contains(slot)) {
        return Err(conflict(format!(
            "slot {slot} is gone from the configuration, but runs task {task}; end that first"
        )));
    }
    let at_work: HashSet<&SlotId> = leased.iter().map(|(_, slot)| slot).collect();
    for slot in &there {
        let id = &slot.config.id;
        if !wanted.contains(id) {
            ledger.run(sql::DELETE_SLOT, [id.as_str()])?;
        } else if !at_work.contains(id) && !is_free(slot) {
            set(ledger, &Slot::vacant(slot.config.clone(), at))?;
        }
    }
    for config in configs {
        let stored = json("slot", config)?;
        if there.iter().any(|slot| slot.config.id == config.id) {
            ledger.run(sql::CONFIGURE_SLOT, params![config.id.as_str(), stored])?;
        } else {
            let slot = Slot::vacant(config.clone(), at);
            ledger.run(
                sql::INSERT_SLOT,
                params![
                    config.id.as_str(),
                    stored,
                    slot.status.as_str(),
                    slot.reason,
                    slot.task.map(|task| task.to_string()),
                    slot.pid,
                    at.to_string()
                ],
            )?;
        }
    }
    Ok(())
}

pub(super) fn occupy(
    ledger: &mut Ledger<'_>,
    id: &SlotId,
    task: TaskId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut slot = load(ledger, id)?;
    require_seated(ledger, task, id)?;
    let takes_a_turn = slot.status.is_vacant() || slot.status == AgentStatus::Idle;
    if !takes_a_turn || slot.task.is_some() {
        let held = slot.task.map_or_else(String::new, |task| format!(" for task {task}"));
        return Err(conflict(format!("slot {id} is {}{held}, not vacant", slot.status)));
    }
    slot.status = AgentStatus::Starting;
    slot.task = Some(task);
    slot.reason = None;
    slot.pid = None;
    slot.since = at;
    set(ledger, &slot)?;
    let evidence = "the slot was taken for the task".to_owned();
    ledger.append(
        at,
        Some(task),
        Some(id),
        &EventBody::AgentStatus { status: slot.status, evidence, pid: None },
    )
}

pub(super) fn set_status(
    ledger: &mut Ledger<'_>,
    id: &SlotId,
    task: TaskId,
    status: AgentStatus,
    evidence: &str,
    pid: Option<u32>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut slot = load(ledger, id)?;
    require_occupant(&slot, task)?;
    let evidence = event_text(evidence);
    if slot.status != status {
        slot.since = at;
    }
    slot.status = status;
    slot.reason = Some(evidence.clone());
    slot.pid = pid;
    set(ledger, &slot)?;
    ledger.append(at, Some(task), Some(id), &EventBody::AgentStatus { status, evidence, pid })
}

pub(super) fn vacate(
    ledger: &mut Ledger<'_>,
    id: &SlotId,
    vacated: &Vacated,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !vacated.status.is_vacant() {
        return Err(invalid(format!(
            "a slot cannot be vacated as {}; use stopped or exited",
            vacated.status
        )));
    }
    let slot = load(ledger, id)?;
    if let Some(task) = vacated.task {
        require_occupant(&slot, task)?;
    }
    empty(ledger, slot, vacated.status, &vacated.reason, at)
}

pub(super) fn take_over(ledger: &mut Ledger<'_>, reason: &str, at: Timestamp) -> Result<(), StoreError> {
    approvals::expire(ledger, None, &event_text(reason), at)?;
    let leased: Vec<(TaskId, SlotId)> =
        ledger.rows("tasks", sql::TASKS_LEASED, [], |cells| Ok((cells.parsed(0)?, cells.parsed(1)?)))?;
    for (task, slot) in leased {
        tasks::back_to_queue(ledger, task, &slot, reason, at)?;
    }
    for slot in ledger.rows("slots", sql::SLOTS, [], rows::slot)? {
        if !is_free(&slot) {
            empty(ledger, slot, AgentStatus::Stopped, reason, at)?;
        }
    }
    Ok(())
}

/// Refuses unless the task runs in that slot.
pub(super) fn require_seated(ledger: &Ledger<'_>, task: TaskId, slot: &SlotId) -> Result<(), StoreError> {
    let standing = tasks::standing(ledger, task)?;
    if standing.status.is_final() {
        return Err(tasks::final_already(task, standing.status));
    }
    match standing.lease {
        Some(lease) if lease.slot == *slot => Ok(()),
        Some(lease) => Err(stale(format!("task {task} runs in slot {}, not in {slot}", lease.slot))),
        None => Err(stale(format!("task {task} does not run in slot {slot}, it is {}", standing.status))),
    }
}

fn require_occupant(slot: &Slot, task: TaskId) -> Result<(), StoreError> {
    match slot.task {
        Some(occupant) if occupant == task => Ok(()),
        Some(occupant) => {
            Err(stale(format!("slot {} is occupied for task {occupant}, not for {task}", slot.config.id)))
        }
        None => Err(stale(format!("slot {} is not occupied for task {task} any more", slot.config.id))),
    }
}

/// Whether there is nobody in it and nobody has it.
fn is_free(slot: &Slot) -> bool {
    slot.status.is_vacant() && slot.task.is_none()
}

fn empty(
    ledger: &mut Ledger<'_>,
    mut slot: Slot,
    status: AgentStatus,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let task = slot.task.take();
    let evidence = event_text(reason);
    slot.status = status;
    slot.reason = Some(evidence.clone());
    slot.pid = None;
    slot.since = at;
    set(ledger, &slot)?;
    ledger.append(at, task, Some(&slot.config.id), &EventBody::AgentStatus { status, evidence, pid: None })
}

fn set(ledger: &Ledger<'_>, slot: &Slot) -> Result<(), StoreError> {
    ledger.run(
        sql::SET_SLOT,
        params![
            slot.config.id.as_str(),
            slot.status.as_str(),
            slot.reason,
            slot.task.map(|task| task.to_string()),
            slot.pid,
            slot.since.to_string()
        ],
    )
}
