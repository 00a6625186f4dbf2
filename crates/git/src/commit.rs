use std::ffi::OsString;

use crate::nested::stage_everything;
use crate::{Error, Identity, ObjectId, Repository, Result, Workspace};

impl Repository {
    /// Commits everything in a workspace that isn't ignored, on the workspace's branch. `None` if there is nothing.
    ///
    /// Without an author the person's configured identity is used, or [`Identity::fallback`]. No hook of the
    /// repository runs, nothing is signed, no editor opens. Untracked repositories inside are left out.
    ///
    /// # Errors
    /// [`Error::UnexpectedBranch`] if something else is checked out there, [`Error::Unmerged`],
    /// [`Error::OperationInProgress`], [`Error::IndexLocked`]; [`Error::Redirected`] if its `.git` file leads elsewhere.
    pub fn commit_all(
        &self,
        workspace: &Workspace,
        message: &str,
        author: Option<&Identity>,
    ) -> Result<Option<ObjectId>> {
        self.require_own(workspace)?;
        let dir = workspace.path.as_path();
        let status = self.status(dir)?;
        if !status.conflicts.is_empty() {
            // `git add` would take the conflict markers for a resolution.
            return Err(Error::Unmerged { path: dir.to_owned(), files: status.conflicts });
        }
        if let Some(operation) = status.operation {
            return Err(Error::OperationInProgress { path: dir.to_owned(), operation });
        }
        self.require_branch(workspace)?;
        if !status.is_dirty() {
            return Ok(None);
        }
        for nested in &status.nested {
            tracing::warn!(workspace = %workspace.name, path = ?nested, "a repository inside isn't committed");
        }
        stage_everything(|subcommand| self.git.write(dir, subcommand), dir, &status.nested)?;
        let unchanged =
            self.git.read(dir, "diff-index").args(["--cached", "--quiet", "HEAD", "--"]).holds()?;
        if unchanged {
            return Ok(None);
        }
        let committer = self.identity(dir)?;
        let author = author.unwrap_or(&committer);
        let message = if message.trim().is_empty() { "Work in progress" } else { message };
        self.git
            .write(dir, "commit")
            .args(["--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", "--file=-"])
            .env("GIT_AUTHOR_NAME", clean(&author.name))
            .env("GIT_AUTHOR_EMAIL", clean(&author.email))
            .env("GIT_COMMITTER_NAME", &committer.name)
            .env("GIT_COMMITTER_EMAIL", &committer.email)
            .input(message.replace('\0', " "))
            .bytes()?;
        self.commit_of(dir, "HEAD")
    }

    fn require_branch(&self, workspace: &Workspace) -> Result<()> {
        let found = self.head_ref(&workspace.path)?;
        if found.as_deref() == Some(workspace.branch.full().as_str()) {
            return Ok(());
        }
        Err(Error::UnexpectedBranch {
            path: workspace.path.clone(),
            expected: workspace.branch.to_string(),
            found: found.unwrap_or_else(|| "no branch".to_owned()),
        })
    }
}

/// Git refuses an empty name and drops what would end the field.
fn clean(text: &str) -> OsString {
    let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    let text = text.trim();
    if text.is_empty() { "unknown".into() } else { text.into() }
}
