//! The thread that writes: it takes whatever waits and makes one transaction of it.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::ids::Seq;
use crate::ports::{Applied, StoreError, StoreErrorKind};
use crate::store::change::{Ledger, Work, perform};
use crate::store::error::{repeat, translate};
use crate::store::queue::Queue;
use crate::store::{read, sql};

/// How many changes go into one transaction at most, so that the first of them is not kept waiting for long.
const BATCH: usize = 1024;

/// A change that somebody waits for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) work: Box<Work>,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What became of a change, and the change itself: its caller frees it more cheaply than the one thread that all wait for.
pub(super) type Reply = (Outcome, Box<Work>);

pub(super) type Outcome = Result<Applied, StoreError>;

/// The one connection that writes.
///
/// How a change gets to the disk: in write-ahead mode SQLite appends a transaction's pages to the log and, with
/// `synchronous = FULL`, syncs the log before `COMMIT` returns; with `NORMAL` it leaves that to the next checkpoint. A
/// transaction with a durable change in it is committed under `FULL`. The log is one file, so that sync covers every
/// earlier transaction too.
#[derive(Debug)]
pub(super) struct Writer {
    conn: Connection,
    path: PathBuf,
    newest: watch::Sender<Seq>,
    syncs: bool,
}

impl Writer {
    /// A writer on a connection whose `synchronous` is `FULL`.
    pub(super) fn new(conn: Connection, path: PathBuf, newest: watch::Sender<Seq>) -> Self {
        Self { conn, path, newest, syncs: true }
    }

    /// Writes until the queue is closed.
    pub(super) fn run(mut self, requests: &Arc<Queue<Request>>) {
        while let Some(batch) = requests.take(BATCH) {
            let (changes, replies): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|request| (request.work, request.reply)).unzip();
            let outcomes = match self.commit(&changes) {
                Ok((outcomes, newest)) => {
                    // Before the replies, so that whoever has one finds its number here.
                    self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
                    outcomes
                }
                Err(error) => changes.iter().map(|_| Err(repeat(&error))).collect(),
            };
            for (reply, answer) in replies.into_iter().zip(outcomes.into_iter().zip(changes)) {
                // It fails when the caller has gone, which is the caller's right.
                let _ = reply.send(answer);
            }
        }
    }

    /// Makes all the changes in one transaction. A change that is refused changes nothing and leaves the others alone;
    /// when the database fails, none of them is made.
    fn commit(&mut self, changes: &[Box<Work>]) -> Result<(Vec<Outcome>, Seq), StoreError> {
        self.sync_commits(changes.iter().any(|change| change.is_durable()))?;
        self.run_cached(sql::BEGIN)?;
        let done = self.perform_all(changes);
        let done = done.and_then(|done| self.run_cached(sql::COMMIT).map(|()| done));
        if done.is_err() && !self.conn.is_autocommit() {
            // The transaction is gone with the connection's next use in any case; the first error is the one to report.
            if let Err(error) = self.conn.execute_batch(sql::ROLLBACK) {
                tracing::error!(path = %self.path.display(), %error, "a failed transaction could not be rolled back");
            }
        }
        done
    }

    fn perform_all(&self, changes: &[Box<Work>]) -> Result<(Vec<Outcome>, Seq), StoreError> {
        let mut ledger = Ledger::new(&self.conn, &self.path, read::newest(&self.conn, &self.path)?)?;
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(self.perform_one(&mut ledger, change)?);
        }
        Ok((outcomes, ledger.newest()))
    }

    /// The outer error is the failure of the whole transaction, the inner one the refusal of this change.
    fn perform_one(&self, ledger: &mut Ledger<'_>, change: &Work) -> Result<Outcome, StoreError> {
        // A note was checked before it came here, and can only fail with the whole transaction.
        let guarded = !matches!(change, Work::Note(_));
        let before = ledger.newest();
        if guarded {
            self.run_cached(sql::SAVE)?;
        }
        let outcome = perform(ledger, change);
        match &outcome {
            // Some failures end the transaction by themselves (section "Response To Errors Within A Transaction" of
            // https://www.sqlite.org/lang_transaction.html), and after the others it is better not to go on.
            Err(error)
                if self.conn.is_autocommit()
                    || matches!(error.kind, StoreErrorKind::Full | StoreErrorKind::Io)
                    || !guarded =>
            {
                return outcome.map(Ok);
            }
            Err(_) if guarded => {
                self.run_cached(sql::UNDO)?;
                ledger.rewind(before);
            }
            _ => {}
        }
        if guarded {
            self.run_cached(sql::RELEASE)?;
        }
        Ok(outcome)
    }

    fn sync_commits(&mut self, syncs: bool) -> Result<(), StoreError> {
        if self.syncs != syncs {
            let pragma = if syncs { sql::SYNC_EVERY_COMMIT } else { sql::SYNC_AT_CHECKPOINTS };
            // Not from the cache: this pragma acts when it is prepared, and only outside a transaction.
            self.conn.execute_batch(pragma).map_err(|error| translate(&self.path, "writing", error))?;
            self.syncs = syncs;
        }
        Ok(())
    }

    fn run_cached(&self, sql: &str) -> Result<(), StoreError> {
        let run = self.conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        run.map(drop).map_err(|error| translate(&self.path, "writing", error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::{Seq, Work, Writer, watch};
    use crate::ids::TaskId;
    use crate::model::{EventBody, NewTask};
    use crate::ports::{Change, StoreErrorKind};
    use crate::store::{open, sql};

    fn submit(id: TaskId, prompt: &str) -> Box<Work> {
        let request = Box::new(NewTask::new(prompt));
        Work::prepare(Change::SubmitTask { id, request, at: Timestamp::UNIX_EPOCH }).unwrap()
    }

    fn note() -> Box<Work> {
        let bodies = vec![EventBody::Warning { text: String::new() }];
        Work::prepare(Change::Note { task: None, slot: None, bodies, at: Timestamp::UNIX_EPOCH }).unwrap()
    }

    fn writer(directory: &tempfile::TempDir) -> Writer {
        let path = directory.path().join("mission.db");
        Writer::new(open::writer(&path).unwrap(), path, watch::Sender::new(Seq(0)))
    }

    /// Which commits SQLite syncs, as it says itself: 2 is FULL, 1 is NORMAL.
    #[test]
    fn a_commit_is_synced_if_and_only_if_a_change_in_it_is_durable() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(&directory);
        for (batch, expected) in [
            (vec![note()], 1),
            (vec![note(), submit(TaskId::generate(), "x"), note()], 2),
            (vec![note(), note()], 1),
            (vec![submit(TaskId::generate(), "x")], 2),
            (vec![submit(TaskId::generate(), "x")], 2),
            (vec![note()], 1),
        ] {
            writer.commit(&batch).unwrap();
            let level: i64 = writer.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!(level, expected, "{batch:?}");
        }
    }

    #[test]
    fn a_refused_change_leaves_the_others_of_its_transaction_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(&directory);
        let id = TaskId::generate();
        let batch =
            [note(), submit(id, "x"), submit(id, "x"), note(), submit(TaskId::generate(), ""), note()];
        let (outcomes, newest) = writer.commit(&batch).unwrap();
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| outcome.map(|done| done.seq.0).map_err(|error| error.kind))
            .collect();
        let (conflict, invalid) = (Err(StoreErrorKind::Conflict), Err(StoreErrorKind::Invalid));
        assert_eq!(outcomes, [Ok(1), Ok(2), conflict, Ok(3), invalid, Ok(4)]);
        assert_eq!(newest, Seq(4));
    }

    /// A full disk in the middle of a transaction undoes all of it, and the next one finds the writer sound.
    #[test]
    fn a_failed_transaction_is_undone_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(&directory);
        writer.commit(&[note()]).unwrap();
        let pages: i64 = writer.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |writer: &Writer, pages: i64| {
            let set = writer
                .conn
                .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0));
            assert_eq!(set.unwrap(), pages);
        };
        limit(&writer, pages + 1);
        let batch = [note(), submit(TaskId::generate(), &"x".repeat(100_000)), note()];
        let error = writer.commit(&batch).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
        assert!(writer.conn.is_autocommit(), "the transaction is still open");
        limit(&writer, pages + 1000);
        let (outcomes, newest) = writer.commit(&batch).unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!(newest, Seq(4));
    }

    /// The scans that the scheduler makes again and again use an index.
    #[test]
    fn scans_of_the_queue_use_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        let live = sql::tasks_newest_first(&crate::ports::TaskFilter::live().statuses);
        for (statement, index) in [
            (live.as_str(), "tasks_by_status"),
            (sql::TASK_LEASED_TO, "tasks_leased_to"),
            (sql::TASKS_LEASED, "tasks_leased_to"),
            (sql::APPROVALS_PENDING, "approvals_pending"),
            (sql::APPROVALS_OPEN, "approvals_pending"),
            (sql::APPROVALS_OPEN_OF, "approvals_pending"),
        ] {
            let mut plan = writer.conn.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let bound = vec![1; plan.parameter_count()];
            let steps =
                plan.query_map(rusqlite::params_from_iter(bound), |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            assert!(steps.iter().any(|step| step.contains(index)), "{statement}: {steps:?}");
        }
    }
}
