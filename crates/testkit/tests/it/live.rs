//! The stage for runs of the real Claude Code: scratch repository, home, model server, all within loopback.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use missiond_testkit::{
    claude::{ClaudeHome, Headless, HeadlessRun},
    model::{ModelServer, Script, Turn},
    netns,
    repo::Repo,
};
use serde_json::{Value, json};

pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Live {
    pub(crate) server: ModelServer,
    pub(crate) home: ClaudeHome,
    pub(crate) repo: Repo,
}

/// Runs a whole test on a stage whose model plays these turns.
pub(crate) fn live(
    turns: impl IntoIterator<Item = Turn> + Send,
    body: impl FnOnce(&Live) -> Result<()> + Send,
) {
    let staged = || {
        let script = turns.into_iter().fold(Script::new(), Script::turn);
        let live = Live {
            server: ModelServer::start(script)?,
            home: ClaudeHome::new()?,
            repo: Repo::with_commit()?,
        };
        live.home.trust(live.repo.path())?;
        body(&live)
    };
    netns::run(staged).unwrap();
}

impl Live {
    pub(crate) fn headless(&self) -> Headless {
        Headless::new(&self.home, &self.server, self.repo.path(), "go").unwrap()
    }

    pub(crate) fn run(&self) -> Result<HeadlessRun> {
        self.headless().run(DEADLINE)
    }

    /// Runs with a `PreToolUse` hook on every tool: a shell command in which `$LOG` is a file of this stage.
    pub(crate) fn run_with_hook(&self, command: &str, timeout: Option<u64>) -> Result<HeadlessRun> {
        self.headless().only_settings(&self.hook_settings(command, timeout)).run(DEADLINE)
    }

    pub(crate) fn hook_settings(&self, command: &str, timeout: Option<u64>) -> PathBuf {
        let command = command.replace("$LOG", &self.log().to_string_lossy());
        let mut hook = json!({"type": "command", "command": command});
        if let Some(seconds) = timeout {
            hook["timeout"] = seconds.into();
        }
        let settings = json!({"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [hook]}]}});
        self.settings(&settings)
    }

    pub(crate) fn settings(&self, settings: &Value) -> PathBuf {
        let path = self.repo.beside("settings.json");
        fs::write(&path, settings.to_string()).unwrap();
        path
    }

    /// The events that a hook has appended to `$LOG`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
    }

    pub(crate) fn exists(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.repo.path().join(file)
    }

    fn log(&self) -> PathBuf {
        self.repo.beside("events.jsonl")
    }
}

/// A hook command that logs the event and answers with a decision.
pub(crate) fn answer(decision: &str, reason: &str) -> String {
    let output = json!({"hookSpecificOutput": {
        "hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": reason
    }});
    format!("cat >> $LOG; echo '{output}'")
}

pub(crate) fn bash(command: &str) -> Turn {
    Turn::tool("Bash", json!({"command": command, "description": "d"}))
}

pub(crate) fn write(file: &Path, content: &str) -> Turn {
    Turn::tool("Write", json!({"file_path": file, "content": content}))
}

/// What was said about each call, in order: whether as an error, and the text.
pub(crate) fn results(run: &HeadlessRun) -> Vec<(bool, String)> {
    run.blocks("tool_result")
        .iter()
        .map(|block| {
            let text = block["content"].as_str().map_or_else(|| block["content"].to_string(), str::to_owned);
            (block["is_error"].as_bool().unwrap_or(false), text)
        })
        .collect()
}

/// The ids of the calls that Claude Code lists as denied.
pub(crate) fn denials(run: &HeadlessRun) -> Vec<&str> {
    let list = run.result().unwrap()["permission_denials"].as_array().unwrap();
    list.iter().map(|denial| denial["tool_use_id"].as_str().unwrap()).collect()
}

/// The ids of the calls, in order.
pub(crate) fn calls(run: &HeadlessRun) -> Vec<&str> {
    run.blocks("tool_use").iter().map(|block| block["id"].as_str().unwrap()).collect()
}
