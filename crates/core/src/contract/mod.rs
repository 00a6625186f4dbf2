//! What every implementation of a port has to pass.
//!
//! A suite is an async function that uses an implementation as a caller would, and panics with the name of the guarantee
//! that is broken. It is for tests, yours as well as ours; it needs a tokio runtime with time and IO enabled.

pub mod audit;
pub mod clock;
pub mod containment;
pub mod driver;
pub mod gate;
pub mod store;
pub mod workspaces;

mod patience;
