use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::command::{records, to_path};
use crate::owner::Owner;
use crate::site::belongs_to;
use crate::{BranchName, Error, ObjectId, Repository, Result, WorkspaceName, record};

use super::Workspace;
use super::stored::{Stage, Stored};

/// How many numbered names are tried.
const MAX_NUMBER: u32 = 1000;

/// What [`Repository::create`] is to make.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkspaceRequest {
    /// The workspace's name.
    pub name: WorkspaceName,
    /// Its branch.
    pub branch: BranchName,
    /// Its directory; relative to the project root unless absolute. Missing parents are made.
    pub path: PathBuf,
    /// The revision a new branch starts from. Default: the main worktree's HEAD.
    pub base: Option<String>,
    /// What may happen with names that exist.
    pub rule: BranchRule,
}

/// What [`Repository::create`] does about a branch, name or path that exists already. It never resets or deletes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BranchRule {
    /// The branch is new; a clash of name, branch or path is an error.
    #[default]
    New,
    /// The branch is new; on a clash all three get the first free number: `fix-2`, `fix-3` …
    NewNumbered,
    /// The branch exists and isn't checked out; it is never deleted with the workspace.
    Existing,
}

/// What [`Repository::create`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Created {
    /// The workspace, ready for use.
    pub workspace: Workspace,
    /// The repository's `post-checkout` hook if it has one: it was not run, since hooks may be written by an agent.
    pub hooks_not_run: Vec<PathBuf>,
}

impl WorkspaceRequest {
    /// Asks for a new branch from the main worktree's HEAD.
    pub fn new(name: WorkspaceName, branch: BranchName, path: impl Into<PathBuf>) -> Self {
        Self { name, branch, path: path.into(), base: None, rule: BranchRule::New }
    }

    /// Sets the revision to start from.
    #[must_use]
    pub fn base(mut self, revision: impl Into<String>) -> Self {
        self.base = Some(revision.into());
        self
    }

    /// Sets what may happen with names that exist.
    #[must_use]
    pub fn rule(mut self, rule: BranchRule) -> Self {
        self.rule = rule;
        self
    }
}

impl Repository {
    /// Makes a workspace: a linked worktree on a branch of its own.
    ///
    /// It completes or leaves nothing behind. What a killed process left half-made is undone by the next call or
    /// by [`Repository::recover`].
    ///
    /// # Errors
    /// [`Error::NoCommits`]; [`Error::UnknownRevision`]; [`Error::NameTaken`], [`Error::BranchTaken`],
    /// [`Error::PathTaken`]; [`Error::NoSuchBranch`] and [`Error::BranchCheckedOut`] with [`BranchRule::Existing`];
    /// [`Error::PathInsideWorktree`], [`Error::UnusablePath`]; [`Error::LockHeld`].
    pub fn create(&self, request: &WorkspaceRequest) -> Result<Created> {
        if Stored::load_all(self)?.iter().any(|(_, stored)| stored.as_ref().is_ok_and(Stored::is_abandoned)) {
            for problem in self.recover()?.problems {
                tracing::warn!(subject = ?problem.subject, error = %problem.error, "recovery left something behind");
            }
        }
        let base = self.base_commit(request)?;
        // Before anything is made: once the workspace is ready nothing may fail any more.
        let hooks_not_run = self.checkout_hooks()?;
        let (stored, placed) = {
            // In one go: what was found to be free stays so, as far as this crate is concerned.
            let _lock = self.lock("create a workspace")?;
            let stored = self.choose(request, base)?;
            stored.store(self)?;
            let placed = self.place_worktree(&stored);
            (stored, placed)
        };
        match placed.and_then(|()| self.fill_worktree(&stored)) {
            Ok(workspace) => Ok(Created { workspace, hooks_not_run }),
            Err(error) => {
                if let Err(left) = self.undo_creation(&stored) {
                    tracing::warn!(name = %stored.name, error = %left, "a half-made workspace is left for recovery");
                    self.leave_to_recovery(&stored);
                }
                Err(error)
            }
        }
    }

    /// Takes back everything a creation made, and nothing else. Can be repeated.
    pub(super) fn undo_creation(&self, stored: &Stored) -> Result<()> {
        let admin_dir = stored.admin_dir(self);
        let _lock = self.lock("undo a workspace")?;
        for place in [&stored.path, &stored.misplaced()] {
            if belongs_to(place, &admin_dir) {
                // In one step, so that no half-deleted directory without its `.git` file stays there.
                fs::rename(place, stored.temporary()).map_err(Error::io("rename", place))?;
            }
        }
        super::remove::delete_tree(&stored.temporary())?;
        self.delete_admin_dir(stored)?;
        let tip = self.commit_of(self.root(), &stored.branch.full())?;
        if stored.owns_branch && tip.as_ref() == Some(&stored.base) && self.made_branch(stored)? {
            self.delete_ref(&stored.branch.full(), stored.base.as_str())?;
        }
        stored.remove_made_parents();
        stored.forget(self)
    }

    fn base_commit(&self, request: &WorkspaceRequest) -> Result<ObjectId> {
        if request.rule == BranchRule::Existing {
            return self.branch_tip(&request.branch);
        }
        let head = self.commit_of(self.root(), "HEAD")?;
        match (&request.base, head) {
            (None, Some(head)) => Ok(head),
            (Some(base), Some(_)) => self.resolve(base),
            (base, None) => {
                let any = self.git.read(self.root(), "rev-list").args(["--all", "--max-count=1"]).text()?;
                match base {
                    Some(base) if !any.is_empty() => self.resolve(base),
                    _ => Err(Error::NoCommits { root: self.root().to_owned() }),
                }
            }
        }
    }

    /// Decides on names that are free now. The lock is held.
    fn choose(&self, request: &WorkspaceRequest, base: ObjectId) -> Result<Stored> {
        let (path, parent_made) = self.place(&request.path)?;
        let last = if request.rule == BranchRule::NewNumbered { MAX_NUMBER } else { 1 };
        let mut number = 1;
        let (name, branch, path) = loop {
            let (name, branch, path) = numbered(request, &path, number)?;
            match self.clash(request.rule, &name, &branch, &path)? {
                None => break (name, branch, path),
                Some(clash) if number >= last => return Err(clash),
                Some(_) => number += 1,
            }
        };
        self.refuse_visible(&path)?;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Stored {
            name,
            stage: Stage::Creating,
            owner: Owner::this_process(),
            id: format!("missiond-{}", record::unique()),
            branch,
            owns_branch: request.rule != BranchRule::Existing,
            base,
            path,
            parent_made,
            created_ms: u64::try_from(created.as_millis()).unwrap_or(u64::MAX),
            lease: None,
            delete_branch_at: None,
        })
    }

    /// Makes the branch and the worktree that the stored record announces, without files. The lock is held.
    fn place_worktree(&self, stored: &Stored) -> Result<()> {
        if let Some(parent) = stored.path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        if stored.owns_branch {
            let zero = stored.base.zero_like();
            self.update_ref(
                self.root(),
                &stored.branch.full(),
                stored.base.as_str(),
                &zero,
                &stored.branch_mark(),
            )
            .map_err(|error| match error {
                Error::RefMoved { .. } => Error::BranchTaken {
                    branch: stored.branch.to_string(),
                    existing: stored.branch.to_string(),
                },
                other => other,
            })?;
        }
        // First under a name that is unique for all time, since git derives the id of the administrative
        // directory from it: so a half-made one can be told from anybody else's.
        let temporary = stored.temporary();
        let admin_dir = stored.admin_dir(self);
        self.git
            .write(self.root(), "worktree")
            .args(["add", "--quiet", "--no-checkout", "--"])
            .arg(&temporary)
            .arg(stored.branch.as_str())
            .bytes()?;
        if !belongs_to(&temporary, &admin_dir) {
            return Err(Error::UnexpectedOutput {
                command: "worktree".to_owned(),
                detail: format!("the worktree's administrative directory isn't {admin_dir:?}"),
            });
        }
        let taken = || Error::PathTaken { path: stored.path.clone() };
        if fs::symlink_metadata(&stored.path).is_ok() {
            return Err(taken());
        }
        self.git
            .write(self.root(), "worktree")
            .args(["move", "--"])
            .args([&temporary, &stored.path])
            .bytes()?;
        // Others don't know the lock, and git moves into a directory that is there: what stands at the path then is
        // theirs.
        if belongs_to(&stored.path, &admin_dir) { Ok(()) } else { Err(taken()) }
    }

    /// Checks the files out. The lock isn't held: it takes the time, and touches nothing that others share.
    fn fill_worktree(&self, stored: &Stored) -> Result<Workspace> {
        self.git
            .write(&stored.path, "reset")
            .args(["--hard", "--quiet", "--no-recurse-submodules"])
            .bytes()?;
        let ready = Stored { stage: Stage::Ready, ..stored.clone() };
        ready.store(self)?;
        tracing::debug!(name = %ready.name, path = ?ready.path, "workspace created");
        Ok(ready.into_workspace(self))
    }

    /// Makes the path absolute without symlinks; also returns the topmost directory missing above it.
    fn place(&self, path: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
        let unusable = |reason| Error::UnusablePath { path: path.to_owned(), reason };
        let absolute = self.root().join(path);
        if absolute.as_os_str().as_bytes().contains(&0) {
            return Err(unusable("it holds a NUL"));
        }
        let Some(name) = absolute.file_name().map(OsStr::to_owned) else {
            return Err(unusable("it doesn't end with a name"));
        };
        let mut existing = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let mut missing = Vec::new();
        while fs::symlink_metadata(&existing).is_err() {
            let last = existing.components().next_back();
            let Some(Component::Normal(component)) = last else {
                return Err(unusable("`..` follows a directory that doesn't exist"));
            };
            missing.push(component.to_owned());
            existing.pop();
        }
        let mut place = fs::canonicalize(&existing).map_err(Error::io("open", &existing))?;
        if !place.is_dir() {
            return Err(unusable("a part of it is no directory"));
        }
        let parent_made = missing.last().map(|first| place.join(first));
        place.extend(missing.iter().rev());
        place.push(name);
        if place.starts_with(self.common_dir()) {
            return Err(unusable("it lies inside the git directory"));
        }
        Ok((place, parent_made))
    }

    fn clash(
        &self,
        rule: BranchRule,
        name: &WorkspaceName,
        branch: &BranchName,
        path: &Path,
    ) -> Result<Option<Error>> {
        if fs::symlink_metadata(Stored::file(self, name)).is_ok() {
            return Ok(Some(Error::NameTaken { name: name.to_string() }));
        }
        // One that is being made has no directory yet, one that is being removed may need its place again.
        let promised = Stored::load_all(self)?
            .iter()
            .any(|(_, stored)| stored.as_ref().is_ok_and(|stored| stored.path == path));
        // Git may have a worktree registered there whose directory is gone.
        let registered = self.worktrees()?.iter().any(|worktree| worktree.path == path);
        if promised || registered || fs::symlink_metadata(path).is_ok() {
            return Ok(Some(Error::PathTaken { path: path.to_owned() }));
        }
        if rule == BranchRule::Existing {
            return Ok(self.worktree_of(branch)?.map(|worktree| Error::BranchCheckedOut {
                branch: branch.to_string(),
                worktree: worktree.path,
            }));
        }
        let existing = self.ref_in_the_way(branch)?;
        Ok(existing.map(|existing| Error::BranchTaken { branch: branch.to_string(), existing }))
    }

    /// Finds the branch itself, one below it (`a/b` is in the way of `a`) or one above it (`a` of `a/b`).
    fn ref_in_the_way(&self, branch: &BranchName) -> Result<Option<String>> {
        let out = self
            .git
            .read(self.root(), "for-each-ref")
            .args(["--count=1", "--format=%(refname)", "--"])
            .arg(branch.full())
            .text()?;
        if !out.is_empty() {
            return Ok(Some(out));
        }
        for (at, _) in branch.as_str().match_indices('/') {
            let above = format!("refs/heads/{}", &branch.as_str()[..at]);
            if self
                .git
                .read(self.root(), "show-ref")
                .args(["--verify", "--quiet", "--"])
                .arg(&above)
                .holds()?
            {
                return Ok(Some(above));
            }
        }
        Ok(None)
    }

    /// Refuses a place where another worktree would see the workspace as untracked files.
    fn refuse_visible(&self, path: &Path) -> Result<()> {
        let around = self.worktrees()?.into_iter().filter(|worktree| path.starts_with(&worktree.path));
        let Some(worktree) = around.max_by_key(|worktree| worktree.path.components().count()) else {
            return Ok(());
        };
        let mut input = path.strip_prefix(&worktree.path).unwrap_or(path).as_os_str().as_bytes().to_owned();
        input.push(0);
        let out =
            self.git.read(&worktree.path, "check-ignore").args(["--stdin", "-z"]).input(input).output()?;
        if out.code == 0 {
            return Ok(());
        }
        Err(Error::PathInsideWorktree { path: path.to_owned(), worktree: worktree.path })
    }

    /// Whether the branch's reflog shows this very creation; its tip has been compared before.
    fn made_branch(&self, stored: &Stored) -> Result<bool> {
        let log = self
            .git
            .read(self.root(), "log")
            .args(["--walk-reflogs", "--max-count=10", "--format=%gs"])
            .args([&stored.branch.full(), "--"])
            .text()?;
        Ok(log.lines().any(|line| line == stored.branch_mark()))
    }

    fn checkout_hooks(&self) -> Result<Vec<PathBuf>> {
        let out = self
            .git
            .read(self.root(), "config")
            .args(["--null", "--type=path", "--get-all", "core.hooksPath"])
            .output()?;
        // The last one is the value this crate gives to every command.
        let values: Vec<_> = records(&out.stdout).collect();
        let dir = match values.iter().nth_back(1) {
            Some(dir) => self.root().join(to_path(dir)),
            None => self.common_dir().join("hooks"),
        };
        let hook = dir.join("post-checkout");
        let runnable =
            fs::metadata(&hook).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        Ok(if runnable { vec![hook] } else { Vec::new() })
    }
}

impl Stored {
    /// Whether the process that was making or removing it has ended.
    pub(super) fn is_abandoned(&self) -> bool {
        self.stage != Stage::Ready && !self.owner.is_alive()
    }

    /// Where git puts the worktree if somebody makes a directory at its path at the last moment.
    fn misplaced(&self) -> PathBuf {
        self.path.join(&self.id)
    }

    /// Removes the directories made above the workspace while they are empty.
    pub(super) fn remove_made_parents(&self) {
        let Some(top) = &self.parent_made else { return };
        for dir in self.path.ancestors().skip(1) {
            if !dir.starts_with(top) || fs::remove_dir(dir).is_err() {
                return;
            }
        }
    }
}

fn numbered(
    request: &WorkspaceRequest,
    path: &Path,
    number: u32,
) -> Result<(WorkspaceName, BranchName, PathBuf)> {
    if number == 1 {
        return Ok((request.name.clone(), request.branch.clone(), path.to_owned()));
    }
    let name = WorkspaceName::new(format!("{}-{number}", request.name))?;
    let branch = BranchName::new(format!("{}-{number}", request.branch))?;
    let mut file_name = path.file_name().unwrap_or_default().to_owned();
    file_name.push(format!("-{number}"));
    Ok((name, branch, path.with_file_name(file_name)))
}
