//! The port to the record of verdicts that shows when it was changed.

use std::fmt::Debug;

use jiff::Timestamp;

use crate::ids::{AgentKind, ApprovalId, SlotId, TaskId};
use crate::model::{ToolCall, Verdict};
use crate::ports::BoxFuture;

/// Puts verdicts on record before they are told to an agent.
///
/// When an implementor answers `Ok`, the record outlives every process. It takes the secrets out of what it keeps, bounds it,
/// and answers within seconds. A caller treats an error, a panic and a missing answer as `deny`: nothing runs unaudited.
pub trait Audit: Debug + Send + Sync {
    /// Puts one verdict on record.
    ///
    /// # Errors
    ///
    /// When it isn't on record.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the verdict may or may not be on record.
    fn record<'a>(&'a self, entry: &'a AuditEntry) -> BoxFuture<'a, Result<(), AuditError>>;
}

/// A verdict on a call, as it is going to be told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When it was decided.
    pub at: Timestamp,
    /// The call.
    pub call: ToolCall,
    /// The verdict.
    pub verdict: Verdict,
    /// Who decided.
    pub by: Decider,
    /// The agent's conversation, where it is known.
    pub session: Option<String>,
    /// The slot that the agent sits in.
    pub slot: Option<SlotId>,
    /// The task that it works on.
    pub task: Option<TaskId>,
    /// The kind of agent.
    pub agent: Option<AgentKind>,
}

impl AuditEntry {
    /// An entry of which nothing is known of the agent.
    pub fn new(at: Timestamp, call: ToolCall, verdict: Verdict, by: Decider) -> Self {
        Self { at, call, verdict, by, session: None, slot: None, task: None, agent: None }
    }
}

/// Who decided on a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decider {
    /// The policy.
    Policy,
    /// A person who was asked.
    Person {
        /// The question.
        approval: ApprovalId,
        /// Who it was, as far as it is known.
        who: Option<String>,
        /// What they said to the agent.
        note: Option<String>,
    },
    /// Nobody answered, or could have, which is a no.
    Nobody {
        /// The question, if there was one.
        approval: Option<ApprovalId>,
    },
    /// A limit of size, number or time.
    Limit,
    /// Something that failed, which is a no.
    Failure,
}

/// A verdict that is not on record.
#[derive(Debug, thiserror::Error)]
#[error("the verdict could not be put into the audit log, and without that nothing may run: {0}")]
pub struct AuditError(pub String);
