//! Finding the pinned program.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// The version of Claude Code that the tests are written for.
pub const VERSION: &str = "2.1.197";

/// Names another program to use instead of the one in the cache; its version must be the same.
const OVERRIDE: &str = "MISSIOND_TEST_CLAUDE";

/// Finds Claude Code in the user's cache directory, where `scripts/test` puts it.
///
/// There is no way to go on without it: a missing program is an error here and now, in CI and elsewhere, so no
/// test passes by not running.
///
/// # Errors
/// When the program is missing, can't be run, or has another version; the error says how to install it.
pub fn find() -> Result<PathBuf> {
    let (path, origin) = match env::var_os(OVERRIDE) {
        Some(path) => (PathBuf::from(path), OVERRIDE),
        None => (cache_directory()?.join("node_modules/.bin/claude"), "the cache directory"),
    };
    if !path.exists() {
        bail!(
            "this test needs Claude Code {VERSION}, and {} ({origin}) does not exist; install it with\n    {}\n\
             or run scripts/test, which does",
            path.display(),
            install_command()?
        );
    }
    let found = version_of(&path)?;
    ensure!(
        found.split_whitespace().next() == Some(VERSION),
        "{} ({origin}) is {found:?}, the tests need {VERSION}; install it with\n    {}",
        path.display(),
        install_command()?
    );
    Ok(path)
}

/// The command that installs the program where [`find`] looks.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn install_command() -> Result<String> {
    let prefix = cache_directory()?;
    Ok(format!("npm install --prefix {} @anthropic-ai/claude-code@{VERSION}", prefix.display()))
}

fn cache_directory() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set, so there is no cache directory")?;
    Ok(cache.join("missiond/npm").join(format!("claude-code-{VERSION}")))
}

fn version_of(path: &Path) -> Result<String> {
    let output = Command::new(path)
        .arg("--version")
        .env("DISABLE_AUTOUPDATER", "1")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} can't be run", path.display()))?;
    ensure!(output.status.success(), "`{} --version` ended with {}", path.display(), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
