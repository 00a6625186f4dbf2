use std::path::{Path, PathBuf};

use crate::command::{records, to_path};
use crate::{Error, Repository, Result};

/// How much work a worktree holds that isn't committed. Ignored files don't count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Tracked files that differ from HEAD, in the index or on disk, without the conflicts. A submodule counts if another
    /// commit is checked out in it; its files aren't looked at.
    pub changed: usize,
    /// Files git doesn't know. A repository inside counts as one.
    pub untracked: usize,
    /// Files with unresolved conflicts.
    pub conflicts: Vec<PathBuf>,
    /// Untracked repositories inside the worktree.
    pub nested: Vec<PathBuf>,
    /// `rebase`, `merge` or the like, if one isn't finished.
    pub operation: Option<&'static str>,
}

impl Status {
    /// Whether anything isn't committed.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.changed > 0 || self.untracked > 0 || !self.conflicts.is_empty()
    }
}

/// A file that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The path, as it is in the later commit if it is there.
    pub path: PathBuf,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content or mode changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It had this path before.
    Renamed(PathBuf),
    /// It began as a copy of this one.
    Copied(PathBuf),
    /// It became another type: file, symlink or submodule.
    TypeChanged,
}

/// How far two branches are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AheadBehind {
    /// Commits only the branch has.
    pub ahead: u64,
    /// Commits only the base has.
    pub behind: u64,
}

/// A patch, as bytes since file contents have no known encoding. It is untrusted text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiffText {
    /// The patch, or its beginning.
    pub bytes: Vec<u8>,
    /// Whether the rest was cut off.
    pub truncated: bool,
}

impl Repository {
    /// Counts what isn't committed in a worktree.
    ///
    /// # Errors
    /// [`Error::UnusablePath`] if the worktree's own configuration starts programs or its data is damaged;
    /// [`Error::Redirected`] if it isn't a worktree of this repository any more, or never was;
    /// [`Error::OutputTooLarge`] with millions of untracked files.
    pub fn status(&self, worktree: impl AsRef<Path>) -> Result<Status> {
        let worktree = &self.trusted_worktree(worktree.as_ref())?;
        let out = self
            .git
            .read(worktree, "status")
            .args(["--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty"])
            .bytes()?;
        let mut status = Status { operation: self.operation_in_progress(worktree)?, ..Status::default() };
        let mut entries = records(&out);
        while let Some(entry) = entries.next() {
            match entry {
                [b'1', b' ', ..] => status.changed += 1,
                [b'2', b' ', ..] => {
                    status.changed += 1;
                    // A rename's old path is a record of its own.
                    entries.next();
                }
                [b'u', b' ', ..] => {
                    let path = entry.splitn(11, |byte| *byte == b' ').nth(10).unwrap_or_default();
                    status.conflicts.push(to_path(path));
                }
                [b'?', b' ', path @ ..] => {
                    status.untracked += 1;
                    // Only a repository is shown as a directory when all files are listed.
                    if let Some(dir) = path.strip_suffix(b"/") {
                        status.nested.push(to_path(dir));
                    }
                }
                _ => {}
            }
        }
        Ok(status)
    }

    /// Lists what `branch` changed since it left `base`. Both are revisions.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`].
    pub fn changed_files(&self, base: &str, branch: &str) -> Result<Vec<Change>> {
        let (from, to) = self.diff_ends(base, branch)?;
        let out = self
            .git
            .read(self.root(), "diff")
            .args(["--no-ext-diff", "--no-textconv", "--name-status", "-z", "--find-renames"])
            .args([&from, &to, "--"])
            .bytes()?;
        let mut changes = Vec::new();
        let mut fields = records(&out);
        while let Some(status) = fields.next() {
            let missing = || Error::UnexpectedOutput {
                command: "diff".to_owned(),
                detail: "a status without a path".to_owned(),
            };
            let first = to_path(fields.next().ok_or_else(missing)?);
            let (path, kind) = match status.first() {
                Some(b'A') => (first, ChangeKind::Added),
                Some(b'D') => (first, ChangeKind::Deleted),
                Some(b'T') => (first, ChangeKind::TypeChanged),
                Some(b'R') => (to_path(fields.next().ok_or_else(missing)?), ChangeKind::Renamed(first)),
                Some(b'C') => (to_path(fields.next().ok_or_else(missing)?), ChangeKind::Copied(first)),
                _ => (first, ChangeKind::Modified),
            };
            changes.push(Change { path, kind });
        }
        Ok(changes)
    }

    /// Returns the patch of what `branch` changed since it left `base`, at most `max_bytes` of it.
    ///
    /// External diff programs and text conversions of the repository's configuration are not run.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`]; [`Error::OutputTooLarge`] if the whole patch is larger than
    /// [`Settings::max_output`](crate::Settings::max_output).
    pub fn diff(&self, base: &str, branch: &str, max_bytes: usize) -> Result<DiffText> {
        let (from, to) = self.diff_ends(base, branch)?;
        let mut bytes = self
            .git
            .read(self.root(), "diff")
            .args(["--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--patch"])
            .args(["--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"])
            .args([&from, &to, "--"])
            .bytes()?;
        let truncated = bytes.len() > max_bytes;
        if truncated {
            bytes.truncate(max_bytes);
            // Whole lines only.
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
        }
        Ok(DiffText { bytes, truncated })
    }

    /// Counts the commits that `branch` and `base` don't share. Both are revisions.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`].
    pub fn ahead_behind(&self, base: &str, branch: &str) -> Result<AheadBehind> {
        let (base, branch) = (self.resolve(base)?, self.resolve(branch)?);
        let text = self
            .git
            .read(self.root(), "rev-list")
            .args(["--left-right", "--count"])
            .arg(format!("{base}...{branch}"))
            .text()?;
        let mut counts = text.split_whitespace().map(str::parse);
        match (counts.next(), counts.next()) {
            (Some(Ok(behind)), Some(Ok(ahead))) => Ok(AheadBehind { ahead, behind }),
            _ => Err(Error::UnexpectedOutput {
                command: "rev-list".to_owned(),
                detail: format!("{:?} instead of two counts", text.chars().take(100).collect::<String>()),
            }),
        }
    }

    /// Returns the merge base (the base itself for unrelated histories) and the branch's tip.
    fn diff_ends(&self, base: &str, branch: &str) -> Result<(String, String)> {
        let (base, branch) = (self.resolve(base)?, self.resolve(branch)?);
        let from = self.merge_base(&base, &branch)?.unwrap_or(base);
        Ok((from.to_string(), branch.to_string()))
    }
}
