//! Tests of missiond-policy at its boundary.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod arguments;
mod audit;
mod check;
mod commands;
mod conditions;
mod contents;
mod dialects;
#[cfg(target_os = "linux")]
mod differential;
mod examples;
mod handle;
mod hooks;
mod import;
mod install;
mod moves;
mod own_settings;
mod paths;
mod presets;
mod properties;
mod rules;
mod settings;
mod support;
mod tables;
mod tools;
