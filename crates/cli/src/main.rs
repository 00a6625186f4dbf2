//! The `missiond` command: run many coding agents side by side and keep them safe.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod context;
mod exit;
mod output;
mod reference;
mod signals;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = missiond_core::reexec::dispatch() {
        return code;
    }
    // A hook runs before every tool call of every agent, so it starts no runtime and no log.
    if let Some(code) = commands::hook::fast_path() {
        return code;
    }
    cli::main()
}
