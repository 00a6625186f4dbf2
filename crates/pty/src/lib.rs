//! Run a coding agent's terminal, understand its screen and answer it.
//!
//! The crate has two halves that can be used apart:
//!
//! - **Pure:** [`Terminal`] turns bytes into a screen and the replies a program waits for; [`Profile`] looks at a
//!   [`Snapshot`] of that screen and says what the agent is doing. No clock, no IO: a recording replays exactly.
//! - **IO:** [`PtySession`] runs a program on a pseudo-terminal, and [`Agent`] runs whole turns on it: submit a
//!   prompt, report each dialog that wants an answer, and tell how the turn ended.
//!
//! ```
//! use missiond_pty::{Profile, Size, Status, Terminal};
//!
//! let mut terminal = Terminal::new(Size::new(40, 6)?);
//! let rule = "─".repeat(40);
//! terminal.feed(format!("{rule}\r\n❯ \r\n{rule}\r\n  ? for shortcuts").as_bytes());
//!
//! let seen = Profile::claude().observe(&terminal.snapshot());
//! assert_eq!(seen.status, Status::Idle { draft: false });
//! # Ok::<(), missiond_pty::SizeError>(())
//! ```
//!
//! # How a state is found
//!
//! A profile is data (TOML). Its words are only looked for in the region of the screen where the agent's own
//! program draws them: the prompt box, the block of a dialog, the status line, the line under the box. The same
//! words in an answer, in a tool's output or in a person's draft are not evidence. What no rule explains is
//! [`Status::Unknown`], never a guess. The price: a new version of an agent that draws its box differently reads as
//! unknown until its profile is updated.
//!
//! # What it is not
//!
//! Not a sandbox and not a policy: it reports dialogs and presses what the caller decided. Not a scrollback viewer:
//! rows that left the screen are gone. Linux only for now.
#![forbid(unsafe_code)]

mod cast;

mod size;

mod snapshot;

mod terminal;

mod detect;

mod replay;

mod session;

mod turn;

pub use cast::{
    CastError, CastEvent, CastHeader, CastKind, CastReader, CastVersion, CastWriter, MAX_CAST_LINE_BYTES,
};
pub use detect::{
    Activity, Dialog, DialogId, DialogKind, DialogOption, Evidence, Observation, Profile, ProfileError,
    Status,
};
pub use missiond_process::{Exit, SpawnSpec};
pub use replay::Replay;
pub use session::{
    Event, EventKind, ExitCause, ExitReport, PtySession, SessionError, SpawnError, Subscription, WaitError,
};
pub use size::{Size, SizeError};
pub use snapshot::{Cursor, Modes, Row, Snapshot};
pub use terminal::{Feed, Terminal};
pub use turn::{
    Agent, AnswerError, Choice, EndReason, InterruptError, Interrupted, Receipt, SubmitError, Turn,
    TurnOptions, TurnOutcome, TurnStep,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
