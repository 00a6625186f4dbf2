//! A program on a pseudo-terminal.

mod error;
mod event;
mod input;
mod shared;
mod threads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use missiond_process::{Running, SpawnSpec};
use portable_pty::{PtySize, native_pty_system};
use tokio::time::Instant;

pub use error::{SessionError, SpawnError, WaitError};
pub use event::{Event, EventKind, ExitCause, ExitReport, Subscription};

use input::Withdrawable;
use shared::Shared;

pub(crate) use shared::Changes;

use crate::{Size, Snapshot};

/// A program on a pseudo-terminal, with the screen it draws.
///
/// All methods take `&self` and none but the waiting ones waits: screen, status and keys are there while a prompt is
/// being sent or the program hangs. Dropping the session ends the program's whole process tree.
///
/// Output is read on a thread of its own, whether anybody looks or not; queries of the terminal are answered from
/// there.
#[derive(Debug)]
pub struct PtySession {
    shared: Arc<Shared>,
    running: Running,
}

impl PtySession {
    /// Starts a program on a terminal of this size. No shell is involved.
    ///
    /// `spec.terminal` is set to the new terminal, and in the program's environment `TERM` and `COLORTERM` describe
    /// it; `LINES` and `COLUMNS` are removed, since they would freeze its size.
    ///
    /// # Errors
    ///
    /// No pseudo-terminal or thread could be had, or the program didn't start (missing, not executable, directory
    /// missing).
    pub fn spawn(mut spec: SpawnSpec, size: Size) -> Result<Self, SpawnError> {
        let pair = native_pty_system().openpty(pty_size(size)).map_err(|e| SpawnError::Pty(e.into()))?;
        let reader = pair.master.try_clone_reader().map_err(|e| SpawnError::Pty(e.into()))?;
        let writer = pair.master.take_writer().map_err(|e| SpawnError::Pty(e.into()))?;
        let device: PathBuf = pair.master.tty_name().ok_or(SpawnError::NoDevice)?;

        spec.terminal = Some(device);
        spec.env.set("TERM", "xterm-256color").set("COLORTERM", "truecolor");
        spec.env.unset("LINES").unset("COLUMNS");
        let running = spec.spawn().map_err(|source| SpawnError::Program {
            program: spec.program.clone(),
            source: Box::new(source),
        })?;
        // Reading ends once nobody has the other side open, so ours must not be.
        drop(pair.slave);

        let shared = Arc::new(Shared::new(size, pair.master));
        threads::start(&shared, running.handle(), reader, writer).map_err(SpawnError::Thread)?;
        Ok(Self { shared, running })
    }

    /// What is on the terminal now.
    ///
    /// While the program is in the middle of a synchronized update, the screen from before it is shown, for at most
    /// 150 ms.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Follows what happens from now on. The first event is a [`EventKind::Resync`] with the screen as it stands.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(Arc::clone(&self.shared))
    }

    /// Queues bytes as the person's input and returns at once.
    ///
    /// # Errors
    ///
    /// The program ended, or it reads so slowly that more than 4 MiB wait already; then nothing of `bytes` is queued.
    pub fn write(&self, bytes: &[u8]) -> Result<(), SessionError> {
        self.shared.input.push(bytes).map(drop)
    }

    /// Queues bytes as the person's input and waits until the terminal has taken them, which doesn't mean that the
    /// program has read them.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), and if the program ends before.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the bytes are queued and will be written whether or not the future is dropped.
    pub async fn write_all(&self, bytes: &[u8]) -> Result<(), SessionError> {
        let until = self.shared.input.push(bytes)?;
        self.shared.input.written(until).await
    }

    /// Like `write_all`, but for at most `within`. Whatever ends the wait, what the terminal hasn't been given by then
    /// is taken back; `ending` follows if a part has.
    pub(crate) async fn write_within(
        &self,
        bytes: &[u8],
        ending: &[u8],
        within: Duration,
    ) -> Result<(), SessionError> {
        let input = Withdrawable::push(&self.shared.input, bytes, ending)?;
        tokio::time::timeout(within, input.written()).await.unwrap_or(Err(SessionError::NotTaken { within }))
    }

    /// Changes the size of the terminal; the program is told by SIGWINCH.
    ///
    /// # Errors
    ///
    /// The program ended, or the system refused.
    pub fn resize(&self, size: Size) -> Result<(), SessionError> {
        self.shared.resize(size)
    }

    /// Ends the program and all it started by the ladder of its [`SpawnSpec`], and waits until that is done.
    ///
    /// # Errors
    ///
    /// The tree could not be ended.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the ladder goes on to its end even if the future is dropped.
    pub async fn kill(&self) -> Result<ExitReport, SessionError> {
        self.shared.note_kill();
        self.running.kill().await.map_err(|source| SessionError::Kill(Box::new(source)))?;
        Ok(self.exited().await)
    }

    /// How the program ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<ExitReport> {
        self.shared.exit()
    }

    /// Waits for the program's end. Everything it wrote is on the screen by then.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn exited(&self) -> ExitReport {
        let mut changes = self.shared.changes();
        loop {
            if let Some(exit) = self.shared.exit() {
                return exit;
            }
            changes.next(None).await;
        }
    }

    /// The program's process id, which names nothing (or something else) once the program has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The process that guards the tree: an ancestor of every process that the program starts.
    #[must_use]
    pub fn guardian_pid(&self) -> u32 {
        self.running.guardian_pid()
    }

    /// Looks at every new state of the screen until `predicate` gives something. The current state is looked at
    /// first.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] when `within` has passed, [`WaitError::Exited`] when the program ended and its last
    /// screen didn't satisfy `predicate` either; both carry the last screen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        mut predicate: impl FnMut(&Snapshot) -> Option<T>,
    ) -> Result<T, WaitError> {
        let deadline = Instant::now() + within;
        let mut changes = self.shared.changes();
        loop {
            let snapshot = self.snapshot();
            if let Some(value) = predicate(&snapshot) {
                return Ok(value);
            }
            if let Some(exit) = snapshot.exit.clone() {
                return Err(WaitError::Exited { exit, last: Box::new(snapshot) });
            }
            if Instant::now() >= deadline {
                return Err(WaitError::TimedOut { within, last: Box::new(snapshot) });
            }
            changes.next_of(&snapshot, deadline).await;
        }
    }

    pub(crate) fn changes(&self) -> Changes {
        self.shared.changes()
    }
}

fn pty_size(size: Size) -> PtySize {
    PtySize { rows: size.rows(), cols: size.cols(), pixel_width: 0, pixel_height: 0 }
}
