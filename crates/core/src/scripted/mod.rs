//! The scripted agent: a real child process that plays a script instead of asking a model.
//!
//! It is for demos, tests and load. It speaks Claude Code's JSON lines and runs the same hooks from the same kind of
//! settings file, and like Claude Code in its asking mode it runs no tool that a hook has not allowed. What it does
//! therefore takes the whole path that a real agent takes.
//!
//! A prompt that begins with `script:` holds its turn as JSON steps; any other prompt gets a fixed short turn.
//!
//! With `--tui` it is a program for a terminal, as interactive agents are: a prompt box, a status line, dialogs of its
//! own for calls that no hook decides, any number of turns. What happens is written to
//! `$XDG_STATE_HOME/missiond/scripted/<conversation>.jsonl` (`~/.local/state/…` by default), of which the newest 100
//! conversations are kept.

mod child;
mod event;
mod headless;
mod hooks;
mod play;
mod script;
mod stop;
mod tui;

use std::process::ExitCode;

use uuid::Uuid;

pub use script::{MAX_STEPS, MAX_WAIT_MS, Script, ScriptError, Step};

use crate::ids::ConversationId;

/// Runs the scripted agent: without `--tui` to the end of one turn, whose prompt comes on standard input and whose
/// events go to standard output; with it until the person leaves or the terminal does.
///
/// `args` are those after the program's name: `--tui`, `--settings FILE`, and `--resume CONVERSATION` or
/// `--session-id CONVERSATION`.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    match Arguments::parse(args).and_then(run) {
        Ok(code) => code,
        Err(message) => complain(&message),
    }
}

/// The conversation that a start belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Conversation {
    New(ConversationId),
    Resumed(ConversationId),
}

#[derive(Debug, Default)]
struct Arguments {
    tui: bool,
    settings: Option<String>,
    conversation: Option<Conversation>,
}

impl Arguments {
    fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value =
                || args.next().ok_or_else(|| format!("`{}` needs a value", crate::text::escape_line(&arg)));
            match arg.as_str() {
                "--tui" => parsed.tui = true,
                "--settings" => parsed.settings = Some(value()?),
                "--resume" | "--session-id" if parsed.conversation.is_some() => {
                    return Err("give `--resume` or `--session-id`, and once".to_owned());
                }
                "--resume" => parsed.conversation = Some(Conversation::Resumed(name(&value()?)?)),
                "--session-id" => parsed.conversation = Some(Conversation::New(name(&value()?)?)),
                other => return Err(format!("unknown argument `{}`", crate::text::escape_line(other))),
            }
        }
        Ok(parsed)
    }
}

fn name(text: &str) -> Result<ConversationId, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let conversation = match arguments.conversation {
        Some(conversation) => conversation,
        None => Conversation::New(name(&Uuid::new_v4().to_string())?),
    };
    let (Conversation::New(session) | Conversation::Resumed(session)) = &conversation;
    let player = play::Player {
        hooks: hooks::Hooks::load(arguments.settings.as_deref())?,
        session: session.to_string(),
        cwd: std::env::current_dir().map_err(|error| format!("the current directory is gone: {error}"))?,
    };
    if arguments.tui {
        return tui::run(player, &conversation);
    }
    headless::run(&player).map(|()| ExitCode::SUCCESS)
}

#[allow(clippy::print_stderr, reason = "this is a program of its own, whose errors go to its standard error")]
fn complain(message: &str) -> ExitCode {
    eprintln!("scripted agent: {message}");
    ExitCode::FAILURE
}
