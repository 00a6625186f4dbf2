//! Live progress on a terminal; nothing at all in a pipe.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use missiond_core::{AgentStatus, Event, EventBody, TaskId};

use crate::output::{event_what, head};

const TICK: Duration = Duration::from_millis(100);

/// A line for each task, drawn on standard error if that is a terminal.
#[derive(Debug)]
pub(crate) struct Board {
    lines: MultiProgress,
    bars: HashMap<TaskId, ProgressBar>,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self { lines: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), bars: HashMap::new() }
    }

    /// Adds a task, under a name that must be escaped.
    pub(crate) fn add(&mut self, task: TaskId, name: String) {
        if self.lines.is_hidden() {
            return;
        }
        let bar = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        bar.set_message("queued");
        bar.enable_steady_tick(TICK);
        self.bars.insert(task, bar);
    }

    /// Shows what has happened.
    pub(crate) fn observe(&self, event: &Event) {
        let Some(bar) = event.task.and_then(|task| self.bars.get(&task)) else { return };
        let message = match &event.body {
            EventBody::TaskLeased { .. } => "starting".to_owned(),
            EventBody::AgentStatus { status: AgentStatus::Confirming, .. } => {
                "waits for an answer".to_owned()
            }
            EventBody::AgentStatus { status, .. } => status.as_str().replace('_', " "),
            EventBody::ToolCalled { .. } | EventBody::ToolJudged { .. } => event_what(&event.body),
            EventBody::AgentText { text } => head(text),
            EventBody::ApprovalOpened { approval, .. } => {
                format!("waits for `missiond approve {}`", approval.short())
            }
            EventBody::WorkCommitted { .. } => "committed".to_owned(),
            EventBody::TaskRequeued { .. } => "queued again".to_owned(),
            EventBody::TaskFinished { .. } => {
                bar.finish_and_clear();
                return;
            }
            _ => return,
        };
        bar.set_message(message);
    }

    /// Runs something that prints, with the lines out of the way.
    pub(crate) fn aside<R>(&self, print: impl FnOnce() -> R) -> R {
        self.lines.suspend(print)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}
