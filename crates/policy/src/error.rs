use std::{fmt, io, path::PathBuf};

/// What can be wrong with a policy. A policy with a fault is never used: the one in force stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text isn't TOML, or it is TOML that isn't a policy.
    #[error("{origin}:{line}: {problem}")]
    Invalid {
        /// The file or other place the text came from.
        origin: String,
        /// The line of the fault, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The file can't be read.
    #[error("can't read the policy {}; check that it exists and that you may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is longer than [`MAX_POLICY_BYTES`](crate::MAX_POLICY_BYTES).
    #[error("{origin} holds more than {limit} bytes; a policy that long is a mistake")]
    TooLong {
        /// The file or other place the text came from.
        origin: String,
        /// The most bytes a policy may have.
        limit: usize,
    },
    /// Two rules carry one id, so that a verdict couldn't say which of them decided.
    #[error("{second} has a rule {id:?}, and so has {first}; give one of them another id")]
    DuplicateRule {
        /// The id.
        id: String,
        /// Where the first rule stands.
        first: String,
        /// Where the second rule stands.
        second: String,
    },
}

/// The kind of an [`Error`], for callers that must branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text must be corrected.
    Invalid,
    /// There is no such file.
    Missing,
    /// The file is there and can't be read.
    Unreadable,
}

impl Error {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::Missing,
            Self::Read { .. } => ErrorKind::Unreadable,
            Self::Invalid { .. } | Self::TooLong { .. } | Self::DuplicateRule { .. } => ErrorKind::Invalid,
        }
    }

    pub(crate) fn invalid(origin: &str, line: usize, problem: impl fmt::Display) -> Self {
        Self::Invalid { origin: origin.to_owned(), line, problem: problem.to_string() }
    }
}
