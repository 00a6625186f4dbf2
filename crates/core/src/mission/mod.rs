//! The one handle that an embedder needs.

pub(crate) mod admission;
mod attempt;
mod audit;
mod config;
mod gate;
mod handle;
mod listing;
mod names;
mod panics;
mod recover;
mod refusals;
mod serve;
mod shared;
mod sink;
mod supervise;
mod verdicts;
mod workspace;

pub use config::{MissionConfig, Ports};
pub use handle::{EventStream, Mission};
