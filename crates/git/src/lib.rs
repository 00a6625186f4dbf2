//! Git worktrees for coding agents: create, commit, merge and retire them without losing work.
//!
//! A [`Repository`] is found from any place in it. [`Repository::create`] makes a [`Workspace`], a linked worktree with
//! a branch of its own; [`Repository::commit_all`] commits what an agent wrote there; [`Repository::merge`] brings it
//! into another branch, computed in memory; [`Repository::remove`] retires the workspace and keeps what wasn't
//! committed under `refs/missiond/rescue/`. Every call blocks; run them on a thread that may wait.
//!
//! ```
//! use missiond_git::{BranchName, MergeOptions, MergeOutcome, RemoveOptions, Repository, WorkspaceName, WorkspaceRequest};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let project = scratch.path().join("project");
//! # let start = "git init -q -b main project && cd project && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m start && git checkout -q --detach";
//! # assert!(std::process::Command::new("sh").args(["-c", start]).current_dir(&scratch).status()?.success());
//! let repo = Repository::discover(&project)?;
//! let name = WorkspaceName::new("fix-1")?;
//! let branch = BranchName::new("agent/fix-1")?;
//! let workspace = repo.create(&WorkspaceRequest::new(name.clone(), branch.clone(), "../fix-1"))?.workspace;
//!
//! std::fs::write(workspace.path.join("answer.txt"), "42\n")?;
//! repo.commit_all(&workspace, "Answer the question", None)?.expect("there is something to commit");
//!
//! let main = BranchName::new("main")?;
//! let outcome = repo.merge(&branch, &main, &MergeOptions::default())?;
//! assert!(matches!(outcome, MergeOutcome::FastForwarded { .. }));
//!
//! std::fs::write(workspace.path.join("unfinished.txt"), "not committed\n")?;
//! let removed = repo.remove(&name, &RemoveOptions::default())?;
//! assert!(removed.work.is_some_and(|kept| kept.reference.starts_with("refs/missiond/rescue/fix-1/")));
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! * Names are compared exactly. A branch, directory or worktree that wasn't made here is never moved, reset or deleted.
//! * Every change of several steps is written down first, so that after `kill -9` the next creation or
//!   [`Repository::recover`] undoes or completes it. Lock files of git's that can't be told from somebody else's are
//!   reported and left to a person.
//! * Changes to one repository are made one after the other, also by several processes, under a lock file
//!   (`missiond/lock` in the common git directory); checkouts run side by side.
//! * No hook, editor, pager, signing program, external diff or alias of the repository runs. Filters do, as files would
//!   be wrong without them. Environment variables such as `GIT_DIR` aren't passed on.
//! * What an agent can write in its workspace chooses no configuration: git is told its directories, a workspace whose
//!   files lead elsewhere is [`Error::Redirected`], a bare repository among the files is never taken for the project,
//!   and git never enters a repository inside, unless its configuration was found to start no program.
//!
//! # What it is not
//!
//! It talks to no remote and gives no isolation: whoever may write in a linked worktree may write in the repository.
//! So the repository's own `config` is trusted, and must be kept from agents ([`Repository::access_paths`]), with
//! `config.worktree` beside it. In a workspace's own `config.worktree` nothing is accepted that can start a program,
//! unless the main worktree's says the same.
//! Of what stands there, these can start a program: `filter.*` when files are read or written, `merge.*.driver` in a
//! merge, and in a partial clone, when an object is missing, what fetches it (`remote.*.uploadpack`, `core.sshCommand`,
//! `credential.helper`). They aren't turned off, since git-crypt, Git LFS and partial clones are set up in just this
//! file, and files would be committed unencrypted or as the wrong content without them. A repository inside is looked
//! at right after its configuration; a process that still writes there could change it in between.
//!
//! It runs the `git` program (2.38 or later), a few milliseconds per command: that is exact in everything git knows
//! (attributes, sparse checkouts, index formats), at the price of speed. Linux only.

#![forbid(unsafe_code)]

mod access;
mod checkout;
mod command;
mod commit;
mod error;
mod exclude;
mod inspect;
mod journal;
mod locate;
mod lock;
mod merge;
mod names;
mod nested;
mod owner;
mod record;
mod repository;
mod rescue;
mod settings;
mod site;
mod stale;
mod workspace;
mod worktrees;

pub use crate::access::AccessPaths;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::inspect::{AheadBehind, Change, ChangeKind, DiffText, Status};
pub use crate::locate::locate;
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
