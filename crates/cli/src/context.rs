//! What every command needs to know of its surroundings.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use missiond_core::Error;
use missiond_core::access::Access;
use missiond_core::config::{Config, Sources};
use missiond_core::project::{Project, ProjectOptions};

use crate::cli::{Format, Global};
use crate::output::remark;

/// Where a command works and how it prints.
#[derive(Debug)]
pub(crate) struct Context {
    /// How to print.
    pub(crate) format: Format,
    /// The directory that the command was started for.
    pub(crate) directory: PathBuf,
    /// What the project is read with.
    pub(crate) options: ProjectOptions,
    any_json: bool,
}

impl Context {
    pub(crate) fn new(global: &Global) -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("the working directory is gone")?;
        let directory = global.directory().map_or_else(|| here.clone(), |directory| here.join(directory));
        if !directory.is_dir() {
            let shown = missiond_core::text::escape_line(&directory.display().to_string());
            return Err(Error::Missing(format!("there is no directory {shown}")).into());
        }
        let mut options = ProjectOptions::of_person();
        options.overrides = global.overrides().to_vec();
        // A mission that runs has read its configuration, so that nobody else would look at them.
        if !options.overrides.is_empty() {
            Config::load(&Sources { overrides: options.overrides.clone(), ..Sources::default() })?;
        }
        Ok(Self { format: global.format(), directory, options, any_json: global.any_json() })
    }

    /// The same, with a policy file for this run.
    pub(crate) fn with_policy(&self, file: Option<&Path>) -> Self {
        let mut options = self.options.clone();
        options.policy_of_run = file.map(|file| self.directory.join(file));
        Self { format: self.format, directory: self.directory.clone(), options, any_json: self.any_json }
    }

    /// The format of a command whose output comes bit by bit.
    pub(crate) fn stream_format(&self) -> Format {
        if self.any_json { Format::Jsonl } else { self.format }
    }

    /// Whether a person reads the output.
    pub(crate) fn for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// The project, once it is sure that no agent asks.
    pub(crate) fn project(&self) -> anyhow::Result<Project> {
        Access::refuse_inside_slot()?;
        Ok(Project::discover(&self.directory, &self.options)?)
    }

    /// The way to the project, for commands that need nothing of its configuration while a mission runs.
    pub(crate) async fn reach(&self) -> anyhow::Result<Access> {
        let access = Access::find(&self.directory, &self.options).await?;
        self.tell_idle_overrides(&access);
        Ok(access)
    }

    /// Says that `--set` means nothing to a mission that runs already.
    fn tell_idle_overrides(&self, access: &Access) {
        if access.is_running() && !self.options.overrides.is_empty() {
            remark(
                "`--set` has no effect on the mission that runs; `missiond config set` holds for the next one",
            );
        }
    }

    /// The project and the way to it.
    pub(crate) async fn access(&self) -> anyhow::Result<(Project, Access)> {
        let project = self.project()?;
        let access = Access::open(&project).await?;
        self.tell_idle_overrides(&access);
        Ok((project, access))
    }
}
