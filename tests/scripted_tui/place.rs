//! Where the program runs by itself, on a terminal that the test holds.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use missiond_pty::{
    Agent, Dialog, Profile, PtySession, Size, SpawnSpec, Status, Turn, TurnOptions, TurnOutcome, TurnStep,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::script;

/// Long enough for a loaded machine; nothing waits this long unless it fails.
pub const LONG: Duration = Duration::from_secs(30);
pub const ALLOW: &str =
    r#"echo '{"hookSpecificOutput":{"permissionDecision":"allow","permissionDecisionReason":"fine"}}'"#;

/// An event, the tools that the hook hears of, and its command.
pub type Hook<'a> = (&'a str, &'a str, &'a str);

/// Where the program runs: a home and a directory to work in.
pub struct Place {
    scratch: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        Self { scratch }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    /// Marks the processes of this place.
    pub fn mark(&self) -> (&'static str, String) {
        ("SCRIPTED_TUI_TEST", self.scratch.path().to_string_lossy().into_owned())
    }

    /// A settings file with these hooks.
    pub fn settings(&self, hooks: &[Hook<'_>]) -> String {
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

    pub fn start(&self, args: &[&str], size: (u16, u16)) -> Agent {
        let program = env!("CARGO_BIN_EXE_missiond");
        let mut spec = SpawnSpec::new(program, self.path("work"))
            .args(["__missiond", "scripted", "--tui"].into_iter().chain(args.iter().copied()));
        let (name, value) = self.mark();
        spec.env.set("PATH", std::env::var_os("PATH").unwrap_or_default()).set("LC_ALL", "C.UTF-8");
        spec.env.set("HOME", self.path("home")).set(name, value);
        let session = PtySession::spawn(spec, Size::new(size.0, size.1).unwrap()).unwrap();
        Agent::new(Arc::new(session), Profile::scripted(), TurnOptions::default())
    }

    pub async fn ready(&self, args: &[&str]) -> Agent {
        let agent = self.start(args, (80, 30));
        idle(&agent).await;
        agent
    }

    /// With a hook that allows every call.
    pub async fn allowed(&self) -> Agent {
        let settings = self.settings(&[("PreToolUse", "*", ALLOW)]);
        self.ready(&["--settings", &settings, "--session-id", "one"]).await
    }

    pub fn transcript_path(&self, conversation: &str) -> PathBuf {
        self.path("home/.local/state/missiond/scripted").join(format!("{conversation}.jsonl"))
    }

    pub fn transcript(&self, conversation: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.transcript_path(conversation)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect()
    }

    /// Runs one turn without a terminal.
    pub fn headless(&self, args: &[&str], prompt: &str) -> (Option<i32>, String, String) {
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

pub async fn idle(agent: &Agent) {
    let idle = agent.wait_for(LONG, |seen| matches!(seen.status, Status::Idle { .. }).then_some(()));
    idle.await.unwrap_or_else(|error| panic!("never idle: {error:?}\n{}", text(agent)));
}

pub fn text(agent: &Agent) -> String {
    agent.session().snapshot().text()
}

pub async fn step(turn: &mut Turn) -> TurnStep {
    tokio::time::timeout(LONG, turn.next()).await.expect("a turn's step").expect("no step after the end")
}

pub async fn end(turn: &mut Turn) -> TurnOutcome {
    loop {
        match step(turn).await {
            TurnStep::Ended(outcome) => return *outcome,
            TurnStep::NeedsAnswer(dialog) => panic!("{dialog:?}"),
            _ => {}
        }
    }
}

pub async fn dialog(turn: &mut Turn) -> Dialog {
    loop {
        match step(turn).await {
            TurnStep::NeedsAnswer(dialog) => return *dialog,
            TurnStep::Ended(outcome) => panic!("no dialog: {outcome:?}"),
            _ => {}
        }
    }
}

pub async fn play(agent: &Agent, steps: &Value) -> TurnOutcome {
    let mut turn = agent.submit(&script(steps)).await.unwrap_or_else(|error| panic!("{steps}: {error}"));
    end(&mut turn).await
}

/// What the tools gave back, and whether it is an error.
pub fn results(lines: &[Value]) -> Vec<(String, bool)> {
    let blocks = lines.iter().filter_map(|line| line.pointer("/message/content/0"));
    let results = blocks.filter(|block| block["type"] == "tool_result");
    results
        .map(|block| (block["content"].as_str().unwrap().to_owned(), block["is_error"].as_bool().unwrap()))
        .collect()
}
