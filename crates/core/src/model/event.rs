//! The mission's log: what happened, in order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ApprovalId, ConversationId, LeaseToken, MessageId, Role, Seq, SlotId, TaskId};
use crate::model::{AgentStatus, ApprovalStatus, Decision, Risk, TaskStatus, Usage, WorkspaceRecord};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was written.
    pub at: Timestamp,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The slot it is about.
    pub slot: Option<SlotId>,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

impl Event {
    /// An entry of its parts.
    pub fn new(seq: Seq, at: Timestamp, task: Option<TaskId>, slot: Option<SlotId>, body: EventBody) -> Self {
        Self { seq, at, task, slot, body }
    }
}

/// What happened. Serialised with its name under `kind` (`task.submitted`) beside its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
#[non_exhaustive]
pub enum EventBody {
    /// A mission began to own the project.
    #[serde(rename = "mission.opened")]
    MissionOpened {
        /// Its process.
        pid: u32,
        /// The version of missiond.
        version: String,
    },
    /// It gave the project up in good order.
    #[serde(rename = "mission.closed")]
    MissionClosed {
        /// Why.
        reason: String,
    },
    /// A task was put in the queue.
    #[serde(rename = "task.submitted")]
    TaskSubmitted {
        /// Whose work it is.
        role: Role,
        /// The beginning of its prompt.
        prompt: String,
    },
    /// A slot took it.
    #[serde(rename = "task.leased")]
    TaskLeased {
        /// Which try this is, from 1.
        attempt: u32,
        /// The try's fencing token.
        token: LeaseToken,
    },
    /// It went back to the queue.
    #[serde(rename = "task.requeued")]
    TaskRequeued {
        /// Why.
        reason: String,
    },
    /// It reached its final status.
    #[serde(rename = "task.finished")]
    TaskFinished {
        /// Which one.
        status: TaskStatus,
        /// Why, unless done.
        reason: Option<String>,
    },
    /// The directory where its agent works is there.
    #[serde(rename = "workspace.ready")]
    WorkspaceReady {
        /// Where it lies.
        workspace: WorkspaceRecord,
    },
    /// The directory is gone; the work is on the branch or under the ref.
    #[serde(rename = "workspace.retired")]
    WorkspaceRetired {
        /// Its name.
        name: String,
        /// The ref that keeps what was not committed.
        rescue: Option<String>,
    },
    /// The work was committed.
    #[serde(rename = "work.committed")]
    WorkCommitted {
        /// The branch.
        branch: String,
        /// The commit, in hexadecimal.
        commit: String,
        /// How many files it changed against the base.
        files: u32,
    },
    /// What a slot's occupant does has changed.
    #[serde(rename = "agent.status")]
    AgentStatus {
        /// What it does now.
        status: AgentStatus,
        /// What shows it.
        evidence: String,
        /// Its process, while there is one.
        pid: Option<u32>,
    },
    /// The agent named the conversation that can be resumed.
    #[serde(rename = "agent.conversation")]
    AgentConversation {
        /// Its name.
        conversation: ConversationId,
    },
    /// The agent said something.
    #[serde(rename = "agent.text")]
    AgentText {
        /// What it said: untrusted text, cut to a bounded length.
        text: String,
    },
    /// The agent called a tool.
    #[serde(rename = "tool.called")]
    ToolCalled {
        /// The agent's id for the call.
        call: String,
        /// The tool.
        tool: String,
        /// Its main argument, cut to a bounded length.
        argument: String,
    },
    /// The call was judged; for a call that was asked about, this is the final verdict.
    #[serde(rename = "tool.judged")]
    ToolJudged {
        /// The agent's id for the call.
        call: String,
        /// The tool.
        tool: String,
        /// Its main argument, cut to a bounded length.
        argument: String,
        /// What is to be done.
        decision: Decision,
        /// The rule that decided.
        rule: Option<String>,
        /// Why.
        reason: String,
        /// How much harm the call could do.
        risk: Risk,
    },
    /// The tool ended.
    #[serde(rename = "tool.finished")]
    ToolFinished {
        /// The agent's id for the call.
        call: String,
        /// Whether the tool reported an error, or the call was refused.
        is_error: bool,
    },
    /// A person is asked.
    #[serde(rename = "approval.opened")]
    ApprovalOpened {
        /// The question's name.
        approval: ApprovalId,
        /// The tool.
        tool: String,
        /// Its main argument, cut to a bounded length.
        argument: String,
        /// How much harm the call could do.
        risk: Risk,
    },
    /// The question is settled.
    #[serde(rename = "approval.settled")]
    ApprovalSettled {
        /// The question's name.
        approval: ApprovalId,
        /// How.
        status: ApprovalStatus,
        /// By whom.
        by: String,
    },
    /// The agent's turn ended.
    #[serde(rename = "turn.finished")]
    TurnFinished {
        /// What it cost.
        usage: Usage,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// A message was sent.
    #[serde(rename = "message.sent")]
    MessageSent {
        /// Its name.
        message: MessageId,
        /// Who sent it.
        from: String,
        /// To whom.
        to: String,
    },
    /// Somebody without the authority tried to steer the mission.
    #[serde(rename = "control.refused")]
    ControlRefused {
        /// The process.
        pid: u32,
        /// Why it was refused.
        reason: String,
    },
    /// Something that a person should know about, and that ended nothing.
    #[serde(rename = "warning")]
    Warning {
        /// What.
        text: String,
    },
}

impl EventBody {
    /// The event's name, as under `kind` in its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MissionOpened { .. } => "mission.opened",
            Self::MissionClosed { .. } => "mission.closed",
            Self::TaskSubmitted { .. } => "task.submitted",
            Self::TaskLeased { .. } => "task.leased",
            Self::TaskRequeued { .. } => "task.requeued",
            Self::TaskFinished { .. } => "task.finished",
            Self::WorkspaceReady { .. } => "workspace.ready",
            Self::WorkspaceRetired { .. } => "workspace.retired",
            Self::WorkCommitted { .. } => "work.committed",
            Self::AgentStatus { .. } => "agent.status",
            Self::AgentConversation { .. } => "agent.conversation",
            Self::AgentText { .. } => "agent.text",
            Self::ToolCalled { .. } => "tool.called",
            Self::ToolJudged { .. } => "tool.judged",
            Self::ToolFinished { .. } => "tool.finished",
            Self::ApprovalOpened { .. } => "approval.opened",
            Self::ApprovalSettled { .. } => "approval.settled",
            Self::TurnFinished { .. } => "turn.finished",
            Self::MessageSent { .. } => "message.sent",
            Self::ControlRefused { .. } => "control.refused",
            Self::Warning { .. } => "warning",
        }
    }
}

/// The longest text that one event carries; longer text is cut and marked with `…`.
pub const MAX_EVENT_TEXT_BYTES: usize = 16 * 1024;

/// Cuts text for an event, at a character boundary, and marks the cut.
pub fn event_text(text: &str) -> String {
    let head = missiond_process::text::truncate(text, MAX_EVENT_TEXT_BYTES);
    if head.len() == text.len() { text.to_owned() } else { format!("{head}…") }
}
