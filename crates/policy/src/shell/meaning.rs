//! What is taken for the meaning of a command, whether it was understood or not.

use super::{
    danger::likely_use,
    grammar::{Effect, Use, read},
    script::Command,
};

/// What a command does.
#[derive(Debug)]
pub(crate) struct Meaning {
    pub(crate) used: Use,
    /// Why it is no more than likely, where the command isn't understood.
    pub(crate) guess: Option<String>,
}

impl Meaning {
    pub(crate) fn of(command: &Command) -> Self {
        match read(&command.words) {
            Effect::Known(used) => Self { used: used.meant(), guess: None },
            Effect::Guessed(act, why) => Self { used: likely_use(command, act), guess: Some(why) },
        }
    }
}
