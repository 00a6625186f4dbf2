//! The reads, and the threads that make them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params};

use crate::ids::{Seq, TaskId};
use crate::model::{Approval, Event, Message, Slot, Task, TaskStatus};
use crate::ports::{ApprovalFilter, PageStart, StoreError, StoreErrorKind, TaskFilter, TaskPage};
use crate::store::error::{not_found, translate};
use crate::store::queue::Queue;
use crate::store::rows::{self, Cells};
use crate::store::sql;

/// One read, which hands its outcome on by itself.
pub(super) type Job = Box<dyn FnOnce(&Reader) + Send>;

/// A connection that reads.
#[derive(Debug)]
pub(super) struct Reader {
    conn: Connection,
    path: PathBuf,
}

impl Reader {
    pub(super) fn new(conn: Connection, path: PathBuf) -> Self {
        Self { conn, path }
    }

    /// Does what is asked until the queue is closed.
    pub(super) fn run(self, jobs: &Arc<Queue<Job>>) {
        while let Some(taken) = jobs.take(1) {
            for job in taken {
                // A read that panics is a defect of ours; its caller is told that the store is closed, the others go on.
                let read = std::panic::AssertUnwindSafe(|| job(&self));
                if std::panic::catch_unwind(read).is_err() {
                    tracing::error!(path = %self.path.display(), "a read of the store panicked");
                }
            }
        }
    }

    pub(super) fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        let found = self.rows("tasks", sql::TASK, [id.to_string()], rows::task)?.pop();
        found.ok_or_else(|| no_task(id))
    }

    pub(super) fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>, StoreError> {
        let limit = filter.newest.map_or(-1, limit);
        let mut tasks =
            self.rows("tasks", &sql::tasks_newest_first(&filter.statuses), [limit], rows::task)?;
        tasks.reverse();
        Ok(tasks)
    }

    pub(super) fn task_page(&self, page: &TaskPage) -> Result<Vec<Task>, StoreError> {
        let (backwards, place) = match page.start {
            PageStart::Oldest => (false, 0),
            PageStart::Newest => (true, i64::MAX),
            PageStart::After(id) => (false, self.number_of(id)?),
            PageStart::Before(id) => (true, self.number_of(id)?),
        };
        let statement = sql::task_page(&page.statuses, backwards);
        let mut tasks = self.rows("tasks", &statement, [place, limit(page.limit)], rows::task)?;
        if backwards {
            tasks.reverse();
        }
        Ok(tasks)
    }

    /// The place of a task in the order of submission. It never changes, so it may be read before the page is.
    fn number_of(&self, id: TaskId) -> Result<i64, StoreError> {
        let failed = |error| translate(&self.path, "reading", error);
        let mut statement = self.conn.prepare_cached(sql::TASK_NUMBER).map_err(failed)?;
        let number = statement.query_row([id.to_string()], |row| row.get(0)).optional().map_err(failed)?;
        number.ok_or_else(|| no_task(id))
    }

    pub(super) fn task_counts(&self) -> Result<Vec<(TaskStatus, u64)>, StoreError> {
        let decode = |cells: &Cells<'_>| Ok((cells.word(0, TaskStatus::from_word)?, cells.number(1)?));
        let mut counts = self.rows("tasks", sql::TASK_COUNTS, [], decode)?;
        counts.sort_by_key(|(status, _)| TaskStatus::ALL.iter().position(|known| known == status));
        Ok(counts)
    }

    pub(super) fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        self.rows("slots", sql::SLOTS, [], rows::slot)
    }

    pub(super) fn approvals(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, StoreError> {
        match filter {
            ApprovalFilter::Pending => self.rows("approvals", sql::APPROVALS_PENDING, [], rows::approval),
            ApprovalFilter::All => self.rows("approvals", sql::APPROVALS, [], rows::approval),
            ApprovalFilter::One(id) => {
                self.rows("approvals", sql::APPROVAL, [id.to_string()], rows::approval)
            }
        }
    }

    pub(super) fn messages(&self, most: usize) -> Result<Vec<Message>, StoreError> {
        let mut messages = self.rows("messages", sql::MESSAGES, [limit(most)], rows::message)?;
        messages.reverse();
        Ok(messages)
    }

    pub(super) fn events(&self, since: Seq, most: usize) -> Result<Vec<Event>, StoreError> {
        // Beyond what the database can number there is nothing.
        let Ok(after) = i64::try_from(since.0) else { return Ok(Vec::new()) };
        let events = self.rows("events", sql::EVENTS_SINCE, [after, limit(most)], rows::event)?;
        let mut expected = since.0;
        for event in &events {
            expected += 1;
            if event.seq.0 != expected {
                return Err(StoreError::new(
                    StoreErrorKind::Corrupt,
                    format!(
                        "{}: table `events`, row `{expected}` is missing, though `{}` is there; put a backup in its place",
                        self.path.display(),
                        event.seq
                    ),
                ));
            }
        }
        Ok(events)
    }

    pub(super) fn newest(&self) -> Result<Seq, StoreError> {
        newest(&self.conn, &self.path)
    }

    /// A number that changes whenever another connection has changed the database.
    pub(super) fn data_version(&self) -> Result<i64, StoreError> {
        let read = self.conn.pragma_query_value(None, "data_version", |row| row.get(0));
        read.map_err(|error| translate(&self.path, "reading", error))
    }

    fn rows<T>(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
        decode: fn(&Cells<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        query(&self.conn, &self.path, table, sql, params, decode)
    }
}

/// Reads rows with a statement that is kept for the next time.
pub(super) fn query<T>(
    conn: &Connection,
    path: &Path,
    table: &'static str,
    sql: &str,
    params: impl Params,
    decode: impl Fn(&Cells<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let failed = |error| translate(path, "reading", error);
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(decode(&Cells { path, table, row })?);
    }
    Ok(found)
}

/// The number of the newest event.
pub(super) fn newest(conn: &Connection, path: &Path) -> Result<Seq, StoreError> {
    let failed = |error| translate(path, "reading", error);
    let mut statement = conn.prepare_cached(sql::NEWEST).map_err(failed)?;
    let newest: Option<i64> = statement.query_row([], |row| row.get(0)).optional().map_err(failed)?;
    Ok(Seq(u64::try_from(newest.unwrap_or(0)).unwrap_or(0)))
}

fn no_task(id: TaskId) -> StoreError {
    not_found(format!("there is no task {id}; `missiond task list` shows those there are"))
}

/// As SQLite wants it.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
