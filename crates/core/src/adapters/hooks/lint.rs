//! Looking over all hooks that an agent would run, and running them if asked to.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use missiond_policy::hook::lint::{
    Facts, Finding, Run, SettingsFile, is_reviewed, is_trusted, lint as lint_file, lint_environment,
    lint_run, samples, unreadable,
};
use missiond_policy::hook::{Dialect, Ending, Entry, MAX_SETTINGS_BYTES};
use missiond_process::{Environment, Exit, RunError, SpawnSpec, run};

use super::place;
use crate::error::Error;

/// The longest that one run of a hook is waited for.
const LONGEST_RUN: Duration = Duration::from_secs(10);
/// The longest that all runs together may take.
const LONGEST_ALL: Duration = Duration::from_secs(300);
/// How much of a hook's output is looked at.
const MAX_OUTPUT_BYTES: usize = 1 << 20;
/// How many bytes of names git may list.
const MAX_LISTED_BYTES: usize = 64 << 20;
/// How long git may take to say what it keeps.
const GIT_PATIENCE: Duration = Duration::from_secs(10);

/// What to look over.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LintOptions {
    /// The agents; all of them when it is empty.
    pub agents: Vec<Dialect>,
    /// Whether the hooks are run, on events that the agents really sent. That runs other people's code.
    pub run: bool,
}

/// What was looked over, and what was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Linted {
    /// The settings files that are there.
    pub files: Vec<PathBuf>,
    /// How many hooks there are in them.
    pub hooks: usize,
    /// How often a hook was run.
    pub runs: usize,
    /// How many hooks were not run, since the others had taken 5 minutes.
    pub left_out: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Looks over the hooks of the agents in a directory. Blocks, while hooks run for as long as they take.
///
/// # Errors
///
/// When a scratch directory to run them in can't be made.
pub fn lint(directory: &Path, options: &LintOptions) -> Result<Linted, Error> {
    let agents = if options.agents.is_empty() { Dialect::ALL.to_vec() } else { options.agents.clone() };
    let mut linted = Linted { files: Vec::new(), hooks: 0, runs: 0, left_out: 0, findings: Vec::new() };
    let begun = Instant::now();
    for agent in agents {
        let machine = Machine::new(agent, directory);
        let before = linted.hooks;
        for (path, format) in place::all(agent, directory) {
            let text = match crate::files::read_text(&path, MAX_SETTINGS_BYTES as u64) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
                Err(error) => {
                    linted.findings.push(unreadable(agent, &path, &error));
                    continue;
                }
            };
            let file = SettingsFile::new(agent, &path, format, &text);
            linted.findings.extend(lint_file(&file, &machine));
            let entries = file.entries().unwrap_or_default();
            linted.hooks += entries.len();
            if options.run {
                for entry in &entries {
                    if begun.elapsed() > LONGEST_ALL {
                        linted.left_out += 1;
                        continue;
                    }
                    run_entry(&file, entry, &machine, &mut linted)?;
                }
            }
            linted.files.push(path.clone());
        }
        if linted.hooks > before {
            let is_set =
                |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
            linted.findings.extend(lint_environment(agent, &is_set));
        }
    }
    linted.findings.sort_by(|a, b| (b.severity, &a.path, a.line).cmp(&(a.severity, &b.path, b.line)));
    Ok(linted)
}

/// Runs a hook on each event that its agent really sent, and on something that is none.
fn run_entry(
    file: &SettingsFile<'_>,
    entry: &Entry,
    machine: &Machine,
    linted: &mut Linted,
) -> Result<(), Error> {
    let Some(command) = entry.command.as_deref().filter(|_| entry.kind == "command") else { return Ok(()) };
    let failed = |error: io::Error| Error::Invalid(format!("no scratch directory to run hooks in: {error}"));
    let scratch = Scratch::new().map_err(failed)?;
    let real: Vec<String> = samples(file.agent, &entry.event).map(|sample| scratch.adapt(sample)).collect();
    let inputs =
        real.into_iter().map(|input| (input, false)).chain([("{\"no\": \"event\"".to_owned(), true)]);
    let mut found: Vec<Finding> = Vec::new();
    for (input, nonsense) in inputs {
        linted.runs += 1;
        let limit = limit_of(file.agent, entry);
        let started = Instant::now();
        let mut spec = SpawnSpec::new("/bin/sh", &scratch.0).args(["-c", command]);
        spec.env = machine.environment(&scratch.0);
        let finished = run(&spec, input.as_bytes(), limit, MAX_OUTPUT_BYTES);
        let took = started.elapsed();
        let texts = match &finished {
            Ok(finished) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                Some((code(finished.exit), text(&finished.stdout), text(&finished.stderr)))
            }
            Err(RunError::Deadline { .. }) => None,
            Err(error) => Some((None, String::new(), error.to_string())),
        };
        let ending = texts.as_ref().map(|(code, out, err)| Ending::new(*code, out, err));
        let run =
            if nonsense { Run::on_nonsense(ending, took, limit) } else { Run::new(ending, took, limit) };
        found.extend(
            lint_run(file, entry, &run)
                .into_iter()
                .filter(|finding| !nonsense || finding.kind == "fails-open"),
        );
        if ending.is_none() {
            // It would take as long on every event.
            break;
        }
    }
    found.dedup_by(|a, b| a.kind == b.kind);
    linted.findings.extend(found);
    Ok(())
}

fn limit_of(agent: Dialect, entry: &Entry) -> Duration {
    let ticks = if agent == Dialect::Gemini { 1000.0 } else { 1.0 };
    let own = entry.timeout.and_then(|timeout| Duration::try_from_secs_f64(timeout / ticks).ok());
    own.unwrap_or(LONGEST_RUN).min(LONGEST_RUN)
}

fn code(exit: Exit) -> Option<i32> {
    if let Exit::Code(code) = exit { Some(code) } else { None }
}

/// This machine, and the project in the directory.
struct Machine {
    agent: Dialect,
    project: PathBuf,
    home: Option<PathBuf>,
    tracked: HashSet<PathBuf>,
    reviews: Option<String>,
    trusted: Option<bool>,
}

impl Machine {
    fn new(agent: Dialect, directory: &Path) -> Self {
        let project = place::project_of(agent, directory);
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let tracked = tracked(&project);
        let of_person = |name: &str| {
            let path = place::home_of(agent).ok()?.join(name);
            match crate::files::read_text(&path, MAX_SETTINGS_BYTES as u64) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some(String::new()),
                read => read.ok(),
            }
        };
        let reviews = (agent == Dialect::Codex).then(|| of_person("config.toml")).flatten();
        let trusted = (agent == Dialect::Gemini)
            .then(|| is_trusted(&of_person("settings.json")?, &of_person("trustedFolders.json")?, &project))
            .flatten();
        Self { agent, project, home, tracked, reviews, trusted }
    }

    fn environment(&self, scratch: &Path) -> Environment {
        let mut env = Environment::inherit_basics();
        match self.agent {
            Dialect::Codex => {}
            Dialect::Gemini => {
                env.set("GEMINI_PROJECT_DIR", &self.project);
                env.set("GEMINI_CWD", &self.project);
                env.set("CLAUDE_PROJECT_DIR", &self.project);
            }
            _ => {
                env.set("CLAUDE_PROJECT_DIR", &self.project);
            }
        }
        env.set("TMPDIR", scratch);
        env
    }
}

impl Facts for Machine {
    fn file(&self, path: &Path) -> Option<bool> {
        place::executable(path)
    }

    fn on_path(&self, name: &str) -> bool {
        place::on_path(name).is_some()
    }

    fn is_tracked(&self, path: &Path) -> bool {
        self.tracked.contains(path)
    }

    fn project(&self) -> &Path {
        &self.project
    }

    fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    fn is_reviewed(&self, key: &str) -> Option<bool> {
        is_reviewed(self.reviews.as_deref()?, key)
    }

    fn is_trusted(&self) -> Option<bool> {
        self.trusted
    }
}

/// What git keeps of a checkout; nothing where there is no repository.
fn tracked(project: &Path) -> HashSet<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;

    let mut spec = SpawnSpec::new("git", project).args(["ls-files", "-z"]);
    spec.env = Environment::inherit_basics();
    let Ok(finished) = run(&spec, b"", GIT_PATIENCE, MAX_LISTED_BYTES) else { return HashSet::new() };
    let names = finished.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| project.join(std::ffi::OsStr::from_bytes(name))).collect()
}

/// A directory that is gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;

        let name = format!("missiond-lint-{}", uuid::Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        let scratch = Self(path);
        // Agents mostly work in a repository; a hook that looks for one and finds none has no fault of its own.
        let mut git = SpawnSpec::new("git", &scratch.0).args(["init", "-q"]);
        git.env = Environment::inherit_basics();
        if let Err(error) = run(&git, b"", GIT_PATIENCE, MAX_OUTPUT_BYTES) {
            tracing::debug!(%error, "hooks run without a repository");
        }
        Ok(scratch)
    }

    /// The event as if it had happened here.
    fn adapt(&self, sample: &str) -> String {
        let here = self.0.to_string_lossy();
        sample.replace("/home/dev/shop", &here).replace("/home/dev", &here)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What a hook of somebody's left there may not let itself be removed, which harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
