//! The command line as a whole.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::commands::{
    agent, approvals, audit, completions, config, demo, doctor, down, events, hook, merge, messages, policy,
    replay, run, status, task, up, worktree,
};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::reference;

/// How long work in the background may take to end after a command has ended.
const LINGER: Duration = Duration::from_secs(5);

/// Run many coding agents side by side and keep them safe.
///
/// Each agent sits in a slot, works in a git worktree of its own, and every tool call passes one policy.
/// `missiond demo` shows it on a scratch repository, with no account and no network.
#[derive(Debug, Parser)]
#[command(name = "missiond", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 denied by policy or authority, \
                        5 timeout, 6 resource missing, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// How to print.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Global options"
    )]
    format: Format,
    /// Print JSON: one document, or one line each where the output is a stream.
    #[arg(long, global = true, conflicts_with = "format", help_heading = "Global options")]
    json: bool,
    /// When to use colours; `auto` obeys NO_COLOR and uses them on a terminal only.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    color: Color,
    /// Work on the project that this directory lies in.
    #[arg(short = 'C', long, global = true, value_name = "DIR", help_heading = "Global options")]
    directory: Option<PathBuf>,
    /// Set a configuration key for this command.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value, help_heading = "Global options")]
    overrides: Vec<(String, String)>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Up(up::Up),
    Down(down::Down),
    Status(status::Status),
    #[command(subcommand)]
    Task(task::Task),
    #[command(subcommand)]
    Agent(agent::Agent),
    #[command(subcommand)]
    Worktree(worktree::Worktree),
    Diff(merge::Diff),
    Merge(merge::Merge),
    Approvals(approvals::Approvals),
    Approve(approvals::Answer),
    Reject(approvals::Refusal),
    #[command(subcommand)]
    Message(messages::Message),
    Events(events::Events),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Audit(audit::Audit),
    Hook(hook::Hook),
    Detect(replay::Detect),
    Replay(replay::Replay),
    #[command(subcommand)]
    Config(config::Config),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    /// Prints the command reference as Markdown.
    #[command(hide = true)]
    Reference,
}

/// Parses the arguments, carries the command out, and says how it went.
pub(crate) fn main() -> ExitCode {
    let cli = match parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    match cli.global.color {
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
        Color::Auto => {}
    }
    // It has its own way to fail: whatever happens must block the call.
    if let Command::Hook(hook) = &cli.command
        && !hook.manages()
    {
        return hook.run(&cli.global);
    }
    start_log();
    let outcome = Context::new(&cli.global).and_then(|context| carry_out(context, cli.command));
    exit::report(outcome)
}

impl Global {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    pub(crate) fn directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }

    pub(crate) fn overrides(&self) -> &[(String, String)] {
        &self.overrides
    }

    /// An option that a hook, whose answer and policy are not the caller's to choose, could only ignore.
    pub(crate) fn useless_to_hook(&self) -> Option<&'static str> {
        match self {
            Self { json: true, .. } => Some("--json"),
            Self { format: Format::Json | Format::Jsonl, .. } => Some("--format"),
            Self { overrides, .. } if !overrides.is_empty() => Some("--set"),
            _ => None,
        }
    }

    /// Whether `--json` asked for whatever suits, rather than `--format` for one of them.
    pub(crate) fn any_json(&self) -> bool {
        self.json
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    // clap takes its colours from its own setting, which must be known before it parses.
    let never = args.iter().any(|arg| arg == "--color=never")
        || args.windows(2).any(|pair| pair[0] == "--color" && pair[1] == "never");
    let mut command = Cli::command();
    if never {
        command = command.color(clap::ColorChoice::Never);
    }
    let matches = command.try_get_matches_from(args.drain(..))?;
    <Cli as clap::FromArgMatches>::from_arg_matches(&matches)
}

fn carry_out(context: Context, command: Command) -> anyhow::Result<Exit> {
    // These need neither a project nor a runtime.
    match command {
        Command::Completions(command) => return command.run(),
        Command::Detect(command) => return command.run(&context),
        Command::Replay(command) => return command.run(&context),
        Command::Reference => return reference::print(Cli::command()),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Demo(command) => command.run(&context).await,
            Command::Run(command) => command.run(&context).await,
            Command::Up(command) => command.run(&context).await,
            Command::Down(command) => command.run(&context).await,
            Command::Status(command) => command.run(&context).await,
            Command::Task(command) => command.run(&context).await,
            Command::Agent(command) => command.run(&context).await,
            Command::Worktree(command) => command.run(&context).await,
            Command::Diff(command) => command.run(&context).await,
            Command::Merge(command) => command.run(&context).await,
            Command::Approvals(command) => command.run(&context).await,
            Command::Approve(command) => command.run(&context).await,
            Command::Reject(command) => command.run(&context).await,
            Command::Message(command) => command.run(&context).await,
            Command::Events(command) => command.run(&context).await,
            Command::Config(command) => command.run(&context),
            Command::Policy(command) => command.run(&context),
            Command::Hook(command) => command.manage(&context),
            Command::Audit(command) => command.run(&context).await,
            Command::Doctor(command) => command.run(&context).await,
            Command::Completions(_) | Command::Detect(_) | Command::Replay(_) | Command::Reference => {
                unreachable!("carried out before the runtime")
            }
        }
    });
    runtime.shutdown_timeout(LINGER);
    outcome
}

/// The command as clap knows it.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Prints the help of one command.
pub(crate) fn help(name: &str) -> std::io::Result<()> {
    let mut command = Cli::command();
    command.build();
    command.find_subcommand_mut(name).map_or(Ok(()), clap::Command::print_long_help)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE, such as agent.turn_timeout=10m".to_owned()),
    }
}

/// The log goes to standard error; `MISSIOND_LOG` says how much (`info`, `missiond_core=debug`, …).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MISSIOND_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color).init();
}
