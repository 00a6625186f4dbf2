//! `task`: the queue.

use std::time::Duration;

use clap::{Args, Subcommand};
use missiond_core::access::Access;
use missiond_core::{Task as Work, TaskId, TaskStatus};
use serde::Serialize;

use crate::cli::Format;
use crate::commands::options::{TaskOptions, duration};
use crate::commands::watch::exit_of;
use crate::context::Context;
use crate::exit::{Exit, TimeoutError};
use crate::output::{
    Cell, FAINT, STRONG, Table, finished_task, head, line, list, one, stamp, status_style, task_detail,
};

/// Work with the queue of tasks
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Put tasks in the queue, for the mission that runs or the next one
    Submit(TaskOptions),
    /// List tasks, oldest first
    List(List),
    /// Show everything about a task
    Show {
        /// Its id, or a part that no other task's id has.
        task: String,
    },
    /// Call tasks off, and end their agents
    Cancel {
        /// Their ids, or parts of them.
        #[arg(required = true)]
        tasks: Vec<String>,
        /// Why, for the record.
        #[arg(long, default_value = "cancelled by a person")]
        reason: String,
    },
    /// Wait until tasks are final
    Wait {
        /// Their ids, or parts of them.
        #[arg(required = true)]
        tasks: Vec<String>,
        /// Give up after this time, such as 90s, 10m or 2h; the tasks go on.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Submit the prompts of ended tasks again, as new tasks
    Retry {
        /// Their ids, or parts of them.
        #[arg(required = true)]
        tasks: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this status: queued, running, done, failed or cancelled.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<TaskStatus>,
    /// At most so many, the newest.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Submitted {
    task: TaskId,
}

impl Task {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Self::Submit(options) = &self {
            options.check()?;
        }
        let access = context.reach().await?;
        match self {
            Self::Submit(options) => {
                let mut ids = Vec::new();
                for request in options.requests(&access, None).await? {
                    let name = head(&request.prompt);
                    let id = access.submit(request).await?;
                    if context.for_people() {
                        line(format!("{STRONG}task {id}{STRONG:#}  {name}"))?;
                    }
                    ids.push(id);
                }
                submitted(context, &ids)?;
                if !access.is_running() && context.for_people() {
                    crate::output::remark(format!(
                        "{FAINT}no mission is running; `missiond up` begins them{FAINT:#}"
                    ));
                }
                Ok(Exit::OK)
            }
            Self::List(options) => options.run(context, &access).await,
            Self::Show { task } => {
                let task = access.find_task(&task).await?;
                one(context.format, &task, || line(task_detail(&task)))?;
                Ok(Exit::OK)
            }
            Self::Cancel { tasks, reason } => {
                let mut cancelled = Vec::new();
                for task in find_all(&access, &tasks).await? {
                    access.cancel(task.id, &reason).await?;
                    if context.for_people() {
                        line(format!("task {} cancelled", task.id.short()))?;
                    }
                    cancelled.push(task.id);
                }
                results(context, &access, &cancelled).await
            }
            Self::Wait { tasks, timeout } => wait(context, &access, &tasks, timeout).await,
            Self::Retry { tasks } => {
                let mut ids = Vec::new();
                for task in find_all(&access, &tasks).await? {
                    let id = access.retry(task.id).await?;
                    if context.for_people() {
                        line(format!("{STRONG}task {id}{STRONG:#}  {}", head(&task.request.prompt)))?;
                    }
                    ids.push(id);
                }
                submitted(context, &ids)?;
                Ok(Exit::OK)
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context, access: &Access) -> anyhow::Result<Exit> {
        let tasks = access.tasks(&self.status, self.limit).await?;
        list(context.format, &tasks, "no tasks", || {
            let mut table = Table::new(&["TASK", "STATUS", "ROLE", "WHERE", "SUBMITTED", "PROMPT"]);
            for task in &tasks {
                let place = match (&task.lease, &task.workspace) {
                    (Some(lease), _) => lease.slot.to_string(),
                    (None, Some(workspace)) => workspace.branch.clone(),
                    (None, None) => String::new(),
                };
                table.row(vec![
                    Cell::new(task.id.short()),
                    Cell::styled(task.status.as_str(), status_style(task.status)),
                    Cell::new(task.request.role.as_str()),
                    Cell::new(place),
                    Cell::styled(stamp(task.submitted_at), FAINT),
                    Cell::new(first_line(task)),
                ]);
            }
            table
        })?;
        Ok(Exit::OK)
    }
}

fn first_line(task: &Work) -> &str {
    task.request.prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

async fn find_all(access: &Access, texts: &[String]) -> anyhow::Result<Vec<Work>> {
    let mut found = Vec::new();
    for text in texts {
        let task = access.find_task(text).await?;
        if !found.iter().any(|other: &Work| other.id == task.id) {
            found.push(task);
        }
    }
    Ok(found)
}

fn submitted(context: &Context, ids: &[TaskId]) -> anyhow::Result<()> {
    if context.for_people() {
        return Ok(());
    }
    let shown: Vec<Submitted> = ids.iter().map(|id| Submitted { task: *id }).collect();
    list(context.format, &shown, "", || Table::new(&[]))
}

/// Prints the tasks as they now are, for programs.
async fn results(context: &Context, access: &Access, ids: &[TaskId]) -> anyhow::Result<Exit> {
    if !context.for_people() {
        let mut tasks = Vec::new();
        for id in ids {
            tasks.push(access.task(*id).await?);
        }
        list(context.format, &tasks, "", || Table::new(&[]))?;
    }
    Ok(Exit::OK)
}

async fn wait(
    context: &Context,
    access: &Access,
    texts: &[String],
    timeout: Option<Duration>,
) -> anyhow::Result<Exit> {
    let tasks = find_all(access, texts).await?;
    let mut ended = Vec::new();
    let all = async {
        for task in &tasks {
            let task = access.wait(task.id).await?;
            if context.format == Format::Table {
                line(finished_task(&task))?;
            }
            ended.push(task);
        }
        anyhow::Ok(())
    };
    match timeout {
        None => all.await?,
        Some(limit) => match tokio::time::timeout(limit, all).await {
            Ok(waited) => waited?,
            Err(_) => {
                let text = format!("not every task was final within {}", crate::output::length(limit));
                return Err(TimeoutError(text).into());
            }
        },
    }
    if !context.for_people() {
        list(context.format, &ended, "", || Table::new(&[]))?;
    }
    Ok(exit_of(&ended))
}

fn status(word: &str) -> Result<TaskStatus, String> {
    TaskStatus::from_word(word).ok_or_else(|| "use queued, running, done, failed or cancelled".to_owned())
}
