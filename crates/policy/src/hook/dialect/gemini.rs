//! Gemini CLI, as of 0.61.0; see `docs/hooks/reference.md` in its package.
//!
//! What its code does beyond that document: the exit code counts only if neither output holds JSON; exit code 2 without
//! a word on either output blocks nothing; and `ask` before a tool call asks a person even where its own policy would
//! refuse.

use serde_json::{Value, json};

use crate::{
    hook::{
        answer::{Answer, reason},
        effect::{Effect, Ending, code, text},
        event::HookEvent,
        name::EventName,
    },
    verdict::{Decision, Verdict},
};

/// The events, by the program's own list.
pub(super) const EVENTS: &[(EventName, &str)] = &[
    (EventName::PreToolUse, "BeforeTool"),
    (EventName::PostToolUse, "AfterTool"),
    (EventName::UserPromptSubmit, "BeforeAgent"),
    (EventName::Stop, "AfterAgent"),
    (EventName::PreModelRequest, "BeforeModel"),
    (EventName::PostModelRequest, "AfterModel"),
    (EventName::ToolSelection, "BeforeToolSelection"),
    (EventName::Notification, "Notification"),
    (EventName::SessionStart, "SessionStart"),
    (EventName::SessionEnd, "SessionEnd"),
    (EventName::PreCompact, "PreCompress"),
];

pub(super) const WEIGHTY_TOOLS: &[&str] =
    &["run_shell_command", "write_file", "replace", "web_fetch", "invoke_agent"];

/// An allow lets the agent's own policy decide on, which may still ask.
pub(super) fn verdict(event: &EventName, verdict: &Verdict) -> Answer {
    match (event, verdict.decision) {
        (EventName::PreToolUse, Decision::Allow) => Answer::json(&json!({ "decision": "allow" })),
        (EventName::PreToolUse, Decision::Ask) => {
            Answer::json(&json!({ "decision": "ask", "systemMessage": reason(verdict) }))
        }
        (EventName::PreToolUse, Decision::Deny) => {
            Answer::json(&json!({ "decision": "deny", "reason": reason(verdict) }))
        }
        (_, Decision::Allow) => Answer::silent(),
        _ if !event.is_gating() => Answer::silent(),
        _ => Answer::block(&reason(verdict)),
    }
}

/// The tool as rules name it: a server's tool is called `mcp_server_tool` here, which could be cut in several places, but
/// the event tells the parts too.
pub(super) fn tool_name(event: &HookEvent, name: &str) -> String {
    let context = event.extra.get("mcp_context").and_then(Value::as_object);
    let part = |key: &str| context.and_then(|context| context.get(key)).and_then(Value::as_str);
    match (part("server_name"), part("tool_name")) {
        (Some(server), Some(tool)) => format!("mcp__{server}__{tool}"),
        // Whatever is called so is a server's, though it can't be told whose.
        _ if name.starts_with("mcp_") && !name.starts_with("mcp__") => name.replacen("mcp_", "mcp__", 1),
        _ => name.to_owned(),
    }
}

pub(super) fn effect(event: &EventName, ending: &Ending<'_>) -> Effect {
    let said = if ending.stdout.trim().is_empty() { ending.stderr.trim() } else { ending.stdout.trim() };
    let blocks = event.is_gating()
        || matches!(event, EventName::Stop | EventName::PostToolUse | EventName::PostModelRequest);
    let parsed: Option<Value> = serde_json::from_str(said).ok();
    let Some(answer) = parsed.filter(Value::is_object) else {
        return match ending.code {
            _ if said.is_empty() && ending.code != Some(0) => {
                Effect::ignored(format!("{} without a word on standard error doesn't block", code(ending)))
            }
            Some(0) if !ending.stdout.trim().is_empty() => {
                Effect::ignored("what it prints isn't JSON, which counts as an allow")
            }
            Some(0) => Effect::Nothing,
            // An end by a signal counts as 0.
            Some(1) | None => Effect::ignored(format!("{} doesn't block; 2 does", code(ending))),
            Some(_) if blocks => Effect::Blocks,
            Some(_) => Effect::Nothing,
        };
    };
    if answer.get("continue") == Some(&json!(false)) && blocks {
        return Effect::Blocks;
    }
    match text(&answer, "/decision") {
        Some("block" | "deny") if blocks => Effect::Blocks,
        Some("ask") if *event == EventName::PreToolUse => Effect::Asks,
        Some("allow" | "approve") => Effect::Allows,
        None if ending.code != Some(0) => {
            Effect::ignored(format!("{} doesn't count beside JSON that holds no `decision`", code(ending)))
        }
        None => Effect::Nothing,
        Some("block" | "deny" | "ask") => Effect::Nothing,
        Some(other) => Effect::ignored(format!("there is no `decision` {other:?}")),
    }
}
