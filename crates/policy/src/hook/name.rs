use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a hook event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum EventName {
    /// A tool is about to be called. Gates.
    PreToolUse,
    /// The agent is about to ask a person for permission. Gates.
    PermissionRequest,
    /// A prompt was submitted. Gates.
    UserPromptSubmit,
    /// A tool has run.
    PostToolUse,
    /// A tool has failed.
    PostToolUseFailure,
    /// All tools of one answer have run.
    PostToolBatch,
    /// The agent wants attention.
    Notification,
    /// Text is shown.
    MessageDisplay,
    /// A turn has ended.
    Stop,
    /// A turn has ended with an error of the model's service.
    StopFailure,
    /// A helper agent starts.
    SubagentStart,
    /// A helper agent has ended.
    SubagentStop,
    /// An entry of the task list is made.
    TaskCreated,
    /// An entry of the task list is done.
    TaskCompleted,
    /// A conversation starts or is resumed.
    SessionStart,
    /// A conversation ends.
    SessionEnd,
    /// The conversation is about to be summarized.
    PreCompact,
    /// The conversation was summarized.
    PostCompact,
    /// An event that isn't known here, by its own name.
    Other(String),
}

impl EventName {
    /// The events that are known by name.
    pub const KNOWN: [Self; 18] = [
        Self::PreToolUse,
        Self::PermissionRequest,
        Self::UserPromptSubmit,
        Self::PostToolUse,
        Self::PostToolUseFailure,
        Self::PostToolBatch,
        Self::Notification,
        Self::MessageDisplay,
        Self::Stop,
        Self::StopFailure,
        Self::SubagentStart,
        Self::SubagentStop,
        Self::TaskCreated,
        Self::TaskCompleted,
        Self::SessionStart,
        Self::SessionEnd,
        Self::PreCompact,
        Self::PostCompact,
    ];

    /// Reads a name in any spelling: `PreToolUse`, `preToolUse`, `pre-tool-use`, `pre_tool_use`.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let plain = plain(name);
        let known = Self::KNOWN.into_iter().find(|known| known.as_str().to_ascii_lowercase() == plain);
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// The agent's own spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::PreToolUse => "PreToolUse",
            Self::PermissionRequest => "PermissionRequest",
            Self::UserPromptSubmit => "UserPromptSubmit",
            Self::PostToolUse => "PostToolUse",
            Self::PostToolUseFailure => "PostToolUseFailure",
            Self::PostToolBatch => "PostToolBatch",
            Self::Notification => "Notification",
            Self::MessageDisplay => "MessageDisplay",
            Self::Stop => "Stop",
            Self::StopFailure => "StopFailure",
            Self::SubagentStart => "SubagentStart",
            Self::SubagentStop => "SubagentStop",
            Self::TaskCreated => "TaskCreated",
            Self::TaskCompleted => "TaskCompleted",
            Self::SessionStart => "SessionStart",
            Self::SessionEnd => "SessionEnd",
            Self::PreCompact => "PreCompact",
            Self::PostCompact => "PostCompact",
            Self::Other(name) => name,
        }
    }

    /// The spelling used on command lines: `pre-tool-use`.
    #[must_use]
    pub fn kebab(&self) -> String {
        let mut kebab = String::new();
        for c in self.as_str().chars() {
            if c.is_ascii_uppercase() && !kebab.is_empty() && !kebab.ends_with('-') {
                kebab.push('-');
            }
            kebab.push(c.to_ascii_lowercase());
        }
        kebab
    }

    /// Whether the agent waits for leave to go on, so that every failure of ours must block.
    ///
    /// A name that isn't known counts as gating when it sounds so: the agent may have learned a new way to ask.
    #[must_use]
    pub fn is_gating(&self) -> bool {
        match self {
            Self::PreToolUse | Self::PermissionRequest | Self::UserPromptSubmit => true,
            Self::Other(name) => {
                let name = plain(name);
                !["post", "session", "subagent", "stop", "notif"].iter().any(|start| name.starts_with(start))
                    && [
                        "pre",
                        "permission",
                        "request",
                        "submit",
                        "tool",
                        "before",
                        "approv",
                        "change",
                        "elicit",
                    ]
                    .iter()
                    .any(|part| name.contains(part))
            }
            _ => false,
        }
    }

    /// Whether the event is about one call of a tool, so that settings may narrow it to some tools.
    #[must_use]
    pub fn is_about_a_tool(&self) -> bool {
        matches!(
            self,
            Self::PreToolUse | Self::PermissionRequest | Self::PostToolUse | Self::PostToolUseFailure
        )
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for EventName {
    fn from(name: String) -> Self {
        Self::parse(&name)
    }
}

impl From<EventName> for String {
    fn from(name: EventName) -> Self {
        name.as_str().to_owned()
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}
