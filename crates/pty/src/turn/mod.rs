//! Whole turns on an agent's terminal: submit, answer, interrupt, wait for the end.

mod agent;
mod answering;
mod error;
mod progress;
mod prompt;

pub use agent::{Agent, TurnOptions};
pub use answering::{Choice, Interrupted};
pub use error::{AnswerError, InterruptError, SubmitError};
pub use progress::{EndReason, Turn, TurnOutcome, TurnStep};
pub use prompt::Receipt;
