//! The hook program: what an agent starts before a tool call, to ask whether it may.
//!
//! In a mission it only asks, over the gate socket of its slot; the mission judges and puts the verdict on record.
//! Without a mission it judges by itself, by the policy of the project that the event names, and puts the verdict into the
//! audit log. On an event that gates, whatever goes wrong blocks the call.

mod deliver;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use missiond_policy::Preset;
use missiond_policy::hook::{
    Answer, Dialect, EventName, HookBody, HookEvent, HookLimits, Outcome, knows_tool, run,
};
use missiond_process::text::truncate_start;
use serde_json::json;

use self::deliver::deliver;
use crate::adapters::to_policy;
use crate::control::{GateRequest, GateResponse, gate, inside_slot};
use crate::error::chain;
use crate::model::{Decision, ToolCall, Verdict};
use crate::ports::{AuditEntry, Decider};
use crate::project::{ProjectOptions, judge_in, root_of, workspace_of};

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
    deliver(Dialect::Claude.failure(&EventName::PreToolUse, reason))
}

/// From now on a panic anywhere in this process ends it as the failure of a hook for that event, with exit code 2 for one
/// that gates: also where panics abort, and on whatever thread. [`Arguments::run`] calls it.
pub fn exit_on_panic(gates: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let (code, so) = if gates { (2, "blocked, since the hook failed: ") } else { (1, "") };
        deliver::complain(format!("missiond: {so}an internal error at {place}; please report it\n"));
        std::process::exit(code);
    }));
}

/// What the hook program is told on its command line. There is no other parser of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arguments {
    /// The event, such as `pre-tool-use`.
    pub event: String,
    /// The agent whose protocol is spoken: `claude`, `codex` or `gemini`; `None` for the one that has such an event.
    pub agent: Option<String>,
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
    #[error(
        "unknown argument `{argument}`; the hook takes [--agent AGENT] [--gate SOCKET] [--patience SECONDS] EVENT"
    )]
    Unknown {
        /// It, safe to print.
        argument: String,
    },
}

impl Arguments {
    /// Reads `[--agent AGENT] [--gate SOCKET] [--patience SECONDS] EVENT`.
    ///
    /// # Errors
    ///
    /// [`ArgumentsError`] when it is something else.
    pub fn parse<A: AsRef<OsStr>>(args: &[A]) -> Result<Self, ArgumentsError> {
        let bad = |option, expected| ArgumentsError::BadValue { option, expected };
        let (mut event, mut agent, mut gate, mut patience) = (None, None, None, DEFAULT_PATIENCE);
        let mut args = args.iter().map(AsRef::as_ref);
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--agent") => {
                    let known = args.next().and_then(OsStr::to_str).and_then(Dialect::named);
                    let known = known.ok_or(bad("--agent", "claude, codex or gemini"))?;
                    agent = Some(known.as_str().to_owned());
                }
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
        Ok(Self { event, agent, gate, patience, directory: None })
    }

    /// Answers the event on standard input, on standard output in the agent's own format.
    ///
    /// The exit code is as that of [`main`].
    pub fn run(self) -> ExitCode {
        let dialect = self.dialect();
        exit_on_panic(dialect.event(&self.event).is_gating());
        deliver(answer(dialect, self))
    }

    fn dialect(&self) -> Dialect {
        let named = self.agent.as_deref().and_then(Dialect::named);
        named.unwrap_or_else(|| Dialect::of_event(&self.event))
    }
}

fn answer(dialect: Dialect, arguments: Arguments) -> Answer {
    let gating = dialect.event(&arguments.event).is_gating();
    let mut limits = HookLimits::default();
    limits.read = OWN_PATIENCE;
    limits.time = match (&arguments.gate, gating) {
        (Some(_), true) => arguments.patience,
        (Some(_), false) => REPORT_PATIENCE,
        (None, _) => OWN_PATIENCE,
    };
    let patience = limits.time;
    run(dialect, &arguments.event, std::io::stdin(), limits, move |event: HookEvent| match arguments.gate {
        Some(gate) => ask(&gate, &event, patience),
        None => judge(&event, arguments.directory.as_deref()),
    })
}

/// Asks the mission.
fn ask(socket: &Path, event: &HookEvent, patience: Duration) -> Result<Outcome, String> {
    let name = event.name.as_str().to_owned();
    let mut calls = event.tool_calls(Path::new("/"));
    // A call that stands for several is put to people as it is.
    let call = if calls.len() == 1 { calls.pop() } else { event.tool_call(Path::new("/")) };
    let request = match (event.name.is_gating(), call) {
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
    if !event.name.is_gating() {
        // There is nobody to report to.
        return Ok(Outcome::Noted);
    }
    let here = std::env::current_dir().map_err(|error| format!("the current directory is gone: {error}"))?;
    let calls = event.tool_calls(&here);
    let Some(cwd) = calls.first().map(|call| call.cwd.clone()) else { return Ok(Outcome::Noted) };
    // An agent in a mission that calls a hook of its own making gets no verdict from it.
    let of_slot = inside_slot().map(|evidence| {
        Verdict::deny(format!("{evidence}; in a mission only the hook of the slot is answered"))
    });
    // Without a repository nothing is a workspace, so that nothing is allowed; a project that was named must be one.
    let (root, is_project) = match root_of(named.unwrap_or(&cwd)) {
        Ok(root) if named.is_none() => (outermost(root), true),
        Ok(root) => (root, true),
        Err(_) if named.is_none() => (cwd.clone(), false),
        Err(error) => return Err(chain(&error)),
    };
    let (gate, audit) = judge_in(&root, &ProjectOptions::of_person()).map_err(|error| chain(&error))?;
    // Where nothing is allowed, nothing is left behind either.
    let is_audited = is_project || !audit.paths().current().starts_with(&root);
    let workspace = match named {
        // What a foreign repository says of itself counts for nothing.
        Some(_) if root_of(&cwd).ok().as_ref() != Some(&root) => root.clone(),
        _ => workspace_of(&cwd, &root),
    };
    let mut strictest: Option<Verdict> = None;
    for call in calls {
        let call = ToolCall::new(call.id.unwrap_or_default(), call.tool, call.input, call.cwd);
        let alone = || gate.judge_alone(&call, event.dialect.as_str(), &workspace, &root);
        let mut verdict = of_slot.clone().unwrap_or_else(alone);
        if verdict.decision == Decision::Allow && !is_project {
            let reason = "this is no git repository, so that no policy allows anything here".to_owned();
            verdict = Verdict::new(Decision::Ask, verdict.rule, reason);
        }
        let unknown = verdict.decision == Decision::Ask && !knows_tool(&call.tool) && is_of_preset(&verdict);
        if unknown {
            let reason = format!(
                "nothing here knows the tool `{}` of {}, which could write: a newer missiond may, and a rule can allow it",
                call.tool,
                event.dialect.agent()
            );
            verdict = Verdict { decision: Decision::Deny, reason, ..verdict };
        }
        if is_audited {
            let mut entry = AuditEntry::new(Timestamp::now(), call, verdict, Decider::Policy);
            entry.session.clone_from(&event.session_id);
            verdict = audit.vouch(entry);
        }
        if unknown {
            return Err(verdict.reason);
        }
        if strictest.as_ref().is_none_or(|so_far| so_far.decision < verdict.decision) {
            strictest = Some(verdict);
        }
    }
    Ok(strictest.map_or(Outcome::Noted, |verdict| Outcome::Verdict(to_policy(&verdict))))
}

/// The outermost repository that this one lies in, below the person's home: what a repository within another says of itself
/// counts for nothing, since an agent may have fetched or made it.
fn outermost(mut root: PathBuf) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    while let Some(outer) = root.parent().and_then(missiond_git::locate) {
        // A home that is a repository itself holds everything.
        if outer == root || home.as_ref().is_some_and(|home| home.starts_with(&outer)) {
            break;
        }
        root = outer;
    }
    root
}

/// Whether no written rule spoke, but a preset.
fn is_of_preset(verdict: &Verdict) -> bool {
    let scope = verdict.rule.as_deref().and_then(|rule| rule.split('/').next());
    scope.is_none_or(|scope| Preset::named(scope).is_some())
}
