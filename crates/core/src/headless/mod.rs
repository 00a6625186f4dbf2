//! The headless driver: one process a turn, which gets the prompt and prints what happens as JSON lines.

mod answer;
mod decode;
mod driver;

#[cfg(feature = "pty")]
pub(crate) use answer::Answer;
pub use decode::{Decoded, Decoder, TurnEnd};
pub use driver::HeadlessDriver;
#[cfg(feature = "pty")]
pub(crate) use driver::{agent_environment, program_path, spawn_error};
