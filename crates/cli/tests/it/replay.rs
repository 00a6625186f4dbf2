//! `detect`, `replay`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Outcome, Scene, collect};

const RECORDING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../pty/tests/fixtures/claude/d-bash-approve-80x24/session.cast.gz");

fn detect(scene: &Scene, args: &[&str], screen: &str) -> Outcome {
    let mut command = scene.command(&[&["detect"], args].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // Who refuses the arguments is gone before this is read.
    let _ = child.stdin.take().unwrap().write_all(screen.as_bytes());
    collect(child)
}

#[test]
fn a_screen_is_told_with_its_evidence() {
    let scene = Scene::new();
    let rule = "─".repeat(60);
    let idle = format!("{rule}\n❯ a draft\n{rule}\n  ? for shortcuts\n");
    let outcome = detect(&scene, &["--agent", "claude", "--json"], &idle);
    outcome.assert(0, &[]);
    let seen: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(
        (&seen["state"], &seen["draft"], &seen["dialog"]),
        (&"idle".into(), &true.into(), &Value::Null)
    );
    assert_eq!(seen["evidence"][0]["rule"], "layout.prompt");
    let busy = detect(&scene, &["--agent", "claude", "--json", "--title", "⠂ topic"], &idle);
    assert_eq!(serde_json::from_str::<Value>(&busy.out).unwrap()["state"], "responding");
    detect(&scene, &["--agent", "nobody"], "").assert(2, &["`nobody`", "claude", "path of a profile"]);
    detect(&scene, &["--agent", "claude", "--size", "0x9"], "").assert(2, &["--size"]);
    detect(&scene, &["--agent", "./none.toml"], "").assert(1, &["none.toml", "No such file"]);
}

#[test]
fn a_recording_is_told_state_by_state_and_explained() {
    let scene = Scene::new();
    let states = scene.ok(&["replay", "--agent", "claude", "--states", RECORDING]);
    let states: Vec<Value> = states.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(states.is_sorted_by_key(|state| state["t"].as_f64()), "{states:#?}");
    let dialog = states.iter().find(|state| state["state"] == "confirming").expect("the dialog");
    assert_eq!((&dialog["dialog"]["tool"], &dialog["dialog"]["highlighted"]), (&"Bash".into(), &1.into()));
    for state in ["starting", "idle", "thinking", "responding"] {
        assert!(states.iter().any(|seen| seen["state"] == state), "{state}: {states:#?}");
    }
    let at = dialog["t"].as_f64().unwrap().to_string();
    let explained = scene.ok(&["replay", "--agent", "claude", "--explain", &at, RECORDING]);
    assert!(explained.contains("confirming") && explained.contains("dialog.rules.bash, rows"), "{explained}");
    scene.run(&["replay", "--agent", "claude", RECORDING]).assert(2, &["--states", "--explain"]);
    scene
        .run(&["replay", "--agent", "claude", "--states", "none.cast"])
        .assert(1, &["none.cast", "No such file"]);
    scene
        .run(&["replay", "--agent", "claude", "--explain", "0", RECORDING])
        .assert(6, &["nothing had been drawn"]);
}
