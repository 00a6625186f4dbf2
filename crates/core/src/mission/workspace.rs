//! Which workspace an attempt gets.

use crate::mission::attempt::Attempt;
use crate::mission::names::slug;
use crate::model::WorkspaceRecord;
use crate::ports::{StoreError, WorkspaceRequest, WorkspacesErrorKind};

/// The highest number that is tried in a name that others have taken.
const MAX_NUMBER: u32 = 20;

impl Attempt {
    /// Makes a new workspace, or that of the followed task again.
    pub(super) async fn create_workspace(&self) -> Result<WorkspaceRecord, String> {
        let workspaces = &self.shared.config.ports.workspaces;
        if let Some(request) = self.resumed_workspace().await.map_err(|error| crate::error::chain(&error))? {
            return workspaces.create(request).await.map_err(|error| crate::error::chain(&error));
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
    async fn resumed_workspace(&self) -> Result<Option<WorkspaceRequest>, StoreError> {
        let Some(earlier) = self.task.request.follow_up else { return Ok(None) };
        let earlier = self.shared.store.task(earlier).await?;
        let Some(workspace) = earlier.workspace else { return Ok(None) };
        let mut request = WorkspaceRequest::new(workspace.name, workspace.path, workspace.branch);
        request.base = Some(workspace.base);
        request.resume = true;
        Ok(Some(request))
    }

    /// A workspace of its own; a number above 1 goes into its names.
    fn workspace_request(&self, number: u32) -> WorkspaceRequest {
        let settings = &self.shared.config.settings;
        let short = self.task.id.short();
        let issue = self.task.request.issue.as_deref().map_or_else(String::new, slug);
        let mut issue = if issue.is_empty() { short } else { issue };
        if number > 1 {
            issue.push_str(&format!("-{number}"));
        }
        let root = self.shared.config.root.file_name().unwrap_or_default().to_string_lossy();
        let repository = slug(&root);
        let repository = if repository.is_empty() { "project" } else { &repository };
        let name = settings.naming_pattern.replace("{repo}", repository).replace("{issue_id}", &issue);
        let path = settings.workspace_base.join(&name);
        WorkspaceRequest::new(name, path, format!("{}/{issue}", settings.branch_prefix))
    }
}
