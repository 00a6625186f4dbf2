//! Exit codes, and how errors are shown: here and nowhere else.

use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};
use missiond_core::access::{AccessError, AccessErrorKind};
use missiond_core::config::ConfigError;
use missiond_core::text::escape;
use missiond_core::{Error, ErrorKind, ParseIdError};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    pub(crate) const OK: Self = Self(0);
    pub(crate) const FAILURE: Self = Self(1);
    pub(crate) const USAGE: Self = Self(2);
    pub(crate) const CONFIGURATION: Self = Self(3);
    pub(crate) const DENIED: Self = Self(4);
    pub(crate) const TIMEOUT: Self = Self(5);
    pub(crate) const MISSING: Self = Self(6);
    pub(crate) const INTERRUPTED: Self = Self(130);
}

impl Exit {
    /// The way in which another `missiond` ended.
    pub(crate) fn of_child(status: std::process::ExitStatus) -> Self {
        status.code().and_then(|code| u8::try_from(code).ok()).map_or(Self::FAILURE, Self)
    }
}

/// A command line that clap takes and we do not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Something that was waited for and did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TimeoutError(pub(crate) String);

/// Ends the program with what clap has to say: help and version on standard output, errors on standard error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // When even that cannot be printed there is nobody left to tell.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Exit::USAGE.0 } else { Exit::OK.0 })
}

/// Ends the program well.
pub(crate) fn ok() -> ExitCode {
    ExitCode::from(Exit::OK.0)
}

/// Ends the program with a command's outcome.
pub(crate) fn report(outcome: anyhow::Result<Exit>) -> ExitCode {
    let exit = match outcome {
        Ok(exit) => exit,
        // Whoever read our output has had enough of it, and that is no failure.
        Err(error) if is_broken_pipe(&error) => Exit::OK,
        Err(error) => {
            show(&error);
            code_of(&error)
        }
    };
    ExitCode::from(exit.0)
}

/// Shows an error with its causes, a line each. What they quote is untrusted.
pub(crate) fn show(error: &anyhow::Error) {
    let red = AnsiColor::Red.on_default().bold();
    let faint = Style::new().dimmed();
    let mut stderr = anstream::stderr().lock();
    let mut shown = String::new();
    for (level, cause) in error.chain().enumerate() {
        let text = escape(&cause.to_string());
        // A layer that only passes its cause on has said it already.
        if level > 0 && shown.contains(&text) {
            continue;
        }
        // Nothing can be done when standard error is gone.
        let _ = match level {
            0 => writeln!(stderr, "{red}error:{red:#} {text}"),
            _ => writeln!(stderr, "  {faint}because:{faint:#} {}", text.trim_end().replace('\n', "\n    ")),
        };
        shown.push_str(&text);
    }
}

fn code_of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(code_of_cause).unwrap_or(Exit::FAILURE)
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(error) = cause.downcast_ref::<AccessError>() {
        return Some(match error.kind() {
            AccessErrorKind::Denied => Exit::DENIED,
            AccessErrorKind::TimedOut => Exit::TIMEOUT,
            AccessErrorKind::Core(kind) => of_kind(kind),
            _ => Exit::FAILURE,
        });
    }
    if let Some(error) = cause.downcast_ref::<Error>() {
        return Some(of_kind(error.kind()));
    }
    if cause.is::<ConfigError>() {
        return Some(Exit::CONFIGURATION);
    }
    if cause.is::<TimeoutError>() {
        return Some(Exit::TIMEOUT);
    }
    (cause.is::<UsageError>() || cause.is::<ParseIdError>()).then_some(Exit::USAGE)
}

fn of_kind(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Configuration => Exit::CONFIGURATION,
        ErrorKind::Missing => Exit::MISSING,
        ErrorKind::Invalid => Exit::USAGE,
        _ => Exit::FAILURE,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
