//! What can go wrong on the client's side.

use std::path::PathBuf;
use std::time::Duration;

use crate::control::lock::{Holder, LockError, describe};
use crate::control::message::{ErrorKind, ErrorReply};
use crate::control::paths::PathsError;
use crate::control::wire::{VersionMismatch, WireError};

/// A call that failed, or an owner that can't be spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The mission answered with an error.
    #[error(transparent)]
    Replied(ErrorReply),
    /// The mission did not let us in.
    #[error("the mission refused the connection to {}", .socket.display())]
    Refused {
        /// The socket.
        socket: PathBuf,
        /// What it said.
        #[source]
        reply: ErrorReply,
    },
    /// The mission speaks another protocol.
    #[error("this program and the mission don't fit together")]
    Version(#[source] Box<VersionMismatch>),
    /// The project has an owner, but nobody takes connections.
    #[error(
        "the project is owned by {}, but it doesn't answer on {}; if it doesn't recover, end that process",
        describe(.holder.as_deref()), .socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// The owner.
        holder: Option<Box<Holder>>,
    },
    /// The owner takes the connection and is silent.
    #[error("the mission gave no answer on {} within {} s; it hangs or is overloaded", .socket.display(), .after.as_secs_f32())]
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        after: Duration,
    },
    /// The project's owner ended.
    #[error("the mission of {} has ended; start one with `missiond up`", .root.display())]
    OwnerGone {
        /// The project.
        root: PathBuf,
    },
    /// The connection broke.
    #[error("the connection to the mission on {} broke", .socket.display())]
    Lost {
        /// The socket.
        socket: PathBuf,
        /// How.
        #[source]
        source: WireError,
    },
    /// The request can't be sent.
    #[error("the request can't be sent")]
    Request(#[source] WireError),
    /// The socket belongs to somebody else.
    #[error("{} is served by uid {uid}, which is neither us nor root; remove it", .socket.display())]
    Foreign {
        /// The socket.
        socket: PathBuf,
        /// Who serves it.
        uid: u32,
    },
    /// Something answered that makes no sense here.
    #[error("what answers on {} is no mission", .socket.display())]
    Unexpected {
        /// The socket.
        socket: PathBuf,
    },
    /// A stream of events was asked for as if it had one answer.
    #[error("events are a stream; use `Client::events`")]
    NotACall,
    /// A directory can't be used.
    #[error("the project's directories can't be used")]
    Paths(#[from] PathsError),
    /// The project's lock can't be read.
    #[error("whether the project has an owner can't be told")]
    Lock(#[from] LockError),
}

impl ClientError {
    /// What a caller may branch on.
    pub fn kind(&self) -> ClientErrorKind {
        match self {
            Self::Replied(reply) | Self::Refused { reply, .. } => ClientErrorKind::Reply(reply.kind),
            Self::Version(_) => ClientErrorKind::Version,
            Self::Unreachable { .. } | Self::TimedOut { .. } => ClientErrorKind::TimedOut,
            Self::OwnerGone { .. } | Self::Lost { .. } => ClientErrorKind::Lost,
            Self::Request(_) | Self::NotACall => ClientErrorKind::Reply(ErrorKind::Invalid),
            Self::Foreign { .. } | Self::Unexpected { .. } | Self::Paths(_) | Self::Lock(_) => {
                ClientErrorKind::Unusable
            }
        }
    }
}

/// What sort of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The mission said no, for this kind of reason.
    Reply(ErrorKind),
    /// The versions don't fit.
    Version,
    /// The owner hangs.
    TimedOut,
    /// The owner or the connection went away.
    Lost,
    /// Directories, lock or socket are not what they should be.
    Unusable,
}
