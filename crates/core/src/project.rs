//! A project as the command line sees it: found from any directory in it, with its configuration read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy as _;

use crate::adapters::{AuditFile, GitWorkspaces, PolicyGate};
use crate::agents::Profiles;
use crate::config::{Config, ConfigError, Origin, Settings, Sources};
use crate::control::ProjectPaths;
use crate::error::Error;
use crate::headless::HeadlessDriver;
use crate::mission::{MissionConfig, Ports};
use crate::ports::{Driver, NoContainment, SystemClock};

/// A git repository with missiond's configuration in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Project {
    /// Where our files lie.
    pub paths: ProjectPaths,
    /// The merged configuration.
    pub config: Config,
    /// The same as typed values.
    pub settings: Settings,
    /// The agent kinds that it knows.
    pub profiles: Profiles,
    workspaces: GitWorkspaces,
}

/// What a project is read with, besides its own files.
#[derive(Clone, Debug, Default)]
pub struct ProjectOptions {
    /// The person's configuration file.
    pub user_file: Option<PathBuf>,
    /// Configuration keys that are set for this run, by dotted name.
    pub overrides: Vec<(String, String)>,
    /// A policy file that holds for this run, besides all others.
    pub policy_of_run: Option<PathBuf>,
}

impl ProjectOptions {
    /// The person's configuration file, in the XDG configuration directory, and no overrides.
    pub fn of_person() -> Self {
        let strategy = etcetera::base_strategy::Xdg::new().ok();
        let user_file = strategy.map(|strategy| strategy.config_dir().join("missiond").join("config.toml"));
        Self { user_file, ..Self::default() }
    }
}

impl Project {
    /// Finds the project that a directory lies in and reads its configuration. Blocks while it does.
    ///
    /// The root is the main worktree of the repository, so a linked worktree, which an agent may write, is never where
    /// configuration is read from.
    ///
    /// # Errors
    ///
    /// When the directory lies in no repository, or the configuration or an agent file cannot be used.
    pub fn discover(from: &Path, options: &ProjectOptions) -> Result<Self, Error> {
        let workspaces = GitWorkspaces::discover(from)?;
        let (paths, config, settings) = read(workspaces.root(), options)?;
        let profiles = Profiles::load(&paths.state_dir().join("agents"))?;
        Ok(Self { paths, config, settings, profiles, workspaces })
    }

    /// The project root.
    pub fn root(&self) -> &Path {
        self.workspaces.root()
    }

    /// The project's worktrees and branches.
    pub fn workspaces(&self) -> &GitWorkspaces {
        &self.workspaces
    }

    /// The policy in force: the project's file, the `[policy]` table and the preset.
    ///
    /// # Errors
    ///
    /// When a rule cannot be used; an unusable policy is never a weaker one.
    pub fn gate(&self) -> Result<PolicyGate, Error> {
        PolicyGate::load(&self.paths, &self.settings, &self.config)
    }

    /// What to open a [`Mission`](crate::Mission) with: git worktrees, the project's policy and audit log, SQLite, no
    /// containment, and the slots that are configured.
    ///
    /// # Errors
    ///
    /// As [`Project::gate`].
    pub fn mission_config(&self) -> Result<MissionConfig, Error> {
        let drivers: Vec<Arc<dyn Driver>> = vec![
            Arc::new(HeadlessDriver),
            #[cfg(feature = "pty")]
            Arc::new(crate::adapters::PtyDriver::new(self.settings.communication_timeout)),
        ];
        let ports = Ports {
            clock: Arc::new(SystemClock),
            store: None,
            workspaces: Arc::new(self.workspaces.clone()),
            gate: Arc::new(self.gate()?),
            audit: Some(Arc::new(AuditFile::load(&self.settings, &self.config))),
            containment: Arc::new(NoContainment),
            drivers,
        };
        MissionConfig::new(self.root().to_owned(), self.settings.clone(), self.profiles.clone(), ports)
    }
}

/// The root of the project that a directory lies in, and the policy in force there: all that it takes to judge a call
/// where there is no mission. Blocks while it reads, and starts `git` only where the layout of the repository leaves a
/// doubt.
///
/// # Errors
///
/// As [`Project::discover`], but for the agents' files, and as [`Project::gate`].
pub fn policy_at(from: &Path, options: &ProjectOptions) -> Result<(PathBuf, PolicyGate), Error> {
    let root = root_of(from)?;
    let (paths, config, settings) = read(&root, options)?;
    Ok((root, PolicyGate::load(&paths, &settings, &config)?))
}

/// The policy in force in a project, by its root, and the audit log that verdicts go to before they are told. Blocks while it
/// reads. Where the log is to be made in the project's state directory, git is told to look past it.
///
/// # Errors
///
/// As [`policy_at`], but for the root.
pub fn judge_in(root: &Path, options: &ProjectOptions) -> Result<(PolicyGate, AuditFile), Error> {
    let (paths, config, settings) = read(root, options)?;
    let gate = PolicyGate::load(&paths, &settings, &config)?;
    let audit = AuditFile::load(&settings, &config);
    let state = paths.state_dir();
    // A mission does it when it begins, but there may never have been one.
    if settings.audit_log_path.starts_with(&state)
        && !settings.audit_log_path.exists()
        && let Err(error) = GitWorkspaces::discover(root).and_then(|workspaces| workspaces.hide_state())
    {
        tracing::debug!(error = %crate::error::chain(&error), "git was not told to look past the audit log");
    }
    Ok((gate, audit))
}

/// The root of the project that a directory lies in. Blocks as [`policy_at`] does.
///
/// # Errors
///
/// When the directory lies in no repository that can be used.
pub fn root_of(from: &Path) -> Result<PathBuf, Error> {
    match missiond_git::locate(from) {
        Some(root) => Ok(root),
        None => Ok(GitWorkspaces::discover(from)?.root().to_owned()),
    }
}

/// The worktree that a directory lies in: the nearest one above it with a `.git`.
pub fn workspace_of(directory: &Path, root: &Path) -> PathBuf {
    directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(root).to_owned()
}

fn read(root: &Path, options: &ProjectOptions) -> Result<(ProjectPaths, Config, Settings), Error> {
    let paths = ProjectPaths::new(root)?;
    let environment = environment()?;
    let config = Config::load(&Sources {
        user_file: options.user_file.clone(),
        project_file: Some(paths.state_dir().join("config.toml")),
        environment,
        overrides: options.overrides.clone(),
        policy_of_run: options.policy_of_run.clone(),
    })?;
    let settings = Settings::from_config(&config, root, &|name| std::env::var(name).ok())?;
    Ok((paths, config, settings))
}

/// The variables that are meant for us. One that is no text must not be passed over as if it were not set.
fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("MISSIOND_"))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(value) => Err(ConfigError::BadValue {
                origin: Origin::Environment(crate::text::escape_line(&name)),
                key: crate::text::escape_line(&name),
                expected: "a text in UTF-8".to_owned(),
                found: format!("`{}`", crate::text::escape_line(&value.to_string_lossy())),
            }),
        })
        .collect()
}
