//! What can go wrong with a session.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::ExitReport;
use crate::Snapshot;

/// A session that didn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The system gave no pseudo-terminal.
    #[error("no pseudo-terminal could be opened (is /dev/pts mounted, and kernel.pty.max not reached?)")]
    Pty(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The pseudo-terminal has no name by which a program could open it.
    #[error("the new pseudo-terminal has no device name (is /dev/pts mounted in this namespace?)")]
    NoDevice,
    /// The program didn't start.
    #[error("{} didn't start on its terminal", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        source: Box<missiond_process::SpawnError>,
    },
    /// A thread of the session didn't start.
    #[error("a thread for the terminal could not be started")]
    Thread(#[source] io::Error),
}

/// An operation on a session that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The program has ended.
    #[error("the program on the terminal has ended")]
    Exited,
    /// The program doesn't read its input.
    #[error("{queued} bytes of input wait for a program that doesn't read them (the limit is {limit})")]
    InputFull {
        /// Bytes that wait.
        queued: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The program didn't read its input in time. What it hadn't been given by then is taken back; what it had may
    /// still be read.
    #[error(
        "the program on the terminal has not read its input for {within:?}: it may hang, and can be killed"
    )]
    NotTaken {
        /// How long was waited.
        within: Duration,
    },
    /// The system refused the new size.
    #[error("the terminal's size could not be changed")]
    Resize(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The process tree could not be ended.
    #[error("the program on the terminal could not be ended")]
    Kill(#[source] Box<missiond_process::KillError>),
}

/// A wait that didn't get what it waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time ran out.
    #[error("the screen did not come to the expected state within {within:?}")]
    TimedOut {
        /// How long was waited.
        within: Duration,
        /// The last screen.
        last: Box<Snapshot>,
    },
    /// The program ended first.
    #[error("the program ended before the screen came to the expected state: {exit}")]
    Exited {
        /// How it ended.
        exit: ExitReport,
        /// The last screen.
        last: Box<Snapshot>,
    },
}
