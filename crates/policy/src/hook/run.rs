use std::{
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::{
    answer::Answer,
    dialect::Dialect,
    event::{HookEvent, MAX_EVENT_BYTES},
    name::EventName,
};
use crate::verdict::Verdict;

/// Why an event can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// Standard input can't be read.
    #[error("the event can't be read")]
    Io(#[source] io::Error),
    /// It isn't JSON, or not an object.
    #[error("the event isn't valid JSON: {0}")]
    Malformed(String),
    /// It is too long.
    #[error("the event is longer than {limit} bytes")]
    TooLong {
        /// The most bytes an event may have.
        limit: usize,
    },
    /// It is too deep.
    #[error("the event is nested deeper than {limit} levels")]
    TooDeep {
        /// The most levels an event may have.
        limit: usize,
    },
    /// It lacks a field.
    #[error("the event has no `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds something else than it should.
    #[error("the event's `{field}` isn't of the expected type")]
    WrongType {
        /// The field.
        field: &'static str,
    },
    /// It isn't the event the hook was installed for.
    #[error("the event is `{found}`, but the hook was called for `{expected}`; check the installed settings")]
    OtherEvent {
        /// The event of the command line.
        expected: EventName,
        /// The event on standard input.
        found: EventName,
    },
}

/// How much a hook reads, and how long it may take.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HookLimits {
    /// The longest event, in bytes; at most [`MAX_EVENT_BYTES`].
    pub bytes: usize,
    /// How long reading and deciding may take together. It must be shorter than the time-out the hook is installed
    /// with, since an agent lets the call run when its hook times out.
    pub time: Duration,
    /// How long reading alone may take: the agent has the event at hand, so it isn't waited for as a person is.
    pub read: Duration,
}

impl Default for HookLimits {
    /// 10 MiB and 5 s.
    fn default() -> Self {
        let time = Duration::from_secs(5);
        Self { bytes: MAX_EVENT_BYTES, time, read: time }
    }
}

/// What a handler makes of an event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The verdict on a gating event.
    Verdict(Verdict),
    /// A reporting event was taken note of. For a tool call or a permission request this is a failure: somebody
    /// has to decide.
    Noted,
}

/// Reads one event, and no more than `limit` bytes.
///
/// # Errors
///
/// If it can't be read, is too long, or isn't the `expected` event.
pub fn read_event(
    dialect: Dialect,
    input: impl Read,
    limit: usize,
    expected: &EventName,
) -> Result<HookEvent, HookError> {
    let limit = limit.min(MAX_EVENT_BYTES);
    let mut text = Vec::new();
    input.take(limit as u64 + 1).read_to_end(&mut text).map_err(HookError::Io)?;
    if text.len() > limit {
        return Err(HookError::TooLong { limit });
    }
    let event = dialect.read(&text)?;
    if event.name == *expected {
        Ok(event)
    } else {
        Err(HookError::OtherEvent { expected: expected.clone(), found: event.name })
    }
}

/// Runs a hook: reads the event, lets `handle` decide, and renders the answer. Never fails and never panics: every
/// failure, a panic of `handle` and too long a wait among them, becomes the answer that is safe for the event.
///
/// `event` is the name on the command line. Past `limits` the answer is given while the work still goes on in its thread;
/// write the answer and exit the process.
///
/// A panic is caught only where panics unwind. A program that is built to abort must see to it by a panic hook of its
/// own that ends the process with exit code 2.
pub fn run<I, H, E>(dialect: Dialect, event: &str, input: I, limits: HookLimits, handle: H) -> Answer
where
    I: Read + Send + 'static,
    H: FnOnce(HookEvent) -> Result<Outcome, E> + Send + 'static,
    E: std::fmt::Display,
{
    let start = Instant::now();
    let expected = dialect.event(event);
    let (steps, step) = mpsc::sync_channel(2);
    let name = expected.clone();
    let work = move || {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let event = read(dialect, &name, input, limits.bytes)?;
            // The receiver is gone only after the time-out has been answered.
            drop(steps.send(Step::Read));
            Ok(decide(dialect, &name, event, handle))
        }));
        let done =
            done.unwrap_or_else(|_| Err(dialect.failure(&name, "an internal error; please report it")));
        let (Ok(answer) | Err(answer)) = done;
        drop(steps.send(Step::Answered(answer)));
    };
    if let Err(error) = thread::Builder::new().name("hook".to_owned()).spawn(work) {
        return dialect.failure(&expected, &format!("no thread can be started: {error}"));
    }
    let late = |limit: Duration, what: &str| {
        dialect.failure(&expected, &format!("{what} within {:.1} s", limit.as_secs_f64()))
    };
    let mut limit = limits.read.min(limits.time);
    let mut missing = "the event did not come";
    loop {
        match step.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(Step::Answered(answer)) => return answer,
            Ok(Step::Read) => (limit, missing) = (limits.time, "no answer"),
            Err(RecvTimeoutError::Timeout) => return late(limit, missing),
            Err(RecvTimeoutError::Disconnected) => {
                return dialect.failure(&expected, "an internal error; please report it");
            }
        }
    }
}

/// How far the work has come.
enum Step {
    Read,
    Answered(Answer),
}

/// The event, or the answer to what came instead.
fn read(dialect: Dialect, expected: &EventName, input: impl Read, limit: usize) -> Result<HookEvent, Answer> {
    read_event(dialect, input, limit, expected).map_err(|error| {
        let strict = match &error {
            // Whichever of the two gates, the agent may be waiting for leave.
            HookError::OtherEvent { found, .. } if found.is_gating() => found,
            _ => expected,
        };
        dialect.failure(strict, &error.to_string())
    })
}

fn decide<E: std::fmt::Display>(
    dialect: Dialect,
    expected: &EventName,
    event: HookEvent,
    handle: impl FnOnce(HookEvent) -> Result<Outcome, E>,
) -> Answer {
    // A prompt that nobody objects to goes its way; whatever else gates needs somebody's decision.
    let needs_verdict = event.tool().is_some()
        || !matches!(
            event.name,
            EventName::UserPromptSubmit | EventName::UserPromptExpansion | EventName::PreModelRequest
        );
    match handle(event) {
        Ok(Outcome::Verdict(verdict)) => dialect.verdict(expected, &verdict),
        Ok(Outcome::Noted) if expected.is_gating() && needs_verdict => {
            dialect.failure(expected, "nobody decided on the call")
        }
        Ok(Outcome::Noted) => Answer::silent(),
        Err(error) => dialect.failure(expected, &error.to_string()),
    }
}
