//! Every example runs to its end with no account and no network, and prints what it is meant to show.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Stdio};

/// Builds (a no-op when they are fresh) and runs an example, and wants each of these texts in what it prints.
fn check(name: &str, expected: &[&str]) {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "missiond-workspace", "--example", name]);
    command.env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{printed}\n{errors}", output.status);
    for text in expected {
        assert!(printed.contains(text), "{name} does not print {text:?}:\n{printed}");
    }
}

#[test]
fn embed() {
    check("embed", &["submitted task", "it is done", "hello.txt there: Hello from an agent."]);
}

#[test]
fn watch_events() {
    check("watch_events", &["task.submitted", "tool.judged", "work.committed", "task.finished", "comes"]);
}

#[test]
fn judge_tool_calls() {
    check(
        "judge_tool_calls",
        &["allow  Bash   \"git status\"", "deny   Bash   \"rm -Rf /\"", "deny   Write  \"/etc/passwd\""],
    );
}

#[test]
fn read_a_screen() {
    let expected = ["status: idle\n", "status: idle (draft)", "status: confirming", "permission"];
    check("read_a_screen", &expected);
}

#[test]
fn bring_your_own_gate() {
    check("bring_your_own_gate", &["allow Write", "deny  Bash ls", "changed: [\"notes.md\"]"]);
}
