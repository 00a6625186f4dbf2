//! `up`: own the project until told otherwise.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use missiond_core::access::Access;
use missiond_core::control::{LockError, OwnerLock, Ownership};
use missiond_core::project::Project;
use missiond_core::{AgentKind, DriverKind, Error, Mission};

use crate::context::Context;
use crate::exit::{Exit, TimeoutError};
use crate::output::{GREEN, RED, count, remark};
use crate::session::{interrupts, mission_config};

/// How long a mission in the background may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(30);
/// How much of the log an error shows.
const TAIL_BYTES: usize = 2000;

/// Run the mission of this project until it is stopped
///
/// Tasks that were running when it stops go back to the queue, and the next mission begins them again.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Run in the background; returns when the mission answers.
    #[arg(long)]
    detach: bool,
    /// End when the queue is empty.
    #[arg(long)]
    drain: bool,
    /// Make slots for this kind of agent, if none are configured.
    #[arg(long, value_name = "KIND")]
    agent: Option<AgentKind>,
    /// We are the mission in the background.
    #[arg(long, hide = true)]
    background: bool,
}

impl Up {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let project = context.project()?;
        if self.background {
            // Fails only for the leader of a group, which then has a session of its own already.
            let _ = rustix::process::setsid();
        }
        refuse_second(&project)?;
        if self.detach {
            return self.detach(&project).await;
        }
        let mut signals = interrupts()?;
        let access = Access::open(&project).await?;
        let config = mission_config(&project, &access, self.agent.as_ref(), DriverKind::default()).await?;
        drop(access);
        let mission = Mission::open(config).await?;
        let root = missiond_core::text::escape_line(&project.root().display().to_string());
        remark(format!(
            "{GREEN}mission running{GREEN:#}  {root}, {}, pid {}; end it with Ctrl-C or `missiond down`",
            count(mission.config().slots.len() as u64, "slot"),
            std::process::id()
        ));
        if self.drain {
            mission.drain();
        }
        let reason = tokio::select! {
            () = mission.closed() => if self.drain { "the queue is empty" } else { "somebody ended it" },
            _ = signals.wait_for(|count| *count > 0) => "it was interrupted",
        };
        remark(format!("mission ending: {reason}"));
        mission.shutdown(reason).await?;
        Ok(Exit::OK)
    }

    /// Starts this program again in the background and waits until it answers.
    async fn detach(&self, project: &Project) -> anyhow::Result<Exit> {
        // What can be wrong is said here, where somebody reads it.
        project.mission_config()?;
        project.paths.prepare_state().map_err(Error::from)?;
        let log = project.paths.logs_dir().join("up.log");
        let before = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut child = self.spawn(&log)?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = child.try_wait()? {
                if self.drain && status.success() {
                    remark("the queue was empty, so the mission has ended already");
                    return Ok(Exit::OK);
                }
                let tail = missiond_core::text::escape(&tail(&log, before));
                let log = log.display();
                remark(format!(
                    "{RED}the mission in the background ended{RED:#} ({status}); {log} says:\n{tail}"
                ));
                return Ok(Exit::of_child(status));
            }
            let owner = OwnerLock::ownership(&project.paths).map_err(Error::from)?;
            if matches!(owner, Ownership::Held(Some(holder)) if holder.pid == child.id())
                && Access::open(project).await.is_ok_and(|access| access.is_running())
            {
                let pid = child.id();
                let log = log.display();
                remark(format!(
                    "{GREEN}mission running{GREEN:#}  in the background, pid {pid}; its log is {log}"
                ));
                return Ok(Exit::OK);
            }
            if Instant::now() > deadline {
                let seconds = START_DEADLINE.as_secs();
                let text = format!(
                    "the mission in the background did not answer within {seconds} s; see {}",
                    log.display()
                );
                return Err(TimeoutError(text).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn spawn(&self, log: &Path) -> anyhow::Result<Child> {
        let open = || -> std::io::Result<File> {
            OpenOptions::new().append(true).create(true).mode(0o600).open(log)
        };
        let log = open().with_context(|| format!("the log {} can't be written", log.display()))?;
        let program = missiond_core::reexec::program().context("the running program can't be found")?;
        // The same command line, so that every option holds there too.
        let args = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
        let child = Command::new(program)
            .args(args)
            .args(["--background", "--color", "never"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the mission could not be started in the background")?;
        Ok(child)
    }
}

fn refuse_second(project: &Project) -> anyhow::Result<()> {
    match OwnerLock::ownership(&project.paths).map_err(Error::from)? {
        Ownership::Free => Ok(()),
        Ownership::Held(holder) => {
            let root = project.root().to_owned();
            Err(Error::from(LockError::Owned { root, holder }).into())
        }
    }
}

/// The end of what a log has gained.
fn tail(log: &Path, since: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let since = usize::try_from(since).unwrap_or(usize::MAX).min(bytes.len());
    let start = since.max(bytes.len().saturating_sub(TAIL_BYTES));
    String::from_utf8_lossy(&bytes[start..]).trim().to_owned()
}
