//! A running program and its tree.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{KillError, WaitError};
use crate::exit::Exit;
use crate::monitor::{Shared, State};
use crate::pipe::{PipeReader, PipeWriter};
use crate::signal::Signal;

/// A running program with everything it started. Dropping it ends them all: SIGTERM, half a second, SIGKILL.
///
/// It needs no async runtime, except for the `async` methods' callers.
pub struct Running {
    handle: KillHandle,
    stdin: Mutex<Option<PipeWriter>>,
    stdout: Mutex<Option<PipeReader>>,
    stderr: Mutex<Option<PipeReader>>,
}

impl Running {
    pub(crate) fn new(
        shared: Arc<Shared>,
        stdin: Option<PipeWriter>,
        stdout: Option<PipeReader>,
        stderr: Option<PipeReader>,
    ) -> Self {
        Self {
            handle: KillHandle { shared },
            stdin: Mutex::new(stdin),
            stdout: Mutex::new(stdout),
            stderr: Mutex::new(stderr),
        }
    }

    /// The main program's pid. It leads its own session and process group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.handle.pid()
    }

    /// The guardian's pid: every process of the tree descends from it, whatever it did to get away.
    #[must_use]
    pub fn guardian_pid(&self) -> u32 {
        self.handle.guardian_pid()
    }

    /// Takes the pipe to the program's standard input, if it was asked for and not taken yet.
    pub fn take_stdin(&self) -> Option<PipeWriter> {
        take(&self.stdin)
    }

    /// Takes the pipe from the program's standard output, if it was asked for and not taken yet.
    pub fn take_stdout(&self) -> Option<PipeReader> {
        take(&self.stdout)
    }

    /// Takes the pipe from the program's standard error, if it was asked for and not taken yet.
    pub fn take_stderr(&self) -> Option<PipeReader> {
        take(&self.stderr)
    }

    /// Makes a handle that can wait for the tree and kill it, and doesn't keep it alive.
    #[must_use]
    pub fn handle(&self) -> KillHandle {
        self.handle.clone()
    }

    /// Waits until the main program and everything it started is gone, and tells how the main program ended.
    ///
    /// When the main program ends by itself, what it leaves behind gets SIGTERM, half a second, and SIGKILL.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when somebody killed the guardian and the rest of the tree couldn't be ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: waiting changes nothing.
    pub async fn wait(&self) -> Result<Exit, WaitError> {
        self.handle.wait().await
    }

    /// Like [`wait`](Self::wait), blocking; `None` once `timeout` has passed.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_blocking(&self, timeout: Option<Duration>) -> Result<Option<Exit>, WaitError> {
        self.handle.wait_blocking(timeout)
    }

    /// How the main program ended, if the whole tree is gone already.
    #[must_use]
    pub fn try_exit(&self) -> Option<Exit> {
        self.handle.try_exit()
    }

    /// Ends the whole tree: SIGINT, SIGTERM, SIGKILL, each for as long as the spec's [`KillLadder`] says.
    ///
    /// Resolves when every process of the tree is gone; at once if it is gone already. Concurrent kills share one
    /// climb.
    ///
    /// # Errors
    ///
    /// [`KillError::Survived`] when something outlived SIGKILL.
    ///
    /// # Cancel safety
    ///
    /// Cancelling stops the waiting only; the ladder is climbed to its end.
    ///
    /// [`KillLadder`]: crate::KillLadder
    pub async fn kill(&self) -> Result<Exit, KillError> {
        self.handle.kill().await
    }

    /// Like [`kill`](Self::kill), blocking.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn kill_blocking(&self) -> Result<Exit, KillError> {
        self.handle.kill_blocking()
    }

    /// Sends a signal to every process of the tree (to the first 1024 of a larger one, except for SIGKILL).
    ///
    /// Returns before it is delivered. A tree that is gone is left in peace.
    pub fn signal_tree(&self, signal: Signal) {
        self.handle.signal_tree(signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shared.let_go();
    }
}

/// Waits for a tree and kills it, without keeping it alive.
///
/// When the [`Running`] is dropped, the tree ends, and handles report that.
#[derive(Clone)]
pub struct KillHandle {
    shared: Arc<Shared>,
}

impl KillHandle {
    /// See [`Running::pid`].
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.pid
    }

    /// See [`Running::guardian_pid`].
    #[must_use]
    pub fn guardian_pid(&self) -> u32 {
        self.shared.guardian
    }

    /// See [`Running::wait`].
    ///
    /// # Errors
    ///
    /// As [`Running::wait`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: waiting changes nothing.
    pub async fn wait(&self) -> Result<Exit, WaitError> {
        self.until(|state| state.outcome.clone()).await
    }

    /// See [`Running::wait_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Running::wait`].
    pub fn wait_blocking(&self, timeout: Option<Duration>) -> Result<Option<Exit>, WaitError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.shared.wait_until(deadline, |state| state.outcome.clone()).transpose()
    }

    /// See [`Running::try_exit`].
    #[must_use]
    pub fn try_exit(&self) -> Option<Exit> {
        let outcome = self.shared.state().outcome.clone()?;
        // A lost guardian takes the main program with it by SIGKILL.
        Some(outcome.unwrap_or(Exit::Signal(libc::SIGKILL)))
    }

    /// See [`Running::kill`].
    ///
    /// # Errors
    ///
    /// As [`Running::kill`].
    ///
    /// # Cancel safety
    ///
    /// Cancelling stops the waiting only; the ladder is climbed to its end.
    pub async fn kill(&self) -> Result<Exit, KillError> {
        let failures = self.begin_kill();
        self.until(|state| killed(state, failures)).await
    }

    /// See [`Running::kill_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Running::kill`].
    pub fn kill_blocking(&self) -> Result<Exit, KillError> {
        let failures = self.begin_kill();
        let result = self.shared.wait_until(None, |state| killed(state, failures));
        result.expect("without a deadline it ends only when there is a result")
    }

    /// See [`Running::signal_tree`].
    pub fn signal_tree(&self, signal: Signal) {
        self.shared.signal(signal);
    }

    fn begin_kill(&self) -> u64 {
        let failures = self.shared.state().failed_kills;
        self.shared.want_kill();
        failures
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("pid", &self.pid())
            .field("guardian_pid", &self.guardian_pid())
            .field("exit", &self.try_exit())
            .finish()
    }

    async fn until<T>(&self, mut done: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.shared.subscribe();
        loop {
            if let Some(found) = done(&self.shared.state()) {
                return found;
            }
            changed.changed().await.expect("the sender lives in what `self` shares");
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.describe("Running", f)
    }
}

impl fmt::Debug for KillHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("KillHandle", f)
    }
}

fn killed(state: &State, failures_before: u64) -> Option<Result<Exit, KillError>> {
    if let Some(outcome) = &state.outcome {
        return Some(outcome.clone().map_err(KillError::from));
    }
    let failure = state.last_failure.clone().filter(|_| state.failed_kills > failures_before);
    failure.map(Err)
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
