//! What may enter the queue, and what its workspace is called: the same with a mission as without one.

use std::path::Path;

use jiff::Timestamp;

use crate::config::Settings;
use crate::error::Error;
use crate::ids::TaskId;
use crate::mission::MissionConfig;
use crate::mission::names::slug;
use crate::model::{NewTask, SlotConfig, Task};
use crate::ports::{Store, WorkspaceRequest};
use crate::scheduler;

/// Refuses what makes no sense, whatever is in the store.
pub(crate) fn check(config: &MissionConfig, request: &NewTask) -> Result<(), Error> {
    if request.prompt.trim().is_empty() {
        return Err(Error::Invalid("the prompt is empty; say what the agent is to do".to_owned()));
    }
    request.agent.as_ref().map_or(Ok(()), |agent| config.require_kind(agent))
}

/// Gives a request the agent of the task that it follows, which must be over.
pub(crate) async fn follow(store: &dyn Store, mut request: NewTask) -> Result<NewTask, Error> {
    let Some(earlier) = request.follow_up else { return Ok(request) };
    let earlier = store.task(earlier).await?;
    if !earlier.status.is_final() {
        return Err(Error::Unready(format!(
            "task {} is {}; wait for its end before a follow-up",
            earlier.id, earlier.status
        )));
    }
    request.agent = request.agent.or(earlier.request.agent);
    Ok(request)
}

/// Gives a request that names no agent the one that the slots are made for, where nobody has configured slots: another
/// mission may have slots for another agent, and that is not who was asked.
pub(crate) fn pin(config: &MissionConfig, mut request: NewTask, slots: &[SlotConfig]) -> NewTask {
    if request.agent.is_none() && config.settings.slots.is_empty() {
        let mut agents = slots.iter().filter(|slot| slot.role == request.role).map(|slot| &slot.agent);
        if let Some(first) = agents.next() {
            request.agent = agents.all(|agent| agent == first).then(|| first.clone());
        }
    }
    request
}

/// The task that a request becomes, if one of the slots could ever take it.
pub(crate) fn candidate(request: NewTask, slots: &[SlotConfig], at: Timestamp) -> Result<Task, Error> {
    let task = Task::queued(TaskId::generate(), request, at);
    scheduler::unservable(&task, slots).map_or(Ok(task), |reason| Err(Error::Unservable(reason)))
}

/// The request of a task that is over, to be submitted again.
pub(crate) fn again(task: Task, now: Timestamp) -> Result<NewTask, Error> {
    if !task.status.is_final() {
        return Err(Error::Unready(format!(
            "task {} is {}; only a task that has ended can be retried",
            task.id, task.status
        )));
    }
    let mut request = task.request;
    if request.deadline.is_some_and(|deadline| deadline <= now) {
        request.deadline = None;
    }
    Ok(request)
}

/// The workspace for an issue, named by the project's pattern; `None` when nothing of the issue is left that git and a
/// shell take. A number above 1 goes into the names.
pub(crate) fn workspace_request(
    settings: &Settings,
    root: &Path,
    issue: &str,
    number: u32,
) -> Option<WorkspaceRequest> {
    let mut issue = Some(slug(issue)).filter(|issue| !issue.is_empty())?;
    if number > 1 {
        issue.push_str(&format!("-{number}"));
    }
    let repository = slug(&root.file_name().unwrap_or_default().to_string_lossy());
    let repository = if repository.is_empty() { "project" } else { &repository };
    let name = settings.naming_pattern.replace("{repo}", repository).replace("{issue_id}", &issue);
    let path = settings.workspace_base.join(&name);
    Some(WorkspaceRequest::new(name, path, format!("{}/{issue}", settings.branch_prefix)))
}
