//! One headless run, with a deadline and bounded output.

use std::{
    ffi::OsString,
    io::{Read, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{ClaudeHome, find};
use crate::{model::ModelServer, processes::wait_until};

const MAX_OUTPUT: usize = 64 * 1024 * 1024;

/// A headless run of Claude Code that is being put together: `claude -p PROMPT --output-format stream-json
/// --verbose` and what is added.
#[derive(Debug)]
pub struct Headless {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    stdin: Option<Vec<u8>>,
}

/// A headless run at work; dropping it kills its process group.
#[derive(Debug)]
pub struct RunningHeadless {
    child: Child,
    stdout: Collector,
    stderr: Collector,
    ended: bool,
}

/// What a headless run left.
#[derive(Debug)]
#[non_exhaustive]
pub struct HeadlessRun {
    /// How the process ended.
    pub status: ExitStatus,
    /// The lines of standard output as JSON, in order.
    pub lines: Vec<Value>,
    /// Standard error.
    pub stderr: String,
}

impl Headless {
    /// Prepares a run in `directory`, with standard input closed.
    ///
    /// # Errors
    /// When Claude Code isn't there, see [`find`].
    pub fn new(home: &ClaudeHome, server: &ModelServer, directory: &Path, prompt: &str) -> Result<Self> {
        let arguments = ["-p", prompt, "--output-format", "stream-json", "--verbose"];
        Ok(Self {
            program: find()?,
            arguments: arguments.map(OsString::from).to_vec(),
            environment: home.environment(&server.base_url()),
            directory: directory.to_owned(),
            stdin: None,
        })
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Uses a settings file and no other source of settings: not the user's, nor the project's.
    #[must_use]
    pub fn only_settings(self, file: &Path) -> Self {
        self.arg("--settings").arg(file).arg("--setting-sources").arg("")
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the program this on standard input, and then the end of it.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// At the deadline (the process group is killed), or when a line of the output is no JSON.
    pub fn run(self, deadline: Duration) -> Result<HeadlessRun> {
        self.spawn()?.wait(deadline)
    }

    /// Starts the run in a process group of its own.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn spawn(self) -> Result<RunningHeadless> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment).current_dir(&self.directory);
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child =
            command.spawn().with_context(|| format!("{} can't be started", self.program.display()))?;
        let stdout = Collector::start(child.stdout.take().context("the pipe that was asked for")?);
        let stderr = Collector::start(child.stderr.take().context("the pipe that was asked for")?);
        if let (Some(bytes), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // On a thread: the program need not read it, and the pipe may be smaller than the bytes.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        Ok(RunningHeadless { child, stdout, stderr, ended: false })
    }
}

impl RunningHeadless {
    /// The process id, which is the group's too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program alone.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        rustix::process::kill_process(self.pid()?, signal).context("the process can't be signalled")
    }

    /// Waits until a line of the output so far fits, and returns it.
    ///
    /// # Errors
    /// At the deadline; the error holds the output so far.
    pub fn wait_for_line(&self, deadline: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let find = || {
            let bytes = self.stdout.so_far();
            // The last piece is a line that isn't finished.
            let mut lines = bytes.split(|byte| *byte == b'\n').rev().skip(1);
            lines.find_map(|line| serde_json::from_slice(line).ok().filter(|line| wanted(line)))
        };
        wait_until(deadline, "a line of claude's output fits", find)
            .with_context(|| format!("output so far: {}", String::from_utf8_lossy(&self.stdout.so_far())))
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// At the deadline (the process group is killed), or when a line of the output is no JSON.
    pub fn wait(mut self, deadline: Duration) -> Result<HeadlessRun> {
        let ended = wait_until(deadline, "claude ends", || self.child.try_wait().ok().flatten());
        // Also after a good end: a grandchild that holds the pipes open must not hold the test.
        self.kill();
        let (stdout, stderr) = (self.stdout.finish()?, self.stderr.finish()?);
        let Ok(status) = ended else {
            bail!("claude did not end within {deadline:?}\nstdout: {stdout}\nstderr: {stderr}");
        };
        let lines = stdout.lines().filter(|line| !line.is_empty()).map(parse).collect::<Result<_>>()?;
        Ok(HeadlessRun { status, lines, stderr })
    }

    fn pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.child.id()).context("the process id is out of range")?;
        Pid::from_raw(pid).context("the process id is 0")
    }

    fn kill(&mut self) {
        // Once only: afterwards the group's number may belong to others.
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Ok(group) = self.pid() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for RunningHeadless {
    fn drop(&mut self) {
        self.kill();
    }
}

impl HeadlessRun {
    /// The `result` line.
    ///
    /// # Errors
    /// When there is none.
    pub fn result(&self) -> Result<&Value> {
        let line = self.lines.iter().rfind(|line| line["type"] == "result");
        line.with_context(|| format!("no result line ({}), stderr: {}", self.status, self.stderr))
    }

    /// The `system` line `init`.
    ///
    /// # Errors
    /// When there is none.
    pub fn init(&self) -> Result<&Value> {
        let line = self.lines.iter().find(|line| line["type"] == "system" && line["subtype"] == "init");
        line.with_context(|| format!("no init line ({}), stderr: {}", self.status, self.stderr))
    }

    /// The content blocks of a type (`text`, `tool_use`, `tool_result`) of all messages in order.
    #[must_use]
    pub fn blocks(&self, kind: &str) -> Vec<&Value> {
        let contents = self.lines.iter().filter_map(|line| line["message"]["content"].as_array());
        contents.flatten().filter(|block| block["type"] == kind).collect()
    }
}

/// Reads a pipe to its end on a thread, and keeps the first part of it.
#[derive(Debug)]
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Collector {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            let mut piece = [0; 64 * 1024];
            // Drained to the end whatever it holds, or the program would block on a full pipe.
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MAX_OUTPUT.saturating_sub(bytes.len());
                bytes.extend_from_slice(&piece[..length.min(room)]);
            }
        });
        Self { bytes, thread: Some(thread) }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&mut self) -> Result<String> {
        let thread = self.thread.take().context("the output was collected before")?;
        thread.join().map_err(|_| anyhow!("the reader of the output panicked"))?;
        let bytes = self.so_far();
        ensure!(bytes.len() < MAX_OUTPUT, "more than {MAX_OUTPUT} bytes of output");
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn parse(line: &str) -> Result<Value> {
    serde_json::from_str(line).with_context(|| format!("a line of the output is no JSON: {line}"))
}
