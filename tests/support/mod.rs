//! What the whole-system tests share: a scratch project and the `missiond` program run on it.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use missiond_core::control::ProjectPaths;
use missiond_testkit::processes::{wait_until, wait_until_async};
use missiond_testkit::repo::Repo;
use serde_json::Value;

/// How long one command may take.
pub const COMMAND: Duration = Duration::from_secs(90);

/// A scratch repository with missiond's configuration in it, and a runtime directory of its own.
pub struct Project {
    pub repo: Repo,
    runtime: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Project {
    /// A repository with one commit, and this text as its `.missiond/config.toml`.
    pub fn new(config: &str) -> Self {
        let repo = Repo::with_commit().unwrap();
        let directory = repo.path().join(".missiond");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("config.toml"), config).unwrap();
        let runtime = tempfile::tempdir().unwrap();
        // A runtime directory that others can look into is refused, and one elsewhere is used.
        std::fs::set_permissions(runtime.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { repo, runtime, environment: Vec::new() }
    }

    /// Sets the environment that the program, and so the agent, gets besides the usual.
    pub fn with_environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.environment = environment;
        self
    }

    pub fn policy(&self, text: &str) {
        std::fs::write(self.path().join(".missiond/policy.toml"), text).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.repo.path()
    }

    /// The `missiond` command in the project, ready to be given arguments.
    pub fn missiond(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_missiond"));
        command.current_dir(self.path()).stdin(Stdio::null());
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.runtime.path());
        command.env("LANG", "C.UTF-8");
        command.env("XDG_RUNTIME_DIR", self.runtime.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.env("MISSIOND_LOG", "missiond=info,warn").env("NO_COLOR", "1");
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        let mut command = self.missiond();
        command.args(args);
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), args)
    }

    /// Starts a command and goes on.
    pub fn start(&self, args: &[&str]) -> Background {
        let mut command = self.missiond();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        Background { child: Some(command.spawn().unwrap()), args: args.join(" ") }
    }

    /// Runs a command that has to succeed, and reads its output as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let finished = self.run(args);
        assert_eq!(finished.code, 0, "{args:?}\n{finished}");
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}\n{finished}"))
    }

    /// Every event of the log.
    pub fn events(&self) -> Vec<Value> {
        let finished = self.run(&["events", "--format", "jsonl"]);
        assert_eq!(finished.code, 0, "{finished}");
        finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until a question is pending, and gives it back. A command that was started a moment ago may not have made the
    /// database yet, which `approvals` says.
    pub fn pending_approval(&self) -> Value {
        wait_until(COMMAND, "a pending approval", || {
            let listed = self.run(&["approvals", "--format", "json"]);
            let nothing_yet = listed.code == 6 && listed.stderr.contains("there is no mission database");
            assert!(listed.code == 0 || nothing_yet, "{listed}");
            serde_json::from_str::<Value>(&listed.stdout).ok()?.as_array()?.first().cloned()
        })
        .unwrap()
    }

    /// The processes of this project's agents, whichever process has the mission: those whose session tag is of the
    /// project's scope.
    pub fn agent_processes(&self) -> Vec<String> {
        let scope = ProjectPaths::new(self.path()).unwrap().session_scope();
        processes(|environment| has(environment, format!("MISSIOND_SESSION={scope}:").as_bytes()))
    }

    /// Waits until an agent of the project has a process, and so shows that [`Project::agent_processes`] would find it.
    pub async fn agent_seen(&self) {
        let seen = || Some(self.agent_processes()).filter(|found| !found.is_empty());
        wait_until_async(COMMAND, "a process of an agent", seen).await.unwrap();
    }

    /// Every process that came of this project's commands, guardians included, which bear no tag: the runtime directory in
    /// their environment is this project's alone. Ask once every command has ended.
    pub fn processes_left(&self) -> Vec<String> {
        let mut ours = b"XDG_RUNTIME_DIR=".to_vec();
        ours.extend_from_slice(self.runtime.path().as_os_str().as_bytes());
        let left =
            || processes(|environment| environment.split(|byte| *byte == 0).any(|variable| variable == ours));
        // A guardian outlives its owner by the moment that its tree takes to end.
        wait_until(Duration::from_secs(10), "the end of every process", || Some(left()).filter(Vec::is_empty))
            .unwrap_or_else(|_| left())
    }

    /// The worktrees besides the main one, as git lists them.
    pub fn worktrees(&self) -> Vec<String> {
        let list = self.repo.git(&["worktree", "list", "--porcelain"]).unwrap();
        let paths = list.lines().filter_map(|line| line.strip_prefix("worktree "));
        paths.filter(|path| Path::new(path) != self.path()).map(str::to_owned).collect()
    }
}

/// Every process whose environment, as the kernel shows it, counts.
fn processes(counts: impl Fn(&[u8]) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(environment) = std::fs::read(path.join("environ")) else { continue };
        if counts(&environment) {
            let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(format!("{}: {command}", path.display()));
        }
    }
    found
}

/// Whether an environment, as the kernel shows it, has a variable that begins so.
fn has(environment: &[u8], start: &[u8]) -> bool {
    environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(start))
}

/// A command that runs beside the test; it is ended with it.
pub struct Background {
    child: Option<Child>,
    args: String,
}

impl Background {
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    pub fn wait(mut self) -> Finished {
        finish(self.child.take().unwrap(), &[&self.args])
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn finish(mut child: Child, args: &[&str]) -> Finished {
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let collect = |reader: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let stdout = std::thread::spawn(move || collect(&mut out));
    let stderr = std::thread::spawn(move || collect(&mut err));
    let status = wait_until(COMMAND, &format!("the end of missiond {args:?}"), || child.try_wait().unwrap());
    if status.is_err() {
        let _ = child.kill();
    }
    let finished = Finished {
        code: status.as_ref().ok().and_then(std::process::ExitStatus::code).unwrap_or(-1),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    };
    status.unwrap_or_else(|error| panic!("{error}\n{finished}"));
    finished
}

/// How a command ended.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The scripted agent's prompt for these steps.
pub fn script(steps: &Value) -> String {
    format!("script:{steps}")
}

/// A configuration with so many slots of one kind.
pub fn slots(agent: &str, driver: &str, count: usize) -> String {
    (1..=count)
        .map(|number| {
            format!("[[slot]]\nid = \"{agent}-{number}\"\nagent = \"{agent}\"\ndriver = \"{driver}\"\n")
        })
        .collect()
}

/// A directory beside the project.
pub fn beside(project: &Project, name: &str) -> PathBuf {
    project.repo.beside(name)
}
