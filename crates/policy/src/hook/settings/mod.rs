//! The agents' settings: the lines that call our hook.

mod edit;
mod entries;
mod json;
mod words;

use std::ffi::OsStr;

use serde_json::{Map, Value, json};

use super::name::EventName;

pub use edit::{MAX_SETTINGS_BYTES, install, uninstall};
pub use entries::{Entry, SettingsFormat};
pub(super) use entries::{Found, Settings};
pub use words::is_ours;
pub(super) use words::{Word, words};

/// Why settings can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The hook's command has no words.
    #[error("the hook's command is empty; name the program that answers the events")]
    NoCommand,
    /// The text isn't what the agent could read.
    #[error("line {line}: {problem}")]
    Malformed {
        /// The line of the fault, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The text is longer than settings are.
    #[error("the settings have more than {limit} bytes; settings that long are a mistake")]
    TooLong {
        /// The most bytes that are read.
        limit: usize,
    },
    /// The change would touch more than our hooks.
    #[error("the settings are of a form in which our hooks can't be changed alone; change them by hand")]
    Unsure,
    /// A word can't be written into a settings file.
    #[error(
        "the word {word} of the hook's command can't be written into settings: it holds a NUL or isn't UTF-8"
    )]
    Word {
        /// The word, with what can't be shown replaced.
        word: String,
    },
}

/// The settings that make Claude Code call our hook for the given events, for its option `--settings`.
///
/// The agent hands the command to a shell, so every word is quoted; the event's name is added as the last word:
/// `'/opt/missiond' 'hook' 'pre-tool-use'`. `timeout_seconds` is the agent's time-out, after which it would let the
/// call run: the hook must answer earlier.
///
/// # Errors
///
/// If the command is empty, or a word of it can't be written.
pub fn claude_settings<W: AsRef<OsStr>>(
    hook_command: &[W],
    timeout_seconds: u32,
    events: &[EventName],
) -> Result<Value, SettingsError> {
    if hook_command.is_empty() {
        return Err(SettingsError::NoCommand);
    }
    let command = shell_words(hook_command)?;
    let mut hooks = Map::new();
    for event in events {
        let words = format!("{command} {}", quoted(&event.kebab()));
        let hook = json!({ "type": "command", "command": words, "timeout": timeout_seconds });
        let entry = if event.is_about_a_tool() {
            json!({ "matcher": "*", "hooks": [hook] })
        } else {
            json!({ "hooks": [hook] })
        };
        hooks.insert(event.as_str().to_owned(), json!([entry]));
    }
    Ok(json!({ "hooks": hooks }))
}

/// Words as a line that a POSIX shell takes apart into the same words, whatever is in them.
///
/// # Errors
///
/// If a word holds a NUL or isn't UTF-8.
pub fn shell_words<W: AsRef<OsStr>>(words: &[W]) -> Result<String, SettingsError> {
    let quote = |word: &W| {
        let word = word.as_ref();
        let valid = word.to_str().filter(|text| !text.contains('\0'));
        valid
            .map(quoted)
            .ok_or_else(|| SettingsError::Word { word: word.to_string_lossy().replace('\0', "\u{fffd}") })
    };
    Ok(words.iter().map(quote).collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// Between single quotes a shell changes nothing; a single quote itself is put between double ones.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}
