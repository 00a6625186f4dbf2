//! Records of the audit log, for people and for spreadsheets.

use missiond_core::text::escape_line;
use missiond_policy::Decision;
use missiond_policy::audit::{Call, Entry, Record};

use crate::output::{Cell, FAINT, GREEN, RED, STRONG, Table, YELLOW, stamp};

const COLUMNS: &[&str] = &[
    "record", "at", "kind", "decision", "by", "rule", "risk", "tool", "input", "cwd", "reason", "part",
    "slot", "task", "agent", "session", "call", "approval", "person", "note", "prev", "hash",
];

pub(crate) fn audit_table(records: &[Record]) -> Table {
    let mut table = Table::new(&["RECORD", "AT", "DECISION", "BY", "SLOT", "RISK", "CALL"]);
    for record in records {
        let (decision, style, by, slot, risk) = match &record.entry {
            Entry::Call(call) => (
                call.decision.as_str(),
                style(call.decision),
                call.by.as_str(),
                call.slot.as_deref().unwrap_or("-"),
                call.risk.as_str(),
            ),
            _ => ("-", FAINT, "-", "-", "-"),
        };
        table.row(vec![
            Cell::new(record.seq.to_string()),
            Cell::styled(stamp(record.at), FAINT),
            Cell::styled(decision, style),
            Cell::new(by),
            Cell::new(slot),
            Cell::new(risk),
            Cell::new(what(&record.entry)),
        ]);
    }
    table
}

/// A record in one line.
pub(crate) fn audit_line(record: &Record) -> String {
    let at = stamp(record.at);
    let (word, style) = match &record.entry {
        Entry::Call(call) => (call.decision.as_str(), style(call.decision)),
        _ => ("-", STRONG),
    };
    let text = escape_line(&what(&record.entry));
    format!("{FAINT}{:>6}  {at}{FAINT:#}  {style}{word:<5}{style:#}  {text}", record.seq)
}

/// A line of comma-separated values (RFC 4180): the header, or a record.
pub(crate) fn audit_csv(record: Option<&Record>) -> String {
    let Some(record) = record else { return csv_line(COLUMNS.iter().map(|name| (*name).to_owned())) };
    let fields = serde_json::to_value(record).unwrap_or_default();
    let cell = |name: &&str| match fields.get(if *name == "record" { "seq" } else { *name }) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    csv_line(COLUMNS.iter().map(cell))
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| csv_cell(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

fn csv_cell(text: &str) -> String {
    let mut text = escape_line(text);
    // A spreadsheet would take it for a formula and carry it out.
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn style(decision: Decision) -> clap::builder::styling::Style {
    match decision {
        Decision::Allow => GREEN,
        Decision::Ask => YELLOW,
        Decision::Deny => RED,
    }
}

fn what(entry: &Entry) -> String {
    match entry {
        Entry::Call(call) => {
            let person = call.person.as_ref().map(|person| format!(" ({person})")).unwrap_or_default();
            format!("{} `{}`: {}{person}", call.tool, argument(call), call.reason)
        }
        Entry::Opened { after: None } => "the log begins".to_owned(),
        Entry::Opened { after: Some(file) } => format!("goes on after {file}"),
        Entry::Removed { through, files, .. } => {
            format!("records up to {through} are removed: {}", files.join(", "))
        }
        Entry::Repaired { bytes, .. } => format!("an unfinished line of {bytes} bytes was closed"),
        Entry::Gap { why } => format!("found damaged: {why}"),
        _ => "written by a later version".to_owned(),
    }
}

/// The argument that tells a person most, as in the log of events.
fn argument(call: &Call) -> String {
    missiond_core::ToolCall::new("", call.tool.as_str(), call.input.clone(), "").argument()
}
