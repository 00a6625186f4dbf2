//! The port to the judge of tool calls.

use std::fmt::Debug;
use std::path::PathBuf;

use crate::ids::{AgentKind, Role, SlotId, TaskId};
use crate::model::{ToolCall, Verdict};
use crate::ports::BoxFuture;

/// Judges a tool call before it runs.
///
/// An implementor answers within seconds and gives the same verdict for the same call, seat and state of the file
/// system. It does not ask anybody: `ask` is an answer, and core turns it into an [`Approval`](crate::Approval). A
/// caller treats an error, a panic and a missing answer as `deny`.
pub trait Gate: Debug + Send + Sync {
    /// Judges one call.
    ///
    /// # Errors
    ///
    /// When the call cannot be judged; the caller then denies it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect besides.
    fn judge<'a>(&'a self, call: &'a ToolCall, seat: &'a Seat) -> BoxFuture<'a, Result<Verdict, GateError>>;
}

/// Who makes the call, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seat {
    /// The slot.
    pub slot: SlotId,
    /// Its role.
    pub role: Role,
    /// What sits in it.
    pub agent: AgentKind,
    /// Whose turn it is.
    pub task: TaskId,
    /// The directory where the agent works, absolute.
    pub workspace: PathBuf,
    /// The project root, absolute.
    pub project: PathBuf,
    /// Whether somebody can be asked; if not, `ask` has to be `deny`.
    pub can_ask: bool,
}

impl Seat {
    /// A seat of its parts, where somebody can be asked.
    pub fn new(
        slot: SlotId,
        role: Role,
        agent: AgentKind,
        task: TaskId,
        workspace: PathBuf,
        project: PathBuf,
    ) -> Self {
        Self { slot, role, agent, task, workspace, project, can_ask: true }
    }
}

/// A call that could not be judged.
#[derive(Debug, thiserror::Error)]
#[error("the tool call could not be judged: {0}")]
pub struct GateError(pub String);
