//! Why a program could not be started, waited for or ended.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a program could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// No such program.
    #[error("program {program:?} not found; searched {}; install it or name it by its full path", places(.searched))]
    NotFound {
        /// As asked for.
        program: PathBuf,
        /// The directories of the `PATH` that was searched, or the one path that was tried.
        searched: Vec<PathBuf>,
    },
    /// The program is there but may not be executed.
    #[error(
        "program {program:?} may not be executed; check its mode (chmod +x), its directories and mount options"
    )]
    PermissionDenied {
        /// The file found.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The program is there, but the interpreter its first line names (or its dynamic loader) is not.
    #[error("program {program:?} is there, but the interpreter or loader it names is missing")]
    MissingInterpreter {
        /// The file found.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused to execute the program for another reason (not a program, arguments too long).
    #[error(
        "program {program:?} could not be executed; a script needs a first line `#!`, a binary must be for this machine"
    )]
    Exec {
        /// The file found.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The working directory is missing, is no directory, or may not be entered.
    #[error("working directory {cwd:?} could not be entered")]
    WorkingDirectory {
        /// The directory asked for.
        cwd: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The terminal could not be opened or made the controlling terminal.
    #[error("terminal {terminal:?} could not become the controlling terminal")]
    Terminal {
        /// The device asked for.
        terminal: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A resource limit could not be set.
    #[error("resource limits could not be set")]
    Limits {
        /// The system's answer.
        source: io::Error,
    },
    /// A pre-exec step failed.
    #[error("a pre-exec step failed for program {program:?}")]
    PreExec {
        /// The file found.
        program: PathBuf,
        /// The step's answer.
        source: io::Error,
    },
    /// A variable name that is empty or holds `=` or NUL, or a value that holds NUL.
    #[error("environment variable {name:?} has an invalid name or a NUL in its value")]
    InvalidVariable {
        /// The name.
        name: OsString,
    },
    /// A spec that contradicts itself.
    #[error("invalid spawn of {program:?}: {reason}")]
    InvalidSpec {
        /// The program asked for.
        program: PathBuf,
        /// What contradicts what.
        reason: &'static str,
    },
    /// The system is short of processes, threads, descriptors or memory.
    #[error("could not {action} to start {program:?}")]
    Resources {
        /// The program asked for.
        program: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why a program's end can't be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// Somebody killed the guardian, and some of its tree could not be ended afterwards.
    #[error("guardian {guardian} was killed and processes {leftover:?} of its tree could not be ended")]
    GuardianLost {
        /// The guardian's pid.
        guardian: u32,
        /// Processes known to be left.
        leftover: Vec<u32>,
    },
}

/// Why a kill did not end the tree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KillError {
    /// Processes outlived SIGKILL: in uninterruptible sleep (a hanging disk or network mount), or another user's.
    #[error("processes {pids:?} of the tree of {pid} outlived SIGKILL for {waited:?}")]
    Survived {
        /// The main program's pid.
        pid: u32,
        /// Those still there.
        pids: Vec<u32>,
        /// How long the whole ladder took.
        waited: Duration,
    },
    /// The tree's end can't be told.
    #[error(transparent)]
    Wait(#[from] WaitError),
}

fn places(searched: &[PathBuf]) -> String {
    if searched.is_empty() {
        return "no directory (PATH is empty or unset)".to_owned();
    }
    searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}
