//! Running the hooks of a settings file as Claude Code does.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The most bytes that a settings file may have.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// The commands to ask before a tool call, from the settings file.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    commands: Vec<String>,
}

/// Whether a call may run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Allowed(String),
    Refused(String),
}

impl Hooks {
    pub(super) fn load(settings: Option<&str>) -> Result<Self, String> {
        let Some(path) = settings else { return Ok(Self::default()) };
        let bad = |why: String| format!("settings file `{path}`: {why}");
        let size = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?.len();
        if size > MAX_SETTINGS_BYTES {
            return Err(bad("it is larger than 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let settings: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let groups = settings.pointer("/hooks/PreToolUse").and_then(Value::as_array);
        let commands = groups
            .into_iter()
            .flatten()
            .filter_map(|group| group.get("hooks")?.as_array())
            .flatten()
            .filter_map(|hook| hook.get("command")?.as_str())
            .map(str::to_owned)
            .collect();
        Ok(Self { commands })
    }

    /// Asks every hook; one that says no decides, and without one that says yes the answer is no.
    pub(super) fn permission(&self, event: &Value) -> Permission {
        let mut allowed = None;
        for command in &self.commands {
            match ask(command, event) {
                Answer::Allow(reason) => allowed = Some(reason),
                Answer::Deny(reason) => return Permission::Refused(reason),
                Answer::Nothing => {}
            }
        }
        match allowed {
            Some(reason) => Permission::Allowed(reason),
            None => Permission::Refused("this call needs a permission that no hook has given".to_owned()),
        }
    }
}

enum Answer {
    Allow(String),
    Deny(String),
    /// The hook failed in a way that Claude Code does not take as a no.
    Nothing,
}

fn ask(command: &str, event: &Value) -> Answer {
    // Claude Code runs hook commands through a shell; so does this, to meet the same quoting.
    let spawned = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else { return Answer::Nothing };
    if let Some(mut stdin) = child.stdin.take() {
        // A hook may answer without reading its input.
        let _ = stdin.write_all(event.to_string().as_bytes());
    }
    let Ok(output) = child.wait_with_output() else { return Answer::Nothing };
    match output.status.code() {
        Some(2) => return Answer::Deny(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Some(0) => {}
        _ => return Answer::Nothing,
    }
    let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) else { return Answer::Nothing };
    let text = |pointer| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let reason = text("/hookSpecificOutput/permissionDecisionReason").to_owned();
    match text("/hookSpecificOutput/permissionDecision") {
        "allow" => Answer::Allow(reason),
        "deny" | "ask" => Answer::Deny(reason),
        _ => Answer::Nothing,
    }
}
