use std::fmt;

use serde::{Deserialize, Serialize};

/// A hook event, whichever agent sends it.
///
/// The names are those of Claude Code, which most agents have taken over; [`Dialect`](super::Dialect) knows what another
/// agent calls the same thing.
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
    /// A command that a person typed becomes a prompt. Gates.
    UserPromptExpansion,
    /// A server of tools asks a person something. Gates.
    Elicitation,
    /// A person has answered such a question. Gates.
    ElicitationResult,
    /// The agent's settings have changed. Gates, since the hooks themselves may be what changes.
    ConfigChange,
    /// The model is about to be asked. Gates.
    PreModelRequest,
    /// The model has answered, or a piece of its answer is there.
    PostModelRequest,
    /// The tools that the model may choose from are settled.
    ToolSelection,
    /// The agent itself has refused a call.
    PermissionDenied,
    /// A repository is prepared for the agent.
    Setup,
    /// An agent of a team has nothing to do.
    TeammateIdle,
    /// A worktree is wanted.
    WorktreeCreate,
    /// A worktree is no longer wanted.
    WorktreeRemove,
    /// A file of instructions was read.
    InstructionsLoaded,
    /// The agent works in another directory.
    CwdChanged,
    /// A file that is watched has changed.
    FileChanged,
    /// A person has interrupted the turn.
    Interrupt,
    /// An event that isn't known here, by its own name.
    Other(String),
}

impl EventName {
    /// The events that are known by name.
    pub const KNOWN: [Self; 34] = [
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
        Self::UserPromptExpansion,
        Self::Elicitation,
        Self::ElicitationResult,
        Self::ConfigChange,
        Self::PreModelRequest,
        Self::PostModelRequest,
        Self::ToolSelection,
        Self::PermissionDenied,
        Self::Setup,
        Self::TeammateIdle,
        Self::WorktreeCreate,
        Self::WorktreeRemove,
        Self::InstructionsLoaded,
        Self::CwdChanged,
        Self::FileChanged,
        Self::Interrupt,
    ];

    /// Reads a name in any spelling: `PreToolUse`, `preToolUse`, `pre-tool-use`, `pre_tool_use`.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let plain = plain(name);
        let known = Self::KNOWN.into_iter().find(|known| known.as_str().to_ascii_lowercase() == plain);
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// The name as Claude Code spells it; [`Dialect::spelling`](super::Dialect::spelling) has that of the others.
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
            Self::UserPromptExpansion => "UserPromptExpansion",
            Self::Elicitation => "Elicitation",
            Self::ElicitationResult => "ElicitationResult",
            Self::ConfigChange => "ConfigChange",
            Self::PreModelRequest => "PreModelRequest",
            Self::PostModelRequest => "PostModelRequest",
            Self::ToolSelection => "ToolSelection",
            Self::PermissionDenied => "PermissionDenied",
            Self::Setup => "Setup",
            Self::TeammateIdle => "TeammateIdle",
            Self::WorktreeCreate => "WorktreeCreate",
            Self::WorktreeRemove => "WorktreeRemove",
            Self::InstructionsLoaded => "InstructionsLoaded",
            Self::CwdChanged => "CwdChanged",
            Self::FileChanged => "FileChanged",
            Self::Interrupt => "Interrupt",
            Self::Other(name) => name,
        }
    }

    /// The spelling used on command lines: `pre-tool-use`.
    #[must_use]
    pub fn kebab(&self) -> String {
        kebab(self.as_str())
    }

    /// Whether the agent waits for leave to go on, so that every failure of ours must block.
    ///
    /// A name that isn't known counts as gating when it sounds so: the agent may have learned a new way to ask.
    #[must_use]
    pub fn is_gating(&self) -> bool {
        match self {
            Self::PreToolUse
            | Self::PermissionRequest
            | Self::UserPromptSubmit
            | Self::UserPromptExpansion
            | Self::Elicitation
            | Self::ElicitationResult
            | Self::ConfigChange
            | Self::PreModelRequest => true,
            Self::Other(name) => {
                let name = plain(name);
                !["after", "post", "session", "subagent", "stop", "notif"]
                    .iter()
                    .any(|start| name.starts_with(start))
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
            Self::PreToolUse
                | Self::PermissionRequest
                | Self::PostToolUse
                | Self::PostToolUseFailure
                | Self::PermissionDenied
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

/// `SomeName` as `some-name`.
pub(super) fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}

/// A name without what spellings differ in.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}
