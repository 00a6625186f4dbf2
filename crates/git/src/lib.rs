//! Git worktrees for coding agents: create, commit, merge and retire them without losing work.

#![forbid(unsafe_code)]

mod access;
mod checkout;
mod command;
mod commit;
mod error;
mod exclude;
mod inspect;
mod lock;
mod merge;
mod names;
mod owner;
mod record;
mod repository;
mod rescue;
mod settings;
mod workspace;
mod worktrees;

pub use crate::access::AccessPaths;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::inspect::{AheadBehind, Change, ChangeKind, DiffText, Status};
pub use crate::merge::{
    Blob, CheckedOut, CheckoutBlock, Conflict, MergeOptions, MergeOutcome, MergePreview, MergeStrategy,
};
pub use crate::names::{BranchName, MAX_BRANCH_NAME, MAX_WORKSPACE_NAME, ObjectId, WorkspaceName};
pub use crate::repository::Repository;
pub use crate::rescue::Rescue;
pub use crate::settings::{Identity, Settings};
pub use crate::workspace::{
    BranchFate, BranchRule, Created, Lease, Problem, Recovered, Recovery, RemoveOptions, Removed, Workspace,
    WorkspaceRequest,
};
pub use crate::worktrees::{Head, Worktree};

/// The oldest `git` that works: the first with `git merge-tree --write-tree`.
pub const MINIMUM_GIT: &str = "2.38";
const MINIMUM_GIT_VERSION: (u32, u32) = (2, 38);
