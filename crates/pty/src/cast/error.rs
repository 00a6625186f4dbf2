//! What can be wrong with a recording.

use std::io;

/// A recording that can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// Reading or writing failed; damaged gzip is this too.
    #[error("the recording can't be read or written")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("the recording is empty: it has no header")]
    Empty,
    /// A line is longer than [`MAX_CAST_LINE_BYTES`](super::MAX_CAST_LINE_BYTES).
    #[error("line {line} of the recording is longer than {limit} bytes")]
    TooLong {
        /// The line, 1 first.
        line: u64,
        /// The most bytes it may have.
        limit: usize,
    },
    /// A line isn't what the format has there.
    #[error("line {line} of the recording: {problem}")]
    Malformed {
        /// The line, 1 first.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A version that isn't known here.
    #[error("the recording is asciicast version {found}; versions 2 and 3 are known")]
    Version {
        /// It.
        found: u64,
    },
}
