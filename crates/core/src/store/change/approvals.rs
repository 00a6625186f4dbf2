//! Questions to a person.

use jiff::Timestamp;
use rusqlite::params;

use super::{Ledger, json, slots};
use crate::ids::{ApprovalId, SlotId, TaskId};
use crate::model::{Approval, ApprovalStatus, EventBody, event_text};
use crate::ports::StoreError;
use crate::store::error::{conflict, invalid, is_final, not_found};
use crate::store::rows::Cells;
use crate::store::sql;

/// The largest call that a person is asked about, as JSON: 16 MiB.
const MAX_CALL_BYTES: usize = 16 << 20;
/// The longest note of an answerer: 64 KiB.
const MAX_NOTE_BYTES: usize = 64 << 10;

pub(super) fn open(ledger: &mut Ledger<'_>, approval: &Approval) -> Result<(), StoreError> {
    let id = approval.id;
    if approval.status != ApprovalStatus::Pending || approval.answered_by.is_some() || approval.note.is_some()
    {
        return Err(invalid(format!("question {id} is answered before it was asked; open it as pending")));
    }
    let call = json("tool call", &approval.call)?;
    if call.len() > MAX_CALL_BYTES {
        return Err(invalid(format!(
            "the tool call has {} bytes; at most {MAX_CALL_BYTES} are taken",
            call.len()
        )));
    }
    slots::require_seated(ledger, approval.task, &approval.slot)?;
    if find(ledger, id)?.is_some() {
        return Err(conflict(format!("there is a question {id} already")));
    }
    ledger.run(
        sql::INSERT_APPROVAL,
        params![
            id.to_string(),
            approval.task.to_string(),
            approval.slot.as_str(),
            call,
            json("verdict", &approval.verdict)?,
            approval.status.as_str(),
            approval.opened_at.to_string(),
            approval.expires_at.to_string()
        ],
    )?;
    let body = EventBody::ApprovalOpened {
        approval: id,
        tool: event_text(&approval.call.tool),
        argument: event_text(&approval.call.argument()),
        risk: approval.verdict.risk,
    };
    ledger.append(approval.opened_at, Some(approval.task), Some(&approval.slot), &body)
}

pub(super) fn settle(
    ledger: &mut Ledger<'_>,
    id: ApprovalId,
    status: ApprovalStatus,
    by: &str,
    note: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    if status == ApprovalStatus::Pending {
        return Err(invalid(format!("question {id} cannot be settled as pending; approve or reject it")));
    }
    if note.is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(invalid(format!(
            "the note on question {id} is too long; at most {MAX_NOTE_BYTES} bytes are taken"
        )));
    }
    let asked = find(ledger, id)?.ok_or_else(|| {
        not_found(format!(
            "there is no question {id}; `missiond approvals` shows those that wait for an answer"
        ))
    })?;
    if asked.status != ApprovalStatus::Pending {
        return Err(is_final(format!("question {id} is {} already", asked.status.as_str())));
    }
    if status == ApprovalStatus::Approved && at >= asked.expires_at {
        // Its asker may have been told no at that very moment.
        return Err(is_final(format!("question {id} expired at {}, which counts as no", asked.expires_at)));
    }
    settle_one(ledger, &asked.open, status, by, note, at)
}

/// Expires what waits for an answer, of one task or of all.
pub(super) fn expire(
    ledger: &mut Ledger<'_>,
    task: Option<TaskId>,
    by: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let waiting = match task {
        Some(task) => ledger.rows("approvals", sql::APPROVALS_OPEN_OF, [task.to_string()], open_one)?,
        None => ledger.rows("approvals", sql::APPROVALS_OPEN, [], open_one)?,
    };
    for open in waiting {
        settle_one(ledger, &open, ApprovalStatus::Expired, by, None, at)?;
    }
    Ok(())
}

struct Open {
    id: ApprovalId,
    task: TaskId,
    slot: SlotId,
}

struct Asked {
    open: Open,
    status: ApprovalStatus,
    expires_at: Timestamp,
}

fn find(ledger: &Ledger<'_>, id: ApprovalId) -> Result<Option<Asked>, StoreError> {
    let found = ledger.rows("approvals", sql::APPROVAL_STANDING, [id.to_string()], |cells| {
        let status = cells.word(3, ApprovalStatus::from_word)?;
        Ok(Asked { open: open_one(cells)?, status, expires_at: cells.parsed(4)? })
    })?;
    Ok(found.into_iter().next())
}

fn open_one(cells: &Cells<'_>) -> Result<Open, StoreError> {
    Ok(Open { id: cells.parsed(0)?, task: cells.parsed(1)?, slot: cells.parsed(2)? })
}

fn settle_one(
    ledger: &mut Ledger<'_>,
    open: &Open,
    status: ApprovalStatus,
    by: &str,
    note: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let by = event_text(by);
    ledger.run(sql::SETTLE_APPROVAL, params![open.id.to_string(), status.as_str(), by, note])?;
    let body = EventBody::ApprovalSettled { approval: open.id, status, by };
    ledger.append(at, Some(open.task), Some(&open.slot), &body)
}
