//! Slots and their live occupants.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AgentKind, Role, SlotId, TaskId};

/// What the occupant of a slot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// No process.
    Stopped,
    /// A process is being made ready.
    Starting,
    /// Ready for a prompt.
    Idle,
    /// The model was asked and has not answered yet.
    Thinking,
    /// The answer is coming.
    Responding,
    /// A tool runs.
    ToolRunning,
    /// A person has to decide something.
    Confirming,
    /// The process is being ended.
    Stopping,
    /// The agent reported an error and waits.
    Error,
    /// The process ended.
    Exited,
}

impl AgentStatus {
    /// Every status.
    pub const ALL: [Self; 10] = [
        Self::Stopped,
        Self::Starting,
        Self::Idle,
        Self::Thinking,
        Self::Responding,
        Self::ToolRunning,
        Self::Confirming,
        Self::Stopping,
        Self::Error,
        Self::Exited,
    ];

    /// Whether a turn is going on.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Thinking | Self::Responding | Self::ToolRunning | Self::Confirming)
    }

    /// Whether the slot has no process and a new one may be started.
    pub fn is_vacant(self) -> bool {
        matches!(self, Self::Stopped | Self::Exited)
    }

    /// The lower-case word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Thinking => "thinking",
            Self::Responding => "responding",
            Self::ToolRunning => "tool_running",
            Self::Confirming => "confirming",
            Self::Stopping => "stopping",
            Self::Error => "error",
            Self::Exited => "exited",
        }
    }

    /// Reads the word back; `None` for any other text.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl std::fmt::Display for AgentStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an agent is run and spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DriverKind {
    /// One process a turn, which prints events as JSON lines.
    #[default]
    Headless,
    /// The agent's own terminal program.
    Pty,
}

impl DriverKind {
    /// The word for it in configuration and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Headless => "headless",
            Self::Pty => "pty",
        }
    }
}

impl std::fmt::Display for DriverKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for DriverKind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "headless" => Ok(Self::Headless),
            "pty" => Ok(Self::Pty),
            other => {
                Err(format!("unknown driver `{}`; use `headless` or `pty`", crate::text::escape_line(other)))
            }
        }
    }
}

/// A configured seat for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SlotConfig {
    /// Its name.
    pub id: SlotId,
    /// Which tasks it takes.
    #[serde(default)]
    pub role: Role,
    /// What sits in it.
    pub agent: AgentKind,
    /// How that is run.
    #[serde(default)]
    pub driver: DriverKind,
    /// Further arguments for the agent's program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

impl SlotConfig {
    /// A slot of the default role and driver.
    pub fn new(id: SlotId, agent: AgentKind) -> Self {
        Self { id, role: Role::default(), agent, driver: DriverKind::default(), args: Vec::new() }
    }
}

/// A slot and what is going on in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Slot {
    /// How it is set up.
    #[serde(flatten)]
    pub config: SlotConfig,
    /// What its occupant does.
    pub status: AgentStatus,
    /// Why: the error that stopped it, the evidence for a state.
    pub reason: Option<String>,
    /// The task whose turn it is.
    pub task: Option<TaskId>,
    /// The agent's process.
    pub pid: Option<u32>,
    /// Since when the status holds.
    pub since: Timestamp,
}

impl Slot {
    /// A slot with nobody in it.
    pub fn vacant(config: SlotConfig, since: Timestamp) -> Self {
        Self { config, status: AgentStatus::Stopped, reason: None, task: None, pid: None, since }
    }
}

/// What a turn cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// United States dollars, as the agent reckons them; `None` if it does not say.
    pub cost_usd: Option<f64>,
    /// Tokens sent to the model, cached ones included.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
}
