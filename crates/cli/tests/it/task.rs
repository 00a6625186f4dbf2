//! `task`.

use serde_json::{Value, json};

use crate::support::{Scene, script};

#[test]
fn queue_works_without_a_mission() {
    let scene = Scene::new();
    assert_eq!(scene.json(&["task", "list"]), json!([]));
    assert_eq!(scene.ok(&["task", "list"]), "");
    let id = scene.submit("later");
    let tasks = scene.json(&["task", "list"]);
    assert_eq!(tasks[0]["id"].as_str(), Some(id.as_str()));
    assert_eq!(tasks[0]["status"], "queued");
    scene.run(&["task", "wait", &id]).assert(6, &["no mission is running", "missiond up"]);
    scene.run(&["task", "retry", &id]).assert(1, &["is queued"]);
    scene.ok(&["task", "cancel", &id, "--reason", "not needed"]);
    let task = scene.json(&["task", "show", &id]);
    assert_eq!(task["status"], "cancelled");
    assert_eq!(task["reason"], "not needed");
    scene.run(&["task", "cancel", &id]).assert(1, &["cancelled"]);
    // What is final can be waited for without a mission, and tells how it ended.
    scene.run(&["task", "wait", &id]).assert(1, &[]);
    let again = scene.json(&["task", "retry", &id]);
    assert_ne!(again[0]["task"].as_str().unwrap(), id);
    assert_eq!(scene.json(&["task", "list", "--status", "queued"]).as_array().unwrap().len(), 1);
}

#[test]
fn queue_is_worked_off_by_drain() {
    let scene = Scene::new();
    let first = scene.submit("one");
    let second = scene.json(&["task", "submit", "--agent", "scripted", "--after", &first, "two"]);
    let second = second[0]["task"].as_str().unwrap();
    scene.ok(&["up", "--drain", "--agent", "scripted"]);
    for id in [first.as_str(), second] {
        assert_eq!(scene.json(&["task", "show", id])["status"], "done");
    }
    assert_eq!(scene.json(&["status"])["running"], json!(false));
    scene.assert_nothing_left();
}

#[test]
fn drain_tells_what_it_could_not_do() {
    let scene = Scene::configured("[[slot]]\nid = \"one\"\nagent = \"scripted\"\nrole = \"painter\"\n");
    let left = scene.json(&["task", "submit", "--role", "painter", "hello"]);
    let left = left[0]["task"].as_str().unwrap();
    scene.repo.write(".missiond/config.toml", "").unwrap();
    let drain = ["up", "--drain", "--agent", "scripted"];
    scene.run(&drain).assert(1, &["0 tasks failed", "1 task left in the queue", "missiond events"]);
    assert_eq!(scene.json(&["task", "show", left])["status"], "queued");
    assert!(scene.ok(&["events"]).contains("no slot has role `painter`"));
    scene.ok(&["task", "cancel", left]);

    let fails = scene.submit(&script(&json!([{ "fail": "the model exploded" }])));
    scene.run(&drain).assert(1, &["1 task failed", "0 tasks left"]);
    assert_eq!(scene.json(&["task", "show", &fails])["status"], "failed");
    // What failed earlier is no concern of this one.
    scene.ok(&drain);
    scene.assert_nothing_left();
}

#[test]
fn wait_and_cancel_reach_a_running_task() {
    let scene = Scene::new();
    let up = scene.up();
    let short = scene.submit("quick");
    scene.ok(&["task", "wait", &short]);
    let long = scene.submit(&script(&json!([{ "think_ms": 60_000 }])));
    assert_eq!(scene.await_turn(), long);
    scene.run(&["task", "wait", &long, "--timeout", "200ms"]).assert(5, &["not every task was final"]);
    scene.ok(&["task", "cancel", &long]);
    assert_eq!(scene.json(&["task", "show", &long])["status"], "cancelled");
    assert_eq!(scene.worktrees(), Vec::<String>::new());
    drop(up);
    scene.assert_nothing_left();
}

#[test]
fn ids_may_be_shortened_as_long_as_they_are_plain() {
    let scene = Scene::new();
    let (first, second) = (scene.submit("first thing"), scene.submit("second thing"));
    let short = &first[24..];
    for text in [first.as_str(), short, &short[4..], &first.to_uppercase(), &first.replace('-', "")] {
        assert_eq!(scene.json(&["task", "show", text])["id"].as_str(), Some(first.as_str()), "{text}");
    }
    // Version 7 begins with the time, which both share.
    scene.run(&["task", "show", &first[..6]]).assert(
        2,
        &["is ambiguous", &first, &second, "(first thing)", "(second thing)", "write more of the id"],
    );
    for text in ["ffffffff-none", "", "../x", "\u{1b}[2J"] {
        let outcome = scene.run(&["task", "show", text]);
        outcome.assert(6, &["there is no task"]);
        assert!(!outcome.err.contains('\u{1b}'));
    }
}

#[test]
fn listings_have_every_format() {
    let scene = Scene::new();
    scene.submit("first\nline");
    scene.submit("second");
    let table = scene.ok(&["task", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("TASK ") && lines[0].contains("STATUS") && lines[0].ends_with("PROMPT"));
    assert!(lines[1].contains("queued") && lines[1].ends_with("first"));
    let document: Value = serde_json::from_str(&scene.ok(&["task", "list", "--json"])).unwrap();
    let lines: Vec<Value> = scene
        .ok(&["task", "list", "--format", "jsonl"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(document, Value::Array(lines));
    assert_eq!(scene.json(&["task", "list", "--limit", "1"])[0]["prompt"], "second");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let scene = Scene::new();
    for args in [
        &[][..],
        &["nonsense"],
        &["run"],
        &["run", "--contain", "docker", "x"],
        &["run", "--driver", "telepathy", "x"],
        &["run", "--timeout", "soon", "x"],
        &["run", "--agent", "two words", "x"],
        &["run", "--issue", "7", "a", "b"],
        &["run", "--agent", "scripted", "-", "-"],
        &["task", "list", "--status", "odd"],
        &["status", "--format", "xml"],
        &["status", "--json", "--format", "table"],
        &["status", "--set", "nokey"],
        &["agent", "status", "no slot"],
        &["events", "--since", "-1"],
        &["completions", "tcsh"],
    ] {
        let outcome = scene.run(args);
        assert_eq!(outcome.code, 2, "{args:?}: {outcome:#?}");
        assert!(!outcome.err.is_empty(), "{args:?} says why");
        assert_eq!(outcome.out, "", "{args:?}");
    }
    scene.run(&["run", "--agent", "unheard-of", "x"]).assert(6, &["no agent kind `unheard-of`", "scripted"]);
    scene.run(&["task", "submit", "--agent", "unheard-of", "x"]).assert(6, &["no agent kind `unheard-of`"]);
}
