//! Tests of missiond-pty at its boundary.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod recordings;
mod replay;
mod session;
mod terminal;
mod turn;
