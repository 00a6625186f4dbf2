//! What an owner does first: end what a dead owner left running, and put its tasks back in the queue.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::Error;
use crate::ids::TaskId;
use crate::mission::names::slug;
use crate::mission::shared::Shared;
use crate::model::{EventBody, Task, WorkspaceRecord};
use crate::ports::{Change, PageStart, TaskPage};

/// How much earlier than its task a workspace may seem to be made.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);
/// How many tasks are held at once to find those of leftover workspaces.
const TASKS_AT_ONCE: usize = 64;
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
    let stay: Vec<String> =
        swept.iter().filter(|found| !found.gone).map(|found| found.pid.to_string()).collect();
    if !stay.is_empty() {
        return Err(Error::Internal(format!(
            "processes of a dead owner cannot be ended and could still write into its workspaces: pid {}; end them \
             (uninterruptible sleep and other users' processes need a person), then try again",
            stay.join(", ")
        )));
    }
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
    for (task, record) in owners(shared, &there).await? {
        let mut bodies = Vec::new();
        let body = match shared.config.ports.workspaces.retire(&record).await {
            Ok(retired) => {
                bodies.extend(retired.more().map(|text| EventBody::Warning { text }));
                EventBody::WorkspaceRetired { name: record.name.clone(), rescue: retired.rescue }
            }
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
        // This is the only record of where the work was put.
        bodies.insert(0, body);
        let change = Change::Note { task: Some(task), slot: None, bodies, at: shared.now() };
        shared.apply(change).await?;
    }
    Ok(())
}

/// The task that each workspace was made for, and the record of it. A workspace that no task has made is a person's.
///
/// A workspace may be that of a task which ended long ago, so all of them are looked through; but page by page, and only
/// when there is a workspace at all.
async fn owners(shared: &Shared, there: &[WorkspaceRecord]) -> Result<Vec<(TaskId, WorkspaceRecord)>, Error> {
    let mut recorded = HashMap::new();
    let mut begun = HashMap::new();
    let mut page = TaskPage::new(PageStart::Newest, TASKS_AT_ONCE);
    loop {
        let tasks = shared.store.task_page(page.clone()).await?;
        let Some(first) = tasks.first() else { break };
        page.start = PageStart::Before(first.id);
        // The newest task of a workspace counts: a follow-up shares the workspace of the task that it follows.
        for task in tasks.iter().rev() {
            for workspace in there {
                match &task.workspace {
                    Some(record) if record.is_same(workspace) => {
                        recorded.entry(workspace.name.clone()).or_insert((task.id, record.clone()));
                    }
                    _ if is_begun_for(task, workspace) => {
                        // The oldest of them: the others have a number behind the name.
                        begun.insert(workspace.name.clone(), (task.id, workspace.clone()));
                    }
                    _ => {}
                }
            }
        }
    }
    let owner = |workspace: &WorkspaceRecord| {
        recorded.remove(&workspace.name).or_else(|| begun.remove(&workspace.name))
    };
    Ok(there.iter().filter_map(owner).collect())
}

/// Whether the task's owner could have died between making this workspace and noting it.
///
/// The task was cut off, the branch bears its name, and the workspace was made after the task was begun and before it
/// ended. What a person made for the same issue in just that time looks the same; its work is kept all the same.
fn is_begun_for(task: &Task, workspace: &WorkspaceRecord) -> bool {
    let bears = |name: &str| {
        let leaf = workspace.branch.rsplit('/').next().unwrap_or_default();
        let number = leaf.strip_prefix(name).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        number.is_some_and(|number| number.chars().all(|digit| digit.is_ascii_digit()))
    };
    let cut_off = task.attempts > 0 && task.result.is_none();
    // The two clocks are read to different fractions of a second.
    let since = task.started_at.zip(workspace.made_at).is_some_and(|(begun, made)| {
        begun <= made + SLACK && task.finished_at.is_none_or(|ended| made <= ended + SLACK)
    });
    let short = task.id.short();
    let issue = task.request.issue.as_deref().map_or_else(String::new, slug);
    cut_off && since && bears(if issue.is_empty() { &short } else { &issue })
}
