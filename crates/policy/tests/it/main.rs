//! Tests of missiond-policy at its boundary.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod check;
mod commands;
#[cfg(target_os = "linux")]
mod differential;
mod handle;
mod hooks;
mod paths;
mod presets;
mod properties;
mod rules;
mod settings;
mod support;
mod tables;
mod tools;
