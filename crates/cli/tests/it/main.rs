//! The `missiond` command by its outcome: what it prints, its exit codes, and what it leaves behind.
//!
//! Every test has a home, a PATH with git alone and a runtime directory of its own, so that nothing of the machine and of
//! the person who runs the tests has a say.

#![allow(clippy::unwrap_used)]

mod approvals;
mod audit;
mod authority;
mod config;
mod demo;
mod disk;
mod doctor;
mod hook;
mod hook_settings;
mod output;
mod policy;
mod reference;
mod replay;
mod run;
mod support;
mod task;
mod terminal;
mod up;
mod work;
