//! `run`: submit and wait.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use missiond_core::access::{Access, Session};
use missiond_core::{EventBody, Task, TaskId};
use serde::Serialize;

use crate::cli::Format;
use crate::commands::options::TaskOptions;
use crate::commands::watch::{Watch, exit_of, question};
use crate::context::Context;
use crate::exit::{Exit, UsageError};
use crate::output::{STRONG, approval, finished_task, head, line, remark, to_json};
use crate::signals::interrupts;

/// Give agents tasks and wait for the results
///
/// Works through the running mission of the project, else runs one of its own until the tasks are done. Without configured
/// slots the first agent found on PATH does the work; `--agent scripted` needs none.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    task: TaskOptions,
    /// What confines the agents.
    #[arg(long, value_name = "HOW", default_value = "none")]
    contain: Contain,
    /// A policy file that holds for this run, besides the person's and the project's.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Contain {
    /// Nothing but the policy.
    None,
}

/// A line of the JSON stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Submitted { task: TaskId },
    Finished { task: &'a Task },
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Contain::None = self.contain;
        let format = context.stream_format();
        self.task.check()?;
        let (project, access) = context.with_policy(self.policy.as_deref()).access().await?;
        if self.policy.is_some() && access.is_running() {
            let text = "`--policy` has no effect on the mission that runs: end it with `missiond down`, or leave it out";
            return Err(UsageError(text.to_owned()).into());
        }
        let mut signals = interrupts()?;
        let driver = self.task.driver.unwrap_or_default();
        let agent = self.task.agent_wanted(&access).await?;
        drop(access);
        let mut session = Session::open(project, agent, driver).await?;
        let twice = pressed_twice(signals.clone());
        let outcome = tokio::select! {
            outcome = self.submit_and_wait(&mut session, format, &mut signals) => outcome,
            // The first one is heeded inside; whoever presses again will not wait.
            () = twice => Ok(Exit::INTERRUPTED),
        };
        let closed = session.close("its tasks are done").await;
        let exit = outcome?;
        closed?;
        Ok(exit)
    }

    async fn submit_and_wait(
        &self,
        session: &mut Session,
        format: Format,
        signals: &mut tokio::sync::watch::Receiver<u32>,
    ) -> anyhow::Result<Exit> {
        let agent = session.agent_of_tasks();
        let requests = self.task.requests(session.access(), agent).await?;
        let mut watch = Watch::new(session.access().newest().await?);
        for request in requests {
            let name = head(&request.prompt);
            let id = session.access().submit(request).await?;
            match format {
                Format::Table => {
                    watch.board.aside(|| line(format!("{STRONG}task {}{STRONG:#}  {name}", id.short())))?;
                }
                Format::Jsonl => {
                    let text = to_json(&Line::Submitted { task: id }, false)?;
                    watch.board.aside(|| line(text))?;
                }
                Format::Json => watch.board.aside(|| remark(format!("task {id}"))),
            }
            watch.add(id, id.short());
        }
        let followed = tokio::select! {
            followed = follow(&mut watch, session, format) => Some(followed),
            _ = signals.wait_for(|count| *count > 0) => None,
        };
        match followed {
            Some(results) => Ok(exit_of(&results?)),
            None => {
                remark("interrupted: cancelling its tasks (once more to leave at once)");
                cancel(session.access(), watch.tasks()).await;
                Ok(Exit::INTERRUPTED)
            }
        }
    }
}

async fn follow(watch: &mut Watch, session: &mut Session, format: Format) -> anyhow::Result<Vec<Task>> {
    while let Some(event) = watch.next(session).await? {
        match event.body {
            EventBody::ApprovalOpened { approval: id, .. } => {
                if let Some(question) = question(session, id).await? {
                    let text = approval(&question)?;
                    watch.board.aside(|| remark(format!("\n{text}\n")));
                }
            }
            EventBody::TaskFinished { .. } => {
                let Some(id) = event.task else { continue };
                // Waiting, not reading: what the attempt leaves last is part of the result.
                let task = session.access().wait(id).await?;
                match format {
                    Format::Table => watch.board.aside(|| line(format!("\n{}", finished_task(&task))))?,
                    Format::Jsonl => {
                        let text = to_json(&Line::Finished { task: &task }, false)?;
                        watch.board.aside(|| line(text))?;
                    }
                    Format::Json => {}
                }
            }
            _ => {}
        }
    }
    let results = watch.results(session).await?;
    if format == Format::Json {
        line(to_json(&results, true)?)?;
    }
    Ok(results)
}

async fn cancel(access: &Access, tasks: &[TaskId]) {
    for id in tasks {
        match access.task(*id).await {
            Ok(task) if task.status.is_final() => continue,
            _ => {}
        }
        if let Err(error) = access.cancel(*id, "the person who asked for it interrupted it").await {
            remark(format!("task {}: {}", id.short(), missiond_core::text::escape_line(&error.to_string())));
        } else {
            remark(format!("task {} cancelled", id.short()));
        }
    }
}

async fn pressed_twice(mut signals: tokio::sync::watch::Receiver<u32>) {
    if signals.wait_for(|count| *count > 1).await.is_err() {
        // Nobody hears signals any more, so none will come.
        std::future::pending::<()>().await;
    }
}
