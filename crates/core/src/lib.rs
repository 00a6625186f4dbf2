//! Run many coding agents side by side: slots, tasks, approvals and one event log.

#![forbid(unsafe_code)]

pub mod agents;
pub mod ids;
pub mod model;
pub mod ports;
pub mod text;

pub use ids::{
    AgentKind, ApprovalId, ConversationId, LeaseToken, MessageId, ParseIdError, Role, RunId, Seq, SlotId, TaskId,
};
pub use model::{
    AgentStatus, Approval, ApprovalStatus, Decision, DriverKind, Event, EventBody, Lease, Message, NewTask, Recipient,
    Risk, Slot, SlotConfig, Task, TaskResult, TaskStatus, ToolCall, Usage, Verdict, WorkspaceRecord,
};
