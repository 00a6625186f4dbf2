//! Workspaces as git worktrees, by missiond-git.

use std::path::Path;
use std::sync::Arc;

use missiond_git::{
    BranchName, BranchRule, CheckedOut, ErrorKind, Head, MergeOptions, Repository, WorkspaceName,
};

use crate::model::WorkspaceRecord;
use crate::ports::{
    BoxFuture, Committed, MergeOutcome, Retired, WorkspaceRequest, Workspaces, WorkspacesError,
    WorkspacesErrorKind,
};

/// What of the state directory a person may want to commit, so that it stays visible to git: the database, the logs and the
/// audit are nobody's work.
const COMMITTED: &[&str] = &["config.toml", "policy.toml", "agents/"];
/// The longest diff that is given out.
const MAX_DIFF_BYTES: usize = 8 << 20;

/// The worktrees of one repository.
#[derive(Clone, Debug)]
pub struct GitWorkspaces {
    repository: Arc<Repository>,
}

impl GitWorkspaces {
    /// The worktrees of the repository that a path lies in. Blocks while it looks.
    ///
    /// # Errors
    ///
    /// When the path lies in no repository, or in one that cannot hold worktrees, or git is missing.
    pub fn discover(path: impl AsRef<Path>) -> Result<Self, WorkspacesError> {
        let repository = Repository::discover(path).map_err(convert)?;
        Ok(Self { repository: Arc::new(repository) })
    }

    /// The project root: the repository's main worktree.
    pub fn root(&self) -> &Path {
        self.repository.root()
    }

    /// The repository itself, for what the port does not offer.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Has git look past the state directory, but for what a person may want to commit. Blocks.
    #[cfg(feature = "policy")]
    pub(crate) fn hide_state(&self) -> Result<(), WorkspacesError> {
        self.repository.exclude_state_dir(".missiond", COMMITTED).map(drop).map_err(convert)
    }

    /// Runs blocking work on a thread for it. Work that was begun goes on when the future is dropped.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repository) -> missiond_git::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, WorkspacesError>> {
        let repository = self.repository.clone();
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || work(&repository)).await {
                Ok(done) => done.map_err(convert),
                Err(error) => Err(WorkspacesError {
                    kind: WorkspacesErrorKind::Other,
                    message: format!("work on the repository failed: {error}"),
                    source: None,
                }),
            }
        })
    }
}

impl Workspaces for GitWorkspaces {
    fn create(&self, request: WorkspaceRequest) -> BoxFuture<'_, Result<WorkspaceRecord, WorkspacesError>> {
        self.blocking(move |repository| {
            let name = WorkspaceName::new(request.name)?;
            let branch = BranchName::new(request.branch)?;
            let mut wanted = missiond_git::WorkspaceRequest::new(name, branch, request.path);
            if request.resume {
                wanted = wanted.rule(BranchRule::Existing);
            } else if let Some(base) = &request.base {
                wanted = wanted.base(base);
            }
            let workspace = repository.create(&wanted)?.workspace;
            // A branch that is gone on with still has the base that it once left.
            let mut record = record_of(&workspace);
            if let Some(base) = request.base.filter(|_| request.resume) {
                record.base = base;
            }
            Ok(record)
        })
    }

    fn commit<'a>(
        &'a self,
        workspace: &'a WorkspaceRecord,
        message: &'a str,
    ) -> BoxFuture<'a, Result<Option<Committed>, WorkspacesError>> {
        let (record, message) = (workspace.clone(), message.to_owned());
        self.blocking(move |repository| {
            let workspace = repository.get(&WorkspaceName::new(&record.name)?)?;
            repository.commit_all(&workspace, &message, None)?;
            // The agent may have committed by itself: what counts is where the branch stands now.
            let tip = repository.branch_tip(&workspace.branch)?.to_string();
            if tip == record.base {
                return Ok(None);
            }
            let changed = repository.changed_files(&record.base, &tip)?;
            let changed_files =
                changed.iter().map(|change| change.path.to_string_lossy().into_owned()).collect();
            Ok(Some(Committed { commit: tip, changed_files }))
        })
    }

    fn retire<'a>(
        &'a self,
        workspace: &'a WorkspaceRecord,
    ) -> BoxFuture<'a, Result<Retired, WorkspacesError>> {
        let record = workspace.clone();
        self.blocking(move |repository| {
            let name = WorkspaceName::new(&record.name)?;
            // One that was made later under the same name is somebody else's.
            if repository.get(&name).is_ok_and(|there| !record_of(&there).is_same(&record)) {
                return Ok(Retired::default());
            }
            let removed = match repository.remove(&name, &missiond_git::RemoveOptions::default()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Retired::default()),
                removed => removed?,
            };
            let further = removed.more_work.into_iter().map(|rescue| rescue.reference).collect();
            Ok(Retired { rescue: removed.work.map(|rescue| rescue.reference), further })
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<WorkspaceRecord>, WorkspacesError>> {
        self.blocking(|repository| Ok(repository.list()?.iter().map(record_of).collect()))
    }

    fn recover(&self) -> BoxFuture<'_, Result<Vec<String>, WorkspacesError>> {
        self.blocking(|repository| {
            repository.exclude_state_dir(".missiond", COMMITTED)?;
            let recovery = repository.recover()?;
            let mut lines: Vec<String> =
                recovery.done.iter().map(|done| format!("repository: {done:?}")).collect();
            for problem in recovery.problems {
                let error = crate::error::chain(&problem.error);
                lines.push(format!("repository: {} was left alone: {error}", problem.subject.display()));
            }
            Ok(lines)
        })
    }

    fn diff<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<String, WorkspacesError>> {
        let (branch, base) = (branch.to_owned(), base.to_owned());
        self.blocking(move |repository| {
            let diff = repository.diff(&base, &branch, MAX_DIFF_BYTES)?;
            let mut text = String::from_utf8_lossy(&diff.bytes).into_owned();
            if diff.truncated {
                text.push_str("\n… the rest is left out; git shows it\n");
            }
            Ok(text)
        })
    }

    fn merge<'a>(
        &'a self,
        branch: &'a str,
        message: &'a str,
    ) -> BoxFuture<'a, Result<MergeOutcome, WorkspacesError>> {
        let (branch, message) = (branch.to_owned(), message.to_owned());
        self.blocking(move |repository| merge(repository, branch, message))
    }
}

/// What is noted of a workspace.
pub(crate) fn record_of(workspace: &missiond_git::Workspace) -> WorkspaceRecord {
    let mut record = WorkspaceRecord::new(
        workspace.name.to_string(),
        &workspace.path,
        workspace.branch.to_string(),
        workspace.base.to_string(),
    );
    record.made_at = jiff::Timestamp::try_from(workspace.created).ok();
    record
}

fn merge(repository: &Repository, branch: String, message: String) -> missiond_git::Result<MergeOutcome> {
    let branch = BranchName::new(branch)?;
    let head = repository.worktrees()?.into_iter().find(|worktree| worktree.path == repository.root());
    let into = match head.map(|worktree| worktree.head) {
        Some(Head::Branch(name)) => BranchName::new(name)?,
        _ => return Ok(MergeOutcome::NoBranch),
    };
    let mut options = MergeOptions::default();
    options.message = Some(message);
    options.checked_out = CheckedOut::UpdateIfClean;
    let into_name = into.to_string();
    Ok(match repository.merge(&branch, &into, &options) {
        Ok(missiond_git::MergeOutcome::UpToDate { .. }) => MergeOutcome::UpToDate { into: into_name },
        Ok(missiond_git::MergeOutcome::FastForwarded { to: commit, .. })
        | Ok(missiond_git::MergeOutcome::Merged { commit, .. }) => {
            MergeOutcome::Merged { into: into_name, commit: commit.to_string() }
        }
        Ok(missiond_git::MergeOutcome::Conflicts(conflicts)) => MergeOutcome::Conflicts {
            into: into_name,
            paths: conflicts.iter().map(|conflict| conflict.path.to_string_lossy().into_owned()).collect(),
        },
        Err(error @ missiond_git::Error::CheckoutBlocked { .. }) => {
            MergeOutcome::CheckoutDirty { into: into_name, detail: crate::error::chain(&error) }
        }
        Err(error) => return Err(error),
        Ok(_) => MergeOutcome::CheckoutDirty {
            into: into_name,
            detail: "the merge came out in a way that this version doesn't know; look at `git status`"
                .to_owned(),
        },
    })
}

fn convert(error: missiond_git::Error) -> WorkspacesError {
    let kind = match error.kind() {
        ErrorKind::NotFound => WorkspacesErrorKind::NotFound,
        ErrorKind::Clash => WorkspacesErrorKind::Taken,
        ErrorKind::Busy => WorkspacesErrorKind::Busy,
        ErrorKind::Unsupported if matches!(error, missiond_git::Error::GitMissing { .. }) => {
            WorkspacesErrorKind::ProgramMissing
        }
        ErrorKind::Unsupported => WorkspacesErrorKind::NotARepository,
        _ => WorkspacesErrorKind::Other,
    };
    WorkspacesError {
        kind,
        message: error.to_string(),
        source: std::error::Error::source(&error).map(|source| source.to_string().into()),
    }
}
