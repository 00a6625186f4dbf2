//! What core needs from outside, as traits that an embedder may implement.
//!
//! Every port is object-safe, `Send + Sync + Debug`, and its futures are `Send`. The feature `contract` brings a suite of
//! tests for each, which every implementation can run.

mod audit;
mod clock;
mod containment;
mod driver;
mod gate;
mod store;
mod workspaces;

use std::future::Future;
use std::pin::Pin;

pub use audit::{Audit, AuditEntry, AuditError, Decider};
pub use clock::{Clock, SystemClock};
pub use containment::{Contained, Containment, ContainmentError, NoContainment};
pub use driver::{
    Agent, AgentStart, Driver, DriverError, TurnClock, TurnControl, TurnError, TurnEvent, TurnOutcome,
    TurnSink,
};
pub use gate::{Gate, GateError, Seat};
pub use store::{
    Applied, ApprovalFilter, Change, Finish, PageStart, Store, StoreError, StoreErrorKind, TaskFilter,
    TaskPage, Vacated,
};
pub use workspaces::{
    Committed, MergeOutcome, Retired, WorkspaceRequest, Workspaces, WorkspacesError, WorkspacesErrorKind,
};

/// A boxed future that can move between threads: what the methods of a port return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
