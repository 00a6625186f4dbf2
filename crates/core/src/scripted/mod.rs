//! The scripted agent: a real child process that plays a script instead of asking a model.
//!
//! It is for demos, tests and load. It speaks Claude Code's JSON lines and runs the same hooks from the same kind of
//! settings file, and like Claude Code in its asking mode it runs no tool that a hook has not allowed. What it does
//! therefore takes the whole path that a real agent takes.
//!
//! A prompt that begins with `script:` holds its turn as JSON steps; any other prompt gets a fixed short turn.

mod hooks;
mod play;
mod script;

use std::io::Read as _;
use std::process::ExitCode;

pub use script::{MAX_STEPS, Script, ScriptError, Step};

use crate::model::NewTask;

/// Runs the scripted agent to the end of one turn: the prompt comes on standard input, events go to standard output.
///
/// `args` are those after the program's name: `--settings FILE`, `--resume CONVERSATION`.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    let mut settings = None;
    let mut conversation = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--settings" => settings = args.next(),
            "--resume" => conversation = args.next(),
            other => return complain(&format!("unknown argument `{}`", crate::text::escape_line(other))),
        }
    }
    let mut prompt = String::new();
    let limit = NewTask::MAX_PROMPT_BYTES as u64;
    if let Err(error) = std::io::stdin().lock().take(limit).read_to_string(&mut prompt) {
        return complain(&format!("the prompt could not be read: {error}"));
    }
    let script = match Script::of_prompt(&prompt) {
        Ok(script) => script,
        Err(error) => return complain(&error.to_string()),
    };
    let hooks = match hooks::Hooks::load(settings.as_deref()) {
        Ok(hooks) => hooks,
        Err(error) => return complain(&error),
    };
    match play::play(&script, &hooks, conversation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("the turn could not be played: {error}")),
    }
}

#[allow(clippy::print_stderr, reason = "this is a program of its own, whose errors go to its standard error")]
fn complain(message: &str) -> ExitCode {
    eprintln!("scripted agent: {message}");
    ExitCode::FAILURE
}
