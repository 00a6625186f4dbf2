//! Running the hooks of a settings file as Claude Code does.

use std::time::Duration;

use serde_json::Value;

use crate::scripted::child::{self, Failure};
use crate::scripted::stop::Stop;

/// The most bytes that a settings file may have.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;
/// How long a hook may take whose settings do not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The hooks of a settings file.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    hooks: Vec<Hook>,
}

#[derive(Debug)]
struct Hook {
    event: String,
    /// The tools that it hears about, `|` between them; `*` and nothing stand for all.
    matcher: String,
    command: String,
    timeout: Duration,
}

/// What the hooks say of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Allowed(String),
    Refused(String),
    /// No hook has decided, for this reason: the person would have to.
    Undecided(String),
    /// The turn was stopped before one had answered.
    Stopped,
}

impl Hooks {
    pub(super) fn load(settings: Option<&str>) -> Result<Self, String> {
        let Some(path) = settings else { return Ok(Self::default()) };
        let bad = |why: String| format!("settings file `{}`: {why}", crate::text::escape_line(path));
        let size = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?.len();
        if size > MAX_SETTINGS_BYTES {
            return Err(bad("it is larger than 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let settings: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let mut hooks = Vec::new();
        for (event, groups) in settings.get("hooks").and_then(Value::as_object).into_iter().flatten() {
            for group in groups.as_array().into_iter().flatten() {
                let matcher = group.get("matcher").and_then(Value::as_str).unwrap_or_default();
                let commands = group.get("hooks").and_then(Value::as_array);
                for hook in commands.into_iter().flatten() {
                    let Some(command) = hook.get("command").and_then(Value::as_str) else { continue };
                    let seconds = hook.get("timeout").and_then(Value::as_u64);
                    hooks.push(Hook {
                        event: event.clone(),
                        matcher: matcher.to_owned(),
                        command: command.to_owned(),
                        timeout: seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
                    });
                }
            }
        }
        Ok(Self { hooks })
    }

    /// Asks every hook about a call. One that says no decides; then one that wants the person asked; then one that says
    /// yes. A hook that fails in any other way than its no is as good as none.
    pub(super) fn permission(&self, event: &Value, stop: &Stop) -> Permission {
        let mut allowed = None;
        let mut undecided = None;
        for hook in self.of("PreToolUse", event) {
            match hook.ask(event, stop) {
                Answer::Allow(reason) => allowed = Some(reason),
                Answer::Deny(reason) => return Permission::Refused(reason),
                Answer::Ask(reason) => undecided = Some(reason),
                Answer::Nothing => {}
                Answer::Stopped => return Permission::Stopped,
            }
        }
        match (undecided, allowed) {
            (Some(reason), _) => Permission::Undecided(reason),
            (None, Some(reason)) => Permission::Allowed(reason),
            (None, None) => {
                Permission::Undecided("this call needs a permission that no hook has given".to_owned())
            }
        }
    }

    /// Tells the hooks of an event; what they answer changes nothing.
    pub(super) fn report(&self, name: &str, event: &Value, stop: &Stop) {
        for hook in self.of(name, event) {
            let _ = hook.run(event, stop);
        }
    }

    fn of<'a>(&'a self, name: &'a str, event: &'a Value) -> impl Iterator<Item = &'a Hook> {
        let tool = event.get("tool_name").and_then(Value::as_str);
        self.hooks
            .iter()
            .filter(move |hook| hook.event == name && tool.is_none_or(|tool| hook.hears_of(tool)))
    }
}

enum Answer {
    Allow(String),
    Deny(String),
    Ask(String),
    /// The hook failed in a way that Claude Code does not take as a no.
    Nothing,
    Stopped,
}

impl Hook {
    fn hears_of(&self, tool: &str) -> bool {
        matches!(self.matcher.as_str(), "" | "*") || self.matcher.split('|').any(|name| name == tool)
    }

    // Claude Code runs hook commands through a shell; so does this, to meet the same quoting.
    fn run(&self, event: &Value, stop: &Stop) -> Result<child::Finished, Failure> {
        child::run(&self.command, Some(&event.to_string()), Some(self.timeout), stop)
    }

    fn ask(&self, event: &Value, stop: &Stop) -> Answer {
        let finished = match self.run(event, stop) {
            Ok(finished) => finished,
            Err(Failure::Stopped) => return Answer::Stopped,
            Err(Failure::NotStarted(_) | Failure::TimedOut) => return Answer::Nothing,
        };
        match finished.code {
            Some(2) => return Answer::Deny(String::from_utf8_lossy(&finished.stderr).trim().to_owned()),
            Some(0) => {}
            _ => return Answer::Nothing,
        }
        let Ok(answer) = serde_json::from_slice::<Value>(&finished.stdout) else { return Answer::Nothing };
        let text = |pointer| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let reason = text("/hookSpecificOutput/permissionDecisionReason").to_owned();
        match text("/hookSpecificOutput/permissionDecision") {
            "allow" => Answer::Allow(reason),
            "deny" => Answer::Deny(reason),
            "ask" => Answer::Ask(reason),
            _ => Answer::Nothing,
        }
    }
}
