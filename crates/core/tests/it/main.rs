//! Tests of the crate at its boundary.
#![allow(clippy::unwrap_used)]

mod control;
mod decode;
mod scheduler;
mod text;
