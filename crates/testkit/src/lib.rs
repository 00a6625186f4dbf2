//! Test support for missiond: a fake model server, git fixtures and a live-agent harness.
//!
//! Nothing here knows a missiond crate, so every crate can use it, and a test that passes here says something
//! about the agent and not about us. What it offers:
//!
//! - [`model`]: a server on loopback that speaks the Anthropic Messages API and plays a script of turns.
//! - [`claude`]: the pinned Claude Code, a scratch home for it, and a headless run with deadlines.
//! - [`netns`]: a network namespace with nothing but loopback, so that no test can reach further.
//! - [`repo`]: scratch git repositories that ignore the machine's git configuration.
//! - [`processes`]: waiting with a deadline, and finding processes by a mark in their environment.
//!
//! The crate is not published and works on Linux only.

#![forbid(unsafe_code)]

pub mod claude;
pub mod model;
pub mod netns;
pub mod processes;
pub mod repo;
