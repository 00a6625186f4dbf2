//! Recordings of terminals: asciicast, versions 2 and 3.
//!
//! See <https://docs.asciinema.org/manual/asciicast/v2/> and <https://docs.asciinema.org/manual/asciicast/v3/>.

mod error;
mod read;
mod write;

use std::time::Duration;

pub use error::CastError;
pub use read::CastReader;
pub use write::{CastVersion, CastWriter};

use crate::Size;

/// The longest line of a recording, in bytes.
pub const MAX_CAST_LINE_BYTES: usize = 16 << 20;

/// What stands at the top of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CastHeader {
    /// The size of the terminal at the beginning.
    pub size: Size,
    /// When it was begun, in seconds since 1970.
    pub timestamp: Option<i64>,
    /// What ran in it.
    pub command: Option<String>,
    /// Its title.
    pub title: Option<String>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CastEvent {
    /// When, from the beginning of the recording.
    pub time: Duration,
    /// What.
    pub kind: CastKind,
}

impl CastEvent {
    /// An event.
    #[must_use]
    pub fn new(time: Duration, kind: CastKind) -> Self {
        Self { time, kind }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CastKind {
    /// The program printed.
    Output(String),
    /// Somebody typed, or the terminal answered a query.
    Input(String),
    /// The terminal got another size.
    Resize(Size),
    /// A place that somebody marked, with its name.
    Marker(String),
    /// The program ended with this status (version 3).
    Exit(i32),
    /// An event of another kind: its code and its data.
    Other(String, String),
}
