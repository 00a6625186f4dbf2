//! Answering dialogs and interrupting.

use std::sync::atomic::Ordering;

use super::error::Missed;
use super::{Agent, AnswerError, InterruptError};
use crate::{Dialog, DialogId, Observation, SessionError, Status};

const ENTER: &[u8] = b"\r";
const ESCAPE: &[u8] = b"\x1b";

/// An answer to a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// The option at this position of [`Dialog::options`], 0 first.
    Option(usize),
    /// No option: the dialog is left by Escape, which agents take for a no (and some for "exit").
    Cancel,
}

/// What an interrupt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interrupted {
    /// The agent was at work, or waited for an answer, and is idle now.
    Stopped,
    /// There was nothing to interrupt, and nothing was pressed.
    WasIdle,
}

impl Agent {
    /// Answers the dialog `id`.
    ///
    /// The highlight is moved key by key to the option, each time seen on the live screen, and Enter is pressed only
    /// while this very dialog is there with its highlight on the option.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Conflict`] if another dialog is on the screen, or none, at any moment before Enter: nothing was
    /// chosen then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the highlight may have moved, and Enter may have been pressed.
    pub async fn answer(&self, id: DialogId, choice: Choice) -> Result<(), AnswerError> {
        self.typing(self.type_answer(id, choice)).await.unwrap_or(Err(AnswerError::Interrupted))
    }

    async fn type_answer(&self, id: DialogId, choice: Choice) -> Result<(), AnswerError> {
        let dialog = self.expect_dialog(id)?;
        match choice {
            Choice::Cancel => self.press(ESCAPE).await.map_err(AnswerError::Session)?,
            Choice::Option(wanted) => {
                let option = dialog.options.get(wanted).ok_or(AnswerError::NoSuchOption {
                    number: wanted.saturating_add(1),
                    count: dialog.options.len(),
                })?;
                match option.key.as_str() {
                    "text" => return Err(AnswerError::NeedsText { label: option.label.clone() }),
                    "enter" => {}
                    _ => self.highlight(id, wanted, &option.label).await?,
                }
                self.press(ENTER).await.map_err(AnswerError::Session)?;
            }
        }
        let gone = |seen: &Observation| match &seen.dialog {
            Some(dialog) => (dialog.id != id).then_some(()),
            None => (seen.status != Status::Unknown).then_some(()),
        };
        match self.wait_for(self.inner.options.key, gone).await.map_err(Missed::from) {
            // Some answers end the agent, such as a no to its trust question.
            Ok(()) | Err(Missed::Exited(_)) => Ok(()),
            Err(Missed::TimedOut) if self.observe().dialog.is_none_or(|dialog| dialog.id != id) => Ok(()),
            Err(Missed::TimedOut) => Err(AnswerError::NotTaken { dialog: id }),
        }
    }

    /// Interrupts the agent by Escape and waits until it is idle. A dialog is left that way too, which refuses what
    /// it asks. A prompt or an answer that is being typed is stopped first; a prompt may be left in the box.
    ///
    /// # Errors
    ///
    /// The agent goes on, or has ended, or doesn't read its input: then [`PtySession::kill`](crate::PtySession::kill)
    /// is left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, Escape may have been pressed, and nothing else is lost.
    pub async fn interrupt(&self) -> Result<Interrupted, InterruptError> {
        // What is being typed must not go on after this, and it must not be waited for either.
        self.inner.stop_typing.send_replace(());
        // Twice at most: an Escape that comes between two steps of an agent can be lost.
        let mut status = self.observe().status;
        for _ in 0..2 {
            match status {
                Status::Idle { .. } => return Ok(Interrupted::WasIdle),
                Status::Exited => break,
                _ => {}
            }
            self.inner.interrupts.fetch_add(1, Ordering::Relaxed);
            self.press(ESCAPE).await.map_err(InterruptError::Session)?;
            let idle = |seen: &Observation| matches!(seen.status, Status::Idle { .. }).then_some(());
            match self.wait_for(self.inner.options.key, idle).await.map_err(Missed::from) {
                Ok(()) => return Ok(Interrupted::Stopped),
                Err(Missed::Exited(exit)) => return Err(InterruptError::Exited(exit)),
                Err(Missed::TimedOut) => status = self.observe().status,
            }
            if matches!(status, Status::Idle { .. }) {
                return Ok(Interrupted::Stopped);
            }
        }
        match self.inner.session.exit() {
            Some(exit) => Err(InterruptError::Exited(exit)),
            None => Err(InterruptError::StillBusy { status }),
        }
    }

    /// Gives a key to the terminal, within the time that a key has.
    async fn press(&self, key: &[u8]) -> Result<(), SessionError> {
        self.inner.session.write_within(key, b"", self.inner.options.key).await
    }

    /// The dialog on the screen, if it is `id`.
    fn expect_dialog(&self, id: DialogId) -> Result<Dialog, AnswerError> {
        if let Some(exit) = self.inner.session.exit() {
            return Err(AnswerError::Exited(exit));
        }
        match self.observe().dialog {
            Some(dialog) if dialog.id == id => Ok(dialog),
            other => Err(AnswerError::Conflict { wanted: id, found: other.map(Box::new) }),
        }
    }

    /// Moves the highlight to an option, one key at a time.
    async fn highlight(&self, id: DialogId, wanted: usize, label: &str) -> Result<(), AnswerError> {
        let not_reached = || AnswerError::NotReached { label: label.to_owned() };
        let mut steps = 0;
        loop {
            let dialog = self.expect_dialog(id)?;
            let at = dialog.highlighted().ok_or_else(not_reached)?;
            if at == wanted {
                return Ok(());
            }
            if steps > 2 * dialog.options.len() {
                return Err(not_reached());
            }
            steps += 1;
            let application = self.inner.session.snapshot().modes.application_cursor;
            let key: &[u8] = match (at < wanted, application) {
                (true, false) => b"\x1b[B",
                (true, true) => b"\x1bOB",
                (false, false) => b"\x1b[A",
                (false, true) => b"\x1bOA",
            };
            self.press(key).await.map_err(AnswerError::Session)?;
            let moved = |seen: &Observation| match &seen.dialog {
                Some(dialog) if dialog.id == id => (dialog.highlighted() != Some(at)).then_some(()),
                _ => Some(()),
            };
            match self.wait_for(self.inner.options.key, moved).await.map_err(Missed::from) {
                Ok(()) => {}
                Err(Missed::Exited(exit)) => return Err(AnswerError::Exited(exit)),
                Err(Missed::TimedOut) => return Err(not_reached()),
            }
        }
    }
}
