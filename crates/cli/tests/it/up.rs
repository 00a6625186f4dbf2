//! `up`, `down`, `status`, `agent`, `events`, `message`.

use std::fs;
use std::io::BufRead as _;

use missiond_testkit::processes::wait_until;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Scene, collect, script, send};

#[test]
fn second_mission_is_refused_and_the_first_one_named() {
    let scene = Scene::new();
    let up = scene.up();
    let pid = up.pid().to_string();
    for args in [&["up"][..], &["up", "--detach"], &["up", "--drain"]] {
        scene.run(args).assert(1, &["is owned by pid", &pid, "since", "missiond down"]);
    }
    let status = scene.ok(&["status"]);
    assert!(status.contains("running") && status.contains(&pid), "{status}");
    drop(up);
    let down = scene.run(&["down"]);
    assert_eq!(down.code, 0);
    assert!(down.err.contains("no mission is running"), "{down:#?}");
    assert!(scene.ok(&["status"]).contains("not running"));
}

#[test]
fn mission_that_is_interrupted_puts_its_tasks_back() {
    let scene = Scene::new();
    let task = scene.submit(&script(&json!([{ "think_ms": 60_000 }])));
    for signal in [Signal::TERM, Signal::INT] {
        let child = scene.command(&["up", "--agent", "scripted"]).spawn().unwrap();
        assert_eq!(scene.await_turn(), task);
        send(child.id(), signal);
        let outcome = collect(child);
        outcome.assert(0, &["mission running", "mission ending"]);
        assert_eq!(scene.json(&["task", "show", &task])["status"], "queued");
        scene.assert_nothing_left();
    }
}

#[test]
fn drain_that_is_interrupted_says_so() {
    let scene = Scene::new();
    scene.submit(&script(&json!([{ "think_ms": 60_000 }])));
    let child = scene.command(&["up", "--drain", "--agent", "scripted"]).spawn().unwrap();
    scene.await_turn();
    send(child.id(), Signal::INT);
    collect(child).assert(130, &["it was interrupted"]);
    scene.assert_nothing_left();
}

#[test]
fn mission_is_steered_and_ended_whatever_became_of_its_configuration() {
    let scene = Scene::new();
    let _up = scene.up();
    let task = scene.submit(&script(&json!([{ "think_ms": 60_000 }])));
    scene.await_turn();
    for (file, content) in [("config.toml", "[agent\n"), ("agents/odd.toml", "odd"), ("policy.toml", "odd")] {
        scene.repo.write(&format!(".missiond/{file}"), content).unwrap();
    }
    assert_eq!(scene.json(&["status"])["running"], true);
    for args in [&["agent", "list"][..], &["approvals"], &["events"], &["message", "list"], &["task", "list"]]
    {
        scene.ok(args);
    }
    scene.run(&["reject", "abc"]).assert(6, &["abc"]);
    scene.ok(&["task", "cancel", &task]);
    scene.ok(&["down"]);
    // Without a mission, what is written there counts again.
    scene.run(&["status"]).assert(3, &["config.toml"]);
    fs::remove_dir_all(scene.repo.path().join(".missiond/agents")).unwrap();
    scene.repo.write(".missiond/config.toml", "").unwrap();
    scene.assert_nothing_left();
}

#[test]
fn mission_in_the_background_has_no_tie_to_its_starter() {
    let scene = Scene::new();
    let up = scene.up();
    let stat = fs::read_to_string(format!("/proc/{}/stat", up.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // proc_pid_stat(5): session is field 6, the controlling terminal field 7.
    assert_eq!(fields[3], up.pid().to_string(), "it leads a session of its own");
    assert_eq!(fields[4], "0", "it has no controlling terminal");
    let log = scene.repo.path().join(".missiond/logs/up.log");
    assert!(fs::read_to_string(log).unwrap().contains("mission running"));
    assert_eq!(scene.socket_directories().len(), 1);
    drop(up);
    scene.assert_nothing_left();
}

#[test]
fn failure_in_the_background_is_said_in_the_foreground() {
    let scene = Scene::configured("[[slot]]\nid = \"one\"\nagent = \"unheard-of\"\n");
    scene.run(&["up", "--detach"]).assert(6, &["no agent kind `unheard-of`", "up.log"]);
    scene.assert_nothing_left();
}

#[test]
fn directory_with_an_odd_name_is_shown_without_its_escapes() {
    let scene = Scene::new();
    let odd = scene.repo.beside("odd\u{1b}[2J");
    let path = odd.to_str().unwrap();
    scene.repo.git(&["clone", "-q", ".", path]).unwrap();
    let check = |args: &[&str], code: i32, said: &str| {
        let outcome = scene.run(&[&["-C", path], args].concat());
        assert!(!outcome.all().contains('\u{1b}'), "{args:?}: {outcome:#?}");
        outcome.assert(code, &[said, "\\u{1b}[2J/.missiond/logs/up.log"]);
    };
    check(&["up", "--detach", "--agent", "scripted"], 0, "in the background");
    scene.ok(&["-C", path, "down"]);
    fs::create_dir_all(odd.join(".missiond")).unwrap();
    fs::write(odd.join(".missiond/config.toml"), "[[slot]]\nid = \"one\"\nagent = \"unheard-of\"\n").unwrap();
    check(&["up", "--detach"], 6, "no agent kind `unheard-of`");
    scene.assert_nothing_left();
}

#[test]
fn agents_are_listed_explained_and_ended() {
    let scene = Scene::configured("[[slot]]\nid = \"only\"\nagent = \"scripted\"\n");
    scene.run(&["agent", "kill", "only"]).assert(6, &["no slot `only`"]);
    let _up = scene.up();
    let slots = scene.json(&["agent", "list"]);
    assert_eq!(slots.as_array().unwrap().len(), 1);
    assert_eq!(slots[0]["id"], "only");
    assert_eq!(slots[0]["status"], "stopped");
    scene.run(&["agent", "kill", "only"]).assert(6, &["no agent is at work in slot `only`"]);
    scene.run(&["agent", "status", "other"]).assert(6, &["there is no slot `other`", "only"]);

    let task = scene.submit(&script(&json!([{ "think_ms": 60_000 }])));
    scene.await_status(&task, "running");
    let busy = || Some(scene.json(&["agent", "status", "only"])).filter(|slot| slot["pid"].is_u64());
    let slot = wait_until(DEADLINE, "the agent has a process", busy).unwrap();
    assert_eq!(slot["task"].as_str(), Some(task.as_str()));
    let explained = scene.json(&["agent", "explain", "only"]);
    let evidence = |event: &Value| event["kind"] == "agent.status" && event["evidence"].is_string();
    assert!(explained["events"].as_array().unwrap().iter().any(evidence), "{explained}");
    assert!(scene.ok(&["agent", "explain", "only"]).contains("agent.status"));
    scene.ok(&["agent", "kill", "only"]);
    let task = scene.json(&["task", "show", &task]);
    assert_eq!(task["status"], "cancelled");
    assert!(task["reason"].as_str().unwrap().contains("ended by uid"), "{task}");
}

#[test]
fn log_is_whole_and_can_be_resumed() {
    let scene = Scene::new();
    assert_eq!(scene.json(&["events"]), json!([]));
    scene.ok(&["run", "--agent", "scripted", "hello"]);
    let all = scene.json(&["events"]);
    let all = all.as_array().unwrap();
    for (number, event) in (1..).zip(all) {
        assert_eq!(event["seq"].as_u64(), Some(number));
        assert!(event["kind"].is_string() && event["at"].is_string(), "{event}");
    }
    let lines = scene.ok(&["events", "--json"]);
    assert_eq!(lines.lines().count(), all.len());
    let rest = scene.json(&["events", "--since", "5"]);
    assert_eq!(rest.as_array().unwrap().as_slice(), &all[5..]);
    assert_eq!(scene.ok(&["events"]).lines().count(), all.len());
    assert_eq!(scene.json(&["message", "list"]), json!([]));
}

#[test]
fn log_is_followed_until_interrupted() {
    let scene = Scene::new();
    for running in [false, true] {
        let up = running.then(|| scene.up());
        let since = scene.json(&["events"]).as_array().unwrap().len().to_string();
        // Without a database there is nothing to follow yet, so the first round begins with one.
        let first = scene.submit("one");
        let mut child = scene.command(&["events", "--follow", "--json", "--since", &since]).spawn().unwrap();
        let second = scene.submit("two");
        let (sender, lines) = std::sync::mpsc::channel();
        let out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            for line in std::io::BufReader::new(out).lines() {
                // The test may have read enough.
                let _ = sender.send(line.unwrap());
            }
        });
        for id in [first, second] {
            loop {
                let line = lines.recv_timeout(DEADLINE).unwrap();
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["kind"] == "task.submitted" && event["task"].as_str() == Some(&id) {
                    break;
                }
            }
        }
        assert_eq!(child.try_wait().unwrap(), None, "it goes on");
        send(child.id(), Signal::INT);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        reader.join().unwrap();
        drop(up);
    }
}
