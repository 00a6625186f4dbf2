//! A project in a scratch directory, and `missiond` run in it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use missiond_testkit::processes::wait_until;
use missiond_testkit::repo::Repo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A repository with one commit, and the surroundings of a command in it.
pub(crate) struct Scene {
    pub(crate) repo: Repo,
    home: PathBuf,
    runtime: PathBuf,
    bin: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let repo = Repo::with_commit().unwrap();
        let (home, runtime, bin) = (repo.beside("home"), repo.beside("run"), repo.beside("bin"));
        for directory in [&home, &runtime, &bin] {
            fs::create_dir(directory).unwrap();
        }
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(program("git"), bin.join("git")).unwrap();
        Self { repo, home, runtime, bin }
    }

    /// With a configuration file in the project.
    pub(crate) fn configured(config: &str) -> Self {
        let scene = Self::new();
        scene.repo.write(".missiond/config.toml", config).unwrap();
        scene
    }

    /// The command, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_missiond"));
        command
            .args(args)
            .current_dir(self.repo.path())
            .env_clear()
            .env("PATH", &self.bin)
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        finish(self.command(args))
    }

    /// Runs a command that must succeed and gives its standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, 0, "{args:?}: {outcome:#?}");
        outcome.out
    }

    /// Runs a command that must succeed and print one JSON document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[args, &["--format", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"))
    }

    /// The same beside a command that was started a moment ago, which may not have made the database yet.
    fn json_or_nothing_yet(&self, args: &[&str]) -> Option<Value> {
        let outcome = self.run(&[args, &["--format", "json"]].concat());
        if outcome.code == 6 && outcome.err.contains("there is no mission database") {
            return None;
        }
        assert_eq!(outcome.code, 0, "{args:?}: {outcome:#?}");
        Some(serde_json::from_str(&outcome.out).unwrap())
    }

    /// Starts the mission in the background; it is ended with the value.
    pub(crate) fn up(&self) -> Up<'_> {
        self.ok(&["up", "--detach", "--agent", "scripted"]);
        Up { scene: self }
    }

    /// Submits a task for the scripted agent and gives its id.
    pub(crate) fn submit(&self, prompt: &str) -> String {
        let submitted = self.json(&["task", "submit", "--agent", "scripted", prompt]);
        submitted[0]["task"].as_str().unwrap().to_owned()
    }

    /// Waits until a task has this status.
    pub(crate) fn await_status(&self, task: &str, status: &str) -> Value {
        let what = format!("task {task} is {status}");
        wait_until(DEADLINE, &what, || {
            Some(self.json(&["task", "show", task])).filter(|task| task["status"] == status)
        })
        .unwrap()
    }

    /// Waits until the agent of some task is in the middle of its turn, and gives the task's id.
    pub(crate) fn await_turn(&self) -> String {
        wait_until(DEADLINE, "an agent is at work", || {
            let slots = self.json_or_nothing_yet(&["agent", "list"])?;
            let busy = slots.as_array()?.iter().find(|slot| slot["status"] == "thinking")?;
            busy["task"].as_str().map(str::to_owned)
        })
        .unwrap()
    }

    /// Waits until a question is open.
    pub(crate) fn await_approval(&self) -> Value {
        wait_until(DEADLINE, "a question is open", || {
            self.json_or_nothing_yet(&["approvals"])?.as_array()?.first().cloned()
        })
        .unwrap()
    }

    /// Every process that works in this scene's directories.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let scratch = self.repo.path().parent().unwrap();
        working_below(scratch)
    }

    /// The names of the worktrees besides the main one.
    pub(crate) fn worktrees(&self) -> Vec<String> {
        let listed = self.repo.git(&["worktree", "list", "--porcelain"]).unwrap();
        listed.lines().filter_map(|line| line.strip_prefix("worktree ")).skip(1).map(str::to_owned).collect()
    }

    /// The directories of sockets that are there.
    pub(crate) fn socket_directories(&self) -> Vec<PathBuf> {
        let directories = fs::read_dir(self.runtime.join("missiond"));
        directories.map(|all| all.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }

    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.socket_directories(), Vec::<PathBuf>::new(), "no directory of sockets is left");
        let left = self.worktrees();
        assert_eq!(left, Vec::<String>::new(), "no worktree is left: {}", self.run(&["events"]).out);
        wait_until(Duration::from_secs(5), "no process is left", || {
            Some(self.processes()).filter(Vec::is_empty)
        })
        .unwrap();
    }
}

impl Outcome {
    /// Standard output and standard error, one after the other.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn assert(&self, code: i32, in_error: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for text in in_error {
            assert!(self.err.contains(text), "{text:?} is missing: {self:#?}");
        }
    }
}

/// A mission in the background.
pub(crate) struct Up<'a> {
    scene: &'a Scene,
}

impl Up<'_> {
    pub(crate) fn pid(&self) -> u32 {
        u32::try_from(self.scene.json(&["status"])["mission"]["pid"].as_u64().unwrap()).unwrap()
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        let ended = self.scene.run(&["down"]);
        if !std::thread::panicking() {
            assert_eq!(ended.code, 0, "{ended:#?}");
        }
    }
}

/// A script for the scripted agent.
pub(crate) fn script(steps: &Value) -> String {
    format!("script:{steps}")
}

/// Runs a command to its end, which must come before the deadline.
pub(crate) fn finish(mut command: Command) -> Outcome {
    collect(command.spawn().unwrap())
}

pub(crate) fn collect(mut child: Child) -> Outcome {
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.unwrap().read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        })
    };
    let out = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let err = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let status = wait_until(DEADLINE, "the command has ended", || child.try_wait().unwrap());
    if status.is_err() {
        child.kill().unwrap();
    }
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    let status = status.unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    Outcome { code: status.code().unwrap_or(-1), out, err }
}

/// Sends a signal to a process that this test started.
pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Every process whose working directory lies below this one.
pub(crate) fn working_below(directory: &Path) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
            && fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    })
    .collect()
}

/// A program of this machine that the tests need.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing; scripts/test installs it"))
}
