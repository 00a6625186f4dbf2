use std::{io, path::PathBuf, time::Duration};

/// Why the audit log can't be written or read. Whoever writes a verdict must take it for a no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file system said no.
    #[error("can't {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Another writer holds the log.
    #[error(
        "another process has held the lock on {} for {:.1} s; look with `fuser` which one it is, and end it if it hangs",
        path.display(),
        after.as_secs_f64()
    )]
    Locked {
        /// The file that is locked.
        path: PathBuf,
        /// How long it was waited for.
        after: Duration,
    },
    /// Something else than a file stands where a file of the log should be.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// It.
        path: PathBuf,
    },
    /// No record can be found in what is there, so that nothing can follow it.
    #[error("{} holds no audit record to go on from; move it, and the directory beside it, away", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// A record can't be put into words.
    #[error("the record can't be written as JSON")]
    Format(#[source] serde_json::Error),
}

impl AuditError {
    /// Whether the disk, or what a user may use of it, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge)
    }

    /// Whether there is no log.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
