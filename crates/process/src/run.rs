//! Running a short program to its end.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use thiserror::Error;

use crate::error::{KillError, SpawnError, WaitError};
use crate::exit::Exit;
use crate::pipe::{PipeReader, PipeWriter};
use crate::running::Running;
use crate::spec::{Input, Output, SpawnSpec};
use crate::text;

const CHUNK_BYTES: usize = 64 * 1024;
const SHOWN_BYTES: usize = 2048;

/// A short program that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// How it ended; a failure of the program is no [`RunError`].
    pub exit: Exit,
    /// All it wrote to standard output.
    pub stdout: Vec<u8>,
    /// All it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Why a short program has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// It didn't start.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It took too long and was killed.
    #[error(
        "{program:?} was killed because it took longer than {deadline:?}; standard error ends {stderr:?}"
    )]
    Deadline {
        /// The program.
        program: PathBuf,
        /// The time it had.
        deadline: Duration,
        /// The end of its standard error, at most 2 KiB.
        stderr: String,
    },
    /// It wrote too much and was killed.
    #[error("{program:?} was killed because it wrote more than {limit} bytes to {stream}")]
    TooMuchOutput {
        /// The program.
        program: PathBuf,
        /// `standard output` or `standard error`.
        stream: &'static str,
        /// The limit of each stream, in bytes.
        limit: usize,
    },
    /// Its pipes failed.
    #[error("the pipes of {program:?} failed")]
    Pipe {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It ended, but how can't be told.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// It had to be killed and that failed.
    #[error(transparent)]
    Kill(#[from] KillError),
}

/// Runs a short program to its end: feeds `input`, collects both outputs, whatever order it reads and writes in.
///
/// The spec's own streams are overridden: output is piped, input too unless it is empty. A program that doesn't read
/// its input to the end is no error. Blocking; call it from a thread that may block.
///
/// # Errors
///
/// [`RunError`]. After `deadline`, or with more than `max_output` bytes on one of the streams, the whole tree is killed
/// at once (SIGKILL).
pub fn run(
    spec: &SpawnSpec,
    input: &[u8],
    deadline: Duration,
    max_output: usize,
) -> Result<Finished, RunError> {
    let mut spec = spec.clone();
    spec.stdin = if input.is_empty() { Input::Null } else { Input::Piped };
    (spec.stdout, spec.stderr) = (Output::Piped, Output::Piped);
    // Nobody waits for the manners of a program that is over its limits.
    (spec.ladder.interrupt, spec.ladder.terminate) = (Duration::ZERO, Duration::ZERO);
    let end = Instant::now().checked_add(deadline);
    let running = spec.spawn()?;
    let mut talk = Talk {
        input,
        stdin: running.take_stdin(),
        stdout: Collected::new(running.take_stdout(), "standard output"),
        stderr: Collected::new(running.take_stderr(), "standard error"),
    };
    match talk.run(end, max_output) {
        Ok(()) => {}
        Err(stop) => {
            running.kill_blocking()?;
            return Err(stop.explain(spec.program, deadline, max_output, &talk.stderr.bytes));
        }
    }
    match wait(&running, end)? {
        Some(exit) => Ok(Finished { exit, stdout: talk.stdout.bytes, stderr: talk.stderr.bytes }),
        None => {
            running.kill_blocking()?;
            Err(Stop::Deadline.explain(spec.program, deadline, max_output, &talk.stderr.bytes))
        }
    }
}

fn wait(running: &Running, end: Option<Instant>) -> Result<Option<Exit>, WaitError> {
    running.wait_blocking(end.map(|end| end.saturating_duration_since(Instant::now())))
}

/// The three pipes, served together so that none can block another.
struct Talk<'a> {
    input: &'a [u8],
    stdin: Option<PipeWriter>,
    stdout: Collected,
    stderr: Collected,
}

enum Stop {
    Deadline,
    TooMuch(&'static str),
    Pipe(std::io::Error),
}

impl Stop {
    fn explain(self, program: PathBuf, deadline: Duration, limit: usize, stderr: &[u8]) -> RunError {
        match self {
            Self::Deadline => {
                let stderr = String::from_utf8_lossy(stderr);
                let stderr = text::truncate_start(&stderr, SHOWN_BYTES).to_owned();
                RunError::Deadline { program, deadline, stderr }
            }
            Self::TooMuch(stream) => RunError::TooMuchOutput { program, stream, limit },
            Self::Pipe(source) => RunError::Pipe { program, source },
        }
    }
}

impl Talk<'_> {
    /// Talks until both outputs are at their end.
    fn run(&mut self, end: Option<Instant>, max_output: usize) -> Result<(), Stop> {
        let blocking = |error: rustix::io::Errno| Stop::Pipe(error.into());
        if let Some(stdin) = &self.stdin {
            rustix::io::ioctl_fionbio(stdin, true).map_err(blocking)?;
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        while self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            let (write, read_stdout, read_stderr) = self.poll(end)?;
            if write {
                self.feed();
            }
            if read_stdout {
                self.stdout.read(&mut chunk, max_output)?;
            }
            if read_stderr {
                self.stderr.read(&mut chunk, max_output)?;
            }
        }
        Ok(())
    }

    /// Waits until something can be done, and says what.
    fn poll(&self, end: Option<Instant>) -> Result<(bool, bool, bool), Stop> {
        let left = match end {
            Some(end) => Some(end.checked_duration_since(Instant::now()).ok_or(Stop::Deadline)?),
            None => None,
        };
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let pipes = [
            self.stdin.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT)),
            self.stdout.pipe.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
            self.stderr.pipe.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        ];
        let present = pipes.each_ref().map(Option::is_some);
        let mut polled: Vec<PollFd<'_>> = pipes.into_iter().flatten().collect();
        match rustix::event::poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Stop::Pipe(error.into())),
        }
        let mut ready = polled.iter().map(|pipe| !pipe.revents().is_empty());
        let [write, stdout, stderr] = present.map(|present| present && ready.next().unwrap_or(false));
        Ok((write, stdout, stderr))
    }

    fn feed(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(self.input) {
            Ok(written) => self.input = &self.input[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // It closed its input; that is its right.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }
}

struct Collected {
    pipe: Option<PipeReader>,
    bytes: Vec<u8>,
    name: &'static str,
}

impl Collected {
    fn new(pipe: Option<PipeReader>, name: &'static str) -> Self {
        Self { pipe, bytes: Vec::new(), name }
    }

    fn read(&mut self, chunk: &mut [u8], max: usize) -> Result<(), Stop> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.read(chunk).map_err(Stop::Pipe)? {
            0 => self.pipe = None,
            read if self.bytes.len() + read > max => return Err(Stop::TooMuch(self.name)),
            read => self.bytes.extend_from_slice(&chunk[..read]),
        }
        Ok(())
    }
}
