use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::merge::CheckoutBlock;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with the thing it concerns and what to do about it.
///
/// Paths are shown quoted and escaped, since a repository may hold any byte in a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `git` program to run.
    #[error("no git program at {program:?}; install git {minimum} or later", minimum = crate::MINIMUM_GIT)]
    GitMissing {
        /// What was looked for.
        program: PathBuf,
    },
    /// The installed `git` lacks what this crate needs.
    #[error("git {found} is too old: {minimum} or later is needed; upgrade git", minimum = crate::MINIMUM_GIT)]
    GitTooOld {
        /// The version as git printed it.
        found: String,
    },
    /// The path doesn't lie in a git repository.
    #[error("{path:?} isn't in a git repository; run `git init` there first")]
    NotARepository {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The repository has no working tree, so it has no project root.
    #[error(
        "the repository at {path:?} is bare and has no main worktree; use a normal clone (`git clone {path:?} DIR`), \
         or run `git init` in the directory that is meant"
    )]
    Bare {
        /// The repository's git directory.
        path: PathBuf,
    },
    /// A linked worktree's repository doesn't say where its main worktree is.
    #[error(
        "the repository at {common_dir:?} doesn't say where its main worktree is; set `core.worktree` in its config"
    )]
    NoMainWorktree {
        /// The repository's common git directory.
        common_dir: PathBuf,
    },
    /// Git refuses a repository that belongs to somebody else.
    #[error(
        "git doesn't trust the repository at {path:?}, which belongs to another user; `git config --global --add safe.directory` trusts it"
    )]
    NotTrusted {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The repository has no commit to start a workspace from.
    #[error(
        "the repository at {root:?} has no commit yet; make one, for example `git commit --allow-empty -m start`"
    )]
    NoCommits {
        /// The project root.
        root: PathBuf,
    },
    /// A name that git or this crate can't accept.
    #[error("{name:?} can't be a {what}: {reason}")]
    InvalidName {
        /// Which kind of name it was meant to be.
        what: &'static str,
        /// The name.
        name: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A revision that names no commit.
    #[error("{revision:?} names no commit in {root:?}; `git log` and `git branch -a` show what there is")]
    UnknownRevision {
        /// The revision as given.
        revision: String,
        /// The project root.
        root: PathBuf,
    },
    /// No workspace has this name.
    #[error("there is no workspace {name:?}")]
    NoSuchWorkspace {
        /// The exact name that was looked for.
        name: String,
    },
    /// No branch has this name.
    #[error("there is no branch {branch:?}")]
    NoSuchBranch {
        /// The exact name that was looked for.
        branch: String,
    },
    /// No rescue ref has this name.
    #[error("there is no rescue {reference:?}")]
    NoSuchRescue {
        /// The ref that was looked for.
        reference: String,
    },
    /// Another workspace has this name.
    #[error("a workspace {name:?} exists already; choose another name or a numbered one")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The branch exists, or one that can't exist beside it.
    #[error(
        "branch {branch:?} can't be made because {existing:?} exists; choose another name or a numbered one"
    )]
    BranchTaken {
        /// The branch that was asked for.
        branch: String,
        /// The ref in the way.
        existing: String,
    },
    /// Something is at the path already.
    #[error("{path:?} exists already; choose another path or a numbered one")]
    PathTaken {
        /// The path.
        path: PathBuf,
    },
    /// The workspace would show up as untracked content of another worktree.
    #[error(
        "{path:?} lies inside the worktree {worktree:?} and isn't ignored there; choose a path outside or ignore it"
    )]
    PathInsideWorktree {
        /// The path that was asked for.
        path: PathBuf,
        /// The worktree around it.
        worktree: PathBuf,
    },
    /// A path that can't be used for this.
    #[error("{path:?} can't be used: {reason}")]
    UnusablePath {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Another process held the repository's lock for the whole wait.
    #[error("the lock {path:?} is held by {owner}; waited {waited:?}, try again when it has ended")]
    LockHeld {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as that process wrote it down.
        owner: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A workspace is being made or removed.
    #[error("workspace {name:?} is being {doing} by {owner}; wait for it to end")]
    Busy {
        /// The workspace.
        name: String,
        /// `created` or `removed`.
        doing: &'static str,
        /// The process that does it.
        owner: String,
    },
    /// Somebody else has leased the workspace.
    #[error("workspace {name:?} is leased by {holder:?} ({owner}); end that first")]
    Leased {
        /// The workspace.
        name: String,
        /// The holder of the lease.
        holder: String,
        /// The process that took the lease.
        owner: String,
    },
    /// Processes have their working directory in the workspace.
    #[error("workspace {name:?} is in use: processes {pids:?} work in it; end them first")]
    InUse {
        /// The workspace.
        name: String,
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// A person locked the worktree with `git worktree lock`.
    #[error("workspace {name:?} is locked ({reason}); `git worktree unlock` opens it")]
    LockedByGit {
        /// The workspace.
        name: String,
        /// The reason given, may be empty.
        reason: String,
    },
    /// Repositories inside the workspace would be lost, since no commit of ours can hold them.
    #[error(
        "workspace {name:?} holds other repositories with work of their own, or that would run programs when looked at: {paths:?}; \
         move or delete them first"
    )]
    NestedRepositories {
        /// The workspace.
        name: String,
        /// Paths below the workspace.
        paths: Vec<PathBuf>,
    },
    /// A removal failed, and the workspace's files can't go back to their place. Why it failed is in `source`.
    #[error(
        "workspace {name:?} wasn't removed, and its files are in {aside:?} now; make room at {path:?}, where something \
         else may be, then recover, which moves them back or goes on with the removal"
    )]
    Displaced {
        /// The workspace.
        name: String,
        /// Where its files are.
        aside: PathBuf,
        /// Where they belong.
        path: PathBuf,
        /// Why the removal failed.
        source: Box<Self>,
    },
    /// A lock file of git's own, such as `index.lock`, is in the way.
    #[error(
        "{path:?} exists: another git process works there; if none does, it is left from a crash and can be deleted"
    )]
    IndexLocked {
        /// The lock file.
        path: PathBuf,
    },
    /// A directory whose `.git` doesn't lead to the repository's data for it. Nothing was changed.
    #[error(
        "{path:?} doesn't lead to its data in the repository of {root:?}, so git wasn't run there; nothing is lost: \
         move away a `.git` that is no file, then `git -C {root:?} worktree repair` mends it"
    )]
    Redirected {
        /// The directory.
        path: PathBuf,
        /// The project root.
        root: PathBuf,
    },
    /// A branch whose commits aren't in its target.
    #[error("branch {branch:?} isn't merged into {into:?}; merge it first, or keep its tip as a rescue")]
    NotMerged {
        /// The branch.
        branch: String,
        /// What it was compared with.
        into: String,
    },
    /// A branch in use by a worktree.
    #[error("branch {branch:?} is checked out in {worktree:?}")]
    BranchCheckedOut {
        /// The branch.
        branch: String,
        /// The worktree.
        worktree: PathBuf,
    },
    /// A ref changed between being read and being written.
    #[error("{reference} changed meanwhile and no longer is {expected}; look at it and try again")]
    RefMoved {
        /// The full ref name.
        reference: String,
        /// What it was when read.
        expected: String,
    },
    /// The target of a merge is checked out, and that checkout may not be touched. Nothing was changed.
    #[error("{branch:?} is checked out in {worktree:?} and stays as it was: {reason}")]
    CheckoutBlocked {
        /// The target branch.
        branch: String,
        /// The worktree that has it checked out.
        worktree: PathBuf,
        /// Why it isn't touched.
        reason: CheckoutBlock,
    },
    /// A merge's checkout stopped on its way and couldn't be undone. The cause is in `source`.
    #[error(
        "merging into {branch:?} stopped halfway in {worktree:?}: some of its files are as before, some as after the \
         merge; see to the cause, then merge again or recover, which completes or undoes it without overwriting other \
         changes"
    )]
    CheckoutUnfinished {
        /// The target branch.
        branch: String,
        /// The worktree that has it checked out.
        worktree: PathBuf,
        /// What stopped it.
        source: Box<Self>,
    },
    /// A fast-forward was asked for and isn't possible.
    #[error("{into:?} can't be fast-forwarded to {branch:?}: both have commits of their own; merge instead")]
    NotFastForward {
        /// The branch to merge.
        branch: String,
        /// The target branch.
        into: String,
    },
    /// A rebase, merge or the like isn't finished.
    #[error("a {operation} is in progress in {path:?}; finish or abort it first")]
    OperationInProgress {
        /// The worktree.
        path: PathBuf,
        /// `rebase`, `merge`, `cherry-pick`, `revert` or `bisect`.
        operation: &'static str,
    },
    /// A workspace's HEAD isn't its branch any more.
    #[error(
        "{path:?} has {found} checked out instead of {expected:?}; switch back with `git switch {expected}`"
    )]
    UnexpectedBranch {
        /// The workspace's path.
        path: PathBuf,
        /// The branch of the workspace.
        expected: String,
        /// What HEAD is.
        found: String,
    },
    /// Files with unresolved conflicts.
    #[error("{path:?} has unresolved conflicts in {files:?}; resolve them first")]
    Unmerged {
        /// The worktree.
        path: PathBuf,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// A rescue can only be put back where nothing would be overwritten.
    #[error("{path:?} has work of its own; commit it, or restore into a new workspace")]
    NotClean {
        /// The worktree.
        path: PathBuf,
    },
    /// The workspace is at another commit than the rescued work was made on.
    #[error(
        "{path:?} is at {found}, but this work was made on {expected}; create a workspace with that commit as its base"
    )]
    RescueElsewhere {
        /// The worktree.
        path: PathBuf,
        /// The commit the rescue was made on; the rescue commit itself where there was none.
        expected: String,
        /// The workspace's HEAD.
        found: String,
    },
    /// Git printed more than may be read.
    #[error("`git {command}` printed more than {limit} bytes")]
    OutputTooLarge {
        /// The subcommand.
        command: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// Git didn't end in time and was ended.
    #[error("`git {command}` didn't end within {deadline:?} and was stopped")]
    TimedOut {
        /// The subcommand.
        command: String,
        /// The time it had.
        deadline: Duration,
    },
    /// Git failed in a way this crate has no better words for.
    #[error("`git {command}` failed in {cwd:?} ({exit}): {stderr}")]
    Git {
        /// The subcommand.
        command: String,
        /// Where it ran.
        cwd: PathBuf,
        /// How it ended.
        exit: String,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// A `git` that a dead process started can't be ended.
    #[error("process {pid}, a git left by a process that has ended, doesn't end; look at it and try again")]
    StillRunning {
        /// Its process id.
        pid: u32,
    },
    /// Git printed something this crate can't read.
    #[error("`git {command}` printed something unexpected: {detail}")]
    UnexpectedOutput {
        /// The subcommand.
        command: String,
        /// What was wrong with it.
        detail: String,
    },
    /// One of this crate's own files is damaged.
    #[error("{path:?} is damaged: {detail}; look at it and delete it if nothing there is needed")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        detail: String,
    },
    /// The file system said no.
    #[error("can't {action} {path:?}")]
    Io {
        /// A verb.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A program couldn't be started or watched.
    #[error("can't run {program:?}")]
    Run {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The classes of [`Error`] that callers decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing isn't there.
    NotFound,
    /// Something of that name or at that path is there already.
    Clash,
    /// Somebody else works on it; trying later may succeed.
    Busy,
    /// Going on would touch or lose somebody's work; a person must decide.
    Refused,
    /// The request itself makes no sense.
    Invalid,
    /// The repository isn't one this crate can work in, or `git` is missing or too old.
    Unsupported,
    /// Everything else: the file system, a failing `git`.
    Failed,
}

impl Error {
    /// Returns the class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchWorkspace { .. }
            | Self::NoSuchBranch { .. }
            | Self::NoSuchRescue { .. }
            | Self::UnknownRevision { .. } => ErrorKind::NotFound,
            Self::NameTaken { .. } | Self::BranchTaken { .. } | Self::PathTaken { .. } => ErrorKind::Clash,
            Self::LockHeld { .. }
            | Self::Busy { .. }
            | Self::Leased { .. }
            | Self::InUse { .. }
            | Self::IndexLocked { .. }
            | Self::RefMoved { .. } => ErrorKind::Busy,
            Self::LockedByGit { .. }
            | Self::NestedRepositories { .. }
            | Self::Displaced { .. }
            | Self::Redirected { .. }
            | Self::NotMerged { .. }
            | Self::BranchCheckedOut { .. }
            | Self::CheckoutBlocked { .. }
            | Self::NotFastForward { .. }
            | Self::OperationInProgress { .. }
            | Self::UnexpectedBranch { .. }
            | Self::Unmerged { .. }
            | Self::NotClean { .. }
            | Self::RescueElsewhere { .. } => ErrorKind::Refused,
            Self::InvalidName { .. } | Self::PathInsideWorktree { .. } | Self::UnusablePath { .. } => {
                ErrorKind::Invalid
            }
            Self::GitMissing { .. }
            | Self::GitTooOld { .. }
            | Self::NotARepository { .. }
            | Self::Bare { .. }
            | Self::NoMainWorktree { .. }
            | Self::NotTrusted { .. }
            | Self::NoCommits { .. } => ErrorKind::Unsupported,
            Self::OutputTooLarge { .. }
            | Self::TimedOut { .. }
            | Self::CheckoutUnfinished { .. }
            | Self::Git { .. }
            | Self::StillRunning { .. }
            | Self::UnexpectedOutput { .. }
            | Self::Damaged { .. }
            | Self::Io { .. }
            | Self::Run { .. } => ErrorKind::Failed,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
