//! Tests of missiond-pty at its boundary.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::single_range_in_vec_init)]

mod cast;
mod detect;
mod profiles;
mod recordings;
mod replay;
mod session;
mod terminal;
mod turn;
