//! Workspaces: linked worktrees that this crate made and therefore may remove.

mod create;
mod lease;
mod recover;
mod remove;
mod stored;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use create::{BranchRule, Created, WorkspaceRequest};
pub use lease::Lease;
pub use recover::{Problem, Recovered, Recovery};
pub use remove::{BranchFate, RemoveOptions, Removed};

use crate::site::belongs_to;
use crate::{BranchName, Error, ObjectId, Repository, Result, WorkspaceName};

use stored::{Stage, Stored};

/// A linked worktree with a branch of its own, made by [`Repository::create`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Workspace {
    /// Its name, unique in the repository.
    pub name: WorkspaceName,
    /// The branch it works on.
    pub branch: BranchName,
    /// Whether the branch was made together with the workspace, so that it may be deleted with it.
    pub owns_branch: bool,
    /// The commit the branch was at when the workspace was made.
    pub base: ObjectId,
    /// Its directory, absolute.
    pub path: PathBuf,
    /// Its administrative directory, `worktrees/<id>` below the common git directory.
    pub admin_dir: PathBuf,
    /// When it was made.
    pub created: SystemTime,
    /// Who holds it, if a living process does.
    pub lease: Option<Lease>,
}

impl Workspace {
    /// Whether the directory and its administrative files are there and belong together.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        belongs_to(&self.path, &self.admin_dir) && self.admin_dir.join("HEAD").is_file()
    }

    /// Whether `path` lies in this workspace. Both must be free of symlinks and `..`.
    #[must_use]
    pub fn contains(&self, path: &Path) -> bool {
        path.starts_with(&self.path)
    }
}

impl Repository {
    /// Lists the workspaces that are ready for use, by name. Those being made or removed don't appear.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a record can't be read; [`Repository::recover`] reports those one by one.
    pub fn list(&self) -> Result<Vec<Workspace>> {
        let mut list = Vec::new();
        for (_, stored) in Stored::load_all(self)? {
            let stored = stored?;
            if stored.stage == Stage::Ready {
                list.push(stored.into_workspace(self));
            }
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// Returns the workspace of exactly this name.
    ///
    /// # Errors
    /// [`Error::NoSuchWorkspace`], and [`Error::Busy`] while it is being made or removed.
    pub fn get(&self, name: &WorkspaceName) -> Result<Workspace> {
        Ok(Stored::load_ready(self, name)?.into_workspace(self))
    }

    /// Returns the workspace whose directory `path` lies in.
    ///
    /// # Errors
    /// [`Error::Io`] if the path doesn't exist.
    pub fn workspace_at(&self, path: impl AsRef<Path>) -> Result<Option<Workspace>> {
        let path = path.as_ref();
        let path = std::fs::canonicalize(path).map_err(Error::io("open", path))?;
        // The innermost one, should one lie in another.
        let inside = self.list()?.into_iter().filter(|workspace| workspace.contains(&path));
        Ok(inside.max_by_key(|workspace| workspace.path.components().count()))
    }

    /// Returns the worktree around `path`, which must lead to this repository: where it is a workspace, to that one's
    /// own data. Otherwise git would work in another repository, under a configuration that anybody may have written.
    pub(crate) fn trusted_worktree(&self, path: &Path) -> Result<PathBuf> {
        let path = std::fs::canonicalize(path).map_err(Error::io("open", path))?;
        let workspaces: Vec<Workspace> = Stored::load_all(self)?
            .into_iter()
            .filter_map(|(_, stored)| stored.ok())
            .map(|stored| stored.into_workspace(self))
            .collect();
        let listed = self.worktrees()?.into_iter().map(|worktree| worktree.path);
        let around = listed.chain(workspaces.iter().map(|workspace| workspace.path.clone()));
        let top = around
            .filter(|tree| path.starts_with(tree))
            .max_by_key(|tree| tree.components().count())
            .ok_or_else(|| Error::Redirected { path: path.clone(), root: self.root().to_owned() })?;
        if let Some(workspace) = workspaces.iter().find(|workspace| workspace.path == top) {
            self.require_own(workspace)?;
        }
        Ok(top)
    }

    /// Refuses a workspace whose `.git` file leads elsewhere.
    pub(crate) fn require_own(&self, workspace: &Workspace) -> Result<()> {
        if belongs_to(&workspace.path, &workspace.admin_dir) {
            return Ok(());
        }
        Err(Error::Redirected { path: workspace.path.clone(), root: self.root().to_owned() })
    }
}
