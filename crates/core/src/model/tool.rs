//! Tool calls, the verdicts on them, and the questions that go to a person.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ApprovalId, SlotId, TaskId};

/// What an agent wants to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// The agent's own id for the call (`tool_use_id`), by which the stream and the verdict are matched.
    pub id: String,
    /// The tool's name, as the agent says it.
    pub tool: String,
    /// The tool's arguments.
    pub input: serde_json::Value,
    /// The directory that relative paths are relative to.
    pub cwd: PathBuf,
}

impl ToolCall {
    /// The longest id and the longest name of a tool, in bytes.
    pub const MAX_NAME_BYTES: usize = 1024;
    /// The longest working directory, in bytes.
    pub const MAX_CWD_BYTES: usize = 4096;

    /// A call of its four parts.
    pub fn new(
        id: impl Into<String>,
        tool: impl Into<String>,
        input: serde_json::Value,
        cwd: impl Into<PathBuf>,
    ) -> Self {
        Self { id: id.into(), tool: tool.into(), input, cwd: cwd.into() }
    }

    /// The one argument that tells a person most: the command, the path, the address; else the whole input as JSON.
    pub fn argument(&self) -> String {
        for key in ["command", "file_path", "notebook_path", "path", "url", "query", "pattern", "question"] {
            if let Some(text) = self.input.get(key).and_then(serde_json::Value::as_str) {
                return text.to_owned();
            }
        }
        self.input.to_string()
    }
}

/// What is to be done with a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may run.
    Allow,
    /// A person decides.
    Ask,
    /// It may not run.
    Deny,
}

impl Decision {
    /// The lower-case word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much harm a call could do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Easily undone.
    Low,
    /// Could cost work.
    #[default]
    Medium,
    /// Could cost data or reach other systems.
    High,
    /// Could cost the machine or its secrets.
    Critical,
}

impl Risk {
    /// The lower-case word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A decision on a tool call, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// What is to be done.
    pub decision: Decision,
    /// The rule that decided; `None` when no rule matched.
    pub rule: Option<String>,
    /// Why, for the agent and for a person.
    pub reason: String,
    /// How much harm the call could do.
    pub risk: Risk,
}

impl Verdict {
    /// A verdict of medium risk.
    pub fn new(decision: Decision, rule: Option<String>, reason: impl Into<String>) -> Self {
        Self { decision, rule, reason: reason.into(), risk: Risk::default() }
    }

    /// A verdict that stops the call.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::new(Decision::Deny, None, reason)
    }
}

/// Where a question to a person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Nobody has answered.
    Pending,
    /// Yes; final.
    Approved,
    /// No; final.
    Rejected,
    /// Nobody answered in time, or the asker is gone, which counts as no; final.
    Expired,
}

impl ApprovalStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Rejected, Self::Expired];

    /// The lower-case word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Reads the word back; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// A question to a person: may this call run?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// The task whose agent asks.
    pub task: TaskId,
    /// The slot that it sits in.
    pub slot: SlotId,
    /// The whole call, untrusted text included.
    pub call: ToolCall,
    /// Why it was not simply allowed, and the risk.
    pub verdict: Verdict,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// Who answered (`uid 1000, pid 4711`), or what ended it.
    pub answered_by: Option<String>,
    /// What the answerer said to the agent.
    pub note: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it counts as a no.
    pub expires_at: Timestamp,
}

impl Approval {
    /// A question that nobody has answered.
    pub fn pending(
        task: TaskId,
        slot: SlotId,
        call: ToolCall,
        verdict: Verdict,
        opened_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id: ApprovalId::generate(),
            task,
            slot,
            call,
            verdict,
            status: ApprovalStatus::Pending,
            answered_by: None,
            note: None,
            opened_at,
            expires_at,
        }
    }
}
