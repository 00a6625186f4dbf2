//! `up`: own the project until told otherwise.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use missiond_core::access::{Access, Background, background_log, require_free, start_in_background};
use missiond_core::project::Project;
use missiond_core::text::{escape, escape_line};
use missiond_core::{AgentKind, DriverKind, Mission};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{GREEN, RED, count, remark};
use crate::signals::interrupts;

/// Run the mission of this project until it is stopped
///
/// Tasks that were running when it stops go back to the queue, and the next mission begins them again.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Run in the background; returns when the mission answers.
    #[arg(long)]
    detach: bool,
    /// End when the queue is empty, or holds only what no slot can take; exit code 1 if a task failed or was left.
    #[arg(long)]
    drain: bool,
    /// Make slots for this kind of agent, if none are configured.
    #[arg(long, value_name = "KIND")]
    agent: Option<AgentKind>,
    /// A policy file that holds for this mission, besides the person's and the project's.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// We are the mission in the background.
    #[arg(long, hide = true)]
    background: bool,
}

impl Up {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let context = &context.with_policy(self.policy.as_deref());
        let project = context.project()?;
        if self.background {
            // Fails only for the leader of a group, which then has a session of its own already.
            let _ = rustix::process::setsid();
        }
        require_free(&project)?;
        if self.detach {
            return self.detach(&project).await;
        }
        let mut signals = interrupts()?;
        let access = Access::open(&project).await?;
        let config = access.mission_config(&project, self.agent.as_ref(), DriverKind::default()).await?;
        let failed_before = access.task_counts().await?.failed;
        drop(access);
        let mission = Mission::open(config).await?;
        let root = escape_line(&project.root().display().to_string());
        remark(format!(
            "{GREEN}mission running{GREEN:#}  {root}, {}, pid {}; end it with Ctrl-C or `missiond down`",
            count(mission.config().slots.len() as u64, "slot"),
            std::process::id()
        ));
        if self.drain {
            mission.drain();
        }
        let interrupted = tokio::select! {
            () = mission.closed() => false,
            _ = signals.wait_for(|count| *count > 0) => true,
        };
        let reason = match (interrupted, self.drain) {
            (true, _) => "it was interrupted",
            (false, true) => "nothing is left that it can do",
            (false, false) => "somebody ended it",
        };
        remark(format!("mission ending: {reason}"));
        let status = mission.status().await;
        mission.shutdown(reason).await?;
        let tasks = status?.tasks;
        Ok(match (self.drain, interrupted) {
            (false, _) => Exit::OK,
            (true, true) => Exit::INTERRUPTED,
            (true, false) => drained(tasks.failed.saturating_sub(failed_before), tasks.queued),
        })
    }

    /// Starts this program again in the background and waits until it answers.
    async fn detach(&self, project: &Project) -> anyhow::Result<Exit> {
        let program = missiond_core::reexec::program().context("the running program can't be found")?;
        // The same command line, so that every option holds there too.
        let args = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
        let mut command = Command::new(program);
        command.args(args).args(["--background", "--color", "never"]);
        let log = escape_line(&background_log(project).display().to_string());
        match start_in_background(project, command).await? {
            Background::Running { pid } => {
                remark(format!(
                    "{GREEN}mission running{GREEN:#}  in the background, pid {pid}; its log is {log}"
                ));
                Ok(Exit::OK)
            }
            Background::Ended { status, .. } if self.drain && status.success() => {
                remark("the queue is empty, so the mission has ended already");
                Ok(Exit::OK)
            }
            Background::Ended { status, output } => {
                remark(format!(
                    "{RED}the mission in the background ended{RED:#} ({status}); {log} says:\n{}",
                    escape(&output)
                ));
                Ok(Exit::of_child(status))
            }
            other => anyhow::bail!("the mission started in a way that this program does not know: {other:?}"),
        }
    }
}

/// What a mission that was to work off the queue came to.
fn drained(failed: u64, queued: u64) -> Exit {
    if failed == 0 && queued == 0 {
        return Exit::OK;
    }
    remark(format!(
        "{} failed, {} left in the queue; `missiond events` tells why",
        count(failed, "task"),
        count(queued, "task")
    ));
    Exit::FAILURE
}
