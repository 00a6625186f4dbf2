//! The hook protocols of coding agents: events in, answers out.
//!
//! A hook that fails must not let a call through, and must not hold an agent up either. So an event that *gates*
//! something (a tool call, a permission, a prompt) is blocked by every failure of ours (exit code 2, the only code
//! that blocks), while an event that only *reports* never is (on `Stop`, exit code 2 would tell the agent to go on
//! for ever).
//!
//! [`Dialect`] knows the agents: what each calls its events, and what it makes of an answer.

mod answer;
mod dialect;
mod effect;
mod event;
pub mod lint;
mod name;
mod nesting;
mod run;
mod settings;

pub use answer::Answer;
pub use dialect::Dialect;
pub use effect::{Effect, Ending};
pub use event::{HookBody, HookEvent, MAX_EVENT_BYTES, MAX_EVENT_DEPTH, ToolUse};
pub use name::EventName;
pub use run::{HookError, HookLimits, Outcome, read_event, run};
pub use settings::{
    Entry, MAX_SETTINGS_BYTES, SettingsError, SettingsFormat, claude_settings, install, is_ours, shell_words,
    uninstall,
};

pub use crate::tool::knows_tool;
