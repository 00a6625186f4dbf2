//! Bringing a checked-out branch to a new commit without harming what lies in the worktree.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{records, to_path};
use crate::journal::Journal;
use crate::merge::{CheckedOut, CheckoutBlock};
use crate::{BranchName, Error, ObjectId, Repository, Result};

/// How many entries of a directory in the way are looked at before it counts as in the way.
const MAX_ENTRIES: usize = 100_000;

impl Repository {
    /// Returns the worktree that has `branch` checked out, if it may be touched; refuses if it may not.
    pub(crate) fn checkout_to_update(
        &self,
        branch: &BranchName,
        rule: CheckedOut,
    ) -> Result<Option<PathBuf>> {
        let Some(worktree) = self.worktree_of(branch)? else { return Ok(None) };
        let blocked = |reason| Error::CheckoutBlocked {
            branch: branch.to_string(),
            worktree: worktree.path.clone(),
            reason,
        };
        if rule == CheckedOut::Refuse {
            return Err(blocked(CheckoutBlock::NotAsked));
        }
        let status = self.status(&worktree.path)?;
        if let Some(operation) = status.operation {
            return Err(blocked(CheckoutBlock::OperationInProgress(operation)));
        }
        let dirty = status.changed + status.conflicts.len();
        if dirty > 0 {
            return Err(blocked(CheckoutBlock::Dirty(dirty)));
        }
        Ok(Some(worktree.path))
    }

    /// Moves the files and the index of a clean worktree, and then its branch, from one commit to another.
    pub(crate) fn advance_checkout(
        &self,
        worktree: &Path,
        branch: &BranchName,
        from: &ObjectId,
        to: &ObjectId,
        reason: &str,
    ) -> Result<()> {
        let blocked = |reason| Error::CheckoutBlocked {
            branch: branch.to_string(),
            worktree: worktree.to_owned(),
            reason,
        };
        let in_the_way = self.in_the_way(worktree, from, to)?;
        if !in_the_way.is_empty() {
            return Err(blocked(CheckoutBlock::InTheWay(in_the_way)));
        }
        // The command would wait for it, but a lock that is there now is rather a person's or a left-over.
        let index_lock = self.git_dir(worktree)?.join("index.lock");
        if index_lock.exists() {
            return Err(Error::IndexLocked { path: index_lock });
        }
        let journal = Journal::begin(self, worktree, branch, from, to)?;
        match self.two_way(worktree, from, to) {
            Ok(()) => {}
            // Git didn't even begin.
            Err(error @ Error::IndexLocked { .. }) => {
                journal.end()?;
                return Err(error);
            }
            // Git checks everything before it touches the first file, but then the disk may be full, or it is killed.
            Err(error) => return Err(self.back_out(&journal, error)),
        }
        if let Err(error) = self.update_ref(worktree, &branch.full(), to.as_str(), from.as_str(), reason) {
            return Err(match self.two_way(worktree, to, from).and_then(|()| journal.end()) {
                Ok(()) => error,
                Err(_) => self.back_out(&journal, error),
            });
        }
        journal.end()
    }

    fn two_way(&self, worktree: &Path, from: &ObjectId, to: &ObjectId) -> Result<()> {
        // To `read-tree`, unlike `status`, a file that was only touched has changed.
        self.refresh_index(worktree)?;
        self.git.write(worktree, "read-tree").args(["-m", "-u", from.as_str(), to.as_str()]).bytes()?;
        Ok(())
    }

    /// Has git look again at files whose times tell it nothing. Exits with 1 if a file did change.
    pub(crate) fn refresh_index(&self, worktree: &Path) -> Result<()> {
        self.git.write(worktree, "update-index").arg("--refresh").output().map(drop)
    }

    /// Returns what git doesn't track, ignored or not, at the places where new files go. Git itself would overwrite
    /// ignored ones.
    pub(crate) fn in_the_way(&self, worktree: &Path, from: &ObjectId, to: &ObjectId) -> Result<Vec<PathBuf>> {
        let deleted = self.differing_paths(worktree, from, to, "--diff-filter=D")?;
        let deleted: HashSet<PathBuf> = deleted.into_iter().collect();
        let mut blocking = Vec::new();
        for added in self.differing_paths(worktree, from, to, "--diff-filter=A")? {
            // A file where a directory of the new path has to be, or something at the path itself.
            let found = added.ancestors().filter(|part| !part.as_os_str().is_empty()).find_map(|part| {
                let meta = fs::symlink_metadata(worktree.join(part)).ok()?;
                let foreign = if meta.is_dir() {
                    part == added.as_path() && !only_holds(&worktree.join(part), worktree, &deleted)
                } else {
                    !deleted.contains(part)
                };
                foreign.then(|| part.to_owned())
            });
            blocking.extend(found);
        }
        blocking.dedup();
        Ok(blocking)
    }

    pub(crate) fn differing_paths(
        &self,
        dir: &Path,
        from: &ObjectId,
        to: &ObjectId,
        filter: &str,
    ) -> Result<Vec<PathBuf>> {
        let out = self
            .git
            .read(dir, "diff-tree")
            .args(["-r", "-z", "--name-only", "--no-renames", filter])
            .args([from.as_str(), to.as_str(), "--"])
            .bytes()?;
        Ok(records(&out).map(to_path).collect())
    }
}

/// Whether all files below `dir` are among `paths`, which are relative to `worktree`.
fn only_holds(dir: &Path, worktree: &Path, paths: &HashSet<PathBuf>) -> bool {
    let mut todo = vec![dir.to_owned()];
    let mut seen = 0;
    while let Some(dir) = todo.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { return false };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            seen += 1;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(path);
            } else if !path.strip_prefix(worktree).is_ok_and(|path| paths.contains(path)) {
                return false;
            }
            if seen > MAX_ENTRIES {
                return false;
            }
        }
    }
    true
}
