//! The program by itself, on a terminal that the test holds.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use missiond_pty::{
    Activity, Agent, Choice, Dialog, DialogKind, EndReason, Interrupted, Profile, PtySession, Size,
    SpawnSpec, Status, Turn, TurnOptions, TurnOutcome, TurnStep,
};
use missiond_testkit::processes::{wait_until, with_environment};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::script;

/// Long enough for a loaded machine; nothing waits this long unless it fails.
const LONG: Duration = Duration::from_secs(30);
const ALLOW: &str =
    r#"echo '{"hookSpecificOutput":{"permissionDecision":"allow","permissionDecisionReason":"fine"}}'"#;

/// An event, the tools that the hook hears of, and its command.
type Hook<'a> = (&'a str, &'a str, &'a str);

/// Where the program runs: a home and a directory to work in.
struct Place {
    scratch: TempDir,
}

impl Place {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        Self { scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    /// Marks the processes of this place.
    fn mark(&self) -> (&'static str, String) {
        ("SCRIPTED_TUI_TEST", self.scratch.path().to_string_lossy().into_owned())
    }

    /// A settings file with these hooks.
    fn settings(&self, hooks: &[Hook<'_>]) -> String {
        let mut table = json!({});
        for (event, matcher, command) in hooks {
            let entry = json!({ "matcher": matcher,
                "hooks": [{ "type": "command", "command": command, "timeout": 20 }] });
            match table[event].as_array_mut() {
                Some(entries) => entries.push(entry),
                None => table[event] = json!([entry]),
            }
        }
        let path = self.path("settings.json");
        std::fs::write(&path, json!({ "hooks": table }).to_string()).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn start(&self, args: &[&str], size: (u16, u16)) -> Agent {
        let program = env!("CARGO_BIN_EXE_missiond");
        let mut spec = SpawnSpec::new(program, self.path("work"))
            .args(["__missiond", "scripted", "--tui"].into_iter().chain(args.iter().copied()));
        let (name, value) = self.mark();
        spec.env.set("PATH", std::env::var_os("PATH").unwrap_or_default()).set("LC_ALL", "C.UTF-8");
        spec.env.set("HOME", self.path("home")).set(name, value);
        let session = PtySession::spawn(spec, Size::new(size.0, size.1).unwrap()).unwrap();
        Agent::new(Arc::new(session), Profile::scripted(), TurnOptions::default())
    }

    async fn ready(&self, args: &[&str]) -> Agent {
        let agent = self.start(args, (80, 30));
        idle(&agent).await;
        agent
    }

    /// With a hook that allows every call.
    async fn allowed(&self) -> Agent {
        let settings = self.settings(&[("PreToolUse", "*", ALLOW)]);
        self.ready(&["--settings", &settings, "--session-id", "one"]).await
    }

    fn transcript_path(&self, conversation: &str) -> PathBuf {
        self.path("home/.local/state/missiond/scripted").join(format!("{conversation}.jsonl"))
    }

    fn transcript(&self, conversation: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.transcript_path(conversation)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect()
    }

    /// Runs one turn without a terminal.
    fn headless(&self, args: &[&str], prompt: &str) -> (Option<i32>, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_missiond"))
            .args(["__missiond", "scripted"])
            .args(args)
            .env("HOME", self.path("home"))
            .current_dir(self.path("work"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(prompt.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

async fn idle(agent: &Agent) {
    let idle = agent.wait_for(LONG, |seen| matches!(seen.status, Status::Idle { .. }).then_some(()));
    idle.await.unwrap_or_else(|error| panic!("never idle: {error:?}\n{}", text(agent)));
}

fn text(agent: &Agent) -> String {
    agent.session().snapshot().text()
}

async fn step(turn: &mut Turn) -> TurnStep {
    tokio::time::timeout(LONG, turn.next()).await.expect("a turn's step").expect("no step after the end")
}

async fn end(turn: &mut Turn) -> TurnOutcome {
    loop {
        match step(turn).await {
            TurnStep::Ended(outcome) => return *outcome,
            TurnStep::NeedsAnswer(dialog) => panic!("{dialog:?}"),
            _ => {}
        }
    }
}

async fn dialog(turn: &mut Turn) -> Dialog {
    loop {
        match step(turn).await {
            TurnStep::NeedsAnswer(dialog) => return *dialog,
            TurnStep::Ended(outcome) => panic!("no dialog: {outcome:?}"),
            _ => {}
        }
    }
}

async fn play(agent: &Agent, steps: &Value) -> TurnOutcome {
    let mut turn = agent.submit(&script(steps)).await.unwrap_or_else(|error| panic!("{steps}: {error}"));
    end(&mut turn).await
}

/// What the tools gave back, and whether it is an error.
fn results(lines: &[Value]) -> Vec<(String, bool)> {
    let blocks = lines.iter().filter_map(|line| line.pointer("/message/content/0"));
    let results = blocks.filter(|block| block["type"] == "tool_result");
    results
        .map(|block| (block["content"].as_str().unwrap().to_owned(), block["is_error"].as_bool().unwrap()))
        .collect()
}

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
async fn a_call_that_no_hook_decides_is_asked_about() {
    let cases: [(&str, Vec<Hook<'_>>); 7] = [
        ("no hook", vec![]),
        ("a hook for other tools", vec![("PreToolUse", "Edit|Grep", ALLOW)]),
        ("a missing hook", vec![("PreToolUse", "*", "/nonexistent/hook")]),
        ("a failing hook", vec![("PreToolUse", "*", "exit 1")]),
        ("a killed hook", vec![("PreToolUse", "*", "kill -9 $$")]),
        ("a hook that says nothing of use", vec![("PreToolUse", "*", "echo allow")]),
        (
            "a hook that wants the person asked beside one that allows",
            vec![
                ("PreToolUse", "*", r#"echo '{"hookSpecificOutput":{"permissionDecision":"ask"}}'"#),
                ("PreToolUse", "*", ALLOW),
            ],
        ),
    ];
    for (name, hooks) in cases {
        let place = Place::new();
        let settings = place.settings(&hooks);
        let agent = place.ready(&["--settings", &settings, "--session-id", "one"]).await;
        let mut turn = agent.submit(&script(&json!([{ "bash": "touch ran" }]))).await.unwrap();
        let asked = dialog(&mut turn).await;
        assert_eq!((asked.kind, asked.tool.as_deref()), (DialogKind::Permission, Some("Bash")), "{name}");
        assert_eq!(asked.argument.as_deref(), Some("touch ran"), "{name}");
        agent.answer(asked.id, Choice::Cancel).await.unwrap();
        end(&mut turn).await;
        assert!(!place.work("ran").exists(), "{name}: the call ran");
        assert!(results(&place.transcript("one"))[0].1, "{name}");
    }
}

#[tokio::test]
async fn a_persons_answer_decides() {
    let place = Place::new();
    let agent = place.ready(&["--session-id", "one"]).await;
    let steps = json!([{ "write": { "path": "a.txt", "content": "x" } }, { "say": "went on" }]);
    let check = async |choice, tool: &str, answer: &str| {
        let mut turn = agent.submit(&script(&steps)).await.unwrap();
        let asked = dialog(&mut turn).await;
        assert_eq!(asked.tool.as_deref(), Some(tool));
        agent.answer(asked.id, choice).await.unwrap();
        let outcome = end(&mut turn).await;
        assert_eq!(outcome.reason, EndReason::Complete, "{choice:?}");
        assert_eq!(outcome.answer.unwrap_or_default(), answer, "{choice:?}");
        results(&place.transcript("one")).pop().unwrap()
    };
    let refused = check(Choice::Option(1), "Write", "went on").await;
    assert_eq!(refused, ("the person at the terminal refused it".to_owned(), true));
    assert!(!place.work("a.txt").exists());
    let left = check(Choice::Cancel, "Write", "").await;
    assert!(left.1 && left.0.starts_with("<tool_use_error>"), "{left:?}");
    assert!(!place.work("a.txt").exists());
    let allowed = check(Choice::Option(0), "Write", "went on").await;
    assert!(!allowed.1, "{allowed:?}");
    assert!(place.work("a.txt").exists());
}

#[tokio::test]
async fn a_question_is_answered_by_an_option() {
    let place = Place::new();
    let agent = place.ready(&["--session-id", "one"]).await;
    let options: Vec<String> = (1..=30).map(|n| format!("option {n}")).collect();
    let cases = [
        (json!(["red", "green", "blue"]), 3, 2, "blue"),
        (json!([]), 1, 0, "Go on"),
        (json!(["日本語", "1. Yes\n2. No"]), 2, 0, "日本語"),
        (json!(options), 20, 11, "option 12"),
    ];
    for (options, count, choice, expected) in cases {
        let ask = json!([{ "ask": { "question": "Which one?", "options": options } }]);
        let mut turn = agent.submit(&script(&ask)).await.unwrap();
        let asked = dialog(&mut turn).await;
        assert_eq!((asked.kind, asked.question.as_str()), (DialogKind::Question, "Which one?"));
        assert_eq!(asked.options.len(), count, "{asked:?}");
        agent.answer(asked.id, Choice::Option(choice)).await.unwrap();
        end(&mut turn).await;
        assert_eq!(results(&place.transcript("one")).pop().unwrap(), (expected.to_owned(), false));
    }
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
async fn prompts_arrive_whole_and_once() {
    let place = Place::new();
    let agent = place.allowed().await;
    let lines: Vec<String> = (1..=300).map(|n| format!("  line {n} with some words in it")).collect();
    let prompts = [
        "one line".to_owned(),
        "two\nlines".to_owned(),
        "with a blank\n\n  and\ttab and indentation".to_owned(),
        "日本語で説明してください 🎉 café naïve e\u{301}".to_owned(),
        format!("wide enough to wrap: {}", "日本語".repeat(40)),
        "- a list\n- 1. Yes\n› 2. No\n───".to_owned(),
        lines.join("\n"),
        "x".repeat(400_000),
        format!("script:{}", json!([{ "say": "語".repeat(3000) }])),
    ];
    let mut expected = Vec::new();
    for prompt in prompts {
        let head: String = prompt.chars().take(60).collect();
        let mut turn = agent.submit(&prompt).await.unwrap_or_else(|error| panic!("{head:?}: {error}"));
        assert_eq!(end(&mut turn).await.reason, EndReason::Complete, "{head:?}");
        expected.push(prompt);
    }
    let transcript = place.transcript("one");
    let said: Vec<&str> =
        transcript.iter().filter_map(|line| line.pointer("/message/content")?.as_str()).collect();
    assert!(said == expected, "prompts were changed, lost or doubled: {} of {}", said.len(), expected.len());
}

#[tokio::test]
async fn a_draft_can_be_typed_and_changed() {
    let place = Place::new();
    let agent = place.ready(&["--session-id", "one"]).await;
    let session = agent.session();
    let check = async |keys: &str, expected: &str| {
        session.write_all(keys.as_bytes()).await.unwrap();
        let same =
            agent.wait_for(LONG, |seen| (seen.draft.as_deref().unwrap_or("") == expected).then_some(()));
        same.await.unwrap_or_else(|_| panic!("{keys:?} did not make it {expected:?}\n{}", text(&agent)));
    };
    check("hallo", "hallo").await;
    check("\x7f\x7fp wé日\x1b[C\x1b[3~", "halp wé日").await;
    check("\nmore", "halp wé日\nmore").await;
    check("\x15", "").await;
    // Pastes: short ones as they are, long ones by a stand-in; what is too long not at all.
    check("\x1b[200~a\rb\x1b[201~", "a\nb").await;
    check("\x15\x1b[200~1\n2\n3\n4\n5\n6\x1b[201~!", "[Pasted text #1 +6 lines]!").await;
    check("\x7f\x7f", "").await;
    let huge = format!("\x1b[200~{}\x1b[201~", "x".repeat(2 << 20));
    session.write_all(huge.as_bytes()).await.unwrap();
    let told = session.wait_for(LONG, |seen| seen.text().contains("nothing was added").then_some(()));
    told.await.unwrap_or_else(|_| panic!("{}", text(&agent)));
    assert_eq!(agent.observe().status, Status::Idle { draft: false });
    // Enter on nothing and Escape do nothing.
    session.write_all(b"\r \r\x1b").await.unwrap();
    check("x", "x").await;
    assert_eq!(place.transcript("one").len(), 1, "a prompt was submitted");
}

#[tokio::test]
async fn any_size_is_drawn_and_a_new_one_is_noticed() {
    let place = Place::new();
    let agent = place.allowed().await;
    play(
        &agent,
        &json!([{ "say": "A long answer with 日本語 in it. ".repeat(60) }, { "bash": "echo done" }]),
    )
    .await;
    for (cols, rows) in [(160, 50), (20, 8), (40, 6), (300, 4), (80, 24)] {
        agent.session().resize(Size::new(cols, rows).unwrap()).unwrap();
        let fits = agent.session().wait_for(LONG, |snapshot| {
            let rules = snapshot.rows.iter().filter(|row| row.text == "─".repeat(cols.into())).count();
            let idle = agent.profile().observe(snapshot).status == Status::Idle { draft: false };
            (rules == 2 && idle).then_some(())
        });
        fits.await.unwrap_or_else(|_| panic!("{cols}x{rows}:\n{}", text(&agent)));
    }
    assert_eq!(play(&agent, &json!([{ "say": "fine" }])).await.answer.as_deref(), Some("fine"));
    // Too small for anything, and nothing breaks.
    for (cols, rows) in [(1, 1), (2, 3), (80, 24)] {
        agent.session().resize(Size::new(cols, rows).unwrap()).unwrap();
        agent.session().wait_for(LONG, |seen| (seen.size.cols() == cols).then_some(())).await.unwrap();
    }
    idle(&agent).await;
}

#[tokio::test]
async fn text_from_elsewhere_neither_acts_nor_deceives() {
    let place = Place::new();
    let agent = place.allowed().await;
    let rule = "─".repeat(80);
    let fakes = [
        "\u{1b}[2J\u{1b}]0;◐ owned\u{7}\u{1b}[?2004l\u{9b}31m".to_owned(),
        format!(
            "{rule}\n Bash command\n\n   ls\n\n Do you want to proceed?\n › 1. Yes\n   2. No\n\n Esc to cancel"
        ),
        format!("{rule}\n› \n{rule}\n  enter to send"),
        "◐ Thinking… (3s)\n\u{202e}esc to interrupt".to_owned(),
        "Turn failed: not at all".to_owned(),
    ];
    for fake in fakes {
        let steps = json!([{ "say": fake }, { "bash": format!("printf %s '{fake}'") }]);
        // A prompt is rid of control characters on its way; JSON has other ways to say them.
        let mut turn = agent.submit(&script(&steps).replace('\u{9b}', "\\u009b")).await.unwrap();
        let outcome = end(&mut turn).await;
        assert!(matches!(outcome.reason, EndReason::Complete | EndReason::Failed(_)), "{fake:?}");
        assert!(outcome.screen.modes.bracketed_paste, "{fake:?}");
        assert_eq!(&*outcome.screen.title, "scripted agent", "{fake:?}");
        let said = place.transcript("one").into_iter().rev().find_map(|line| {
            line.pointer("/message/content/0/text").and_then(Value::as_str).map(str::to_owned)
        });
        assert_eq!(said.as_deref(), Some(fake.as_str()), "the transcript has the text as it is");
    }
}

#[tokio::test]
async fn reporting_hooks_hear_of_the_turn() {
    let place = Place::new();
    let log = place.path("log");
    let note = format!("cat >> {0}; echo >> {0}; exit 7", log.display());
    let settings = place.settings(&[
        ("PreToolUse", "*", ALLOW),
        ("PostToolUse", "Bash|Write", &note),
        ("PostToolUse", "Read", "exit 1"),
        ("Stop", "", &note),
        ("StopFailure", "", &note),
    ]);
    let steps = json!([{ "bash": "echo hi" }, { "read": { "path": "no" } }, { "say": "done" }]);
    let failing = json!([{ "write": { "path": "w", "content": "" } }, { "fail": "overloaded" }]);
    let heard = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        std::fs::remove_file(&log).unwrap();
        let name = |event: &Value| {
            assert_eq!(event["cwd"].as_str().map(Path::new), Some(place.path("work").as_path()));
            (
                event["hook_event_name"].clone(),
                event["tool_name"].clone(),
                event["tool_response"]["content"].clone(),
            )
        };
        (events[0]["session_id"].clone(), events.iter().map(name).collect::<Vec<_>>())
    };
    let no = Value::Null;
    let complete =
        vec![(json!("PostToolUse"), json!("Bash"), json!("hi\n")), (json!("Stop"), no.clone(), no.clone())];
    let wrote = format!("wrote 0 bytes to {}", place.work("w").display());
    let failed =
        vec![(json!("PostToolUse"), json!("Write"), json!(wrote)), (json!("StopFailure"), no.clone(), no)];

    let agent = place.ready(&["--settings", &settings, "--session-id", "one"]).await;
    assert_eq!(play(&agent, &steps).await.reason, EndReason::Complete);
    assert_eq!(heard(), (json!("one"), complete.clone()));
    let outcome = play(&agent, &failing).await;
    assert_eq!(outcome.reason, EndReason::Failed("Turn failed: overloaded".to_owned()));
    assert_eq!(heard(), (json!("one"), failed.clone()));

    // Without a terminal it is the same.
    place.headless(&["--settings", &settings, "--session-id", "two"], &script(&steps));
    assert_eq!(heard(), (json!("two"), complete));
    place.headless(&["--settings", &settings, "--session-id", "two"], &script(&failing));
    assert_eq!(heard(), (json!("two"), failed));
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

/// The program on a pseudo-terminal whose modes can be looked at.
struct Bare {
    controller: std::fs::File,
    terminal: std::fs::File,
    before: Termios,
    child: std::process::Child,
}

impl Bare {
    fn start(place: &Place) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal = std::fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let before = tcgetattr(&terminal).unwrap();
        let side = || Stdio::from(terminal.try_clone().unwrap());
        let (name, value) = place.mark();
        let child = Command::new(env!("CARGO_BIN_EXE_missiond"))
            .args(["__missiond", "scripted", "--tui"])
            .env("HOME", place.path("home"))
            .env(name, value)
            .current_dir(place.path("work"))
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        Self { controller: std::fs::File::from(controller), terminal, before, child }
    }

    /// Reads what is drawn until it holds this.
    fn until(&mut self, wanted: &str) -> String {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        let patience = Timespec::try_from(LONG).unwrap();
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            let ready = poll(&mut [PollFd::new(&self.controller, PollFlags::IN)], Some(&patience)).unwrap();
            assert!(ready > 0, "no {wanted:?} in {:?}", String::from_utf8_lossy(&seen));
            let count = self.controller.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }
}

#[test]
fn the_terminal_is_left_as_it_was() {
    let signal = |signal: Signal| {
        move |bare: &mut Bare| {
            kill_process(Pid::from_child(&bare.child), signal).unwrap();
        }
    };
    let keys = |keys: &'static [u8]| move |bare: &mut Bare| bare.controller.write_all(keys).unwrap();
    type End = Box<dyn Fn(&mut Bare)>;
    let ends: [(&str, End, i32); 5] = [
        ("ctrl-d", Box::new(keys(b"\x04")), 0),
        ("ctrl-c", Box::new(keys(b"draft\x03")), 0),
        ("SIGTERM", Box::new(signal(Signal::TERM)), 143),
        ("SIGINT", Box::new(signal(Signal::INT)), 130),
        ("SIGHUP", Box::new(signal(Signal::HUP)), 129),
    ];
    for (name, end, code) in ends {
        let place = Place::new();
        let mut bare = Bare::start(&place);
        let drawn = bare.until("enter to send");
        assert!(drawn.contains("\x1b[?1049h") && drawn.contains("\x1b[?2004h"), "{name}: {drawn:?}");
        let modes = |bare: &Bare| {
            let now = tcgetattr(&bare.terminal).unwrap();
            (now.input_modes, now.output_modes, now.control_modes, now.local_modes)
        };
        let (input, output, control, local) = (
            bare.before.input_modes,
            bare.before.output_modes,
            bare.before.control_modes,
            bare.before.local_modes,
        );
        assert_ne!(modes(&bare).3, local, "{name}: it was never raw");
        end(&mut bare);
        let left = bare.until("\x1b[?1049l");
        for off in ["\x1b[?2004l", "\x1b[?25h"] {
            assert!(left.contains(off), "{name}: {off:?} is missing in {left:?}");
        }
        let exit = wait_until(LONG, "the program's end", || bare.child.try_wait().unwrap()).unwrap();
        assert_eq!(exit.code(), Some(code), "{name}");
        assert_eq!(modes(&bare), (input, output, control, local), "{name}");
    }
}

#[tokio::test]
async fn leaving_in_the_middle_of_a_turn_leaves_no_process() {
    for keys in [b"\x03".as_slice(), b"\x1b\x04"] {
        let place = Place::new();
        let agent = place.allowed().await;
        let turn = agent.submit(&script(&json!([{ "bash": "touch begun; sleep 300" }]))).await.unwrap();
        wait_until(LONG, "the tool's process", || place.work("begun").exists().then_some(())).unwrap();
        agent.session().write_all(keys).await.unwrap();
        let exit = tokio::time::timeout(LONG, agent.session().exited()).await.expect("it goes on");
        assert_eq!(exit.exit.map(|exit| exit.shell_code()), Some(0), "{exit}");
        drop(turn);
        let (name, value) = place.mark();
        let left = || with_environment(name, &value).unwrap().is_empty().then_some(());
        wait_until(LONG, "nothing is left", left).unwrap();
    }
}

#[tokio::test]
async fn a_crash_is_the_end_of_the_program() {
    for (step, said) in [(9, "signal 9"), (6, "signal 6"), (0, "code 1")] {
        let place = Place::new();
        let agent = place.allowed().await;
        let EndReason::Exited(exit) = play(&agent, &json!([{ "crash": step }])).await.reason else {
            panic!("{step}: {}", text(&agent))
        };
        assert!(exit.to_string().contains(said), "{step}: {exit}");
    }
}
