//! `run`.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Scene, collect, script, send};

#[test]
fn run_needs_no_configuration() {
    let scene = Scene::new();
    let out = scene.ok(&["run", "--agent", "scripted", "hello", "say more"]);
    let tasks = scene.json(&["task", "list"]);
    assert_eq!(tasks.as_array().unwrap().len(), 2);
    for task in tasks.as_array().unwrap() {
        assert_eq!(task["status"], "done");
        let branch = task["workspace"]["branch"].as_str().unwrap();
        let short = branch.strip_prefix("feature/").unwrap();
        let commit = task["result"]["commit"].as_str().unwrap();
        for text in [short, branch, commit, "SCRIPTED.md", "I wrote the request"] {
            assert!(out.contains(text), "{text}: {out}");
        }
        let file = scene.repo.show(branch, "SCRIPTED.md").unwrap();
        assert!(file.contains(task["prompt"].as_str().unwrap()), "{file}");
    }
    scene.assert_nothing_left();
}

#[test]
fn exit_code_says_what_became_of_the_tasks() {
    let check = |steps: &Value, more: &[&str], code: i32, said: &str| {
        let scene = Scene::new();
        let prompt = script(steps);
        let outcome = scene.run(&[&["run", "--agent", "scripted"], more, &[&prompt]].concat());
        assert_eq!(outcome.code, code, "{steps}: {outcome:#?}");
        assert!(outcome.all().contains(said), "{said:?}: {outcome:#?}");
        scene.assert_nothing_left();
    };
    check(&json!([{ "say": "fine" }]), &[], 0, "fine");
    check(&json!([{ "fail": "the model exploded" }]), &[], 1, "the model exploded");
    check(&json!([{ "crash": 9 }]), &[], 1, "the agent ended before its turn did");
    // The tool ran, but nobody had allowed it.
    check(&json!([{ "unhooked": "echo free" }, { "say": "done" }]), &[], 4, "policy bypassed");
    check(&json!([{ "think_ms": 60_000 }]), &["--timeout", "1s"], 5, "deadline");
}

#[test]
fn denied_call_is_no_failure() {
    let scene = Scene::new();
    let prompt = script(&json!([{ "bash": "rm -rf /" }, { "say": "I was refused" }]));
    let tasks = scene.json(&["run", "--agent", "scripted", &prompt]);
    assert_eq!(tasks[0]["status"], "done");
    assert_eq!(tasks[0]["result"]["denied_calls"], 1);
}

#[test]
fn without_an_agent_it_says_how_to_get_one() {
    let scene = Scene::new();
    for args in [["run", "hello"], ["up", "--drain"], ["up", "--detach"]] {
        scene.run(&args).assert(6, &["error: no coding agent", "npm install", "--agent scripted"]);
    }
    scene.run(&["task", "submit", "hello"]).assert(6, &["npm install"]);
}

#[test]
fn slot_whose_program_is_missing_is_named() {
    let scene = Scene::configured("[[slot]]\nid = \"one\"\nagent = \"claude\"\n");
    let said = ["slot one", "`claude` was not found", "npm install"];
    scene.run(&["run", "hello"]).assert(6, &said);
    assert_eq!(scene.json(&["task", "list"]), json!([]));
    // A queue that others filled keeps its tasks.
    scene.ok(&["task", "submit", "hello"]);
    for args in [["up", "--drain"], ["up", "--detach"]] {
        scene.run(&args).assert(6, &said);
    }
    assert_eq!(scene.json(&["status"])["tasks"]["queued"], 1);
    scene.run(&["doctor"]).assert(1, &[]);
    scene.assert_nothing_left();
}

#[test]
fn role_that_no_slot_has_is_refused() {
    let slot = "[[slot]]\nid = \"one\"\nagent = \"scripted\"\nrole = \"worker\"\n";
    let scene = Scene::configured(slot);
    for args in
        [&["run", "--role", "painter", "hello"][..], &["task", "submit", "--role", "painter", "hello"]]
    {
        scene
            .run(args)
            .assert(6, &["no slot has role `painter`", "one (worker, scripted, headless)", "[[slot]]"]);
    }
    assert_eq!(scene.json(&["task", "list"]), json!([]));
}

#[test]
fn directory_that_is_no_repository_is_refused() {
    let scene = Scene::new();
    let outside = scene.repo.beside("home");
    let outside = outside.to_str().unwrap();
    for args in [&["run", "hello"][..], &["status"], &["task", "list"], &["up"], &["config", "show"]] {
        let outcome = scene.run(&[&["-C", outside], args].concat());
        outcome.assert(6, &["isn't in a git repository", "git init"]);
    }
    scene.run(&["-C", "/nowhere", "status"]).assert(6, &["/nowhere"]);
}

#[test]
fn json_has_a_shape_that_programs_can_rely_on() {
    let scene = Scene::new();
    let document = scene.json(&["run", "--agent", "scripted", "hello"]);
    assert_eq!(document.as_array().unwrap().len(), 1);
    assert_eq!(document[0]["status"], "done");

    let out = scene.ok(&["run", "--agent", "scripted", "hello", "--json"]);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert_eq!(lines[0]["type"], "submitted");
    assert_eq!(lines[1]["type"], "finished");
    assert_eq!(lines[0]["task"], lines[1]["task"]["id"]);
}

#[test]
fn prompt_can_come_from_standard_input() {
    let scene = Scene::new();
    let mut command = scene.command(&["run", "--agent", "scripted", "-", "--format", "json"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    let outcome = collect(child);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let tasks: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(tasks[0]["prompt"], "from a pipe");
    scene.run(&["run", "--agent", "scripted", ""]).assert(2, &["the prompt is empty"]);
}

#[test]
fn interrupt_cancels_its_tasks_and_their_processes() {
    let scene = Scene::new();
    let long = script(&json!([{ "think_ms": 60_000 }]));
    for signal in [Signal::INT, Signal::TERM] {
        let child = scene.command(&["run", "--agent", "scripted", &long]).spawn().unwrap();
        let begun = Instant::now();
        let pid = child.id();
        let task = scene.await_turn();
        send(pid, signal);
        let outcome = collect(child);
        outcome.assert(130, &["interrupted"]);
        assert!(begun.elapsed() < DEADLINE, "it did not wait for the task");
        assert_eq!(scene.json(&["task", "show", &task])["status"], "cancelled");
        scene.assert_nothing_left();
    }
}

#[test]
fn run_goes_through_the_mission_that_runs() {
    let scene = Scene::new();
    let up = scene.up();
    scene.ok(&["run", "hello"]);
    scene.ok(&["run", "--agent", "scripted", "hello again"]);
    let events = scene.json(&["events"]);
    let opened = events.as_array().unwrap().iter().filter(|event| event["kind"] == "mission.opened").count();
    assert_eq!(opened, 1, "one mission did it all");
    drop(up);
    scene.assert_nothing_left();
}

#[test]
fn run_outlives_the_mission_that_it_went_through() {
    let scene = Scene::new();
    let up = scene.up();
    let prompt = script(&json!([{ "think_ms": 1500 }, { "say": "still here" }]));
    let child = scene.command(&["run", "--agent", "scripted", &prompt]).spawn().unwrap();
    scene.await_turn();
    // The mission ends, the task goes back to the queue, and `run` opens a mission of its own for it.
    scene.ok(&["down"]);
    let outcome = collect(child);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.out.contains("still here"), "{outcome:#?}");
    drop(up);
    scene.assert_nothing_left();
}

#[test]
fn follow_up_goes_on_with_conversation_and_branch() {
    let scene = Scene::new();
    let first = script(&json!([{ "write": { "path": "a.txt", "content": "a" } }, { "say": "first" }]));
    let first = scene.json(&["run", "--agent", "scripted", &first]);
    let id = first[0]["id"].as_str().unwrap();
    let second = script(&json!([{ "write": { "path": "b.txt", "content": "b" } }, { "say": "second" }]));
    let second = scene.json(&["run", "--follow-up", id, &second]);
    assert_eq!(second[0]["workspace"]["branch"], first[0]["workspace"]["branch"]);
    assert_eq!(second[0]["conversation"], first[0]["conversation"]);
    let branch = second[0]["workspace"]["branch"].as_str().unwrap();
    assert_eq!(scene.repo.show(branch, "a.txt").unwrap(), "a");
    assert_eq!(scene.repo.show(branch, "b.txt").unwrap(), "b");
}
