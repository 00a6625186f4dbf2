//! What a shell command would run, as far as it can be known without running it.
//!
//! One lexer serves two readers. The *plain* reading accepts only commands made of literal words and separators:
//! nothing else is ever allowed by a rule. The *lossy* reading looks for commands in whatever text there is, so
//! that a denied command is still denied inside a substitution, a subshell or a wrapper.

mod danger;
mod grammar;
mod lex;
mod table;
mod walk;

pub(crate) use danger::{likely_use, risks};
pub(crate) use grammar::{Effect, GIT_VALUES, Moved, Use, git_subcommand, read, skipped_options};
pub(crate) use lex::{Command, Join, Script, Word, lex};
pub(crate) use walk::{Candidate, base, everything_that_might_run, is_assignment, is_keyword, program};

/// The longest command that is judged, in bytes.
pub const MAX_COMMAND_BYTES: usize = 32 << 10;
