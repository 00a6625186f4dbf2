//! A mission to work with for the length of a command: the one that runs, else one of our own.

use std::path::Path;

use missiond_core::access::{Access, AccessError, seats_for};
use missiond_core::control::{ClientError, ClientErrorKind, LockError};
use missiond_core::project::Project;
use missiond_core::{AgentKind, DriverKind, Error, Mission, MissionConfig, TaskStatus};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often another's mission may end just when we wanted to use it.
const TRIES: usize = 5;

/// A running mission.
#[derive(Debug)]
pub(crate) struct Session {
    project: Project,
    access: Access,
    /// Ours, if nobody else had one.
    own: Option<Mission>,
    agent: Option<AgentKind>,
    driver: DriverKind,
}

impl Session {
    /// Uses the mission that runs, or opens one with slots for this agent if no slots are configured.
    pub(crate) async fn open(
        project: Project,
        agent: Option<AgentKind>,
        driver: DriverKind,
    ) -> anyhow::Result<Self> {
        let access = Access::open(&project).await?;
        let mut session = Self { project, access, own: None, agent, driver };
        session.ensure().await?;
        Ok(session)
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn root(&self) -> &Path {
        self.project.root()
    }

    /// The agent that tasks which name none are for: only a mission of our own without configured slots has to be told.
    pub(crate) fn agent_of_tasks(&self) -> Option<AgentKind> {
        let own = self.own.as_ref()?;
        let config = own.config();
        let chosen = || config.default_agent().ok();
        if config.settings.slots.is_empty() { self.agent.clone().or_else(chosen) } else { None }
    }

    /// Makes sure that a mission runs, now that the one we spoke to may have ended.
    pub(crate) async fn ensure(&mut self) -> anyhow::Result<()> {
        for _ in 0..TRIES {
            self.access = Access::open(&self.project).await?;
            if self.access.is_running() {
                return Ok(());
            }
            let config =
                mission_config(&self.project, &self.access, self.agent.as_ref(), self.driver).await?;
            match Mission::open(config).await {
                Ok(mission) => self.own = Some(mission),
                // Somebody else was faster; theirs will do.
                Err(Error::Lock(LockError::Owned { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Internal("the project changes hands too often; try again".to_owned()).into())
    }

    /// Gives the project up, if it is ours.
    pub(crate) async fn close(mut self, reason: &str) -> anyhow::Result<()> {
        match self.own.take() {
            Some(mission) => Ok(mission.shutdown(reason).await?),
            None => Ok(()),
        }
    }
}

/// What to open a mission with, slots included.
pub(crate) async fn mission_config(
    project: &Project,
    access: &Access,
    agent: Option<&AgentKind>,
    driver: DriverKind,
) -> anyhow::Result<MissionConfig> {
    let mut config = project.mission_config()?;
    let waiting = access.tasks(&[TaskStatus::Queued, TaskStatus::Running], None).await?;
    config.slots = seats_for(&config, agent, driver, &waiting)?;
    Ok(config)
}

/// Whether a call failed only because the mission that it went to has ended.
pub(crate) fn owner_is_gone(error: &AccessError) -> bool {
    match error {
        AccessError::Client(error @ ClientError::Replied(_)) => {
            matches!(error.kind(), ClientErrorKind::Reply(missiond_core::control::ErrorKind::Unavailable))
        }
        AccessError::Client(error) => error.kind() == ClientErrorKind::Lost,
        _ => false,
    }
}

/// Hears SIGINT, SIGTERM and SIGHUP: the count of those that came.
pub(crate) fn interrupts() -> anyhow::Result<watch::Receiver<u32>> {
    let (sender, receiver) = watch::channel(0);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        // It ends with the runtime; until then somebody may press Ctrl-C once more.
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                sender.send_modify(|count| *count += 1);
            }
        });
    }
    Ok(receiver)
}
