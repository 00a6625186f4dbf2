//! The words of the trade as types: tasks, slots, tool calls, approvals, events, messages.

mod agent;
mod event;
mod message;
mod task;
mod tool;

pub use agent::{AgentStatus, DriverKind, Slot, SlotConfig, Usage};
pub use event::{Event, EventBody, MAX_EVENT_TEXT_BYTES, event_text};
pub use message::{Message, Recipient};
pub use task::{Cause, Lease, NewTask, Task, TaskResult, TaskStatus, WorkspaceRecord};
pub use tool::{Approval, ApprovalStatus, Decision, Risk, ToolCall, Verdict};
