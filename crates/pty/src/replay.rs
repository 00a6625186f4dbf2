//! What a profile says of a recording.

use std::time::Duration;

use crate::{CastError, CastKind, CastReader, Observation, Profile, Snapshot, Terminal};

impl Profile {
    /// Plays a recording and tells what the agent was doing, with the recording's own clock.
    ///
    /// The same bytes give the same observations, whenever and wherever they are played.
    #[must_use]
    pub fn replay(&self, recording: CastReader) -> Replay<'_> {
        let terminal = Terminal::new(recording.header().size);
        Replay { profile: self, recording, terminal, last: None }
    }
}

/// An iterator over the moments at which an agent began to do something else, or another dialog, highlight or draft was
/// seen: each observation holds from its time to the next.
///
/// Ends after an error.
#[derive(Debug)]
pub struct Replay<'p> {
    profile: &'p Profile,
    recording: CastReader,
    terminal: Terminal,
    last: Option<Observation>,
}

impl Replay<'_> {
    /// What was seen at this time, and the screen that it was seen on; `None` if nothing had been drawn yet.
    ///
    /// # Errors
    ///
    /// When the recording can't be read up to there.
    pub fn at(mut self, time: Duration) -> Result<Option<(Observation, Snapshot)>, CastError> {
        let mut drawn = false;
        while let Some(event) = self.recording.next().transpose()? {
            if event.time > time {
                break;
            }
            drawn |= self.play(&event.kind);
        }
        let screen = self.terminal.snapshot();
        Ok(drawn.then(|| (self.profile.observe(&screen), screen)))
    }

    /// Whether that changed the screen.
    fn play(&mut self, kind: &CastKind) -> bool {
        match kind {
            CastKind::Output(text) => drop(self.terminal.feed(text.as_bytes())),
            CastKind::Resize(size) => self.terminal.resize(*size),
            _ => return false,
        }
        true
    }
}

impl Iterator for Replay<'_> {
    type Item = Result<(Duration, Observation), CastError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let event = match self.recording.next()? {
                Ok(event) => event,
                Err(error) => return Some(Err(error)),
            };
            if !self.play(&event.kind) {
                continue;
            }
            let seen = self.profile.observe(&self.terminal.snapshot());
            let same = self.last.as_ref().is_some_and(|last| {
                (last.status, &last.dialog, last.draft.is_some())
                    == (seen.status, &seen.dialog, seen.draft.is_some())
            });
            if !same {
                self.last = Some(seen.clone());
                return Some(Ok((event.time, seen)));
            }
        }
    }
}
