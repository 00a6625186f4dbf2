//! The testkit held against the things it stands for: real clients, the kernel, git, and Claude Code itself.
//!
//! The `claude_*` modules also write down how Claude Code 2.1.197 behaves where the product relies on it. Each
//! statement there is checked against the real program, so a newer version that behaves otherwise shows up here.
#![allow(clippy::unwrap_used)]

mod claude_calls;
mod claude_hooks;
mod claude_limits;
mod claude_turns;
mod http;
mod live;
mod model;
mod netns;
mod processes;
mod repo;
