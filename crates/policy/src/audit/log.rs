//! Writing: one record after the other, whoever writes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    chain::{Digest, MAX_LINE_BYTES, SEAL_BYTES, ends_with},
    error::AuditError,
    files::{AuditPaths, read_piece},
    head::{Head, Locked, open},
    record::{Entry, Judged, Record, line, read_line},
    redact::Redactor,
    rotate,
};
use crate::verdict::{Decision, Risk};

/// The most that a writer looks at of what a killed one left behind the head.
const MAX_LEFT_BYTES: u64 = 4 * MAX_LINE_BYTES as u64;

/// How a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditOptions {
    /// How long a file may become, in bytes, before the next one is begun.
    pub max_file_bytes: u64,
    /// For how long a file is written.
    pub max_file_age: Duration,
    /// How many old files are kept.
    pub keep_files: usize,
    /// For how long an old file is kept after its last record.
    pub keep_age: Duration,
    /// What is on the disk, and not only with the system, before a verdict is told.
    pub sync: AuditSync,
    /// How long another writer is waited for.
    pub lock_wait: Duration,
}

impl Default for AuditOptions {
    /// Files of 16 MiB and 30 days, 64 of them for a year, [`AuditSync::Risky`], 2 s for the lock.
    fn default() -> Self {
        Self {
            max_file_bytes: 16 << 20,
            max_file_age: Duration::from_secs(30 * 86_400),
            keep_files: 64,
            keep_age: Duration::from_secs(365 * 86_400),
            sync: AuditSync::Risky,
            lock_wait: Duration::from_secs(2),
        }
    }
}

/// Which records are synced to the disk before the verdict is told.
///
/// Every record is with the operating system by then, so that no death of a process loses it, of whatever number and by
/// whatever signal. This is about the loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AuditSync {
    /// What a person allowed, and what is not denied though its risk is high or critical.
    #[default]
    Risky,
    /// Each. Costs a write of the disk's for each call.
    Each,
}

/// A log to write to.
///
/// It holds no file and no lock: any number of them, in any number of processes and threads, may write to one log at once.
#[derive(Clone, Debug)]
pub struct AuditLog {
    paths: AuditPaths,
    options: AuditOptions,
    redactor: Redactor,
}

/// Where a record stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Its number.
    pub seq: u64,
    /// Its hash, by which it is found again, and all before it are vouched for.
    pub hash: Digest,
}

impl AuditLog {
    /// The log whose current file is this one. Touches nothing.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, options: AuditOptions, redactor: Redactor) -> Self {
        Self { paths: AuditPaths::new(path), options, redactor }
    }

    /// Where it lies.
    #[must_use]
    pub fn paths(&self) -> &AuditPaths {
        &self.paths
    }

    /// Puts a verdict on record. When this returns, no death of any process can lose it; [`AuditSync`] says what a loss of power
    /// can.
    ///
    /// Blocks while it writes, and up to [`AuditOptions::lock_wait`] for other writers.
    ///
    /// # Errors
    ///
    /// When it isn't on record: then the verdict has to be a no.
    pub fn append(&self, judged: &Judged<'_>) -> Result<Receipt, AuditError> {
        let is_risky = judged.person.is_some() || judged.verdict.risk >= Risk::High;
        let sync = match self.options.sync {
            AuditSync::Each => true,
            AuditSync::Risky => is_risky && judged.verdict.decision != Decision::Deny,
        };
        self.write(judged.at, judged.entry(&self.redactor), sync)
    }

    fn write(&self, at: Timestamp, entry: Entry, sync: bool) -> Result<Receipt, AuditError> {
        self.paths.make()?;
        let head_path = self.paths.head();
        let locked = Locked::exclusive(&head_path, self.options.lock_wait)?;
        let mut end = End::find(&self.paths, &locked)?;
        let mut batch = Batch { at, seq: end.seq, hash: end.hash, bytes: Vec::new() };
        let mut removed = Vec::new();
        if end.bytes > 0 && end.is_sound() && end.is_due(at, &self.options) {
            end = rotate::rotate(&self.paths, &end)?;
        }
        if end.unended {
            batch.bytes.push(b'\n');
        }
        if end.bytes == 0 {
            (end.first, end.opened) = (batch.seq + 1, seconds(at));
            let old = self.paths.old_files()?;
            let after =
                old.last().and_then(|(_, path)| Some(path.file_name()?.to_string_lossy().into_owned()));
            batch.add(&Entry::Opened { after })?;
            if let Some(outdated) = rotate::outdated(&old, &end, at, &self.options)? {
                batch.add(&outdated.entry())?;
                removed = outdated.files;
            }
        }
        for repair in &end.repairs {
            batch.add(repair)?;
        }
        batch.add(&entry)?;
        let head = Head {
            seq: batch.seq,
            hash: batch.hash,
            bytes: end.bytes + batch.bytes.len() as u64,
            first: end.first,
            opened: end.opened,
        };
        end.append(&batch.bytes, sync)?;
        if let Err(error) = locked.write(head) {
            end.take_back();
            return Err(error);
        }
        rotate::remove(&removed);
        Ok(Receipt { seq: batch.seq, hash: batch.hash })
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

/// Records that are written together.
#[derive(Debug)]
struct Batch {
    at: Timestamp,
    seq: u64,
    hash: Digest,
    bytes: Vec<u8>,
}

impl Batch {
    fn add(&mut self, entry: &Entry) -> Result<(), AuditError> {
        let seq = self.seq.saturating_add(1);
        let (line, hash) = line(seq, self.at, entry, self.hash).map_err(AuditError::Format)?;
        self.bytes.extend(line);
        (self.seq, self.hash) = (seq, hash);
        Ok(())
    }
}

/// The end of the log, where the next record goes.
#[derive(Debug)]
pub(super) struct End {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// The newest record and its hash.
    pub(super) seq: u64,
    pub(super) hash: Digest,
    /// How long the current file is, the number of its first record, and when that was written.
    pub(super) bytes: u64,
    pub(super) first: u64,
    pub(super) opened: u64,
    /// Whether the last line has no end.
    unended: bool,
    /// What has to be said before anything else.
    repairs: Vec<Entry>,
}

impl End {
    /// Holds the head against the files, and takes in what a writer that was killed left between the two.
    fn find(paths: &AuditPaths, locked: &Locked<'_>) -> Result<Self, AuditError> {
        let mut options = OpenOptions::new();
        let file = open(paths.current(), options.read(true).append(true).create(true).mode(0o600))?;
        let bytes = length(&file, paths.current())?;
        let mut end = Self {
            file,
            path: paths.current().to_owned(),
            seq: 0,
            hash: Digest::ZERO,
            bytes,
            first: 1,
            opened: 0,
            unended: false,
            repairs: Vec::new(),
        };
        match locked.read()? {
            Some(head) => end.follow(paths, head)?,
            None if bytes == 0 && locked.is_new() && paths.old_files()?.is_empty() => {
                // Who is killed before the first record is complete must not seem to have lost some.
                locked.write(Head { seq: 0, hash: Digest::ZERO, bytes: 0, first: 1, opened: 0 })?;
            }
            None => end.without_head(paths, locked.is_new())?,
        }
        Ok(end)
    }

    fn follow(&mut self, paths: &AuditPaths, head: Head) -> Result<(), AuditError> {
        (self.seq, self.hash, self.first, self.opened) = (head.seq, head.hash, head.first, head.opened);
        if head.seq == 0 || self.bytes >= head.bytes && self.ends_at(head.bytes, head.hash)? {
            return self.take_in(head.bytes);
        }
        // A writer may have been killed after it moved the file away and before it said so.
        let moved = paths.old(head.first);
        if let Ok(file) = open(&moved, OpenOptions::new().read(true))
            && length(&file, &moved)? == head.bytes
            && seal_at(&file, &moved, head.bytes, head.hash)?
        {
            return self.take_in(0);
        }
        let why = match self.bytes.cmp(&head.bytes) {
            std::cmp::Ordering::Less => "the newest records are gone",
            _ => "the newest records aren't those that were written",
        };
        self.gap(format!(
            "{why}: record {} ended at byte {} of the file, which has {}",
            head.seq, head.bytes, self.bytes
        ))
    }

    /// Goes on from the newest record that is left. What was behind it can't be told.
    fn without_head(&mut self, paths: &AuditPaths, is_new: bool) -> Result<(), AuditError> {
        let old = paths.old_files()?;
        let newest = old.last().map(|(_, path)| path.clone());
        let found = match newest_record(&self.file, &self.path)? {
            None => match newest {
                Some(path) => newest_record(&open(&path, OpenOptions::new().read(true))?, &path)?,
                None => None,
            },
            found => found,
        };
        let Some(record) = found else {
            return Err(AuditError::Unreadable { path: self.path.clone() });
        };
        (self.seq, self.hash) = (record.seq, record.hash);
        (self.first, self.opened) = match first_record(&self.file, &self.path)? {
            Some(first) => (first.seq, seconds(first.at)),
            None => (record.seq, seconds(record.at)),
        };
        let what = if is_new { "is gone" } else { "can't be read" };
        self.gap(format!(
            "the head {what}, so that it can't be told whether record {} was the newest",
            record.seq
        ))
    }

    fn gap(&mut self, why: String) -> Result<(), AuditError> {
        self.unended = self.bytes > 0 && read_piece(&self.file, &self.path, self.bytes - 1, 1)? != b"\n";
        self.repairs.push(Entry::Gap { why });
        Ok(())
    }

    /// Takes in whole records behind this place; what was not finished is closed and named.
    fn take_in(&mut self, from: u64) -> Result<(), AuditError> {
        let left = self.bytes - from;
        if left == 0 {
            return Ok(());
        }
        if left > MAX_LEFT_BYTES {
            return self.gap(format!("{left} bytes follow the newest record that was written"));
        }
        if from == 0 {
            self.first = self.seq + 1;
        }
        let piece = read_piece(&self.file, &self.path, from, usize::try_from(left).unwrap_or(0))?;
        self.unended = piece.last() != Some(&b'\n');
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let (bytes, after) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, &[][..]),
            };
            match read_line(bytes) {
                Ok(record) if record.seq == self.seq + 1 && record.prev == self.hash => {
                    if record.seq == self.first {
                        self.opened = seconds(record.at);
                    }
                    (self.seq, self.hash) = (record.seq, record.hash);
                }
                _ if after.is_empty() && self.unended => {
                    self.repairs
                        .push(Entry::Repaired { bytes: bytes.len() as u64, digest: Digest::of(bytes) });
                }
                _ => {
                    return self
                        .gap("lines follow the newest record that no writer of ours wrote".to_owned());
                }
            }
            rest = after;
        }
        Ok(())
    }

    /// Whether the record of this hash ends at this place.
    fn ends_at(&self, at: u64, hash: Digest) -> Result<bool, AuditError> {
        seal_at(&self.file, &self.path, at, hash)
    }

    /// The same end, of a file with nothing in it.
    pub(super) fn emptied(&self, file: File) -> Self {
        let (path, repairs) = (self.path.clone(), Vec::new());
        Self { file, path, bytes: 0, unended: false, repairs, ..*self }
    }

    /// Whether it is as the last writer left it.
    fn is_sound(&self) -> bool {
        !self.unended && self.repairs.is_empty()
    }

    fn is_due(&self, at: Timestamp, options: &AuditOptions) -> bool {
        let age = seconds(at).saturating_sub(self.opened);
        self.bytes >= options.max_file_bytes || age >= options.max_file_age.as_secs()
    }

    /// Writes at the end of the file, in one piece; what the disk takes only a part of is taken back.
    fn append(&self, bytes: &[u8], sync: bool) -> Result<(), AuditError> {
        let mut file = &self.file;
        let written = file.write_all(bytes).and_then(|()| if sync { file.sync_data() } else { Ok(()) });
        written.map_err(|source| {
            self.take_back();
            AuditError::Io { action: "write", path: self.path.clone(), source }
        })
    }

    /// Best effort: what can't be taken back the next writer finds behind the head.
    fn take_back(&self) {
        if let Err(error) = self.file.set_len(self.bytes) {
            tracing::debug!(%error, "a record that was not finished could not be taken back");
        }
    }
}

fn length(file: &File, path: &Path) -> Result<u64, AuditError> {
    let failed = |source| AuditError::Io { action: "read", path: path.to_owned(), source };
    Ok(file.metadata().map_err(failed)?.len())
}

fn seal_at(file: &File, path: &Path, at: u64, hash: Digest) -> Result<bool, AuditError> {
    const TAIL: u64 = SEAL_BYTES as u64 + 1;
    let Some(from) = at.checked_sub(TAIL) else { return Ok(false) };
    match read_piece(file, path, from, SEAL_BYTES + 1) {
        Ok(tail) => Ok(ends_with(&tail, hash)),
        Err(AuditError::Io { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The newest whole record near the end of a file.
fn newest_record(file: &File, path: &Path) -> Result<Option<Record>, AuditError> {
    let bytes = length(file, path)?;
    let taken = bytes.min(MAX_LEFT_BYTES);
    let piece = read_piece(file, path, bytes - taken, usize::try_from(taken).unwrap_or(0))?;
    Ok(piece.rsplit(|byte| *byte == b'\n').find_map(|line| read_line(line).ok()))
}

/// The first line of a file, if it is a record.
pub(super) fn first_record(file: &File, path: &Path) -> Result<Option<Record>, AuditError> {
    let taken = length(file, path)?.min(MAX_LINE_BYTES as u64);
    let piece = read_piece(file, path, 0, usize::try_from(taken).unwrap_or(0))?;
    Ok(piece.split(|byte| *byte == b'\n').next().and_then(|line| read_line(line).ok()))
}
