//! Lines of JSON, judged one by one, and what a verdict was made from.

use std::path::Path;

use missiond_policy::{
    Checked, Decision, Explanation, MAX_LINE_BYTES, NoLinks, Policies, Policy, Preset, Surroundings,
    ToolCall, check_line,
};
use serde_json::{Value, json};

fn policies() -> Policies {
    Policies::new([Policy::preset(Preset::Standard)]).unwrap()
}

fn surroundings() -> Surroundings {
    let mut surroundings = Surroundings::new("/work/shop", "/work/shop");
    surroundings.home = Some("/home/me".into());
    surroundings.can_ask = true;
    surroundings
}

fn explain(command: &str) -> Explanation {
    let call = ToolCall::new("Bash", json!({ "command": command }), "/work/shop");
    policies().explain_with(&call, &surroundings(), &NoLinks)
}

#[test]
fn an_explanation_names_the_commands_and_what_was_weighed() {
    let check = |command: &str, commands: &[&str], effects: &[&str]| {
        let explanation = explain(command);
        for expected in commands {
            assert!(explanation.commands.iter().any(|found| found == expected), "{command}: {explanation:?}");
        }
        for expected in effects {
            assert!(explanation.effects.contains(expected), "{command}: {expected}: {explanation:?}");
        }
    };
    check("ls", &["ls"], &["inspect"]);
    check("cargo test && git status", &["cargo test", "git status"], &["build"]);
    check("nohup sh -c 'rm -rf /'", &["rm -rf /"], &["inspect", "root-directory"]);
    check("touch a > b.txt", &["touch a"], &["write-inside"]);
    check("curl https://example.com", &["curl https://example.com"], &["network"]);
    // The verdict is the one that judging gives.
    for command in ["ls", "rm -rf /", "git push", "echo $(id)", "", "cat /etc/shadow"] {
        let call = ToolCall::new("Bash", json!({ "command": command }), "/work/shop");
        let judged = policies().judge_with(&call, &surroundings(), &NoLinks);
        assert_eq!(explain(command).verdict, judged, "{command}");
    }
    let write = ToolCall::new("Write", json!({ "file_path": "/etc/passwd", "content": "x" }), "/work/shop");
    let explanation = policies().explain_with(&write, &surroundings(), &NoLinks);
    assert_eq!(explanation.commands, Vec::<String>::new());
    assert!(explanation.effects.contains(&"write-outside"), "{explanation:?}");
}

#[test]
fn an_explanation_is_bounded() {
    let many: Vec<String> = (0..2000).map(|number| format!("echo {number}")).collect();
    assert_eq!(explain(&many.join(";")).commands.len(), 200);
}

fn check(line: &str, workspace: Option<&str>) -> Checked {
    let workspace = workspace.map(Path::new);
    let place = |cwd: &Path| {
        let mut place = surroundings();
        place.workspace = workspace.unwrap_or(cwd).to_owned();
        place.project_root.clone_from(&place.workspace);
        place
    };
    check_line(&policies(), line.as_bytes(), workspace, place, &NoLinks)
}

#[test]
fn a_line_is_judged_where_it_says() {
    let line = r#"{"id":"7","tool_name":"Bash","tool_input":{"command":"rm -rf build"},"cwd":"/work/shop"}"#;
    let checked = check(line, None);
    assert_eq!((checked.id, checked.error), (Some(json!("7")), None));
    assert_eq!(checked.explanation.verdict.decision, Decision::Allow);
    // The same in another's workspace.
    let elsewhere = check(line, Some("/work/other"));
    assert_eq!(elsewhere.explanation.verdict.decision, Decision::Deny);
    // Without a directory it is made in the workspace.
    let nowhere = r#"{"id":8,"tool_name":"Bash","tool_input":{"command":"rm -rf build"}}"#;
    let checked = check(nowhere, Some("/work/other"));
    assert_eq!((checked.id, checked.explanation.verdict.decision), (Some(json!(8)), Decision::Allow));

    // A line that holds no call keeps its id as well.
    assert_eq!(check(r#"{"id":4,"tool_input":{}}"#, None).id, Some(json!(4)));

    let written: Value = serde_json::to_value(check(line, None)).unwrap();
    for key in ["id", "decision", "rule", "reason", "risk", "commands", "effects"] {
        assert!(written.get(key).is_some(), "{key}: {written}");
    }
}

#[test]
fn a_line_that_holds_no_call_is_denied_and_says_why() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!("\"{}\"", "x".repeat(MAX_LINE_BYTES));
    for line in ["", "{", "[]", "7", "\"x\"", "{}", r#"{"tool_name":7,"cwd":"/"}"#, "\u{1b}[2J", &deep, &huge]
    {
        let checked = check(line, None);
        assert_eq!(checked.explanation.verdict.decision, Decision::Deny, "{line:.40}");
        let error = checked.error.unwrap();
        assert!(!error.is_empty() && !error.contains('\u{1b}') && error.len() < 2000, "{line:.40}: {error}");
    }
    // Without a directory, and none to fall back on.
    assert!(check(r#"{"tool_name":"Bash","tool_input":{"command":"ls"}}"#, None).error.is_some());
}
