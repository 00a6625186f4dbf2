//! Writing to a project that nobody owns: own it, write, give it back.

use std::time::Duration;

use jiff::Timestamp;

use crate::access::seats_for;
use crate::control::{OwnerLock, ProjectPaths};
use crate::error::Error;
use crate::ids::TaskId;
use crate::mission::{MissionConfig, admission};
use crate::model::{NewTask, Task, TaskStatus};
use crate::ports::{Change, Store};
use crate::project::Project;
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

    /// Of a project whose owner is there to do the writing.
    pub(super) fn unread(paths: ProjectPaths) -> Self {
        Self { paths, config: Err("the mission that owned the project has ended; try again".to_owned()) }
    }

    pub(super) fn paths(&self) -> &ProjectPaths {
        &self.paths
    }

    pub(super) async fn submit(&self, request: NewTask) -> Result<TaskId, Error> {
        let config = self.config.as_ref().map_err(|error| Error::Policy(error.clone()))?;
        admission::check(config, &request)?;
        let (lock, store) = self.own().await?;
        let request = admission::follow(&store, request).await?;
        admission::check(config, &request)?;
        let driver = request.driver.unwrap_or_default();
        let slots = seats_for(config, request.agent.as_ref(), driver, &[])?;
        let at = Timestamp::now();
        let task = admission::candidate(admission::pin(config, request, &slots), &slots, at)?;
        store.apply(Change::SubmitTask { id: task.id, request: Box::new(task.request), at }).await?;
        give_back(lock, store).await;
        Ok(task.id)
    }

    pub(super) async fn retry(&self, task: Task) -> Result<TaskId, Error> {
        self.submit(admission::again(task, Timestamp::now())?).await
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
