//! The environment a program gets: empty, plus what was named.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

const BASICS: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ"];
const BASIC_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// The environment variables of a program to start.
///
/// It starts empty: nothing of the caller's environment reaches the program unless it is named here. `Debug` shows
/// names only, since values are often secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Makes an empty environment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what a program needs to feel at home from the caller's environment, and nothing else.
    ///
    /// These are `PATH HOME USER LOGNAME SHELL LANG TERM TMPDIR TZ`, `LC_*` and `XDG_*`, so far as they are set.
    #[must_use]
    pub fn inherit_basics() -> Self {
        let mut environment = Self::new();
        for name in BASICS {
            environment.inherit(name);
        }
        for prefix in BASIC_PREFIXES {
            environment.inherit_prefix(prefix);
        }
        environment
    }

    /// Takes one variable from the caller's environment, if it is set there.
    pub fn inherit(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        if let Some(value) = std::env::var_os(name.as_ref()) {
            self.set(name.as_ref(), value);
        }
        self
    }

    /// Takes every variable whose name begins with `prefix` from the caller's environment.
    pub fn inherit_prefix(&mut self, prefix: impl AsRef<OsStr>) -> &mut Self {
        let prefix = prefix.as_ref().as_bytes();
        for (name, value) in std::env::vars_os() {
            if name.as_bytes().starts_with(prefix) {
                self.set(name, value);
            }
        }
        self
    }

    /// Sets a variable. A name that is empty or holds `=` or NUL makes the spawn fail.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Removes a variable.
    pub fn unset(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.variables.remove(name.as_ref());
        self
    }

    /// Returns a variable's value.
    #[must_use]
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.variables.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Iterates over names and values in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.variables.keys().map(|name| (name, "<redacted>"))).finish()
    }
}
