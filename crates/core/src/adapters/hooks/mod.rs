//! Our hooks in the settings of agents that people start themselves: where those settings lie, changing them, and looking
//! over all hooks there are.
//!
//! A mission needs none of this: it hands an agent a settings file of its own.

mod lint;
mod place;
mod write;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use missiond_policy::hook::{Dialect, EventName, MAX_SETTINGS_BYTES, SettingsError, install, uninstall};

pub use lint::{LintOptions, Linted, lint};
pub use place::Scope;

/// The time-out that is written into settings, in seconds: well over the 5 s after which the hook itself answers.
pub const TIMEOUT_SECONDS: u32 = 30;

/// Why settings can't be changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookSettingsError {
    /// The agent has no settings of that scope.
    #[error("{agent} has no settings of the scope `{scope}`; use {others}")]
    NoSuchScope {
        /// The agent.
        agent: &'static str,
        /// The scope.
        scope: Scope,
        /// Those that it has.
        others: &'static str,
    },
    /// It isn't known where the person's settings lie.
    #[error("HOME is not set to an absolute path, so that the person's settings can't be found")]
    NoHome,
    /// The file can't be read or written.
    #[error("{} can't be {so}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `written`, …
        so: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The agent couldn't read the file, or our part of it can't be changed alone.
    #[error("{} is left as it is", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SettingsError,
    },
    /// A link leads out of the project, where something else would be changed.
    #[error(
        "{} leads to {}, outside the project; change that file itself, or take the scope `user`",
        path.display(),
        target.display()
    )]
    LeadsOut {
        /// The file.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Somebody else has changed the file in the meantime.
    #[error("{} was changed by somebody else in the meantime; try again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// A change of a settings file that is not made yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The agent.
    pub agent: Dialect,
    /// Whose settings.
    pub scope: Scope,
    /// The file.
    pub path: PathBuf,
    /// What is in it; `None` if there is none.
    pub before: Option<String>,
    /// What shall be in it.
    pub after: String,
    /// The directory that the file may not lead out of.
    within: Option<PathBuf>,
}

impl Change {
    /// Whether there is anything to change.
    pub fn is_needed(&self) -> bool {
        self.before.as_deref().unwrap_or_default() != self.after
    }

    /// Makes the change: whole or not at all, keeping the file's mode, and where the file is a link, in the file that it
    /// leads to.
    ///
    /// # Errors
    ///
    /// When it can't be written, or is not any more what it was.
    pub fn make(&self) -> Result<(), HookSettingsError> {
        if self.is_needed() { write::replace(self) } else { Ok(()) }
    }
}

/// The change that puts our hooks into an agent's settings, for who works in `directory`. `program` is ours, by a path that
/// holds in every worktree.
///
/// # Errors
///
/// When the agent has no such settings, or they can't be read.
pub fn installation(
    agent: Dialect,
    scope: Scope,
    directory: &Path,
    program: &Path,
) -> Result<Change, HookSettingsError> {
    let command: Vec<OsString> = vec![program.into(), "hook".into(), "--agent".into(), agent.as_str().into()];
    change(agent, scope, directory, |text| install(agent, text, &command, TIMEOUT_SECONDS, &events(agent)))
}

/// The change that takes our hooks out of an agent's settings.
///
/// # Errors
///
/// As [`installation`].
pub fn removal(agent: Dialect, scope: Scope, directory: &Path) -> Result<Change, HookSettingsError> {
    change(agent, scope, directory, |text| uninstall(agent, text))
}

/// The events that are installed: those on which the agent waits for leave to do something. Without a mission there is
/// nobody to report the others to.
pub fn events(agent: Dialect) -> Vec<EventName> {
    let wanted = [EventName::PreToolUse, EventName::PermissionRequest, EventName::UserPromptSubmit];
    wanted.into_iter().filter(|event| agent.events().any(|known| known == event)).collect()
}

/// The agents whose program is on `PATH`.
pub fn agents_on_path() -> Vec<Dialect> {
    Dialect::ALL.into_iter().filter(|agent| place::on_path(agent.as_str()).is_some()).collect()
}

/// The path by which settings name our program: absolute, so that it is the same one in every worktree; and where `PATH`
/// leads to it, the path there, which an update of the program leaves alone.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    let program = crate::reexec::program()?;
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let same = |path: &PathBuf| path.canonicalize().ok() == program.canonicalize().ok();
    Ok(place::on_path(&name).filter(same).unwrap_or(program))
}

/// Whether a file goes away with a linked worktree that it lies in.
pub fn goes_with_worktree(path: &Path) -> bool {
    path.ancestors().skip(1).any(|above| above.join(".git").is_file())
}

fn change(
    agent: Dialect,
    scope: Scope,
    directory: &Path,
    edit: impl FnOnce(&str) -> Result<String, SettingsError>,
) -> Result<Change, HookSettingsError> {
    let place = place::settings(agent, scope, directory)?;
    let before = match crate::files::read_text(&place.path, MAX_SETTINGS_BYTES as u64) {
        Ok(text) => Some(text),
        Err(source) if source.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(HookSettingsError::Io { path: place.path, so: "read", source }),
    };
    let after = edit(before.as_deref().unwrap_or_default())
        .map_err(|source| HookSettingsError::Settings { path: place.path.clone(), source })?;
    Ok(Change { agent, scope, path: place.path, before, after, within: place.within })
}
