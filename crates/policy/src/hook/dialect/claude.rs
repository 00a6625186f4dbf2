//! Claude Code, as of 2.1.197; see <https://code.claude.com/docs/en/hooks>.

use serde_json::json;

use crate::{
    hook::{
        answer::{Answer, reason},
        effect::{Effect, Ending, code, text},
        name::EventName,
    },
    verdict::{Decision, Verdict},
};

/// The events, by the program's own list.
pub(super) const EVENTS: &[(EventName, &str)] = &[
    (EventName::PreToolUse, "PreToolUse"),
    (EventName::PostToolUse, "PostToolUse"),
    (EventName::PostToolUseFailure, "PostToolUseFailure"),
    (EventName::PostToolBatch, "PostToolBatch"),
    (EventName::Notification, "Notification"),
    (EventName::UserPromptSubmit, "UserPromptSubmit"),
    (EventName::UserPromptExpansion, "UserPromptExpansion"),
    (EventName::SessionStart, "SessionStart"),
    (EventName::SessionEnd, "SessionEnd"),
    (EventName::Stop, "Stop"),
    (EventName::StopFailure, "StopFailure"),
    (EventName::SubagentStart, "SubagentStart"),
    (EventName::SubagentStop, "SubagentStop"),
    (EventName::PreCompact, "PreCompact"),
    (EventName::PostCompact, "PostCompact"),
    (EventName::PermissionRequest, "PermissionRequest"),
    (EventName::PermissionDenied, "PermissionDenied"),
    (EventName::Setup, "Setup"),
    (EventName::TeammateIdle, "TeammateIdle"),
    (EventName::TaskCreated, "TaskCreated"),
    (EventName::TaskCompleted, "TaskCompleted"),
    (EventName::Elicitation, "Elicitation"),
    (EventName::ElicitationResult, "ElicitationResult"),
    (EventName::ConfigChange, "ConfigChange"),
    (EventName::WorktreeCreate, "WorktreeCreate"),
    (EventName::WorktreeRemove, "WorktreeRemove"),
    (EventName::InstructionsLoaded, "InstructionsLoaded"),
    (EventName::CwdChanged, "CwdChanged"),
    (EventName::FileChanged, "FileChanged"),
    (EventName::MessageDisplay, "MessageDisplay"),
];

pub(super) const WEIGHTY_TOOLS: &[&str] = &["Bash", "Write", "Edit", "NotebookEdit", "WebFetch", "Agent"];

/// A tool call is allowed, denied or asked. A permission request is allowed or denied; an `ask` leaves the agent's own
/// dialog to the person. Everything else that gates is let through or blocked.
pub(super) fn verdict(event: &EventName, verdict: &Verdict) -> Answer {
    match event {
        EventName::PreToolUse => Answer::specific(&json!({
            "hookEventName": event.as_str(),
            "permissionDecision": verdict.decision,
            "permissionDecisionReason": reason(verdict),
        })),
        EventName::PermissionRequest => permission(verdict),
        _ if !event.is_gating() || verdict.decision == Decision::Allow => Answer::silent(),
        // These have no way to ask, so that what isn't allowed is blocked.
        _ => Answer::block(&reason(verdict)),
    }
}

/// The answer to a permission request, which Codex has taken over.
pub(super) fn permission(verdict: &Verdict) -> Answer {
    let decision = match verdict.decision {
        Decision::Allow => json!({ "behavior": "allow" }),
        Decision::Deny => json!({ "behavior": "deny", "message": reason(verdict) }),
        Decision::Ask => return Answer::silent(),
    };
    Answer::specific(&json!({ "hookEventName": EventName::PermissionRequest.as_str(), "decision": decision }))
}

pub(super) fn effect(event: &EventName, ending: &Ending<'_>) -> Effect {
    match ending.code {
        Some(0) => {}
        // What only reports has nothing to block, but for these, where the agent then goes on or stops.
        Some(2) if blocks_by_code(event) => return Effect::Blocks,
        Some(2) => return Effect::Nothing,
        _ => return Effect::ignored(format!("{} doesn't block; only 2 does", code(ending))),
    }
    let out = ending.stdout.trim();
    let Some(answer) = ending.object() else {
        return if out.starts_with('{') {
            Effect::ignored("its answer isn't valid JSON")
        } else {
            // Plain text is context for the model, or goes nowhere.
            Effect::Nothing
        };
    };
    if answer.get("continue") == Some(&json!(false)) {
        return Effect::Blocks;
    }
    match text(&answer, "/decision") {
        Some("block") => return Effect::Blocks,
        Some("approve") if *event == EventName::PreToolUse => return Effect::Allows,
        None | Some("approve") => {}
        Some(other) => return Effect::ignored(format!("there is no `decision` {other:?}")),
    }
    let Some(output) = answer.get("hookSpecificOutput") else { return Effect::Nothing };
    let named = text(output, "/hookEventName");
    if named != Some(event.as_str()) {
        return Effect::ignored(format!("`hookSpecificOutput.hookEventName` must be {event}"));
    }
    match (event, text(output, "/permissionDecision"), text(output, "/decision/behavior")) {
        (EventName::PreToolUse, Some("allow"), _) | (EventName::PermissionRequest, _, Some("allow")) => {
            Effect::Allows
        }
        (EventName::PreToolUse, Some("deny"), _) | (EventName::PermissionRequest, _, Some("deny")) => {
            Effect::Blocks
        }
        (EventName::PreToolUse, Some("ask"), _) => Effect::Asks,
        (EventName::PreToolUse, Some("defer"), _) => Effect::Nothing,
        (EventName::PreToolUse, Some(other), _) => {
            Effect::ignored(format!("there is no `permissionDecision` {other:?}"))
        }
        (EventName::PermissionRequest, _, Some(other)) => {
            Effect::ignored(format!("there is no `behavior` {other:?}"))
        }
        _ => Effect::Nothing,
    }
}

/// Whether exit code 2 stops something, by the program's own description of its events.
fn blocks_by_code(event: &EventName) -> bool {
    event.is_gating() && *event != EventName::PermissionRequest
        || matches!(
            event,
            EventName::PostToolBatch
                | EventName::Stop
                | EventName::SubagentStop
                | EventName::PreCompact
                | EventName::TeammateIdle
                | EventName::TaskCreated
                | EventName::TaskCompleted
        )
}
