//! The hook protocol, with what Claude Code 2.1.197 really sent.

use std::{
    io::{self, Read},
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use missiond_policy::{
    Decision, NoLinks, Policies, Risk, Surroundings, Verdict,
    hook::{Answer, EventName, HookBody, HookEvent, HookLimits, MAX_EVENT_BYTES, Outcome, run},
};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../fixtures/hooks/claude-2.1.197.jsonl");

fn verdict(decision: Decision) -> Verdict {
    Verdict::new(decision, Risk::Medium, "because")
}

/// Runs a hook whose handler returns the outcome.
fn answer(event: &str, input: impl Into<Vec<u8>>, outcome: Result<Outcome, String>) -> Answer {
    run(event, io::Cursor::new(input.into()), HookLimits::default(), move |_| outcome)
}

fn pre_tool_use() -> Value {
    json!({
        "session_id": "s", "transcript_path": "/t", "cwd": "/home/dev/shop", "hook_event_name": "PreToolUse",
        "tool_name": "Bash", "tool_input": { "command": "ls" }, "tool_use_id": "toolu_1"
    })
}

#[test]
fn every_recorded_event_is_understood_and_nothing_of_it_is_lost() {
    let mut names = std::collections::BTreeSet::new();
    for line in RECORDED.lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let event = HookEvent::parse(line.as_bytes()).unwrap();
        let name = recorded["hook_event_name"].as_str().unwrap();
        names.insert(name.to_owned());
        assert_eq!(event.name.as_str(), name);
        assert!(EventName::KNOWN.contains(&event.name), "{name} isn't known");
        assert_eq!(event.cwd.as_deref(), Some(Path::new("/home/dev/shop")));
        assert!(event.session_id.is_some() && event.transcript_path.is_some());
        if let Some(tool) = event.tool() {
            assert_eq!(Value::from(tool.name.clone()), recorded["tool_name"]);
            assert_eq!(tool.input, recorded["tool_input"]);
            assert_eq!(tool.id.as_deref(), recorded["tool_use_id"].as_str());
        }
        // What has no field of its own is kept under its own name.
        for (key, value) in &event.extra {
            assert_eq!(&recorded[key], value);
        }
        let kept = format!("{event:?}");
        for text in ["prompt", "message", "last_assistant_message", "source", "reason", "trigger", "error"] {
            if let Some(text) = recorded[text].as_str() {
                assert!(kept.contains(&format!("{text:?}")), "{name} lost {text:?}");
            }
        }
    }
    assert_eq!(names.len(), 18, "{names:?}");
}

#[test]
fn recorded_calls_are_judged() {
    let mut surroundings = Surroundings::new("/home/dev/shop", "/home/dev/shop");
    surroundings.can_ask = true;
    let policies = Policies::default();
    let mut seen = [0; 2];
    for line in RECORDED.lines() {
        let event = HookEvent::parse(line.as_bytes()).unwrap();
        let Some(call) = event.tool_call(Path::new("/")).filter(|_| event.name.is_gating()) else { continue };
        let verdict = policies.judge_with(&call, &surroundings, &NoLinks);
        seen[usize::from(call.tool == "Bash")] += 1;
        assert_eq!(verdict.decision, Decision::Allow, "{call:?}: {verdict:?}");
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn s2_event_names_are_known_in_every_spelling() {
    for name in EventName::KNOWN {
        let snake = name.kebab().replace('-', "_");
        for spelling in [name.as_str(), &name.kebab(), &snake, &name.as_str().to_lowercase()] {
            assert_eq!(EventName::parse(spelling), name, "{spelling}");
        }
    }
    assert_eq!(EventName::PreToolUse.kebab(), "pre-tool-use");
    let gating: Vec<_> = EventName::KNOWN.into_iter().filter(EventName::is_gating).collect();
    assert_eq!(gating, [EventName::PreToolUse, EventName::PermissionRequest, EventName::UserPromptSubmit]);
    for name in
        ["BeforeTool", "PreShellUse", "PermissionEscalation", "ToolApproval", "ConfigChange", "Elicitation"]
    {
        assert!(EventName::parse(name).is_gating(), "{name}");
    }
    for name in ["PostEverything", "SessionPaused", "StopRequested", "TeammateIdle", "Setup"] {
        assert!(!EventName::parse(name).is_gating(), "{name}");
    }
}

#[test]
fn answers_have_the_agents_format() {
    let check = |event: EventName, decision: Decision, expected: Value| {
        let answer = Answer::verdict(&event, &verdict(decision));
        let stdout = if answer.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&answer.stdout).unwrap()
        };
        let shown = json!({ "stdout": stdout, "stderr": answer.stderr, "exit": answer.exit_code });
        assert_eq!(shown, expected, "{event} {decision}");
    };
    let said = |output: Value| json!({ "stdout": { "hookSpecificOutput": output }, "stderr": "", "exit": 0 });
    let silent = json!({ "stdout": null, "stderr": "", "exit": 0 });
    for decision in [Decision::Allow, Decision::Ask, Decision::Deny] {
        let output = json!({
            "hookEventName": "PreToolUse", "permissionDecision": decision.as_str(), "permissionDecisionReason": "because"
        });
        check(EventName::PreToolUse, decision, said(output));
        check(EventName::Stop, decision, silent.clone());
        check(EventName::PostToolUse, decision, silent.clone());
    }
    let output = json!({ "hookEventName": "PermissionRequest", "decision": { "behavior": "allow" } });
    check(EventName::PermissionRequest, Decision::Allow, said(output));
    let output = json!({ "hookEventName": "PermissionRequest", "decision": { "behavior": "deny", "message": "because" } });
    check(EventName::PermissionRequest, Decision::Deny, said(output));
    check(EventName::PermissionRequest, Decision::Ask, silent.clone());
    check(EventName::UserPromptSubmit, Decision::Allow, silent);
    let blocked = json!({ "stdout": null, "stderr": "missiond: because\n", "exit": 2 });
    check(EventName::UserPromptSubmit, Decision::Deny, blocked.clone());
    check(EventName::parse("PreSomething"), Decision::Ask, blocked);
}

#[test]
fn a_whole_hook_answers() {
    let input = pre_tool_use().to_string();
    let answer = answer("pre-tool-use", input, Ok(Outcome::Verdict(verdict(Decision::Allow))));
    assert_eq!(answer.exit_code, 0);
    assert!(answer.stdout.contains("\"permissionDecision\":\"allow\""), "{answer:?}");
    assert!(answer.stdout.ends_with('\n') && answer.stdout.lines().count() == 1);
}

#[test]
fn s2_whatever_fails_blocks_what_gates_and_nothing_else() {
    let with = |key: &str, value: Value| {
        let mut event = pre_tool_use();
        event[key] = value;
        event.to_string().into_bytes()
    };
    let without = |key: &str| {
        let mut event = pre_tool_use();
        event.as_object_mut().unwrap().remove(key);
        event.to_string().into_bytes()
    };
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deeper = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut deep_event = pre_tool_use();
    deep_event["tool_input"] = json!({ "x": serde_json::from_str::<Value>(&deep).unwrap() });
    let malformed: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("no JSON", b"hello".to_vec()),
        ("half an object", b"{\"hook_event_name\":\"PreToolUse\"".to_vec()),
        ("two objects", [pre_tool_use().to_string(), pre_tool_use().to_string()].concat().into_bytes()),
        ("a list", b"[]".to_vec()),
        ("not UTF-8", b"{\"hook_event_name\":\"\xff\"}".to_vec()),
        ("no event", without("hook_event_name")),
        ("an event that is a number", with("hook_event_name", json!(3))),
        ("another event", with("hook_event_name", json!("PostToolUse"))),
        ("an event that isn't known", with("hook_event_name", json!("Sneaky"))),
        ("no tool", without("tool_name")),
        ("a tool that is null", with("tool_name", Value::Null)),
        ("a tool that is a list", with("tool_name", json!([]))),
        ("no input", without("tool_input")),
        ("an input that is text", with("tool_input", json!("ls"))),
        ("a directory that is a number", with("cwd", json!(1))),
        ("too deep", deep_event.to_string().into_bytes()),
        ("far too deep", deeper.into_bytes()),
        ("too long", with("padding", json!("x".repeat(MAX_EVENT_BYTES)))),
    ];
    for (what, input) in &malformed {
        let allowed = answer("PreToolUse", input.clone(), Ok(Outcome::Verdict(verdict(Decision::Allow))));
        assert_eq!(allowed.exit_code, 2, "{what}: {allowed:?}");
        assert!(allowed.stdout.is_empty() && !allowed.stderr.is_empty(), "{what}: {allowed:?}");
        // The same on an event that only reports, unless what came is one that gates.
        let reported = answer("stop", input.clone(), Ok(Outcome::Noted));
        let gates = HookEvent::parse(input).is_ok_and(|event| event.name.is_gating());
        assert_eq!(reported.exit_code, if gates { 2 } else { 1 }, "{what}: {reported:?}");
    }
    // The handler's own failures.
    let input = pre_tool_use().to_string();
    assert_eq!(answer("PreToolUse", input.clone(), Err("no gate".to_owned())).exit_code, 2);
    assert_eq!(answer("PreToolUse", input.clone(), Ok(Outcome::Noted)).exit_code, 2);
    let panicking = run(
        "PreToolUse",
        io::Cursor::new(input.clone()),
        HookLimits::default(),
        |_| -> Result<Outcome, String> { panic!("on purpose") },
    );
    assert_eq!(panicking.exit_code, 2);
    let stop = json!({ "hook_event_name": "Stop", "stop_hook_active": false }).to_string();
    assert_eq!(answer("Stop", stop.clone(), Err("disk full".to_owned())).exit_code, 1);
    assert_eq!(answer("Stop", stop.clone(), Ok(Outcome::Noted)), Answer::silent());
    assert_eq!(answer("Stop", stop, Ok(Outcome::Verdict(verdict(Decision::Deny)))), Answer::silent());
    let prompt = json!({ "hook_event_name": "UserPromptSubmit", "prompt": "hi" }).to_string();
    assert_eq!(answer("user-prompt-submit", prompt.clone(), Ok(Outcome::Noted)), Answer::silent());
    assert_eq!(answer("user-prompt-submit", prompt, Err("x".to_owned())).exit_code, 2);
    // A name on the command line that nobody knows, and that sounds as if it gated.
    assert_eq!(answer("pre-tool-uze", input, Ok(Outcome::Noted)).exit_code, 2);
}

/// A pipe that stays open and empty until the test ends.
struct Stuck(mpsc::Receiver<()>);

impl Read for Stuck {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _: Result<(), _> = self.0.recv();
        Ok(0)
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken"))
    }
}

#[test]
fn s2_an_event_that_never_comes_and_a_verdict_that_never_comes_block_in_time() {
    let mut limits = HookLimits::default();
    limits.time = Duration::from_millis(50);
    let (end, stuck) = mpsc::channel();
    let start = Instant::now();
    let late = run("PreToolUse", Stuck(stuck), limits, |_| Ok::<_, String>(Outcome::Noted));
    assert_eq!(late.exit_code, 2, "{late:?}");
    assert!(late.stderr.contains("no answer within"), "{late:?}");
    assert!(start.elapsed() < Duration::from_secs(4));
    drop(end);

    let (end, waits) = mpsc::channel::<()>();
    let input = io::Cursor::new(pre_tool_use().to_string());
    let late = run("PreToolUse", input, limits, move |_| {
        let _: Result<(), _> = waits.recv();
        Ok::<_, String>(Outcome::Verdict(verdict(Decision::Allow)))
    });
    assert_eq!(late.exit_code, 2, "{late:?}");
    drop(end);

    let broken = run("PreToolUse", Broken, HookLimits::default(), |_| Ok::<_, String>(Outcome::Noted));
    assert_eq!(broken.exit_code, 2, "{broken:?}");
}

#[test]
fn an_endless_event_is_cut_off() {
    let endless =
        run("PreToolUse", io::repeat(b' '), HookLimits::default(), |_| Ok::<_, String>(Outcome::Noted));
    assert_eq!(endless.exit_code, 2);
    assert!(endless.stderr.contains("longer than"), "{endless:?}");
}

#[test]
fn bodies_are_typed() {
    let parse = |value: Value| HookEvent::parse(value.to_string().as_bytes()).unwrap().body;
    let stop = json!({ "hook_event_name": "subagent_stop", "stop_hook_active": true, "last_assistant_message": "x" });
    assert_eq!(parse(stop), HookBody::Stop { hook_active: true, last_message: Some("x".to_owned()) });
    let end = json!({ "hook_event_name": "SessionEnd", "reason": "other" });
    assert_eq!(parse(end), HookBody::SessionEnd { reason: Some("other".to_owned()) });
    assert_eq!(parse(json!({ "hook_event_name": "SomethingNew", "x": 1 })), HookBody::Other);
}

#[test]
fn reasons_on_stderr_are_one_safe_line() {
    let failed = Answer::failure(&EventName::PreToolUse, "bad\n\u{1b}[31mred\u{202e}");
    assert_eq!(failed.stderr.lines().count(), 1);
    assert!(!failed.stderr.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{failed:?}");
}
