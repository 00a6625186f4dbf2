//! What a shell command would run, as far as it can be known without running it.
//!
//! A script is parsed and gone through ([`trace`]) into every command that it might run. What can't be parsed, and what
//! runs others in a way that isn't known, is skimmed besides ([`everything_that_might_run`]): nothing found there is ever
//! allowed, but what is denied is denied there too.

mod archive;
mod carried;
mod danger;
mod fetch;
mod forms;
mod git;
mod grammar;
mod known;
mod lex;
mod meaning;
mod operand;
mod parse;
mod program_text;
mod reader;
mod script;
mod special;
mod synonym;
mod table;
mod trace;
mod walk;

pub(crate) use danger::risks;
pub(crate) use git::git_subcommand;
pub(crate) use grammar::{Effect, Moved, Use, read};
pub(crate) use meaning::Meaning;
pub(crate) use script::{Below, Command, Join, Script, Word};
pub(crate) use trace::{trace, without_runs};
pub(crate) use walk::{Candidate, base, everything_that_might_run, program};

/// The longest command that is judged, in bytes.
pub const MAX_COMMAND_BYTES: usize = 32 << 10;
