//! The one handle that an embedder needs.

mod attempt;
mod config;
mod gate;
mod handle;
mod recover;
mod serve;
mod shared;
mod sink;
mod supervise;

pub use config::{MissionConfig, Ports};
pub use handle::{EventStream, Mission};
