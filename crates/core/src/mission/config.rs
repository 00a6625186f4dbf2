//! What a mission is opened with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::agents::Profiles;
use crate::config::Settings;
use crate::error::Error;
use crate::ids::AgentKind;
use crate::model::{DriverKind, SlotConfig};
use crate::ports::{Audit, Clock, Containment, Driver, Gate, Store, Workspaces};

/// What a mission needs from outside.
#[derive(Clone, Debug)]
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Durable state; `None` for SQLite in the project's state directory.
    pub store: Option<Arc<dyn Store>>,
    /// The directories where agents work.
    pub workspaces: Arc<dyn Workspaces>,
    /// The judge of tool calls.
    pub gate: Arc<dyn Gate>,
    /// The record of verdicts that shows when it was changed; `None` for no other than the log of events.
    pub audit: Option<Arc<dyn Audit>>,
    /// What confines the agents.
    pub containment: Arc<dyn Containment>,
    /// The ways to run an agent; the first of a kind counts.
    pub drivers: Vec<Arc<dyn Driver>>,
}

/// How to open a [`Mission`](crate::Mission).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MissionConfig {
    /// The project root, absolute.
    pub root: PathBuf,
    /// The project's settings.
    pub settings: Settings,
    /// The slots; see [`MissionConfig::slots_for`] for some when none are configured.
    pub slots: Vec<SlotConfig>,
    /// What is known of the agent kinds.
    pub profiles: Profiles,
    /// What comes from outside.
    pub ports: Ports,
    /// The program and first arguments that agents run as their hook. The default is the running program itself, which
    /// then has to call [`reexec::dispatch`](crate::reexec::dispatch) first of all.
    pub hook_command: Vec<OsString>,
    /// How long an agent waits for its hook. Longer than [`Settings::approval_timeout`], because what agents do when a hook
    /// does not answer in time is up to them: our own answer must come first.
    pub hook_patience: Duration,
    /// Whether other processes of the person may steer the mission through the control socket.
    pub serve_control: bool,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
}

impl MissionConfig {
    /// A configuration with no slots yet.
    ///
    /// # Errors
    ///
    /// When the running program's own path cannot be found.
    pub fn new(root: PathBuf, settings: Settings, profiles: Profiles, ports: Ports) -> Result<Self, Error> {
        let program = crate::reexec::program()
            .map_err(|error| Error::Internal(format!("the running program cannot be found: {error}")))?;
        Ok(Self {
            root,
            slots: settings.slots.clone(),
            hook_patience: settings.approval_timeout + Duration::from_secs(60),
            settings,
            profiles,
            ports,
            hook_command: vec![program.into(), "__missiond".into(), "hook".into()],
            serve_control: true,
            lease: Duration::from_secs(30),
        })
    }

    /// As many slots for one kind of agent as may run at once.
    ///
    /// # Errors
    ///
    /// When there is no such kind.
    pub fn slots_for(&self, kind: &AgentKind, driver: DriverKind) -> Result<Vec<SlotConfig>, Error> {
        self.require_kind(kind)?;
        (1..=self.settings.max_concurrent_agents)
            .map(|number| {
                let id =
                    format!("{kind}-{number}").parse().map_err(|error| Error::Invalid(format!("{error}")))?;
                let mut slot = SlotConfig::new(id, kind.clone());
                slot.driver = driver;
                Ok(slot)
            })
            .collect()
    }

    /// The agent kind to use when nothing names one: the configured default, else the first one whose program is on
    /// PATH.
    ///
    /// # Errors
    ///
    /// [`Error::NoAgent`], which says how to install one.
    pub fn default_agent(&self) -> Result<AgentKind, Error> {
        if let Some(kind) = &self.settings.default_agent {
            self.require_kind(kind)?;
            return Ok(kind.clone());
        }
        let installed = |program: &str| !program.starts_with('{') && on_path(program);
        let mut install = Vec::new();
        for profile in self.profiles.iter() {
            let programs = [profile.program(DriverKind::Headless), profile.program(DriverKind::Pty)];
            if programs.iter().flatten().any(|program| installed(program)) {
                return Ok(profile.id.clone());
            }
            if programs.iter().flatten().any(|program| !program.starts_with('{')) {
                install.push(format!("{}: {}", profile.name, profile.install));
            }
        }
        Err(Error::NoAgent { install: install.join("; ") })
    }

    /// Looks whether the programs of the slots are installed, for the drivers that start one.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] for the first that is not, with what installs it.
    pub fn check_programs(&self) -> Result<(), Error> {
        let missing = self.slots.iter().find(|slot| !self.is_installed(&slot.agent, slot.driver));
        let Some(slot) = missing else { return Ok(()) };
        let profile = self.profiles.get(&slot.agent);
        let program = profile.and_then(|profile| profile.program(slot.driver)).unwrap_or_default();
        let install = profile.map_or("", |profile| profile.install.as_str());
        Err(Error::Missing(format!(
            "slot {}: `{program}` was not found{}; {install}, or take the slot out of the configuration",
            slot.id,
            if program.contains('/') { "" } else { " on PATH" }
        )))
    }

    /// Whether an agent's program is on PATH, or is part of this one.
    pub(crate) fn is_installed(&self, agent: &AgentKind, driver: DriverKind) -> bool {
        let program = self.profiles.get(agent).and_then(|profile| profile.program(driver));
        program.is_none_or(|program| {
            let path = Path::new(program);
            program.starts_with('{')
                || if program.contains('/') {
                    path.is_relative() || is_program(path)
                } else {
                    on_path(program)
                }
        })
    }

    /// Looks whether the slots can be used: each of a known agent kind whose tool calls can be judged, and with no argument
    /// that would take it past the policy. [`Mission::open`](crate::Mission::open) does it too.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownAgent`], [`Error::Ungated`] or [`Error::Forbidden`], for the first slot that cannot.
    pub fn check(&self) -> Result<(), Error> {
        for slot in &self.slots {
            self.require_kind(&slot.agent)?;
            let profile = self.profiles.get(&slot.agent);
            let ungated = if !self.settings.enable_hooks {
                Some("`security.enable_hooks` is false; set it to true".to_owned())
            } else if profile.is_some_and(|profile| profile.hooks.is_none()) {
                Some(format!(
                    "the data file of agent `{}` names no hooks; give the slot another agent",
                    slot.agent
                ))
            } else {
                None
            };
            if let Some(reason) = ungated {
                return Err(Error::Ungated { slot: slot.id.clone(), reason });
            }
            if let Some(arg) = profile.and_then(|profile| profile.forbidden(&slot.args)) {
                return Err(Error::Forbidden { slot: slot.id.clone(), arg: arg.to_owned() });
            }
        }
        Ok(())
    }

    pub(crate) fn require_kind(&self, kind: &AgentKind) -> Result<(), Error> {
        if self.profiles.get(kind).is_some() {
            return Ok(());
        }
        let known: Vec<&str> = self.profiles.iter().map(|profile| profile.id.as_str()).collect();
        Err(Error::UnknownAgent { kind: kind.clone(), known: known.join(", ") })
    }
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| is_program(&directory.join(program)))
}
