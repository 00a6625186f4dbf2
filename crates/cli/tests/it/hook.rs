//! The hook program without a mission: it judges by itself, and whatever goes wrong blocks.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use missiond_testkit::repo::Repo;
use serde_json::{Value, json};

use crate::support::{Outcome, Scene, collect};

/// Asks about a shell command, as an agent that works in a directory.
pub(crate) fn ask(
    scene: &Scene,
    args: &[&str],
    directory: &Path,
    command: &str,
    tag: Option<&str>,
) -> Outcome {
    let event = json!({
        "session_id": "s", "cwd": directory, "permission_mode": "default",
        "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": { "command": command },
        "tool_use_id": "toolu_1",
    });
    feed(scene, args, tag, event.to_string().as_bytes())
}

fn feed(scene: &Scene, args: &[&str], tag: Option<&str>, input: &[u8]) -> Outcome {
    let mut hook = scene.command(args);
    hook.stdin(Stdio::piped());
    if let Some(tag) = tag {
        hook.env("MISSIOND_SESSION", tag);
    }
    let mut child = hook.spawn().unwrap();
    // A hook that refuses its arguments is gone before it reads.
    let _ = child.stdin.take().unwrap().write_all(input);
    collect(child)
}

pub(crate) fn decision(outcome: &Outcome) -> String {
    let answer: Value = serde_json::from_str(&outcome.out).unwrap_or(Value::Null);
    let decision = answer.pointer("/hookSpecificOutput/permissionDecision");
    decision.and_then(Value::as_str).unwrap_or("none").to_owned()
}

#[test]
fn hook_judges_by_itself_without_a_mission() {
    let scene = Scene::new();
    let here = scene.repo.path();
    let allowed = ask(&scene, &["hook", "pre-tool-use"], here, "ls", None);
    assert_eq!((allowed.code, decision(&allowed).as_str()), (0, "allow"), "{allowed:#?}");
    for tag in [None, Some("0123456789abcdef0123456789abcdef:scripted-1")] {
        let denied = ask(&scene, &["hook", "pre-tool-use"], here, "rm -rf /", tag);
        assert!(denied.code == 2 || decision(&denied) == "deny", "{denied:#?}");
    }
    assert_eq!(
        feed(&scene, &["hook", "pre-tool-use"], None, b"not json").code,
        2,
        "whatever goes wrong blocks"
    );
}

#[test]
fn named_project_judges_instead_of_that_of_the_call() {
    let scene = Scene::new();
    let strict = Repo::with_commit().unwrap();
    strict.write(".missiond/config.toml", "[security]\ndefault_policy = \"read-only\"\n").unwrap();
    let named = strict.path().to_str().unwrap();
    let touch = "touch new.txt";
    let check = |args: &[&str], directory: &Path, command: &str, expected: &str| {
        let outcome = ask(&scene, args, directory, command, None);
        assert_eq!(
            (outcome.code, decision(&outcome).as_str()),
            (0, expected),
            "{args:?} {command}: {outcome:#?}"
        );
    };
    check(&["hook", "pre-tool-use"], scene.repo.path(), touch, "allow");
    for args in [
        &["-C", named, "hook", "pre-tool-use"][..],
        &["hook", "-C", named, "pre-tool-use"],
        &["--color", "never", "--directory", named, "hook", "--patience", "9", "pre-tool-use"],
    ] {
        check(args, strict.path(), "ls", "allow");
        check(args, strict.path(), touch, "deny");
    }
    // Another repository, though the call is made in it, is not the agent's to write.
    let beside = scene.repo.beside("other");
    scene.repo.git(&["init", "-q", beside.to_str().unwrap()]).unwrap();
    check(&["hook", "pre-tool-use"], &beside, touch, "allow");
    let standard = ["-C", scene.repo.path().to_str().unwrap(), "hook", "pre-tool-use"];
    check(&standard, scene.repo.path(), touch, "allow");
    check(&standard, &beside, touch, "deny");
}

#[test]
fn hook_that_cannot_be_understood_blocks_and_says_why() {
    let scene = Scene::new();
    let check = |args: &[&str], reason: &str| {
        let outcome = ask(&scene, args, scene.repo.path(), "ls", None);
        outcome.assert(2, &[reason]);
        assert_eq!(outcome.out, "", "{args:?}");
    };
    let one_line = |args: &[&str], reason: &str| {
        check(args, reason);
        let outcome = ask(&scene, args, scene.repo.path(), "ls", None);
        assert_eq!(outcome.err.lines().count(), 1, "{args:?}: {outcome:#?}");
    };
    one_line(&["hook"], "the event is missing");
    one_line(&["hook", "--nonsense"], "unknown argument `--nonsense`");
    one_line(&["hook", "--gate"], "`--gate` needs the path of a socket");
    one_line(&["hook", "--gate", "/nowhere/gate", "pre-tool-use"], "/nowhere/gate");
    one_line(&["hook", "pre-tool-use", "--json"], "before `hook`");
    one_line(&["--json", "hook", "pre-tool-use"], "`--json` means nothing to a hook");
    one_line(&["--format", "jsonl", "hook", "pre-tool-use"], "`--format` means nothing to a hook");
    one_line(&["--set", "security.enable_hooks=false", "hook", "pre-tool-use"], "`--set` means nothing");
    one_line(&["-C", "/nowhere", "hook", "pre-tool-use"], "/nowhere");
    one_line(&["-C", "/", "hook", "pre-tool-use"], "isn't in a git repository");
    check(&["--nonsense", "hook", "pre-tool-use"], "--nonsense");
}

#[test]
fn help_about_the_hook_is_no_hook() {
    let scene = Scene::new();
    for args in [&["hook", "--help"][..], &["hook", "-h"], &["hook", "--gate", "x", "--help"]] {
        assert!(scene.ok(args).contains("--patience SECONDS"), "{args:?}");
    }
}
