//! Claude Code's own output, as recorded, through the rules of its data file.

use missiond_core::agents::Profiles;
use missiond_core::headless::{Decoded, Decoder};
use missiond_core::ports::TurnEvent;

/// Decodes a recording and puts each result in one line.
fn decoded(agent: &str, lines: &str) -> String {
    let profiles = Profiles::embedded().unwrap();
    let profile = profiles.get(&agent.parse().unwrap()).unwrap();
    let decoder = Decoder::new(&profile.headless.as_ref().unwrap().events, "/project");
    let mut text = String::new();
    for line in lines.lines() {
        match decoder.decode(line) {
            Ok(items) => items.iter().for_each(|item| text.push_str(&format!("{}\n", in_a_line(item)))),
            Err(problem) => text.push_str(&format!("problem: {problem}\n")),
        }
    }
    text
}

fn in_a_line(item: &Decoded) -> String {
    match item {
        Decoded::Event(TurnEvent::Conversation(id)) => format!("conversation {id}"),
        Decoded::Event(TurnEvent::Text(text)) => format!("text {text:?}"),
        Decoded::Event(TurnEvent::ToolCall(call)) => {
            format!("call {} {} {:?}", call.id, call.tool, call.argument())
        }
        Decoded::Event(TurnEvent::ToolResult { call, is_error, never_ran, .. }) => {
            format!("result {call} error={is_error} never_ran={never_ran}")
        }
        Decoded::Event(other) => format!("{other:?}"),
        Decoded::End(end) => format!(
            "end {:?} error={:?} cost={:?} tokens={}+{}",
            end.text, end.error, end.usage.cost_usd, end.usage.input_tokens, end.usage.output_tokens
        ),
    }
}

fn recording(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/headless/{name}.jsonl", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

#[test]
fn real_recordings_decode_as_they_read() {
    for name in [
        "01-tool-allowed",
        "02-resume",
        "05-denied",
        "08-error-400",
        "09-retry-529",
        "10-resume-unknown",
        "11-max-turns",
        "14-subagent",
    ] {
        insta::assert_snapshot!(name, decoded("claude", &recording(name)));
    }
}

#[test]
fn c8_every_way_of_reporting_failure_is_a_failure() {
    let error_of = |line: &str| {
        let profiles = Profiles::embedded().unwrap();
        let profile = profiles.get(&"claude".parse().unwrap()).unwrap();
        let decoder = Decoder::new(&profile.headless.as_ref().unwrap().events, "/project");
        let items = decoder.decode(line).unwrap();
        match &items[..] {
            [Decoded::End(end)] => end.error.clone(),
            other => panic!("{other:?}"),
        }
    };
    let check =
        |line: &str, expected: Option<&str>| assert_eq!(error_of(line).as_deref(), expected, "{line}");
    check(r#"{"type":"result","subtype":"success","is_error":false,"result":"ok"}"#, None);
    check(
        r#"{"type":"result","subtype":"success","is_error":true,"result":"API Error: 400"}"#,
        Some("API Error: 400"),
    );
    check(r#"{"type":"result","is_error":true}"#, Some("no reason given"));
    check(r#"{"type":"result","subtype":"error_max_turns","is_error":false}"#, Some("error_max_turns"));
    check(
        r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["a","b"]}"#,
        Some("a; b"),
    );
    // A flag that is no boolean is not taken for a no.
    check(r#"{"type":"result","subtype":"success","is_error":"yes"}"#, Some("no reason given"));
}

#[test]
fn malformed_lines_are_problems_and_never_panics() {
    insta::assert_snapshot!(decoded(
        "claude",
        concat!(
            "not json\n",
            "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\"}]}}\n",
            "{\"type\":\"assistant\",\"message\":{\"content\":\"a text\"}}\n",
            "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":7}]}}\n",
            "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"../../etc\"}\n",
            "[]\n",
            "\n",
        )
    ));
}

/// Each of these lines could hide a tool call from whoever matches calls with their verdicts.
#[test]
fn a_line_that_could_hide_a_call_is_an_error() {
    let hidden = r#"{"type":"tool_use","id":"c1","name":"Bash","input":{}}"#;
    let content = |content: &str| format!(r#"{{"type":"assistant","message":{{"content":{content}}}}}"#);
    let deep = format!("{}{hidden}{}", "[".repeat(200), "]".repeat(200));
    let many = vec!["{}"; 10_001].join(",");
    for (line, expected) in [
        (content(hidden), "something else than a list"),
        (content("7"), "something else than a list"),
        (content(&format!("[[{hidden}]]")), "no object"),
        (content(&format!("[\"a\",{hidden}]")), "no object"),
        (content(&format!("[{many}]")), "10001 items"),
        (content(&deep), "broken JSON"),
        (content(r#"[{"type":"tool_use","name":"Bash","input":{}}]"#), "no tool call id"),
        (content(r#"[{"type":"tool_use","id":7,"name":"Bash"}]"#), "no tool call id"),
        (
            content(&format!(r#"[{{"type":"tool_use","id":"{}","name":"Bash"}}]"#, "x".repeat(1025))),
            "no tool call id",
        ),
        (content(r#"[{"type":"tool_use","id":"c1","name":""}]"#), "no tool name"),
        (format!("half a line of a child{}", content(&format!("[{hidden}]"))), "before its event"),
        (format!("[{}]", content(&format!("[{hidden}]"))), "before its event"),
        (format!("\u{feff}{}", content(&format!("[{hidden}]"))), "before its event"),
        (format!("{} trailing", content(&format!("[{hidden}]"))), "broken JSON"),
        (content(&format!("[{hidden}]")).replacen("}}", "", 1), "broken JSON"),
    ] {
        let said = decoded("claude", &line);
        let shown: String = line.chars().take(200).collect();
        assert!(said.starts_with("problem: ") && said.contains(expected), "{shown}: {said}");
    }
    // The same call where it belongs is seen.
    assert_eq!(decoded("claude", &content(&format!("[{hidden}]"))), "call c1 Bash \"{}\"\n");
}

proptest::proptest! {
    #[test]
    fn any_line_decodes_without_a_panic(line in "\\PC{0,200}", kind in "assistant|user|result|system") {
        decoded("claude", &line);
        let value = serde_json::json!({ "type": kind, "message": { "content": [{ "type": line }] }, "result": line });
        decoded("claude", &value.to_string());
    }
}
