use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use crate::command::Git;
use crate::lock::Lock;
use crate::site::Home;
use crate::{BranchName, Error, Identity, ObjectId, Result, Settings};

/// A repository with a main worktree, found from any place in it.
///
/// Every method blocks; it is cheap to clone and can be used from many threads at once.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    common_dir: PathBuf,
    pub(crate) git: Git,
}

impl Repository {
    /// Finds the repository that `path` lies in, with default [`Settings`].
    ///
    /// `path` may be any directory of the main worktree or of a linked one, or of the git directory itself.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::Bare`], [`Error::NoMainWorktree`], [`Error::NotTrusted`],
    /// [`Error::GitMissing`], [`Error::GitTooOld`].
    pub fn discover(path: impl AsRef<Path>) -> Result<Self> {
        Self::discover_with(path, Settings::default())
    }

    /// Like [`Repository::discover`] with other settings.
    ///
    /// # Errors
    /// As [`Repository::discover`].
    pub fn discover_with(path: impl AsRef<Path>, settings: Settings) -> Result<Self> {
        let path = path.as_ref();
        let mut git = Git::find(settings)?;
        git.check_version()?;
        let path = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let dir = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("/")) };

        let ask = || git.read(dir, "rev-parse").args(["--path-format=absolute", "--git-common-dir"]);
        let mut found = ask().output()?;
        let not_named = |stderr: &str| stderr.contains("cannot use bare repository");
        if found.code != 0 && not_named(&found.stderr) {
            // Before git 2.44, that is said of every git directory.
            if let Some(git_dir) = dir.ancestors().find(|dir| dir.file_name().is_some_and(|n| n == ".git")) {
                found = ask().env("GIT_DIR", git_dir).output()?;
            }
        }
        if found.code != 0 {
            return Err(if found.stderr.contains("not a git repository") {
                Error::NotARepository { path: path.clone() }
            } else if not_named(&found.stderr) {
                Error::Bare { path: path.clone() }
            } else if found.stderr.contains("dubious ownership") {
                Error::NotTrusted { path: path.clone() }
            } else {
                found.into_error("rev-parse".to_owned(), path)
            });
        }
        let common_dir = crate::command::to_path(found.stdout.strip_suffix(b"\n").unwrap_or(&found.stdout));
        let common_dir = fs::canonicalize(&common_dir).map_err(Error::io("open", &common_dir))?;
        let root = main_worktree(&git, &common_dir)?;
        git.keep_to(Home { root: root.clone(), common_dir: common_dir.clone() });
        Ok(Self { root, common_dir, git })
    }

    /// Returns the project root: the main worktree of the common git directory, with symlinks resolved.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the git directory that all worktrees share, with symlinks resolved.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Resolves a revision (`main`, `HEAD~2`, an id …) to a commit, as seen from the main worktree.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`].
    pub fn resolve(&self, revision: &str) -> Result<ObjectId> {
        let unknown = || Error::UnknownRevision { revision: revision.to_owned(), root: self.root.clone() };
        if revision.is_empty() || revision.contains('\0') || revision.len() > 4096 {
            return Err(unknown());
        }
        self.commit_of(&self.root, revision)?.ok_or_else(unknown)
    }

    /// Returns the commit a branch points to.
    ///
    /// # Errors
    /// [`Error::NoSuchBranch`].
    pub fn branch_tip(&self, branch: &BranchName) -> Result<ObjectId> {
        self.commit_of(&self.root, &branch.full())?
            .ok_or_else(|| Error::NoSuchBranch { branch: branch.to_string() })
    }

    /// Resolves a revision as seen from the worktree `dir`; `None` if it names no commit.
    pub(crate) fn commit_of(&self, dir: &Path, revision: &str) -> Result<Option<ObjectId>> {
        let out = self
            .git
            .read(dir, "rev-parse")
            .args(["--verify", "--quiet", "--end-of-options"])
            .arg(format!("{revision}^{{commit}}"))
            .output()?;
        if out.code != 0 {
            return Ok(None);
        }
        let id = String::from_utf8_lossy(&out.stdout);
        self.object_id("rev-parse", id.trim()).map(Some)
    }

    pub(crate) fn object_id(&self, command: &str, text: &str) -> Result<ObjectId> {
        ObjectId::new(text.trim()).map_err(|_| Error::UnexpectedOutput {
            command: command.to_owned(),
            detail: format!("{:?} instead of an object id", text.chars().take(100).collect::<String>()),
        })
    }

    pub(crate) fn is_ancestor(&self, ancestor: &ObjectId, of: &ObjectId) -> Result<bool> {
        self.git
            .read(&self.root, "merge-base")
            .arg("--is-ancestor")
            .args([ancestor.as_str(), of.as_str()])
            .holds()
    }

    /// Returns the first merge base, or `None` for unrelated histories.
    pub(crate) fn merge_base(&self, one: &ObjectId, other: &ObjectId) -> Result<Option<ObjectId>> {
        let out = self.git.read(&self.root, "merge-base").args([one.as_str(), other.as_str()]).output()?;
        match out.code {
            0 => self.object_id("merge-base", &String::from_utf8_lossy(&out.stdout)).map(Some),
            1 => Ok(None),
            _ => Err(out.into_error("merge-base".to_owned(), self.root.clone())),
        }
    }

    /// Moves `reference` from `old` to `new` unless somebody else moved it. `old` of zeros means it must not exist.
    pub(crate) fn update_ref(
        &self,
        dir: &Path,
        reference: &str,
        new: &str,
        old: &str,
        reason: &str,
    ) -> Result<()> {
        let out = self
            .git
            .write(dir, "update-ref")
            .args(["--create-reflog", "-m", reason, reference, new, old])
            .output()?;
        self.ref_result(out, dir, reference, old)
    }

    /// Deletes `reference` if it still is `old`.
    pub(crate) fn delete_ref(&self, reference: &str, old: &str) -> Result<()> {
        let out = self.git.write(&self.root, "update-ref").args(["-d", reference, old]).output()?;
        self.ref_result(out, &self.root, reference, old)
    }

    fn ref_result(&self, out: crate::command::Output, dir: &Path, reference: &str, old: &str) -> Result<()> {
        if out.code == 0 {
            return Ok(());
        }
        let moved = ["but expected", "reference already exists", "unable to resolve reference"];
        if moved.iter().any(|text| out.stderr.contains(text)) {
            return Err(Error::RefMoved { reference: reference.to_owned(), expected: old.to_owned() });
        }
        Err(out.into_error("update-ref".to_owned(), dir.to_owned()))
    }

    /// Returns the identity of the person as git knows it, or the fallback.
    pub(crate) fn identity(&self, dir: &Path) -> Result<Identity> {
        let value = |key: &str| -> Result<String> {
            let out = self.git.read(dir, "config").args(["--get", key]).output()?;
            Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
        };
        let (name, email) = (value("user.name")?, value("user.email")?);
        if name.is_empty() || email.is_empty() {
            Ok(Identity::fallback())
        } else {
            Ok(Identity { name, email })
        }
    }

    /// The folder for this crate's own files.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.common_dir.join("missiond")
    }

    pub(crate) fn lock(&self, doing: &str) -> Result<Lock> {
        Lock::take(&self.state_dir().join("lock"), self.git.settings().lock_wait, doing)
    }
}

/// Finds the worktree that owns the common directory, from the directory alone.
fn main_worktree(git: &Git, common_dir: &Path) -> Result<PathBuf> {
    let value = |kind: &[&str], key: &str| -> Result<Option<PathBuf>> {
        let mut call = git.read(Path::new("/"), "config").arg("--file").arg(common_dir.join("config"));
        call = call.args(kind).args(["--get", key]);
        let out = call.output()?;
        let value = out.stdout.strip_suffix(b"\n").unwrap_or(&out.stdout);
        Ok((out.code == 0).then(|| crate::command::to_path(value)))
    };
    // Submodules and `--separate-git-dir` name their worktree; it is relative to the git directory.
    let root = if let Some(worktree) = value(&[], "core.worktree")? {
        common_dir.join(worktree)
    } else if value(&["--type=bool"], "core.bare")?.is_some_and(|bare| bare == Path::new("true")) {
        return Err(Error::Bare { path: common_dir.to_owned() });
    } else if common_dir.file_name().is_some_and(|name| name == ".git") {
        common_dir.parent().unwrap_or(common_dir).to_owned()
    } else {
        return Err(Error::NoMainWorktree { common_dir: common_dir.to_owned() });
    };
    fs::canonicalize(&root).map_err(|error| {
        if error.kind() == IoErrorKind::NotFound {
            Error::NoMainWorktree { common_dir: common_dir.to_owned() }
        } else {
            Error::io("open", &root)(error)
        }
    })
}
