//! `hook`: what agents run before a tool call.

mod manage;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use missiond_core::hook::{Arguments, ArgumentsError, block};

use self::manage::Manage;
use crate::cli::{self, Global};
use crate::context::Context;
use crate::exit::{self, Exit};

/// The commands that are no events.
const MANAGED: [&str; 3] = ["install", "uninstall", "lint"];

/// Judge a tool call of an agent (agents run this as their hook), and manage hooks
///
/// Reads the agent's event on standard input and answers in the agent's own format. With the socket of a slot's gate it
/// asks the mission, otherwise it judges by the policy of the project itself: that of the directory of the call, or of
/// `-C DIR`. Exit code 2 blocks the call, also when anything goes wrong; the reason is on standard error.
#[derive(Debug, Args)]
#[command(
    override_usage = "missiond hook [--agent AGENT] [--gate SOCKET] [--patience SECONDS] EVENT\n       \
                      missiond hook install|uninstall|lint [OPTIONS]"
)]
#[command(subcommand_precedence_over_arg = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Hook {
    #[command(subcommand)]
    manage: Option<Manage>,
    /// The event, such as pre-tool-use; before it `--agent AGENT`, whose hook this is (claude, codex or gemini),
    /// `--gate SOCKET`, the slot's gate, and `--patience SECONDS`, how long its verdict is waited for.
    // Taken as they come: the one parser of them is that of the hook program in the library, which is no clap's.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Hook {
    /// Whether this is for people, and no hook.
    pub(crate) fn manages(&self) -> bool {
        self.manage.is_some()
    }

    /// Carries out what is for people.
    pub(crate) fn manage(self, context: &Context) -> anyhow::Result<Exit> {
        self.manage.map_or(Ok(Exit::USAGE), |manage| manage.run(context))
    }

    /// What comes here is a hook behind options of every command, one with malformed arguments, or asked for its help;
    /// see [`fast_path`].
    pub(crate) fn run(&self, global: &Global) -> ExitCode {
        if self.arguments.iter().any(|arg| arg == "--help" || arg == "-h") {
            return cli::help("hook").map_or_else(|error| block(&error.to_string()), |()| exit::ok());
        }
        if let Some(option) = global.useless_to_hook() {
            return block(&format!("`{option}` means nothing to a hook: leave it out"));
        }
        match Arguments::parse(&self.arguments) {
            Ok(mut arguments) => {
                arguments.directory = global.directory().cloned();
                arguments.run()
            }
            Err(error @ ArgumentsError::Unknown { .. }) => {
                block(&format!("{error}, and options of every command before `hook`"))
            }
            Err(error) => block(&error.to_string()),
        }
    }
}

/// Carries `missiond hook …` out in its plain form, the one that agents use: no clap, no runtime and no log, since it
/// runs before every tool call.
pub(crate) fn fast_path() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != "hook" {
        return None;
    }
    let rest: Vec<OsString> = args.collect();
    if rest.first().is_some_and(|first| MANAGED.iter().any(|command| first == command)) {
        return None;
    }
    Arguments::parse(&rest).ok().map(|arguments| refused_on_terminal().unwrap_or_else(|| arguments.run()))
}

/// Who types the name of an event, or something that isn't one, sends no event: they would wait for nothing.
fn refused_on_terminal() -> Option<ExitCode> {
    std::io::stdin().is_terminal().then(|| {
        block(
            "an agent sends the event on standard input, and that is a terminal; for people there are `missiond hook install`, \
             `missiond hook uninstall` and `missiond hook lint`",
        )
    })
}
