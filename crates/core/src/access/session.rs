//! A mission to work with for a while: the one that runs, else one of our own.

use crate::access::{Access, AccessError, seats_for};
use crate::control::LockError;
use crate::error::Error;
use crate::ids::AgentKind;
use crate::mission::{Mission, MissionConfig};
use crate::model::{DriverKind, TaskStatus};
use crate::project::Project;

/// How often another's mission may end just when we wanted to use it.
const TRIES: usize = 5;

/// A running mission, whoever owns it.
///
/// When its owner ends while the session goes on, [`Session::ensure`] finds the next one or becomes it.
#[derive(Debug)]
pub struct Session {
    project: Project,
    access: Access,
    /// Ours, if nobody else had one.
    own: Option<Mission>,
    agent: Option<AgentKind>,
    driver: DriverKind,
}

impl Session {
    /// Uses the mission that runs, or opens one with slots for this agent if no slots are configured.
    ///
    /// # Errors
    ///
    /// As [`Session::ensure`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped no mission of ours is left.
    pub async fn open(
        project: Project,
        agent: Option<AgentKind>,
        driver: DriverKind,
    ) -> Result<Self, AccessError> {
        let access = Access::open(&project).await?;
        let mut session = Self { project, access, own: None, agent, driver };
        session.ensure().await?;
        Ok(session)
    }

    /// The way to the mission.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The project that it is of.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The agent that tasks which name none are for: only a mission of our own without configured slots has to be told.
    pub fn agent_of_tasks(&self) -> Option<AgentKind> {
        let config = self.own.as_ref()?.config();
        let chosen = || config.default_agent().ok();
        if config.settings.slots.is_empty() { self.agent.clone().or_else(chosen) } else { None }
    }

    /// Makes sure that a mission runs, now that the one we spoke to may have ended
    /// ([`AccessError::owner_is_gone`]).
    ///
    /// # Errors
    ///
    /// When the owner cannot be spoken to, there is none and no mission can be opened, or owners come and go too fast.
    ///
    /// # Cancel safety
    ///
    /// May be called again.
    pub async fn ensure(&mut self) -> Result<(), AccessError> {
        for _ in 0..TRIES {
            self.access = Access::open(&self.project).await?;
            if self.access.is_running() {
                return Ok(());
            }
            let config = self.access.mission_config(&self.project, self.agent.as_ref(), self.driver).await?;
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
    ///
    /// # Errors
    ///
    /// As [`Mission::shutdown`].
    ///
    /// # Cancel safety
    ///
    /// As [`Mission::shutdown`].
    pub async fn close(mut self, reason: &str) -> Result<(), AccessError> {
        match self.own.take() {
            Some(mission) => Ok(mission.shutdown(reason).await?),
            None => Ok(()),
        }
    }
}

impl Access {
    /// What to open a mission of this project with, slots included: those of the configuration, else some for this agent
    /// and for every agent that a waiting task names ([`seats_for`]).
    ///
    /// # Errors
    ///
    /// As [`Project::mission_config`], [`Access::tasks`], [`seats_for`], [`MissionConfig::check`] and
    /// [`MissionConfig::check_programs`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn mission_config(
        &self,
        project: &Project,
        agent: Option<&AgentKind>,
        driver: DriverKind,
    ) -> Result<MissionConfig, AccessError> {
        let mut config = project.mission_config()?;
        let waiting = self.tasks(&[TaskStatus::Queued, TaskStatus::Running], None).await?;
        config.slots = seats_for(&config, agent, driver, &waiting)?;
        config.check()?;
        // Found out later, it would cost every task of the queue its turn.
        config.check_programs()?;
        Ok(config)
    }
}
