//! Tests of missiond-policy at its boundary.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod audit;
mod check;
mod commands;
mod handle;
mod hooks;
mod paths;
mod presets;
mod properties;
mod rules;
mod settings;
mod support;
mod tools;
