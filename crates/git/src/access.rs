use std::path::{Path, PathBuf};

use crate::{Repository, Workspace};

/// What a contained process needs of a repository to work in one workspace with git. All paths exist, are absolute,
/// and must be the same inside the containment, since git's files name each other by absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessPaths {
    /// Must be writable for `git add` and `git commit`. The common git directory itself isn't among them: git then
    /// complains that it can't make `packed-refs.lock` there, and commits all the same.
    pub writable: Vec<PathBuf>,
    /// Must be readable and should not be writable, also where they lie inside a writable one: who writes them
    /// could run code outside the containment, or redirect git.
    pub read_only: Vec<PathBuf>,
}

impl Repository {
    /// Returns what a containment has to open for a workspace.
    ///
    /// The folder of the branch's ref is writable as a whole, because git makes a lock file beside the ref: a
    /// process that means harm can move the other branches of that folder, and delete objects. A clone with
    /// objects of its own is the answer to that.
    #[must_use]
    pub fn access_paths(&self, workspace: &Workspace) -> AccessPaths {
        let common = self.common_dir();
        let branch = Path::new("refs/heads").join(workspace.branch.as_str());
        let folder = branch.parent().unwrap_or(Path::new("refs/heads"));
        let mut writable = vec![workspace.path.clone(), workspace.admin_dir.clone(), common.join("objects")];
        let reftable = common.join("reftable");
        if reftable.is_dir() {
            writable.push(reftable);
        } else {
            writable.extend([common.join(folder), common.join("logs").join(folder)]);
        }
        let mut read_only = vec![workspace.path.join(".git")];
        for file in ["gitdir", "commondir", "config.worktree"] {
            read_only.push(workspace.admin_dir.join(file));
        }
        for file in
            ["config", "config.worktree", "HEAD", "packed-refs", "hooks", "info", "shallow", "worktrees"]
        {
            read_only.push(common.join(file));
        }
        writable.retain(|path| path.exists());
        read_only.retain(|path| path.exists());
        AccessPaths { writable, read_only }
    }
}
