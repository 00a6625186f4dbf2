use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::owner::Owner;
use crate::site::{NO_FILE, belongs_to, read_small};
use crate::stale::processes_that_stay_in;
use crate::{BranchName, Error, Repository, Rescue, Result, WorkspaceName};

use super::stored::{Stage, Stored};

/// How [`Repository::remove`] goes about it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RemoveOptions {
    /// The caller's lease, if it has one; any other living lease refuses the removal.
    pub holder: Option<String>,
    /// What happens to the branch, if it was made with the workspace. Default: it stays.
    pub branch: BranchFate,
}

/// What happens to the branch of a removed workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BranchFate {
    /// It stays.
    #[default]
    Keep,
    /// It is deleted if all its commits are in this branch (`None`: in the main worktree's HEAD); otherwise the
    /// removal is refused.
    DeleteIfMerged(Option<BranchName>),
    /// It is deleted; a tip that isn't in the main worktree's HEAD is kept as a rescue.
    Delete,
}

/// What [`Repository::remove`] did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Removed {
    /// Where uncommitted work, or commits on no branch, are kept now; `None` if there were none.
    pub work: Option<Rescue>,
    /// Where the rest is kept, if more than one rescue was needed: changes that `--autostash` had put aside for a
    /// rebase or merge that wasn't finished. If there was nothing but those, the first is in `work`.
    pub more_work: Vec<Rescue>,
    /// Where the deleted branch's tip is kept, if it wasn't merged.
    pub branch_tip: Option<Rescue>,
    /// Whether the branch was deleted.
    pub branch_deleted: bool,
}

impl Repository {
    /// Removes a workspace. Uncommitted work is first kept under `refs/missiond/rescue/`, also what `--autostash` put
    /// aside; ignored files are not.
    ///
    /// Only what [`Repository::create`] made can be removed. A removal that fails puts the workspace back; where that
    /// fails too, [`Repository::recover`] tries again.
    ///
    /// # Errors
    /// [`Error::NoSuchWorkspace`], [`Error::Busy`], [`Error::Leased`], [`Error::InUse`], [`Error::LockedByGit`],
    /// [`Error::NestedRepositories`], [`Error::NotMerged`], [`Error::BranchCheckedOut`], [`Error::LockHeld`],
    /// [`Error::Displaced`];
    /// [`Error::UnusablePath`] if the directory isn't the workspace's any more.
    pub fn remove(&self, name: &WorkspaceName, options: &RemoveOptions) -> Result<Removed> {
        let (stored, work, branch_tip) = {
            let _lock = self.lock("remove a workspace")?;
            let mut stored = Stored::load_ready(self, name)?;
            stored.refuse_other_holder(options.holder.as_deref())?;
            self.refuse_removal(&stored)?;
            let branch_tip = self.decide_branch(&mut stored, &options.branch)?;
            stored.stage = Stage::Removing;
            stored.owner = Owner::this_process();
            stored.store(self)?;
            let work = match self.set_aside(&mut stored) {
                Ok(work) => work,
                Err(error) => return Err(self.take_back(stored, error)),
            };
            (stored, work, branch_tip)
        };
        let mut removed = self.finish_removal(stored)?;
        // Kept before or after the directory was set aside, never both.
        let mut work = work.into_iter();
        removed.work = removed.work.or_else(|| work.next());
        removed.more_work.extend(work);
        removed.branch_tip = branch_tip;
        Ok(removed)
    }

    /// Moves the directory away; the work is kept later, when nobody can write below the old path any more.
    ///
    /// Not so with submodules: git finds their files by the old path, so there the work is kept first.
    fn set_aside(&self, stored: &mut Stored) -> Result<Vec<Rescue>> {
        let admin_dir = stored.admin_dir(self);
        let mut work = Vec::new();
        if stored.path.is_dir() && admin_dir.join("modules").is_dir() {
            work = self.rescue_work(&stored.name, &admin_dir, Some(&stored.path))?;
            stored.stage = Stage::Rescued;
            stored.store(self)?;
        }
        move_away(stored)?;
        Ok(work)
    }

    /// Goes on from [`Stage::Removing`] with the directory out of the way, or from [`Stage::Rescued`].
    pub(super) fn finish_removal(&self, mut stored: Stored) -> Result<Removed> {
        let temporary = stored.temporary();
        let mut work = Vec::new();
        if stored.stage == Stage::Removing {
            let tree = temporary.is_dir().then_some(temporary.as_path());
            match self.rescue_work(&stored.name, &stored.admin_dir(self), tree) {
                Ok(kept) => work = kept,
                Err(error) => return Err(self.take_back(stored, error)),
            }
            stored.stage = Stage::Rescued;
            stored.store(self)?;
        }
        let mut branch_deleted = false;
        {
            let _lock = self.lock("remove a workspace")?;
            self.delete_admin_dir(&stored)?;
            if let Some(tip) = &stored.delete_branch_at {
                match self.delete_ref(&stored.branch.full(), tip.as_str()) {
                    Ok(()) => branch_deleted = true,
                    // Somebody moved it since, so it holds work that nobody has decided about.
                    Err(Error::RefMoved { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        delete_tree(&temporary)?;
        stored.remove_made_parents();
        stored.forget(self)?;
        tracing::debug!(name = %stored.name, branch_deleted, "workspace removed");
        let mut work = work.into_iter();
        Ok(Removed { work: work.next(), more_work: work.collect(), branch_tip: None, branch_deleted })
    }

    /// Makes a workspace usable again whose removal failed with `error`, and returns what the caller has to know.
    fn take_back(&self, mut stored: Stored, error: Error) -> Error {
        let Err(left) = stored.put_back(self) else { return error };
        tracing::warn!(name = %stored.name, error = %left, "a removal that failed is left for recovery");
        // This process lives on, but nobody is at it any more.
        stored.owner = Owner::nobody();
        if let Err(error) = stored.store(self) {
            return error;
        }
        Error::Displaced {
            name: stored.name.to_string(),
            aside: stored.temporary(),
            path: stored.path,
            source: Box::new(error),
        }
    }

    /// Takes the administrative directory out of git's sight in one step and deletes it.
    pub(super) fn delete_admin_dir(&self, stored: &Stored) -> Result<()> {
        let admin_dir = stored.admin_dir(self);
        let trash = self.state_dir().join("trash");
        fs::create_dir_all(&trash).map_err(Error::io("create", &trash))?;
        let doomed = trash.join(&stored.id);
        match fs::rename(&admin_dir, &doomed) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("rename", &admin_dir)(error));
            }
            _ => {}
        }
        delete_tree(&doomed)
    }

    fn refuse_removal(&self, stored: &Stored) -> Result<()> {
        let admin_dir = stored.admin_dir(self);
        let locked = admin_dir.join("locked");
        if fs::symlink_metadata(&locked).is_ok() {
            let Some(reason) = read_small(&locked) else {
                return Err(Error::UnusablePath { path: locked, reason: NO_FILE });
            };
            let reason =
                String::from_utf8_lossy(&reason[..reason.len().min(200)]).trim().escape_debug().to_string();
            return Err(Error::LockedByGit { name: stored.name.to_string(), reason });
        }
        if fs::symlink_metadata(&stored.path).is_ok() && !belongs_to(&stored.path, &admin_dir) {
            let reason = "its .git file doesn't point to the workspace's data; `git worktree repair` in the main worktree mends that";
            return Err(Error::UnusablePath { path: stored.path.clone(), reason });
        }
        if fs::symlink_metadata(&stored.path).is_err() {
            let elsewhere = self.worktrees()?.into_iter().find(|other| belongs_to(&other.path, &admin_dir));
            if let Some(elsewhere) = elsewhere {
                let reason = "the workspace was moved there by hand; `git worktree move` it back first";
                return Err(Error::UnusablePath { path: elsewhere.path, reason });
            }
        }
        let pids = processes_that_stay_in(&stored.path);
        if !pids.is_empty() {
            return Err(Error::InUse { name: stored.name.to_string(), pids });
        }
        Ok(())
    }

    /// Notes the branch's tip for deletion if it may be deleted, and keeps the tip where it would be lost.
    fn decide_branch(&self, stored: &mut Stored, fate: &BranchFate) -> Result<Option<Rescue>> {
        if !stored.owns_branch || *fate == BranchFate::Keep {
            return Ok(None);
        }
        let Some(tip) = self.commit_of(self.root(), &stored.branch.full())? else { return Ok(None) };
        let elsewhere = |path: &Path| path != stored.path;
        if let Some(other) = self.worktrees()?.into_iter().find(|worktree| {
            elsewhere(&worktree.path)
                && matches!(&worktree.head, crate::Head::Branch(name) if name == stored.branch.as_str())
        }) {
            return Err(Error::BranchCheckedOut { branch: stored.branch.to_string(), worktree: other.path });
        }
        let into = match fate {
            BranchFate::DeleteIfMerged(Some(into)) => into.full(),
            _ => "HEAD".to_owned(),
        };
        let merged = match self.commit_of(self.root(), &into)? {
            Some(target) => self.is_ancestor(&tip, &target)?,
            None => false,
        };
        let kept = match (merged, fate) {
            (true, _) => None,
            (false, BranchFate::Delete) => Some(self.keep_commit(&stored.name, &tip)?),
            (false, _) => return Err(Error::NotMerged { branch: stored.branch.to_string(), into }),
        };
        stored.delete_branch_at = Some(tip);
        Ok(kept)
    }
}

impl Stored {
    /// Makes a workspace whose removal failed usable again. Where something else is in its place, all stays as it is.
    pub(super) fn put_back(&mut self, repo: &Repository) -> Result<()> {
        let temporary = self.temporary();
        if fs::symlink_metadata(&temporary).is_ok() {
            if fs::symlink_metadata(&self.path).is_ok() {
                return Err(Error::PathTaken { path: self.path.clone() });
            }
            fs::rename(&temporary, &self.path).map_err(Error::io("rename", &temporary))?;
        }
        let ready = Self { stage: Stage::Ready, delete_branch_at: None, ..self.clone() };
        ready.store(repo)?;
        *self = ready;
        Ok(())
    }
}

fn move_away(stored: &Stored) -> Result<()> {
    match fs::rename(&stored.path, stored.temporary()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("rename", &stored.path)(error)),
        _ => Ok(()),
    }
}

/// Deletes a directory with everything in it. It need not exist.
pub(super) fn delete_tree(dir: &Path) -> Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let first = gone(fs::remove_dir_all(dir));
    if first.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        // Module caches are often made of directories without write permission.
        make_writable(dir);
        return gone(fs::remove_dir_all(dir)).map_err(Error::io("delete", dir));
    }
    first.map_err(Error::io("delete", dir))
}

fn make_writable(top: &Path) {
    let mut todo = vec![top.to_owned()];
    while let Some(dir) = todo.pop() {
        // Failures show up as the second attempt's error.
        drop(fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)));
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        todo.extend(folders.map(|entry| entry.path()));
    }
}
