//! Why something couldn't be typed.

use crate::{Dialog, DialogId, ExitReport, SessionError, Status, WaitError};

/// A prompt that was not submitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// There is nothing to submit.
    #[error("the prompt is empty")]
    Empty,
    /// The prompt is too long to be pasted.
    #[error(
        "the prompt has {bytes} bytes, more than the {limit} that are pasted: put it in a file and name the file"
    )]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The agent isn't waiting for a prompt.
    #[error("the agent is {status}, not idle: wait for it or interrupt it first")]
    NotIdle {
        /// What it is doing.
        status: Status,
    },
    /// A dialog waits and has to be answered first.
    #[error("the agent waits for an answer to its {} dialog: {}", dialog.kind, dialog.question)]
    Dialog {
        /// The dialog.
        dialog: Box<Dialog>,
    },
    /// Somebody's draft stands in the prompt box. It is left alone.
    #[error("somebody's draft of {} characters stands in the agent's prompt box: submit or delete it first", draft.chars().count())]
    Draft {
        /// The draft.
        draft: String,
    },
    /// The agent shows something else in place of its prompt box.
    #[error("the agent shows its {view} view in place of its prompt: leave that view first")]
    View {
        /// The view's name in the profile.
        view: String,
    },
    /// The prompt has several lines and the program takes no bracketed paste, so each line would be submitted alone.
    #[error(
        "the program takes no bracketed paste, so a prompt of several lines would be split: use one line"
    )]
    NoBracketedPaste,
    /// What was pasted didn't appear. It may still be in the box.
    #[error("the prompt was pasted but did not appear in the agent's prompt box")]
    NoEcho {
        /// What stands in the box instead.
        found: Option<String>,
    },
    /// Something else took the place of the prompt that had been pasted, so Enter was not pressed. The prompt may
    /// still be in the box.
    #[error(
        "the prompt was pasted, but the agent is {status} now and doesn't wait with it, so Enter was not pressed{}",
        about(dialog.as_deref())
    )]
    Replaced {
        /// What the agent is doing.
        status: Status,
        /// The dialog on its screen, if there is one.
        dialog: Option<Box<Dialog>>,
    },
    /// Enter didn't submit it. The prompt still stands in the box.
    #[error(
        "the prompt stands in the agent's prompt box, but Enter was pressed {attempts} times and did not submit it"
    )]
    NotSubmitted {
        /// How often Enter was pressed.
        attempts: u32,
    },
    /// The agent was interrupted meanwhile. The prompt may still be in the box.
    #[error("the agent was interrupted while the prompt was being typed")]
    Interrupted,
    /// The program ended.
    #[error("the agent ended before the prompt was submitted: {0}")]
    Exited(ExitReport),
    /// The terminal didn't take the input.
    #[error("the prompt could not be written")]
    Session(#[source] SessionError),
}

/// A dialog that was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Another dialog (or none) is on the screen than the one the answer was meant for. Enter was not pressed.
    #[error("dialog {wanted} is not on the screen any more: look at the one that is, and decide again")]
    Conflict {
        /// The dialog the answer was meant for.
        wanted: DialogId,
        /// The dialog that is there.
        found: Option<Box<Dialog>>,
    },
    /// The dialog has no such option.
    #[error("the dialog has {count} options, so there is no option number {number}")]
    NoSuchOption {
        /// The number that was asked for, 1 first.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// The option wants a text to be typed.
    #[error("option \"{label}\" wants a text, which only a person can type so far")]
    NeedsText {
        /// The option.
        label: String,
    },
    /// The highlight didn't get to the option. Enter was not pressed.
    #[error("the highlight could not be moved to option \"{label}\", so nothing was chosen")]
    NotReached {
        /// The option.
        label: String,
    },
    /// The key was pressed and the dialog is still there.
    #[error("the answer was given, but dialog {dialog} is still on the screen")]
    NotTaken {
        /// The dialog.
        dialog: DialogId,
    },
    /// The agent was interrupted meanwhile.
    #[error("the agent was interrupted while the dialog was being answered")]
    Interrupted,
    /// The program ended.
    #[error("the agent ended before the dialog was answered: {0}")]
    Exited(ExitReport),
    /// The terminal didn't take the input.
    #[error("the answer could not be written")]
    Session(#[source] SessionError),
}

/// An interrupt that didn't stop the agent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterruptError {
    /// It went on.
    #[error("the agent is still {status} after it was interrupted")]
    StillBusy {
        /// What it does.
        status: Status,
    },
    /// The program ended.
    #[error("the agent ended: {0}")]
    Exited(ExitReport),
    /// The terminal didn't take the input.
    #[error("the interrupt could not be written")]
    Session(#[source] SessionError),
}

fn about(dialog: Option<&Dialog>) -> String {
    let answer_first =
        |dialog: &Dialog| format!(": answer its {} dialog first ({})", dialog.kind, dialog.question);
    dialog.map_or_else(|| ": look at its screen".to_owned(), answer_first)
}

/// What a wait inside an operation came to, if it wasn't what was waited for.
pub(super) enum Missed {
    TimedOut,
    Exited(ExitReport),
}

impl From<WaitError> for Missed {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut { .. } => Self::TimedOut,
            WaitError::Exited { exit, .. } => Self::Exited(exit),
        }
    }
}
