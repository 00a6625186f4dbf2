//! Where the settings of agents lie.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use missiond_policy::hook::{Dialect, SettingsFormat};

use super::HookSettingsError;
use crate::project::{root_of, workspace_of};

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// The person's, for all projects.
    User,
    /// Those that the project's repository brings, for all people.
    Project,
    /// The person's for one project.
    Local,
}

impl Scope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A settings file, whether it is there or not.
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// The directory that it may not lead out of.
    pub(super) within: Option<PathBuf>,
}

/// Where our hooks go.
pub(super) fn settings(agent: Dialect, scope: Scope, directory: &Path) -> Result<Place, HookSettingsError> {
    let name = match (agent, scope) {
        (Dialect::Claude, Scope::Local) => ".claude/settings.local.json",
        (Dialect::Claude, Scope::Project) => ".claude/settings.json",
        (Dialect::Codex, Scope::Project) => ".codex/hooks.json",
        (Dialect::Gemini, Scope::Project) => ".gemini/settings.json",
        (_, Scope::User) => {
            let file = if agent == Dialect::Codex { "hooks.json" } else { "settings.json" };
            return Ok(Place { path: home_of(agent)?.join(file), within: None });
        }
        (_, scope) => {
            let others = "`user` or `project`";
            return Err(HookSettingsError::NoSuchScope { agent: agent.agent(), scope, others });
        }
    };
    let root = project_of(agent, directory);
    Ok(Place { path: root.join(name), within: Some(root) })
}

/// All files in which an agent looks for hooks, the nearest to the person first.
pub(super) fn all(agent: Dialect, directory: &Path) -> Vec<(PathBuf, SettingsFormat)> {
    let project = project_of(agent, directory);
    let mut files = Vec::new();
    let home = home_of(agent).ok();
    let mut add = |path: Option<PathBuf>, format| files.extend(path.map(|path| (path, format)));
    use SettingsFormat::{Json, Toml};
    let at_home = |name: &str| home.as_ref().map(|home| home.join(name));
    match agent {
        Dialect::Codex => {
            add(at_home("hooks.json"), Json);
            add(at_home("config.toml"), Toml);
            add(Some(project.join(".codex/hooks.json")), Json);
            add(Some(project.join(".codex/config.toml")), Toml);
        }
        Dialect::Gemini => {
            add(Some("/etc/gemini-cli/settings.json".into()), Json);
            add(at_home("settings.json"), Json);
            add(Some(project.join(".gemini/settings.json")), Json);
        }
        _ => {
            add(Some("/etc/claude-code/managed-settings.json".into()), Json);
            add(at_home("settings.json"), Json);
            add(Some(project.join(".claude/settings.json")), Json);
            add(Some(project.join(".claude/settings.local.json")), Json);
        }
    }
    files
}

/// The directory in which an agent keeps the person's settings.
pub(super) fn home_of(agent: Dialect) -> Result<PathBuf, HookSettingsError> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = set("HOME").ok_or(HookSettingsError::NoHome);
    match agent {
        Dialect::Codex => set("CODEX_HOME").map_or_else(|| Ok(home?.join(".codex")), Ok),
        Dialect::Gemini => Ok(set("GEMINI_CLI_HOME").map_or_else(|| home, Ok)?.join(".gemini")),
        _ => set("CLAUDE_CONFIG_DIR").map_or_else(|| Ok(home?.join(".claude")), Ok),
    }
}

/// The checkout whose settings an agent reads: the one that it works in, but Codex reads those of the main one in every
/// worktree.
pub(super) fn project_of(agent: Dialect, directory: &Path) -> PathBuf {
    match agent {
        Dialect::Codex => root_of(directory).unwrap_or_else(|_| directory.to_owned()),
        _ => workspace_of(directory, directory),
    }
}

/// A program on `PATH`. Relative entries are left out: an agent may write there.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|path| executable(path) == Some(true))
}

/// Whether there is a regular file, and whether it can be executed.
pub(super) fn executable(path: &Path) -> Option<bool> {
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(file.permissions().mode() & 0o111 != 0)
}
