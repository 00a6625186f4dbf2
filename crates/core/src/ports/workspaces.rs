//! The port to the directories where agents work.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use crate::model::WorkspaceRecord;
use crate::ports::BoxFuture;

/// Makes, keeps and retires the directories where agents work.
///
/// An implementor gives each holder a directory of its own, loses no work (what is not committed when a workspace is
/// retired is kept and can be restored), and undoes what it began and could not finish, also after `kill -9` (see
/// [`Workspaces::recover`]). A caller may not assume that two calls about different workspaces do not wait for each other.
pub trait Workspaces: Debug + Send + Sync {
    /// Makes a workspace, and gives a record of it that says when.
    ///
    /// # Errors
    ///
    /// When the name, the path or the branch is taken by something that is not ours, or the directory cannot be made.
    ///
    /// # Cancel safety
    ///
    /// A creation that was begun is finished or undone in the background.
    fn create(&self, request: WorkspaceRequest) -> BoxFuture<'_, Result<WorkspaceRecord, WorkspacesError>>;

    /// Commits all that changed; `None` when nothing did.
    ///
    /// # Errors
    ///
    /// When the commit could not be made; the work is still in the directory then.
    ///
    /// # Cancel safety
    ///
    /// A commit that was begun is finished in the background.
    fn commit<'a>(
        &'a self,
        workspace: &'a WorkspaceRecord,
        message: &'a str,
    ) -> BoxFuture<'a, Result<Option<Committed>, WorkspacesError>>;

    /// Keeps what is not committed, then removes the directory. The branch stays. Retiring what is gone is no error, and
    /// leaves a directory alone that was made later under the same name ([`WorkspaceRecord::made_at`]).
    ///
    /// # Errors
    ///
    /// When something could not be kept; nothing is removed then.
    ///
    /// # Cancel safety
    ///
    /// A removal that was begun is finished in the background.
    fn retire<'a>(
        &'a self,
        workspace: &'a WorkspaceRecord,
    ) -> BoxFuture<'a, Result<Retired, WorkspacesError>>;

    /// The workspaces that are there, whoever made them through this port.
    ///
    /// # Errors
    ///
    /// When the repository cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn list(&self) -> BoxFuture<'_, Result<Vec<WorkspaceRecord>, WorkspacesError>>;

    /// Undoes what an owner that died left half-made, and says what it did, a line each.
    ///
    /// # Errors
    ///
    /// When something is left that a person must look at.
    ///
    /// # Cancel safety
    ///
    /// May be called again.
    fn recover(&self) -> BoxFuture<'_, Result<Vec<String>, WorkspacesError>>;

    /// The changes on a branch since it left its base, as a unified diff.
    ///
    /// # Errors
    ///
    /// When the branch or the base is not there.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn diff<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<String, WorkspacesError>>;

    /// Merges a branch into the one that the project has checked out, without touching a dirty checkout.
    ///
    /// # Errors
    ///
    /// When the branch is not there; a conflict is no error but an outcome.
    ///
    /// # Cancel safety
    ///
    /// A merge that was begun is finished in the background.
    fn merge<'a>(
        &'a self,
        branch: &'a str,
        message: &'a str,
    ) -> BoxFuture<'a, Result<MergeOutcome, WorkspacesError>>;
}

/// What a new workspace is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkspaceRequest {
    /// Its name, unique in the repository.
    pub name: String,
    /// The directory to make, absolute.
    pub path: PathBuf,
    /// The branch to make, or to go on with if [`WorkspaceRequest::resume`] is set.
    pub branch: String,
    /// The revision to begin from; `None` for what the project has checked out.
    pub base: Option<String>,
    /// Check the existing branch out again, for a follow-up, instead of making a new one.
    pub resume: bool,
}

impl WorkspaceRequest {
    /// A new branch from what the project has checked out.
    pub fn new(name: impl Into<String>, path: impl AsRef<Path>, branch: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: path.as_ref().to_path_buf(),
            branch: branch.into(),
            base: None,
            resume: false,
        }
    }
}

/// A commit that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its id, in hexadecimal.
    pub commit: String,
    /// The files that the branch changed against its base, relative to the repository.
    pub changed_files: Vec<String>,
}

/// What retiring a workspace did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retired {
    /// The ref that keeps what was not committed.
    pub rescue: Option<String>,
    /// Further refs, which keep what an unfinished rebase or merge had put aside.
    pub further: Vec<String>,
}

impl Retired {
    /// What else was kept, in words for a person; nothing if [`Retired::rescue`] is all.
    pub fn more(&self) -> Option<String> {
        let kept = self.further.join(", ");
        (!kept.is_empty())
            .then(|| format!("what an unfinished rebase or merge had put aside is kept as {kept}"))
    }
}

/// What a merge came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MergeOutcome {
    /// The target branch now has the work.
    Merged {
        /// The target branch.
        into: String,
        /// Its new tip, in hexadecimal.
        commit: String,
    },
    /// The target branch had the work already.
    UpToDate {
        /// The target branch.
        into: String,
    },
    /// Both sides changed the same places; nothing was touched.
    Conflicts {
        /// The target branch.
        into: String,
        /// The paths.
        paths: Vec<String>,
    },
    /// The target's checkout has changes of its own that the merge would touch; nothing was touched.
    CheckoutDirty {
        /// The target branch.
        into: String,
        /// What is in the way.
        detail: String,
    },
    /// The project has no branch checked out that could be merged into; nothing was touched.
    NoBranch,
}

/// A failed operation on workspaces.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct WorkspacesError {
    /// What a caller may branch on.
    pub kind: WorkspacesErrorKind,
    /// What went wrong and what to do, naming the thing.
    pub message: String,
    /// What the implementation said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkspacesErrorKind {
    /// The name, path or branch is taken.
    Taken,
    /// The workspace, branch or revision is not there.
    NotFound,
    /// The directory is no repository, or one that cannot hold workspaces.
    NotARepository,
    /// A program that is needed is missing.
    ProgramMissing,
    /// Somebody still works there; trying later may succeed.
    Busy,
    /// Anything else.
    Other,
}
