//! The file: versions, damage, readers beside the owner.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use missiond_core::ports::{ApprovalFilter, Change, Store, StoreErrorKind, TaskFilter};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{Approval, Decision, Seq, TaskId, TaskStatus, ToolCall, Verdict};

use super::support::{PATIENCE, Scratch, at, configure, lease, note, slot, submit, whole_log};

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Opening must fail with this kind, naming the file and all of `parts`, and leave the directory as it is.
fn refuses(scratch: &Scratch, mode: OpenMode, kind: StoreErrorKind, parts: &[&str]) {
    let before = contents(scratch.directory.path());
    let error = SqliteStore::open(scratch.path(), mode).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    for part in parts.iter().copied().chain([scratch.path().to_str().unwrap()]) {
        assert!(error.message.contains(part), "`{part}` is missing in: {error}");
    }
    assert_eq!(
        before,
        contents(scratch.directory.path()),
        "the refused file was touched, or another was made"
    );
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    drop(scratch.owner());
    scratch.tamper("PRAGMA user_version = 41; CREATE TABLE from_the_future (x);");
    for mode in [OpenMode::Owner, OpenMode::Reader] {
        refuses(
            &scratch,
            mode,
            StoreErrorKind::NewerVersion,
            &["version 41", "version 1", "use the newer missiond"],
        );
    }
}

#[test]
fn a_newer_version_that_is_only_in_the_log_is_refused_too() {
    let scratch = Scratch::new();
    drop(scratch.owner());
    // As a newer missiond leaves it that was killed: the version is in the write-ahead log, not yet in the file.
    let conn = rusqlite::Connection::open(scratch.path()).unwrap();
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 41;").unwrap();
    let copy = Scratch::new();
    for name in ["mission.db", "mission.db-wal"] {
        std::fs::copy(scratch.directory.path().join(name), copy.directory.path().join(name)).unwrap();
    }
    drop(conn);
    let before = std::fs::read(copy.path()).unwrap();
    let error = SqliteStore::open(copy.path(), OpenMode::Owner).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NewerVersion, "{error}");
    let after = rusqlite::Connection::open(copy.path()).unwrap();
    let version: i64 = after.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let tables: i64 = after.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 41);
    assert!(tables > 5, "the newer database lost its tables");
    drop(after);
    assert!(before.starts_with(b"SQLite format 3\0"));
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let foreign = Scratch::new();
    foreign.tamper("CREATE TABLE bookmarks (url TEXT)");
    let text = Scratch::new();
    std::fs::write(text.path(), "This is no database.\n".repeat(100)).unwrap();
    let short = Scratch::new();
    std::fs::write(short.path(), "SQLite").unwrap();
    for scratch in [&foreign, &text, &short] {
        for mode in [OpenMode::Owner, OpenMode::Reader] {
            refuses(scratch, mode, StoreErrorKind::Corrupt, &["backup"]);
        }
    }
}

#[tokio::test]
async fn a_damaged_page_is_an_error() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    for number in 0..500 {
        store.apply(note(&format!("{number} {}", "x".repeat(100)))).await.unwrap();
    }
    drop(store);
    // Closing leaves one file with everything in it.
    let names: Vec<String> = contents(scratch.directory.path()).into_keys().collect();
    assert_eq!(names, ["mission.db"]);
    let mut bytes = std::fs::read(scratch.path()).unwrap();
    let pages = bytes.len() / 4096;
    assert!(pages > 10, "the database has {pages} pages only");
    // Everything but the schema at the beginning.
    for page in bytes.chunks_mut(4096).skip(16) {
        page.fill(0xA5);
    }
    std::fs::write(scratch.path(), bytes).unwrap();
    let failed = match SqliteStore::open(scratch.path(), OpenMode::Owner) {
        Ok(store) => store.events(Seq(0), 1000).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(failed.kind, StoreErrorKind::Corrupt, "{failed}");
    assert!(failed.message.contains("mission.db") && failed.message.contains("backup"), "{failed}");
}

#[test]
fn an_empty_file_is_a_new_database() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path(), "").unwrap();
    let error = SqliteStore::open(scratch.path(), OpenMode::Reader).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound, "{error}");
    drop(scratch.owner());
}

#[test]
fn a_missing_file_or_directory_is_told() {
    let scratch = Scratch::new();
    refuses(&scratch, OpenMode::Reader, StoreErrorKind::NotFound, &["submit a task"]);
    let nowhere = scratch.directory.path().join("no/such/mission.db");
    let error = SqliteStore::open(&nowhere, OpenMode::Owner).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Io);
    assert!(
        error.message.contains(nowhere.to_str().unwrap()) && error.message.contains("directory"),
        "{error}"
    );
}

#[test]
fn odd_paths_are_paths_and_the_file_is_private() {
    let scratch = Scratch::new();
    let odd = scratch.directory.path().join("file:a?mode=memory&x=ü%41 #.db");
    drop(SqliteStore::open(&odd, OpenMode::Owner).unwrap());
    drop(SqliteStore::open(&odd, OpenMode::Reader).unwrap());
    assert!(odd.is_file());
    assert_eq!(std::fs::metadata(&odd).unwrap().permissions().mode() & 0o777, 0o600);
}

/// One task running in a slot with a question open, and one event more.
async fn populate(scratch: &Scratch) -> TaskId {
    let store = scratch.owner();
    let task = TaskId::generate();
    store.apply(configure(1)).await.unwrap();
    store.apply(submit(task)).await.unwrap();
    store.apply(lease(task, slot(0))).await.unwrap();
    let call = ToolCall::new("c", "Bash", serde_json::json!({"command": "ls"}), "/");
    let approval =
        Approval::pending(task, slot(0), call, Verdict::new(Decision::Ask, None, "why"), at(1), at(9));
    store.apply(Change::OpenApproval { approval: Box::new(approval) }).await.unwrap();
    task
}

/// Text that no version of ours writes is an error that names table, row and text, for reads and for writes.
#[tokio::test]
async fn c16_unknown_text_is_an_error() {
    for (table, tampering) in [
        ("tasks", "DROP TRIGGER tasks_stay_final; UPDATE tasks SET status = 'w\u{1b}[2Jeird'"),
        ("tasks", "UPDATE tasks SET status = 'queued'"),
        ("tasks", "UPDATE tasks SET request = '{weird'"),
        ("tasks", "UPDATE tasks SET submitted_at = 'weird'"),
        ("slots", "UPDATE slots SET status = 'weird'"),
        ("slots", "UPDATE slots SET config = json_set(config, '$.id', 'weird')"),
        ("slots", "UPDATE slots SET pid = 99999999999999"),
        ("approvals", "UPDATE approvals SET status = 'weird'"),
        ("approvals", "UPDATE approvals SET verdict = json_set(verdict, '$.decision', 'weird')"),
        ("events", "UPDATE events SET body = json_set(body, '$.kind', 'weird.kind') WHERE seq = 2"),
        ("events", "UPDATE events SET task = 'weird' WHERE seq = 2"),
        ("events", "DELETE FROM events WHERE seq = 2"),
    ] {
        let scratch = Scratch::new();
        let task = populate(&scratch).await;
        scratch.tamper(tampering);
        let store = scratch.owner();
        let error = match table {
            "tasks" => store.tasks(TaskFilter::default()).await.map(drop),
            "slots" => store.slots().await.map(drop),
            "approvals" => store.approvals(ApprovalFilter::All).await.map(drop),
            _ => store.events(Seq(0), 10).await.map(drop),
        };
        let error = error.expect_err(tampering);
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{tampering}: {error}");
        assert!(error.message.contains(&format!("table `{table}`")), "{tampering}: {error}");
        let row = match table {
            "tasks" => task.to_string(),
            "slots" => "s0".to_owned(),
            "events" => "2".to_owned(),
            _ => String::new(),
        };
        assert!(error.message.contains(&format!("row `{row}")), "{tampering}: {error}");
        if tampering.contains("eird") {
            assert!(error.message.contains("eird"), "{tampering}: {error}");
        }
        assert!(!error.message.contains('\u{1b}'), "the text reaches the terminal as it is: {error:?}");
    }
    // A guard meets the same text when it looks before a write.
    let scratch = Scratch::new();
    let task = populate(&scratch).await;
    scratch.tamper("UPDATE tasks SET status = 'weird'");
    let store = scratch.owner();
    let end = Change::EndTask { task, status: TaskStatus::Failed, reason: String::new(), at: at(5) };
    assert_eq!(store.apply(end).await.unwrap_err().kind, StoreErrorKind::Corrupt);
    store.apply(note("the others go on")).await.unwrap();
}

/// A hand at the database cannot take a task out of its final status either.
#[tokio::test]
async fn c2_the_schema_itself_keeps_final_statuses() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    let task = TaskId::generate();
    store.apply(submit(task)).await.unwrap();
    let end = Change::EndTask { task, status: TaskStatus::Cancelled, reason: String::new(), at: at(5) };
    store.apply(end).await.unwrap();
    drop(store);
    let conn = rusqlite::Connection::open(scratch.path()).unwrap();
    conn.execute_batch("UPDATE tasks SET status = 'done'").unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_follows_the_owner_and_never_writes() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    store.apply(note("one")).await.unwrap();
    let reader = SqliteStore::open(scratch.path(), OpenMode::Reader).unwrap();
    let mut newest = reader.newest();
    assert_eq!(*newest.borrow_and_update(), Seq(1));
    assert_eq!(whole_log(&reader).await.len(), 1);
    let refused = reader.apply(note("two")).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Invalid, "{refused}");

    store.apply(note("two")).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, newest.wait_for(|seq| *seq == Seq(2))).await;
    heard.expect("the reader was never told of the new event").unwrap();
    assert_eq!(reader.events(Seq(1), 10).await.unwrap().len(), 1);

    // With the owner gone its log is in the file, and the reader goes on reading.
    drop(store);
    assert_eq!(whole_log(&reader).await.len(), 2);
    drop(reader);
    let alone = SqliteStore::open(scratch.path(), OpenMode::Reader).unwrap();
    assert_eq!(whole_log(&alone).await.len(), 2);
}
