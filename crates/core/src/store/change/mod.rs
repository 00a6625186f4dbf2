//! What each change does to the tables, and the events that it writes.
//!
//! Every function here first checks, then writes, inside the transaction of the writer.

mod approvals;
mod log;
mod slots;
mod tasks;

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, Params, params};
use serde::Serialize;

use crate::ids::{Seq, SlotId, TaskId};
use crate::model::EventBody;
use crate::ports::{Applied, Change, StoreError};
use crate::store::change::log::EncodedNote;
use crate::store::error::{invalid, translate};
use crate::store::rows::Cells;
use crate::store::{read, sql};

/// The transaction at hand and the end of the log in it.
pub(super) struct Ledger<'c> {
    conn: &'c Connection,
    path: &'c Path,
    newest: Seq,
    insert_event: CachedStatement<'c>,
}

impl<'c> Ledger<'c> {
    pub(super) fn new(conn: &'c Connection, path: &'c Path, newest: Seq) -> Result<Self, StoreError> {
        let insert_event = conn.prepare_cached(sql::INSERT_EVENT);
        let insert_event = insert_event.map_err(|error| translate(path, "writing", error))?;
        Ok(Self { conn, path, newest, insert_event })
    }

    /// The number of the last event, written or undone.
    pub(super) fn newest(&self) -> Seq {
        self.newest
    }

    /// Forgets events that were undone.
    pub(super) fn rewind(&mut self, newest: Seq) {
        self.newest = newest;
    }

    fn append(
        &mut self,
        at: Timestamp,
        task: Option<TaskId>,
        slot: Option<&SlotId>,
        body: &EventBody,
    ) -> Result<(), StoreError> {
        let body = json("event", body)?;
        let task = task.map(|task| task.to_string());
        self.append_raw(&at.to_string(), task.as_deref(), slot.map(SlotId::as_str), &body)
    }

    fn append_raw(
        &mut self,
        at: &str,
        task: Option<&str>,
        slot: Option<&str>,
        body: &str,
    ) -> Result<(), StoreError> {
        let seq = self.newest.0 + 1;
        self.insert_event
            .execute(params![seq.cast_signed(), at, task, slot, body])
            .map_err(|error| translate(self.path, "writing", error))?;
        self.newest = Seq(seq);
        Ok(())
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        let run = self.conn.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
        run.map(drop).map_err(|error| translate(self.path, "writing", error))
    }

    fn rows<T>(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
        decode: impl Fn(&Cells<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        read::query(self.conn, self.path, table, sql, params, decode)
    }

    fn exists(&self, sql: &str, id: &str) -> Result<bool, StoreError> {
        let exists = self.conn.prepare_cached(sql).and_then(|mut statement| statement.exists([id]));
        exists.map_err(|error| translate(self.path, "reading", error))
    }

    fn applied(&self) -> Applied {
        Applied { seq: self.newest, ..Applied::default() }
    }
}

/// A change made ready for the writer.
#[derive(Debug)]
pub(super) enum Work {
    Change(Change),
    Note(EncodedNote),
}

impl Work {
    /// Does what needs no database, on the thread of the caller.
    pub(super) fn prepare(change: Change) -> Result<Box<Self>, StoreError> {
        Ok(Box::new(match change {
            Change::Note { task, slot, bodies, at } => Self::Note(EncodedNote::new(task, slot, &bodies, at)?),
            other => Self::Change(other),
        }))
    }

    /// Whether it must be on the disk before it is acknowledged.
    pub(super) fn is_durable(&self) -> bool {
        matches!(self, Self::Change(change) if change.is_durable())
    }
}

/// Makes one change.
pub(super) fn perform(ledger: &mut Ledger<'_>, work: &Work) -> Result<Applied, StoreError> {
    match work {
        Work::Change(change) => perform_change(ledger, change),
        Work::Note(note) => log::note(ledger, note).map(|()| ledger.applied()),
    }
}

fn perform_change(ledger: &mut Ledger<'_>, change: &Change) -> Result<Applied, StoreError> {
    match change {
        Change::SubmitTask { id, request, at } => tasks::submit(ledger, *id, request, *at)?,
        Change::LeaseTask { task, slot, at, until } => return tasks::lease(ledger, *task, slot, *at, *until),
        Change::RenewLease { task, token, until } => tasks::renew(ledger, *task, *token, *until)?,
        Change::RequeueTask { task, token, reason, at } => {
            tasks::requeue(ledger, *task, *token, reason, *at)?;
        }
        Change::TakeOverLeases { reason, at } => slots::take_over(ledger, reason, *at)?,
        Change::FinishTask { task, token, finish, at } => tasks::finish(ledger, *task, *token, finish, *at)?,
        Change::EndTask { task, status, reason, at } => tasks::end(ledger, *task, *status, reason, *at)?,
        Change::AmendResult { task, result } => tasks::amend(ledger, *task, result)?,
        Change::SetWorkspace { task, token, workspace, at } => {
            tasks::set_workspace(ledger, *task, *token, workspace, *at)?;
        }
        Change::SetConversation { task, token, conversation, at } => {
            tasks::set_conversation(ledger, *task, *token, conversation, *at)?;
        }
        Change::ConfigureSlots { slots, at } => slots::configure(ledger, slots, *at)?,
        Change::OccupySlot { slot, task, at } => slots::occupy(ledger, slot, *task, *at)?,
        Change::SetAgentStatus { slot, task, status, evidence, pid, at } => {
            slots::set_status(ledger, slot, *task, *status, evidence, *pid, *at)?;
        }
        Change::VacateSlot { slot, vacated, at } => slots::vacate(ledger, slot, vacated, *at)?,
        Change::OpenApproval { approval } => approvals::open(ledger, approval)?,
        Change::SettleApproval { approval, status, by, note, at } => {
            approvals::settle(ledger, *approval, *status, by, note.as_deref(), *at)?;
        }
        Change::SendMessage { message } => log::send(ledger, message)?,
        Change::Note { task, slot, bodies, at } => {
            log::note(ledger, &EncodedNote::new(*task, slot.clone(), bodies, *at)?)?;
        }
    }
    Ok(ledger.applied())
}

/// A value as it is stored.
fn json(what: &str, value: &impl Serialize) -> Result<String, StoreError> {
    let unfit = |error: &dyn std::fmt::Display| {
        invalid(format!("the {what} cannot be stored: {error}; a path must be UTF-8"))
    };
    // Most events fit, so that the text does not move while it grows.
    let mut text = Vec::with_capacity(256);
    serde_json::to_writer(&mut text, value).map_err(|error| unfit(&error))?;
    String::from_utf8(text).map_err(|error| unfit(&error))
}
