use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::to_path;
use crate::site::{MAX_FILE, read_small, require_files};
use crate::{BranchName, Error, ObjectId, Repository, Result};

/// What git reads of every worktree when it lists them or looks for a branch in use.
const READ_OF_ALL: &[&str] = &[
    "gitdir",
    "commondir",
    "HEAD",
    "locked",
    "rebase-merge/head-name",
    "rebase-merge/onto",
    "rebase-merge/update-refs",
    "rebase-apply/head-name",
    "rebase-apply/onto",
    "BISECT_START",
];

/// What a worktree has checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Head {
    /// A branch, by its name without `refs/heads/`. Git may know names that [`BranchName`] refuses.
    Branch(String),
    /// A commit without a branch.
    Detached(ObjectId),
    /// Nothing that can be read.
    Unknown,
}

/// A worktree as git lists it, whoever made it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Worktree {
    /// Where it is.
    pub path: PathBuf,
    /// What it has checked out.
    pub head: Head,
    /// Why it is locked, if it is; the reason may be empty.
    pub locked: Option<String>,
    /// Whether git would prune it, since its directory is gone.
    pub prunable: bool,
}

/// How often a list that a half-made worktree keeps from being read is asked for again: two seconds in all.
const HALF_MADE_TRIES: u32 = 40;
const HALF_MADE_PAUSE: Duration = Duration::from_millis(50);

/// Whether git failed over one of the files that make a worktree, by its words for one that is empty or not there yet.
fn is_half_made(stderr: &str) -> bool {
    let of_worktree =
        stderr.contains("/worktrees/") && (stderr.contains("commondir") || stderr.contains("gitdir"));
    of_worktree && stderr.contains("failed to read")
}

impl Repository {
    /// What `git worktree list` prints. It fails over a worktree that somebody else's git is making just then, whose files are
    /// there and empty for an instant; it is asked again then, for a while.
    fn listed(&self) -> Result<Vec<u8>> {
        let list =
            || self.git.read(self.common_dir(), "worktree").args(["list", "--porcelain", "-z"]).bytes();
        for _ in 0..HALF_MADE_TRIES {
            match list() {
                Err(Error::Git { stderr, .. }) if is_half_made(&stderr) => {
                    std::thread::sleep(HALF_MADE_PAUSE);
                }
                out => return out,
            }
        }
        list()
    }

    /// Lists every worktree of the repository, the main one first.
    ///
    /// # Errors
    /// [`Error::UnusablePath`] if something else is where a worktree has its files, such as a pipe; when `git` fails.
    pub fn worktrees(&self) -> Result<Vec<Worktree>> {
        for admin_dir in fs::read_dir(self.common_dir().join("worktrees")).into_iter().flatten().flatten() {
            require_files(&admin_dir.path(), READ_OF_ALL, MAX_FILE)?;
        }
        let out = self.listed()?;
        let mut list = Vec::new();
        let mut current: Option<Worktree> = None;
        for line in out.split(|byte| *byte == 0) {
            let (key, value) = match line.iter().position(|byte| *byte == b' ') {
                Some(at) => (&line[..at], &line[at + 1..]),
                None => (line, &line[line.len()..]),
            };
            if key == b"worktree" {
                list.extend(current.take());
                current = Some(Worktree {
                    path: to_path(value),
                    head: Head::Unknown,
                    locked: None,
                    prunable: false,
                });
                continue;
            }
            let Some(worktree) = current.as_mut() else { continue };
            let text = String::from_utf8_lossy(value);
            match key {
                b"HEAD" => {
                    if let Ok(id) = ObjectId::new(text) {
                        worktree.head = Head::Detached(id);
                    }
                }
                b"branch" => {
                    worktree.head =
                        Head::Branch(text.strip_prefix("refs/heads/").unwrap_or(&text).to_owned());
                }
                b"locked" => worktree.locked = Some(text.into_owned()),
                b"prunable" => worktree.prunable = true,
                _ => {}
            }
        }
        list.extend(current);
        if let Some(main) = list.first_mut() {
            // For a repository with `core.worktree` git names the git directory here.
            main.path = self.root().to_owned();
        }
        Ok(list)
    }

    /// Returns the worktree that has the branch checked out, or is rebasing or bisecting it.
    pub(crate) fn worktree_of(&self, branch: &BranchName) -> Result<Option<Worktree>> {
        for worktree in self.worktrees()? {
            if worktree.prunable {
                continue;
            }
            let on_it = matches!(&worktree.head, Head::Branch(name) if name == branch.as_str());
            if on_it || self.worked_on(&worktree.path, branch) {
                return Ok(Some(worktree));
            }
        }
        Ok(None)
    }

    fn worked_on(&self, worktree: &Path, branch: &BranchName) -> bool {
        let Ok(git_dir) = self.git_dir(worktree) else { return false };
        let names = |file: &str| read_small(&git_dir.join(file)).unwrap_or_default();
        let is_branch =
            |bytes: &[u8], name: &str| bytes.strip_suffix(b"\n").unwrap_or(bytes) == name.as_bytes();
        is_branch(&names("rebase-merge/head-name"), &branch.full())
            || is_branch(&names("rebase-apply/head-name"), &branch.full())
            || is_branch(&names("BISECT_START"), branch.as_str())
    }

    /// Returns a worktree's own git directory (`.git/worktrees/<id>` for a linked one).
    pub(crate) fn git_dir(&self, worktree: &Path) -> Result<PathBuf> {
        self.git.read(worktree, "rev-parse").arg("--absolute-git-dir").path()
    }

    /// Names the operation that waits to be finished in a worktree.
    pub(crate) fn operation_in_progress(&self, worktree: &Path) -> Result<Option<&'static str>> {
        let git_dir = self.git_dir(worktree)?;
        let waiting = [
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("MERGE_HEAD", "merge"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("BISECT_LOG", "bisect"),
        ];
        Ok(waiting.iter().find(|(file, _)| git_dir.join(file).exists()).map(|(_, operation)| *operation))
    }

    pub(crate) fn refuse_operation(&self, worktree: &Path) -> Result<()> {
        match self.operation_in_progress(worktree)? {
            Some(operation) => Err(Error::OperationInProgress { path: worktree.to_owned(), operation }),
            None => Ok(()),
        }
    }

    /// Returns what a worktree has checked out: the branch's full ref name, or `None` when detached.
    pub(crate) fn head_ref(&self, worktree: &Path) -> Result<Option<String>> {
        let out = self.git.read(worktree, "symbolic-ref").args(["--quiet", "HEAD"]).output()?;
        Ok((out.code == 0).then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned()))
    }
}
