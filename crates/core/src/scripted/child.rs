//! Running a command as an agent's tool or hook: to its end, to a time-out, or until the turn is stopped.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::scripted::stop::Stop;

/// How much of each output is kept; the rest is read and dropped.
const MAX_OUTPUT_BYTES: usize = 1 << 20;
/// How long a stopped turn may go unnoticed here.
const STOP_POLL: Duration = Duration::from_millis(20);

/// What a command left behind.
#[derive(Debug)]
pub(super) struct Finished {
    /// `None` when a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why there is nothing to read.
#[derive(Debug)]
pub(super) enum Failure {
    NotStarted(io::Error),
    TimedOut,
    Stopped,
}

enum News {
    Exited,
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

/// Runs a command line through the shell and waits until it has ended and nobody holds its outputs any more.
///
/// It gets a process group of its own, which is killed when the time is up or the turn is stopped.
pub(super) fn run(
    line: &str,
    input: Option<&str>,
    limit: Option<Duration>,
    stop: &Stop,
) -> Result<Finished, Failure> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(Failure::NotStarted)?;
    let followed =
        follow(&mut child, input).map_err(Failure::NotStarted).and_then(|news| wait(&news, limit, stop));
    if followed.is_err() {
        // Not reaped yet, so the number still names its group.
        if let Some(group) = pid(&child) {
            // An empty group is as good as a killed one.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
    let status = child.wait().map_err(Failure::NotStarted)?;
    let (stdout, stderr) = followed?;
    Ok(Finished { code: status.code(), stdout, stderr })
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Starts what reads from the child and what waits for it.
fn follow(child: &mut Child, input: Option<&str>) -> io::Result<Receiver<News>> {
    let (news, received) = channel();
    let spawn = |work: Box<dyn FnOnce() + Send>| thread::Builder::new().spawn(work).map(drop);
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input.map(str::to_owned)) {
        spawn(Box::new(move || {
            // A hook may answer without reading its input.
            let _ = stdin.write_all(input.as_bytes());
        }))?;
    }
    if let Some(stdout) = child.stdout.take() {
        let news = news.clone();
        spawn(Box::new(move || tell(&news, News::Stdout(read(stdout)))))?;
    }
    if let Some(stderr) = child.stderr.take() {
        let news = news.clone();
        spawn(Box::new(move || tell(&news, News::Stderr(read(stderr)))))?;
    }
    if let Some(pid) = pid(child) {
        spawn(Box::new(move || {
            // It is left to be reaped by whoever may still have to kill it.
            while matches!(
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
                Err(rustix::io::Errno::INTR)
            ) {}
            tell(&news, News::Exited);
        }))?;
    }
    Ok(received)
}

fn tell(news: &Sender<News>, item: News) {
    // Nobody listens any more once the time was up.
    let _ = news.send(item);
}

fn wait(news: &Receiver<News>, limit: Option<Duration>, stop: &Stop) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let begun = Instant::now();
    let (mut exited, mut stdout, mut stderr) = (false, None, None);
    loop {
        match news.recv_timeout(STOP_POLL) {
            Ok(News::Exited) => exited = true,
            Ok(News::Stdout(bytes)) => stdout = Some(bytes),
            Ok(News::Stderr(bytes)) => stderr = Some(bytes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::Stopped),
        }
        if exited && let (Some(stdout), Some(stderr)) = (&mut stdout, &mut stderr) {
            return Ok((std::mem::take(stdout), std::mem::take(stderr)));
        }
        if stop.is_stopped() {
            return Err(Failure::Stopped);
        }
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            return Err(Failure::TimedOut);
        }
    }
}

fn read(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return kept,
            Ok(count) => {
                let room = MAX_OUTPUT_BYTES.saturating_sub(kept.len());
                kept.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return kept,
        }
    }
}
