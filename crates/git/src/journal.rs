//! What a checkout was about, on disk while it lasts: so that one that failed or was killed on its way is completed or
//! undone, and branch and files don't stay apart.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::command::{Call, records, to_path};
use crate::merge::CheckoutBlock;
use crate::owner::Owner;
use crate::record::{self, Fields};
use crate::rescue::delete_with_empty_parents;
use crate::site::open_regular;
use crate::workspace::{Problem, Recovered, Recovery};
use crate::{BranchName, Error, ObjectId, Repository, Result};

/// A checkout under way. It is made and ended under the repository's lock, so one that is found under the lock is a
/// left-over, whether its process lives or not.
pub(crate) struct Journal {
    file: PathBuf,
    owner: Owner,
    worktree: PathBuf,
    branch: BranchName,
    from: ObjectId,
    to: ObjectId,
}

impl Journal {
    pub(crate) fn begin(
        repo: &Repository,
        worktree: &Path,
        branch: &BranchName,
        from: &ObjectId,
        to: &ObjectId,
    ) -> Result<Self> {
        let journal = Self {
            file: folder(repo).join(record::unique()),
            owner: Owner::this_process(),
            worktree: worktree.to_owned(),
            branch: branch.clone(),
            from: from.clone(),
            to: to.clone(),
        };
        let mut fields = Fields::default();
        fields.set("owner", journal.owner.to_text());
        fields.set("worktree", &journal.worktree);
        fields.set("branch", journal.branch.as_str());
        fields.set("from", journal.from.as_str());
        fields.set("to", journal.to.as_str());
        fields.store(&journal.file)?;
        Ok(journal)
    }

    /// Forgets the checkout; only for files that all are as before or all as after it.
    pub(crate) fn end(&self) -> Result<()> {
        record::remove_file(&self.file)
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

    fn finished(&self) -> Recovered {
        Recovered::MergeFinished { branch: self.branch.to_string(), worktree: self.worktree.clone() }
    }

    fn undone(&self) -> Recovered {
        Recovered::MergeUndone { branch: self.branch.to_string(), worktree: self.worktree.clone() }
    }

    fn unfinished(&self, cause: Error) -> Error {
        Error::CheckoutUnfinished {
            branch: self.branch.to_string(),
            worktree: self.worktree.clone(),
            source: Box::new(cause),
        }
    }

    fn dirty(&self, files: usize) -> Error {
        Error::CheckoutBlocked {
            branch: self.branch.to_string(),
            worktree: self.worktree.clone(),
            reason: CheckoutBlock::Dirty(files),
        }
    }
}

impl Repository {
    /// Completes or undoes the checkouts that were left on their way.
    pub(crate) fn recover_merges(&self, recovery: &mut Recovery) -> Result<()> {
        if fs::symlink_metadata(folder(self)).is_err() {
            return Ok(());
        }
        let _lock = self.lock("recover")?;
        for (file, journal) in journals(self) {
            match journal.and_then(|journal| self.finish_checkout(&journal)) {
                Ok(done) => recovery.done.push(done),
                Err(error) => recovery.problems.push(Problem { subject: file, error }),
            }
        }
        Ok(())
    }

    /// Completes or undoes what was left on its way in the checkout of `branch`. The lock is held.
    pub(crate) fn recover_checkout_of(&self, branch: &BranchName) -> Result<()> {
        for (_, journal) in journals(self) {
            // One that can't be read is for `recover` to report.
            if let Some(journal) = journal.ok().filter(|journal| journal.branch == *branch) {
                self.finish_checkout(&journal)?;
            }
        }
        Ok(())
    }

    /// Undoes a checkout that failed with `error`, and returns what the caller has to know.
    pub(crate) fn back_out(&self, journal: &Journal, error: Error) -> Error {
        match self.undo_checkout(journal).and_then(|()| journal.end()) {
            Ok(()) => error,
            Err(left) => {
                tracing::warn!(branch = %journal.branch, worktree = ?journal.worktree, error = %left, "a checkout is left on its way");
                journal.unfinished(error)
            }
        }
    }

    fn finish_checkout(&self, journal: &Journal) -> Result<Recovered> {
        let Journal { worktree, branch, from, to, .. } = journal;
        if !journal.owner.is_alive() {
            journal.owner.end_leftovers()?;
        }
        if fs::symlink_metadata(worktree).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            journal.end()?;
            return Ok(journal.undone());
        }
        self.clear_locks_of(journal)?;
        let tip = self.commit_of(self.root(), &branch.full())?;
        if tip.as_ref() != Some(from) || !self.is_on(worktree, branch)? {
            // The ref is moved last; or a person has gone on since.
            journal.end()?;
            return Ok(if tip.as_ref() == Some(to) { journal.finished() } else { journal.undone() });
        }
        if self.written(journal)?.is_none() {
            journal.end()?;
            return Ok(journal.undone());
        }
        if let Err(error) = self.git.write(worktree, "read-tree").args(["--reset", "-u", to.as_str()]).bytes()
        {
            // What stopped it the first time may do so again, a full disk for one.
            return match self.undo_checkout(journal) {
                Ok(()) => journal.end().map(|()| journal.undone()),
                Err(_) => Err(journal.unfinished(error)),
            };
        }
        self.update_ref(worktree, &branch.full(), to.as_str(), from.as_str(), "missiond: merge (recovered)")?;
        journal.end()?;
        Ok(journal.finished())
    }

    /// Brings index and files back to where they were, and makes sure of it.
    fn undo_checkout(&self, journal: &Journal) -> Result<()> {
        let Journal { worktree, branch, from, .. } = journal;
        self.clear_locks_of(journal)?;
        let tip = self.commit_of(self.root(), &branch.full())?;
        if tip.as_ref() != Some(from) || !self.is_on(worktree, branch)? {
            return Err(Error::RefMoved { reference: branch.full(), expected: from.to_string() });
        }
        let Some(written) = self.written(journal)? else { return Ok(()) };
        // Git doesn't know yet that these are its own.
        for path in written {
            delete_with_empty_parents(worktree, &path)?;
        }
        self.git.write(worktree, "read-tree").args(["--reset", "-u", from.as_str()]).bytes()?;
        self.refresh_index(worktree)?;
        let left = self
            .git
            .read(worktree, "diff-index")
            .args(["--ignore-submodules=dirty", "--name-only", "-z", from.as_str(), "--"])
            .bytes()?;
        match records(&left).count() {
            0 => Ok(()),
            files => Err(journal.dirty(files)),
        }
    }

    fn clear_locks_of(&self, journal: &Journal) -> Result<()> {
        let git_dir = self.git_dir(&journal.worktree)?;
        let locks = [
            git_dir.join("index.lock"),
            git_dir.join("HEAD.lock"),
            self.common_dir().join(format!("{}.lock", journal.branch.full())),
        ];
        let began = fs::metadata(&journal.file).and_then(|meta| meta.modified());
        self.clear_stale_locks(&locks, began.map_err(Error::io("look at", &journal.file))?)
    }

    fn is_on(&self, worktree: &Path, branch: &BranchName) -> Result<bool> {
        Ok(self.head_ref(worktree)?.as_deref() == Some(branch.full().as_str()))
    }

    /// Returns the new files that are there already; `None` if the checkout has changed nothing yet.
    ///
    /// Refuses if a file is neither as it was nor as it will be nor on its way there, or if something else is staged:
    /// that is somebody's work, which going on in either direction would overwrite.
    fn written(&self, journal: &Journal) -> Result<Option<Vec<PathBuf>>> {
        let Journal { worktree, from, to, .. } = journal;
        let index_lock = self.git_dir(worktree)?.join("index.lock");
        if index_lock.exists() {
            return Err(Error::IndexLocked { path: index_lock });
        }
        let (old, new) = (self.differing(worktree, from)?, self.differing(worktree, to)?);
        let paths = |filter: &str| self.differing_paths(worktree, from, to, filter);
        let written: Vec<PathBuf> =
            paths("--diff-filter=A")?.into_iter().filter(|path| is_there(worktree, path)).collect();
        if old.is_empty() && written.is_empty() {
            return Ok(None);
        }
        // Of a file that goes, what isn't the old content is only told by its being there.
        let gone: HashSet<PathBuf> = paths("--diff-filter=D")?.into_iter().collect();
        let changed: HashSet<PathBuf> = paths("--diff-filter=AMT")?.into_iter().collect();
        let neither = new.iter().filter(|path| old.contains(*path) || written.contains(path));
        let mut foreign = 0;
        for path in neither.chain(old.intersection(&gone)).filter(|path| is_there(worktree, path)) {
            let touched = changed.contains(path) || gone.contains(path);
            let begun =
                touched && (self.is_begun(worktree, path, to)? || self.is_begun(worktree, path, from)?);
            foreign += usize::from(!begun);
        }
        let staged = |commit: &ObjectId| -> Result<usize> {
            let diff = self.git.read(worktree, "diff-index").args(["--cached", "--name-only", "-z"]);
            Ok(records(&diff.args([commit.as_str(), "--"]).bytes()?).count())
        };
        foreign += match staged(from)? {
            0 => 0,
            files => files.min(staged(to)?),
        };
        if foreign > 0 { Err(journal.dirty(foreign)) } else { Ok(Some(written)) }
    }

    /// Whether the file is the beginning of what it is in `commit`: git was stopped while it wrote it.
    fn is_begun(&self, worktree: &Path, path: &Path, commit: &ObjectId) -> Result<bool> {
        let file = worktree.join(path);
        let Ok((opened, meta)) = open_regular(&file) else { return Ok(false) };
        let mut object = format!("{commit}:").into_bytes();
        object.extend_from_slice(path.as_os_str().as_bytes());
        let whole = self.git.read(worktree, "cat-file").arg("--filters").arg(to_path(&object)).output()?;
        if whole.code != 0 || meta.len() > whole.stdout.len() as u64 {
            return Ok(false);
        }
        let mut begun = Vec::new();
        opened.take(meta.len()).read_to_end(&mut begun).map_err(Error::io("read", &file))?;
        Ok(whole.stdout.starts_with(&begun))
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
}

fn folder(repo: &Repository) -> PathBuf {
    repo.state_dir().join("merges")
}

fn journals(repo: &Repository) -> Vec<(PathBuf, Result<Journal>)> {
    let Ok(entries) = fs::read_dir(folder(repo)) else { return Vec::new() };
    let files = entries.flatten().map(|entry| entry.path());
    files.filter_map(|file| Journal::load(&file).transpose().map(|journal| (file, journal))).collect()
}

/// Whether there is a file at the path, and not by way of a symlink to elsewhere.
fn is_there(worktree: &Path, path: &Path) -> bool {
    let is_dir = |part: &Path| fs::symlink_metadata(worktree.join(part)).is_ok_and(|meta| meta.is_dir());
    path.ancestors().skip(1).all(is_dir)
        && fs::symlink_metadata(worktree.join(path)).is_ok_and(|meta| !meta.is_dir())
}
