//! What an owner does first: end what a dead owner left running, and put its tasks back in the queue.

use std::collections::HashSet;
use std::time::Duration;

use crate::error::Error;
use crate::ids::TaskId;
use crate::mission::names::slug;
use crate::mission::shared::Shared;
use crate::model::{EventBody, Task, WorkspaceRecord};
use crate::ports::{Change, TaskFilter};

/// How much earlier than its task a workspace may seem to be made.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);
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
    let unrecorded = there.iter().filter_map(|workspace| Some((begun_for(&tasks, workspace)?, workspace)));
    for (task, record) in tasks.iter().rev().filter_map(workspace_of).chain(unrecorded) {
        if !done.insert(record.name.clone()) || !there.iter().any(|workspace| workspace.name == record.name) {
            continue;
        }
        let body = match shared.config.ports.workspaces.retire(record).await {
            Ok(retired) => EventBody::WorkspaceRetired { name: record.name.clone(), rescue: retired.rescue },
            // One that an agent has broken must not keep everybody from the project. Its task, if it is tried again,
            // comes back to it.
            Err(error) => EventBody::Warning {
                text: format!(
                    "the workspace {} of an earlier owner is left as it is: {}",
                    record.path.display(),
                    crate::error::chain(&error)
                ),
            },
        };
        shared.note(Some(task), None, body).await;
    }
    Ok(())
}

/// The task whose owner died between making this workspace and noting it.
///
/// The task was cut off, no task has the workspace on record, its branch bears the task's name, and it was made since the
/// task was begun: what a person made is never taken for one.
fn begun_for(tasks: &[Task], workspace: &WorkspaceRecord) -> Option<TaskId> {
    let is_recorded =
        |task: &Task| task.workspace.as_ref().is_some_and(|record| record.name == workspace.name);
    if tasks.iter().any(is_recorded) {
        return None;
    }
    let bears = |name: &str| {
        let leaf = workspace.branch.rsplit('/').next().unwrap_or_default();
        let number = leaf.strip_prefix(name).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        number.is_some_and(|number| number.chars().all(|digit| digit.is_ascii_digit()))
    };
    let was_cut_off = |task: &&Task| {
        let cut_off = task.attempts > 0 && task.result.is_none();
        // The two clocks are read to different fractions of a second.
        let since = task.started_at.zip(workspace.made_at).is_some_and(|(begun, made)| begun <= made + SLACK);
        let short = task.id.short();
        let issue = task.request.issue.as_deref().map_or_else(String::new, slug);
        cut_off && since && bears(if issue.is_empty() { &short } else { &issue })
    };
    tasks.iter().find(was_cut_off).map(|task| task.id)
}

fn workspace_of(task: &Task) -> Option<(TaskId, &WorkspaceRecord)> {
    task.workspace.as_ref().map(|workspace| (task.id, workspace))
}
