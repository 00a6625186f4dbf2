//! Run many coding agents side by side: slots, tasks, approvals and one event log.

#![forbid(unsafe_code)]

#[cfg(all(feature = "git", feature = "policy"))]
pub mod access;
pub mod adapters;
pub mod agents;
pub mod config;
#[cfg(feature = "contract")]
pub mod contract;
pub mod control;
pub mod headless;
#[cfg(all(feature = "git", feature = "policy"))]
pub mod hook;
pub mod ids;
pub mod model;
pub mod ports;
#[cfg(all(feature = "git", feature = "policy"))]
pub mod project;
pub mod reexec;
pub mod scheduler;
#[cfg(feature = "scripted")]
pub mod scripted;
pub mod store;
pub mod text;

mod error;
mod mission;

pub use error::{Error, ErrorKind, chain};
pub use ids::{
    AgentKind, ApprovalId, ConversationId, LeaseToken, MessageId, ParseIdError, Role, RunId, Seq, SlotId,
    TaskId,
};
pub use mission::{EventStream, Mission, MissionConfig, Ports};
pub use model::{
    AgentStatus, Approval, ApprovalStatus, Decision, DriverKind, Event, EventBody, Lease, Message, NewTask,
    Recipient, Risk, Slot, SlotConfig, Task, TaskResult, TaskStatus, ToolCall, Usage, Verdict,
    WorkspaceRecord,
};
