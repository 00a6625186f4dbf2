//! Whether the log is as it was written.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    chain::Digest,
    error::AuditError,
    files::{AuditPaths, Line, Segment, Snapshot},
    record::{Entry, Flaw, Record, read_line},
};

/// What was found in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many files there are.
    pub files: u64,
    /// How many records follow one another without a fault, up to the first fault.
    pub records: u64,
    /// The oldest record that there is.
    pub first: Option<u64>,
    /// The newest record before the first fault, and its hash: note it down elsewhere, to expect it the next time.
    pub last: Option<(u64, Digest)>,
    /// Lines that a killed writer didn't finish. That is no fault: nobody was told of what they say.
    pub torn: Vec<Spot>,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Where; `None` where it is about something that isn't there.
    pub spot: Option<Spot>,
    /// The number that the record there claims, if it can be read.
    pub seq: Option<u64>,
    /// What.
    pub what: String,
}

/// Goes over all files of a log, from the oldest record that is left to the newest, and stops at the first fault.
///
/// With `expected`, the hash of some record that was noted down elsewhere has to be among them: only so is it seen if
/// somebody wrote the whole chain anew. Writers are kept waiting only while the files are opened.
///
/// # Errors
///
/// When there is no log, or it can't be read.
pub fn verify(paths: &AuditPaths, expected: Option<Digest>, wait: Duration) -> Result<Verified, AuditError> {
    let snapshot = Snapshot::take(paths, wait)?;
    let mut chain = Chain::new(&snapshot, expected);
    for (at, segment) in snapshot.segments.iter().enumerate() {
        let is_last = at + 1 == snapshot.segments.len();
        if let Err(fault) = chain.file(segment, is_last)? {
            chain.found.fault = Some(fault);
            return Ok(chain.found);
        }
    }
    chain.found.fault = chain.end(&snapshot, paths);
    Ok(chain.found)
}

/// How far the records have followed one another.
struct Chain {
    found: Verified,
    seq: u64,
    hash: Digest,
    /// A line that is no record, until it is known whether a writer named it as unfinished.
    odd: Option<(Spot, Vec<u8>, Fault)>,
    /// The place of the oldest record, and what the newest mark of removal says of what was before it.
    oldest: Option<Spot>,
    removed: Option<(u64, Digest)>,
    expected: Option<Digest>,
    has_expected: bool,
    /// What the head says, and the hash that the record of its number turned out to have.
    head: Option<(u64, Digest)>,
    at_head: Option<Digest>,
}

impl Chain {
    fn new(snapshot: &Snapshot, expected: Option<Digest>) -> Self {
        let files = snapshot.segments.len() as u64;
        Self {
            found: Verified { files, records: 0, first: None, last: None, torn: Vec::new(), fault: None },
            seq: 0,
            hash: Digest::ZERO,
            odd: None,
            oldest: None,
            removed: None,
            expected,
            has_expected: false,
            head: snapshot.head.map(|head| (head.seq, head.hash)),
            at_head: None,
        }
    }

    fn file(&mut self, segment: &Segment, is_last: bool) -> Result<Result<(), Fault>, AuditError> {
        let mut lines = segment.lines()?;
        let mut first_of_file = segment.first;
        while let Some(line) = lines.next()? {
            let spot = Spot { path: segment.path.clone(), line: line.number };
            let (ended, bytes) = (line.ended, line.bytes.len());
            match read_line(&line.bytes) {
                Ok(record) => {
                    let claimed =
                        first_of_file.take().filter(|first| *first != record.seq && self.odd.is_none());
                    if let Some(first) = claimed {
                        let what = format!("the file's name says that it begins with record {first}");
                        return Ok(Err(at(spot, Some(record.seq), what)));
                    }
                    if let Err(fault) = self.record(record, spot) {
                        return Ok(Err(fault));
                    }
                }
                Err(flaw) => {
                    if let Err(fault) = self.odd(spot, line, flaw) {
                        return Ok(Err(fault));
                    }
                    if !ended && is_last && bytes > 0 {
                        // The newest thing in the log: its writer was killed over it, and nobody has written since.
                        self.found.torn.extend(self.odd.take().map(|(spot, ..)| spot));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn odd(&mut self, spot: Spot, line: Line, flaw: Flaw) -> Result<(), Fault> {
        if let Some((_, _, fault)) = self.odd.take() {
            return Err(fault);
        }
        let what = match flaw {
            Flaw::Edited => "the record was changed: its hash is that of another text".to_owned(),
            Flaw::Malformed(why) => format!("the line is no record: {why}"),
        };
        let fault = at(spot.clone(), Some(self.seq + 1).filter(|_| self.oldest.is_some()), what);
        self.odd = Some((spot, line.bytes, fault));
        Ok(())
    }

    fn record(&mut self, record: Record, spot: Spot) -> Result<(), Fault> {
        if let Some((torn, bytes, fault)) = self.odd.take() {
            match &record.entry {
                Entry::Repaired { bytes: length, digest }
                    if *length == bytes.len() as u64 && *digest == Digest::of(&bytes) =>
                {
                    self.found.torn.push(torn);
                }
                _ => return Err(fault),
            }
        }
        let seq = record.seq;
        if self.oldest.is_none() {
            if seq == 1 && record.prev != Digest::ZERO {
                return Err(at(spot, Some(seq), "the first record names another one before it".to_owned()));
            }
            self.oldest = Some(spot.clone());
            self.found.first = Some(seq);
            (self.seq, self.hash) = (seq.saturating_sub(1), record.prev);
            if seq != 1 && self.expected == Some(record.prev) {
                self.has_expected = true;
            }
        }
        let next = self.seq + 1;
        let gap = if let Entry::Gap { why } = &record.entry {
            format!("; its writer noted: {why}")
        } else {
            String::new()
        };
        if seq > next {
            let missing = if seq == next + 1 {
                format!("record {next} is")
            } else {
                format!("records {next} to {} are", seq - 1)
            };
            return Err(at(spot, Some(seq), format!("{missing} missing before this one{gap}")));
        }
        if seq < next {
            let what = format!(
                "record {seq} stands where record {next} should be: it was put there, or the order was changed"
            );
            return Err(at(spot, Some(seq), what));
        }
        if record.prev != self.hash {
            let what = format!(
                "the record does not follow the one before it: that one was replaced, or this one put in{gap}"
            );
            return Err(at(spot, Some(seq), what));
        }
        match record.entry {
            Entry::Gap { why } => {
                return Err(at(spot, Some(seq), format!("a writer found the log damaged: {why}")));
            }
            Entry::Removed { through, last, .. } => self.removed = Some((through, last)),
            _ => {}
        }
        (self.seq, self.hash) = (seq, record.hash);
        self.found.records += 1;
        self.found.last = Some((seq, record.hash));
        self.has_expected |= self.expected == Some(record.hash);
        if self.head.is_some_and(|(head, _)| head == seq) {
            self.at_head = Some(record.hash);
        }
        Ok(())
    }

    /// What can be told only once everything was seen.
    fn end(&mut self, snapshot: &Snapshot, paths: &AuditPaths) -> Option<Fault> {
        if let Some((_, _, fault)) = self.odd.take() {
            return Some(fault);
        }
        let nowhere = |what: String| Fault { spot: None, seq: None, what };
        if let (Some(first), Some(spot)) = (self.found.first.filter(|first| *first > 1), self.oldest.clone())
        {
            let before = self.removed.map(|(through, _)| through);
            if before != Some(first - 1) {
                let what = "the records before this one are missing, and nothing says that they were removed by age or number".to_owned();
                return Some(at(spot, Some(first), what));
            }
        }
        match self.head {
            None if self.found.records > 0 => {
                let path = paths.directory().join("head");
                return Some(at_path(
                    &path,
                    "the head is missing or damaged, so that it can't be told whether the newest records are there",
                ));
            }
            Some((head, _)) if head > self.seq => {
                let what = if head == self.seq + 1 {
                    format!("record {head}, the newest, is missing at the end")
                } else {
                    format!("records {} to {head}, the newest, are missing at the end", self.seq + 1)
                };
                let spot =
                    snapshot.segments.last().map(|segment| Spot { path: segment.path.clone(), line: 0 });
                return Some(Fault { spot, seq: Some(self.seq + 1), what });
            }
            Some((head, hash)) if self.at_head.is_some_and(|found| found != hash) => {
                return Some(nowhere(format!(
                    "record {head} isn't the one that the head was written for: the log was rewritten"
                )));
            }
            _ => {}
        }
        let expected = self.expected.filter(|_| !self.has_expected)?;
        Some(nowhere(format!(
            "no record has the expected hash {expected}: the log was rewritten, or cut, or is another one"
        )))
    }
}

fn at(spot: Spot, seq: Option<u64>, what: String) -> Fault {
    Fault { spot: Some(spot), seq, what }
}

fn at_path(path: &Path, what: &str) -> Fault {
    at(Spot { path: path.to_owned(), line: 0 }, None, what.to_owned())
}
