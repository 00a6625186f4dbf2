//! This test program as another process: it finds a job in its working directory, does it, and writes down what came out.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use missiond_core::ToolCall;
use missiond_core::control::{
    Authority, Client, ControlServer, GateRequest, GateResponse, OwnerLock, ProjectPaths, Request, Response,
    ServerOptions, Sessions, gate, inside_slot,
};
use serde::{Deserialize, Serialize};

use super::support::{Handler, Log, PATIENCE, chain};

/// The test that a worker is started as. Arguments are the one thing that an emptied environment does not take away.
pub(super) const ENTRY: &str = "control::authority::a_process_beside_the_slots_is_let_in";

const JOB: &str = "job.json";
const FOUND: &str = "found.json";

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// Connects to the control socket and asks for the status.
    Connect { root: PathBuf, base: PathBuf, parent_named: Option<String> },
    /// Asks a gate.
    Ask { gate: PathBuf },
    /// Owns the project until it is killed.
    Own { root: PathBuf, base: PathBuf },
}

/// What a worker found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) pid: u32,
    pub(super) parent_name: String,
    pub(super) session: i32,
    pub(super) tagged: bool,
    pub(super) inside_slot: Option<String>,
    pub(super) accepted: bool,
    pub(super) answer: String,
}

/// A directory with a job in it.
pub(super) struct Workplace(tempfile::TempDir);

impl Workplace {
    pub(super) fn new(job: &Job) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(JOB), serde_json::to_vec(job).unwrap()).unwrap();
        Self(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program and arguments that do the job.
    pub(super) fn command(&self) -> (PathBuf, [&'static str; 3]) {
        (std::env::current_exe().unwrap(), ["--exact", ENTRY, "--nocapture"])
    }

    /// Does the job in a process that descends from this one and from no slot.
    pub(super) fn start(&self) -> Child {
        let (program, arguments) = self.command();
        Command::new(program)
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Waits for what the worker found.
    pub(super) async fn found(&self) -> Found {
        let path = self.path().join(FOUND);
        super::support::until("the worker has done its job", || path.exists()).await;
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}

/// Does the job of the working directory; `false` when there is none and this is no worker.
pub(super) async fn work() -> bool {
    let Ok(job) = std::fs::read(JOB) else { return false };
    let job: Job = serde_json::from_slice(&job).unwrap();
    let parent_named = match &job {
        Job::Connect { parent_named, .. } => parent_named.clone(),
        _ => None,
    };
    let mut found = Found {
        pid: std::process::id(),
        parent_name: parent_name(parent_named.as_deref()),
        session: session(),
        tagged: std::env::var_os("MISSIOND_SESSION").is_some(),
        inside_slot: inside_slot(),
        ..Found::default()
    };
    match job {
        Job::Connect { root, base, .. } => {
            let paths = ProjectPaths::with_runtime_base(root, base).unwrap();
            (found.accepted, found.answer) = connect(&paths).await;
        }
        Job::Ask { gate } => (found.accepted, found.answer) = ask(&gate),
        Job::Own { root, base } => {
            let paths = ProjectPaths::with_runtime_base(root, base).unwrap();
            own(&paths, found).await;
            return true;
        }
    }
    write(&found);
    true
}

async fn connect(paths: &ProjectPaths) -> (bool, String) {
    match Client::connect(paths).await {
        Ok(Some(client)) => match client.call(Request::Status).await {
            Ok(Response::Status(_)) => (true, "status".to_owned()),
            other => (false, format!("{other:?}")),
        },
        Ok(None) => (false, "no owner".to_owned()),
        Err(error) => (false, chain(&error)),
    }
}

fn ask(gate: &Path) -> (bool, String) {
    let call = Box::new(ToolCall::new("1", "Bash", serde_json::json!({"command": "ls"}), "/"));
    match gate::ask(gate, &GateRequest::Judge { call, event: "PreToolUse".to_owned() }, PATIENCE) {
        Ok(GateResponse::Verdict(verdict)) => (true, verdict.reason),
        Ok(other) => (false, format!("{other:?}")),
        Err(error) => (false, chain(&error)),
    }
}

async fn own(paths: &ProjectPaths, found: Found) {
    let lock = Arc::new(OwnerLock::acquire(paths, Duration::ZERO).unwrap());
    let authority = Authority::new(Sessions::new(paths.session_scope())).unwrap();
    let handler = Arc::new(Handler::default());
    let options = ServerOptions::default();
    let _server = ControlServer::bind(&lock, handler, Log::new(), authority, options).unwrap();
    // An agent's tree that outlives its owner for a moment must not keep the lock.
    let _agent = missiond_process::SpawnSpec::new("sleep", "/").arg("60").spawn().unwrap();
    write(&found);
    std::future::pending::<()>().await;
}

fn write(found: &Found) {
    std::fs::write("found.tmp", serde_json::to_vec(found).unwrap()).unwrap();
    std::fs::rename("found.tmp", FOUND).unwrap();
}

/// The parent's name, once it is the expected one: an orphan has its new parent only when the old one has ended.
fn parent_name(expected: Option<&str>) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let parent = std::os::unix::process::parent_id();
        let name =
            std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default().trim().to_owned();
        if expected.is_none_or(|expected| expected == name) || Instant::now() > deadline {
            return name;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Field 6 of proc_pid_stat(5).
fn session() -> i32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_ascii_whitespace().nth(3).unwrap().parse().unwrap()
}
