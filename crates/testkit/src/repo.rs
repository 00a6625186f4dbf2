//! Scratch git repositories.
//!
//! The machine's and the user's git configuration have no say here, and the identity is written into the
//! repository itself, so that the program under test commits with it too.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

/// A repository in a scratch directory that is removed with it.
#[derive(Debug)]
pub struct Repo {
    scratch: TempDir,
    path: PathBuf,
}

impl Repo {
    /// Makes an empty repository whose branch is `main`.
    ///
    /// # Errors
    /// When git is missing or fails.
    pub fn empty() -> Result<Self> {
        let (scratch, path) = Self::place()?;
        git_in(scratch.path(), &["init", "--quiet", "--initial-branch=main", "repo"])?;
        Self { scratch, path }.configured()
    }

    /// Makes a repository with one commit that holds a `README.md`.
    ///
    /// # Errors
    /// When git is missing or fails.
    pub fn with_commit() -> Result<Self> {
        let repo = Self::empty()?;
        repo.commit_file("README.md", "# scratch\n", "Begin")?;
        Ok(repo)
    }

    /// Clones the repository.
    ///
    /// # Errors
    /// When git fails.
    pub fn clone_of(origin: &Self) -> Result<Self> {
        let (scratch, path) = Self::place()?;
        let origin = origin.path.to_str().context("the scratch path is no UTF-8")?;
        git_in(scratch.path(), &["clone", "--quiet", origin, "repo"])?;
        Self { scratch, path }.configured()
    }

    /// The work tree's directory; beside it there is room, see [`beside`](Self::beside).
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path of this name in the scratch directory next to the repository.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a file of the work tree, with the directories above it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path.join(file);
        let directory = path.parent().context("a file name is expected")?;
        fs::create_dir_all(directory).with_context(|| format!("can't make {}", directory.display()))?;
        fs::write(&path, content).with_context(|| format!("can't write {}", path.display()))?;
        Ok(path)
    }

    /// Commits everything in the work tree and returns the commit's id.
    ///
    /// # Errors
    /// When git fails, also when there is nothing to commit.
    pub fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        self.head()
    }

    /// Writes one file and commits it.
    ///
    /// # Errors
    /// Like [`write`](Self::write) and [`commit`](Self::commit).
    pub fn commit_file(&self, file: &str, content: impl AsRef<[u8]>, message: &str) -> Result<String> {
        self.write(file, content)?;
        self.commit(message)
    }

    /// The id of the commit that is checked out.
    ///
    /// # Errors
    /// When git fails, also when there is no commit.
    pub fn head(&self) -> Result<String> {
        self.git(&["rev-parse", "--verify", "HEAD"])
    }

    /// The names of the local branches, sorted.
    ///
    /// # Errors
    /// When git fails.
    pub fn branches(&self) -> Result<Vec<String>> {
        let out = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"])?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// A file's content as it is in a commit.
    ///
    /// # Errors
    /// When git fails, also when the commit has no such file.
    pub fn show(&self, revision: &str, file: &str) -> Result<String> {
        self.git(&["show", &format!("{revision}:{file}")])
    }

    /// Runs git in the work tree and returns its output without the last newline.
    ///
    /// # Errors
    /// When git is missing or ends with another status than 0; the error holds what it said.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        git_in(&self.path, arguments)
    }

    fn place() -> Result<(TempDir, PathBuf)> {
        let scratch = tempfile::Builder::new().prefix("repo-").tempdir().context("no scratch directory")?;
        // The real path: git reports it, and a test that compares paths shouldn't stumble over a linked /tmp.
        let path = scratch.path().canonicalize().context("the scratch directory")?.join("repo");
        Ok((scratch, path))
    }

    fn configured(self) -> Result<Self> {
        for (key, value) in [
            ("user.name", "Test"),
            ("user.email", "test@example.com"),
            ("commit.gpgsign", "false"),
            ("tag.gpgsign", "false"),
            ("core.autocrlf", "false"),
            ("gc.auto", "0"),
        ] {
            self.git(&["config", key, value])?;
        }
        Ok(self)
    }
}

/// Runs git in any directory without the machine's configuration and returns its output without the last newline.
///
/// # Errors
/// When git is missing or ends with another status than 0; the error holds what it said.
pub fn git_in(directory: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    // A test may itself run from a git hook, which sets the variables that point at the outer repository.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GIT_")) {
            command.env_remove(name);
        }
    }
    let output = command
        .current_dir(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .context("git could not be started; scripts/test installs it")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`git {}` in {} ended with {}: {said}",
            arguments.join(" "),
            directory.display(),
            output.status
        );
    }
    let mut text = String::from_utf8(output.stdout).context("git's output is no UTF-8")?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
