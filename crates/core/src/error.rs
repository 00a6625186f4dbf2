//! The error of a mission's operations.

use crate::agents::ProfileError;
use crate::config::ConfigError;
use crate::control::{BindError, LockError, PathsError};
use crate::ids::{AgentKind, SlotId};
use crate::ports::{StoreError, StoreErrorKind, WorkspacesError, WorkspacesErrorKind};

/// A failed operation of a [`Mission`](crate::Mission).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// An agent's data file cannot be used.
    #[error("the agent files cannot be used")]
    Profile(#[from] ProfileError),
    /// The policy cannot be used, and without one no agent is started.
    #[error("the policy cannot be used: {0}")]
    Policy(String),
    /// Another process owns the project.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directories of ours cannot be used.
    #[error(transparent)]
    Paths(#[from] PathsError),
    /// A socket cannot be made.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository refused or failed.
    #[error(transparent)]
    Workspaces(#[from] WorkspacesError),
    /// No agent is installed and none is configured.
    #[error("no coding agent was found on PATH; {install}; or use `--agent scripted`, which plays scripts")]
    NoAgent {
        /// How to get one.
        install: String,
    },
    /// There is no such kind of agent.
    #[error(
        "there is no agent kind `{kind}`; the kinds are {known}, and a file .missiond/agents/{kind}.toml adds it"
    )]
    UnknownAgent {
        /// The kind.
        kind: AgentKind,
        /// Those that there are.
        known: String,
    },
    /// No slot could ever take the task.
    #[error("{0}")]
    Unservable(String),
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// A slot's arguments would take its agent past the policy.
    #[error(
        "slot `{slot}` has the argument `{arg}`, which would take its agent past our hooks or settings; take it out of \
         `args` (what may run is a matter of .missiond/policy.toml)"
    )]
    Forbidden {
        /// The slot.
        slot: SlotId,
        /// The argument.
        arg: String,
    },
    /// The tool calls of a slot's agent could not be judged, and without that no agent is started.
    #[error("no agent can be started in slot `{slot}`, since its tool calls could not be judged: {reason}")]
    Ungated {
        /// The slot.
        slot: SlotId,
        /// Why, and what to do.
        reason: String,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for cannot be had as things stand.
    #[error("{0}")]
    Unready(String),
    /// The mission is being shut down.
    #[error("the mission is shutting down")]
    Closed,
    /// Something of ours broke.
    #[error("{0}")]
    Internal(String),
}

/// What sort of failure it was, for a caller that must branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration, the policy or a data file is wrong.
    Configuration,
    /// A task, slot, approval, branch, repository, program or agent is not there.
    Missing,
    /// Somebody else holds what was asked for, or it is final.
    Conflict,
    /// What was asked for makes no sense.
    Invalid,
    /// Anything else.
    Other,
}

impl Error {
    /// What sort of failure it was.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_)
            | Self::Profile(_)
            | Self::Policy(_)
            | Self::Forbidden { .. }
            | Self::Ungated { .. } => ErrorKind::Configuration,
            Self::NoAgent { .. } | Self::UnknownAgent { .. } | Self::Unservable(_) | Self::Missing(_) => {
                ErrorKind::Missing
            }
            Self::Lock(_) | Self::Unready(_) => ErrorKind::Conflict,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Store(error) => match error.kind {
                StoreErrorKind::NotFound => ErrorKind::Missing,
                StoreErrorKind::Conflict | StoreErrorKind::Stale | StoreErrorKind::Final => {
                    ErrorKind::Conflict
                }
                StoreErrorKind::Invalid => ErrorKind::Invalid,
                _ => ErrorKind::Other,
            },
            Self::Workspaces(error) => match error.kind {
                WorkspacesErrorKind::NotFound
                | WorkspacesErrorKind::NotARepository
                | WorkspacesErrorKind::ProgramMissing => ErrorKind::Missing,
                WorkspacesErrorKind::Taken | WorkspacesErrorKind::Busy => ErrorKind::Conflict,
                WorkspacesErrorKind::Other => ErrorKind::Other,
            },
            Self::Paths(_) | Self::Bind(_) | Self::Closed | Self::Internal(_) => ErrorKind::Other,
        }
    }
}

/// An error with everything beneath it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let next = error.to_string();
        // A transparent layer repeats what stands above it.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        below = error.source();
    }
    text
}
