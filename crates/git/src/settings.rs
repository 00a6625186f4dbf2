use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How `git` is run and how long is waited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The program; looked up in the absolute directories of `PATH` when it has no slash. A path with a slash is taken
    /// from the current directory, once. Default `git`.
    pub git: PathBuf,
    /// Variables set for every `git` on top of the few it inherits (`PATH`, `HOME` and the like; no `GIT_*`).
    pub environment: Vec<(OsString, OsString)>,
    /// How long one `git` command may take. Default 5 minutes, since a checkout of a large tree is one command.
    pub deadline: Duration,
    /// How long another process's lock is waited for. Default 30 seconds.
    pub lock_wait: Duration,
    /// How many bytes one `git` command may print. Default 64 MiB.
    pub max_output: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            git: PathBuf::from("git"),
            environment: Vec::new(),
            deadline: Duration::from_secs(300),
            lock_wait: Duration::from_secs(30),
            max_output: 64 << 20,
        }
    }
}

/// Who a commit is by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The full name.
    pub name: String,
    /// The mail address.
    pub email: String,
}

impl Identity {
    /// Returns the identity used where the repository's person has none configured.
    #[must_use]
    pub fn fallback() -> Self {
        Self { name: "missiond".to_owned(), email: "missiond@localhost".to_owned() }
    }
}
