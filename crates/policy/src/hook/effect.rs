//! What an agent makes of a hook's end.

use serde_json::Value;

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending<'a> {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: &'a str,
    /// What it wrote to standard error.
    pub stderr: &'a str,
}

impl<'a> Ending<'a> {
    /// An end with that exit code and that output.
    #[must_use]
    pub fn new(code: Option<i32>, stdout: &'a str, stderr: &'a str) -> Self {
        Self { code, stdout, stderr }
    }

    /// Standard output, if it is one JSON object.
    pub(super) fn object(&self) -> Option<Value> {
        serde_json::from_str(self.stdout.trim()).ok().filter(Value::is_object)
    }
}

/// What an agent does after a hook has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// It goes on as it would without the hook.
    Nothing,
    /// It goes on without asking anybody.
    Allows,
    /// It asks a person.
    Asks,
    /// It does not do what it was about to. At the end of a turn that means: it goes on.
    Blocks,
    /// The hook failed in the agent's eyes, and the agent goes on as it would without it. The text says why.
    Ignored(String),
}

impl Effect {
    /// A hook that failed, for a reason.
    pub(super) fn ignored(why: impl Into<String>) -> Self {
        Self::Ignored(why.into())
    }
}

/// The exit code in words.
pub(super) fn code(ending: &Ending<'_>) -> String {
    match ending.code {
        Some(code) => format!("exit code {code}"),
        None => "an end by a signal".to_owned(),
    }
}

/// The text at a place in an answer.
pub(super) fn text<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str)
}
