//! What an owner does first: end what a dead owner left running, and put its tasks back in the queue.

use std::collections::HashSet;
use std::time::Duration;

use crate::error::Error;
use crate::ids::TaskId;
use crate::mission::shared::Shared;
use crate::model::{EventBody, Task};
use crate::ports::{Change, TaskFilter};

/// How long leftover processes may take to end.
const SWEEP_DEADLINE: Duration = Duration::from_secs(15);

/// Brings the project into the state that a clean end would have left it in. May be called again after a failure.
///
/// Processes first: as long as one is alive it could write into a workspace that is being given away.
pub(super) async fn recover(shared: &Shared) -> Result<(), Error> {
    let scope = shared.scope.clone();
    let swept =
        tokio::task::spawn_blocking(move || missiond_process::tree::sweep(&scope, |_| false, SWEEP_DEADLINE))
            .await
            .map_err(|error| Error::Internal(format!("the sweep for leftover processes failed: {error}")))?
            .map_err(|error| {
                Error::Internal(format!("leftover processes of a dead owner could not be ended: {error}"))
            })?;
    if !swept.is_empty() {
        let text = format!("ended {} leftover processes of an earlier owner", swept.len());
        shared.note(None, None, EventBody::Warning { text }).await;
    }
    shared
        .apply(Change::TakeOverLeases {
            reason: "its owner died before it ended".to_owned(),
            at: shared.now(),
        })
        .await?;
    shared.apply(Change::ConfigureSlots { slots: shared.config.slots.clone(), at: shared.now() }).await?;
    for text in shared.config.ports.workspaces.recover().await? {
        shared.note(None, None, EventBody::Warning { text }).await;
    }
    retire_leftovers(shared).await
}

/// Retires the workspaces of tasks that are not at work: no task is, when an owner has just begun.
async fn retire_leftovers(shared: &Shared) -> Result<(), Error> {
    let there = shared.config.ports.workspaces.list().await?;
    if there.is_empty() {
        return Ok(());
    }
    let tasks = shared.store.tasks(TaskFilter::default()).await?;
    let mut done: HashSet<String> = HashSet::new();
    // The newest task of a workspace first: a follow-up shares the workspace of the task that it follows.
    for (task, record) in tasks.iter().rev().filter_map(workspace_of) {
        if !done.insert(record.name.clone()) || !there.iter().any(|workspace| workspace.name == record.name) {
            continue;
        }
        let retired = shared.config.ports.workspaces.retire(record).await?;
        let body = EventBody::WorkspaceRetired { name: record.name.clone(), rescue: retired.rescue };
        shared.note(Some(task), None, body).await;
    }
    Ok(())
}

fn workspace_of(task: &Task) -> Option<(TaskId, &crate::model::WorkspaceRecord)> {
    task.workspace.as_ref().map(|workspace| (task.id, workspace))
}
