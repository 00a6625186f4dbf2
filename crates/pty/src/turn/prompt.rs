//! Submitting a prompt.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::error::Missed;
use super::{Agent, SubmitError, Turn};
use crate::detect::is_pasted;
use crate::{Observation, Status};

/// Longer prompts belong in a file.
const MAX_PROMPT: usize = 1024 * 1024;
/// Agents take an Enter that follows sooner for a part of the paste.
const MIN_SETTLE: Duration = Duration::from_millis(50);
/// How much of an echoed draft is compared: the box may cut what it shows.
const ECHO_CHARS: usize = 40;

/// What is known of how a prompt was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// It was sent as a bracketed paste.
    pub pasted: bool,
    /// How many control characters were taken out of it.
    pub stripped: usize,
    /// How often Enter had to be pressed.
    pub attempts: u32,
}

impl Agent {
    /// Submits a prompt to an idle agent: pasted, seen in the prompt box, Enter, seen to be gone from there.
    ///
    /// Line ends become `\n`; control characters are taken out (see [`Receipt::stripped`]). A text that begins with
    /// a character that the agent takes for a command (`/`, `!`) is one.
    ///
    /// # Errors
    ///
    /// The agent isn't idle, shows a dialog or has a draft in its box: then nothing was typed. Or the prompt didn't
    /// appear, or Enter didn't submit it; then it may be left in the box.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe in the sense that a prompt may be left in the box, pasted and not submitted. Nothing is typed
    /// after the drop, except what was queued already.
    pub async fn submit(&self, text: &str) -> Result<Turn, SubmitError> {
        let (text, stripped) = clean(text);
        if text.trim().is_empty() {
            return Err(SubmitError::Empty);
        }
        if text.len() > MAX_PROMPT {
            return Err(SubmitError::TooLong { bytes: text.len(), limit: MAX_PROMPT });
        }
        if stripped > 0 {
            tracing::warn!(stripped, "control characters taken out of a prompt");
        }
        self.typing(self.type_prompt(text, stripped)).await.unwrap_or(Err(SubmitError::Interrupted))
    }

    async fn type_prompt(&self, text: String, stripped: usize) -> Result<Turn, SubmitError> {
        let session = &self.inner.session;
        let options = &self.inner.options;

        let before = session.snapshot();
        ready(&self.inner.profile.observe(&before), before.exit.as_ref())?;
        let pasted = before.modes.bracketed_paste;
        let bytes = match pasted {
            true => format!("\x1b[200~{text}\x1b[201~"),
            false if text.contains('\n') => return Err(SubmitError::NoBracketedPaste),
            false => text.clone(),
        };
        let interrupts = self.inner.interrupts.load(Ordering::Relaxed);
        match tokio::time::timeout(options.echo, session.write_all(bytes.as_bytes())).await {
            Ok(written) => written.map_err(SubmitError::Session)?,
            Err(_) => return Err(SubmitError::NoEcho { found: self.observe().draft }),
        }
        let echo = self.wait_for(options.echo, |seen| {
            let draft = seen.draft.as_deref()?;
            (is_pasted(&self.inner.profile, draft) || echoes(draft, &text, !pasted)).then(|| draft.to_owned())
        });
        let draft = match echo.await.map_err(Missed::from) {
            Ok(draft) => draft,
            Err(Missed::Exited(exit)) => return Err(SubmitError::Exited(exit)),
            Err(Missed::TimedOut) => return Err(SubmitError::NoEcho { found: self.observe().draft }),
        };
        tokio::time::sleep(options.settle.max(MIN_SETTLE)).await;
        let attempts = self.press_enter(&draft).await?;
        Ok(Turn::new(self.clone(), Receipt { pasted, stripped, attempts }, interrupts))
    }

    /// Presses Enter until the draft is gone from the box; how often that was.
    async fn press_enter(&self, draft: &str) -> Result<u32, SubmitError> {
        let options = &self.inner.options;
        let session = &self.inner.session;
        for attempt in 1..=options.submit_attempts.max(1) {
            session.write_all(b"\r").await.map_err(SubmitError::Session)?;
            let gone = |seen: &Observation| match seen.status {
                Status::Busy(_) | Status::Confirming => Some(()),
                Status::Idle { .. } => (!still_there(seen, draft)).then_some(()),
                _ => None,
            };
            match self.wait_for(options.submit, gone).await.map_err(Missed::from) {
                Ok(()) => return Ok(attempt),
                Err(Missed::Exited(exit)) => return Err(SubmitError::Exited(exit)),
                Err(Missed::TimedOut) => {}
            }
            // Enter is only repeated while the draft is seen in the box: in a dialog it would be an answer. A screen
            // that nothing explains has taken the prompt; the turn will tell about it.
            if !still_there(&self.observe(), draft) {
                return Ok(attempt);
            }
        }
        Err(SubmitError::NotSubmitted { attempts: options.submit_attempts.max(1) })
    }
}

fn ready(seen: &Observation, exit: Option<&crate::ExitReport>) -> Result<(), SubmitError> {
    match (seen.status, exit) {
        (Status::Idle { draft: false }, _) => match &seen.view {
            Some(view) => Err(SubmitError::View { view: view.clone() }),
            None => Ok(()),
        },
        (Status::Idle { draft: true }, _) => {
            Err(SubmitError::Draft { draft: seen.draft.clone().unwrap_or_default() })
        }
        (Status::Exited, Some(exit)) => Err(SubmitError::Exited(exit.clone())),
        (status, _) => match &seen.dialog {
            Some(dialog) => Err(SubmitError::Dialog { dialog: Box::new(dialog.clone()) }),
            None => Err(SubmitError::NotIdle { status }),
        },
    }
}

/// Whether the draft is still in the box. An agent's completion (of a file name, say) may have taken an Enter to add to
/// it; anything else that stands there now is somebody's next draft.
fn still_there(seen: &Observation, draft: &str) -> bool {
    seen.draft.as_deref().is_some_and(|now| now.starts_with(draft))
}

/// Takes control characters out, escape sequences with them losing their meaning; how many those were.
fn clean(text: &str) -> (String, usize) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let before = text.chars().count();
    let clean: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    let stripped = before - clean.chars().count();
    (clean, stripped)
}

/// Whether what stands in the box is what was sent. Only letters and digits count: the box wraps, indents and cuts,
/// and wide or joined characters may be drawn in other ways.
fn echoes(draft: &str, sent: &str, whole: bool) -> bool {
    let letters = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    let (shown, wanted) = (letters(draft), letters(sent));
    if wanted.is_empty() {
        return !draft.is_empty();
    }
    if whole {
        return shown == wanted;
    }
    let head: String = shown.chars().take(ECHO_CHARS).collect();
    !head.is_empty() && wanted.contains(&head)
}
