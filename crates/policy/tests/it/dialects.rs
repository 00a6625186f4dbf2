//! The agents' dialects: what they really send, what they are answered, and what they make of an answer.
//!
//! The effects are those that Codex CLI 0.169.0 and Gemini CLI 0.61.0 showed when they ran hooks that end so, and those in
//! the code of Claude Code 2.1.197.

use std::{io, path::Path};

use missiond_policy::{
    Decision, Risk, ToolCall, Verdict,
    hook::{Answer, Dialect, Effect, Ending, EventName, HookBody, HookLimits, Outcome, run},
};
use serde_json::{Value, json};

const CODEX: &str = include_str!("../../src/hook/dialect/samples/codex.jsonl");
const GEMINI: &str = include_str!("../../src/hook/dialect/samples/gemini.jsonl");
const CLAUDE: &str = include_str!("../../src/hook/dialect/samples/claude.jsonl");

fn verdict(decision: Decision) -> Verdict {
    Verdict::new(decision, Risk::Medium, "because")
}

/// What a hook says: its standard output as JSON, its standard error, its exit code.
fn shown(answer: &Answer) -> Value {
    let stdout = serde_json::from_str(&answer.stdout).unwrap_or(Value::Null);
    json!([stdout, answer.stderr, answer.exit_code])
}

#[test]
fn every_event_of_every_agent_is_read_and_comes_back_under_its_own_name() {
    for (dialect, samples) in [(Dialect::Claude, CLAUDE), (Dialect::Codex, CODEX), (Dialect::Gemini, GEMINI)]
    {
        for line in samples.lines() {
            let told: Value = serde_json::from_str(line).unwrap();
            let event = dialect.read(line.as_bytes()).unwrap();
            let name = told["hook_event_name"].as_str().unwrap();
            assert_eq!(dialect.spelling(&event.name), name);
            assert!(dialect.events().any(|known| *known == event.name), "{dialect} has no {name}");
            assert_eq!(event.cwd.as_deref(), Some(Path::new("/home/dev/shop")));
            if let Some(tool) = event.tool() {
                assert_eq!((&told["tool_name"], &told["tool_input"]), (&json!(tool.name), &tool.input));
            }
        }
    }
}

#[test]
fn names_are_understood_in_the_agents_spelling_and_in_ours() {
    let check = |dialect: Dialect, name: &str, expected: EventName| {
        assert_eq!(dialect.event(name), expected, "{dialect} {name}");
    };
    for name in ["BeforeTool", "before-tool", "before_tool", "PreToolUse", "pre-tool-use"] {
        check(Dialect::Gemini, name, EventName::PreToolUse);
        assert!(Dialect::Gemini.event(name).is_gating());
    }
    check(Dialect::Gemini, "AfterAgent", EventName::Stop);
    check(Dialect::Gemini, "before-agent", EventName::UserPromptSubmit);
    check(Dialect::Codex, "interrupt", EventName::Interrupt);
    check(Dialect::Claude, "BeforeTool", EventName::Other("BeforeTool".to_owned()));
    assert_eq!(Dialect::Gemini.kebab(&EventName::PreToolUse), "before-tool");
    assert_eq!(Dialect::Codex.kebab(&EventName::PreToolUse), "pre-tool-use");
    for (name, dialect) in [
        ("before-tool", Dialect::Gemini),
        ("BeforeAgent", Dialect::Gemini),
        ("pre-tool-use", Dialect::Claude),
        ("session-start", Dialect::Claude),
        ("nonsense", Dialect::Claude),
    ] {
        assert_eq!(Dialect::of_event(name), dialect, "{name}");
    }
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::named(dialect.as_str()), Some(dialect));
        for event in dialect.events() {
            assert_eq!(dialect.event(&dialect.kebab(event)), *event);
        }
    }
}

#[test]
fn verdicts_are_told_in_a_form_that_the_agent_acts_on() {
    let specific = |decision: &str| {
        json!([{ "hookSpecificOutput": {
            "hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": "because"
        } }, "", 0])
    };
    let silent = json!([null, "", 0]);
    let check = |dialect: Dialect, event: EventName, decision: Decision, expected: Value| {
        let answer = dialect.verdict(&event, &verdict(decision));
        assert_eq!(shown(&answer), expected, "{dialect} {event} {decision}");
    };
    use Decision::{Allow, Ask, Deny};
    check(Dialect::Claude, EventName::PreToolUse, Allow, specific("allow"));
    check(Dialect::Claude, EventName::PreToolUse, Ask, specific("ask"));
    check(Dialect::Codex, EventName::PreToolUse, Allow, silent.clone());
    check(Dialect::Codex, EventName::PreToolUse, Deny, specific("deny"));
    check(Dialect::Gemini, EventName::PreToolUse, Allow, json!([{ "decision": "allow" }, "", 0]));
    check(
        Dialect::Gemini,
        EventName::PreToolUse,
        Ask,
        json!([{ "decision": "ask", "systemMessage": "because" }, "", 0]),
    );
    check(
        Dialect::Gemini,
        EventName::PreToolUse,
        Deny,
        json!([{ "decision": "deny", "reason": "because" }, "", 0]),
    );
    let blocked = json!([null, "missiond: because\n", 2]);
    for dialect in Dialect::ALL {
        check(dialect, EventName::UserPromptSubmit, Allow, silent.clone());
        check(dialect, EventName::UserPromptSubmit, Deny, blocked.clone());
        check(dialect, EventName::Stop, Deny, silent.clone());
        check(dialect, EventName::PostToolUse, Deny, silent.clone());
    }
    // Codex takes `ask` for a failed hook, and runs the call.
    let refused = Dialect::Codex.verdict(&EventName::PreToolUse, &verdict(Ask));
    assert!(refused.stdout.contains(r#""permissionDecision":"deny""#), "{refused:?}");
    assert!(refused.stdout.contains("because; a person would have to be asked"), "{refused:?}");
    check(Dialect::Codex, EventName::PermissionRequest, Ask, silent);
}

#[test]
fn s2_what_we_say_has_the_effect_that_we_mean() {
    for dialect in Dialect::ALL {
        for event in dialect.events() {
            let mean = |answer: &Answer| {
                dialect.effect(
                    event,
                    &Ending::new(Some(answer.exit_code.into()), &answer.stdout, &answer.stderr),
                )
            };
            let failure = mean(&dialect.failure(event, "no policy"));
            let denied = mean(&dialect.verdict(event, &verdict(Decision::Deny)));
            let asked = mean(&dialect.verdict(event, &verdict(Decision::Ask)));
            if !event.is_gating() {
                assert!(matches!(failure, Effect::Ignored(_)), "{dialect} {event}: {failure:?}");
                assert_eq!((denied, asked), (Effect::Nothing, Effect::Nothing), "{dialect} {event}");
            } else if *event == EventName::PermissionRequest {
                // Where a failure is not heard there is still the agent's dialog.
                assert_eq!((denied, asked), (Effect::Blocks, Effect::Nothing), "{dialect}");
            } else {
                assert_eq!((&failure, denied), (&Effect::Blocks, Effect::Blocks), "{dialect} {event}");
                assert!(matches!(asked, Effect::Asks | Effect::Blocks), "{dialect} {event}: {asked:?}");
            }
        }
    }
}

#[test]
fn effects_are_those_of_the_real_agents() {
    let pre = |decision: &str| {
        json!({ "hookSpecificOutput": { "hookEventName": "PreToolUse", "permissionDecision": decision,
            "permissionDecisionReason": "no way" } })
        .to_string()
    };
    let check = |dialect: Dialect, ending: (Option<i32>, &str, &str), expected: &str| {
        let effect = dialect.effect(&EventName::PreToolUse, &Ending::new(ending.0, ending.1, ending.2));
        let kind = match effect {
            Effect::Ignored(_) => "ignored",
            Effect::Nothing => "nothing",
            Effect::Allows => "allows",
            Effect::Asks => "asks",
            _ => "blocks",
        };
        assert_eq!(kind, expected, "{dialect} {ending:?}");
    };
    let (allow, deny, ask) = (&pre("allow"), &pre("deny"), &pre("ask"));
    for (ending, claude, codex) in [
        ((Some(0), allow.as_str(), ""), "allows", "ignored"),
        ((Some(0), deny.as_str(), ""), "blocks", "blocks"),
        ((Some(0), ask.as_str(), ""), "asks", "ignored"),
        ((Some(0), "", ""), "nothing", "nothing"),
        ((Some(0), "junk", ""), "nothing", "nothing"),
        ((Some(0), "{\"half", ""), "ignored", "ignored"),
        ((Some(2), "", "exit two"), "blocks", "blocks"),
        ((Some(2), "", ""), "blocks", "ignored"),
        ((Some(1), "", "exit one"), "ignored", "ignored"),
        ((Some(127), "", "not found"), "ignored", "ignored"),
        ((None, "", "killed"), "ignored", "ignored"),
        ((Some(0), r#"{"hookSpecificOutput":{"permissionDecision":"deny"}}"#, ""), "ignored", "ignored"),
        ((Some(0), r#"{"decision":"block","reason":"x"}"#, ""), "blocks", "blocks"),
        ((Some(0), r#"{"decision":"deny","reason":"x"}"#, ""), "ignored", "ignored"),
    ] {
        check(Dialect::Claude, ending, claude);
        check(Dialect::Codex, ending, codex);
    }
    for (ending, gemini) in [
        ((Some(0), r#"{"decision":"allow"}"#, ""), "allows"),
        ((Some(0), r#"{"decision":"deny","reason":"no way"}"#, ""), "blocks"),
        ((Some(0), r#"{"decision":"ask"}"#, ""), "asks"),
        ((Some(2), "", "exit two"), "blocks"),
        ((Some(2), "", ""), "ignored"),
        ((Some(2), r#"{"decision":"allow"}"#, "exit two"), "allows"),
        ((Some(1), "", "exit one"), "ignored"),
        ((Some(0), "junk", ""), "ignored"),
        ((Some(127), "", "not found"), "blocks"),
        ((None, "", ""), "ignored"),
        ((Some(0), "", ""), "nothing"),
    ] {
        check(Dialect::Gemini, ending, gemini);
    }
}

#[test]
fn calls_are_judged_by_the_names_that_rules_speak_of() {
    let calls = |dialect: Dialect, event: Value| -> Vec<ToolCall> {
        let name = if dialect == Dialect::Gemini { "BeforeTool" } else { "PreToolUse" };
        let mut event = event;
        event["hook_event_name"] = json!(name);
        dialect.read(event.to_string().as_bytes()).unwrap().tool_calls(Path::new("/w"))
    };
    let names = |calls: &[ToolCall]| calls.iter().map(|call| call.tool.clone()).collect::<Vec<_>>();
    let patch = "*** Begin Patch\n*** Add File: new.txt\n+*** Delete File: no\n*** Update File: src/a b.rs\n\
        *** Move to: ../out.rs\n@@\n-old\n+new\n*** Delete File: it's.txt\n*** End Patch\n";
    let patched =
        calls(Dialect::Codex, json!({ "tool_name": "apply_patch", "tool_input": { "command": patch } }));
    assert_eq!(names(&patched), ["Write", "Write", "Write", "Bash"]);
    assert_eq!(patched[1].input["file_path"], "src/a b.rs");
    assert_eq!(patched[2].input["file_path"], "../out.rs");
    assert_eq!(patched[3].input["command"], "rm -- 'it'\"'\"'s.txt'");
    for strange in [json!({}), json!({ "command": "*** Begin Patch\n" }), json!({ "command": 1 })] {
        let one = calls(Dialect::Codex, json!({ "tool_name": "apply_patch", "tool_input": strange }));
        assert_eq!(names(&one), ["apply_patch"]);
    }
    let many = format!("*** Begin Patch\n{}", "*** Add File: a\n".repeat(5000));
    let one = calls(Dialect::Codex, json!({ "tool_name": "apply_patch", "tool_input": { "command": many } }));
    assert_eq!(names(&one), ["apply_patch"]);
    let server = calls(
        Dialect::Gemini,
        json!({ "tool_name": "mcp_my_git_push", "tool_input": {},
            "mcp_context": { "server_name": "my_git", "tool_name": "push" } }),
    );
    assert_eq!(names(&server), ["mcp__my_git__push"]);
    let nobodys = calls(Dialect::Gemini, json!({ "tool_name": "mcp_a_b", "tool_input": {} }));
    assert_eq!(names(&nobodys), ["mcp__a_b"]);
}

#[test]
fn s2_gemini_and_codex_fail_closed_too() {
    let go = |dialect: Dialect, event: &str, input: &str| {
        let input = io::Cursor::new(input.as_bytes().to_vec());
        run(dialect, event, input, HookLimits::default(), |_| {
            Ok::<_, String>(Outcome::Verdict(Verdict::new(Decision::Allow, Risk::Low, "fine")))
        })
    };
    let before =
        r#"{"hook_event_name":"BeforeTool","tool_name":"run_shell_command","tool_input":{"command":"ls"}}"#;
    assert_eq!(shown(&go(Dialect::Gemini, "before-tool", before)), json!([{ "decision": "allow" }, "", 0]));
    for (dialect, event, input) in [
        (Dialect::Gemini, "before-tool", ""),
        (Dialect::Gemini, "before-agent", before),
        (Dialect::Gemini, "after-tool", before),
        (Dialect::Claude, "pre-tool-use", before),
        (Dialect::Codex, "pre-tool-use", before),
        (
            Dialect::Codex,
            "pre-tool-use",
            r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":"ls"}"#,
        ),
        (Dialect::Codex, "permission-request", "[]"),
    ] {
        let answer = go(dialect, event, input);
        assert_eq!((answer.exit_code, answer.stdout.as_str()), (2, ""), "{dialect} {event} {input}");
        assert!(!answer.stderr.is_empty());
    }
    let end = go(Dialect::Gemini, "after-agent", "nonsense");
    assert_eq!(end.exit_code, 1, "a report was blocked: {end:?}");
}

#[test]
fn the_end_of_a_turn_is_told_alike() {
    let told =
        r#"{"hook_event_name":"AfterAgent","prompt":"x","prompt_response":"done","stop_hook_active":false}"#;
    let event = Dialect::Gemini.read(told.as_bytes()).unwrap();
    assert_eq!(event.body, HookBody::Stop { hook_active: false, last_message: Some("done".to_owned()) });
}

#[test]
fn answers_fit_into_a_pipe_that_nobody_reads() {
    let mut long = Verdict::new(Decision::Deny, Risk::Low, "é".repeat(1 << 20));
    long.part = Some("x".repeat(1 << 20));
    for dialect in Dialect::ALL {
        let answer = dialect.verdict(&EventName::PreToolUse, &long);
        assert!(answer.stdout.len() + answer.stderr.len() < 32 << 10, "{dialect}");
    }
}
