//! Rows of the database as the types of the model. Whatever does not fit is an error that names table, row and text.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use missiond_process::text::preview;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::de::DeserializeOwned;

use crate::ids::{LeaseToken, Seq};
use crate::model::{AgentStatus, Approval, ApprovalStatus, Event, Lease, Message, Slot, Task, TaskStatus};
use crate::ports::{StoreError, StoreErrorKind};
use crate::store::error::translate;

/// How much of a text that cannot be read is shown.
const SHOWN_BYTES: usize = 200;

/// The cells of one row, whose first column names the row.
#[derive(Debug)]
pub(super) struct Cells<'r> {
    pub(super) path: &'r Path,
    pub(super) table: &'static str,
    pub(super) row: &'r Row<'r>,
}

impl Cells<'_> {
    /// Text or null.
    pub(super) fn maybe_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.cell(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.corrupt(column, &String::from_utf8_lossy(bytes), "is not UTF-8")),
            },
            other => Err(self.corrupt(column, &show(other), "is not text")),
        }
    }

    /// Text.
    pub(super) fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.maybe_text(column)?.ok_or_else(|| self.corrupt(column, "NULL", "must not be missing"))
    }

    /// A number that is not negative.
    pub(super) fn number(&self, column: usize) -> Result<u64, StoreError> {
        self.maybe_number(column)?.ok_or_else(|| self.corrupt(column, "NULL", "must not be missing"))
    }

    /// A number that is not negative, or null.
    pub(super) fn maybe_number(&self, column: usize) -> Result<Option<u64>, StoreError> {
        match self.cell(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => match u64::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.corrupt(column, &number.to_string(), "is negative")),
            },
            other => Err(self.corrupt(column, &show(other), "is no number")),
        }
    }

    /// A small number that is not negative.
    pub(super) fn small(&self, column: usize) -> Result<u32, StoreError> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| self.corrupt(column, &number.to_string(), "is too great"))
    }

    /// Whatever its text is parsed into.
    pub(super) fn parsed<T: FromStr>(&self, column: usize) -> Result<T, StoreError>
    where
        T::Err: Display,
    {
        self.parse(column, self.text(column)?)
    }

    /// Whatever its text, if any, is parsed into.
    pub(super) fn maybe_parsed<T: FromStr>(&self, column: usize) -> Result<Option<T>, StoreError>
    where
        T::Err: Display,
    {
        self.maybe_text(column)?.map(|text| self.parse(column, text)).transpose()
    }

    /// One of a fixed set of words.
    pub(super) fn word<T>(&self, column: usize, known: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(column)?;
        known(text).ok_or_else(|| self.corrupt(column, text, "is no word that this missiond knows"))
    }

    /// Whatever its JSON says.
    pub(super) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(text)
            .map_err(|error| self.corrupt(column, text, &format!("cannot be read ({error})")))
    }

    /// Whatever its JSON says, if there is any.
    pub(super) fn maybe_json<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>, StoreError> {
        if self.maybe_text(column)?.is_none() { Ok(None) } else { self.json(column).map(Some) }
    }

    /// The error for a cell whose text makes no sense.
    pub(super) fn corrupt(&self, column: usize, text: &str, why: &str) -> StoreError {
        let name = self.row.as_ref().column_name(column).unwrap_or("?").to_owned();
        let row = self.row.get_ref(0).map_or_else(|_| "?".to_owned(), show);
        let text = crate::text::escape_line(&preview(text, SHOWN_BYTES));
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!(
                "{}: table `{}`, row `{row}`, column `{name}`: `{text}` {why}; correct it with the sqlite3 program or put a \
                 backup in its place",
                self.path.display(),
                self.table,
            ),
        )
    }

    fn parse<T: FromStr>(&self, column: usize, text: &str) -> Result<T, StoreError>
    where
        T::Err: Display,
    {
        text.parse().map_err(|error: T::Err| self.corrupt(column, text, &format!("cannot be read ({error})")))
    }

    fn cell(&self, column: usize) -> Result<ValueRef<'_>, StoreError> {
        self.row.get_ref(column).map_err(|error| translate(self.path, "reading", error))
    }
}

/// A lease, from three columns that begin at `first`.
pub(super) fn lease(cells: &Cells<'_>, first: usize) -> Result<Option<Lease>, StoreError> {
    let Some(slot) = cells.maybe_parsed(first)? else { return Ok(None) };
    let token = LeaseToken(cells.number(first + 1)?);
    Ok(Some(Lease { slot, token, until: cells.parsed::<Timestamp>(first + 2)? }))
}

pub(super) fn task(cells: &Cells<'_>) -> Result<Task, StoreError> {
    let mut task = Task::queued(cells.parsed(0)?, cells.json(1)?, cells.parsed(10)?);
    task.status = cells.word(2, TaskStatus::from_word)?;
    task.reason = cells.maybe_text(3)?.map(str::to_owned);
    task.attempts = cells.small(4)?;
    task.lease = lease(cells, 5)?;
    if task.lease.is_some() != (task.status == TaskStatus::Running) {
        return Err(cells.corrupt(2, task.status.as_str(), "does not go with the task's lease"));
    }
    task.workspace = cells.maybe_json(8)?;
    task.conversation = cells.maybe_parsed(9)?;
    task.started_at = cells.maybe_parsed(11)?;
    task.finished_at = cells.maybe_parsed(12)?;
    task.result = cells.maybe_json(13)?;
    Ok(task)
}

pub(super) fn slot(cells: &Cells<'_>) -> Result<Slot, StoreError> {
    let mut slot = Slot::vacant(cells.json(1)?, cells.parsed(6)?);
    if slot.config.id.as_str() != cells.text(0)? {
        return Err(cells.corrupt(1, cells.text(1)?, "is the configuration of another slot"));
    }
    slot.status = cells.word(2, AgentStatus::from_word)?;
    slot.reason = cells.maybe_text(3)?.map(str::to_owned);
    slot.task = cells.maybe_parsed(4)?;
    slot.pid = if cells.maybe_number(5)?.is_some() { Some(cells.small(5)?) } else { None };
    Ok(slot)
}

pub(super) fn approval(cells: &Cells<'_>) -> Result<Approval, StoreError> {
    Ok(Approval {
        id: cells.parsed(0)?,
        task: cells.parsed(1)?,
        slot: cells.parsed(2)?,
        call: cells.json(3)?,
        verdict: cells.json(4)?,
        status: cells.word(5, ApprovalStatus::from_word)?,
        answered_by: cells.maybe_text(6)?.map(str::to_owned),
        note: cells.maybe_text(7)?.map(str::to_owned),
        opened_at: cells.parsed(8)?,
        expires_at: cells.parsed(9)?,
    })
}

pub(super) fn message(cells: &Cells<'_>) -> Result<Message, StoreError> {
    Ok(Message {
        id: cells.parsed(0)?,
        from: cells.maybe_parsed(1)?,
        to: cells.json(2)?,
        sent_at: cells.parsed(3)?,
        text: cells.text(4)?.to_owned(),
    })
}

pub(super) fn event(cells: &Cells<'_>) -> Result<Event, StoreError> {
    let seq = Seq(cells.number(0)?);
    Ok(Event::new(seq, cells.parsed(1)?, cells.maybe_parsed(2)?, cells.maybe_parsed(3)?, cells.json(4)?))
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            crate::text::escape_line(&preview(&text, SHOWN_BYTES))
        }
        ValueRef::Blob(bytes) => format!("{} bytes of binary data", bytes.len()),
    }
}
