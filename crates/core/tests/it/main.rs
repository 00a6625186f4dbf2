//! Tests of the crate at its boundary.
#![allow(clippy::unwrap_used)]

mod config;
mod control;
mod decode;
mod scheduler;
mod store;
mod text;
