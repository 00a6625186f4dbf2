use serde_json::{Value, json};

use crate::{text::shown, verdict::Verdict};

/// The exit code that blocks.
const BLOCK: u8 = 2;

/// The exit code that reports a failure and blocks nothing.
const FAILED: u8 = 1;

/// The longest reason that is told, in bytes. An answer must fit into a pipe that nobody reads yet.
const MAX_REASON_BYTES: usize = 8 << 10;

/// What a hook writes, and the code it exits with.
///
/// [`Dialect::verdict`](super::Dialect::verdict) and [`Dialect::failure`](super::Dialect::failure) make one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// For standard output: one line of JSON, or nothing.
    pub stdout: String,
    /// For standard error: the reason of a block or a failure, or nothing.
    pub stderr: String,
    /// The exit code: 0, 1 for a failure that blocks nothing, 2 for a block.
    pub exit_code: u8,
}

impl Answer {
    /// Nothing to say: the agent goes on as it would without the hook.
    #[must_use]
    pub fn silent() -> Self {
        Self::default()
    }

    /// Exit code 2, which every dialect takes for a no if there is a reason beside it.
    pub(super) fn block(reason: &str) -> Self {
        Self { stderr: line(reason), exit_code: BLOCK, ..Self::default() }
    }

    /// A failure that blocks nothing.
    pub(super) fn failed(reason: &str) -> Self {
        Self { stderr: line(reason), exit_code: FAILED, ..Self::default() }
    }

    /// An answer that is the agent's to understand.
    pub(super) fn json(answer: &Value) -> Self {
        Self { stdout: format!("{answer}\n"), ..Self::default() }
    }

    /// An answer under the key that Claude Code and those after it look for.
    pub(super) fn specific(output: &Value) -> Self {
        Self::json(&json!({ "hookSpecificOutput": output }))
    }
}

/// What the agent is told of a verdict: the reason, and the part of the call that it is about.
pub(super) fn reason(verdict: &Verdict) -> String {
    let mut reason = match &verdict.part {
        Some(part) => format!("{} (in `{part}`)", verdict.reason),
        None => verdict.reason.clone(),
    };
    if reason.len() > MAX_REASON_BYTES {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        reason.push('…');
    }
    reason
}

/// One line that is safe on a terminal.
fn line(text: &str) -> String {
    format!("missiond: {}\n", shown(text))
}
