//! Messages, and events that change nothing else.

use std::fmt::Write;

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

/// Events as they are stored.
#[derive(Debug)]
pub(in crate::store) struct EncodedNote {
    at: String,
    task: Option<String>,
    slot: Option<SlotId>,
    bodies: Vec<String>,
}

impl EncodedNote {
    /// Checks and encodes. This is the larger part of the work on an event and needs no database, so it is done before the
    /// writer gets it.
    pub(super) fn new(
        task: Option<TaskId>,
        slot: Option<SlotId>,
        bodies: &[EventBody],
        at: Timestamp,
    ) -> Result<Self, StoreError> {
        if bodies.len() > MAX_NOTES {
            return Err(invalid(format!("{} events at once; at most {MAX_NOTES} are taken", bodies.len())));
        }
        let bodies = bodies.iter().map(encode).collect::<Result<_, _>>()?;
        let mut moment = String::with_capacity(32);
        write!(moment, "{at}").expect("writing to a string does not fail");
        Ok(Self { at: moment, task: task.map(|task| task.to_string()), slot, bodies })
    }
}

pub(super) fn note(ledger: &mut Ledger<'_>, note: &EncodedNote) -> Result<(), StoreError> {
    let slot = note.slot.as_ref().map(SlotId::as_str);
    note.bodies.iter().try_for_each(|body| ledger.append_raw(&note.at, note.task.as_deref(), slot, body))
}

fn encode(body: &EventBody) -> Result<String, StoreError> {
    let kind = body.kind();
    if belongs_to_another_change(body) {
        return Err(invalid(format!("`{kind}` is written by the change that it tells of, not as a note")));
    }
    let text = json("event", body)?;
    if text.len() > MAX_EVENT_BYTES {
        let size = text.len();
        return Err(invalid(format!(
            "the event `{kind}` has {size} bytes; at most {MAX_EVENT_BYTES} are taken"
        )));
    }
    Ok(text)
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
