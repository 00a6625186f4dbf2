//! Telling what happens, as it happens.

use std::collections::HashMap;

use clap::builder::styling::Style;
use missiond_core::access::{Access, Session};
use missiond_core::adapters::GitWorkspaces;
use missiond_core::ports::{MergeOutcome, Workspaces as _};
use missiond_core::text::escape_line;
use missiond_core::{Decision, Error, Event, EventBody, Seq, Task, TaskId, TaskStatus};

use crate::commands::board::Board;
use crate::commands::watch::question;
use crate::output::{
    Cell, FAINT, GREEN, RED, STRONG, Table, YELLOW, count, cut, event_what, line, status_style,
    terminal_width,
};

/// How wide the two words before the text are, and the least room that a remark behind it is worth.
const LABELS: usize = 20;
const LEAST_ASIDE: usize = 16;

/// Who is who.
#[derive(Debug, Default)]
pub(super) struct Story {
    names: HashMap<TaskId, String>,
}

impl Story {
    pub(super) fn name(&mut self, task: TaskId, name: &str) {
        self.names.insert(task, name.to_owned());
    }

    /// Tells an event, if it is one that a person would want to hear of, and answers a question.
    pub(super) async fn tell(&self, board: &Board, event: &Event, session: &Session) -> anyhow::Result<()> {
        let name = event.task.and_then(|task| self.names.get(&task)).map_or("", String::as_str);
        let say = |style: Style, word: &str, text: &str, aside: &str| {
            let text = told(style, word, name, text, aside);
            board.aside(|| line(text))
        };
        match &event.body {
            EventBody::ToolJudged { tool, argument, decision: Decision::Deny, reason, .. } => {
                let call = format!("{} `{}`", escape_line(tool), escape_line(argument));
                say(RED, "denied", &call, &escape_line(reason))
            }
            EventBody::ApprovalOpened { approval, .. } => {
                let Some(asked) = question(session, *approval).await? else { return Ok(()) };
                let call =
                    format!("{} `{}`", escape_line(&asked.call.tool), escape_line(&asked.call.argument()));
                let why =
                    format!("{} risk: {}", asked.verdict.risk.as_str(), escape_line(&asked.verdict.reason));
                say(YELLOW, "asked", &call, &why)?;
                let note = "the demo answers in your place".to_owned();
                session.access().settle(asked.id, true, Some(note)).await?;
                say(GREEN, "approved", &call, "by the demo, in your place")
            }
            EventBody::WorkCommitted { branch, commit, files } => {
                let commit = escape_line(commit.get(..12).unwrap_or(commit));
                let files = count(u64::from(*files), "file");
                say(Style::new(), "committed", &format!("{commit} on {}, {files}", escape_line(branch)), "")
            }
            EventBody::TaskFinished { status, reason } => {
                let reason = reason.as_deref().map(escape_line).unwrap_or_default();
                say(status_style(*status), status.as_str(), &reason, "")
            }
            EventBody::Warning { text } => say(YELLOW, "warning", &escape_line(text), ""),
            _ => Ok(()),
        }
    }

    /// The whole log, once everything is over.
    pub(super) async fn read_log(access: &Access) -> anyhow::Result<Vec<Event>> {
        let mut events = access.events(Seq(0), false).await?;
        let mut log = Vec::new();
        while let Some(event) = events.next().await? {
            log.push(event);
        }
        Ok(log)
    }
}

/// Merges one task's branch and says what became of it; whether it went in.
pub(super) async fn merge_one(workspaces: &GitWorkspaces, task: &Task) -> anyhow::Result<bool> {
    let name = escape_line(task.request.issue.as_deref().unwrap_or_default());
    let say = |style: Style, word: &str, text: &str| line(told(style, word, &name, text, ""));
    let (Some(workspace), TaskStatus::Done) = (&task.workspace, task.status) else {
        say(YELLOW, "unmerged", &format!("the task is {}", task.status))?;
        return Ok(false);
    };
    let branch = escape_line(&workspace.branch);
    let message = format!("Merge {}\n", workspace.branch);
    match workspaces.merge(&workspace.branch, &message).await.map_err(Error::from)? {
        MergeOutcome::Merged { into, commit } => {
            let commit = escape_line(commit.get(..12).unwrap_or(&commit));
            say(GREEN, "merged", &format!("{branch} into {} at {commit}", escape_line(&into)))?;
            Ok(true)
        }
        other => {
            say(RED, "unmerged", &escape_line(&format!("{branch}: {other:?}")))?;
            Ok(false)
        }
    }
}

/// One line of the story, as wide as the terminal.
fn told(style: Style, word: &str, name: &str, text: &str, aside: &str) -> String {
    let room = terminal_width().map(|width| width.saturating_sub(LABELS));
    let text = room.map_or_else(|| text.to_owned(), |room| cut(text, room));
    let left = room.map(|room| room.saturating_sub(text.chars().count() + 2));
    let aside = match left {
        Some(left) if left < LEAST_ASIDE => String::new(),
        Some(left) => cut(aside, left),
        None => aside.to_owned(),
    };
    let line = format!("{style}{word:<9}{style:#} {STRONG}{name:<9}{STRONG:#} {text}");
    if aside.is_empty() { line } else { format!("{line}  {FAINT}{aside}{FAINT:#}") }
}

/// The events that tell the story, as a table.
pub(super) fn print_log(log: &[Event]) -> anyhow::Result<()> {
    let names: HashMap<TaskId, String> = log
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::WorkspaceReady { workspace } => {
                Some((event.task?, workspace.branch.rsplit('/').next().unwrap_or_default().to_owned()))
            }
            _ => None,
        })
        .collect();
    let mut table = Table::new(&["SEQ", "AT", "TASK", "EVENT", "WHAT"]);
    let first = log.first().map(|event| event.at);
    let mut shown = 0;
    for event in log.iter().filter(|event| is_interesting(&event.body)) {
        let since = first.map_or(0.0, |first| event.at.duration_since(first).as_secs_f64());
        table.row(vec![
            Cell::styled(event.seq.to_string(), FAINT),
            Cell::styled(format!("{since:.2} s"), FAINT),
            Cell::new(event.task.and_then(|task| names.get(&task)).map_or("", String::as_str)),
            Cell::new(event.body.kind()),
            Cell::new(event_what(&event.body)),
        ]);
        shown += 1;
    }
    line(format!("\n{STRONG}Events{STRONG:#} {FAINT}({shown} of {}){FAINT:#}", log.len()))?;
    table.print()
}

fn is_interesting(body: &EventBody) -> bool {
    match body {
        EventBody::ToolJudged { decision, reason, .. } => {
            *decision != Decision::Allow || reason.starts_with("approved")
        }
        EventBody::TaskLeased { .. }
        | EventBody::WorkspaceReady { .. }
        | EventBody::ApprovalOpened { .. }
        | EventBody::ApprovalSettled { .. }
        | EventBody::WorkCommitted { .. }
        | EventBody::TaskFinished { .. }
        | EventBody::Warning { .. } => true,
        _ => false,
    }
}
