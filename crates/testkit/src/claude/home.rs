//! A home directory in which Claude Code asks no first-run question.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::program::VERSION;

/// Not a key of anything; the server on loopback takes any.
const DUMMY_KEY: &str = "dummy-not-a-key-for-tests";
/// Claude Code remembers an approved key by its last characters.
const KEY_TAIL: usize = 20;

/// A scratch home: onboarding is done, the dummy key is approved, and chosen projects are trusted.
#[derive(Debug)]
pub struct ClaudeHome {
    directory: TempDir,
    trusted: Mutex<Vec<PathBuf>>,
}

impl ClaudeHome {
    /// Makes a home that trusts no project yet.
    ///
    /// # Errors
    /// When the scratch directory can't be made.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("claude-home-").tempdir();
        let home = Self { directory: directory.context("no scratch home")?, trusted: Mutex::default() };
        home.seed(&[])?;
        Ok(home)
    }

    /// Marks a directory as one the person has said to trust. Only before the first run: the program rewrites the
    /// file itself later.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn trust(&self, project: &Path) -> Result<()> {
        let mut trusted = self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        trusted.push(project.to_owned());
        self.seed(&trusted)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The whole environment Claude Code needs, and nothing of the caller's but `PATH`.
    #[must_use]
    pub fn environment(&self, base_url: &str) -> Vec<(String, String)> {
        let path = env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let home = self.path().to_string_lossy().into_owned();
        // Otherwise it is /tmp/claude-UID, where an agent of the same uid outside a user namespace may have been first.
        let scratch = self.path().join("tmp").to_string_lossy().into_owned();
        let fixed = [
            ("ANTHROPIC_API_KEY", DUMMY_KEY),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("DISABLE_ERROR_REPORTING", "1"),
            ("DISABLE_TELEMETRY", "1"),
            ("LANG", "C.UTF-8"),
            ("SHELL", "/bin/bash"),
            ("TERM", "xterm-256color"),
            ("USER", "tester"),
        ];
        let own = [
            ("ANTHROPIC_BASE_URL", base_url),
            ("CLAUDE_CODE_TMPDIR", &scratch),
            ("HOME", &home),
            ("PATH", &path),
        ];
        fixed.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The transcript files (`.claude/projects/*/*.jsonl`) that runs have left.
    #[must_use]
    pub fn transcripts(&self) -> Vec<PathBuf> {
        let list =
            |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.path());
        let mut files: Vec<PathBuf> = list(self.path().join(".claude/projects"))
            .flat_map(list)
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        files.sort();
        files
    }

    fn seed(&self, trusted: &[PathBuf]) -> Result<()> {
        let projects: Map<String, Value> = trusted
            .iter()
            .map(|project| {
                let state = json!({
                    "hasTrustDialogAccepted": true,
                    "hasCompletedProjectOnboarding": true,
                    "allowedTools": []
                });
                (project.to_string_lossy().into_owned(), state)
            })
            .collect();
        let tail = &DUMMY_KEY[DUMMY_KEY.len() - KEY_TAIL..];
        let state = json!({
            "hasCompletedOnboarding": true,
            "lastOnboardingVersion": VERSION,
            "theme": "dark",
            "numStartups": 5,
            "customApiKeyResponses": {"approved": [tail], "rejected": []},
            "projects": projects,
        });
        let file = self.path().join(".claude.json");
        fs::write(&file, state.to_string()).with_context(|| format!("can't write {}", file.display()))
    }
}
