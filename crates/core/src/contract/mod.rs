//! What every implementation of a port has to pass.
//!
//! A suite is an async function that makes its own instances, uses them as a caller would, and panics with the name of the
//! guarantee that is broken. It is for tests, yours as well as ours.

pub mod store;
