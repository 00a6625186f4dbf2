//! Printing: text for people with everything untrusted escaped, or JSON.

mod audit;
mod json;
mod show;
mod style;
mod table;
mod time;

use std::io::Write as _;

use serde::Serialize;

use crate::cli::Format;

pub(crate) use audit::{audit_csv, audit_line, audit_table};
pub(crate) use json::to_json;
pub(crate) use show::{approval, event_line, event_what, finished_task, head, task_detail};
pub(crate) use style::{FAINT, GREEN, RED, STRONG, YELLOW, agent_style, status_style};
pub(crate) use table::{Cell, Table, cut, terminal_width};
pub(crate) use time::{duration_ms, length, stamp};

/// Prints a line of text, which must be escaped where it is not ours.
pub(crate) fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(())
}

/// A number of things: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Prints a line for a person who waits, to standard error.
pub(crate) fn remark(text: impl std::fmt::Display) {
    // Remarks are lost with standard error; the result is not among them.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Prints one thing: `table` for people, else JSON.
pub(crate) fn one<T: Serialize>(
    format: Format,
    thing: &T,
    table: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match format {
        Format::Table => table(),
        Format::Json => line(to_json(thing, true)?),
        Format::Jsonl => line(to_json(thing, false)?),
    }
}

/// Prints a list: a table for people (or `nothing` when it is empty), else a JSON array or a line each.
pub(crate) fn list<T: Serialize>(
    format: Format,
    things: &[T],
    nothing: &str,
    table: impl FnOnce() -> Table,
) -> anyhow::Result<()> {
    match format {
        // Standard output stays empty, for whoever counts lines.
        Format::Table if things.is_empty() => remark(nothing),
        Format::Table => table().print()?,
        Format::Json => line(to_json(&things, true)?)?,
        Format::Jsonl => {
            for thing in things {
                line(to_json(thing, false)?)?;
            }
        }
    }
    Ok(())
}
