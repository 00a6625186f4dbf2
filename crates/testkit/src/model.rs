//! A model server on loopback that plays a script.
//!
//! It speaks the part of the Anthropic Messages API that coding agents use: `POST /v1/messages` with and without
//! server-sent events, `count_tokens`, and the probes agents make when they start. The server has its own thread
//! and runtime, so blocking and asynchronous tests use it alike. The thread is made by the thread that calls
//! [`ModelServer::start`] and so listens in that thread's network namespace (see [`crate::netns`]).
//!
//! ```
//! use missiond_testkit::model::{ModelServer, Script, Turn};
//!
//! # fn main() -> anyhow::Result<()> {
//! let script = Script::new().turn(Turn::text("Hello.")).turn(Turn::error(529));
//! let server = ModelServer::start(script)?;
//! assert!(server.base_url().starts_with("http://127.0.0.1:"));
//! # Ok(())
//! # }
//! ```
//!
//! Whatever a test has to wait for can be awaited: a request ([`ModelServer::wait_for_request`]) or a turn that
//! has come to a gate ([`ModelServer::wait_at_gate`]) and goes on when the test says so ([`ModelServer::release`]).

mod answer;
mod director;
mod record;
mod routes;
mod script;
mod server;
mod signal;

pub use record::{Outcome, RecordedRequest, RequestKind, ToolResult};
pub use script::{Reply, Script, Step, Turn};
pub use server::ModelServer;
