//! The record of a workspace. It is journal and marker in one: written before anything else is done, and what
//! has no record isn't ours and is never removed.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::owner::Owner;
use crate::record::{self, Fields};
use crate::{BranchName, Error, ObjectId, Repository, Result, WorkspaceName};

use super::{Lease, Workspace};

/// How far a workspace is. The owner in the record is the process that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Being made. Nobody has seen it, so undoing loses nothing.
    Creating,
    /// In use.
    Ready,
    /// Being removed; its directory may have been moved away, its work may not be kept yet.
    Removing,
    /// Being removed, and its work is kept: the rest can be deleted.
    Rescued,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) name: WorkspaceName,
    pub(super) stage: Stage,
    pub(super) owner: Owner,
    /// Unique for all time: the id of the administrative directory and of the temporary directory.
    pub(super) id: String,
    pub(super) branch: BranchName,
    pub(super) owns_branch: bool,
    pub(super) base: ObjectId,
    pub(super) path: PathBuf,
    /// The topmost directory that was made to hold `path`.
    pub(super) parent_made: Option<PathBuf>,
    pub(super) created_ms: u64,
    pub(super) lease: Option<(String, Owner)>,
    /// What happens to the branch while removing: its tip, if it is to be deleted.
    pub(super) delete_branch_at: Option<ObjectId>,
}

impl Stored {
    pub(super) fn admin_dir(&self, repo: &Repository) -> PathBuf {
        repo.common_dir().join("worktrees").join(&self.id)
    }

    /// Where the directory is while it is made or removed: beside its place, so that a rename suffices. Git derives
    /// the id of the administrative directory from this name (and would replace a leading dot).
    pub(super) fn temporary(&self) -> PathBuf {
        self.path.with_file_name(&self.id)
    }

    /// The message in the reflog that shows a branch to be ours.
    pub(super) fn branch_mark(&self) -> String {
        format!("missiond: create {}", self.id)
    }

    pub(super) fn file(repo: &Repository, name: &WorkspaceName) -> PathBuf {
        folder(repo).join(name.as_str())
    }

    pub(super) fn load(repo: &Repository, name: &WorkspaceName) -> Result<Option<Self>> {
        let path = Self::file(repo, name);
        match Fields::load(&path)? {
            Some(fields) => parse(&path, &fields).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn load_ready(repo: &Repository, name: &WorkspaceName) -> Result<Self> {
        let stored =
            Self::load(repo, name)?.ok_or_else(|| Error::NoSuchWorkspace { name: name.to_string() })?;
        match stored.stage {
            Stage::Ready => Ok(stored),
            Stage::Creating => Err(stored.busy("created")),
            Stage::Removing | Stage::Rescued => Err(stored.busy("removed")),
        }
    }

    /// Loads every record, each with its own result.
    pub(super) fn load_all(repo: &Repository) -> Result<Vec<(PathBuf, Result<Self>)>> {
        let folder = folder(repo);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("list", &folder)(error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io("list", &folder))?.path();
            if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")) {
                continue;
            }
            match Fields::load(&path) {
                Ok(Some(fields)) => {
                    let stored = parse(&path, &fields);
                    all.push((path, stored));
                }
                // Removed since the folder was listed.
                Ok(None) => {}
                Err(error) => all.push((path, Err(error))),
            }
        }
        Ok(all)
    }

    pub(super) fn store(&self, repo: &Repository) -> Result<()> {
        let mut fields = Fields::default();
        fields.set("name", self.name.as_str());
        fields.set("stage", self.stage.name());
        fields.set("owner", self.owner.to_text());
        fields.set("id", &self.id);
        fields.set("branch", self.branch.as_str());
        fields.set("owns-branch", if self.owns_branch { "yes" } else { "no" });
        fields.set("base", self.base.as_str());
        fields.set("path", &self.path);
        fields.set("created", self.created_ms.to_string());
        if let Some(parent) = &self.parent_made {
            fields.set("parent-made", parent);
        }
        if let Some((holder, owner)) = &self.lease {
            fields.set("lease-holder", holder);
            fields.set("lease-owner", owner.to_text());
        }
        if let Some(tip) = &self.delete_branch_at {
            fields.set("delete-branch-at", tip.as_str());
        }
        fields.store(&Self::file(repo, &self.name))
    }

    pub(super) fn forget(&self, repo: &Repository) -> Result<()> {
        record::remove_file(&Self::file(repo, &self.name))
    }

    pub(super) fn busy(&self, doing: &'static str) -> Error {
        Error::Busy { name: self.name.to_string(), doing, owner: self.owner.describe() }
    }

    pub(super) fn live_lease(&self) -> Option<Lease> {
        let (holder, owner) = self.lease.as_ref()?;
        owner.is_alive().then(|| Lease { holder: holder.clone(), owner: owner.describe() })
    }

    pub(super) fn into_workspace(self, repo: &Repository) -> Workspace {
        Workspace {
            admin_dir: self.admin_dir(repo),
            lease: self.live_lease(),
            name: self.name,
            branch: self.branch,
            owns_branch: self.owns_branch,
            base: self.base,
            path: self.path,
            created: UNIX_EPOCH + Duration::from_millis(self.created_ms),
        }
    }
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Removing => "removing",
            Self::Rescued => "rescued",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Creating, Self::Ready, Self::Removing, Self::Rescued]
            .into_iter()
            .find(|stage| stage.name() == name)
    }
}

fn folder(repo: &Repository) -> PathBuf {
    repo.state_dir().join("workspaces")
}

fn parse(path: &Path, fields: &Fields) -> Result<Stored> {
    let damaged =
        |key: &str| Error::Damaged { path: path.to_owned(), detail: format!("{key} is missing or invalid") };
    let text = |key: &'static str| fields.text(key).ok_or_else(|| damaged(key));
    let name = WorkspaceName::new(text("name")?).map_err(|_| damaged("name"))?;
    if path.file_name() != Some(OsStr::new(name.as_str())) {
        return Err(damaged("name"));
    }
    let id = text("id")?;
    if !id.starts_with("missiond-") || id.contains('/') {
        // It becomes a part of paths that are deleted.
        return Err(damaged("id"));
    }
    let directory = fields.path("path").filter(|path| path.is_absolute() && path.file_name().is_some());
    let owner = |key: &'static str| fields.text(key).and_then(Owner::parse);
    let lease = match (fields.text("lease-holder"), owner("lease-owner")) {
        (Some(holder), Some(owner)) => Some((holder.to_owned(), owner)),
        (None, None) => None,
        _ => return Err(damaged("lease-owner")),
    };
    let delete_branch_at = match fields.text("delete-branch-at") {
        Some(tip) => Some(ObjectId::new(tip).map_err(|_| damaged("delete-branch-at"))?),
        None => None,
    };
    Ok(Stored {
        stage: Stage::parse(text("stage")?).ok_or_else(|| damaged("stage"))?,
        owner: owner("owner").ok_or_else(|| damaged("owner"))?,
        id: id.to_owned(),
        branch: BranchName::new(text("branch")?).map_err(|_| damaged("branch"))?,
        owns_branch: text("owns-branch")? == "yes",
        base: ObjectId::new(text("base")?).map_err(|_| damaged("base"))?,
        path: directory.ok_or_else(|| damaged("path"))?,
        parent_made: fields.path("parent-made"),
        created_ms: text("created")?.parse().map_err(|_| damaged("created"))?,
        lease,
        delete_branch_at,
        name,
    })
}
