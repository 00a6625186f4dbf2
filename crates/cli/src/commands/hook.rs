//! `hook`: what agents run before a tool call.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;

/// Judge a tool call of an agent (agents run this as their hook)
///
/// Reads the agent's event on standard input and answers in the agent's own format. In a slot of a mission it asks the
/// mission, otherwise it judges by the policy of the project itself. Exit code 2 blocks the call, also when anything
/// goes wrong.
#[derive(Debug, Args)]
pub(crate) struct Hook {
    /// The event, such as pre-tool-use.
    #[arg(value_name = "EVENT")]
    event: String,
    /// The socket of the slot's gate.
    #[arg(long, value_name = "SOCKET")]
    gate: Option<std::path::PathBuf>,
}

impl Hook {
    /// Only `hook --help` and malformed arguments come here; see [`fast_path`].
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        Ok(Exit::USAGE)
    }
}

/// Carries `missiond hook …` out, if that is what was asked for and not help about it.
pub(crate) fn fast_path() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != "hook" {
        return None;
    }
    let rest: Vec<OsString> = args.collect();
    if rest.is_empty() || rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        return None;
    }
    let rest: Vec<String> = rest.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    Some(missiond_core::hook::main(&rest))
}
