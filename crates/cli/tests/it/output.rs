//! What is printed is safe, and made for whoever reads it.

use serde_json::{Value, json};

use crate::support::{Scene, finish, script};

/// What could take over a terminal or mislead a reader.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;ZWNobw==\u{7}\u{9b}31m\u{8}\r\u{202e}txt\u{200b}";

fn assert_harmless(text: &str, what: &str) {
    let bad = text.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}'));
    assert_eq!(bad, None, "{what}: {text:?}");
}

#[test]
fn answer_full_of_escape_sequences_is_printed_safely() {
    let scene = Scene::new();
    let prompt = script(&json!([
        { "say": format!("hello {EVIL}") },
        { "write": { "path": "ok.txt", "content": EVIL } },
        { "bash": format!("frobnicate {EVIL}") },
        { "say": format!("bye {EVIL}") },
    ]));
    let outcome =
        scene.run(&["run", "--agent", "scripted", &prompt, "--set", "security.approval_timeout=1s"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_harmless(&outcome.out, "run");
    assert_harmless(&outcome.err, "run's remarks");
    assert!(outcome.out.contains("bye \\u{1b}[2J"), "it can still be read: {}", outcome.out);
    for args in [&["task", "list"][..], &["events"], &["approvals", "--all"], &["agent", "list"], &["status"]]
    {
        assert_harmless(&scene.ok(args), &format!("{args:?}"));
    }
    let tasks = scene.json(&["task", "list"]);
    let id = tasks[0]["id"].as_str().unwrap();
    assert_eq!(
        tasks[0]["result"]["answer"].as_str(),
        Some(format!("bye {EVIL}").as_str()),
        "JSON loses nothing"
    );
    for args in [&["task", "show", id][..], &["diff", id]] {
        assert_harmless(&scene.ok(args), &format!("{args:?}"));
    }
    for format in ["json", "jsonl"] {
        assert_harmless(&scene.ok(&["task", "list", "--format", format]), format);
    }
}

#[test]
fn colours_come_only_when_they_are_wanted() {
    let scene = Scene::new();
    let coloured = |args: &[&str], variable: Option<(&str, &str)>| {
        let mut command = scene.command(args);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        finish(command).all().contains('\u{1b}')
    };
    assert!(!coloured(&["status"], None), "a pipe gets none");
    assert!(coloured(&["status", "--color", "always"], None));
    assert!(!coloured(&["status", "--color", "never"], None));
    assert!(!coloured(&["status"], Some(("NO_COLOR", "1"))));
    assert!(!coloured(&["task", "show", "zz"], None), "errors too");
    assert!(coloured(&["task", "show", "zz", "--color", "always"], None));
    assert!(!coloured(&["task", "show", "zz", "--color=never"], None));
}

#[test]
fn errors_go_to_standard_error_in_one_form() {
    let scene = Scene::new();
    let outcome = scene.run(&["task", "show", "zz", "--json"]);
    assert_eq!(outcome.out, "");
    assert!(outcome.err.starts_with("error: there is no task `zz`"), "{outcome:#?}");
}

#[test]
fn reader_that_leaves_is_no_failure() {
    let scene = Scene::new();
    scene.ok(&["run", "--agent", "scripted", "hello"]);
    let mut child = scene.command(&["events"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(said, "");
}

#[test]
fn version_help_and_completions_need_no_project() {
    let scene = Scene::new();
    let elsewhere = scene.repo.beside("home");
    let at = elsewhere.to_str().unwrap();
    let version = scene.ok(&["--version"]);
    assert_eq!(version, format!("missiond {}\n", env!("CARGO_PKG_VERSION")));
    let help = scene.ok(&["--help"]);
    for text in ["demo", "run", "approvals", "Exit codes", "--format"] {
        assert!(help.contains(text), "{text}: {help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = scene.ok(&["-C", at, "completions", shell]);
        assert!(script.contains("missiond"), "{shell}");
    }
}

#[test]
fn status_has_a_shape_that_programs_can_rely_on() {
    let scene = Scene::new();
    let idle = scene.json(&["status"]);
    assert_eq!(idle["running"], json!(false));
    assert_eq!(idle["tasks"]["done"], json!(0));
    let _up = scene.up();
    let running = scene.json(&["status"]);
    assert_eq!(running["running"], json!(true));
    assert!(running["mission"]["pid"].is_u64() && running["mission"]["since"].is_string(), "{running}");
    let line = scene.ok(&["status", "--format", "jsonl"]);
    assert_eq!(line.lines().count(), 1);
    let parsed: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["project"], running["project"]);
}
