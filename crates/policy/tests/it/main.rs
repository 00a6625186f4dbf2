//! Tests of missiond-policy at its boundary.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod check;
mod commands;
mod dialects;
mod handle;
mod hooks;
mod install;
mod own_settings;
mod paths;
mod presets;
mod properties;
mod rules;
mod settings;
mod support;
mod tools;
