//! What happens in a turn, and how it is written as a line of JSON in Claude Code's format.

use serde_json::{Value, json};

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The agent is ready, here.
    Begun { cwd: String },
    /// The person said something.
    Prompt(String),
    /// The agent says something.
    Text(String),
    /// The agent wants to use a tool.
    Call(Call),
    /// A tool has ended, or was not allowed to begin.
    Result { id: String, content: String, is_error: bool },
    /// A line that is written as it is.
    Raw(String),
    /// The turn is over.
    End { ending: Ending, answer: String, milliseconds: u64, calls: u32 },
}

/// A tool call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) tool: &'static str,
    pub(super) input: Value,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// The model failed, so it says.
    Failed(String),
    Interrupted,
}

impl Event {
    /// The line for this event, without its end.
    pub(super) fn line(&self, session: &str) -> String {
        let mut value = match self {
            Self::Raw(line) => return line.clone(),
            Self::Begun { cwd } => json!({ "type": "system", "subtype": "init", "cwd": cwd }),
            Self::Prompt(text) => {
                json!({ "type": "user", "message": { "role": "user", "content": text } })
            }
            Self::Text(text) => assistant(&json!({ "type": "text", "text": text })),
            Self::Call(Call { id, tool, input }) => {
                assistant(&json!({ "type": "tool_use", "id": id, "name": tool, "input": input }))
            }
            Self::Result { id, content, is_error } => json!({
                "type": "user",
                "message": { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error }
                ] },
            }),
            Self::End { ending, answer, milliseconds, calls } => {
                let (subtype, error) = match ending {
                    Ending::Complete => ("success", None),
                    // A model's error ends a turn of Claude Code this way too.
                    Ending::Failed(message) => ("success", Some(message.as_str())),
                    Ending::Interrupted => ("error_during_execution", Some("the turn was interrupted")),
                };
                json!({
                    "type": "result",
                    "subtype": subtype,
                    "is_error": error.is_some(),
                    "duration_ms": milliseconds,
                    "num_turns": calls,
                    "result": error.unwrap_or(answer),
                    "total_cost_usd": 0.0,
                    "usage": { "input_tokens": 0, "output_tokens": 0 },
                })
            }
        };
        value["session_id"] = session.into();
        value.to_string()
    }
}

fn assistant(block: &Value) -> Value {
    json!({ "type": "assistant", "message": { "role": "assistant", "model": "scripted", "content": [block] } })
}
