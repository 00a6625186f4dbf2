//! Bringing a database up to date.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::ports::{StoreError, StoreErrorKind};
use crate::store::error::translate;
use crate::store::open::APPLICATION_ID;

/// What leads from each version to the next; the first makes an empty database into version 1. Published ones never change.
const STEPS: [&str; 1] = [include_str!("schema.sql")];

/// The version that this code reads and writes.
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// Brings the database to [`VERSION`]. A database with something in it is first copied to `<file>.v<version>.bak`.
///
/// All steps are one transaction, so that a failure or a crash leaves the old version; the copy is for whoever wants to go
/// back to an older missiond afterwards.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    migrate_by(conn, path, &STEPS)
}

fn migrate_by(conn: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let failed = |error| translate(path, "upgrading", error);
    let version = version(conn).map_err(failed)?;
    if version == steps.len() {
        return Ok(());
    }
    if version > 0 {
        back_up(conn, path, version)?;
    }
    // Immediate, and the version is read again inside: another process may have been quicker.
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let version = self::version(&transaction).map_err(failed)?;
    for step in steps.iter().skip(version) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    // A number of steps, and so a small one.
    transaction.pragma_update(None, "user_version", steps.len().max(version) as i64).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn version(conn: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version as usize)
}

/// Copies the database beside itself. The name is only there once the copy is whole.
fn back_up(conn: &Connection, path: &Path, version: usize) -> Result<(), StoreError> {
    let target = with_suffix(path, &format!(".v{version}.bak"));
    let partial = with_suffix(path, &format!(".v{version}.bak.partial"));
    let failed = |error: std::io::Error| StoreError {
        kind: StoreErrorKind::Io,
        message: format!(
            "the copy {} could not be made before the upgrade; nothing was upgraded",
            target.display()
        ),
        source: Some(Box::new(error)),
    };
    match std::fs::remove_file(&partial) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let Some(partial_text) = partial.to_str() else {
        return Err(StoreError::new(
            StoreErrorKind::Invalid,
            format!("{} must have a UTF-8 path to be copied before its upgrade; move it", path.display()),
        ));
    };
    conn.execute("VACUUM INTO ?1", [partial_text]).map_err(|error| translate(path, "copying", error))?;
    // Whoever trusts the copy after a power loss must find it whole.
    std::fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(&partial, &target).map_err(failed)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Connection, migrate_by, version};

    const FIRST: &str = "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7);";
    const SECOND: &str = "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 1;";

    #[test]
    fn an_upgrade_keeps_a_copy_and_a_failed_one_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mission.db");
        let mut conn = Connection::open(&path).unwrap();
        migrate_by(&mut conn, &path, &[FIRST]).unwrap();
        assert!(!directory.path().join("mission.db.v0.bak").exists(), "there was nothing to copy");

        migrate_by(&mut conn, &path, &[FIRST, "ALTER TABLE a ADD COLUMN z; SELECT no_such_column FROM a;"])
            .unwrap_err();
        assert_eq!(version(&conn).unwrap(), 1);
        assert!(conn.prepare("SELECT z FROM a").is_err(), "a part of a failed upgrade is left");

        migrate_by(&mut conn, &path, &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&conn).unwrap(), 2);
        let after: (i64, i64) =
            conn.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(after, (7, 1));

        let copy = Connection::open(directory.path().join("mission.db.v1.bak")).unwrap();
        assert_eq!(version(&copy).unwrap(), 1);
        assert_eq!(copy.query_row("SELECT x FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert!(copy.prepare("SELECT y FROM a").is_err());
    }
}
