//! Opening a database file: what it is, whose version it has, and the connections to it.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::ports::{StoreError, StoreErrorKind};
use crate::store::error::{not_found, translate};
use crate::store::migrate::{VERSION, migrate};

/// Marks the file as ours, in the header of the database: `msnd`.
pub(super) const APPLICATION_ID: i32 = 0x6d73_6e64;
/// How long a connection waits for the lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many statements a connection keeps.
const STATEMENTS: usize = 96;
/// After how many pages (16 MiB) the write-ahead log is copied into the file. Four times the default: each time costs two
/// syncs, and the writer waits for them.
const CHECKPOINT_PAGES: i64 = 4096;
/// To how many bytes the write-ahead log is cut back after it grew beyond them.
const WAL_BYTES: i64 = 32 << 20;

/// Opens the connection that writes; makes the database or brings it up to date first.
pub(super) fn writer(path: &Path) -> Result<Connection, StoreError> {
    check_untouched(path)?;
    create_private(path)?;
    let failed = |error| translate(path, "opening", error);
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Before anything is written: with a write-ahead log beside it, the header of the file may be out of date.
    check_version(&conn, path)?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(StoreError::new(
            StoreErrorKind::Io,
            format!(
                "{} cannot have a write-ahead log (its journal mode stays `{mode}`); put it on a local file system",
                path.display()
            ),
        ));
    }
    conn.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES).map_err(failed)?;
    // What this connection acknowledges first is the schema.
    conn.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    migrate(&mut conn, path)?;
    Ok(conn)
}

/// Opens a connection that only reads a database that is there and up to date.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    check_untouched(path)?;
    let failed = |error| translate(path, "opening", error);
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "query_only", true).map_err(failed)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    match check_version(&conn, path)? {
        0 => Err(nothing_yet(path)),
        VERSION => Ok(conn),
        older => Err(StoreError::new(
            StoreErrorKind::Invalid,
            format!(
                "{} has version {older} and this missiond reads version {VERSION}; a command that owns the project, such as \
                 `missiond up`, upgrades it",
                path.display()
            ),
        )),
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let failed = |error| translate(path, "opening", error);
    // Each connection belongs to one thread, so SQLite need not lock it.
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "temp_store", "MEMORY").map_err(failed)?;
    // Functions named in the schema could do harm if somebody else wrote the schema.
    conn.pragma_update(None, "trusted_schema", false).map_err(failed)?;
    Ok(conn)
}

/// How often a file that looks damaged is looked at, and the pause between.
const LOOKS: u32 = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Looks at the file without any locking, so that one which is not ours or too new is left alone, no file made beside it.
///
/// Through SQLite and not by reading the header: were this process to close a file descriptor of its own on a database that
/// it has open, the system would drop all its locks (section 2.2 of https://www.sqlite.org/howtocorrupt.html).
fn check_untouched(path: &Path) -> Result<(), StoreError> {
    let exists = path.try_exists().map_err(|error| io(path, "opened", error))?;
    if !exists {
        return Ok(());
    }
    let access =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Another process may be changing the file, so only what its first page says counts here.
    let look = || -> rusqlite::Result<i32> {
        let conn = Connection::open_with_flags(immutable_uri(path), access)?;
        conn.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    let mut looks = 1;
    let version = loop {
        match look() {
            Ok(version) => break version,
            // Without locks, an owner that writes its log back in this moment makes the file look damaged. One that is
            // looks so every time.
            Err(_) if looks < LOOKS => {
                looks += 1;
                std::thread::sleep(LOOK_PAUSE);
            }
            Err(error) => return Err(translate(path, "opening", error)),
        }
    };
    refuse_newer(path, version)
}

/// The path as a URI that tells SQLite to read the file as it is. See https://www.sqlite.org/uri.html.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// The version of the database as SQLite sees it, 0 for an empty one.
fn check_version(conn: &Connection, path: &Path) -> Result<i32, StoreError> {
    let failed = |error| translate(path, "reading", error);
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    refuse_newer(path, version)?;
    let application: i32 =
        conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    let objects: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let is_empty = version == 0 && objects == 0;
    if is_empty || application == APPLICATION_ID { Ok(version) } else { Err(no_database(path)) }
}

fn refuse_newer(path: &Path, version: i32) -> Result<(), StoreError> {
    if version <= VERSION {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::NewerVersion,
        format!(
            "{} has version {version} and this missiond knows up to version {VERSION}; use the newer missiond that wrote it, \
             or move the file away to begin with an empty one",
            path.display()
        ),
    ))
}

/// Makes the file if it is missing, for its owner's eyes only: prompts and answers are in it.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io(path, "made", error)),
    }
}

pub(super) fn nothing_yet(path: &Path) -> StoreError {
    not_found(format!("there is no mission database at {}; submit a task first", path.display()))
}

fn no_database(path: &Path) -> StoreError {
    StoreError::new(
        StoreErrorKind::Corrupt,
        format!(
            "{} is no database of missiond; put a backup in its place, or move it away to begin with an empty one",
            path.display()
        ),
    )
}

fn io(path: &Path, doing: &str, error: std::io::Error) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Io,
    };
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space on its disk",
        ErrorKind::PermissionDenied => "check the permissions of the file and of its directory",
        ErrorKind::NotFound => "make its directory first",
        _ => "check the path",
    };
    let message = format!("the database {} cannot be {doing}; {remedy}", path.display());
    StoreError { kind, message, source: Some(Box::new(error)) }
}
