//! What a script can say.

use serde::Deserialize;

/// The most steps of one script.
pub const MAX_STEPS: usize = 10_000;
/// The longest single wait, in milliseconds: an hour.
pub const MAX_WAIT_MS: u64 = 3_600_000;

/// One turn's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// Waits, as a model does before it answers; in milliseconds.
    ThinkMs(u64),
    /// Says something.
    Say(String),
    /// Writes a file through the `Write` tool.
    Write {
        /// Where, relative to the workspace.
        path: String,
        /// What.
        content: String,
    },
    /// Reads a file through the `Read` tool.
    Read {
        /// Which, relative to the workspace.
        path: String,
    },
    /// Runs a command through the `Bash` tool.
    Bash(String),
    /// Asks the person through the `AskUserQuestion` tool.
    Ask {
        /// What.
        question: String,
        /// The answers to choose from.
        #[serde(default)]
        options: Vec<String>,
    },
    /// Runs a command without asking any hook, as an agent would whose hooks were switched off.
    Unhooked(String),
    /// Ends the turn with an error of the model.
    Fail(String),
    /// Prints a line as it is, or with `--tui` writes it to the transcript.
    Raw(String),
    /// Dies at once by this signal. One that does not end it (0, or one that is no signal) makes it exit with code 1; in
    /// a terminal 1, 2 and 15 end it as they do from outside, with the terminal restored.
    Crash(i32),
}

/// A script that cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// It is no list of steps.
    #[error("the script is no list of steps; an example is `script:[{{\"say\":\"hello\"}}]`")]
    Malformed(#[source] serde_json::Error),
    /// It is too long, or waits too long.
    #[error("the script has more than {MAX_STEPS} steps, or one that waits over an hour")]
    TooLong,
}

impl Script {
    /// Reads the script of a prompt; a prompt without one gets a fixed short turn.
    ///
    /// # Errors
    ///
    /// When the prompt begins with `script:` and the rest is no list of steps within bounds.
    pub fn of_prompt(prompt: &str) -> Result<Self, ScriptError> {
        let Some(json) = prompt.trim_start().strip_prefix("script:") else {
            return Ok(Self::fixed(prompt));
        };
        let steps: Vec<Step> = serde_json::from_str(json).map_err(ScriptError::Malformed)?;
        let waits_too_long = |step: &Step| matches!(step, Step::ThinkMs(ms) if *ms > MAX_WAIT_MS);
        if steps.len() > MAX_STEPS || steps.iter().any(waits_too_long) {
            return Err(ScriptError::TooLong);
        }
        Ok(Self { steps })
    }

    fn fixed(prompt: &str) -> Self {
        let head = missiond_process::text::truncate(prompt.trim(), 200);
        Self {
            steps: vec![
                Step::ThinkMs(50),
                Step::Say(format!("I am the scripted agent. You asked: {head}")),
                Step::Write { path: "SCRIPTED.md".to_owned(), content: format!("# Request\n\n{head}\n") },
                Step::Say("I wrote the request to SCRIPTED.md.".to_owned()),
            ],
        }
    }
}
