//! What is coloured how. Colours only repeat what a word says.

use clap::builder::styling::{AnsiColor, Style};
use missiond_core::{AgentStatus, TaskStatus};

pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

pub(crate) fn status_style(status: TaskStatus) -> Style {
    match status {
        TaskStatus::Queued => FAINT,
        TaskStatus::Running => CYAN,
        TaskStatus::Done => GREEN,
        TaskStatus::Failed => RED,
        TaskStatus::Cancelled => YELLOW,
    }
}

pub(crate) fn agent_style(status: AgentStatus) -> Style {
    match status {
        AgentStatus::Error => RED,
        AgentStatus::Confirming => YELLOW,
        AgentStatus::Stopped | AgentStatus::Exited => FAINT,
        _ => CYAN,
    }
}
