//! What hooks and a person at the terminal say of calls.

use std::path::Path;

use missiond_pty::{Choice, DialogKind, EndReason};
use serde_json::{Value, json};

use crate::place::{ALLOW, Hook, Place, dialog, end, play, results};
use crate::support::script;

#[tokio::test]
async fn a_call_that_no_hook_decides_is_asked_about() {
    let cases: [(&str, Vec<Hook<'_>>); 7] = [
        ("no hook", vec![]),
        ("a hook for other tools", vec![("PreToolUse", "Edit|Grep", ALLOW)]),
        ("a missing hook", vec![("PreToolUse", "*", "/nonexistent/hook")]),
        ("a failing hook", vec![("PreToolUse", "*", "exit 1")]),
        ("a killed hook", vec![("PreToolUse", "*", "kill -9 $$")]),
        ("a hook that says nothing of use", vec![("PreToolUse", "*", "echo allow")]),
        (
            "a hook that wants the person asked beside one that allows",
            vec![
                ("PreToolUse", "*", r#"echo '{"hookSpecificOutput":{"permissionDecision":"ask"}}'"#),
                ("PreToolUse", "*", ALLOW),
            ],
        ),
    ];
    for (name, hooks) in cases {
        let place = Place::new();
        let settings = place.settings(&hooks);
        let agent = place.ready(&["--settings", &settings, "--session-id", "one"]).await;
        let mut turn = agent.submit(&script(&json!([{ "bash": "touch ran" }]))).await.unwrap();
        let asked = dialog(&mut turn).await;
        assert_eq!((asked.kind, asked.tool.as_deref()), (DialogKind::Permission, Some("Bash")), "{name}");
        assert_eq!(asked.argument.as_deref(), Some("touch ran"), "{name}");
        agent.answer(asked.id, Choice::Cancel).await.unwrap();
        end(&mut turn).await;
        assert!(!place.work("ran").exists(), "{name}: the call ran");
        assert!(results(&place.transcript("one"))[0].1, "{name}");
    }
}

#[tokio::test]
async fn a_persons_answer_decides() {
    let place = Place::new();
    let agent = place.ready(&["--session-id", "one"]).await;
    let steps = json!([{ "write": { "path": "a.txt", "content": "x" } }, { "say": "went on" }]);
    let check = async |choice, tool: &str, answer: &str| {
        let mut turn = agent.submit(&script(&steps)).await.unwrap();
        let asked = dialog(&mut turn).await;
        assert_eq!(asked.tool.as_deref(), Some(tool));
        agent.answer(asked.id, choice).await.unwrap();
        let outcome = end(&mut turn).await;
        assert_eq!(outcome.reason, EndReason::Complete, "{choice:?}");
        assert_eq!(outcome.answer.unwrap_or_default(), answer, "{choice:?}");
        results(&place.transcript("one")).pop().unwrap()
    };
    let refused = check(Choice::Option(1), "Write", "went on").await;
    assert_eq!(refused, ("the person at the terminal refused it".to_owned(), true));
    assert!(!place.work("a.txt").exists());
    let left = check(Choice::Cancel, "Write", "").await;
    assert!(left.1 && left.0.starts_with("<tool_use_error>"), "{left:?}");
    assert!(!place.work("a.txt").exists());
    let allowed = check(Choice::Option(0), "Write", "went on").await;
    assert!(!allowed.1, "{allowed:?}");
    assert!(place.work("a.txt").exists());
}

#[tokio::test]
async fn a_question_is_answered_by_an_option() {
    let place = Place::new();
    let agent = place.ready(&["--session-id", "one"]).await;
    let options: Vec<String> = (1..=30).map(|n| format!("option {n}")).collect();
    let cases = [
        (json!(["red", "green", "blue"]), 3, 2, "blue"),
        (json!([]), 1, 0, "Go on"),
        (json!(["日本語", "1. Yes\n2. No"]), 2, 0, "日本語"),
        (json!(options), 20, 11, "option 12"),
    ];
    for (options, count, choice, expected) in cases {
        let ask = json!([{ "ask": { "question": "Which one?", "options": options } }]);
        let mut turn = agent.submit(&script(&ask)).await.unwrap();
        let asked = dialog(&mut turn).await;
        assert_eq!((asked.kind, asked.question.as_str()), (DialogKind::Question, "Which one?"));
        assert_eq!(asked.options.len(), count, "{asked:?}");
        agent.answer(asked.id, Choice::Option(choice)).await.unwrap();
        end(&mut turn).await;
        assert_eq!(results(&place.transcript("one")).pop().unwrap(), (expected.to_owned(), false));
    }
}

#[tokio::test]
async fn reporting_hooks_hear_of_the_turn() {
    let place = Place::new();
    let log = place.path("log");
    let note = format!("cat >> {0}; echo >> {0}; exit 7", log.display());
    let settings = place.settings(&[
        ("PreToolUse", "*", ALLOW),
        ("PostToolUse", "Bash|Write", &note),
        ("PostToolUse", "Read", "exit 1"),
        ("Stop", "", &note),
        ("StopFailure", "", &note),
    ]);
    let steps = json!([{ "bash": "echo hi" }, { "read": { "path": "no" } }, { "say": "done" }]);
    let failing = json!([{ "write": { "path": "w", "content": "" } }, { "fail": "overloaded" }]);
    let heard = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        std::fs::remove_file(&log).unwrap();
        let name = |event: &Value| {
            assert_eq!(event["cwd"].as_str().map(Path::new), Some(place.path("work").as_path()));
            (
                event["hook_event_name"].clone(),
                event["tool_name"].clone(),
                event["tool_response"]["content"].clone(),
            )
        };
        (events[0]["session_id"].clone(), events.iter().map(name).collect::<Vec<_>>())
    };
    let no = Value::Null;
    let complete =
        vec![(json!("PostToolUse"), json!("Bash"), json!("hi\n")), (json!("Stop"), no.clone(), no.clone())];
    let wrote = format!("wrote 0 bytes to {}", place.work("w").display());
    let failed =
        vec![(json!("PostToolUse"), json!("Write"), json!(wrote)), (json!("StopFailure"), no.clone(), no)];

    let agent = place.ready(&["--settings", &settings, "--session-id", "one"]).await;
    assert_eq!(play(&agent, &steps).await.reason, EndReason::Complete);
    assert_eq!(heard(), (json!("one"), complete.clone()));
    let outcome = play(&agent, &failing).await;
    assert_eq!(outcome.reason, EndReason::Failed("Turn failed: overloaded".to_owned()));
    assert_eq!(heard(), (json!("one"), failed.clone()));

    // Without a terminal it is the same.
    place.headless(&["--settings", &settings, "--session-id", "two"], &script(&steps));
    assert_eq!(heard(), (json!("two"), complete));
    place.headless(&["--settings", &settings, "--session-id", "two"], &script(&failing));
    assert_eq!(heard(), (json!("two"), failed));
}
