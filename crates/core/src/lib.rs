//! Run many coding agents side by side: slots, tasks, approvals and one event log.
//!
//! A [`Mission`] owns one project. It keeps a queue of [`Task`]s and gives them to [`Slot`]s; each attempt gets a
//! workspace (a git worktree with a branch), an agent's process, and a gate that judges every tool call before it runs. A
//! verdict of *ask* becomes an [`Approval`] that waits for a person. All that happens is in one ordered log of [`Event`]s,
//! and the state that it describes is in the same database transaction.
//!
#![cfg_attr(all(feature = "git", feature = "policy", feature = "scripted"), doc = "```standalone_crate")]
#![cfg_attr(not(all(feature = "git", feature = "policy", feature = "scripted")), doc = "```text")]
//! use std::process::ExitCode;
//!
//! use missiond_core::project::{Project, ProjectOptions};
//! use missiond_core::{DriverKind, Mission, NewTask, TaskStatus};
//!
//! # type Failure = Box<dyn std::error::Error>;
//! fn main() -> Result<ExitCode, Failure> {
//!     // Agents ask before each tool call by starting this very program again; this is where that call ends up.
//!     if let Some(code) = missiond_core::reexec::dispatch() {
//!         return Ok(code);
//!     }
//! #   let scratch = tempfile::tempdir()?;
//! #   let directory = scratch.path().join("project");
//! #   let begin = "git init -q -b main project && cd project && git config user.name a && git config user.email a@b
//! #       git commit -q --allow-empty -m start";
//! #   assert!(std::process::Command::new("sh").args(["-c", begin]).current_dir(&scratch).status()?.success());
//!     // `directory` is any directory of a git repository.
//!     tokio::runtime::Runtime::new()?.block_on(async {
//!         let project = Project::discover(&directory, &ProjectOptions::default())?;
//!         let mut config = project.mission_config()?;
//!         // The scripted agent needs no account; with Claude Code installed, this can be "claude".
//!         config.slots = config.slots_for(&"scripted".parse()?, DriverKind::Headless)?;
//!
//!         let mission = Mission::open(config).await?;
//!         let id = mission.submit(NewTask::new("write down what you were asked")).await?;
//!         let task = mission.wait(id).await?;
//!         assert_eq!(task.status, TaskStatus::Done);
//!         assert_eq!(task.result.expect("a finished task has one").changed_files, ["SCRIPTED.md"]);
//!         mission.shutdown("the example is over").await?;
//!         Ok::<(), Failure>(())
//!     })?;
//!     Ok(ExitCode::SUCCESS)
//! }
//! ```
//!
//! # Where to look
//!
//! - [`Mission`] and [`MissionConfig`]: what an embedder needs. [`EventStream`] follows the log.
//! - [`ports`]: what a mission needs from outside, a trait each. Every one can be replaced; [`adapters`] has ours.
#![cfg_attr(
    all(feature = "git", feature = "policy"),
    doc = "- [`project`]: a repository with its configuration; [`access`]: one way to it, whoever owns it."
)]
//! - [`config`] and [`agents`]: keys, layers and the data files of agent kinds.
//! - [`scheduler`]: which task goes where, as a pure function. [`headless`]: one process a turn.
//! - [`control`]: the owner's lock, the sockets, and who may use them.
//!
//! # What holds
//!
//! - An agent starts in its own asking mode, with a hook that asks the gate. What fails on the way (the hook, the judge,
//!   the record, the answer in time) is a no. A call that ran all the same, because the agent did not run its hook, is
//!   found in its output and ends the turn as `policy bypassed`: found, not prevented.
//! - A task has one live attempt, fenced by a [`LeaseToken`], and never leaves a final status.
//! - Submission, final status, and questions and their answers are synced to the disk before they are acknowledged. The
//!   rest survives `kill -9`; a power loss may take the newest of it.
//! - When an attempt is over no process of it is left and its work is committed, or kept under a ref.
//!
//! # The design, and its cost
//!
//! State and history are one: each change and its events are a single transaction, in one order, made by one writer.
//! Whoever watches, schedules or comes back after a crash reads the same log from the number that it had, and nothing has
//! to be told twice. The cost is that every observable step is a row in SQLite and a hop to the writer's thread and back,
//! and that a project has exactly one owning process; the others speak to it over its socket.
//!
//! Agents ask through a hook program, and that is the embedding program itself, started again: nothing has to be
//! installed beside it. The cost is the call of [`reexec::dispatch`] that has to come first in `main`.
//!
//! # What it is not
//!
//! It is no sandbox. The one [`Containment`](ports::Containment) so far is none: an agent has the rights of the user who
//! started it, and a build script that it wrote has them too. The gate stops mistakes and injected prompts. It is no
//! distributed system: a project has one owner on one machine. It calls no model and no forge by itself.
//!
//! # Features
//!
//! | Feature | Default | What it brings |
//! |---|---|---|
//! | `git` | yes | workspaces as git worktrees, by missiond-git |
//! | `policy` | yes | the gate that judges by policy files, by missiond-policy |
//! | `pty` | yes | the driver that runs an agent's own terminal program, by missiond-pty |
//! | `scripted` | yes | the scripted agent, a child process that plays a script: for demos, tests and load |
//! | `contract` | no | the suites that every implementation of a port has to pass |
//!
//! The modules `project`, `access` and `hook` need `git` and `policy`. Without any feature there remain the mission,
//! the ports, the SQLite store, the sockets and the headless driver.
//!
//! Linux only.

#![forbid(unsafe_code)]

#[cfg(all(feature = "git", feature = "policy"))]
pub mod access;
pub mod adapters;
pub mod agents;
pub mod config;
#[cfg(feature = "contract")]
pub mod contract;
pub mod control;
pub mod find;
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
mod files;
mod mission;

pub use error::{Error, ErrorKind, chain};
pub use ids::{
    AgentKind, ApprovalId, ConversationId, LeaseToken, MessageId, ParseIdError, Role, RunId, Seq, SlotId,
    TaskId,
};
/// The moment of an event, of jiff 0.2; a change of its major version is one of this crate's.
pub use jiff::Timestamp;
pub use mission::{EventStream, Mission, MissionConfig, Ports};
pub use model::{
    AgentStatus, Approval, ApprovalStatus, Cause, Decision, DriverKind, Event, EventBody, Lease, Message,
    NewTask, Recipient, Risk, Slot, SlotConfig, Task, TaskResult, TaskStatus, ToolCall, Usage, Verdict,
    WorkspaceRecord,
};

#[cfg(all(doctest, feature = "git", feature = "policy"))]
#[doc = include_str!("../README.md")]
struct Readme;
