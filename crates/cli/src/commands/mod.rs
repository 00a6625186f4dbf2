//! The commands, one file a group.

pub(crate) mod agent;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod events;
pub(crate) mod hook;
pub(crate) mod merge;
pub(crate) mod messages;
pub(crate) mod policy;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod task;
pub(crate) mod up;
pub(crate) mod worktree;

mod board;
mod options;
mod watch;
