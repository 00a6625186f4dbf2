//! Submitting a prompt.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::error::Missed;
use super::{Agent, SubmitError, Turn};
use crate::detect::is_pasted;
use crate::{Observation, Status};

/// Longer prompts belong in a file.
const MAX_PROMPT: usize = 1024 * 1024;
const PASTE_BEGIN: &str = "\x1b[200~";
const PASTE_END: &str = "\x1b[201~";
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
    /// appear, or something else has taken its place so that Enter would mean something else, or Enter didn't submit
    /// it; then it may be left in the box.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe in the sense that a prompt may be left in the box, pasted in part or not submitted. Nothing is
    /// typed after the drop, except for the end of a paste that had begun.
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
            true => format!("{PASTE_BEGIN}{text}{PASTE_END}"),
            false if text.contains('\n') => return Err(SubmitError::NoBracketedPaste),
            false => text.clone(),
        };
        let interrupts = self.inner.interrupts.load(Ordering::Relaxed);
        // An agent that hangs gets no more of it: the keys that are pressed next must come next, and after the paste.
        let ending = if pasted { PASTE_END } else { "" };
        let written = session.write_within(bytes.as_bytes(), ending.as_bytes(), options.echo);
        written.await.map_err(SubmitError::Session)?;
        let is_echo = |draft: &str| is_pasted(&self.inner.profile, draft) || echoes(draft, &text, !pasted);
        // A dialog may be there before the draft was seen.
        let echo = self.wait_for(options.echo, |seen| {
            let draft = seen.draft.clone().filter(|draft| is_echo(draft));
            draft.map(Ok).or_else(|| seen.dialog.is_some().then(|| Err(replaced(seen))))
        });
        let draft = match echo.await.map_err(Missed::from) {
            Ok(echo) => echo?,
            Err(Missed::Exited(exit)) => return Err(SubmitError::Exited(exit)),
            Err(Missed::TimedOut) => return Err(SubmitError::NoEcho { found: self.observe().draft }),
        };
        // A dialog that comes now stays until somebody answers it.
        let dialog = |seen: &Observation| seen.dialog.is_some().then_some(());
        match self.wait_for(options.settle.max(MIN_SETTLE), dialog).await.map_err(Missed::from) {
            Err(Missed::TimedOut) => {}
            Ok(()) => return Err(replaced(&self.observe())),
            Err(Missed::Exited(exit)) => return Err(SubmitError::Exited(exit)),
        }
        let attempts = self.press_enter(&draft, is_echo).await?;
        Ok(Turn::new(self.clone(), Receipt { pasted, stripped, attempts }, interrupts))
    }

    /// Presses Enter until the draft is gone from the box; how often that was.
    ///
    /// It is only pressed while an idle agent shows the draft: in a dialog it would choose an option.
    async fn press_enter(&self, draft: &str, is_echo: impl Fn(&str) -> bool) -> Result<u32, SubmitError> {
        let options = &self.inner.options;
        // The box may be drawn anew at this moment, and what it shows of a paste may have become more, or a name for it.
        let there = |seen: &Observation| {
            let waits = matches!(seen.status, Status::Idle { draft: true }) && seen.view.is_none();
            let now = seen.draft.clone().filter(|now| waits && (now.starts_with(draft) || is_echo(now)));
            now.map(Ok).or_else(|| seen.dialog.is_some().then(|| Err(replaced(seen))))
        };
        let mut draft = match self.wait_for(options.submit, there).await.map_err(Missed::from) {
            Ok(there) => there?,
            Err(Missed::Exited(exit)) => return Err(SubmitError::Exited(exit)),
            Err(Missed::TimedOut) => return Err(replaced(&self.observe())),
        };
        for attempt in 1..=options.submit_attempts.max(1) {
            let enter = self.inner.session.write_within(b"\r", b"", options.submit);
            enter.await.map_err(SubmitError::Session)?;
            let gone = |seen: &Observation| match seen.status {
                Status::Busy(_) | Status::Confirming => Some(()),
                Status::Idle { .. } => still_there(seen, &draft).is_none().then_some(()),
                _ => None,
            };
            match self.wait_for(options.submit, gone).await.map_err(Missed::from) {
                Ok(()) => return Ok(attempt),
                Err(Missed::Exited(exit)) => return Err(SubmitError::Exited(exit)),
                Err(Missed::TimedOut) => {}
            }
            // A screen that nothing explains has taken the prompt; the turn will tell about it.
            let seen = self.observe();
            match still_there(&seen, &draft) {
                Some(now) if matches!(seen.status, Status::Idle { .. }) => draft = now,
                _ => return Ok(attempt),
            }
        }
        Err(SubmitError::NotSubmitted { attempts: options.submit_attempts.max(1) })
    }
}

fn replaced(seen: &Observation) -> SubmitError {
    SubmitError::Replaced { status: seen.status, dialog: seen.dialog.clone().map(Box::new) }
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

/// The draft, if it is still in the box. An agent's completion (of a file name, say) may have taken an Enter to add to
/// it; anything else that stands there now is somebody's next draft.
fn still_there(seen: &Observation, draft: &str) -> Option<String> {
    seen.draft.clone().filter(|now| now.starts_with(draft))
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
