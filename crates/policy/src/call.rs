use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::local_time::LocalTime;

/// What an agent wants to do: one call of one of its tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The agent's own id of the call, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool's name as the agent wrote it.
    #[serde(rename = "tool_name", alias = "tool")]
    pub tool: String,
    /// The tool's arguments as the agent wrote them.
    #[serde(rename = "tool_input", alias = "input", default)]
    pub input: Value,
    /// The directory relative paths start from.
    pub cwd: PathBuf,
}

impl ToolCall {
    /// A call without an id.
    #[must_use]
    pub fn new(tool: impl Into<String>, input: Value, cwd: impl Into<PathBuf>) -> Self {
        Self { id: None, tool: tool.into(), input, cwd: cwd.into() }
    }
}

/// Where a call happens: the directories and processes a verdict depends on.
///
/// All paths are absolute. Where directories lie in one another the deepest one counts: a workspace under a
/// temporary directory is a workspace, a state directory in a workspace is a state directory.
///
/// What lies beside the workspace or the project is somebody else's, even where the directory they lie in is a temporary
/// one, and so is what other programs keep in a temporary directory under names such as `tmux-*`, `ssh-*` and
/// `missiond-*`. The parents of all these count too: who removes, moves or changes a directory throughout touches what is
/// in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Surroundings {
    /// The directory the agent works in.
    pub workspace: PathBuf,
    /// The main worktree of the project. Its `.missiond` directory is protected.
    pub project_root: PathBuf,
    /// The person's home directory, which `~` stands for.
    #[serde(default)]
    pub home: Option<PathBuf>,
    /// Directories whose contents the agent may use like its workspace; not the directories themselves.
    #[serde(default)]
    pub temp_dirs: Vec<PathBuf>,
    /// Directories that belong to the orchestrator: databases, sockets, settings. Their parents count when they are
    /// removed, moved or changed throughout.
    #[serde(default)]
    pub protected: Vec<PathBuf>,
    /// Processes of the orchestrator, which no agent may signal.
    #[serde(default)]
    pub own_pids: Vec<u32>,
    /// Whether somebody can answer a question. Where nobody can, `ask` becomes `deny`.
    #[serde(default)]
    pub can_ask: bool,
    /// The role of the agent, for rules that name one. Of this and the next three: what isn't known counts as named by a
    /// rule that restricts, and as not named by one that allows.
    #[serde(default)]
    pub role: Option<String>,
    /// The slot the agent sits in.
    #[serde(default)]
    pub slot: Option<String>,
    /// The kind of agent, such as `claude`.
    #[serde(default)]
    pub agent: Option<String>,
    /// The local time at which the call is made.
    #[serde(default)]
    pub now: Option<LocalTime>,
}

impl Surroundings {
    /// Surroundings with no home, no temporary directory, nothing protected and nobody to ask.
    #[must_use]
    pub fn new(workspace: impl Into<PathBuf>, project_root: impl Into<PathBuf>) -> Self {
        Self {
            workspace: workspace.into(),
            project_root: project_root.into(),
            home: None,
            temp_dirs: Vec::new(),
            protected: Vec::new(),
            own_pids: Vec::new(),
            can_ask: false,
            role: None,
            slot: None,
            agent: None,
            now: None,
        }
    }
}
