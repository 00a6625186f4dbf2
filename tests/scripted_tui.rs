//! The scripted agent in a terminal: as a program of its own, and as an agent of a mission.

#![allow(missing_docs, unreachable_pub, reason = "the modules are one program")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a failure is shown with what led to it")]

mod support;

#[path = "scripted_tui/hooks.rs"]
mod hooks;
#[path = "scripted_tui/mission.rs"]
mod mission;
#[path = "scripted_tui/place.rs"]
mod place;
#[path = "scripted_tui/terminal.rs"]
mod terminal;
#[path = "scripted_tui/turns.rs"]
mod turns;
