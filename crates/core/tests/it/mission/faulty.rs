//! A store that is watched, and fails when a test says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use missiond_core::ports::{
    Applied, ApprovalFilter, BoxFuture, Change, Store, StoreError, StoreErrorKind, TaskFilter, TaskPage,
};
use missiond_core::store::SqliteStore;
use missiond_core::{Approval, Event, Message, Seq, Slot, Task, TaskId, TaskStatus};
use tokio::sync::watch;

/// Counts the tasks that are read, and refuses the changes that it is told to.
#[derive(Debug)]
pub(super) struct Faulty {
    store: Arc<SqliteStore>,
    /// By all reads of more than one task together.
    read: AtomicUsize,
    /// By one read at the most.
    most: AtomicUsize,
    refuses: Mutex<fn(&Change) -> bool>,
}

impl Faulty {
    pub(super) fn new(store: Arc<SqliteStore>) -> Arc<Self> {
        let (read, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { store, read, most, refuses: Mutex::new(|_| false) })
    }

    /// From now on it cannot write these.
    pub(super) fn refuse(&self, which: fn(&Change) -> bool) {
        *self.refuses.lock().unwrap() = which;
    }

    /// How many tasks were read since this was last asked, and how many by one read at the most.
    pub(super) fn taken(&self) -> (usize, usize) {
        (self.read.swap(0, Ordering::SeqCst), self.most.swap(0, Ordering::SeqCst))
    }

    async fn count(
        &self,
        read: BoxFuture<'_, Result<Vec<Task>, StoreError>>,
    ) -> Result<Vec<Task>, StoreError> {
        let tasks = read.await?;
        self.read.fetch_add(tasks.len(), Ordering::SeqCst);
        self.most.fetch_max(tasks.len(), Ordering::SeqCst);
        Ok(tasks)
    }
}

impl Store for Faulty {
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        let refused = self.refuses.lock().unwrap()(&change);
        Box::pin(async move {
            if refused {
                return Err(StoreError::new(StoreErrorKind::Io, "the disk has come off"));
            }
            self.store.apply(change).await
        })
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Task, StoreError>> {
        self.store.task(id)
    }

    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        Box::pin(self.count(self.store.tasks(filter)))
    }

    fn task_page(&self, page: TaskPage) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        Box::pin(self.count(self.store.task_page(page)))
    }

    fn task_counts(&self) -> BoxFuture<'_, Result<Vec<(TaskStatus, u64)>, StoreError>> {
        self.store.task_counts()
    }

    fn slots(&self) -> BoxFuture<'_, Result<Vec<Slot>, StoreError>> {
        self.store.slots()
    }

    fn approvals(&self, filter: ApprovalFilter) -> BoxFuture<'_, Result<Vec<Approval>, StoreError>> {
        self.store.approvals(filter)
    }

    fn messages(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.store.messages(limit)
    }

    fn events(&self, since: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        self.store.events(since, limit)
    }

    fn newest(&self) -> watch::Receiver<Seq> {
        self.store.newest()
    }
}
