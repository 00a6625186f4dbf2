//! The audit log: what is asked about it, by whom, and that it tells when it was changed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::hook::{ask, decision};
use crate::support::{Outcome, Scene, finish, script, send};

fn judge(scene: &Scene, command: &str) -> Outcome {
    ask(scene, &["hook", "pre-tool-use"], scene.repo.path(), command, None)
}

/// A project without a mission in which three calls were judged.
fn judged() -> Scene {
    let scene = Scene::new();
    for (command, expected) in
        [("ls", "allow"), ("rm -rf /", "deny"), ("curl --token=hunter2 https://example.com", "ask")]
    {
        let outcome = judge(&scene, command);
        assert_eq!(decision(&outcome), expected, "{outcome:#?}");
    }
    scene
}

fn log_of(scene: &Scene) -> PathBuf {
    scene.repo.path().join(".missiond/audit.jsonl")
}

/// What was decided on what, in the records that a query gives.
fn found(scene: &Scene, args: &[&str]) -> Vec<(String, String)> {
    let records = scene.json(&[&["audit", "query"], args].concat());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = records.as_array().unwrap().iter().filter(|record| record["kind"] == "call");
    calls.map(|record| (text(&record["decision"]), text(&record["input"]["command"]))).collect()
}

#[test]
fn hook_without_a_mission_keeps_the_log_by_itself() {
    let scene = judged();
    let curl = "curl --token=[redacted:value] https://example.com";
    let all = [("allow", "ls"), ("deny", "rm -rf /"), ("ask", curl)];
    let all = all.map(|(decision, command)| (decision.to_owned(), command.to_owned()));
    assert_eq!(found(&scene, &[]), all);
    let text = fs::read_to_string(log_of(&scene)).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let record: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&record["session"], &record["call"]), (&json!("s"), &json!("toolu_1")));
    assert_eq!((&record["tool"], &record["by"]), (&json!("Bash"), &json!("policy")));
    assert_eq!(record["cwd"], json!(scene.repo.path().to_str().unwrap()));
    assert_eq!(scene.repo.git(&["status", "--porcelain"]).unwrap(), "", "git looks past it");

    assert_eq!(found(&scene, &["--decision", "deny"]), all[1..2]);
    assert_eq!(found(&scene, &["--tool", "Bash", "--text", "CURL --"]), all[2..]);
    assert_eq!(found(&scene, &["--tool", "Write"]), []);
    assert_eq!(found(&scene, &["--since", "1h", "--until", "2999-01-01"]), all);
    assert_eq!(found(&scene, &["--until", "1h"]), []);
    assert_eq!(found(&scene, &["--limit", "1"]), all[2..]);
    let tail = scene.ok(&["audit", "tail", "-n", "2"]);
    assert!(tail.contains("DECISION") && tail.contains("rm -rf /") && !tail.contains("`ls`"), "{tail}");
    assert_eq!(scene.ok(&["audit", "tail", "-n", "2", "--format", "jsonl"]).lines().count(), 2);

    let verified = scene.ok(&["audit", "verify"]);
    assert!(verified.starts_with("sound") && verified.contains("4 records in 1 file"), "{verified}");
    let verified = scene.json(&["audit", "verify"]);
    assert_eq!((&verified["sound"], &verified["records"]), (&json!(true), &json!(4)));
    let hash = verified["last"]["hash"].as_str().unwrap();
    judge(&scene, "ls");
    scene.ok(&["audit", "verify", "--expect", hash]);
    let missed = scene.run(&["audit", "verify", "--expect", &"0".repeat(64)]);
    assert!(missed.code == 1 && missed.out.contains("expected hash"), "{missed:#?}");
}

#[test]
fn exported_records_are_those_of_the_log() {
    let scene = judged();
    judge(&scene, "echo '=1+1,\"x\"'");
    let text = fs::read_to_string(log_of(&scene)).unwrap();
    assert_eq!(scene.ok(&["audit", "export"]), text);
    let file = scene.repo.beside("export.jsonl");
    let path = file.to_str().unwrap();
    let outcome = scene.run(&["audit", "export", "--output", path]);
    assert!(outcome.code == 0 && outcome.err.contains("5 records in "), "{outcome:#?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    scene.run(&["audit", "export", "-o", path]).assert(1, &["must be a new file", "export.jsonl"]);

    let csv = scene.ok(&["audit", "export", "--csv", "--tool", "Bash"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("record,at,kind,decision,by,"), "{csv}");
    assert!(lines[1].starts_with("2,20") && lines[1].contains(",call,allow,policy,"), "{csv}");
    assert!(lines[1].contains(r#""{""command"":""ls""}""#), "{csv}");
}

#[test]
fn changed_log_is_named_with_its_file_and_line() {
    let scene = judged();
    let text = fs::read_to_string(log_of(&scene)).unwrap();
    fs::write(log_of(&scene), text.replace("\"deny\"", "\"allow\"")).unwrap();
    let damaged = scene.run(&["audit", "verify"]);
    assert_eq!(damaged.code, 1, "{damaged:#?}");
    assert!(damaged.out.contains("audit.jsonl:3: record 3: the record was changed"), "{damaged:#?}");
    let damaged = scene.run(&["audit", "verify", "--json"]);
    let document: Value = serde_json::from_str(&damaged.out).unwrap();
    assert_eq!((damaged.code, &document["sound"], &document["fault"]["line"]), (1, &json!(false), &json!(3)));
    assert!(document["fault"]["file"].as_str().unwrap().ends_with("/.missiond/audit.jsonl"));
    let shown = scene.run(&["audit", "tail"]);
    assert!(shown.code == 0 && shown.err.contains("1 line no records"), "{shown:#?}");

    // A record that its writer could not finish is no damage.
    fs::write(log_of(&scene), format!("{text}{{\"v\":1,")).unwrap();
    let torn = scene.run(&["audit", "verify"]);
    assert!(torn.code == 0 && torn.out.contains("torn") && torn.out.contains("audit.jsonl:5"), "{torn:#?}");
}

#[test]
fn without_a_log_there_is_little_to_say() {
    let scene = Scene::new();
    for args in [&["audit", "tail"][..], &["audit", "query", "--text", "x"], &["audit", "export"]] {
        let outcome = scene.run(args);
        assert_eq!((outcome.code, outcome.out.as_str()), (0, ""), "{args:?} {outcome:#?}");
    }
    assert_eq!(scene.json(&["audit", "tail"]), json!([]));
    scene.run(&["audit", "verify"]).assert(6, &["there is no audit log", "first tool call"]);
}

#[test]
fn wrong_arguments_are_usage_errors_that_say_what_is_right() {
    let scene = Scene::new();
    for (args, words) in [
        (&["audit"][..], "Usage"),
        (&["audit", "verify", "--expect", "zz"], "64 lower-case hexadecimal digits"),
        (&["audit", "query", "--since", "yesterday"], "how long ago, such as 2h"),
        (&["audit", "query", "--since=-2h"], "how long ago, such as 2h"),
        (&["audit", "query", "--decision", "maybe"], "allow, ask, deny"),
        (&["audit", "query", "--limit", "0"], "1..=100000"),
        (&["audit", "tail", "-n", "many"], "invalid digit"),
        (&["audit", "export", "--csv", "--json"], "cannot be used with"),
        (&["audit", "prune"], "unrecognized"),
    ] {
        let outcome = scene.run(args);
        assert_eq!(outcome.code, 2, "{args:?}: {outcome:#?}");
        assert!(outcome.err.contains(words), "{args:?}: {outcome:#?}");
    }
    let elsewhere = scene.repo.beside("home");
    scene.run(&["-C", elsewhere.to_str().unwrap(), "audit", "tail"]).assert(6, &["git repository"]);
}

#[test]
fn mission_keeps_the_log_and_it_is_followed_while_it_does() {
    let scene = Scene::new();
    let up = scene.up();
    let mut tail = scene.command(&["audit", "tail", "--follow", "--json"]);
    let mut tail = tail.spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines().map(Result::unwrap);
    let task = scene.submit(&script(&json!([{ "bash": "ls" }, { "bash": "rm -rf /" }])));
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap();
    assert_eq!(next()["kind"], "opened");
    for expected in ["allow", "deny"] {
        let record = next();
        assert_eq!((&record["decision"], &record["task"]), (&json!(expected), &json!(task)), "{record}");
        assert_eq!(record["slot"], "scripted-1");
    }
    send(tail.id(), Signal::INT);
    assert_eq!(tail.wait().unwrap().code(), Some(130));
    scene.await_status(&task, "done");
    assert_eq!(found(&scene, &["--task", &task[..8], "--slot", "scripted-1", "--decision", "deny"]).len(), 1);
    scene.ok(&["audit", "verify"]);
    drop(up);
    scene.ok(&["audit", "verify"]);
    let outcome = scene.run(&["audit", "tail"]);
    assert!(outcome.out.contains("scripted-1"), "{outcome:#?}");
}

#[test]
fn hook_that_cannot_write_its_record_denies_and_says_why() {
    // Something else stands in its place.
    let scene = Scene::new();
    fs::create_dir_all(log_of(&scene)).unwrap();
    let denied = judge(&scene, "ls");
    assert!(denied.code == 2 || decision(&denied) == "deny", "{denied:#?}");
    assert!(denied.all().contains("without that nothing may run"), "{denied:#?}");
    assert!(denied.all().contains("no regular file"), "{denied:#?}");

    // Links lead elsewhere.
    let scene = Scene::new();
    fs::create_dir_all(scene.repo.path().join(".missiond")).unwrap();
    std::os::unix::fs::symlink("/dev/full", log_of(&scene)).unwrap();
    let denied = judge(&scene, "ls");
    assert!(decision(&denied) == "deny" && denied.all().contains("no regular file"), "{denied:#?}");
}

/// The kernel refuses files their growth, as a full disk would. What would be asked is denied too.
#[test]
fn hook_on_a_disk_without_room_denies_and_says_why() {
    let scene = Scene::new();
    let hook =
        format!("trap '' XFSZ; ulimit -f 0; exec '{}' hook pre-tool-use", env!("CARGO_BIN_EXE_missiond"));
    for command in ["ls", "curl https://example.com"] {
        let event = json!({
            "session_id": "s", "cwd": scene.repo.path(), "permission_mode": "default",
            "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": { "command": command },
            "tool_use_id": "toolu_1",
        });
        let file = scene.repo.beside("event.json");
        fs::write(&file, event.to_string()).unwrap();
        let like = scene.command(&[]);
        let mut shell = std::process::Command::new("/bin/bash");
        shell.args(["-c", &hook]).current_dir(scene.repo.path()).env_clear();
        shell.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.stdin(fs::File::open(&file).unwrap());
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let denied = finish(shell);
        assert_eq!(decision(&denied), "deny", "{denied:#?}");
        assert!(denied.out.contains("File too large"), "{denied:#?}");
    }
    let allowed = judge(&scene, "ls");
    assert_eq!(decision(&allowed), "allow", "{allowed:#?}");
    scene.ok(&["audit", "verify"]);
}
