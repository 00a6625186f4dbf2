//! A database in a scratch directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use missiond_core::ports::{Change, Finish, Store};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{
    Event, EventBody, LeaseToken, NewTask, Seq, SlotConfig, SlotId, TaskId, TaskResult, TaskStatus,
};

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) directory: tempfile::TempDir,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("mission.db")
    }

    pub(super) fn owner(&self) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(self.path(), OpenMode::Owner).unwrap())
    }

    /// Does something to the closed database that no version of ours would.
    pub(super) fn tamper(&self, sql: &str) {
        let conn = rusqlite::Connection::open(self.path()).unwrap();
        conn.execute_batch(sql).unwrap();
    }
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

pub(super) fn slot(number: usize) -> SlotId {
    format!("s{number}").parse().unwrap()
}

pub(super) fn configure(count: usize) -> Change {
    let slots = (0..count).map(|number| SlotConfig::new(slot(number), "scripted".parse().unwrap())).collect();
    Change::ConfigureSlots { slots, at: at(0) }
}

pub(super) fn submit(id: TaskId) -> Change {
    Change::SubmitTask { id, request: Box::new(NewTask::new("do it")), at: at(0) }
}

pub(super) fn lease(task: TaskId, slot: SlotId) -> Change {
    Change::LeaseTask { task, slot, at: at(1), until: at(100) }
}

pub(super) fn finish(task: TaskId, token: LeaseToken, status: TaskStatus) -> Change {
    let finish = Finish { status, reason: None, result: TaskResult::default() };
    Change::FinishTask { task, token, finish: Box::new(finish), at: at(2) }
}

pub(super) fn note(text: &str) -> Change {
    let bodies = vec![EventBody::Warning { text: text.to_owned() }];
    Change::Note { task: None, slot: None, bodies, at: at(3) }
}

/// The whole log, checked for gaps.
pub(super) async fn whole_log(store: &dyn Store) -> Vec<Event> {
    let events = store.events(Seq(0), usize::MAX).await.unwrap();
    for (event, expected) in events.iter().zip(1..) {
        assert_eq!(event.seq, Seq(expected), "there is a gap in the log");
    }
    assert_eq!(*store.newest().borrow(), Seq(events.len() as u64));
    events
}

/// Waits until something holds, for as long as a test waits.
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
