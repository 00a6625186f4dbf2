//! The real Claude Code in a scratch home, against a server on loopback.

mod headless;
mod home;
mod program;

pub use headless::{Headless, HeadlessRun, RunningHeadless};
pub use home::ClaudeHome;
pub use program::{VERSION, find, install_command};
