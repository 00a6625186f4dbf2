//! One owner a project, and how everybody else speaks to it.
//!
//! The process that runs a project's mission holds the [`OwnerLock`]. Others reach it over Unix sockets in a private
//! directory ([`ProjectPaths`]), with length-prefixed JSON ([`wire`]) after a handshake of versions:
//!
//! * **control**, one a project, is for people and their programs: [`ControlServer`] and [`Client`] with [`Request`] and
//!   [`Response`]. It refuses every process that descends from a slot: an agent has the person's user id and must not
//!   approve its own calls, cancel, or change configuration.
//! * **gate**, one a slot, is for the agent in that slot and its hooks: [`GateServer`] and [`gate::ask`]. It can submit a
//!   tool call and wait for the verdict, report an event, and send a message, and nothing else.
//!
//! # What this does not stop
//!
//! The [`authority`] rules tell processes apart by who started them. They stop mistakes and injected prompts. They do
//! not stop a determined attacker who runs under the same user id, without containment: such a program can trace other
//! processes of the user, type into the person's terminal, kill the guardian that marks it and then hide, or write to the
//! database. Whoever has to expect that contains the agent.
//!
//! Linux only: the rules stand on peer credentials, child subreapers and `/proc`.

pub mod authority;
pub mod gate;
pub mod message;
pub mod wire;

mod client;
mod lock;
mod paths;
mod private;
mod runtime;
mod server;

pub use authority::{Authority, Caller, Refusal, SessionGuard, Sessions, inside_slot};
pub use client::{Client, ClientError, ClientErrorKind, ClientOptions, EventStream};
pub use lock::{Holder, LockError, OwnerLock, Ownership};
pub use message::{
    ErrorKind, ErrorReply, Explanation, GateRequest, GateResponse, MissionStatus, Request, Response,
    TaskCounts, TaskQuery,
};
pub use paths::{PathsError, ProjectPaths};
pub use server::{BindError, ControlHandler, ControlServer, GateHandler, GateServer, ServerOptions};
