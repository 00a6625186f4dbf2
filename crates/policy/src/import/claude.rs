use serde_json::{Map, Value};

use super::{Draft, DraftRule};
use crate::{error::Error, text::quoted, verdict::Decision};

/// What holds where a mode asks before it edits.
const ASKS: &str =
    "Claude Code asks before it changes files and runs what it doesn't know; `standard` asks less.";

/// The tools that Claude Code means by the first of them.
const EDITORS: &[&str] = &["Edit", "Write", "MultiEdit", "NotebookEdit"];
const READERS: &[&str] = &["Read", "NotebookRead", "Grep", "Glob", "LS"];

pub(super) fn draft(json: &str, origin: &str) -> Result<Draft, Error> {
    let wrong = |line, problem: String| Error::invalid(origin, line, problem);
    let value: Value =
        serde_json::from_str(json).map_err(|error| wrong(error.line().max(1), error.to_string()))?;
    let Value::Object(settings) = value else {
        return Err(wrong(1, "the settings aren't a JSON object".to_owned()));
    };
    let mut draft = Draft { source: "Claude Code's settings", ..Draft::default() };
    match settings.get("permissions") {
        Some(Value::Object(permissions)) => read(permissions, &mut draft),
        Some(_) => return Err(wrong(1, "`permissions` isn't a JSON object".to_owned())),
        None => {
            draft.problem("the settings hold no `permissions`");
            mode("default", &mut draft);
        }
    }
    Ok(draft)
}

fn read(permissions: &Map<String, Value>, draft: &mut Draft) {
    for (key, value) in permissions {
        let effect = match key.as_str() {
            "allow" => Decision::Allow,
            "ask" => Decision::Ask,
            "deny" => Decision::Deny,
            "defaultMode" => continue,
            // Nothing turns this policy off.
            "disableBypassPermissionsMode" => continue,
            "additionalDirectories" => {
                draft.problem("`additionalDirectories`: the agent works in its own workspace only");
                continue;
            }
            other => {
                draft.problem(format!("{} isn't known", quoted(other)));
                continue;
            }
        };
        let Value::Array(entries) = value else {
            draft.problem(format!("`{key}` isn't a list"));
            continue;
        };
        for entry in entries {
            match entry.as_str() {
                Some(entry) => rule(effect, entry, draft),
                None => draft.problem(format!("{} in `{key}` isn't text", quoted(&entry.to_string()))),
            }
        }
    }
    match permissions.get("defaultMode") {
        None => mode("default", draft),
        Some(Value::String(name)) => mode(name, draft),
        Some(_) => {
            draft.problem("`defaultMode` isn't text");
            mode("default", draft);
        }
    }
}

fn rule(effect: Decision, entry: &str, draft: &mut Draft) {
    let entry = entry.trim();
    // Both take a gitignore pattern, and only there does a `!` turn it round.
    if entry.split_once('(').is_some_and(|(_, pattern)| pattern.starts_with('!')) {
        draft.problem(format!("{effect} {}: a pattern can't be turned round", quoted(entry)));
        return;
    }
    let bare = entry.strip_suffix("(*)").unwrap_or(entry);
    let others = [EDITORS, READERS].into_iter().find(|tools| tools.first() == Some(&bare));
    match others.filter(|_| effect != Decision::Allow) {
        Some(tools) => tools.iter().for_each(|tool| draft.add(DraftRule::new(effect, (*tool).to_owned()))),
        None => draft.add(DraftRule::new(effect, entry.to_owned())),
    }
}

fn mode(name: &str, draft: &mut Draft) {
    match name {
        "default" => draft.preset = Some(("strict", ASKS)),
        "plan" => draft.preset = Some(("read-only", "Claude Code's plan mode changes nothing.")),
        "acceptEdits" => {
            draft.preset = Some(("strict", ASKS));
            EDITORS.iter().for_each(|tool| draft.add(DraftRule::new(Decision::Allow, (*tool).to_owned())));
        }
        "dontAsk" => {
            draft.preset = Some(("strict", ASKS));
            draft.problem("`defaultMode` `dontAsk`: what would be asked is asked, not denied");
        }
        "bypassPermissions" => {
            draft.problem(
                "`defaultMode` `bypassPermissions`: the policy holds; `preset = \"permissive\"` asks least",
            );
        }
        other => {
            draft.preset = Some(("strict", ASKS));
            draft.problem(format!("`defaultMode` {} isn't known", quoted(other)));
        }
    }
}
