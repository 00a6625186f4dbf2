//! The hook program: what an agent starts before a tool call, to ask whether it may.
//!
//! In a mission it only asks, over the gate socket of its slot; the mission judges and puts the verdict on record.
//! Without a mission it judges by itself, by the policy of the project that the event names, and puts the verdict into the
//! audit log. On an event that gates, whatever goes wrong blocks the call.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use missiond_policy::hook::{Answer, EventName, HookBody, HookEvent, HookLimits, Outcome, run};
use missiond_process::text::truncate_start;
use serde_json::json;

use crate::adapters::to_policy;
use crate::control::{GateRequest, GateResponse, gate, inside_slot};
use crate::error::chain;
use crate::model::{ToolCall, Verdict};
use crate::ports::{AuditEntry, Decider, Seat};
use crate::project::{ProjectOptions, judge_at, root_of, workspace_of};

/// How long the answer to a report is waited for: nobody needs it, and an agent must not wait for us.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);
/// How much of the agent's last words is reported.
const MAX_WORDS_BYTES: usize = 4 << 10;
/// How long judging without a mission may take.
const OWN_PATIENCE: Duration = Duration::from_secs(5);
/// How long a mission's verdict is waited for if the command line does not say: a little over an hour.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(3660);

/// Runs the hook program: [`Arguments::parse`], then [`Arguments::run`].
///
/// The exit code is 0, 1 for a failure that blocks nothing, or 2 for a block. What cannot be understood blocks.
pub fn main<A: AsRef<OsStr>>(args: &[A]) -> ExitCode {
    match Arguments::parse(args) {
        Ok(arguments) => arguments.run(),
        Err(error) => block(&error.to_string()),
    }
}

/// Blocks the call that the hook was started for, with the reason in one line on standard error.
pub fn block(reason: &str) -> ExitCode {
    // It cannot be known which event this was meant for, so it is taken for one that gates.
    write(&Answer::failure(&EventName::PreToolUse, reason))
}

/// What the hook program is told on its command line. There is no other parser of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arguments {
    /// The event, such as `pre-tool-use`.
    pub event: String,
    /// The socket of the slot's gate; without one the hook judges by itself.
    pub gate: Option<PathBuf>,
    /// How long a mission's verdict is waited for.
    pub patience: Duration,
    /// Where the project lies by whose policy a hook without a mission judges; `None` for where the call is made.
    pub directory: Option<PathBuf>,
}

/// A command line that the hook program cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// No event is named.
    #[error("the event is missing; an example is `missiond hook pre-tool-use`")]
    NoEvent,
    /// An option lacks its value, or has one that makes no sense.
    #[error("`{option}` needs {expected}")]
    BadValue {
        /// The option.
        option: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// Something else stands there.
    #[error("unknown argument `{argument}`; the hook takes [--gate SOCKET] [--patience SECONDS] EVENT")]
    Unknown {
        /// It, safe to print.
        argument: String,
    },
}

impl Arguments {
    /// Reads `[--gate SOCKET] [--patience SECONDS] EVENT`.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] when it is something else.
    pub fn parse<A: AsRef<OsStr>>(args: &[A]) -> Result<Self, ArgumentsError> {
        let bad = |option, expected| ArgumentsError::BadValue { option, expected };
        let (mut event, mut gate, mut patience) = (None, None, DEFAULT_PATIENCE);
        let mut args = args.iter().map(AsRef::as_ref);
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--gate") => {
                    let socket = args.next().ok_or(bad("--gate", "the path of a socket"))?;
                    gate = Some(PathBuf::from(socket));
                }
                Some("--patience") => {
                    let text = args.next().and_then(OsStr::to_str);
                    let seconds = text.and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
                    let seconds = seconds.ok_or(bad("--patience", "a number of seconds above zero"))?;
                    patience = Duration::from_secs(seconds);
                }
                Some(name) if event.is_none() && !name.is_empty() && !name.starts_with('-') => {
                    event = Some(name.to_owned());
                }
                _ => {
                    let argument = crate::text::escape_line(&arg.to_string_lossy());
                    return Err(ArgumentsError::Unknown { argument });
                }
            }
        }
        let event = event.ok_or(ArgumentsError::NoEvent)?;
        Ok(Self { event, gate, patience, directory: None })
    }

    /// Answers the event on standard input, on standard output in the agent's own format.
    ///
    /// The exit code is as that of [`main`].
    pub fn run(self) -> ExitCode {
        write(&answer(self))
    }
}

fn write(answer: &Answer) -> ExitCode {
    let mut code = answer.exit_code;
    let written =
        std::io::stdout().write_all(answer.stdout.as_bytes()).and_then(|()| std::io::stdout().flush());
    let mut stderr = std::io::stderr();
    // Nobody is left to tell if standard error fails too.
    let _ = stderr.write_all(answer.stderr.as_bytes());
    if let (Err(error), false) = (written, answer.stdout.is_empty()) {
        let _ = writeln!(stderr, "missiond: blocked, since the answer cannot be written: {error}");
        code = 2;
    }
    ExitCode::from(code)
}

fn answer(arguments: Arguments) -> Answer {
    let gating = EventName::parse(&arguments.event).is_gating();
    let mut limits = HookLimits::default();
    limits.time = match (&arguments.gate, gating) {
        (Some(_), true) => arguments.patience,
        (Some(_), false) => REPORT_PATIENCE,
        (None, _) => OWN_PATIENCE,
    };
    let patience = limits.time;
    run(&arguments.event, std::io::stdin(), limits, move |event: HookEvent| match arguments.gate {
        Some(gate) => ask(&gate, &event, patience),
        None => judge(&event, arguments.directory.as_deref()),
    })
}

/// Asks the mission.
fn ask(socket: &Path, event: &HookEvent, patience: Duration) -> Result<Outcome, String> {
    let name = event.name.as_str().to_owned();
    let request = match (event.name.is_gating(), event.tool_call(Path::new("/"))) {
        (true, Some(call)) => {
            let call = ToolCall::new(call.id.unwrap_or_default(), call.tool, call.input, call.cwd);
            GateRequest::Judge { call: Box::new(call), event: name }
        }
        _ => GateRequest::Report {
            event: json!({
                "event": name,
                "conversation": event.session_id,
                "transcript": event.transcript_path,
                "call": event.tool().and_then(|tool| tool.id.clone()),
                "message": last_words(event),
            }),
        },
    };
    match gate::ask(socket, &request, patience).map_err(|error| chain(&error))? {
        GateResponse::Verdict(verdict) => Ok(Outcome::Verdict(to_policy(&verdict))),
        GateResponse::Ok => Ok(Outcome::Noted),
        GateResponse::Refused { reason } => Err(format!("the mission refused: {reason}")),
    }
}

/// The end of what the agent said last, if this is the end of its turn.
fn last_words(event: &HookEvent) -> Option<&str> {
    let (HookBody::Stop { last_message, .. } | HookBody::StopFailure { last_message, .. }) = &event.body
    else {
        return None;
    };
    last_message.as_deref().map(|words| truncate_start(words, MAX_WORDS_BYTES))
}

/// Judges by the policy of the project that the call is made in, or that was named, where there is no mission to ask.
fn judge(event: &HookEvent, named: Option<&Path>) -> Result<Outcome, String> {
    let here = std::env::current_dir().map_err(|error| format!("the current directory is gone: {error}"))?;
    let Some(call) = event.tool_call(&here) else { return Ok(Outcome::Noted) };
    if let Some(evidence) = inside_slot() {
        // An agent in a mission that calls a hook of its own making gets no verdict from it.
        let verdict =
            Verdict::deny(format!("{evidence}; in a mission only the hook of the slot is answered"));
        return Ok(Outcome::Verdict(to_policy(&verdict)));
    }
    let (root, gate, audit) =
        judge_at(named.unwrap_or(&call.cwd), &ProjectOptions::of_person()).map_err(|error| chain(&error))?;
    let workspace = match named {
        // What a foreign repository says of itself counts for nothing.
        Some(_) if root_of(&call.cwd).ok().as_ref() != Some(&root) => root.clone(),
        _ => workspace_of(&call.cwd, &root),
    };
    let word = |text: &str| text.parse().map_err(|error| format!("{error}"));
    let seat = Seat::new(
        word("none")?,
        crate::ids::Role::default(),
        "claude".parse().map_err(|error| format!("{error}"))?,
        crate::ids::TaskId::generate(),
        workspace,
        root,
    );
    let call = ToolCall::new(call.id.unwrap_or_default(), call.tool, call.input, call.cwd);
    let verdict = gate.judge_blocking(&call, &seat);
    let mut entry = AuditEntry::new(Timestamp::now(), call, verdict, Decider::Policy);
    entry.session.clone_from(&event.session_id);
    Ok(Outcome::Verdict(to_policy(&audit.vouch(entry))))
}
