//! The life of a task: queue, lease, end.

use jiff::Timestamp;
use missiond_process::text::preview;
use rusqlite::params;

use super::{Ledger, approvals, json};
use crate::ids::{ConversationId, LeaseToken, SlotId, TaskId};
use crate::model::{EventBody, Lease, NewTask, TaskResult, TaskStatus, WorkspaceRecord, event_text};
use crate::ports::{Applied, Finish, StoreError};
use crate::store::error::{conflict, invalid, is_final, not_found, stale};
use crate::store::{rows, sql};

/// How much of a prompt its event shows.
const PROMPT_SHOWN_BYTES: usize = 256;
/// The longest name of an issue.
const MAX_ISSUE_BYTES: usize = 256;

pub(super) fn submit(
    ledger: &mut Ledger<'_>,
    id: TaskId,
    request: &NewTask,
    at: Timestamp,
) -> Result<(), StoreError> {
    if request.prompt.is_empty() {
        return Err(invalid("the prompt is empty; say what the agent is to do"));
    }
    let bounds = [
        ("the prompt", "bytes", request.prompt.len(), NewTask::MAX_PROMPT_BYTES),
        ("the list of dependencies", "tasks", request.depends_on.len(), NewTask::MAX_DEPENDENCIES),
        ("the issue's name", "bytes", request.issue.as_ref().map_or(0, String::len), MAX_ISSUE_BYTES),
    ];
    for (what, unit, size, most) in bounds {
        if size > most {
            return Err(invalid(format!("{what} has {size} {unit}; at most {most} are taken")));
        }
    }
    if ledger.exists(sql::TASK_EXISTS, &id.to_string())? {
        return Err(conflict(format!("there is a task {id} already")));
    }
    for (what, other) in request
        .depends_on
        .iter()
        .map(|id| ("depends on", id))
        .chain(request.follow_up.iter().map(|id| ("follows", id)))
    {
        if !ledger.exists(sql::TASK_EXISTS, &other.to_string())? {
            return Err(not_found(format!("there is no task {other}, which the new one {what}")));
        }
    }
    let stored = json("task", request)?;
    ledger.run(
        sql::INSERT_TASK,
        params![id.to_string(), stored, TaskStatus::Queued.as_str(), at.to_string()],
    )?;
    let prompt = preview(&request.prompt, PROMPT_SHOWN_BYTES).into_owned();
    let body = EventBody::TaskSubmitted { role: request.role.clone(), prompt };
    ledger.append(at, Some(id), None, &body)
}

pub(super) fn lease(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    slot: &SlotId,
    at: Timestamp,
    until: Timestamp,
) -> Result<Applied, StoreError> {
    let standing = standing(ledger, task)?;
    if standing.status != TaskStatus::Queued {
        return Err(conflict(format!("task {task} is {}, not queued", standing.status)));
    }
    super::slots::load(ledger, slot)?;
    if let Some(other) = leased_to(ledger, slot)? {
        return Err(conflict(format!("slot {slot} holds task {other} already")));
    }
    let token = ledger.rows("counters", sql::NEXT_TOKEN, [], |cells| cells.number(0))?.pop();
    let token = token
        .ok_or_else(|| not_found("the database has lost its counter of leases; put a backup in its place"))?;
    let attempt = standing.attempts.saturating_add(1);
    ledger.run(
        sql::LEASE_TASK,
        params![
            task.to_string(),
            TaskStatus::Running.as_str(),
            attempt,
            slot.as_str(),
            token.cast_signed(),
            until.to_string(),
            at.to_string()
        ],
    )?;
    let token = LeaseToken(token);
    ledger.append(at, Some(task), Some(slot), &EventBody::TaskLeased { attempt, token })?;
    let lease = Lease { slot: slot.clone(), token, until };
    Ok(Applied { lease: Some(lease), attempt: Some(attempt), ..ledger.applied() })
}

pub(super) fn renew(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    token: LeaseToken,
    until: Timestamp,
) -> Result<(), StoreError> {
    let held = held(ledger, task, token)?;
    // Renewals may overtake each other; a lease never gets shorter.
    ledger.run(sql::RENEW_LEASE, params![task.to_string(), held.until.max(until).to_string()])
}

pub(super) fn requeue(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    token: Option<LeaseToken>,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let lease = match token {
        Some(token) => held(ledger, task, token)?,
        None => {
            let lease = running(task, standing(ledger, task)?)?;
            if lease.until > at {
                return Err(conflict(format!("the lease of task {task} goes on until {}", lease.until)));
            }
            lease
        }
    };
    back_to_queue(ledger, task, &lease.slot, reason, at)
}

/// Puts a running task in the queue, and ends what its agent asked.
pub(super) fn back_to_queue(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    slot: &SlotId,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let reason = event_text(reason);
    approvals::expire(ledger, Some(task), &reason, at)?;
    ledger.run(sql::REQUEUE_TASK, params![task.to_string(), TaskStatus::Queued.as_str(), reason])?;
    ledger.append(at, Some(task), Some(slot), &EventBody::TaskRequeued { reason })
}

pub(super) fn finish(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    token: LeaseToken,
    finish: &Finish,
    at: Timestamp,
) -> Result<(), StoreError> {
    let lease = held(ledger, task, token)?;
    if !finish.status.is_final() {
        return Err(invalid(format!(
            "a task cannot be finished as {}; use done, failed or cancelled",
            finish.status
        )));
    }
    let end = End {
        status: finish.status,
        reason: finish.reason.as_deref(),
        slot: Some(&lease.slot),
        result: Some(stored_result(&finish.result)?),
    };
    end_as(ledger, task, end, at)
}

pub(super) fn end(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    status: TaskStatus,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !matches!(status, TaskStatus::Cancelled | TaskStatus::Failed) {
        return Err(invalid(format!("a task cannot be ended as {status}; use cancelled or failed")));
    }
    let standing = standing(ledger, task)?;
    if standing.status.is_final() {
        return Err(final_already(task, standing.status));
    }
    let slot = standing.lease.as_ref().map(|lease| &lease.slot);
    end_as(ledger, task, End { status, reason: Some(reason), slot, result: None }, at)
}

pub(super) fn amend(ledger: &Ledger<'_>, task: TaskId, result: &TaskResult) -> Result<(), StoreError> {
    let standing = standing(ledger, task)?;
    if !standing.status.is_final() {
        return Err(conflict(format!(
            "task {task} is {}; its holder finishes it with its result",
            standing.status
        )));
    }
    if standing.has_result {
        return Err(is_final(format!("task {task} has its result already")));
    }
    ledger.run(sql::SET_RESULT, params![task.to_string(), stored_result(result)?])
}

pub(super) fn set_workspace(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    token: LeaseToken,
    workspace: &WorkspaceRecord,
    at: Timestamp,
) -> Result<(), StoreError> {
    let lease = held(ledger, task, token)?;
    ledger.run(sql::SET_WORKSPACE, params![task.to_string(), json("workspace", workspace)?])?;
    let body = EventBody::WorkspaceReady { workspace: workspace.clone() };
    ledger.append(at, Some(task), Some(&lease.slot), &body)
}

pub(super) fn set_conversation(
    ledger: &mut Ledger<'_>,
    task: TaskId,
    token: LeaseToken,
    conversation: &ConversationId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let lease = held(ledger, task, token)?;
    ledger.run(sql::SET_CONVERSATION, params![task.to_string(), conversation.as_str()])?;
    let body = EventBody::AgentConversation { conversation: conversation.clone() };
    ledger.append(at, Some(task), Some(&lease.slot), &body)
}

/// What the guards ask of a task.
pub(super) struct Standing {
    pub(super) status: TaskStatus,
    pub(super) lease: Option<Lease>,
    attempts: u32,
    has_result: bool,
}

pub(super) fn standing(ledger: &Ledger<'_>, task: TaskId) -> Result<Standing, StoreError> {
    let found = ledger.rows("tasks", sql::TASK_STANDING, [task.to_string()], |cells| {
        Ok(Standing {
            status: cells.word(1, TaskStatus::from_word)?,
            attempts: cells.small(2)?,
            lease: rows::lease(cells, 3)?,
            has_result: cells.number(6)? != 0,
        })
    })?;
    found.into_iter().next().ok_or_else(|| not_found(format!("there is no task {task}")))
}

/// The error for a task that is final.
pub(super) fn final_already(task: TaskId, status: TaskStatus) -> StoreError {
    is_final(format!("task {task} is {status}, and that is final"))
}

/// The task that is leased to a slot.
pub(super) fn leased_to(ledger: &Ledger<'_>, slot: &SlotId) -> Result<Option<TaskId>, StoreError> {
    Ok(ledger.rows("tasks", sql::TASK_LEASED_TO, [slot.as_str()], |cells| cells.parsed(0))?.pop())
}

/// The lease of a task, if `token` is the one that holds it.
fn held(ledger: &Ledger<'_>, task: TaskId, token: LeaseToken) -> Result<Lease, StoreError> {
    let standing = standing(ledger, task)?;
    if standing.status.is_final() {
        return Err(final_already(task, standing.status));
    }
    match standing.lease {
        Some(lease) if lease.token == token => Ok(lease),
        Some(lease) => Err(stale(format!("token {token} of task {task} was replaced by {}", lease.token))),
        None => Err(stale(format!("task {task} went back to the queue, and token {token} no longer counts"))),
    }
}

fn running(task: TaskId, standing: Standing) -> Result<Lease, StoreError> {
    match standing.lease {
        Some(lease) => Ok(lease),
        None if standing.status.is_final() => Err(final_already(task, standing.status)),
        None => Err(conflict(format!("task {task} is {}, not running", standing.status))),
    }
}

struct End<'a> {
    status: TaskStatus,
    reason: Option<&'a str>,
    slot: Option<&'a SlotId>,
    result: Option<String>,
}

/// The one place where a task becomes final.
fn end_as(ledger: &mut Ledger<'_>, task: TaskId, end: End<'_>, at: Timestamp) -> Result<(), StoreError> {
    let reason = end.reason.map(event_text);
    let asked_in_vain = reason.clone().unwrap_or_else(|| format!("its task is {}", end.status));
    approvals::expire(ledger, Some(task), &asked_in_vain, at)?;
    ledger.run(
        sql::END_TASK,
        params![task.to_string(), end.status.as_str(), reason, at.to_string(), end.result],
    )?;
    ledger.append(at, Some(task), end.slot, &EventBody::TaskFinished { status: end.status, reason })
}

/// A result as it is stored: the answer is cut rather than refused, since a refusal would keep the task from ending.
fn stored_result(result: &TaskResult) -> Result<String, StoreError> {
    if result.answer.len() <= TaskResult::MAX_ANSWER_BYTES {
        return json("result", result);
    }
    let answer = preview(&result.answer, TaskResult::MAX_ANSWER_BYTES).into_owned();
    json("result", &TaskResult { answer, ..result.clone() })
}
