//! Getting an answer out of the process, or blocking if it does not get out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use missiond_policy::hook::Answer;

/// How long an answer may wait for somebody to read it: a pipe that is full takes none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes the answer, and gives the exit code. An answer that cannot be delivered would leave the agent to its own
/// judgement, so it blocks; who answers nothing has nothing to deliver.
pub(super) fn deliver(answer: Answer) -> ExitCode {
    if !answer.stderr.is_empty() {
        complain(answer.stderr);
    }
    if answer.stdout.is_empty() {
        return ExitCode::from(answer.exit_code);
    }
    match in_time(move || say(&answer.stdout)) {
        Ok(()) => ExitCode::from(answer.exit_code),
        Err(error) => {
            complain(format!("missiond: blocked, since the answer cannot be written: {error}\n"));
            ExitCode::from(2)
        }
    }
}

/// Writes to standard error, if it takes anything.
pub(super) fn complain(text: String) {
    // Nobody is left to tell if standard error fails too.
    let _ = in_time(move || io::stderr().write_all(text.as_bytes()));
}

fn say(text: &str) -> io::Result<()> {
    if goes_nowhere()? {
        return Err(io::Error::other("standard output is closed"));
    }
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Whether standard output is the null device. Rust opens that in place of a standard output that is closed, and writing
/// to it would look like success.
fn goes_nowhere() -> io::Result<bool> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()?;
    if !stdout.file_type().is_char_device() {
        return Ok(false);
    }
    Ok(fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == stdout.rdev()))
}

/// Does it on a thread of its own, which is left behind if it takes too long: the process ends soon.
fn in_time(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let (done, outcome) = mpsc::sync_channel(1);
    thread::Builder::new().name("deliver".to_owned()).spawn(move || drop(done.send(work())))?;
    outcome.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
