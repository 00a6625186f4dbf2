//! What SQLite says, in the words of the port.

use std::path::Path;

use rusqlite::ffi::ErrorCode;

use crate::ports::{StoreError, StoreErrorKind};

/// Below so many free bytes a failed write counts as a full disk. SQLite reports some of those as plain IO errors: it
/// sees the shared-memory file or the write-ahead log not growing, and keeps the system's reason to itself.
const FULL_BELOW_BYTES: u64 = 64 * 1024;

/// Translates a failure of SQLite on the database at `path` while doing what `doing` says.
pub(super) fn translate(path: &Path, doing: &str, error: rusqlite::Error) -> StoreError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreErrorKind::Full,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if is_full(path) => StoreErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Corrupt,
        Some(ErrorCode::TooBig) => StoreErrorKind::Invalid,
        // The writer checks before it writes, so this is a guard of the schema that it should have met first.
        Some(ErrorCode::ConstraintViolation) => StoreErrorKind::Conflict,
        _ => StoreErrorKind::Io,
    };
    let shown = path.display();
    let message = match (kind, error.sqlite_error_code()) {
        (StoreErrorKind::Full, _) => format!(
            "the disk that holds {shown} is full, and nothing of the change was written; free some space there and try again"
        ),
        (StoreErrorKind::Corrupt, _) => format!(
            "{shown} is damaged or is no database; put a backup in its place, or move it away to begin with an empty one"
        ),
        (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
            format!("another process keeps {shown} locked; end it and try again")
        }
        (_, Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen)) => format!(
            "{shown} cannot be opened or written; check the permissions of the file and of its directory"
        ),
        _ => format!("{doing} {shown} failed"),
    };
    StoreError { kind, message, source: Some(Box::new(error)) }
}

/// The same error for another caller whose change was in the same transaction.
pub(super) fn repeat(error: &StoreError) -> StoreError {
    StoreError {
        kind: error.kind,
        message: error.message.clone(),
        source: error.source.as_ref().map(|source| source.to_string().into()),
    }
}

/// What everybody gets who still waits when the store is closed.
pub(super) fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, "the store was closed; open it again")
}

pub(super) fn not_found(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, message)
}

pub(super) fn conflict(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, message)
}

pub(super) fn stale(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Stale, message)
}

pub(super) fn is_final(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Final, message)
}

pub(super) fn invalid(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, message)
}

fn is_full(path: &Path) -> bool {
    let directory = path.parent().unwrap_or(path);
    rustix::fs::statvfs(directory).is_ok_and(|disk| {
        disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BELOW_BYTES || disk.f_favail == 0
    })
}
