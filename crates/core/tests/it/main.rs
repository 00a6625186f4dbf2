//! Tests of the crate at its boundary.
#![allow(clippy::unwrap_used)]

mod access;
mod agents;
mod config;
mod contract;
mod control;
mod decode;
mod docs;
#[cfg(feature = "policy")]
mod gate_rules;
#[cfg(all(feature = "git", feature = "policy"))]
mod guard;
#[cfg(all(feature = "git", feature = "policy"))]
mod hook;
mod mission;
mod scheduler;
mod scripted;
#[cfg(all(feature = "git", feature = "policy"))]
mod session;
mod store;
mod text;
