//! The owner's side of the sockets.

mod acceptor;
mod connection;
mod control;
mod events;
mod gate;
mod socket;

use std::path::PathBuf;
use std::time::Duration;

pub use control::{ControlHandler, ControlServer};
pub use gate::{GateHandler, GateServer};

use crate::control::authority::Refusal;

/// The bounds of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// How many connections there may be at a time; one more is told that there is no room.
    pub max_connections: usize,
    /// How long the caller may take for its half of the handshake.
    pub handshake: Duration,
    /// How long one frame may take to come in whole, from its first byte.
    pub read: Duration,
    /// How long the caller may take to make room for a frame. An event stream that is cut for this can be resumed.
    pub write: Duration,
    /// How long a connection may lie unused.
    pub idle: Duration,
    /// How long the handler may take, unless the call is open-ended.
    pub call: Duration,
    /// How often a waiting caller is told that the server is alive.
    pub alive: Duration,
    /// How long calls may still take when the server is shut down.
    pub grace: Duration,
}

impl Default for ServerOptions {
    /// 256 connections; handshake 5 s, read and write 10 s, idle 10 min, call 2 min, alive 5 s, grace 5 s.
    fn default() -> Self {
        Self {
            max_connections: 256,
            handshake: Duration::from_secs(5),
            read: Duration::from_secs(10),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            call: Duration::from_secs(120),
            alive: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        }
    }
}

/// A socket that could not be opened for callers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There is no tokio runtime with IO here.
    #[error("the server of {} must be made within a tokio runtime", .path.display())]
    NoRuntime {
        /// The socket.
        path: PathBuf,
    },
    /// Somebody answers on the socket although we hold the project's lock.
    #[error(
        "another process answers on {} although it does not hold the project's lock; end it \
         (`lsof {}` names it) and try again",
        .path.display(), .path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket stands in its place.
    #[error("{} is no socket; remove it", .path.display())]
    NotASocket {
        /// It.
        path: PathBuf,
    },
    /// The directory is no longer private.
    #[error("the directory of the sockets can't be used")]
    Paths(#[from] crate::control::PathsError),
    /// We can't tell callers apart.
    #[error("callers could not be told apart")]
    Authority(#[from] Refusal),
    /// The system said no.
    #[error("can't listen on {}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}
