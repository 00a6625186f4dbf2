//! Tests of missiond-process at its boundary, with real programs: `sh`, `sleep`, `setsid`, `env`.
#![allow(clippy::unwrap_used)]

mod helper;
mod kill;
mod parent_death;
mod run;
mod spawn;
mod streams;
mod stress;
mod support;
mod text;
mod tree;
