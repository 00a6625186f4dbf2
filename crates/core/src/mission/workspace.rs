//! Which workspace an attempt gets.

use crate::mission::admission;
use crate::mission::attempt::Attempt;
use crate::model::WorkspaceRecord;
use crate::ports::{StoreError, WorkspaceRequest, WorkspacesErrorKind};

/// The highest number that is tried in a name that others have taken.
const MAX_NUMBER: u32 = 20;

impl Attempt {
    /// Makes a new workspace, or that of the followed task again.
    pub(super) async fn create_workspace(&self) -> Result<WorkspaceRecord, String> {
        let workspaces = &self.shared.config.ports.workspaces;
        if let Some(left) = self.followed_workspace().await.map_err(|error| crate::error::chain(&error))? {
            let mut request = WorkspaceRequest::new(&left.name, &left.path, &left.branch);
            request.base = Some(left.base.clone());
            request.resume = true;
            let made = match workspaces.create(request.clone()).await {
                // Somebody stood in it when the followed task ended.
                Err(error) if error.kind == WorkspacesErrorKind::Taken => {
                    self.retire(&left).await.map_err(|error| crate::error::chain(&error))?;
                    workspaces.create(request).await
                }
                made => made,
            };
            return made.map_err(|error| crate::error::chain(&error));
        }
        let mut number = self.number;
        loop {
            match workspaces.create(self.workspace_request(number)).await {
                Ok(workspace) => return Ok(workspace),
                // An issue may have had a task before, whose branch is there.
                Err(error) if error.kind == WorkspacesErrorKind::Taken && number < MAX_NUMBER => number += 1,
                Err(error) => return Err(crate::error::chain(&error)),
            }
        }
    }

    /// The workspace of the task that this one follows.
    async fn followed_workspace(&self) -> Result<Option<WorkspaceRecord>, StoreError> {
        let Some(earlier) = self.task.request.follow_up else { return Ok(None) };
        Ok(self.shared.store.task(earlier).await?.workspace)
    }

    /// A workspace of its own, named after its issue or itself; a number above 1 goes into its names.
    fn workspace_request(&self, number: u32) -> WorkspaceRequest {
        let named = |issue: &str| {
            let config = &self.shared.config;
            admission::workspace_request(&config.settings, &config.root, issue, number)
        };
        let issue = self.task.request.issue.as_deref();
        issue.and_then(named).or_else(|| named(&self.task.id.short())).expect("a short id is a name")
    }
}
