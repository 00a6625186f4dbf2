//! The scratch repository of the demo and what its agents are told.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use missiond_core::{Error, NewTask};
use serde_json::json;
use tempfile::TempDir;

/// A repository with a remote, both in a temporary directory.
#[derive(Debug)]
pub(super) struct Scene {
    directory: TempDir,
    repository: PathBuf,
}

impl Scene {
    pub(super) fn make() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("missiond-demo-").tempdir();
        let directory =
            directory.context("no temporary directory can be made; set TMPDIR to one that can be written")?;
        // Agents are told real paths, and a linked /tmp would give others.
        let root = directory.path().canonicalize()?;
        let repository = root.join("garden");
        git(&root, &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"])?;
        git(&root, &["init", "--quiet", "--initial-branch=main", "garden"])?;
        for (key, value) in [
            ("user.name", "Demo"),
            ("user.email", "demo@localhost"),
            ("commit.gpgsign", "false"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        ] {
            git(&repository, &["config", key, value])?;
        }
        std::fs::write(
            repository.join("README.md"),
            "# Garden\n\nA scratch repository of the missiond demo.\n",
        )?;
        git(&repository, &["add", "README.md"])?;
        git(&repository, &["commit", "--quiet", "--message", "Begin"])?;
        git(&repository, &["remote", "add", "origin", "../origin.git"])?;
        Ok(Self { directory, repository })
    }

    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Removes everything, or keeps it; says which.
    pub(super) fn end(self, keep: bool) -> anyhow::Result<String> {
        if keep {
            let _kept = self.directory.keep();
            return Ok(format!("the repository is kept: {}", self.repository.display()));
        }
        self.directory.close().context("the scratch repository could not be removed")?;
        Ok("the scratch repository is removed (--keep keeps it)".to_owned())
    }
}

/// Three tasks: one that simply works, one that is refused a call, one that has to ask.
pub(super) fn tasks() -> Vec<NewTask> {
    let poem = "Roses are red,\nviolets are blue,\nthis file has one author,\nand it isn't you.\n";
    let steps = [
        (
            "poem",
            json!([
                { "think_ms": 250 },
                { "write": { "path": "poem.txt", "content": poem } },
                { "think_ms": 250 },
                { "read": { "path": "poem.txt" } },
                { "say": "I wrote a poem." }
            ]),
        ),
        (
            "cleanup",
            json!([
                { "think_ms": 200 },
                { "say": "I will make some room first." },
                { "bash": "rm -rf /" },
                { "think_ms": 200 },
                { "write": { "path": "CLEANUP.md", "content": "Nothing needed to be removed.\n" } },
                { "say": "I was not allowed to remove everything, so I wrote down that nothing needs it." }
            ]),
        ),
        (
            "release",
            json!([
                { "think_ms": 150 },
                { "write": { "path": "CHANGES.md", "content": "# Changes\n\n- The garden is open.\n" } },
                { "bash": "git add CHANGES.md" },
                { "bash": "git commit --quiet --message 'Open the garden'" },
                { "bash": "git push --quiet origin HEAD" },
                { "say": "I wrote the changes down and pushed them." }
            ]),
        ),
    ];
    steps
        .into_iter()
        .map(|(issue, steps)| {
            let mut task = NewTask::new(format!("script:{steps}"));
            task.issue = Some(issue.to_owned());
            task
        })
        .collect()
}

/// Runs git without the machine's or the person's configuration.
fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    let output = command
        .current_dir(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Error::Missing(format!("git could not be started ({error}); install git 2.38 or newer"))
        })?;
    if !output.status.success() {
        let said = missiond_core::text::escape(&String::from_utf8_lossy(&output.stderr));
        bail!("`git {}` ended with {}: {said}", arguments.join(" "), output.status);
    }
    Ok(())
}
