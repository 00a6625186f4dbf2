//! Directories and files that nobody but us may see.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::control::paths::PathsError;

/// Makes a directory of mode 0700 unless it is there, and checks it either way.
pub(super) fn make(path: &Path) -> Result<(), PathsError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(PathsError::Io { path: path.to_owned(), source }),
    }
    check(path)
}

/// Checks that a directory is ours alone. Does not follow a symlink in its last component.
pub(super) fn check(path: &Path) -> Result<(), PathsError> {
    let owned = || path.to_owned();
    let metadata = fs::symlink_metadata(path).map_err(|source| PathsError::Io { path: owned(), source })?;
    let uid = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    if metadata.is_symlink() {
        Err(PathsError::Symlink { path: owned() })
    } else if !metadata.is_dir() {
        Err(PathsError::NotADirectory { path: owned() })
    } else if metadata.uid() != uid {
        Err(PathsError::Foreign { path: owned(), owner: metadata.uid(), uid })
    } else if mode != 0o700 {
        Err(PathsError::Open { path: owned(), mode })
    } else {
        Ok(())
    }
}

/// Replaces a file by one of mode 0600 with these contents.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), PathsError> {
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let attempt = || {
        match fs::remove_file(&draft) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(source),
            _ => {}
        }
        // `create_new` is O_EXCL, which follows no link that somebody put there.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(contents)?;
        fs::rename(&draft, path)
    };
    attempt().map_err(|source| {
        // The error that matters is the first one.
        drop(fs::remove_file(&draft));
        PathsError::Io { path: path.to_owned(), source }
    })
}
