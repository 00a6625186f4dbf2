use std::fmt;
use std::path::{Path, PathBuf};

use crate::command::to_path;
use crate::{BranchName, Error, Identity, ObjectId, Repository, Result};

/// How [`Repository::merge`] goes about it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MergeOptions {
    /// Which commit comes out.
    pub strategy: MergeStrategy,
    /// What may happen to a worktree that has the target checked out.
    pub checked_out: CheckedOut,
    /// The commit message. Default: `Merge branch 'x' into y`.
    pub message: Option<String>,
    /// The author of the commit. Default: the person's identity, or [`Identity::fallback`].
    pub author: Option<Identity>,
}

/// Which commit a merge makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MergeStrategy {
    /// None if the target can simply move forward, else one with two parents.
    #[default]
    FastForwardOrMerge,
    /// Always one with two parents.
    Merge,
    /// None; where that isn't possible it is an error.
    FastForwardOnly,
    /// One with the target as its only parent.
    Squash,
}

/// What may happen to a worktree that has the target branch checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CheckedOut {
    /// Nothing: the merge is refused.
    #[default]
    Refuse,
    /// It is brought to the new commit if it is clean and nothing in it would be overwritten; otherwise the merge is
    /// refused.
    UpdateIfClean,
}

/// Why a checkout wasn't touched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckoutBlock {
    /// The caller didn't ask for it ([`CheckedOut::Refuse`]).
    NotAsked,
    /// So many files have changes that aren't committed.
    Dirty(usize),
    /// Files or directories that git doesn't track are where the merge puts files.
    InTheWay(Vec<PathBuf>),
    /// A rebase, merge or the like isn't finished.
    OperationInProgress(&'static str),
}

/// What a merge did. Conflicts are a result and not an error: nothing was changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MergeOutcome {
    /// The target has all commits of the branch already.
    UpToDate {
        /// The target's tip.
        commit: ObjectId,
    },
    /// The target moved forward to the branch's tip.
    FastForwarded {
        /// Where it was.
        from: ObjectId,
        /// Where it is.
        to: ObjectId,
        /// The worktree that was brought along.
        updated: Option<PathBuf>,
    },
    /// A commit was made, and the target points to it.
    Merged {
        /// Where the target was.
        from: ObjectId,
        /// The new commit.
        commit: ObjectId,
        /// The worktree that was brought along.
        updated: Option<PathBuf>,
    },
    /// Nothing was changed, since a person must decide.
    Conflicts(Vec<Conflict>),
}

/// What a merge would do, as [`Repository::preview_merge`] tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MergePreview {
    /// The target has all commits of the branch already.
    UpToDate,
    /// The target can simply move forward.
    FastForward,
    /// The merge is clean.
    Clean,
    /// These files need a person.
    Conflicts(Vec<Conflict>),
}

/// A path that two branches changed in ways that don't fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The path.
    pub path: PathBuf,
    /// Git's words for the kind, such as `CONFLICT (contents)` or `CONFLICT (modify/delete)`.
    pub kinds: Vec<String>,
    /// The file in the common ancestor.
    pub base: Option<Blob>,
    /// The file in the target.
    pub ours: Option<Blob>,
    /// The file in the branch.
    pub theirs: Option<Blob>,
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its mode as git writes it, in octal: 100644, 100755, 120000 (symlink), 160000 (submodule).
    pub mode: u32,
    /// Its content; a commit for a submodule.
    pub id: ObjectId,
}

/// A merge computed in memory.
enum Computed {
    UpToDate,
    FastForward,
    Clean { tree: ObjectId },
    Conflicts(Vec<Conflict>),
}

impl Repository {
    /// Says what merging `branch` into `into` would do. Changes nothing but adding objects.
    ///
    /// # Errors
    /// [`Error::NoSuchBranch`]; [`Error::Git`] for unrelated histories.
    pub fn preview_merge(&self, branch: &BranchName, into: &BranchName) -> Result<MergePreview> {
        let computed = self.compute_merge(&self.branch_tip(into)?, &self.branch_tip(branch)?)?;
        Ok(match computed {
            Computed::UpToDate => MergePreview::UpToDate,
            Computed::FastForward => MergePreview::FastForward,
            Computed::Clean { .. } => MergePreview::Clean,
            Computed::Conflicts(conflicts) => MergePreview::Conflicts(conflicts),
        })
    }

    /// Merges `branch` into the branch `into`, computed in memory.
    ///
    /// The target ref is moved only if it still is what the merge was computed from. A worktree that has the target
    /// checked out is touched only as [`MergeOptions::checked_out`] says; other worktrees never are. A checkout that
    /// fails on its way is undone; if that fails as well, the next merge into the branch or [`Repository::recover`]
    /// completes or undoes it.
    ///
    /// # Errors
    /// [`Error::NoSuchBranch`], [`Error::NotFastForward`], [`Error::CheckoutBlocked`], [`Error::CheckoutUnfinished`],
    /// [`Error::RefMoved`], [`Error::IndexLocked`], [`Error::LockHeld`]; [`Error::Git`] for unrelated histories.
    pub fn merge(
        &self,
        branch: &BranchName,
        into: &BranchName,
        options: &MergeOptions,
    ) -> Result<MergeOutcome> {
        let _lock = self.lock("merge")?;
        self.recover_checkout_of(into)?;
        let from = self.branch_tip(into)?;
        let theirs = self.branch_tip(branch)?;
        let computed = self.compute_merge(&from, &theirs)?;
        let forward = matches!(computed, Computed::FastForward);
        let tree = match (computed, options.strategy) {
            (Computed::UpToDate, _) => return Ok(MergeOutcome::UpToDate { commit: from }),
            (Computed::Conflicts(conflicts), MergeStrategy::FastForwardOrMerge)
            | (Computed::Conflicts(conflicts), MergeStrategy::Merge | MergeStrategy::Squash) => {
                return Ok(MergeOutcome::Conflicts(conflicts));
            }
            (Computed::FastForward, MergeStrategy::FastForwardOrMerge | MergeStrategy::FastForwardOnly) => {
                None
            }
            (_, MergeStrategy::FastForwardOnly) => {
                return Err(Error::NotFastForward { branch: branch.to_string(), into: into.to_string() });
            }
            (Computed::FastForward, _) => {
                let tree =
                    self.git.read(self.root(), "rev-parse").arg(format!("{theirs}^{{tree}}")).text()?;
                Some(self.object_id("rev-parse", &tree)?)
            }
            (Computed::Clean { tree }, _) => Some(tree),
        };
        let checkout = self.checkout_to_update(into, options.checked_out)?;
        let to = match tree {
            None => theirs,
            Some(tree) => {
                let squash = options.strategy == MergeStrategy::Squash;
                let parents = if squash { vec![&from] } else { vec![&from, &theirs] };
                let default = if squash {
                    format!("Squash branch '{branch}' into {into}\n")
                } else {
                    format!("Merge branch '{branch}' into {into}\n")
                };
                let message = options.message.as_deref().unwrap_or(&default);
                self.commit_merge(&tree, &parents, message, options.author.as_ref())?
            }
        };
        let reason = format!("missiond: merge {branch}");
        match &checkout {
            Some(worktree) => self.advance_checkout(worktree, into, &from, &to, &reason)?,
            None => self.update_ref(self.root(), &into.full(), to.as_str(), from.as_str(), &reason)?,
        }
        Ok(if forward && to == self.branch_tip(branch)? {
            MergeOutcome::FastForwarded { from, to, updated: checkout }
        } else {
            MergeOutcome::Merged { from, commit: to, updated: checkout }
        })
    }

    fn compute_merge(&self, ours: &ObjectId, theirs: &ObjectId) -> Result<Computed> {
        if self.is_ancestor(theirs, ours)? {
            return Ok(Computed::UpToDate);
        }
        if self.is_ancestor(ours, theirs)? {
            return Ok(Computed::FastForward);
        }
        let out = self
            .git
            .write(self.root(), "merge-tree")
            .args(["--write-tree", "-z", "--messages", ours.as_str(), theirs.as_str()])
            .output()?;
        match out.code {
            0 => {
                let tree = out.stdout.split(|byte| *byte == 0).next().unwrap_or_default();
                let tree = self.object_id("merge-tree", &String::from_utf8_lossy(tree))?;
                Ok(Computed::Clean { tree })
            }
            1 => parse_conflicts(&out.stdout).map(Computed::Conflicts),
            _ => Err(out.into_error("merge-tree".to_owned(), self.root().to_owned())),
        }
    }

    fn commit_merge(
        &self,
        tree: &ObjectId,
        parents: &[&ObjectId],
        message: &str,
        author: Option<&Identity>,
    ) -> Result<ObjectId> {
        let committer = self.identity(self.root())?;
        let author = author.unwrap_or(&committer);
        let mut call = self.git.write(self.root(), "commit-tree").arg(tree.as_str());
        for parent in parents {
            call = call.args(["-p", parent.as_str()]);
        }
        let mut message = message.replace('\0', " ");
        if !message.ends_with('\n') {
            message.push('\n');
        }
        let id = call
            .env("GIT_AUTHOR_NAME", &author.name)
            .env("GIT_AUTHOR_EMAIL", &author.email)
            .env("GIT_COMMITTER_NAME", &committer.name)
            .env("GIT_COMMITTER_EMAIL", &committer.email)
            .input(message)
            .text()?;
        self.object_id("commit-tree", &id)
    }
}

impl fmt::Display for CheckoutBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("updating it wasn't asked for"),
            Self::Dirty(files) => {
                write!(f, "{files} files in it have changes that aren't committed; commit or stash them")
            }
            Self::InTheWay(paths) => {
                let shown: Vec<&Path> = paths.iter().take(5).map(PathBuf::as_path).collect();
                write!(f, "untracked files are in the way: {shown:?}")?;
                if paths.len() > shown.len() {
                    write!(f, " and {} more", paths.len() - shown.len())?;
                }
                f.write_str("; move them")
            }
            Self::OperationInProgress(operation) => {
                write!(f, "a {operation} is in progress in it; finish or abort that")
            }
        }
    }
}

/// Reads the output of `git merge-tree --write-tree -z` with conflicts: the tree, then `mode SP id SP stage TAB path`
/// records up to an empty one, then messages: a count of paths, the paths, the kind and the text.
fn parse_conflicts(output: &[u8]) -> Result<Vec<Conflict>> {
    let bad = |detail: &str| Error::UnexpectedOutput {
        command: "merge-tree".to_owned(),
        detail: detail.to_owned(),
    };
    let mut conflicts: Vec<Conflict> = Vec::new();
    let mut fields = output.split(|byte| *byte == 0);
    fields.next();
    for entry in fields.by_ref() {
        if entry.is_empty() {
            break;
        }
        let at =
            entry.iter().position(|byte| *byte == b'\t').ok_or_else(|| bad("an entry without a path"))?;
        let head = std::str::from_utf8(&entry[..at]).map_err(|_| bad("an entry that isn't text"))?;
        let mut parts = head.split(' ');
        let (Some(mode), Some(id), Some(stage)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("an entry without mode, id and stage"));
        };
        let mode = u32::from_str_radix(mode, 8).map_err(|_| bad("a mode that isn't octal"))?;
        let blob = Blob { mode, id: ObjectId::new(id).map_err(|_| bad("an id that isn't one"))? };
        let conflict = conflict_at(&mut conflicts, to_path(&entry[at + 1..]));
        match stage {
            "1" => conflict.base = Some(blob),
            "2" => conflict.ours = Some(blob),
            "3" => conflict.theirs = Some(blob),
            _ => return Err(bad("an unknown stage")),
        }
    }
    while let Some(count) = fields.next() {
        let Some(count) = std::str::from_utf8(count).ok().and_then(|count| count.parse::<usize>().ok())
        else {
            break;
        };
        let paths: Vec<PathBuf> = fields.by_ref().take(count).map(to_path).collect();
        let kind = String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
        fields.next();
        // The others tell of files that were merged without trouble.
        if kind.starts_with("CONFLICT") {
            for path in paths {
                let conflict = conflict_at(&mut conflicts, path);
                if !conflict.kinds.contains(&kind) {
                    conflict.kinds.push(kind.clone());
                }
            }
        }
    }
    Ok(conflicts)
}

/// Returns the conflict of that path. The list comes sorted, so it is nearly always the last one.
fn conflict_at(conflicts: &mut Vec<Conflict>, path: PathBuf) -> &mut Conflict {
    let at = match conflicts.iter().rposition(|conflict| conflict.path == path) {
        Some(at) => at,
        None => {
            conflicts.push(Conflict { path, kinds: Vec::new(), base: None, ours: None, theirs: None });
            conflicts.len() - 1
        }
    };
    &mut conflicts[at]
}
