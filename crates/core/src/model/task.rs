//! Tasks: queued units of work, and what became of them.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AgentKind, ConversationId, LeaseToken, Role, RunId, SlotId, TaskId};
use crate::model::{DriverKind, Usage};

/// Where a task stands. A task never leaves a final status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waits for a slot of its role.
    Queued,
    /// A slot holds its lease.
    Running,
    /// Its turn ended well; final.
    Done,
    /// It could not be done, for the reason given; final.
    Failed,
    /// Somebody called it off; final.
    Cancelled,
}

impl TaskStatus {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// Whether the status can never change again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The lower-case word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back; `None` for any other text, so that unknown text is an error and never a guess.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl std::fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What somebody asks for; [`Mission::submit`](crate::Mission::submit) makes a [`Task`] of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewTask {
    /// What the agent is told, 1 byte to [`NewTask::MAX_PROMPT_BYTES`].
    pub prompt: String,
    /// Which slots may take it.
    #[serde(default)]
    pub role: Role,
    /// Only slots of this agent kind may take it.
    #[serde(default)]
    pub agent: Option<AgentKind>,
    /// Only slots with this driver may take it.
    #[serde(default)]
    pub driver: Option<DriverKind>,
    /// Higher goes first; equal ones in the order they came.
    #[serde(default)]
    pub priority: i32,
    /// Tasks that must be done first; if one of them fails or is cancelled, so does this one.
    #[serde(default)]
    pub depends_on: Vec<TaskId>,
    /// After this moment the task fails, wherever it stands.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// Goes on with the conversation, the branch and the agent kind of an earlier, finished task.
    #[serde(default)]
    pub follow_up: Option<TaskId>,
    /// The effort that it belongs to.
    #[serde(default)]
    pub run: Option<RunId>,
    /// The issue it is about; names the branch and the workspace instead of the short task id.
    #[serde(default)]
    pub issue: Option<String>,
}

impl NewTask {
    /// The longest prompt that is taken: 1 MiB.
    pub const MAX_PROMPT_BYTES: usize = 1 << 20;
    /// How many tasks one task may wait for.
    pub const MAX_DEPENDENCIES: usize = 1000;

    /// A task for the default role with nothing special about it.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            role: Role::default(),
            agent: None,
            driver: None,
            priority: 0,
            depends_on: Vec::new(),
            deadline: None,
            follow_up: None,
            run: None,
            issue: None,
        }
    }
}

/// A queued unit of work for a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// What was asked for.
    #[serde(flatten)]
    pub request: NewTask,
    /// Where it stands.
    pub status: TaskStatus,
    /// Why it is there: the error of a failed task, who cancelled it, why it was requeued.
    pub reason: Option<String>,
    /// How often a slot has begun it.
    pub attempts: u32,
    /// Who works on it now; `Some` exactly while [`TaskStatus::Running`].
    pub lease: Option<Lease>,
    /// Where the work lies, once a workspace was made.
    pub workspace: Option<WorkspaceRecord>,
    /// The conversation that a follow-up goes on with.
    pub conversation: Option<ConversationId>,
    /// What came out; `Some` once the turn ended, well or not.
    pub result: Option<TaskResult>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When the newest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it reached its final status.
    pub finished_at: Option<Timestamp>,
}

impl Task {
    /// A queued task that nobody has begun.
    pub fn queued(id: TaskId, request: NewTask, submitted_at: Timestamp) -> Self {
        Self {
            id,
            request,
            status: TaskStatus::Queued,
            reason: None,
            attempts: 0,
            lease: None,
            workspace: None,
            conversation: None,
            result: None,
            submitted_at,
            started_at: None,
            finished_at: None,
        }
    }
}

/// The right of one slot to work on one task for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub slot: SlotId,
    /// Proves the holder; a write with an older token is refused.
    pub token: LeaseToken,
    /// When it ends unless renewed; from then on the task may be requeued.
    pub until: Timestamp,
}

/// Where the work of a task lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkspaceRecord {
    /// The workspace's name, unique in the repository.
    pub name: String,
    /// The directory where the agent works or worked.
    pub path: PathBuf,
    /// The branch that carries the work.
    pub branch: String,
    /// The commit that the branch started from, in hexadecimal.
    pub base: String,
    /// When the directory was made, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
}

impl WorkspaceRecord {
    /// A record of its four parts.
    pub fn new(
        name: impl Into<String>,
        path: impl Into<PathBuf>,
        branch: impl Into<String>,
        base: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), path: path.into(), branch: branch.into(), base: base.into(), made_at: None }
    }

    /// Whether the other one is the record of the same directory, and not of a later one that got the same name.
    pub fn is_same(&self, other: &Self) -> bool {
        let made = self.made_at.zip(other.made_at);
        self.name == other.name && made.is_none_or(|(one, another)| one == another)
    }
}

/// What sort of failure ended a task's attempt, for a caller that must branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The agent said that it failed: the model's service, its own limits.
    Agent,
    /// The agent ended before its turn did, or its output could not be read.
    Exited,
    /// The turn took too long.
    TimedOut,
    /// A tool call ran that nobody had allowed.
    PolicyBypassed,
    /// The agent's program is not there.
    ProgramMissing,
    /// The workspace could not be made, committed or given back.
    Workspace,
    /// Anything else.
    Other,
}

/// What a task left behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TaskResult {
    /// What sort of failure ended the attempt; `None` when it ended well or was called off.
    pub cause: Option<Cause>,
    /// The agent's answer, untrusted text.
    pub answer: String,
    /// The commit that holds the work, in hexadecimal; `None` when nothing changed.
    pub commit: Option<String>,
    /// The files that the commit changed against the base, relative to the repository.
    pub changed_files: Vec<String>,
    /// The ref that keeps work which was not committed.
    pub rescue: Option<String>,
    /// Cost and tokens.
    pub usage: Usage,
    /// How long the turn took, in milliseconds.
    pub duration_ms: u64,
    /// How many tool calls the agent made.
    pub tool_calls: u32,
    /// How many of them were refused.
    pub denied_calls: u32,
}

impl TaskResult {
    /// The longest answer that is kept: 16 MiB. A longer one is cut at its end and marked with `…`.
    pub const MAX_ANSWER_BYTES: usize = 16 << 20;
}
