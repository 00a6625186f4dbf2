//! Messages, and events that change nothing else.

use jiff::Timestamp;
use rusqlite::params;

use super::{Ledger, json};
use crate::ids::{SlotId, TaskId};
use crate::model::{EventBody, Message};
use crate::ports::StoreError;
use crate::store::error::{conflict, invalid};
use crate::store::sql;

/// How many events one change may bring.
const MAX_NOTES: usize = 10_000;
/// The largest event, as JSON: 1 MiB.
const MAX_EVENT_BYTES: usize = 1 << 20;

pub(super) fn send(ledger: &mut Ledger<'_>, message: &Message) -> Result<(), StoreError> {
    let size = message.text.len();
    if size > Message::MAX_TEXT_BYTES {
        return Err(invalid(format!(
            "the message has {size} bytes; at most {} are taken",
            Message::MAX_TEXT_BYTES
        )));
    }
    let id = message.id.to_string();
    if ledger.exists(sql::MESSAGE_EXISTS, &id)? {
        return Err(conflict(format!("there is a message {id} already")));
    }
    let from = message.from.as_ref();
    ledger.run(
        sql::INSERT_MESSAGE,
        params![
            id,
            from.map(SlotId::as_str),
            json("recipient", &message.to)?,
            message.sent_at.to_string(),
            message.text
        ],
    )?;
    let body = EventBody::MessageSent {
        message: message.id,
        from: from.map_or_else(|| "person".to_owned(), SlotId::to_string),
        to: message.to.to_string(),
    };
    ledger.append(message.sent_at, None, from, &body)
}

/// Checks and encodes every event before the first one is written.
pub(super) fn note(
    ledger: &mut Ledger<'_>,
    task: Option<TaskId>,
    slot: Option<&SlotId>,
    bodies: &[EventBody],
    at: Timestamp,
) -> Result<(), StoreError> {
    if bodies.len() > MAX_NOTES {
        return Err(invalid(format!("{} events at once; at most {MAX_NOTES} are taken", bodies.len())));
    }
    let mut encoded = Vec::with_capacity(bodies.len());
    for body in bodies {
        if belongs_to_another_change(body) {
            return Err(invalid(format!(
                "`{}` is written by the change that it tells of, not as a note",
                body.kind()
            )));
        }
        let text = json("event", body)?;
        if text.len() > MAX_EVENT_BYTES {
            return Err(invalid(format!(
                "the event `{}` has {} bytes; at most {MAX_EVENT_BYTES} are taken",
                body.kind(),
                text.len()
            )));
        }
        encoded.push(text);
    }
    let (at, task) = (at.to_string(), task.map(|task| task.to_string()));
    for body in &encoded {
        ledger.append_raw(&at, task.as_deref(), slot.map(SlotId::as_str), body)?;
    }
    Ok(())
}

fn belongs_to_another_change(body: &EventBody) -> bool {
    match body {
        EventBody::TaskSubmitted { .. }
        | EventBody::TaskLeased { .. }
        | EventBody::TaskRequeued { .. }
        | EventBody::TaskFinished { .. }
        | EventBody::WorkspaceReady { .. }
        | EventBody::AgentStatus { .. }
        | EventBody::AgentConversation { .. }
        | EventBody::ApprovalOpened { .. }
        | EventBody::ApprovalSettled { .. }
        | EventBody::MessageSent { .. } => true,
        EventBody::MissionOpened { .. }
        | EventBody::MissionClosed { .. }
        | EventBody::WorkspaceRetired { .. }
        | EventBody::WorkCommitted { .. }
        | EventBody::AgentText { .. }
        | EventBody::ToolCalled { .. }
        | EventBody::ToolJudged { .. }
        | EventBody::ToolFinished { .. }
        | EventBody::TurnFinished { .. }
        | EventBody::ControlRefused { .. }
        | EventBody::Warning { .. } => false,
    }
}
