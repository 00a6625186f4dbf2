//! Codex CLI, as of 0.169.0: Claude Code's format, of which it takes a part.
//!
//! By the schemas and messages in the program: before a tool call the only answer that it acts on is a no. `allow` and
//! `ask` are "unsupported", which fails the hook, and a hook that fails lets the call go on. So an allow is silence, and
//! what should be asked is refused with the reason. On a permission request `allow` and `deny` both count.

use std::path::PathBuf;

use serde_json::json;

use super::claude;
use crate::{
    call::ToolCall,
    hook::{
        answer::{Answer, reason},
        effect::{Effect, Ending, code, text},
        name::EventName,
        settings::quoted,
    },
    verdict::{Decision, Verdict},
};

/// The events, by the program's schemas.
pub(super) const EVENTS: &[(EventName, &str)] = &[
    (EventName::PreToolUse, "PreToolUse"),
    (EventName::PermissionRequest, "PermissionRequest"),
    (EventName::PostToolUse, "PostToolUse"),
    (EventName::UserPromptSubmit, "UserPromptSubmit"),
    (EventName::Stop, "Stop"),
    (EventName::Interrupt, "Interrupt"),
    (EventName::SessionStart, "SessionStart"),
    (EventName::SessionEnd, "SessionEnd"),
    (EventName::SubagentStart, "SubagentStart"),
    (EventName::SubagentStop, "SubagentStop"),
    (EventName::PreCompact, "PreCompact"),
    (EventName::PostCompact, "PostCompact"),
    (EventName::PreModelRequest, "PreModelRequest"),
    (EventName::PostModelRequest, "PostModelRequest"),
];

pub(super) const WEIGHTY_TOOLS: &[&str] = &["Bash", "apply_patch"];

/// The most files of one patch that are judged. One with more is judged as a tool that nobody knows.
const MAX_PATCHED: usize = 1000;

pub(super) fn verdict(event: &EventName, verdict: &Verdict) -> Answer {
    match (event, verdict.decision) {
        (EventName::PreToolUse, Decision::Allow) => Answer::silent(),
        (EventName::PreToolUse, decision) => {
            let mut reason = reason(verdict);
            if decision == Decision::Ask {
                reason.push_str(
                    "; a person would have to be asked, which a hook can't do in Codex, so it is refused: a rule can \
                     allow it, or the person can run it",
                );
            }
            Answer::specific(&json!({
                "hookEventName": event.as_str(),
                "permissionDecision": "deny",
                "permissionDecisionReason": reason,
            }))
        }
        (EventName::PermissionRequest, _) => claude::permission(verdict),
        (_, Decision::Allow) => Answer::silent(),
        _ if !event.is_gating() => Answer::silent(),
        _ => Answer::block(&reason(verdict)),
    }
}

/// A patch is judged as what it does to each of its files; the other tools as they are.
pub(super) fn calls(call: ToolCall) -> Vec<ToolCall> {
    if call.tool != "apply_patch" {
        return vec![call];
    }
    let patch =
        call.input.get("command").or_else(|| call.input.get("input")).and_then(|patch| patch.as_str());
    let files = patch.map(patched).unwrap_or_default();
    if files.is_empty() || files.len() > MAX_PATCHED {
        // It can't be understood, and so it is judged as what it is called.
        return vec![call];
    }
    let one = |(change, path): (Change, PathBuf)| {
        let path = path.to_string_lossy().into_owned();
        let (tool, input) = match change {
            Change::Write => ("Write", json!({ "file_path": path, "content": "" })),
            Change::Delete => ("Bash", json!({ "command": format!("rm -- {}", quoted(&path)) })),
        };
        ToolCall { id: call.id.clone(), tool: tool.to_owned(), input, cwd: call.cwd.clone() }
    };
    files.into_iter().map(one).collect()
}

enum Change {
    Write,
    Delete,
}

/// The files of a patch, by its headers. A line of a file begins with `+`, `-` or a blank, so that it is none.
fn patched(patch: &str) -> Vec<(Change, PathBuf)> {
    let header = |line: &str| {
        let (kind, path) = line.trim_end().strip_prefix("*** ")?.split_once(": ")?;
        let path = PathBuf::from(path.trim());
        match kind {
            "Add File" | "Update File" | "Move to" => Some((Change::Write, path)),
            "Delete File" => Some((Change::Delete, path)),
            _ => None,
        }
    };
    patch.lines().filter_map(|line| header(line.trim_start())).take(MAX_PATCHED + 1).collect()
}

pub(super) fn effect(event: &EventName, ending: &Ending<'_>) -> Effect {
    match ending.code {
        Some(0) => {}
        Some(2) if ending.stderr.trim().is_empty() => {
            return Effect::ignored("exit code 2 doesn't block without a reason on standard error");
        }
        Some(2) if event.is_gating() || matches!(event, EventName::Stop | EventName::SubagentStop) => {
            return Effect::Blocks;
        }
        Some(2) => return Effect::Nothing,
        _ => return Effect::ignored(format!("{} doesn't block; only 2 does", code(ending))),
    }
    let out = ending.stdout.trim();
    let Some(answer) = ending.object() else {
        return if out.starts_with(['{', '[']) {
            Effect::ignored("its answer isn't valid JSON")
        } else {
            Effect::Nothing
        };
    };
    let before_tool = *event == EventName::PreToolUse;
    for key in ["continue", "stopReason", "suppressOutput"] {
        let says_something = answer.get(key).is_some_and(|value| *value != json!(key == "continue"));
        if says_something && (before_tool || *event == EventName::PermissionRequest) {
            return Effect::ignored(format!("Codex doesn't support `{key}` here"));
        }
    }
    match text(&answer, "/decision") {
        None => {}
        Some("block") if text(&answer, "/reason").is_none_or(|reason| reason.trim().is_empty()) => {
            return Effect::ignored("`decision: block` needs a `reason`");
        }
        Some("block") => return Effect::Blocks,
        Some(other) => return Effect::ignored(format!("Codex doesn't support `decision` {other:?}")),
    }
    let Some(output) = answer.get("hookSpecificOutput") else { return Effect::Nothing };
    if text(output, "/hookEventName") != Some(event.as_str()) {
        return Effect::ignored(format!("`hookSpecificOutput.hookEventName` must be {event}"));
    }
    if before_tool {
        return match text(output, "/permissionDecision") {
            None => Effect::Nothing,
            Some("deny") => match text(output, "/permissionDecisionReason") {
                Some(reason) if !reason.trim().is_empty() => Effect::Blocks,
                _ => Effect::ignored("`permissionDecision: deny` needs a `permissionDecisionReason`"),
            },
            Some("allow") if output.get("updatedInput").is_some() => Effect::Allows,
            Some(other) => {
                Effect::ignored(format!("Codex doesn't support `permissionDecision` {other:?}, and goes on"))
            }
        };
    }
    match (event, text(output, "/decision/behavior")) {
        (EventName::PermissionRequest, Some("allow")) => Effect::Allows,
        (EventName::PermissionRequest, Some("deny")) => Effect::Blocks,
        (EventName::PermissionRequest, Some(other)) => {
            Effect::ignored(format!("there is no `behavior` {other:?}"))
        }
        _ => Effect::Nothing,
    }
}
