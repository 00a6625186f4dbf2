use serde_json::json;

use super::name::EventName;
use crate::{
    text::shown,
    verdict::{Decision, Verdict},
};

/// The exit code that blocks.
const BLOCK: u8 = 2;

/// The exit code that reports a failure and blocks nothing.
const FAILED: u8 = 1;

/// What a hook writes, and the code it exits with.
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

    /// A verdict, in the agent's format.
    ///
    /// A tool call is allowed, denied or asked. A permission request is allowed or denied; an `ask` leaves the
    /// agent's own dialog to the person. A prompt is let through or blocked, and so is an event that isn't known.
    /// Events that only report get no answer.
    #[must_use]
    pub fn verdict(event: &EventName, verdict: &Verdict) -> Self {
        let reason = match &verdict.part {
            Some(part) => format!("{} (in `{part}`)", verdict.reason),
            None => verdict.reason.clone(),
        };
        let output = match event {
            EventName::PreToolUse => json!({
                "hookEventName": event.as_str(),
                "permissionDecision": verdict.decision,
                "permissionDecisionReason": reason,
            }),
            EventName::PermissionRequest => match verdict.decision {
                Decision::Allow => {
                    json!({ "hookEventName": event.as_str(), "decision": { "behavior": "allow" } })
                }
                Decision::Deny => {
                    json!({ "hookEventName": event.as_str(), "decision": { "behavior": "deny", "message": reason } })
                }
                Decision::Ask => return Self::silent(),
            },
            _ if !event.is_gating() || verdict.decision == Decision::Allow => return Self::silent(),
            // These have no way to ask, so that what isn't allowed is blocked.
            _ => return Self::block(&reason),
        };
        Self { stdout: format!("{}\n", json!({ "hookSpecificOutput": output })), ..Self::default() }
    }

    /// A failure of ours: it blocks what gates, and nothing else.
    #[must_use]
    pub fn failure(event: &EventName, reason: &str) -> Self {
        if event.is_gating() {
            Self::block(&format!("blocked, since the hook failed: {reason}"))
        } else {
            Self { stderr: line(reason), exit_code: FAILED, ..Self::default() }
        }
    }

    fn block(reason: &str) -> Self {
        Self { stderr: line(reason), exit_code: BLOCK, ..Self::default() }
    }
}

/// One line that is safe on a terminal.
fn line(text: &str) -> String {
    format!("missiond: {}\n", shown(text))
}
