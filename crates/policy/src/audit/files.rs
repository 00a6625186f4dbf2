//! Where the log lies: the current file, and beside it a directory with the old ones and the head.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{DirBuilderExt as _, FileExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    chain::MAX_LINE_BYTES,
    error::AuditError,
    head::{Head, Locked, open},
};

/// The most old files that are looked at.
const MAX_OLD_FILES: usize = 100_000;

/// The paths of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPaths {
    current: PathBuf,
    directory: PathBuf,
}

impl AuditPaths {
    /// Those of the log whose current file is this one. Touches nothing.
    #[must_use]
    pub fn new(current: impl Into<PathBuf>) -> Self {
        let current = current.into();
        let mut name = current.file_name().map(OsString::from).unwrap_or_default();
        name.push(".d");
        let directory = current.with_file_name(name);
        Self { current, directory }
    }

    /// The file that is written now.
    #[must_use]
    pub fn current(&self) -> &Path {
        &self.current
    }

    /// The directory of the old files and of the head: the current file's path with `.d` behind it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn head(&self) -> PathBuf {
        self.directory.join("head")
    }

    /// The name that a file has once it is old: by its first record.
    pub(super) fn old(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{first:020}.jsonl"))
    }

    /// Makes the directories, for us alone.
    pub(super) fn make(&self) -> Result<(), AuditError> {
        if self.directory.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        made.map_err(|source| AuditError::Io { action: "make", path: self.directory.clone(), source })
    }

    /// The old files by their first record, the oldest first.
    pub(super) fn old_files(&self) -> Result<Vec<(u64, PathBuf)>, AuditError> {
        let failed = |source| AuditError::Io { action: "list", path: self.directory.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)?.take(MAX_OLD_FILES) {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
            if let Some(first) =
                digits.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok())
            {
                files.push((first, entry.path()));
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

/// One file of a log, opened.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The number that its name claims for its first record; `None` for the current file.
    pub(super) first: Option<u64>,
    file: File,
    /// How much of it counts: what is written later does not.
    bytes: u64,
}

/// A log as it was at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The oldest first.
    pub(super) segments: Vec<Segment>,
    /// `None` where there is none that can be understood.
    pub(super) head: Option<Head>,
}

impl Snapshot {
    /// Opens everything while no writer is at work.
    pub(super) fn take(paths: &AuditPaths, wait: Duration) -> Result<Self, AuditError> {
        let head_path = paths.head();
        let locked = match Locked::shared(&head_path, wait) {
            Ok(locked) => Some(locked),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error),
        };
        let head = locked.as_ref().map(Locked::read).transpose()?.flatten();
        let old = match paths.old_files() {
            Ok(old) => old,
            Err(error) if error.is_missing() => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut segments = Vec::new();
        for (first, path) in old {
            segments.push(Segment::open(path, Some(first))?);
        }
        match Segment::open(paths.current.clone(), None) {
            Ok(current) => segments.push(current),
            // It was taken away, or there never was one.
            Err(error) if error.is_missing() && (head.is_some() || !segments.is_empty()) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { segments, head })
    }
}

impl Segment {
    fn open(path: PathBuf, first: Option<u64>) -> Result<Self, AuditError> {
        let file = open(&path, OpenOptions::new().read(true))?;
        let bytes = file
            .metadata()
            .map_err(|source| AuditError::Io { action: "read", path: path.clone(), source })?
            .len();
        Ok(Self { path, first, file, bytes })
    }

    pub(super) fn lines(&self) -> Result<Lines<'_>, AuditError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(|source| self.failed(source))?;
        Ok(Lines {
            segment: self,
            file: io::BufReader::with_capacity(64 << 10, file.take(self.bytes)),
            number: 0,
        })
    }

    fn failed(&self, source: io::Error) -> AuditError {
        AuditError::Io { action: "read", path: self.path.clone(), source }
    }
}

/// The lines of a file, one after the other.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    segment: &'a Segment,
    file: io::BufReader<io::Take<&'a File>>,
    number: u64,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    /// Without its end; cut one byte beyond what a record may have.
    pub(super) bytes: Vec<u8>,
    /// Whether it has an end.
    pub(super) ended: bool,
}

impl Lines<'_> {
    pub(super) fn next(&mut self) -> Result<Option<Line>, AuditError> {
        use io::BufRead as _;
        let failed = |source| self.segment.failed(source);
        let mut bytes = Vec::new();
        let most = MAX_LINE_BYTES as u64 + 2;
        if (&mut self.file).take(most).read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut ended = bytes.last() == Some(&b'\n');
        if ended {
            bytes.pop();
        } else if bytes.len() as u64 == most {
            self.file.skip_until(b'\n').map_err(failed)?;
            ended = true;
        }
        Ok(Some(Line { number: self.number, bytes, ended }))
    }
}

/// Reads a piece of a file.
pub(super) fn read_piece(file: &File, path: &Path, from: u64, bytes: usize) -> Result<Vec<u8>, AuditError> {
    let failed = |source| AuditError::Io { action: "read", path: path.to_owned(), source };
    let mut piece = vec![0; bytes];
    file.read_exact_at(&mut piece, from).map_err(failed)?;
    Ok(piece)
}
