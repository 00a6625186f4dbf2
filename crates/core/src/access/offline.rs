//! Writing to a project that nobody owns: own it, write, give it back.

use std::time::Duration;

use jiff::Timestamp;

use crate::access::seats_for;
use crate::control::{OwnerLock, ProjectPaths};
use crate::error::Error;
use crate::ids::TaskId;
use crate::mission::MissionConfig;
use crate::model::{NewTask, Task, TaskStatus};
use crate::ports::{Change, Store};
use crate::project::Project;
use crate::scheduler;
use crate::store::{OpenMode, SqliteStore};

/// How long another writer's moment is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What is needed to write without a mission.
#[derive(Debug)]
pub(super) struct Offline {
    paths: ProjectPaths,
    /// Why the project could not be opened, if so: only a write needs it.
    config: Result<MissionConfig, String>,
}

impl Offline {
    pub(super) fn new(project: &Project) -> Self {
        let config = project.mission_config().map_err(|error| crate::error::chain(&error));
        Self { paths: project.paths.clone(), config }
    }

    pub(super) async fn submit(&self, mut request: NewTask) -> Result<TaskId, Error> {
        if request.prompt.trim().is_empty() {
            return Err(Error::Invalid("the prompt is empty; say what the agent is to do".to_owned()));
        }
        let config = self.config.as_ref().map_err(|error| Error::Policy(error.clone()))?;
        if let Some(agent) = &request.agent {
            config.require_kind(agent)?;
        }
        let (lock, store) = self.own().await?;
        if let Some(earlier) = request.follow_up {
            let earlier = store.task(earlier).await?;
            if !earlier.status.is_final() {
                return Err(Error::Invalid(format!(
                    "task {} is {}; wait for its end before a follow-up",
                    earlier.id, earlier.status
                )));
            }
            request.agent = request.agent.or(earlier.request.agent);
        }
        let at = Timestamp::now();
        let task = Task::queued(TaskId::generate(), request, at);
        let driver = task.request.driver.unwrap_or_default();
        let slots = seats_for(config, task.request.agent.as_ref(), driver, &[])?;
        if let Some(reason) = scheduler::unservable(&task, &slots) {
            return Err(Error::Unservable(reason));
        }
        store.apply(Change::SubmitTask { id: task.id, request: Box::new(task.request), at }).await?;
        give_back(lock, store).await;
        Ok(task.id)
    }

    pub(super) async fn retry(&self, task: Task) -> Result<TaskId, Error> {
        if !task.status.is_final() {
            return Err(Error::Invalid(format!(
                "task {} is {}; only a task that has ended can be retried",
                task.id, task.status
            )));
        }
        let mut request = task.request;
        if request.deadline.is_some_and(|deadline| deadline <= Timestamp::now()) {
            request.deadline = None;
        }
        self.submit(request).await
    }

    pub(super) async fn cancel(&self, task: TaskId, reason: &str) -> Result<(), Error> {
        let (lock, store) = self.own().await?;
        let reason = reason.to_owned();
        let change = Change::EndTask { task, status: TaskStatus::Cancelled, reason, at: Timestamp::now() };
        let applied = store.apply(change).await;
        give_back(lock, store).await;
        applied?;
        Ok(())
    }

    async fn own(&self) -> Result<(OwnerLock, SqliteStore), Error> {
        let paths = self.paths.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = OwnerLock::acquire(&paths, LOCK_WAIT)?;
            let store = SqliteStore::open(paths.database(), OpenMode::Owner)?;
            Ok::<_, Error>((lock, store))
        });
        opened.await.map_err(|error| Error::Internal(format!("taking the project failed: {error}")))?
    }
}

/// Closes the store before the lock: the next owner must not meet a writer. Closing joins a thread, so not on the
/// runtime's own.
async fn give_back(lock: OwnerLock, store: SqliteStore) {
    let closing = tokio::task::spawn_blocking(move || {
        drop(store);
        drop(lock);
    });
    if let Err(error) = closing.await {
        tracing::warn!(%error, "the store was not closed in good order");
    }
}
