//! Single things, for people.

use missiond_core::text::{escape, escape_line};
use missiond_core::{Approval, ApprovalStatus, Event, EventBody, Task, TaskStatus};

use crate::output::{FAINT, GREEN, RED, STRONG, YELLOW, count, cut, duration_ms, stamp, status_style};

/// How much of a prompt stands for the whole in a list, in columns.
const HEAD_COLUMNS: usize = 60;

/// The beginning of a text, in one line.
pub(crate) fn head(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    cut(&escape_line(first), HEAD_COLUMNS)
}

/// What became of a task.
pub(crate) fn finished_task(task: &Task) -> String {
    let style = status_style(task.status);
    let id = task.id.short();
    let head = head(&task.request.prompt);
    let mut text = format!("{STRONG}task {id}{STRONG:#}  {style}{}{style:#}  {head}", task.status);
    if let Some(reason) = &task.reason
        && task.status != TaskStatus::Done
    {
        field(&mut text, "reason", &escape(reason));
    }
    outcome(&mut text, task);
    text
}

fn outcome(text: &mut String, task: &Task) {
    let Some(result) = &task.result else { return };
    if !result.answer.trim().is_empty() {
        field(text, "answer", &escape(result.answer.trim()));
    }
    if let Some(workspace) = &task.workspace
        && result.commit.is_some()
    {
        field(text, "branch", &escape_line(&workspace.branch));
    }
    if let Some(commit) = &result.commit {
        field(text, "commit", &escape_line(commit));
    }
    if !result.changed_files.is_empty() {
        let files: Vec<String> = result.changed_files.iter().map(|file| escape_line(file)).collect();
        field(text, "changed", &files.join("\n"));
    }
    if let Some(rescue) = &result.rescue {
        field(text, "rescue", &format!("{} (work that was not committed)", escape_line(rescue)));
    }
    if let Some(cost) = result.usage.cost_usd
        && cost > 0.0
    {
        field(text, "cost", &format!("${cost:.4}"));
    }
    if result.tool_calls > 0 {
        field(text, "tool calls", &format!("{}, {} refused", result.tool_calls, result.denied_calls));
    }
    field(text, "took", &duration_ms(result.duration_ms));
}

/// Everything about a task.
pub(crate) fn task_detail(task: &Task) -> String {
    let request = &task.request;
    let style = status_style(task.status);
    let mut text = format!("{STRONG}task {}{STRONG:#}  {style}{}{style:#}", task.id, task.status);
    field(&mut text, "prompt", &escape(request.prompt.trim()));
    field(&mut text, "role", request.role.as_str());
    if let Some(agent) = &request.agent {
        field(&mut text, "agent", agent.as_str());
    }
    if let Some(issue) = &request.issue {
        field(&mut text, "issue", &escape_line(issue));
    }
    for (name, moment) in
        [("submitted", Some(task.submitted_at)), ("started", task.started_at), ("finished", task.finished_at)]
    {
        if let Some(moment) = moment {
            field(&mut text, name, &stamp(moment));
        }
    }
    if task.attempts > 0 {
        field(&mut text, "attempts", &task.attempts.to_string());
    }
    if let Some(lease) = &task.lease {
        field(&mut text, "slot", lease.slot.as_str());
    }
    if let Some(workspace) = &task.workspace {
        field(&mut text, "workspace", &escape_line(&workspace.path.display().to_string()));
        if task.result.as_ref().is_none_or(|result| result.commit.is_none()) {
            field(&mut text, "branch", &escape_line(&workspace.branch));
        }
    }
    if let Some(reason) = &task.reason {
        field(&mut text, "reason", &escape(reason));
    }
    outcome(&mut text, task);
    text
}

/// A question to a person: the whole of it, and how to answer.
pub(crate) fn approval(approval: &Approval) -> anyhow::Result<String> {
    let short = approval.id.short();
    let style = match approval.status {
        ApprovalStatus::Pending => YELLOW,
        ApprovalStatus::Approved => GREEN,
        ApprovalStatus::Rejected | ApprovalStatus::Expired => RED,
    };
    let status = approval.status.as_str();
    let risk = approval.verdict.risk.as_str();
    let mut text = format!("{STRONG}approval {short}{STRONG:#}  {style}{status}{style:#}  {risk} risk");
    field(&mut text, "tool", &escape_line(&approval.call.tool));
    field(&mut text, "argument", &escape(&approval.call.argument()));
    // The one argument may hide what the others say.
    if approval.call.input.as_object().is_some_and(|input| input.len() > 1) {
        let whole = super::to_json(&approval.call.input, true)?;
        field(&mut text, "input", &escape(&whole));
    }
    field(&mut text, "why", &escape_line(&approval.verdict.reason));
    if let Some(rule) = &approval.verdict.rule {
        field(&mut text, "rule", &escape_line(rule));
    }
    field(&mut text, "in", &escape_line(&approval.call.cwd.display().to_string()));
    field(&mut text, "slot, task", &format!("{}, {}", approval.slot, approval.task.short()));
    match approval.status {
        ApprovalStatus::Pending => {
            field(&mut text, "expires", &format!("{} (and then counts as a no)", stamp(approval.expires_at)));
            field(
                &mut text,
                "answer",
                &format!("missiond approve {short}   or   missiond reject {short} --note WHY"),
            );
        }
        _ => {
            let by = approval.answered_by.as_deref().unwrap_or("nobody");
            field(&mut text, "by", &escape_line(by));
            if let Some(note) = &approval.note {
                field(&mut text, "note", &escape(note));
            }
        }
    }
    Ok(text)
}

/// An event in one line: number, time, name, whom it is about, what it says.
pub(crate) fn event_line(event: &Event) -> String {
    let about = match (&event.task, &event.slot) {
        (Some(task), Some(slot)) => format!("{} {slot}", task.short()),
        (Some(task), None) => task.short(),
        (None, Some(slot)) => slot.to_string(),
        (None, None) => String::new(),
    };
    format!(
        "{FAINT}{:>6}  {}{FAINT:#}  {STRONG}{:<18}{STRONG:#} {about:<26} {}",
        event.seq,
        stamp(event.at),
        event.body.kind(),
        event_what(&event.body)
    )
    .trim_end()
    .to_owned()
}

/// What an event says besides its name, in one line.
pub(crate) fn event_what(body: &EventBody) -> String {
    let text = match body {
        EventBody::MissionOpened { pid, version } => format!("pid {pid}, missiond {version}"),
        EventBody::MissionClosed { reason } | EventBody::TaskRequeued { reason } => reason.clone(),
        EventBody::TaskSubmitted { role, prompt } => format!("for {role}: {}", head(prompt)),
        EventBody::TaskLeased { attempt, .. } => format!("attempt {attempt}"),
        EventBody::TaskFinished { status, reason } => match reason {
            Some(reason) => format!("{status}: {reason}"),
            None => status.to_string(),
        },
        EventBody::WorkspaceReady { workspace } => {
            format!("{} on {}", workspace.path.display(), workspace.branch)
        }
        EventBody::WorkspaceRetired { name, rescue } => match rescue {
            Some(rescue) => format!("{name}, work kept as {rescue}"),
            None => name.clone(),
        },
        EventBody::WorkCommitted { branch, commit, files } => {
            format!(
                "{} on {branch}, {}",
                commit.get(..12).unwrap_or(commit),
                count(u64::from(*files), "file")
            )
        }
        EventBody::AgentStatus { status, evidence, .. } => format!("{status} ({evidence})"),
        EventBody::AgentConversation { conversation } => conversation.to_string(),
        EventBody::AgentText { text } => text.clone(),
        EventBody::ToolCalled { tool, argument, .. } => format!("{tool} `{argument}`"),
        EventBody::ToolJudged { tool, argument, decision, reason, .. } => {
            format!("{decision} {tool} `{argument}`: {reason}")
        }
        EventBody::ToolFinished { is_error, .. } => if *is_error { "with an error" } else { "" }.to_owned(),
        EventBody::ApprovalOpened { approval, tool, argument, risk } => {
            format!("{} {tool} `{argument}` ({} risk)", approval.short(), risk.as_str())
        }
        EventBody::ApprovalSettled { approval, status: ApprovalStatus::Expired, by } => {
            format!("{} expired: {by}", approval.short())
        }
        EventBody::ApprovalSettled { approval, status, by } => {
            format!("{} {} by {by}", approval.short(), status.as_str())
        }
        EventBody::TurnFinished { usage, duration_ms: took } => match usage.cost_usd {
            Some(cost) if cost > 0.0 => format!("{}, ${cost:.4}", duration_ms(*took)),
            _ => duration_ms(*took),
        },
        EventBody::MessageSent { from, to, .. } => format!("from {from} to {to}"),
        EventBody::ControlRefused { pid, reason } => format!("pid {pid}: {reason}"),
        EventBody::Warning { text } => text.clone(),
        _ => String::new(),
    };
    escape_line(&text)
}

/// A named value on a line of its own, further lines of it indented below.
fn field(text: &mut String, name: &str, value: &str) {
    let value = value.replace('\n', "\n              ");
    text.push_str(&format!("\n  {FAINT}{name:<12}{FAINT:#}{value}"));
}
