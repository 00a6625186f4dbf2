//! `doctor`, and databases that cannot be used.

use std::fs;
use std::os::unix::fs::FileExt as _;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Scene, script, send};

#[test]
fn healthy_project_is_said_to_be_healthy() {
    let scene = Scene::new();
    let report = scene.json(&["doctor"]);
    assert_eq!(report["healthy"], json!(true));
    scene.ok(&["run", "--agent", "scripted", "hello"]);
    let shown = scene.ok(&["doctor"]);
    for subject in [
        "git",
        "project",
        "config",
        "policy",
        "agent claude",
        "sockets",
        "mission",
        "database",
        "processes",
        "workspaces",
    ] {
        assert!(shown.lines().any(|line| line[8..].trim_start().starts_with(subject)), "{subject}: {shown}");
    }
    let _up = scene.up();
    assert!(scene.ok(&["doctor"]).contains("it answers"));
    scene.run(&["doctor", "--fix"]).assert(1, &["is owned by pid"]);
}

#[test]
fn what_a_killed_mission_left_is_found_and_mended() {
    let scene = Scene::new();
    let task = scene.submit(&script(&json!([
        { "write": { "path": "half.txt", "content": "half done" } }, { "think_ms": 60_000 }
    ])));
    let mut child = scene.command(&["up", "--agent", "scripted"]).spawn().unwrap();
    scene.await_status(&task, "running");
    let written =
        || scene.worktrees().first().filter(|path| fs::exists(format!("{path}/half.txt")).unwrap()).cloned();
    missiond_testkit::processes::wait_until(crate::support::DEADLINE, "the agent has written", written)
        .unwrap();
    send(child.id(), Signal::KILL);
    child.wait().unwrap();

    let found = scene.run(&["doctor"]);
    assert_eq!(found.code, 1, "{found:#?}");
    for text in ["1 tasks were running", "left over from a task", "doctor --fix"] {
        assert!(found.out.contains(text), "{text}: {found:#?}");
    }
    let mended = scene.json(&["doctor", "--fix"]);
    assert_eq!(mended["healthy"], json!(true), "{mended}");
    let done = mended["mended"].to_string();
    assert!(done.contains("back in the queue") && done.contains("refs/missiond/rescue/"), "{done}");
    let kept = scene.repo.git(&["for-each-ref", "--format=%(refname)", "refs/missiond/rescue"]).unwrap();
    assert_eq!(scene.repo.show(kept.trim(), "half.txt").unwrap(), "half done");
    assert_eq!(scene.json(&["task", "show", &task])["status"], "queued");
    scene.assert_nothing_left();
}

#[test]
fn database_of_a_newer_version_is_left_as_it_is() {
    let scene = Scene::new();
    scene.ok(&["run", "--agent", "scripted", "hello"]);
    let path = scene.repo.path().join(".missiond/mission.db");
    // The database header keeps user_version at offset 60, big-endian (sqlite.org/fileformat.html, section 1.3).
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&9999_u32.to_be_bytes(), 60).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    for args in
        [&["task", "list"][..], &["run", "--agent", "scripted", "x"], &["up"], &["task", "submit", "x"]]
    {
        scene.run(args).assert(1, &["error: ", "newer"]);
    }
    let doctor = scene.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.out.contains("newer"), "{doctor:#?}");
    assert_eq!(fs::read(&path).unwrap(), before, "the file is untouched");
}

#[test]
fn broken_database_is_reported() {
    let scene = Scene::new();
    scene
        .repo
        .write(".missiond/mission.db", "this is no database, but it is long enough to look at".repeat(40))
        .unwrap();
    let outcome = scene.run(&["task", "list"]);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(outcome.err.starts_with("error: "), "{outcome:#?}");
    let doctor = scene.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(
        doctor.out.lines().any(|line| line.starts_with("problem") && line.contains("database")),
        "{doctor:#?}"
    );
}
