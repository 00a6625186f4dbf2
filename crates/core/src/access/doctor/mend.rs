//! Mending: what an owner does first of all, without becoming a mission.

use std::time::Duration;

use jiff::Timestamp;

use crate::control::OwnerLock;
use crate::error::Error;
use crate::model::{Task, TaskStatus, WorkspaceRecord};
use crate::ports::{Change, Store, TaskFilter, Workspaces};
use crate::project::Project;
use crate::store::{OpenMode, SqliteStore};

/// How long another owner's end is waited for, and how long leftover processes may take to end.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const SWEEP_DEADLINE: Duration = Duration::from_secs(15);

/// Ends leftover processes, puts abandoned tasks back in the queue, completes or undoes half-made workspaces, retires
/// those of ended tasks (keeping their work), and removes sockets that nobody serves. Says what it did, a line each.
///
/// # Errors
///
/// When a mission owns the project: then nothing is left over. Or when something cannot be mended.
///
/// # Cancel safety
///
/// May be called again.
pub async fn mend(project: &Project) -> Result<Vec<String>, Error> {
    let paths = project.paths.clone();
    let scope = paths.session_scope();
    let begun = tokio::task::spawn_blocking(move || {
        let lock = OwnerLock::acquire(&paths, LOCK_WAIT)?;
        // Processes first: as long as one is alive it could write into a workspace that is being removed.
        let swept = missiond_process::tree::sweep(&scope, |_| false, SWEEP_DEADLINE)
            .map_err(|error| Error::Internal(format!("/proc can't be read: {error}")))?;
        Ok::<_, Error>((lock, swept))
    });
    let (lock, swept) =
        begun.await.map_err(|error| Error::Internal(format!("mending failed: {error}")))??;
    let mut done = Vec::new();
    for process in &swept {
        let how = if process.gone { "ended" } else { "could not end" };
        done.push(format!("{how} leftover process {}", process.pid));
    }
    let socket = project.paths.control_socket();
    if socket.exists() {
        match std::fs::remove_file(&socket) {
            Ok(()) => done.push(format!("removed the socket {}", socket.display())),
            Err(error) => done.push(format!("could not remove the socket {}: {error}", socket.display())),
        }
    }
    let workspaces = project.workspaces();
    done.extend(workspaces.recover().await?);
    let database = project.paths.database();
    if database.exists() {
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&database, OpenMode::Owner)).await;
        let store =
            opened.map_err(|error| Error::Internal(format!("opening the store failed: {error}")))??;
        requeue(&store, &mut done).await?;
        retire(&store, workspaces, &mut done).await?;
        let closing = tokio::task::spawn_blocking(move || drop(store)).await;
        closing.map_err(|error| Error::Internal(format!("closing the store failed: {error}")))?;
    }
    drop(lock);
    Ok(done)
}

async fn requeue(store: &SqliteStore, done: &mut Vec<String>) -> Result<(), Error> {
    let filter = TaskFilter { statuses: vec![TaskStatus::Running], ..TaskFilter::default() };
    let running = store.tasks(filter).await?;
    if running.is_empty() {
        return Ok(());
    }
    let reason = "its owner died before it ended".to_owned();
    store.apply(Change::TakeOverLeases { reason, at: Timestamp::now() }).await?;
    done.extend(running.iter().map(|task| format!("put task {} back in the queue", task.id)));
    Ok(())
}

async fn retire(
    store: &SqliteStore,
    workspaces: &impl Workspaces,
    done: &mut Vec<String>,
) -> Result<(), Error> {
    let tasks = store.tasks(TaskFilter::default()).await?;
    for workspace in workspaces.list().await? {
        if !is_left_over(&workspace, &tasks) {
            continue;
        }
        let retired = workspaces.retire(&workspace).await?;
        done.extend(retired.more());
        let kept = retired.rescue.map(|reference| format!(", work kept as {reference}")).unwrap_or_default();
        done.push(format!("removed workspace {}{kept}", workspace.name));
    }
    Ok(())
}

/// Whether a workspace was made for a task. When no mission runs, no task is at work in it.
pub(super) fn is_left_over(workspace: &WorkspaceRecord, tasks: &[Task]) -> bool {
    tasks.iter().any(|task| task.workspace.as_ref().is_some_and(|record| record.is_same(workspace)))
}
