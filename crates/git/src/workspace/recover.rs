use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::owner::Owner;
use crate::{Error, Repository, Rescue, Result, WorkspaceName};

use super::remove::delete_tree;
use super::stored::{Stage, Stored};

/// What [`Repository::recover`] found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// What was mended.
    pub done: Vec<Recovered>,
    /// What a person must look at.
    pub problems: Vec<Problem>,
}

/// Something a dead process left that is in order again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Recovered {
    /// A half-made workspace is gone, with its branch.
    CreationUndone {
        /// Its name.
        name: WorkspaceName,
    },
    /// A removal had hardly begun; the workspace is usable.
    RemovalUndone {
        /// Its name.
        name: WorkspaceName,
    },
    /// A removal was completed.
    RemovalFinished {
        /// Its name.
        name: WorkspaceName,
        /// Where its uncommitted work is kept, if that hadn't happened before.
        work: Option<Rescue>,
    },
    /// A merge's checkout was completed.
    MergeFinished {
        /// The target branch.
        branch: String,
        /// The worktree that has it checked out.
        worktree: PathBuf,
    },
    /// A merge had changed nothing yet, or its checkout couldn't be completed and is as before.
    MergeUndone {
        /// The target branch.
        branch: String,
        /// The worktree that has it checked out.
        worktree: PathBuf,
    },
}

/// Something that isn't in order and was left alone.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The file or directory it is about.
    pub subject: PathBuf,
    /// What is wrong and what to do.
    pub error: Error,
}

/// A record that this process has taken over.
struct Claim {
    stored: Stored,
    /// Who left it.
    dead: Owner,
    /// Since when that process was at it.
    since: SystemTime,
}

impl Repository {
    /// Mends what processes left that were killed while creating, removing or merging, and what a merge couldn't put
    /// back ([`Error::CheckoutUnfinished`]). Safe at any time and from
    /// several processes at once; what living processes do is left alone.
    ///
    /// # Errors
    /// [`Error::LockHeld`], or when the state directory can't be read. All else becomes a [`Problem`].
    pub fn recover(&self) -> Result<Recovery> {
        let mut recovery = Recovery::default();
        for Claim { stored, dead, since } in self.claim_abandoned(&mut recovery)? {
            let subject = Stored::file(self, &stored.name);
            let name = stored.name.clone();
            match self.mend(stored, since) {
                Ok(done) => recovery.done.push(done),
                Err(error) => {
                    // So that the next call tries again, here or elsewhere.
                    if let Some(mut left) = Stored::load(self, &name)? {
                        left.owner = dead;
                        left.store(self)?;
                    }
                    recovery.problems.push(Problem { subject, error });
                }
            }
        }
        self.recover_merges(&mut recovery)?;
        for dir in ["trash", "tmp"] {
            let dir = self.state_dir().join(dir);
            if let Err(error) = sweep(&dir) {
                recovery.problems.push(Problem { subject: dir, error });
            }
        }
        Ok(recovery)
    }

    /// Makes this process the owner of what dead ones left, so that nobody else mends it meanwhile.
    fn claim_abandoned(&self, recovery: &mut Recovery) -> Result<Vec<Claim>> {
        let _lock = self.lock("recover")?;
        let mut claimed = Vec::new();
        for (subject, stored) in Stored::load_all(self)? {
            match stored {
                Ok(mut stored) if stored.is_abandoned() => {
                    if let Err(error) = stored.owner.end_leftovers() {
                        recovery.problems.push(Problem { subject, error });
                        continue;
                    }
                    let since = fs::metadata(&subject).and_then(|meta| meta.modified());
                    let since = since.map_err(Error::io("look at", &subject))?;
                    let dead = mem::replace(&mut stored.owner, Owner::this_process());
                    stored.store(self)?;
                    claimed.push(Claim { stored, dead, since });
                }
                Ok(_) => {}
                Err(error) => recovery.problems.push(Problem { subject, error }),
            }
        }
        Ok(claimed)
    }

    fn mend(&self, mut stored: Stored, since: SystemTime) -> Result<Recovered> {
        let name = stored.name.clone();
        let locks = [format!("{}.lock", stored.branch.full()), "packed-refs.lock".to_owned()];
        self.clear_stale_locks(&locks.map(|lock| self.common_dir().join(lock)), since)?;
        if stored.stage == Stage::Creating {
            self.undo_creation(&stored)?;
            return Ok(Recovered::CreationUndone { name });
        }
        let moved = stored.temporary().exists();
        // Even if its work was kept: somebody may have written since.
        if !moved && stored.path.exists() {
            stored.put_back(self)?;
            return Ok(Recovered::RemovalUndone { name });
        }
        let removed = self.finish_removal(stored)?;
        Ok(Recovered::RemovalFinished { name, work: removed.work })
    }
}

/// Deletes what dead processes left in a directory of ours.
fn sweep(dir: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        // `unique()` names hold the process id in hex as the last part but one.
        let pid = name.to_str().and_then(|name| u32::from_str_radix(name.rsplit('-').nth(1)?, 16).ok());
        if pid.is_some_and(|pid| pid != std::process::id() && !Path::new(&format!("/proc/{pid}")).exists()) {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                delete_tree(&path)?;
            } else {
                crate::record::remove_file(&path)?;
            }
        }
    }
    Ok(())
}
