//! Where workspaces are made in a test.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::WorkspaceRecord;
use crate::ports::{
    Committed, MergeOutcome, WorkspaceRequest, Workspaces, WorkspacesError, WorkspacesErrorKind,
};

/// A fresh project for a test.
///
/// It has at least one commit, which holds a file `README.md` with the line `begin`, its checkout is clean, and commits
/// can be made in it.
#[non_exhaustive]
pub struct Place {
    /// What is tested.
    pub workspaces: Arc<dyn Workspaces>,
    /// The project's own checkout, which no workspace may touch.
    pub checkout: PathBuf,
    /// An empty directory in which workspaces may be made.
    pub base: PathBuf,
    /// Dropped when the test is over.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("workspaces", &self.workspaces).finish_non_exhaustive()
    }
}

impl Place {
    /// A place of its parts.
    pub fn new(
        workspaces: Arc<dyn Workspaces>,
        checkout: PathBuf,
        base: PathBuf,
        guard: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Self { workspaces, checkout, base, guard }
    }

    pub(super) fn request(&self, name: &str) -> WorkspaceRequest {
        WorkspaceRequest::new(name, self.base.join(name), format!("work/{name}"))
    }

    pub(super) async fn create(&self, name: &str) -> WorkspaceRecord {
        self.create_as(self.request(name)).await
    }

    pub(super) async fn create_as(&self, request: WorkspaceRequest) -> WorkspaceRecord {
        let asked = request.clone();
        let created = self.workspaces.create(request).await;
        let record = created
            .unwrap_or_else(|error| panic!("a workspace must be made when nothing is in its way: {error}"));
        assert_eq!(
            (&record.name, &record.path, &record.branch),
            (&asked.name, &asked.path, &asked.branch),
            "a workspace must be the one that was asked for"
        );
        assert!(!record.base.is_empty(), "a workspace must know where its branch began");
        assert!(record.path.is_dir(), "a workspace's directory must be there");
        assert!(self.names().await.contains(&record.name), "a workspace that was made must be listed");
        record
    }

    pub(super) async fn refused(&self, request: WorkspaceRequest, kind: WorkspacesErrorKind) {
        let asked = format!("{request:?}");
        let before = self.names().await;
        match self.workspaces.create(request).await {
            Ok(_) => panic!("a workspace must not be made over what is taken: {asked}"),
            Err(error) => check_error(&error, kind, &asked),
        }
        assert_eq!(self.names().await, before, "a refused workspace must leave nothing behind: {asked}");
    }

    pub(super) async fn commit(&self, workspace: &WorkspaceRecord) -> Option<Committed> {
        let committed = self.workspaces.commit(workspace, "work\n\nof a test\n").await;
        committed.unwrap_or_else(|error| panic!("work must be committed: {error}"))
    }

    /// Commits what was just written, which must be something.
    pub(super) async fn commit_some(&self, workspace: &WorkspaceRecord) -> Committed {
        self.commit(workspace).await.unwrap_or_else(|| panic!("work that is there must be committed"))
    }

    pub(super) async fn retire(&self, workspace: &WorkspaceRecord) -> Option<String> {
        let retired = self.workspaces.retire(workspace).await;
        let rescue = retired.unwrap_or_else(|error| panic!("a workspace must be retired: {error}")).rescue;
        assert!(!workspace.path.exists(), "a retired workspace's directory must be gone");
        assert!(!self.names().await.contains(&workspace.name), "a retired workspace must not be listed");
        rescue
    }

    pub(super) async fn diff(&self, workspace: &WorkspaceRecord) -> String {
        let diff = self.workspaces.diff(&workspace.branch, &workspace.base).await;
        diff.unwrap_or_else(|error| panic!("a branch that is there must have a diff: {error}"))
    }

    pub(super) async fn merge(&self, branch: &str) -> MergeOutcome {
        let merged = self.workspaces.merge(branch, "Merge the work").await;
        merged.unwrap_or_else(|error| {
            panic!("a branch that is there must be merged or be told why not: {error}")
        })
    }

    pub(super) async fn names(&self) -> Vec<String> {
        let listed = self.workspaces.list().await;
        let listed = listed.unwrap_or_else(|error| panic!("the workspaces must be readable: {error}"));
        let mut names: Vec<String> = listed.into_iter().map(|record| record.name).collect();
        names.sort();
        names
    }

    /// What the project's checkout holds of a file.
    pub(super) fn checked_out(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.checkout.join(file)).ok()
    }
}

pub(super) fn check_error(error: &WorkspacesError, kind: WorkspacesErrorKind, shown: &str) {
    assert_eq!(error.kind, kind, "a refusal must be of the right kind ({error}): {shown}");
    assert!(!error.to_string().trim().is_empty(), "an error must say what is wrong: {shown}");
}

pub(super) fn write(directory: &Path, file: &str, text: &str) {
    let path = directory.join(file);
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = made.and_then(|()| std::fs::write(&path, text));
    written.unwrap_or_else(|error| panic!("a workspace must be writable: {}: {error}", path.display()));
}

pub(super) fn read(directory: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(directory.join(file)).ok()
}
