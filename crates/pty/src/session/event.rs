//! What happens on a terminal, as an ordered stream.

use std::fmt;
use std::sync::Arc;

use missiond_process::Exit;
use tokio::sync::broadcast;

use super::shared::Shared;
use crate::{Size, Snapshot};

/// Something that happened on a terminal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The event's number. A session counts from 1 without gaps; a subscriber that was too slow sees a gap, and in it
    /// a [`EventKind::Resync`].
    pub seq: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened on a terminal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The program wrote. The bytes are as it wrote them, so they may end within a character or an escape sequence,
    /// and they are not fit for a person's own terminal.
    Output(Arc<[u8]>),
    /// The title changed.
    Title(Arc<str>),
    /// The bell was rung, any number of times in one piece of output.
    Bell,
    /// The terminal has a new size.
    Resized(Size),
    /// Everything up to `seq` is in this snapshot: the first event of each subscriber, and what a slow one gets
    /// instead of what it missed.
    Resync {
        /// The screen.
        snapshot: Box<Snapshot>,
        /// Bytes that draw it on a blank terminal of its size, after which the outputs that follow can be fed.
        redraw: Arc<[u8]>,
    },
    /// The program ended; always the last event.
    Exited(ExitReport),
}

/// How a program on a terminal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitReport {
    /// The exit status; `None` if it could not be learned.
    pub exit: Option<Exit>,
    /// Why it ended, as far as the session knows.
    pub cause: ExitCause,
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.exit) {
            (ExitCause::Ended, Some(exit)) => write!(f, "{exit}"),
            (ExitCause::Killed, Some(exit)) => write!(f, "killed on request ({exit})"),
            (ExitCause::ReadFailed(error), _) => write!(f, "its terminal could not be read: {error}"),
            (ExitCause::WaitFailed(error), _) => write!(f, "it could not be waited for: {error}"),
            (_, None) => f.write_str("exit status unknown"),
        }
    }
}

/// Why a program on a terminal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitCause {
    /// By itself, or by a signal from elsewhere.
    Ended,
    /// By [`PtySession::kill`](crate::PtySession::kill).
    Killed,
    /// Its output could not be read any more, so it was ended. The text is the error.
    ReadFailed(String),
    /// It could not be waited for. The text is the error.
    WaitFailed(String),
}

/// A stream of a session's events. See [`PtySession::subscribe`](crate::PtySession::subscribe).
///
/// The session never waits for a subscriber. One that falls more than 256 events behind gets a
/// [`EventKind::Resync`] and goes on from there.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    events: broadcast::Receiver<Event>,
    seen: u64,
    resync: bool,
    exit: Option<ExitReport>,
    ended: bool,
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let events = shared.events.subscribe();
        Self { shared, events, seen: 0, resync: true, exit: None, ended: false }
    }

    /// The next event, or `None` after [`EventKind::Exited`].
    ///
    /// # Cancel safety
    ///
    /// No event is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        if let Some(exit) = self.exit.take() {
            self.ended = true;
            return Some(Event { seq: self.seen, kind: EventKind::Exited(exit) });
        }
        loop {
            if self.resync {
                self.resync = false;
                let (snapshot, redraw) = self.shared.redraw();
                self.seen = snapshot.seq;
                // The end must be told by an event of its own even if the resync has swallowed it.
                self.exit.clone_from(&snapshot.exit);
                let kind = EventKind::Resync { snapshot: Box::new(snapshot), redraw };
                return Some(Event { seq: self.seen, kind });
            }
            match self.events.recv().await {
                Ok(event) if event.seq <= self.seen => {}
                Ok(event) => {
                    self.seen = event.seq;
                    self.ended = matches!(event.kind, EventKind::Exited(_));
                    return Some(event);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.resync = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
