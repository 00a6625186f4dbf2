//! The work of a task or on a branch: which it is, and what it changed.

use crate::access::{Access, AccessError, AccessErrorKind};
use crate::adapters::GitWorkspaces;
use crate::error::{Error, ErrorKind, chain};
use crate::project::Project;

/// The work that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// The branch that it is on.
    pub branch: String,
    /// What it began from: a revision.
    pub base: String,
    /// Whose it is, in a few words for the message of a merge.
    pub title: String,
}

/// What some work changed, as a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkDiff {
    /// The patch, in whatever encodings the files have.
    pub bytes: Vec<u8>,
    /// Whether there was more than was asked for.
    pub truncated: bool,
}

impl Access {
    /// The work that a person means: that of a task, by a part of its id, or else what is on the branch of that name.
    ///
    /// # Errors
    ///
    /// When there is neither, the task is not final or never had a branch, or as [`Access::find_task`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn find_work(&self, project: &Project, text: &str) -> Result<Work, AccessError> {
        match self.find_task(text).await {
            Ok(task) => {
                if !task.status.is_final() {
                    let text = format!("task {} is {}; wait for its end", task.id, task.status);
                    return Err(Error::Unready(text).into());
                }
                let Some(workspace) = task.workspace else {
                    return Err(Error::Missing(format!("task {} never had a branch", task.id)).into());
                };
                let title = format!("task {}", task.id.short());
                return Ok(Work { branch: workspace.branch, base: workspace.base, title });
            }
            Err(error) if error.kind() == AccessErrorKind::Core(ErrorKind::Missing) => {}
            Err(error) => return Err(error),
        }
        let name = text.to_owned();
        let exists = on_thread(project, move |workspaces| {
            Ok(missiond_git::BranchName::new(name)
                .and_then(|branch| workspaces.repository().branch_tip(&branch))
                .is_ok())
        });
        if !exists.await? {
            let text = crate::text::escape_line(missiond_process::text::truncate(text, 80));
            return Err(Error::Missing(format!("there is no task and no branch `{text}`")).into());
        }
        Ok(Work { branch: text.to_owned(), base: "HEAD".to_owned(), title: "by missiond".to_owned() })
    }
}

impl Work {
    /// What it changed since it began, at most `limit` bytes of the patch.
    ///
    /// # Errors
    ///
    /// When the branch or its base is gone, or git fails.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn diff(&self, project: &Project, limit: usize) -> Result<WorkDiff, Error> {
        let (base, branch) = (self.base.clone(), self.branch.clone());
        let diff = on_thread(project, move |workspaces| {
            workspaces.repository().diff(&base, &branch, limit).map_err(|error| match error.kind() {
                missiond_git::ErrorKind::NotFound => Error::Missing(chain(&error)),
                _ => Error::Internal(chain(&error)),
            })
        });
        let diff = diff.await?;
        Ok(WorkDiff { bytes: diff.bytes, truncated: diff.truncated })
    }
}

async fn on_thread<T: Send + 'static>(
    project: &Project,
    work: impl FnOnce(GitWorkspaces) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let workspaces = project.workspaces().clone();
    let done = tokio::task::spawn_blocking(move || work(workspaces)).await;
    done.map_err(|error| Error::Internal(format!("work on the repository failed: {error}")))?
}
