//! `approvals`, `approve`, `reject`.

use missiond_testkit::processes::wait_until;
use serde_json::json;

use crate::support::{DEADLINE, Scene, collect, script};

/// A call that the standard policy asks about.
fn asking(more: &str) -> String {
    script(&json!([{ "bash": format!("frobnicate {more}") }, { "say": "I went on" }]))
}

#[test]
fn question_is_shown_whole_and_answered() {
    let scene = Scene::new();
    assert_eq!(scene.json(&["approvals"]), json!([]));
    let _up = scene.up();
    let long = format!("{}\u{1b}]0;title\u{7}\u{202e}end", "x".repeat(3000));
    let task = scene.submit(&asking(&long));
    let approval = scene.await_approval();
    assert_eq!(approval["task"].as_str(), Some(task.as_str()));
    assert_eq!(approval["call"]["tool"], "Bash");
    let id = approval["id"].as_str().unwrap();
    let short = &id[24..];

    let shown = scene.ok(&["approvals"]);
    assert!(shown.contains(&"x".repeat(3000)), "the whole argument: {shown}");
    assert!(shown.contains("\\u{1b}]0;title\\u{7}\\u{202e}end"), "escaped: {shown}");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "nothing acts on a terminal: {shown:?}");
    for text in [short, "pending", "risk", "Bash", "missiond approve", "missiond reject", &task[24..]] {
        assert!(shown.contains(text), "{text}: {shown}");
    }

    let approved = scene.ok(&["approve", &short[2..], "--note", "go ahead"]);
    assert!(approved.contains("approved"), "{approved}");
    scene.await_status(&task, "done");
    scene.run(&["reject", short]).assert(1, &["approved"]);
    let settled = scene.json(&["approvals", "--all"]);
    assert_eq!(settled[0]["status"], "approved");
    assert_eq!(settled[0]["note"], "go ahead");
    assert_eq!(scene.json(&["approvals"]), json!([]));
}

#[test]
fn rejected_agent_is_told_and_goes_on() {
    let scene = Scene::new();
    let _up = scene.up();
    let task = scene.submit(&asking("it"));
    let approval = scene.await_approval();
    scene.ok(&["reject", approval["id"].as_str().unwrap(), "--note", "not on a friday"]);
    let task = scene.await_status(&task, "done");
    assert_eq!(task["result"]["denied_calls"], 1);
    let events = scene.ok(&["events"]);
    assert!(events.contains("not on a friday"), "{events}");
}

#[test]
fn run_says_how_to_answer() {
    let scene = Scene::new();
    let child = scene.command(&["run", "--agent", "scripted", &asking("now")]).spawn().unwrap();
    let approval = scene.await_approval();
    let id = approval["id"].as_str().unwrap();
    scene.ok(&["approve", id]);
    let outcome = crate::support::collect(child);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    for text in ["frobnicate now", &format!("missiond approve {}", &id[24..])] {
        assert!(outcome.err.contains(text), "{text}: {outcome:#?}");
    }
}

#[test]
fn answers_go_wrong_clearly() {
    let scene = Scene::new();
    scene.run(&["approve", "abcd"]).assert(6, &["there is no approval `abcd`"]);
    // One digit is somebody's by chance.
    scene.run(&["approve", "0"]).assert(6, &["`0` is too little", "4 characters"]);
    scene.run(&["reject", "abcd"]).assert(6, &["there is no approval `abcd`"]);
    let up = scene.up();
    let (_first, _second) = (scene.submit(&asking("first")), scene.submit(&asking("second")));
    let id = loop {
        let approvals = scene.json(&["approvals"]);
        if approvals.as_array().unwrap().len() == 2 {
            break approvals[0]["id"].as_str().unwrap().to_owned();
        }
    };
    scene.run(&["approve", &id[..6]]).assert(2, &["is ambiguous", "frobnicate first", "frobnicate second"]);
    drop(up);
    // The mission is gone, and with it whoever waited for the answer.
    let outcome = scene.run(&["approve", &id]);
    outcome.assert(6, &["no mission is running"]);
}

#[test]
fn a_policy_of_one_run_holds_for_it_and_for_no_other() {
    let scene = Scene::new();
    let prompt = script(&json!([{ "bash": "ls" }, { "say": "I went on" }]));
    let rules = "version = 1\n[[rule]]\nid = \"no-ls\"\neffect = \"deny\"\nmatch = \"Bash(ls:*)\"\nreason = \"look nowhere\"\n";
    scene.repo.write("run.toml", rules).unwrap();
    let denied = || {
        let events = scene.ok(&["events"]);
        events.matches("look nowhere").count()
    };
    scene.ok(&["run", "--agent", "scripted", "--policy", "run.toml", &prompt]);
    let once = denied();
    assert!(once > 0);
    scene.ok(&["run", "--agent", "scripted", &prompt]);
    assert_eq!(denied(), once);
    let missing = scene.run(&["run", "--agent", "scripted", "--policy", "none.toml", &prompt]);
    missing.assert(3, &["none.toml", "No such file"]);
    let up = scene.command(&["up", "--agent", "scripted", "--policy", "run.toml"]).spawn().unwrap();
    let running = || (!scene.ok(&["status"]).contains("not running")).then_some(());
    wait_until(DEADLINE, "the mission runs", running).unwrap();
    scene
        .run(&["run", "--policy", "run.toml", &prompt])
        .assert(2, &["`--policy` has no effect on the mission that runs"]);
    scene.ok(&["run", &prompt]);
    assert!(denied() > once);
    scene.ok(&["down"]);
    collect(up).assert(0, &["mission ending"]);
}
