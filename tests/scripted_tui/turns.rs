//! Turns and conversations of the program by itself.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use missiond_pty::{Activity, EndReason, Interrupted, Status, TurnStep};
use missiond_testkit::processes::{wait_until, with_environment};
use serde_json::{Value, json};

use crate::place::{ALLOW, LONG, Place, end, play, results, step, text};
use crate::support::script;

#[tokio::test]
async fn several_turns_run_in_one_session() {
    let place = Place::new();
    let agent = place.allowed().await;
    let mut turn = agent.submit("hello there").await.unwrap();
    assert!(turn.receipt().pasted && turn.receipt().attempts == 1);
    assert!(matches!(step(&mut turn).await, TurnStep::Status(Status::Busy(_))));
    let outcome = end(&mut turn).await;
    assert_eq!(outcome.reason, EndReason::Complete);
    let answer = outcome.answer.unwrap();
    assert!(answer.contains("You asked: hello there") && answer.contains("I wrote the request"), "{answer}");
    assert!(outcome.screen.text().contains("› hello there"), "{}", outcome.screen.text());
    assert!(std::fs::read_to_string(place.work("SCRIPTED.md")).unwrap().contains("hello there"));

    let outcome =
        play(&agent, &json!([{ "bash": "echo out; echo err >&2; exit 3" }, { "say": "second" }])).await;
    assert_eq!(outcome.answer.as_deref(), Some("second"));
    assert_eq!(results(&place.transcript("one"))[1], ("Exit code 3\nout\nerr\n".to_owned(), true));

    // A turn that says and does nothing is one too, and is seen to begin.
    let mut turn = agent.submit(&script(&json!([]))).await.unwrap();
    assert!(matches!(step(&mut turn).await, TurnStep::Status(Status::Busy(_))));
    assert_eq!(end(&mut turn).await.reason, EndReason::Complete);
}

#[tokio::test]
async fn what_it_does_can_be_seen() {
    let place = Place::new();
    let agent = place.allowed().await;
    let fifo = place.work("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut turn = agent.submit(&script(&json!([{ "bash": "cat fifo" }]))).await.unwrap();
    while step(&mut turn).await != TurnStep::Status(Status::Busy(Activity::ToolRunning)) {}
    assert!(text(&agent).contains("• Bash(cat fifo)\n  └ Running…"), "{}", text(&agent));
    assert!(agent.session().snapshot().title.starts_with('◐'));
    std::fs::write(&fifo, "one\ntwo\n").unwrap();
    let outcome = end(&mut turn).await;
    assert!(outcome.screen.text().contains("└ one (+1 lines)"), "{}", outcome.screen.text());
    assert!(!outcome.screen.title.starts_with('◐'));
}

#[tokio::test]
async fn an_interrupt_ends_whatever_goes_on() {
    let place = Place::new();
    let slow = format!(
        "if grep -q slow-hook; then echo > {}; sleep 300; fi; {ALLOW}",
        place.work("asked").display()
    );
    let settings = place.settings(&[("PreToolUse", "*", &slow)]);
    let agent = place.ready(&["--settings", &settings, "--session-id", "one"]).await;
    // What goes on, the file by which it is known to have begun, and what the call's result begins with.
    let cases = [
        (json!([{ "think_ms": 3_600_000 }]), None, None),
        (
            json!([{ "bash": "touch begun; sleep 300 & sleep 300" }]),
            Some("begun"),
            Some("the command was ended because the turn was interrupted"),
        ),
        (json!([{ "bash": "touch slow-hook" }]), Some("asked"), Some("<tool_use_error>")),
    ];
    for (steps, begun, result) in cases {
        let mut more = steps.as_array().unwrap().clone();
        more.push(json!({ "say": "not interrupted" }));
        let mut turn = agent.submit(&script(&json!(more))).await.unwrap();
        assert!(matches!(step(&mut turn).await, TurnStep::Status(Status::Busy(_))));
        if let Some(file) = begun {
            let there = wait_until(LONG, file, || place.work(file).exists().then_some(()));
            there.unwrap_or_else(|error| panic!("{error}\n{}", text(&agent)));
        }
        assert_eq!(agent.interrupt().await.unwrap(), Interrupted::Stopped, "{steps}");
        let outcome = end(&mut turn).await;
        assert_eq!(outcome.reason, EndReason::Interrupted, "{steps}");
        let screen = outcome.screen.text();
        assert!(screen.contains("Interrupted") && !screen.contains("• not interrupted"), "{steps}: {screen}");
        let lines = place.transcript("one");
        assert_eq!(lines.last().unwrap()["subtype"], "error_during_execution", "{steps}");
        if let Some(begins) = result {
            let (content, is_error) = results(&lines).pop().unwrap();
            assert!(is_error && content.starts_with(begins), "{steps}: {content}");
        }
        let (name, value) = place.mark();
        let sleeping =
            || with_environment(name, &value).unwrap().into_iter().any(|p| p.command.starts_with("sleep"));
        wait_until(LONG, "no process of the call is left", || (!sleeping()).then_some(())).unwrap();
    }
    assert!(!place.work("slow-hook").exists());
    // The session goes on.
    assert_eq!(agent.interrupt().await.unwrap(), Interrupted::WasIdle);
    assert_eq!(play(&agent, &json!([{ "say": "still here" }])).await.answer.as_deref(), Some("still here"));
}

#[tokio::test]
async fn the_same_is_written_with_and_without_a_terminal() {
    let place = Place::new();
    let settings = place.settings(&[(
        "PreToolUse",
        "*",
        &format!("if grep -q forbidden; then echo no >&2; exit 2; fi; {ALLOW}"),
    )]);
    let steps = json!([
        { "say": "grüße" }, { "think_ms": 10 }, { "write": { "path": "d/a.txt", "content": "x\n" } },
        { "read": { "path": "d/a.txt" } }, { "bash": "echo forbidden" }, { "bash": "kill -9 $$" },
        { "ask": { "question": "Go?", "options": ["yes"] } }, { "unhooked": "pwd" },
        { "raw": "{\"type\":\"strange\"}" }, { "say": "done" },
    ]);
    let plain = |lines: Vec<Value>| -> Vec<Value> {
        let mut ids: Vec<String> = Vec::new();
        lines
            .into_iter()
            .filter(|line| !line["message"]["content"].is_string())
            .map(|line| {
                // Only the ids of calls and the time differ.
                let mut text = line.to_string();
                for (number, id) in ids.iter().enumerate() {
                    text = text.replace(id, &format!("call {number}"));
                }
                if let Some(id) = line.pointer("/message/content/0/id").and_then(Value::as_str) {
                    text = text.replace(id, &format!("call {}", ids.len()));
                    ids.push(id.to_owned());
                }
                let mut line: Value = serde_json::from_str(&text).unwrap();
                if let Some(line) = line.as_object_mut() {
                    line.remove("duration_ms");
                }
                line
            })
            .collect()
    };
    let (code, out, err) = place.headless(&["--settings", &settings, "--session-id", "one"], &script(&steps));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let printed = plain(out.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
    let agent = place.ready(&["--settings", &settings, "--session-id", "one"]).await;
    play(&agent, &steps).await;
    let written = plain(place.transcript("one"));
    assert_eq!(printed.len(), 17, "{printed:#?}");
    assert_eq!(written, printed);
}

#[tokio::test]
async fn a_conversation_is_gone_on_with() {
    let place = Place::new();
    let agent = place.ready(&["--session-id", "one"]).await;
    play(&agent, &json!([{ "say": "The word is heron." }])).await;
    agent.session().write_all(b"\x04").await.unwrap();
    agent.session().exited().await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let path = place.transcript_path("one");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    // As a killed run leaves it.
    let mut torn = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    torn.write_all(b"{\"type\":\"assi").unwrap();

    let agent = place.ready(&["--resume", "one"]).await;
    assert!(text(&agent).contains("• The word is heron."), "{}", text(&agent));
    assert_eq!(play(&agent, &json!([{ "say": "As I said." }])).await.answer.as_deref(), Some("As I said."));
    let texts: Vec<Value> = place
        .transcript("one")
        .iter()
        .filter_map(|line| line.pointer("/message/content/0/text").cloned())
        .collect();
    assert_eq!(texts, ["The word is heron.", "As I said."]);

    // One of which nothing is known begins anew; a name that is taken is no new one.
    place.ready(&["--resume", "forgotten"]).await;
    assert!(place.transcript_path("forgotten").exists());
    let agent = place.start(&["--session-id", "one"], (80, 24));
    let exit = agent.session().exited().await;
    assert!(text(&agent).contains("there is a conversation one already"), "{exit}: {}", text(&agent));
}

#[tokio::test]
async fn a_start_that_cannot_work_says_why() {
    let place = Place::new();
    let broken = place.path("broken.json");
    std::fs::write(&broken, "{").unwrap();
    let broken = broken.to_string_lossy();
    let cases: [(&[&str], &str); 7] = [
        (&["--loud"], "unknown argument `--loud`"),
        (&["--resume"], "`--resume` needs a value"),
        (&["--resume", "../../etc/passwd"], "conversation id"),
        (&["--resume", "a", "--session-id", "b"], "give `--resume` or `--session-id`"),
        (&["--settings", "/nonexistent"], "settings file `/nonexistent`"),
        (&["--settings", &broken], "EOF while parsing"),
        (&["--tui", "--session-id", "x"], "needs a terminal"),
    ];
    for (args, said) in cases {
        let (code, out, err) = place.headless(args, "hello");
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert!(!place.transcript_path("x").exists(), "a start that failed left something");
    let (code, _, err) = place.headless(&[], "script:[{\"dance\":1}]");
    assert!(code == Some(1) && err.contains("unknown variant `dance`"), "{err}");
    let (code, _, err) = place.headless(&[], &"x".repeat((1 << 20) + 1));
    assert!(code == Some(1) && err.contains("longer than 1048576 bytes"), "{err}");

    // In a terminal a script that is none fails its turn, and the next one is fine.
    let agent = place.ready(&[]).await;
    let mut turn = agent.submit("script:[{\"dance\":1}]").await.unwrap();
    let EndReason::Failed(message) = end(&mut turn).await.reason else { panic!("{}", text(&agent)) };
    assert!(message.contains("unknown variant `dance`"), "{message}");
    assert_eq!(play(&agent, &json!([{ "say": "fine" }])).await.answer.as_deref(), Some("fine"));
}
