//! Reading: the records that fit a question.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader},
    ops::ControlFlow,
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    chain::MAX_LINE_BYTES,
    error::AuditError,
    files::{AuditPaths, Segment, Snapshot},
    head::open,
    record::{Call, Entry, Record, read_line},
};
use crate::verdict::Decision;

/// Which records are wanted: those that fit all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditFilter {
    /// Not written before this moment.
    pub since: Option<Timestamp>,
    /// Written before this moment.
    pub until: Option<Timestamp>,
    /// Of this tool.
    pub tool: Option<String>,
    /// Decided so.
    pub decision: Option<Decision>,
    /// Resting on this rule.
    pub rule: Option<String>,
    /// Of the agent in this slot.
    pub slot: Option<String>,
    /// Of the task whose id begins so.
    pub task: Option<String>,
    /// Of this conversation.
    pub session: Option<String>,
    /// With this text, in whatever case, in the arguments, the reason, the directory or the note.
    pub text: Option<String>,
    /// Calls alone, and not what the log says of itself.
    pub calls_only: bool,
}

impl AuditFilter {
    /// Whether a record fits.
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        let in_time = self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until);
        if !in_time {
            return false;
        }
        match &record.entry {
            Entry::Call(call) => self.fits_call(call),
            _ => !self.calls_only && !self.asks_about_calls(),
        }
    }

    fn asks_about_calls(&self) -> bool {
        self.decision.is_some()
            || [&self.tool, &self.rule, &self.slot, &self.task, &self.session, &self.text]
                .iter()
                .any(|text| text.is_some())
    }

    fn fits_call(&self, call: &Call) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let begins = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found.is_some_and(|found| found.starts_with(wanted)))
        };
        is(&self.tool, Some(&call.tool))
            && self.decision.is_none_or(|decision| decision == call.decision)
            && is(&self.rule, call.rule.as_deref())
            && is(&self.slot, call.slot.as_deref())
            && begins(&self.task, call.task.as_deref())
            && is(&self.session, call.session.as_deref())
            && self.text.as_deref().is_none_or(|text| holds(call, &text.to_lowercase()))
    }
}

fn holds(call: &Call, text: &str) -> bool {
    let has = |place: &str| place.to_lowercase().contains(text);
    let mut left = vec![&call.input];
    while let Some(value) = left.pop() {
        match value {
            serde_json::Value::String(place) if has(place) => return true,
            serde_json::Value::Array(items) => left.extend(items),
            serde_json::Value::Object(fields) => left.extend(fields.values()),
            _ => {}
        }
    }
    has(&call.reason) || has(&call.cwd) || call.note.as_deref().is_some_and(has)
}

/// Hands the records that fit to `each`, the oldest first, until it breaks off; each with its line as it stands in the file,
/// whose bytes are those that the hash is of. Gives the number of lines that are no records: [`verify`](super::verify) tells
/// more of them.
///
/// # Errors
///
/// When there is no log, or it can't be read.
pub fn read(
    paths: &AuditPaths,
    filter: &AuditFilter,
    wait: Duration,
    mut each: impl FnMut(Record, &[u8]) -> ControlFlow<()>,
) -> Result<u64, AuditError> {
    let snapshot = Snapshot::take(paths, wait)?;
    let mut unreadable = 0;
    for segment in &snapshot.segments {
        let more = read_segment(segment, filter, &mut unreadable, &mut each)?;
        if more.is_break() {
            break;
        }
    }
    Ok(unreadable)
}

/// The newest `count` records that fit, the oldest of them first, and the number of lines that were no records.
///
/// # Errors
///
/// As [`read`].
pub fn newest(
    paths: &AuditPaths,
    filter: &AuditFilter,
    count: usize,
    wait: Duration,
) -> Result<(Vec<Record>, u64), AuditError> {
    let snapshot = Snapshot::take(paths, wait)?;
    let (mut records, mut unreadable) = (VecDeque::new(), 0);
    for segment in snapshot.segments.iter().rev() {
        let room = count - records.len();
        let mut of_segment = VecDeque::new();
        let more = read_segment(segment, filter, &mut unreadable, &mut |record, _| {
            if of_segment.len() == room {
                of_segment.pop_front();
            }
            if room > 0 {
                of_segment.push_back(record);
            }
            ControlFlow::Continue(())
        })?;
        debug_assert!(more.is_continue(), "nothing breaks it off");
        of_segment.append(&mut records);
        records = of_segment;
        if records.len() == count {
            break;
        }
    }
    Ok((records.into(), unreadable))
}

fn read_segment(
    segment: &Segment,
    filter: &AuditFilter,
    unreadable: &mut u64,
    each: &mut impl FnMut(Record, &[u8]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, AuditError> {
    let mut lines = segment.lines()?;
    while let Some(line) = lines.next()? {
        match read_line(&line.bytes) {
            Ok(record) if filter.fits(&record) => {
                if each(record, &line.bytes).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(_) => {}
            Err(_) => *unreadable += 1,
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Records as they are written, through every change of the file.
#[derive(Debug)]
pub struct AuditFollow {
    paths: AuditPaths,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end isn't there yet.
    begun: Vec<u8>,
    /// The newest record that was given.
    seq: u64,
}

impl AuditFollow {
    /// Begins after the record of this number; 0 for the beginning of the current file.
    #[must_use]
    pub fn after(paths: AuditPaths, seq: u64) -> Self {
        Self { paths, file: None, begun: Vec::new(), seq }
    }

    /// The records that have come. Waits for none.
    ///
    /// # Errors
    ///
    /// When the log can't be read. That it isn't there yet is no error.
    pub fn new_records(&mut self) -> Result<Vec<Record>, AuditError> {
        let mut records = Vec::new();
        // What was moved away is read to its end before the next file is begun.
        let was_current = self.file.as_ref().is_none_or(|file| self.is_current(file.get_ref()));
        self.read_on(&mut records)?;
        if self.file.is_none() || !was_current {
            match open(self.paths.current(), OpenOptions::new().read(true)) {
                Ok(file) => {
                    self.file = Some(BufReader::new(file));
                    self.begun.clear();
                    self.read_on(&mut records)?;
                }
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    fn is_current(&self, file: &File) -> bool {
        match (file.metadata(), self.paths.current().symlink_metadata()) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => true,
        }
    }

    fn read_on(&mut self, records: &mut Vec<Record>) -> Result<(), AuditError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        loop {
            let read = file.read_until(b'\n', &mut self.begun);
            let path = self.paths.current();
            let failed = |source: io::Error| AuditError::Io { action: "read", path: path.to_owned(), source };
            if read.map_err(failed)? == 0 || self.begun.last() != Some(&b'\n') {
                if self.begun.len() > 2 * MAX_LINE_BYTES {
                    self.begun.clear();
                }
                return Ok(());
            }
            self.begun.pop();
            if let Ok(record) = read_line(&self.begun)
                && record.seq > self.seq
            {
                self.seq = record.seq;
                records.push(record);
            }
            self.begun.clear();
        }
    }
}
