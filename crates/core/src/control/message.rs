//! What is said over the two sockets.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ApprovalId, MessageId, Seq, SlotId, TaskId};
use crate::model::{Approval, Event, Message, NewTask, Recipient, Slot, Task, TaskStatus, ToolCall, Verdict};
use crate::ports::{StoreError, StoreErrorKind, TaskFilter};

/// What a person or their program asks the mission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// How the mission stands. Answer: [`Response::Status`].
    Status,
    /// Puts a task in the queue. Answer: [`Response::Submitted`].
    Submit {
        /// What is asked for.
        request: Box<NewTask>,
    },
    /// One task. Answer: [`Response::Task`].
    Task {
        /// Which.
        id: TaskId,
    },
    /// The one task that a part of its id names. Answer: [`Response::Task`].
    FindTask {
        /// A beginning or an end of the id, or a beginning of its short form.
        text: String,
    },
    /// Tasks. Answer: [`Response::Tasks`].
    Tasks {
        /// Which.
        filter: TaskQuery,
    },
    /// Calls a task off. Answer: [`Response::Done`].
    Cancel {
        /// Which.
        id: TaskId,
        /// Why.
        reason: String,
    },
    /// Submits a final task's request once more. Answer: [`Response::Submitted`] with the new task.
    Retry {
        /// Which.
        id: TaskId,
    },
    /// Waits until a task is final. Answer: [`Response::Task`]. Ends without effect when the caller goes away.
    Wait {
        /// Which.
        id: TaskId,
    },
    /// The slots. Answer: [`Response::Slots`].
    Slots,
    /// Ends what runs in a slot. Answer: [`Response::Done`].
    StopSlot {
        /// Which.
        slot: SlotId,
    },
    /// Questions to a person. Answer: [`Response::Approvals`].
    Approvals {
        /// Those that are settled too.
        all: bool,
    },
    /// Answers a question. Answer: [`Response::Approval`] as it now stands.
    Settle {
        /// Which.
        approval: ApprovalId,
        /// Yes or no.
        approve: bool,
        /// What the agent is told.
        note: Option<String>,
    },
    /// The log. Answer: a stream of events; see [`Client::events`](crate::control::Client::events).
    Events {
        /// Only events with a higher number.
        since: Seq,
        /// Whether to go on with new ones after the newest.
        follow: bool,
    },
    /// Why a slot is in the state that it is in. Answer: [`Response::Explanation`].
    Explain {
        /// Which.
        slot: SlotId,
    },
    /// Sends a message from a person. Answer: [`Response::Sent`].
    SendMessage {
        /// To whom.
        to: Recipient,
        /// The text, at most [`Message::MAX_TEXT_BYTES`].
        text: String,
    },
    /// The newest messages, oldest first. Answer: [`Response::Messages`].
    Messages {
        /// At most so many.
        limit: usize,
    },
    /// Ends the mission. Answer: [`Response::Done`] when it begins to end.
    Shutdown {
        /// Only once the queue is empty; else running tasks are cancelled or requeued by the owner's rule.
        drain: bool,
    },
}

impl Request {
    /// Whether the answer may be a long time coming, so that only silence counts against it.
    pub fn is_open_ended(&self) -> bool {
        matches!(self, Self::Wait { .. } | Self::Events { .. } | Self::Shutdown { drain: true })
    }

    /// Whether it is given up when the caller goes away. Everything else is carried out.
    pub fn ends_with_its_caller(&self) -> bool {
        matches!(self, Self::Wait { .. } | Self::Events { .. })
    }
}

/// The mission's answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// How the mission stands.
    Status(Box<MissionStatus>),
    /// The new task's name; it is on the disk.
    Submitted(TaskId),
    /// A task.
    Task(Box<Task>),
    /// Tasks in the order of their submission.
    Tasks(Vec<Task>),
    /// It is done, and there is nothing to say about it.
    Done,
    /// Slots by id.
    Slots(Vec<Slot>),
    /// Questions, oldest first.
    Approvals(Vec<Approval>),
    /// A question as it now stands.
    Approval(Box<Approval>),
    /// A slot's state and what shows it.
    Explanation(Box<Explanation>),
    /// The new message's name.
    Sent(MessageId),
    /// Messages, oldest first.
    Messages(Vec<Message>),
}

/// Which tasks are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskQuery {
    /// Only these statuses; empty for all.
    pub statuses: Vec<TaskStatus>,
    /// At most so many, the newest; `None` for all.
    pub newest: Option<usize>,
}

impl From<TaskQuery> for TaskFilter {
    fn from(query: TaskQuery) -> Self {
        Self { statuses: query.statuses, newest: query.newest }
    }
}

/// How a mission stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MissionStatus {
    /// The owner's process.
    pub pid: u32,
    /// The owner's version of missiond.
    pub version: String,
    /// The project root.
    pub project: PathBuf,
    /// Since when it is owned.
    pub since: Timestamp,
    /// The number of the newest event.
    pub newest: Seq,
    /// How many tasks there are, by status.
    pub tasks: TaskCounts,
    /// How many slots there are.
    pub slots: u32,
    /// How many of them are busy.
    pub busy_slots: u32,
    /// How many questions wait for an answer.
    pub pending_approvals: u32,
    /// Whether it ends once the queue is empty.
    pub draining: bool,
}

impl MissionStatus {
    /// The status of a mission of this process with nothing in it.
    pub fn new(project: impl Into<PathBuf>, since: Timestamp) -> Self {
        Self {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            project: project.into(),
            since,
            newest: Seq(0),
            tasks: TaskCounts::default(),
            slots: 0,
            busy_slots: 0,
            pending_approvals: 0,
            draining: false,
        }
    }
}

/// How many tasks there are, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskCounts {
    /// [`TaskStatus::Queued`].
    pub queued: u64,
    /// [`TaskStatus::Running`].
    pub running: u64,
    /// [`TaskStatus::Done`].
    pub done: u64,
    /// [`TaskStatus::Failed`].
    pub failed: u64,
    /// [`TaskStatus::Cancelled`].
    pub cancelled: u64,
}

impl FromIterator<(TaskStatus, u64)> for TaskCounts {
    fn from_iter<T: IntoIterator<Item = (TaskStatus, u64)>>(counted: T) -> Self {
        let mut counts = Self::default();
        for (status, count) in counted {
            *match status {
                TaskStatus::Queued => &mut counts.queued,
                TaskStatus::Running => &mut counts.running,
                TaskStatus::Done => &mut counts.done,
                TaskStatus::Failed => &mut counts.failed,
                TaskStatus::Cancelled => &mut counts.cancelled,
            } += count;
        }
        counts
    }
}

/// Why a slot is in the state that it is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The slot.
    pub slot: Slot,
    /// The latest events about it, oldest first; each change of state carries its evidence.
    pub events: Vec<Event>,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ErrorReply {
    /// What a caller may branch on.
    pub kind: ErrorKind,
    /// What went wrong and what to do, naming the thing.
    pub message: String,
}

impl ErrorReply {
    /// An error of its parts.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What sort of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such task, slot or question.
    NotFound,
    /// Somebody else holds what was to be taken.
    Conflict,
    /// The task or question is final.
    Final,
    /// The request makes no sense, or is over a bound.
    Invalid,
    /// The caller may not do this.
    Denied,
    /// Not now: no room, ending, or too slow.
    Unavailable,
    /// A failure of the mission itself.
    Internal,
}

impl From<StoreError> for ErrorReply {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            StoreErrorKind::NotFound => ErrorKind::NotFound,
            StoreErrorKind::Conflict | StoreErrorKind::Stale => ErrorKind::Conflict,
            StoreErrorKind::Final => ErrorKind::Final,
            StoreErrorKind::Invalid => ErrorKind::Invalid,
            StoreErrorKind::Full | StoreErrorKind::Closed => ErrorKind::Unavailable,
            StoreErrorKind::NewerVersion | StoreErrorKind::Corrupt | StoreErrorKind::Io => {
                ErrorKind::Internal
            }
        };
        let mut message = error.message;
        let mut source = error.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self { kind, message }
    }
}

/// What the agent in a slot, or its hook, may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateRequest {
    /// May this call run? Answer: [`GateResponse::Verdict`], maybe after a person was asked. The question is withdrawn
    /// when the caller goes away.
    Judge {
        /// The call.
        call: Box<ToolCall>,
        /// The agent's name for the event, such as `PreToolUse`.
        event: String,
    },
    /// Something happened. Answer: [`GateResponse::Ok`].
    Report {
        /// The event as the agent wrote it, at most [`GateRequest::MAX_REPORT_BYTES`] of JSON.
        event: serde_json::Value,
    },
    /// Sends a message in the slot's name. Answer: [`GateResponse::Ok`].
    Send {
        /// To whom.
        to: Recipient,
        /// The text, at most [`Message::MAX_TEXT_BYTES`].
        text: String,
    },
}

impl GateRequest {
    /// The longest report: 1 MiB of JSON.
    pub const MAX_REPORT_BYTES: usize = 1 << 20;
}

/// The mission's answer to a [`GateRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateResponse {
    /// What is to be done with the call; never [`Decision::Ask`](crate::Decision::Ask) while somebody can be asked.
    Verdict(Verdict),
    /// It is done.
    Ok,
    /// It is not done. A call that was to be judged may not run.
    Refused {
        /// Why.
        reason: String,
    },
}
