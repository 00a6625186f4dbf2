//! A scratch repository with a configuration of its own, and real `git` to judge it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use missiond_git::{
    BranchName, MergeOptions, Repository, Settings, Workspace, WorkspaceName, WorkspaceRequest,
};
use tempfile::TempDir;

pub(crate) struct Scene {
    /// Deleted with the scene.
    _dir: TempDir,
    pub(crate) base: PathBuf,
    pub(crate) root: PathBuf,
}

impl Scene {
    /// A repository `project` with one commit of a few files on `main`.
    pub(crate) fn new() -> Self {
        let scene = Self::empty();
        scene.write("README.md", "start\n");
        scene.write("src/lib.rs", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
        scene.write(".gitignore", "ignored/\n*.tmp\n");
        scene.commit("first");
        scene
    }

    /// A repository without a commit.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("missiond-git-").tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        let root = base.join("project");
        fs::create_dir(&root).unwrap();
        let scene = Self { _dir: dir, base, root };
        scene.git(&["init", "-q", "-b", "main"]);
        scene
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::discover_with(&self.root, settings()).unwrap()
    }

    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        write(&self.root.join(path), content);
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        commit_in(&self.root, message)
    }

    /// Runs git in the main worktree; it must succeed. Returns its output without the last newline.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        git(&self.root, args)
    }

    /// What git says about the state of things: nothing broken, nothing left over.
    pub(crate) fn assert_healthy(&self) {
        let fsck = git_output(&self.root, &["fsck", "--no-dangling", "--no-progress", "--strict"]);
        let text = format!("{}{}", lossy(&fsck.stdout), lossy(&fsck.stderr));
        assert!(fsck.status.success() && !text.contains("error"), "git fsck: {text}");
        let pruned = git(&self.root, &["worktree", "prune", "--dry-run", "--verbose"]);
        assert_eq!(pruned, "", "git would prune a worktree");
        let list = git(&self.root, &["worktree", "list", "--porcelain"]);
        assert!(!list.contains("\nlocked") && !list.contains("\nprunable"), "{list}");
    }

    pub(crate) fn branches(&self) -> Vec<String> {
        self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn worktree_count(&self) -> usize {
        let list = self.git(&["worktree", "list", "--porcelain"]);
        list.lines().filter(|line| line.starts_with("worktree ")).count()
    }

    /// Everything below the scene that isn't the project, its workspaces' names given.
    pub(crate) fn neighbours(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.base)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "project")
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.environment = isolation().into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    settings
}

fn isolation() -> Vec<(&'static str, &'static str)> {
    vec![
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("HOME", "/nonexistent"),
        ("XDG_CONFIG_HOME", "/nonexistent"),
    ]
}

pub(crate) fn git_output<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("LC_ALL", "C");
    for (key, value) in isolation() {
        command.env(key, value);
    }
    let who = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "protocol.file.allow=always"];
    command.args(who).args(args).output().unwrap()
}

pub(crate) fn git<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> String {
    let output = git_output(dir, args);
    let shown: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
    assert!(output.status.success(), "git {shown:?} in {dir:?}: {}", lossy(&output.stderr));
    lossy(output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout))
}

pub(crate) fn commit_in(dir: &Path, message: &str) -> String {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--no-verify", "--allow-empty", "-m", message]);
    git(dir, &["rev-parse", "HEAD"])
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn write_program(path: &Path, content: &str) {
    write(path, content);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn name(text: &str) -> WorkspaceName {
    WorkspaceName::new(text).unwrap()
}

pub(crate) fn branch(text: &str) -> BranchName {
    BranchName::new(text).unwrap()
}

/// Asks for workspace `text` on branch `agent/<text>` beside the project.
pub(crate) fn request(text: &str) -> WorkspaceRequest {
    WorkspaceRequest::new(name(text), branch(&format!("agent/{text}")), format!("../{text}"))
}

pub(crate) fn create(repo: &Repository, text: &str) -> Workspace {
    repo.create(&request(text)).unwrap().workspace
}

pub(crate) fn update_if_clean() -> MergeOptions {
    let mut options = MergeOptions::default();
    options.checked_out = missiond_git::CheckedOut::UpdateIfClean;
    options
}

/// A directory's files with their type, exec bit and content, without `.git`.
pub(crate) fn snapshot(dir: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(current) = todo.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(dir).unwrap().to_owned();
            let meta = fs::symlink_metadata(&path).unwrap();
            if relative == Path::new(".git") {
                continue;
            }
            if meta.is_dir() {
                todo.push(path);
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                all.push((relative, "link".to_owned(), target.as_os_str().as_encoded_bytes().to_owned()));
            } else {
                let kind = if meta.permissions().mode() & 0o100 == 0 { "file" } else { "program" };
                all.push((relative, kind.to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}
