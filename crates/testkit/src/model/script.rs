//! What the server is told to answer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const MAX_TURNS: usize = 10_000;
const MAX_STEPS: usize = 10_000;
const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;
const MAX_DELAY: Duration = Duration::from_secs(600);

/// A list of turns, and the answer for requests that are beside the conversation.
///
/// A request takes the first turn that is not used up and whose conditions hold; turns with conditions come
/// before turns without. A request that finds no turn is answered with a 400 that says so and is listed by
/// [`ModelServer::unmatched`](super::ModelServer::unmatched).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Script {
    /// The turns, in order.
    pub turns: Vec<Turn>,
    /// The text for requests without tools that no turn is meant for (titles, topics, summaries). Without it the
    /// answer is a small JSON title where one is asked for, and `ok` elsewhere.
    pub aux_text: Option<String>,
}

impl Script {
    /// An empty script.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a turn.
    #[must_use]
    pub fn turn(mut self, turn: Turn) -> Self {
        self.turns.push(turn);
        self
    }

    /// Sets the text for requests beside the conversation.
    #[must_use]
    pub fn aux_text(mut self, text: impl Into<String>) -> Self {
        self.aux_text = Some(text.into());
        self
    }

    /// Reads a script from JSON; unknown keys are errors.
    ///
    /// # Errors
    /// When the text is no script, or the script is larger than the server plays.
    pub fn from_json(text: &str) -> Result<Self> {
        let script: Self = serde_json::from_str(text).context("the script is not valid")?;
        script.validate()?;
        Ok(script)
    }

    pub(super) fn validate(&self) -> Result<()> {
        ensure!(
            self.turns.len() <= MAX_TURNS,
            "the script has {} turns, the most is {MAX_TURNS}",
            self.turns.len()
        );
        self.turns.iter().enumerate().try_for_each(|(index, turn)| {
            turn.validate().with_context(|| format!("turn {index} of the script"))
        })
    }
}

/// One answer of the model, and which request it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Turn {
    /// Only for a request whose first user message contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Only for a request whose last user message (tool results included) contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// For a request beside the conversation (one that offers no tools) instead of one that is part of it.
    #[serde(default)]
    pub aux: bool,
    /// How many requests the turn answers before it is used up.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens before the response headers: [`Step::Delay`], [`Step::Gate`] or [`Step::Stall`].
    #[serde(default)]
    pub before: Vec<Step>,
    /// The answer.
    pub reply: Reply,
}

fn once() -> u32 {
    1
}

/// The answer of a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Reply {
    /// An assistant message: its content blocks and pauses in order.
    Message {
        /// Blocks and pauses in order.
        steps: Vec<Step>,
        /// Instead of the natural `end_turn` or `tool_use`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_reason: Option<String>,
    },
    /// An API error.
    Error {
        /// The HTTP status; it also decides the error type of the body.
        status: u16,
        /// The message of the body.
        message: String,
        /// The `retry-after` header, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The connection is closed before any header.
    DropConnection,
}

/// A content block or a pause within a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// A text block, streamed chunk by chunk.
    Text {
        /// The pieces, one delta each.
        chunks: Vec<String>,
        /// Milliseconds after each piece.
        #[serde(default)]
        chunk_delay_ms: u64,
    },
    /// A thinking block, streamed chunk by chunk and signed with a made-up signature.
    Thinking {
        /// The pieces, one delta each.
        chunks: Vec<String>,
        /// Milliseconds after each piece.
        #[serde(default)]
        chunk_delay_ms: u64,
    },
    /// A tool call.
    ToolUse {
        /// The tool's name.
        name: String,
        /// The tool's input; it isn't checked against any schema.
        input: Value,
        /// The id of the call; made up when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A tool call whose input is sent as the given text, which need not be JSON. Streaming only.
    RawToolUse {
        /// The tool's name.
        name: String,
        /// The text of the input.
        json: String,
    },
    /// Waits for so many milliseconds.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Waits until the test releases the gate of this name once for this passage.
    Gate {
        /// The gate's name.
        name: String,
    },
    /// Sends nothing more and keeps the connection open until the client leaves.
    Stall,
    /// Closes the connection in the middle of the message.
    DropConnection,
}

impl Step {
    /// A text block in one piece.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { chunks: vec![text.into()], chunk_delay_ms: 0 }
    }

    /// A text block in the given pieces, with a pause after each.
    #[must_use]
    pub fn chunks<S: Into<String>>(chunks: impl IntoIterator<Item = S>, delay: Duration) -> Self {
        Self::Text { chunks: chunks.into_iter().map(Into::into).collect(), chunk_delay_ms: millis(delay) }
    }

    /// A thinking block in one piece.
    #[must_use]
    pub fn thinking(text: impl Into<String>) -> Self {
        Self::Thinking { chunks: vec![text.into()], chunk_delay_ms: 0 }
    }

    /// A tool call with an id made up by the server.
    #[must_use]
    pub fn tool(name: impl Into<String>, input: Value) -> Self {
        Self::ToolUse { name: name.into(), input, id: None }
    }

    /// A pause.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self::Delay { ms: millis(delay) }
    }

    /// A gate.
    #[must_use]
    pub fn gate(name: impl Into<String>) -> Self {
        Self::Gate { name: name.into() }
    }

    fn is_pause(&self) -> bool {
        matches!(self, Self::Delay { .. } | Self::Gate { .. } | Self::Stall)
    }

    fn text_bytes(&self) -> usize {
        match self {
            Self::Text { chunks, .. } | Self::Thinking { chunks, .. } => chunks.iter().map(String::len).sum(),
            Self::RawToolUse { json, .. } => json.len(),
            _ => 0,
        }
    }

    fn delay_ms(&self) -> u64 {
        match self {
            Self::Text { chunk_delay_ms, .. } | Self::Thinking { chunk_delay_ms, .. } => *chunk_delay_ms,
            Self::Delay { ms } => *ms,
            _ => 0,
        }
    }
}

impl Turn {
    /// A turn with any answer.
    #[must_use]
    pub fn new(reply: Reply) -> Self {
        Self { first: None, last: None, aux: false, times: 1, before: Vec::new(), reply }
    }

    /// A message made of these steps.
    #[must_use]
    pub fn message(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::new(Reply::Message { steps: steps.into_iter().collect(), stop_reason: None })
    }

    /// A message of one text block.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::message([Step::text(text)])
    }

    /// A message of one tool call.
    #[must_use]
    pub fn tool(name: impl Into<String>, input: Value) -> Self {
        Self::message([Step::tool(name, input)])
    }

    /// An API error with the message that goes with the status.
    #[must_use]
    pub fn error(status: u16) -> Self {
        Self::new(Reply::Error { status, message: format!("scripted error {status}"), retry_after: None })
    }

    /// An API error that tells the client when to come back, in seconds.
    #[must_use]
    pub fn error_with_retry_after(status: u16, seconds: u64) -> Self {
        let message = format!("scripted error {status}");
        Self::new(Reply::Error { status, message, retry_after: Some(seconds) })
    }

    /// A connection closed before any header.
    #[must_use]
    pub fn drop_connection() -> Self {
        Self::new(Reply::DropConnection)
    }

    /// Answers only a conversation whose first user message contains `text`.
    #[must_use]
    pub fn when_first(mut self, text: impl Into<String>) -> Self {
        self.first = Some(text.into());
        self
    }

    /// Answers only a request whose last user message contains `text`.
    #[must_use]
    pub fn when_last(mut self, text: impl Into<String>) -> Self {
        self.last = Some(text.into());
        self
    }

    /// Answers requests beside the conversation: titles, topics, summaries.
    #[must_use]
    pub fn for_aux(mut self) -> Self {
        self.aux = true;
        self
    }

    /// Answers `times` requests instead of one.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Answers every request from then on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    /// Holds the response headers back for this pause.
    #[must_use]
    pub fn after(mut self, pause: Step) -> Self {
        self.before.push(pause);
        self
    }

    pub(super) fn is_conditional(&self) -> bool {
        self.first.is_some() || self.last.is_some()
    }

    pub(super) fn fits(&self, first: &str, last: &str) -> bool {
        self.first.as_ref().is_none_or(|text| first.contains(text.as_str()))
            && self.last.as_ref().is_none_or(|text| last.contains(text.as_str()))
    }

    pub(super) fn validate(&self) -> Result<()> {
        ensure!(self.before.iter().all(Step::is_pause), "`before` holds a step that is no pause");
        let steps = match &self.reply {
            Reply::Message { steps, .. } => steps.as_slice(),
            Reply::Error { status, .. } => {
                ensure!((400..600).contains(status), "{status} is no error status");
                &[]
            }
            Reply::DropConnection => &[],
        };
        ensure!(steps.len() <= MAX_STEPS, "{} steps, the most is {MAX_STEPS}", steps.len());
        let bytes: usize = steps.iter().map(Step::text_bytes).sum();
        ensure!(bytes <= MAX_TEXT_BYTES, "{bytes} bytes of text, the most is {MAX_TEXT_BYTES}");
        let longest = self.before.iter().chain(steps).map(Step::delay_ms).max().unwrap_or(0);
        ensure!(
            longest <= millis(MAX_DELAY),
            "a delay of {longest} ms, the longest is {} ms",
            millis(MAX_DELAY)
        );
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
