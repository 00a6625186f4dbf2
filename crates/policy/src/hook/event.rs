use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{dialect::Dialect, name::EventName, nesting::is_deeper, run::HookError};
use crate::call::ToolCall;

/// The longest event that is read, in bytes.
pub const MAX_EVENT_BYTES: usize = 10 << 20;

/// How deep lists and objects of an event may lie in one another.
pub const MAX_EVENT_DEPTH: usize = 64;

/// What an agent's hook is told on its standard input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HookEvent {
    /// The agent that tells it.
    pub dialect: Dialect,
    /// The event.
    pub name: EventName,
    /// The conversation.
    pub session_id: Option<String>,
    /// The file the conversation is written to.
    pub transcript_path: Option<PathBuf>,
    /// The directory the agent works in.
    pub cwd: Option<PathBuf>,
    /// The prompt the event belongs to.
    pub prompt_id: Option<String>,
    /// The agent's own asking mode.
    pub permission_mode: Option<String>,
    /// The helper agent the event comes from; `None` for the main one.
    pub agent_id: Option<String>,
    /// The type of that helper agent.
    pub agent_type: Option<String>,
    /// What is particular to the event.
    pub body: HookBody,
    /// Everything else the agent told, by its own names.
    pub extra: Map<String, Value>,
}

/// A call of a tool, as an event tells it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolUse {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub input: Value,
    /// The call's id. A permission request has none.
    pub id: Option<String>,
}

/// What is particular to an event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HookBody {
    /// A tool is about to be called.
    PreToolUse(ToolUse),
    /// A person is about to be asked.
    PermissionRequest {
        /// The call.
        tool: ToolUse,
        /// What the agent would offer to remember.
        suggestions: Value,
    },
    /// A tool has run.
    PostToolUse {
        /// The call.
        tool: ToolUse,
        /// What it answered.
        response: Value,
    },
    /// A tool has failed.
    PostToolUseFailure {
        /// The call.
        tool: ToolUse,
        /// The error.
        error: String,
        /// Whether it was interrupted.
        interrupted: bool,
    },
    /// A prompt was submitted.
    Prompt {
        /// Its text.
        text: String,
    },
    /// The agent wants attention.
    Notification {
        /// Its words.
        message: String,
        /// `permission_prompt`, `idle_prompt`, …
        kind: Option<String>,
    },
    /// A turn of the agent or of a helper has ended.
    Stop {
        /// Whether the agent went on because of a hook before.
        hook_active: bool,
        /// The last thing it said.
        last_message: Option<String>,
    },
    /// A turn has ended with an error.
    StopFailure {
        /// The error.
        error: String,
        /// The last thing it said.
        last_message: Option<String>,
    },
    /// A conversation starts.
    SessionStart {
        /// `startup`, `resume`, `clear`, `compact`.
        source: Option<String>,
        /// The model.
        model: Option<String>,
    },
    /// A conversation ends.
    SessionEnd {
        /// `prompt_input_exit`, `other`, …
        reason: Option<String>,
    },
    /// The conversation is, or was, summarized.
    Compact {
        /// `manual` or `auto`.
        trigger: Option<String>,
    },
    /// Any other event; what it says is in [`HookEvent::extra`].
    Other,
}

impl HookEvent {
    /// Reads an event of Claude Code.
    ///
    /// # Errors
    ///
    /// If the text isn't one JSON object, is too large or too deep, names no event, or lacks what its event must
    /// have. For a gating event that means: block.
    pub fn parse(text: &[u8]) -> Result<Self, HookError> {
        Self::parse_as(Dialect::Claude, text)
    }

    pub(super) fn parse_as(dialect: Dialect, text: &[u8]) -> Result<Self, HookError> {
        if text.len() > MAX_EVENT_BYTES {
            return Err(HookError::TooLong { limit: MAX_EVENT_BYTES });
        }
        // Before anything is built of it.
        if is_deeper(text, MAX_EVENT_DEPTH) {
            return Err(HookError::TooDeep { limit: MAX_EVENT_DEPTH });
        }
        let value: Value =
            serde_json::from_slice(text).map_err(|error| HookError::Malformed(error.to_string()))?;
        let Value::Object(fields) = value else {
            return Err(HookError::Malformed("an object was expected".to_owned()));
        };
        let mut fields = Fields(fields);
        let name = dialect.event(&fields.text("hook_event_name")?);
        let session_id = fields.optional_text("session_id")?;
        let transcript_path = fields.optional_text("transcript_path")?.map(PathBuf::from);
        let cwd = fields.optional_text("cwd")?.map(PathBuf::from);
        let prompt_id = fields.optional_text("prompt_id")?;
        let permission_mode = fields.optional_text("permission_mode")?;
        let agent_id = fields.optional_text("agent_id")?;
        let agent_type = fields.optional_text("agent_type")?;
        let body = body(&name, &mut fields)?;
        let Fields(extra) = fields;
        Ok(Self {
            dialect,
            name,
            session_id,
            transcript_path,
            cwd,
            prompt_id,
            permission_mode,
            agent_id,
            agent_type,
            body,
            extra,
        })
    }

    /// The tool the event is about.
    #[must_use]
    pub fn tool(&self) -> Option<&ToolUse> {
        match &self.body {
            HookBody::PreToolUse(tool)
            | HookBody::PermissionRequest { tool, .. }
            | HookBody::PostToolUse { tool, .. }
            | HookBody::PostToolUseFailure { tool, .. } => Some(tool),
            _ => None,
        }
    }

    /// The calls to judge, none for events that are about no call: mostly one, but a patch is one for each file. They
    /// bear the names that rules speak of; the strictest verdict is that of the whole. `cwd` stands in where the event
    /// names no directory.
    #[must_use]
    pub fn tool_calls(&self, cwd: &Path) -> Vec<ToolCall> {
        self.dialect.calls(self, cwd)
    }

    /// The call as the agent names it; `None` for events that are about no call. `cwd` stands in where the event names
    /// no directory.
    #[must_use]
    pub fn tool_call(&self, cwd: &Path) -> Option<ToolCall> {
        let tool = self.tool()?;
        Some(ToolCall {
            id: tool.id.clone(),
            tool: tool.name.clone(),
            input: tool.input.clone(),
            cwd: self.cwd.clone().unwrap_or_else(|| cwd.to_owned()),
        })
    }
}

fn body(name: &EventName, fields: &mut Fields) -> Result<HookBody, HookError> {
    Ok(match name {
        EventName::PreToolUse => HookBody::PreToolUse(fields.tool()?),
        EventName::PermissionRequest => HookBody::PermissionRequest {
            tool: fields.tool()?,
            suggestions: fields.any("permission_suggestions"),
        },
        EventName::PostToolUse => {
            HookBody::PostToolUse { tool: fields.tool()?, response: fields.any("tool_response") }
        }
        EventName::PostToolUseFailure => HookBody::PostToolUseFailure {
            tool: fields.tool()?,
            error: fields.optional_text("error")?.unwrap_or_default(),
            interrupted: fields.any("is_interrupt").as_bool().unwrap_or_default(),
        },
        EventName::UserPromptSubmit => HookBody::Prompt { text: fields.text("prompt")? },
        EventName::Notification => HookBody::Notification {
            message: fields.text("message")?,
            kind: fields.optional_text("notification_type")?,
        },
        EventName::Stop | EventName::SubagentStop => HookBody::Stop {
            hook_active: fields.any("stop_hook_active").as_bool().unwrap_or_default(),
            last_message: match fields.optional_text("last_assistant_message")? {
                Some(message) => Some(message),
                None => fields.optional_text("prompt_response")?,
            },
        },
        EventName::StopFailure => HookBody::StopFailure {
            error: fields.optional_text("error")?.unwrap_or_default(),
            last_message: fields.optional_text("last_assistant_message")?,
        },
        EventName::SessionStart => HookBody::SessionStart {
            source: fields.optional_text("source")?,
            model: fields.optional_text("model")?,
        },
        EventName::SessionEnd => HookBody::SessionEnd { reason: fields.optional_text("reason")? },
        EventName::PreCompact | EventName::PostCompact => {
            HookBody::Compact { trigger: fields.optional_text("trigger")? }
        }
        _ => HookBody::Other,
    })
}

/// The fields not read yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, key: &'static str) -> Result<String, HookError> {
        self.optional_text(key)?.ok_or(HookError::Missing { field: key })
    }

    fn optional_text(&mut self, key: &'static str) -> Result<Option<String>, HookError> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(HookError::WrongType { field: key }),
        }
    }

    fn any(&mut self, key: &str) -> Value {
        self.0.remove(key).unwrap_or_default()
    }

    fn tool(&mut self) -> Result<ToolUse, HookError> {
        let name = self.text("tool_name")?;
        let input = self.0.remove("tool_input").ok_or(HookError::Missing { field: "tool_input" })?;
        if !input.is_object() {
            return Err(HookError::WrongType { field: "tool_input" });
        }
        Ok(ToolUse { name, input, id: self.optional_text("tool_use_id")? })
    }
}
