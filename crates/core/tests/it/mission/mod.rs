//! Missions on real repositories with real processes.

mod actor;
mod audit;
mod bounds;
mod disk;
mod ends;
mod faulty;
mod gate;
mod lease;
mod log;
mod many;
mod program;
mod pty;
mod queue;
mod shared;
mod support;
mod turn;
mod work;

pub(crate) use support::{scripted_agent, shell_agent};
