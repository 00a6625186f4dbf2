//! How an operation on a project fails.

use std::path::PathBuf;
use std::time::Duration;

use crate::control::{ClientError, ClientErrorKind, ErrorKind as ReplyKind, Response};
use crate::error::{Error, ErrorKind};

/// A failed operation on a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// This process belongs to an agent.
    #[error(
        "an agent may not look into or steer the mission that runs it ({evidence}); run this outside the agent's slot"
    )]
    InsideSlot {
        /// How it shows.
        evidence: String,
    },
    /// No mission runs, and without one it cannot be done.
    #[error("no mission is running, so {so}; start one with `missiond up`")]
    NotRunning {
        /// What follows.
        so: String,
    },
    /// A mission that was started in the background does not answer.
    #[error("the mission in the background did not answer within {} s; see {}", .after.as_secs(), .log.display())]
    NotAnswering {
        /// How long it had.
        after: Duration,
        /// What it prints goes there.
        log: PathBuf,
    },
    /// The owner said no or cannot be spoken to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operation itself failed.
    #[error(transparent)]
    Mission(#[from] Error),
}

impl AccessError {
    /// Whether it failed only because the mission that was spoken to has ended: another one may take its place.
    pub fn owner_is_gone(&self) -> bool {
        match self {
            Self::Client(error @ ClientError::Replied(_)) => {
                matches!(error.kind(), ClientErrorKind::Reply(ReplyKind::Unavailable))
            }
            Self::Client(error) => error.kind() == ClientErrorKind::Lost,
            _ => false,
        }
    }

    /// What sort of failure it was.
    pub fn kind(&self) -> AccessErrorKind {
        match self {
            Self::InsideSlot { .. } => AccessErrorKind::Denied,
            Self::NotRunning { .. } => AccessErrorKind::Core(ErrorKind::Missing),
            Self::NotAnswering { .. } => AccessErrorKind::TimedOut,
            Self::Mission(error) => AccessErrorKind::Core(error.kind()),
            Self::Client(error) => match error.kind() {
                ClientErrorKind::TimedOut => AccessErrorKind::TimedOut,
                ClientErrorKind::Reply(ReplyKind::Denied) => AccessErrorKind::Denied,
                ClientErrorKind::Reply(ReplyKind::NotFound) => AccessErrorKind::Core(ErrorKind::Missing),
                ClientErrorKind::Reply(ReplyKind::Conflict | ReplyKind::Final) => {
                    AccessErrorKind::Core(ErrorKind::Conflict)
                }
                ClientErrorKind::Reply(ReplyKind::Invalid) => AccessErrorKind::Core(ErrorKind::Invalid),
                _ => AccessErrorKind::Core(ErrorKind::Other),
            },
        }
    }
}

/// What sort of failure it was, for a caller that must branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessErrorKind {
    /// The caller may not do this.
    Denied,
    /// The owner gives no answer.
    TimedOut,
    /// As a mission's own operation fails.
    Core(ErrorKind),
}

pub(super) fn unexpected(response: &Response) -> AccessError {
    Error::Internal(format!("the mission gave an answer that does not belong to the question: {response:?}"))
        .into()
}
