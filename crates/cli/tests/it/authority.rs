//! An agent may not steer the mission that runs it.

use serde_json::json;

use crate::support::{Scene, finish, script};

#[test]
fn process_with_a_session_tag_is_refused_everything_but_the_hook() {
    let scene = Scene::new();
    scene.submit("hello");
    for args in [
        &["run", "--agent", "scripted", "x"][..],
        &["up"],
        &["up", "--detach"],
        &["down"],
        &["status"],
        &["demo"],
        &["task", "list"],
        &["task", "submit", "x"],
        &["task", "show", "a"],
        &["task", "cancel", "a"],
        &["task", "wait", "a"],
        &["task", "retry", "a"],
        &["agent", "list"],
        &["agent", "status", "a"],
        &["agent", "kill", "a"],
        &["agent", "explain", "a"],
        &["worktree", "create", "1"],
        &["worktree", "list"],
        &["worktree", "remove", "1"],
        &["diff", "main"],
        &["merge", "main"],
        &["approvals"],
        &["approve", "a"],
        &["reject", "a"],
        &["message", "list"],
        &["events"],
        &["audit", "tail"],
        &["audit", "query"],
        &["audit", "verify"],
        &["audit", "export"],
        &["config", "get", "agent.default"],
        &["config", "set", "agent.default", "scripted"],
        &["config", "show"],
        &["config", "validate"],
        &["doctor"],
        &["doctor", "--fix"],
    ] {
        let mut command = scene.command(args);
        command.env("MISSIOND_SESSION", "0123456789abcdef0123456789abcdef:scripted-1");
        let outcome = finish(command);
        assert_eq!(outcome.code, 4, "{args:?}: {outcome:#?}");
        assert!(outcome.err.contains("an agent may not"), "{args:?}: {outcome:#?}");
        assert_eq!(outcome.out, "", "{args:?}");
    }
    assert_eq!(scene.json(&["task", "list"]).as_array().unwrap().len(), 1, "nothing was done");
    assert!(!scene.repo.path().join(".missiond/config.toml").exists());
}

#[test]
fn agent_that_tries_to_steer_gets_nowhere() {
    // Permissive, and a rule for the very program: what stops the agent here is not the policy alone.
    let missiond = env!("CARGO_BIN_EXE_missiond");
    let scene = Scene::new();
    let _up = scene.up();
    let prompt = script(&json!([
        { "unhooked": format!("{missiond} task submit --agent scripted sneaked >out 2>&1; {missiond} approve x >>out 2>&1; cat out") },
        { "say": "tried" }
    ]));
    let task = scene.submit(&prompt);
    scene.await_status(&task, "failed");
    assert_eq!(scene.json(&["task", "list"]).as_array().unwrap().len(), 1, "nothing was submitted");
}
