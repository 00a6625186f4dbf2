use std::{
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::{
    answer::Answer,
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
}

impl Default for HookLimits {
    /// 16 MiB and 5 s.
    fn default() -> Self {
        Self { bytes: MAX_EVENT_BYTES, time: Duration::from_secs(5) }
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
pub fn read_event(input: impl Read, limit: usize, expected: &EventName) -> Result<HookEvent, HookError> {
    let limit = limit.min(MAX_EVENT_BYTES);
    let mut text = Vec::new();
    input.take(limit as u64 + 1).read_to_end(&mut text).map_err(HookError::Io)?;
    if text.len() > limit {
        return Err(HookError::TooLong { limit });
    }
    let event = HookEvent::parse(&text)?;
    if event.name == *expected {
        Ok(event)
    } else {
        Err(HookError::OtherEvent { expected: expected.clone(), found: event.name })
    }
}

/// Runs a hook: reads the event, lets `handle` decide, and renders the answer. Never fails and never panics: every
/// failure, a panic of `handle` and too long a wait among them, becomes the answer that is safe for the event.
///
/// `event` is the name on the command line. Past `limits.time` the answer is given while the work still goes on in
/// its thread; write the answer and exit the process.
pub fn run<I, H, E>(event: &str, input: I, limits: HookLimits, handle: H) -> Answer
where
    I: Read + Send + 'static,
    H: FnOnce(HookEvent) -> Result<Outcome, E> + Send + 'static,
    E: std::fmt::Display,
{
    let expected = EventName::parse(event);
    let (answers, answer) = mpsc::sync_channel(1);
    let name = expected.clone();
    let work = move || {
        let work = || decide(&name, input, limits.bytes, handle);
        let done = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Answer::failure(&name, "an internal error; please report it"));
        // The receiver is gone only after the time-out has been answered.
        drop(answers.send(done));
    };
    if let Err(error) = thread::Builder::new().name("hook".to_owned()).spawn(work) {
        return Answer::failure(&expected, &format!("no thread can be started: {error}"));
    }
    match answer.recv_timeout(limits.time) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => {
            Answer::failure(&expected, &format!("no answer within {:.1} s", limits.time.as_secs_f64()))
        }
        Err(RecvTimeoutError::Disconnected) => {
            Answer::failure(&expected, "an internal error; please report it")
        }
    }
}

fn decide<E: std::fmt::Display>(
    expected: &EventName,
    input: impl Read,
    limit: usize,
    handle: impl FnOnce(HookEvent) -> Result<Outcome, E>,
) -> Answer {
    let event = match read_event(input, limit, expected) {
        Ok(event) => event,
        Err(HookError::OtherEvent { expected, found }) => {
            // Whichever of the two gates, the agent may be waiting for leave.
            let strict = if found.is_gating() { found.clone() } else { expected.clone() };
            return Answer::failure(&strict, &HookError::OtherEvent { expected, found }.to_string());
        }
        Err(error) => return Answer::failure(expected, &error.to_string()),
    };
    let decides = event.tool().is_some();
    match handle(event) {
        Ok(Outcome::Verdict(verdict)) => Answer::verdict(expected, &verdict),
        Ok(Outcome::Noted)
            if expected.is_gating() && (decides || *expected != EventName::UserPromptSubmit) =>
        {
            Answer::failure(expected, "nobody decided on the call")
        }
        Ok(Outcome::Noted) => Answer::silent(),
        Err(error) => Answer::failure(expected, &error.to_string()),
    }
}
