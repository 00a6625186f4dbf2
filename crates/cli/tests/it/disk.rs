//! A full disk: what the command says, its exit code, and that nothing acknowledged is lost.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::hook::{ask, decision};
use crate::support::Scene;

const ENTRY: &str = "disk::full_disk_is_a_failure_that_says_so";
/// Tells this test, started as another process, where the small disk is.
const WORK_IN: &str = "MISSIOND_TEST_SMALL_DISK";

/// Runs itself again in a mount namespace with a small tmpfs: as root, or in a user namespace of its own.
#[test]
#[allow(clippy::print_stderr, reason = "it must be seen when this could not be tested")]
fn full_disk_is_a_failure_that_says_so() {
    if let Some(disk) = std::env::var_os(WORK_IN) {
        return on_a_small_disk(Path::new(&disk));
    }
    let directory = tempfile::tempdir().unwrap();
    for namespaces in [&["--mount"][..], &["--mount", "--user", "--map-root-user"][..]] {
        let mount = "mount -t tmpfs -o size=16m none \"$1\"";
        let mut attempt = Command::new("unshare");
        attempt.args(namespaces).args(["sh", "-c", mount, "sh"]).arg(directory.path());
        if attempt.output().is_ok_and(|output| output.status.success()) {
            let script = format!("{mount} && exec \"$2\" {ENTRY} --exact --nocapture");
            let mut command = Command::new("unshare");
            command.args(namespaces).args(["sh", "-c", &script, "sh"]).arg(directory.path());
            command.arg(std::env::current_exe().unwrap());
            command.env(WORK_IN, directory.path()).env("TMPDIR", directory.path());
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
            return;
        }
    }
    let told = "no tmpfs can be mounted here: run the tests as root, or allow user namespaces";
    assert!(std::env::var_os("CI").is_none(), "{told}");
    eprintln!("NOT TESTED: the command on a full disk; {told}");
}

fn on_a_small_disk(disk: &Path) {
    let scene = Scene::new();
    assert!(scene.repo.path().starts_with(disk), "the project lies on the small disk");
    let submit = ["task", "submit", "--agent", "scripted", "hello", "--format", "json"];
    let id = |out: &str| {
        let submitted: Value = serde_json::from_str(out).unwrap();
        submitted[0]["task"].as_str().unwrap().to_owned()
    };
    let mut taken = vec![id(&scene.ok(&submit))];
    let ballast = disk.join("ballast");
    fill(&ballast);
    // What the store has room for in its own files goes first.
    let refused = loop {
        let outcome = scene.run(&submit);
        if outcome.code != 0 {
            break outcome;
        }
        taken.push(id(&outcome.out));
        assert!(taken.len() < 1000, "the disk never was full");
    };
    let says_so = |err: &str| err.contains("No space left") || err.contains("full");
    assert!(refused.code == 1 && says_so(&refused.err) && refused.out.is_empty(), "{refused:#?}");
    for args in [
        &["run", "--agent", "scripted", "hello"][..],
        &["config", "set", "agent.turn_timeout", "5m"],
        &["worktree", "create", "42"],
    ] {
        let outcome = scene.run(args);
        assert!(outcome.code == 1 || outcome.code == 3, "{args:?}: {outcome:#?}");
        assert!(says_so(&outcome.err) && !outcome.err.contains("panicked"), "{args:?}: {outcome:#?}");
    }
    // A hook without a mission can't put its verdict on record, and so it is a no.
    let judged = ask(&scene, &["hook", "pre-tool-use"], scene.repo.path(), "ls", None);
    assert_eq!(decision(&judged), "deny", "{judged:#?}");
    assert!(says_so(&judged.out) && judged.out.contains("without that nothing may run"), "{judged:#?}");
    // Reading needs a little room too; if it is not there, that is what is said.
    let status = scene.run(&["status"]);
    assert!(status.code == 0 || status.code == 1 && says_so(&status.err), "{status:#?}");

    fs::remove_file(&ballast).unwrap();
    let judged = ask(&scene, &["hook", "pre-tool-use"], scene.repo.path(), "ls", None);
    assert_eq!(decision(&judged), "allow", "{judged:#?}");
    scene.ok(&["audit", "verify"]);
    taken.push(id(&scene.ok(&submit)));
    let listed = scene.json(&["task", "list"]);
    for task in &taken {
        assert!(
            listed.as_array().unwrap().iter().any(|listed| listed["id"] == task.as_str()),
            "{task} is lost: {listed}"
        );
    }
    assert_eq!(scene.worktrees(), Vec::<String>::new());
}

fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![7; size]).is_err() {
            size /= 2;
        }
    }
}
