//! Taking worktrees away by hand.

use jiff::Timestamp;
use missiond_git::{RemoveOptions, Workspace};

use crate::access::{Access, AccessError, workspace_request};
use crate::error::{Error, chain};
use crate::model::{Task, TaskStatus};
use crate::ports::{WorkspacesError, WorkspacesErrorKind};
use crate::project::Project;

/// A worktree that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedWorktree {
    /// Its name.
    pub name: String,
    /// Its branch, which stays.
    pub branch: String,
    /// The ref that keeps what was not committed, if anything was.
    pub rescue: Option<String>,
    /// Further refs, which keep what an unfinished rebase or merge had put aside.
    pub further: Vec<String>,
}

impl Access {
    /// Removes the worktree that a person means by its name, its branch or its issue, unless a task is at work in it. The
    /// branch stays, and what is not committed is kept under a ref.
    ///
    /// It is leased while that is found out, so that it cannot become another's meanwhile.
    ///
    /// # Errors
    ///
    /// When there is no such worktree, somebody is at work in it, or git fails.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the worktree may or may not be removed.
    pub async fn remove_worktree(
        &self,
        project: &Project,
        text: &str,
    ) -> Result<RemovedWorktree, AccessError> {
        let found = find(project, text).await?;
        // Before the lease, for a mission that is about to give the worktree back would meet it.
        self.refuse_at_work(&found).await?;
        let holder = format!("removal by process {}", std::process::id());
        let (wanted, by) = (found.clone(), holder.clone());
        on_thread(project, move |repository| {
            repository.lease(&wanted.name, &by)?;
            // Another one of the same name may have been made since it was found.
            if repository.get(&wanted.name)?.created != wanted.created {
                repository.release(&wanted.name, &by)?;
                return Err(missiond_git::Error::NoSuchWorkspace { name: wanted.name.to_string() });
            }
            Ok(())
        })
        .await?;
        // A task that works in it did so before the lease: a mission works only in what it has made for the attempt.
        let free = self.refuse_at_work(&found).await;
        let wanted = found.clone();
        let is_free = free.is_ok();
        let removed = on_thread(project, move |repository| {
            if !is_free {
                repository.release(&wanted.name, &holder)?;
                return Ok(None);
            }
            let mut options = RemoveOptions::default();
            options.holder = Some(holder.clone());
            match repository.remove(&wanted.name, &options) {
                Ok(removed) => Ok(Some(removed)),
                Err(error) => {
                    // The first error is the one to report; the lease ends with this process at the latest.
                    drop(repository.release(&wanted.name, &holder));
                    Err(error)
                }
            }
        })
        .await?;
        free?;
        let (work, more) = removed.map_or((None, Vec::new()), |removed| (removed.work, removed.more_work));
        Ok(RemovedWorktree {
            name: found.name.to_string(),
            branch: found.branch.to_string(),
            rescue: work.map(|rescue| rescue.reference),
            further: more.into_iter().map(|rescue| rescue.reference).collect(),
        })
    }

    async fn refuse_at_work(&self, workspace: &Workspace) -> Result<(), AccessError> {
        let running = self.tasks(&[TaskStatus::Running], None).await?;
        let Some(task) = running.iter().find(|task| may_work_in(task, workspace)) else { return Ok(()) };
        let name = crate::text::escape_line(workspace.name.as_str());
        Err(failed(WorkspacesErrorKind::Busy, format!("task {} works in {name}; cancel it first", task.id))
            .into())
    }
}

/// Whether a running task has this workspace, or may be about to say so: it is made before it is written down.
fn may_work_in(task: &Task, workspace: &Workspace) -> bool {
    match &task.workspace {
        Some(record) => record.name == workspace.name.as_str(),
        None => {
            let made = Timestamp::try_from(workspace.created).ok();
            made.zip(task.started_at).is_none_or(|(made, started)| made >= started)
        }
    }
}

async fn find(project: &Project, text: &str) -> Result<Workspace, Error> {
    let named = workspace_request(&project.settings, project.root(), text).ok();
    let all = on_thread(project, |repository| repository.list()).await?;
    let found = all
        .iter()
        .find(|workspace| workspace.name.as_str() == text)
        .or_else(|| {
            all.iter().find(|workspace| {
                workspace.branch.as_str() == text
                    || named.as_ref().is_some_and(|named| workspace.name.as_str() == named.name)
            })
        })
        .cloned();
    found.ok_or_else(|| {
        let known: Vec<String> =
            all.iter().map(|workspace| crate::text::escape_line(workspace.name.as_str())).collect();
        let there = if known.is_empty() {
            "there are none".to_owned()
        } else {
            format!("the worktrees are {}", known.join(", "))
        };
        let text = crate::text::escape_line(missiond_process::text::truncate(text, 80));
        Error::Missing(format!("there is no worktree `{text}` of ours; {there}"))
    })
}

async fn on_thread<T: Send + 'static>(
    project: &Project,
    work: impl FnOnce(&missiond_git::Repository) -> missiond_git::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let workspaces = project.workspaces().clone();
    let done = tokio::task::spawn_blocking(move || work(workspaces.repository())).await;
    let done = done.map_err(|error| Error::Internal(format!("work on the repository failed: {error}")))?;
    done.map_err(|error| {
        let kind = match error.kind() {
            missiond_git::ErrorKind::NotFound => WorkspacesErrorKind::NotFound,
            missiond_git::ErrorKind::Busy => WorkspacesErrorKind::Busy,
            _ => WorkspacesErrorKind::Other,
        };
        failed(kind, chain(&error))
    })
}

fn failed(kind: WorkspacesErrorKind, message: String) -> Error {
    WorkspacesError { kind, message, source: None }.into()
}
