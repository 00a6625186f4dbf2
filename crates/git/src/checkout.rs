//! Bringing a checked-out branch to a new commit without harming what lies in the worktree, and without leaving the
//! two apart after a crash.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::command::{Call, records, to_path};
use crate::merge::{CheckedOut, CheckoutBlock};
use crate::owner::Owner;
use crate::record::{self, Fields};
use crate::workspace::{Problem, Recovered, Recovery};
use crate::{BranchName, Error, ObjectId, Repository, Result};

/// How many entries of a directory in the way are looked at before it counts as in the way.
const MAX_ENTRIES: usize = 100_000;

/// A checkout under way, on disk while it lasts.
struct Journal {
    file: PathBuf,
    owner: Owner,
    worktree: PathBuf,
    branch: BranchName,
    from: ObjectId,
    to: ObjectId,
}

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
        let journal = Journal {
            file: self.state_dir().join("merges").join(record::unique()),
            owner: Owner::this_process(),
            worktree: worktree.to_owned(),
            branch: branch.clone(),
            from: from.clone(),
            to: to.clone(),
        };
        journal.store()?;
        let moved = self.two_way(worktree, from, to);
        if let Err(error) = moved {
            // Git checks everything before it touches the first file.
            record::remove_file(&journal.file)?;
            return Err(error);
        }
        if let Err(error) = self.update_ref(worktree, &branch.full(), to.as_str(), from.as_str(), reason) {
            self.two_way(worktree, to, from)?;
            record::remove_file(&journal.file)?;
            return Err(error);
        }
        record::remove_file(&journal.file)
    }

    /// Completes or forgets the checkouts that dead processes left.
    pub(crate) fn recover_merges(&self, recovery: &mut Recovery) -> Result<()> {
        let folder = self.state_dir().join("merges");
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
        let _lock = self.lock("recover")?;
        for entry in entries.flatten() {
            let file = entry.path();
            let result = match Journal::load(&file) {
                Ok(Some(journal)) if !journal.owner.is_alive() => self.finish_checkout(&journal),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            match result {
                Ok(done) => recovery.done.push(done),
                Err(error) => recovery.problems.push(Problem { subject: file, error }),
            }
        }
        Ok(())
    }

    fn finish_checkout(&self, journal: &Journal) -> Result<Recovered> {
        let Journal { worktree, branch, from, to, .. } = journal;
        journal.owner.end_leftovers()?;
        let git_dir = self.git_dir(worktree)?;
        let locks = [
            git_dir.join("index.lock"),
            git_dir.join("HEAD.lock"),
            self.common_dir().join(format!("{}.lock", branch.full())),
        ];
        let began = fs::metadata(&journal.file).and_then(|meta| meta.modified());
        self.clear_stale_locks(&locks, began.map_err(Error::io("look at", &journal.file))?)?;
        let (name, place) = (branch.to_string(), worktree.clone());
        let tip = self.commit_of(self.root(), &branch.full())?;
        let on_it = self.head_ref(worktree)?.as_deref() == Some(branch.full().as_str());
        if !on_it || tip.as_ref() != Some(from) {
            // The ref is moved last; or a person has gone on since.
            record::remove_file(&journal.file)?;
            let done = tip.as_ref() == Some(to);
            return Ok(if done {
                Recovered::MergeFinished { branch: name, worktree: place }
            } else {
                Recovered::MergeUndone { branch: name, worktree: place }
            });
        }
        if locks[0].exists() {
            return Err(Error::IndexLocked { path: locks[0].clone() });
        }
        let (old, new) = (self.differing(worktree, from)?, self.differing(worktree, to)?);
        let added = self.differing_paths(worktree, from, to, "--diff-filter=A")?;
        let written: HashSet<PathBuf> =
            added.into_iter().filter(|path| fs::symlink_metadata(worktree.join(path)).is_ok()).collect();
        if old.is_empty() && written.is_empty() {
            record::remove_file(&journal.file)?;
            return Ok(Recovered::MergeUndone { branch: name, worktree: place });
        }
        // Each file is as it was before or as it will be, so completing overwrites nobody's work; or git was killed
        // while it wrote it.
        let mut foreign = 0;
        for path in new.iter().filter(|path| old.contains(*path) || written.contains(*path)) {
            foreign += usize::from(!self.is_begun(worktree, path, to)?);
        }
        if foreign > 0 {
            return Err(Error::CheckoutBlocked {
                branch: name,
                worktree: place,
                reason: CheckoutBlock::Dirty(foreign),
            });
        }
        self.git.write(worktree, "read-tree").args(["--reset", "-u", to.as_str()]).bytes()?;
        self.update_ref(worktree, &branch.full(), to.as_str(), from.as_str(), "missiond: merge (recovered)")?;
        record::remove_file(&journal.file)?;
        Ok(Recovered::MergeFinished { branch: name, worktree: place })
    }

    /// Whether the file is missing or the beginning of what it is in `commit`.
    fn is_begun(&self, worktree: &Path, path: &Path, commit: &ObjectId) -> Result<bool> {
        let file = worktree.join(path);
        let Ok(meta) = fs::symlink_metadata(&file) else { return Ok(true) };
        if !meta.is_file() {
            return Ok(false);
        }
        let mut object = format!("{commit}:").into_bytes();
        object.extend_from_slice(path.as_os_str().as_bytes());
        let whole = self.git.read(worktree, "cat-file").arg("--filters").arg(to_path(&object)).output()?;
        if whole.code != 0 || meta.len() > whole.stdout.len() as u64 {
            return Ok(false);
        }
        Ok(whole.stdout.starts_with(&fs::read(&file).map_err(Error::io("read", &file))?))
    }

    fn two_way(&self, worktree: &Path, from: &ObjectId, to: &ObjectId) -> Result<()> {
        self.git.write(worktree, "read-tree").args(["-m", "-u", from.as_str(), to.as_str()]).bytes()?;
        Ok(())
    }

    /// Returns the tracked paths whose files aren't as in `commit`.
    fn differing(&self, worktree: &Path, commit: &ObjectId) -> Result<HashSet<PathBuf>> {
        let index = self.state_dir().join("tmp").join(format!("index-{}", record::unique()));
        if let Some(dir) = index.parent() {
            fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        }
        let git = |subcommand: &str| -> Call<'_> {
            self.git.write(worktree, subcommand).env("GIT_INDEX_FILE", &index)
        };
        let listed = git("read-tree").arg(commit.as_str()).bytes().and_then(|_| {
            // Exits with 1 if a file differs, which is what is asked for next.
            git("update-index").args(["-q", "--refresh"]).output()?;
            git("diff-files").args(["--ignore-submodules=dirty", "--name-only", "-z"]).bytes()
        });
        record::remove_file(&index)?;
        Ok(records(&listed?).map(to_path).collect())
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

impl Journal {
    fn store(&self) -> Result<()> {
        let mut fields = Fields::default();
        fields.set("owner", self.owner.to_text());
        fields.set("worktree", &self.worktree);
        fields.set("branch", self.branch.as_str());
        fields.set("from", self.from.as_str());
        fields.set("to", self.to.as_str());
        fields.store(&self.file)
    }

    fn load(file: &Path) -> Result<Option<Self>> {
        let Some(fields) = Fields::load(file)? else { return Ok(None) };
        let parsed = || {
            Some(Self {
                file: file.to_owned(),
                owner: Owner::parse(fields.text("owner")?)?,
                worktree: fields.path("worktree")?,
                branch: BranchName::new(fields.text("branch")?).ok()?,
                from: ObjectId::new(fields.text("from")?).ok()?,
                to: ObjectId::new(fields.text("to")?).ok()?,
            })
        };
        let damaged =
            || Error::Damaged { path: file.to_owned(), detail: "a field is missing or invalid".to_owned() };
        parsed().map(Some).ok_or_else(damaged)
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
