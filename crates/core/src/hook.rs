//! The hook program: what an agent starts before a tool call, to ask whether it may.
//!
//! In a mission it only asks, over the gate socket of its slot; the mission judges and puts the verdict on record.
//! Without a mission it judges by itself, by the policy of the project that the event names. On an event that gates,
//! whatever goes wrong blocks the call.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use missiond_policy::hook::{Answer, EventName, HookEvent, HookLimits, Outcome, run};
use serde_json::json;

use crate::adapters::to_policy;
use crate::control::{GateRequest, GateResponse, gate, inside_slot};
use crate::error::chain;
use crate::model::{ToolCall, Verdict};
use crate::ports::Seat;
use crate::project::{Project, ProjectOptions};

/// How long the answer to a report is waited for: nobody needs it, and an agent must not wait for us.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);
/// How long judging without a mission may take.
const OWN_PATIENCE: Duration = Duration::from_secs(5);
/// How long a mission's verdict is waited for if the command line does not say: a little over an hour.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(3660);

/// Runs the hook program. `args` are `[--gate SOCKET] [--patience SECONDS] EVENT`; the event comes on standard input, the
/// answer goes to standard output in the agent's own format.
///
/// The exit code is 0, 1 for a failure that blocks nothing, or 2 for a block.
pub fn main(args: &[String]) -> ExitCode {
    let answer = match Arguments::parse(args) {
        Ok(arguments) => answer(arguments),
        // It cannot be known which event this was meant for, so it is taken for one that gates.
        Err(reason) => Answer::failure(&EventName::PreToolUse, &reason),
    };
    let mut code = answer.exit_code;
    let written =
        std::io::stdout().write_all(answer.stdout.as_bytes()).and_then(|()| std::io::stdout().flush());
    // Nobody is left to tell if standard error fails too.
    let _ = std::io::stderr().write_all(answer.stderr.as_bytes());
    if written.is_err() && !answer.stdout.is_empty() {
        code = 2;
    }
    ExitCode::from(code)
}

struct Arguments {
    gate: Option<PathBuf>,
    patience: Duration,
    event: String,
}

impl Arguments {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self { gate: None, patience: DEFAULT_PATIENCE, event: String::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--gate" => {
                    parsed.gate = Some(args.next().ok_or("`--gate` needs the path of a socket")?.into());
                }
                "--patience" => {
                    let seconds =
                        args.next().and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
                    parsed.patience =
                        Duration::from_secs(seconds.ok_or("`--patience` needs a number of seconds")?);
                }
                event if parsed.event.is_empty() && !event.starts_with('-') => {
                    parsed.event = event.to_owned();
                }
                other => return Err(format!("unknown argument `{}`", crate::text::escape_line(other))),
            }
        }
        if parsed.event.is_empty() {
            return Err("the event is missing; an example is `missiond hook pre-tool-use`".to_owned());
        }
        Ok(parsed)
    }
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
        None => judge(&event),
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
            }),
        },
    };
    match gate::ask(socket, &request, patience).map_err(|error| chain(&error))? {
        GateResponse::Verdict(verdict) => Ok(Outcome::Verdict(to_policy(&verdict))),
        GateResponse::Ok => Ok(Outcome::Noted),
        GateResponse::Refused { reason } => Err(format!("the mission refused: {reason}")),
    }
}

/// Judges by the project's own policy, where there is no mission to ask.
fn judge(event: &HookEvent) -> Result<Outcome, String> {
    let here = std::env::current_dir().map_err(|error| format!("the current directory is gone: {error}"))?;
    let Some(call) = event.tool_call(&here) else { return Ok(Outcome::Noted) };
    if let Some(slot) = inside_slot() {
        // An agent in a mission that calls a hook of its own making gets no verdict from it.
        let verdict = Verdict::deny(format!("this runs inside slot {slot}, whose hook asks the mission"));
        return Ok(Outcome::Verdict(to_policy(&verdict)));
    }
    let project =
        Project::discover(&call.cwd, &ProjectOptions::of_person()).map_err(|error| chain(&error))?;
    let gate = project.gate().map_err(|error| chain(&error))?;
    let word = |text: &str| text.parse().map_err(|error| format!("{error}"));
    let seat = Seat::new(
        word("none")?,
        crate::ids::Role::default(),
        "claude".parse().map_err(|error| format!("{error}"))?,
        crate::ids::TaskId::generate(),
        workspace_of(&call.cwd, project.root()),
        project.root().to_owned(),
    );
    let call = ToolCall::new(call.id.unwrap_or_default(), call.tool, call.input, call.cwd);
    Ok(Outcome::Verdict(to_policy(&gate.judge_blocking(&call, &seat))))
}

/// The worktree that a directory lies in: the nearest one above it with a `.git`.
fn workspace_of(directory: &Path, root: &Path) -> PathBuf {
    directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(root).to_owned()
}
