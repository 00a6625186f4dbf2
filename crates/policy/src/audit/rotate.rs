//! Beginning the next file, and taking old ones away.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use jiff::Timestamp;

use super::{
    chain::Digest,
    error::AuditError,
    files::AuditPaths,
    head::open,
    log::{AuditOptions, End, first_record},
    record::Entry,
};

/// The most files that are taken away at once.
const MAX_REMOVED: usize = 16;

/// Moves the current file to the old ones and begins an empty one.
pub(super) fn rotate(paths: &AuditPaths, end: &End) -> Result<End, AuditError> {
    let failed = |action, path: &PathBuf| {
        let path = path.clone();
        move |source| AuditError::Io { action, path, source }
    };
    let old = paths.old(end.first);
    if old.symlink_metadata().is_ok() {
        return Err(failed("replace", &old)(io::ErrorKind::AlreadyExists.into()));
    }
    end.file.sync_all().map_err(failed("write", &end.path))?;
    fs::rename(&end.path, &old).map_err(failed("move", &end.path))?;
    // That the name lasts too is not worth refusing a call for: a writer finds the file under either.
    for directory in [paths.directory().to_owned(), end.path.with_file_name("")] {
        if let Err(error) = File::open(&directory).and_then(|directory| directory.sync_all()) {
            tracing::debug!(%error, "a directory of the audit log was not synced");
        }
    }
    let mut options = OpenOptions::new();
    let file = open(&end.path, options.read(true).append(true).create(true).mode(0o600))?;
    Ok(end.emptied(file))
}

/// Files that are to be taken away.
#[derive(Debug)]
pub(super) struct Outdated {
    pub(super) files: Vec<PathBuf>,
    through: u64,
    last: Digest,
}

impl Outdated {
    pub(super) fn entry(&self) -> Entry {
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        Entry::Removed {
            through: self.through,
            last: self.last,
            files: self.files.iter().filter_map(name).collect(),
        }
    }
}

/// Which of the old files are too many or too old. The newest one always stays.
pub(super) fn outdated(
    old: &[(u64, PathBuf)],
    end: &End,
    at: Timestamp,
    options: &AuditOptions,
) -> Result<Option<Outdated>, AuditError> {
    let surplus = old.len().saturating_sub(options.keep_files.max(1));
    let is_old = |path: &PathBuf| {
        let age = fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| std::time::SystemTime::from(at).duration_since(modified).ok());
        age.is_some_and(|age| age > options.keep_age)
    };
    let candidates = old.iter().enumerate().take(old.len().saturating_sub(1)).take(MAX_REMOVED);
    let files: Vec<PathBuf> = candidates
        .take_while(|(at, (_, path))| *at < surplus || is_old(path))
        .map(|(_, (_, path))| path.clone())
        .collect();
    let Some((_, next)) = old.get(files.len()).filter(|_| !files.is_empty()) else { return Ok(None) };
    // What the first record that stays follows is the last one that goes.
    let first = first_record(&open(next, OpenOptions::new().read(true))?, next)?;
    Ok(first.filter(|first| first.seq > 1 && first.seq <= end.seq).map(|first| Outdated {
        files,
        through: first.seq - 1,
        last: first.prev,
    }))
}

/// Takes them away, once it is on record. One that stays is taken the next time.
pub(super) fn remove(files: &[PathBuf]) {
    for path in files {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(%error, path = %path.display(), "an old file of the audit log can't be removed");
        }
    }
}
