//! Looking a project over, and mending what a killed mission left.

mod mend;
mod programs;

use std::path::Path;

use serde::Serialize;

pub use mend::mend;

use crate::adapters::record_of;
use crate::control::{Client, OwnerLock, Ownership};
use crate::error::{Error, chain};
use crate::model::{Task, TaskStatus};
use crate::ports::{Store, StoreErrorKind, TaskFilter};
use crate::project::{Project, ProjectOptions};
use crate::store::{OpenMode, SqliteStore};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub subject: String,
    /// How it is.
    pub severity: Severity,
    /// What was found.
    pub text: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing, and no fault.
    Note,
    /// Something does not work, or is left over.
    Problem,
}

impl Severity {
    /// The lower-case word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Problem => "problem",
        }
    }
}

impl Finding {
    fn ok(subject: &str, text: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), severity: Severity::Ok, text: text.into(), remedy: None }
    }

    fn note(subject: &str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { subject: subject.to_owned(), severity: Severity::Note, text: text.into(), remedy }
    }

    fn problem(subject: &str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { subject: subject.to_owned(), severity: Severity::Problem, text: text.into(), remedy }
    }
}

const FIX: &str = "run `missiond doctor --fix`";

/// Looks over git, the project that a directory lies in, its configuration, agents, owner, sockets, database, processes
/// and workspaces. Changes nothing.
///
/// # Cancel safety
///
/// Reads only.
pub async fn examine(from: &Path, options: &ProjectOptions) -> Vec<Finding> {
    let mut findings = vec![programs::git().await];
    let (directory, wanted) = (from.to_owned(), options.clone());
    let discovered = tokio::task::spawn_blocking(move || Project::discover(&directory, &wanted)).await;
    let project = match discovered {
        Ok(Ok(project)) => project,
        Ok(Err(error)) => {
            let subject =
                if error.kind() == crate::error::ErrorKind::Configuration { "config" } else { "project" };
            findings.push(Finding::problem(
                subject,
                chain(&error),
                "correct it; nothing else can be looked at before",
            ));
            return findings;
        }
        Err(error) => {
            findings.push(Finding::problem(
                "project",
                format!("the look at it failed: {error}"),
                "report this",
            ));
            return findings;
        }
    };
    findings.push(Finding::ok("project", project.root().display().to_string()));
    findings.push(Finding::ok("config", format!("{} slots configured", project.settings.slots.len())));
    findings.push(policy(&project));
    findings.extend(programs::agents(&project).await);
    findings.push(runtime_directory(&project));
    let owned = owner(&project, &mut findings).await;
    let tasks = database(&project, &mut findings).await;
    if !owned {
        leftovers(&project, &tasks, &mut findings);
    }
    workspaces(&project, &tasks, owned, &mut findings).await;
    findings
}

fn policy(project: &Project) -> Finding {
    match project.gate() {
        Ok(_) => Finding::ok("policy", format!("preset {}", project.settings.default_policy)),
        Err(error) => {
            Finding::problem("policy", chain(&error), "correct it; no agent is started without a policy")
        }
    }
}

fn runtime_directory(project: &Project) -> Finding {
    let shown = project.paths.runtime_dir().display().to_string();
    match project.paths.check_runtime_dir() {
        Ok(true) => Finding::ok("sockets", shown),
        Ok(false) => Finding::ok("sockets", format!("{shown} (made when a mission begins)")),
        Err(error) => Finding::problem("sockets", chain(&error), "see the message"),
    }
}

/// Whether somebody owns the project.
async fn owner(project: &Project, findings: &mut Vec<Finding>) -> bool {
    let finding = match OwnerLock::ownership(&project.paths) {
        Ok(Ownership::Free) => {
            let socket = project.paths.control_socket();
            findings.push(if socket.exists() {
                let text = format!("no mission is running, but its socket {} is left", socket.display());
                Finding::problem("mission", text, FIX)
            } else {
                Finding::ok("mission", "not running")
            });
            return false;
        }
        Ok(Ownership::Held(holder)) => {
            let who = holder.map_or_else(
                || "a process that has not said who it is".to_owned(),
                |holder| format!("pid {} since {}", holder.pid, holder.since),
            );
            match Client::connect(&project.paths).await {
                Ok(Some(_)) => Finding::ok("mission", format!("running, {who}, and it answers")),
                Ok(None) => Finding::ok("mission", "it ended just now"),
                Err(error) => Finding::problem(
                    "mission",
                    format!("owned by {who}: {}", chain(&error)),
                    "see the message",
                ),
            }
        }
        Err(error) => Finding::problem("mission", chain(&error), "make the file readable, or remove it"),
    };
    findings.push(finding);
    true
}

/// The tasks, if the database can be read.
async fn database(project: &Project, findings: &mut Vec<Finding>) -> Vec<Task> {
    let path = project.paths.database();
    if !path.exists() {
        findings.push(Finding::ok("database", "none yet"));
        return Vec::new();
    }
    let opened = tokio::task::spawn_blocking(move || {
        let store = SqliteStore::open(&path, OpenMode::Reader)?;
        let checked = check_integrity(&path);
        Ok::<_, Error>((store, checked))
    });
    let read: Result<(), Error> = match opened.await {
        Ok(Ok((store, Ok(version)))) => match store.tasks(TaskFilter::default()).await {
            Ok(tasks) => {
                findings.push(Finding::ok(
                    "database",
                    format!("version {version}, {} tasks, sound", tasks.len()),
                ));
                return tasks;
            }
            Err(error) => Err(Error::from(error)),
        },
        Ok(Ok((_, Err(text)))) => Err(Error::Internal(text)),
        Ok(Err(error)) => Err(error),
        Err(error) => Err(Error::Internal(format!("the look at it failed: {error}"))),
    };
    if let Err(error) = read {
        let newer = matches!(&error, Error::Store(error) if error.kind == StoreErrorKind::NewerVersion);
        let remedy = if newer {
            "use the newer missiond that wrote it"
        } else {
            "keep a copy of .missiond/mission.db; moved away, a fresh one is begun"
        };
        findings.push(Finding::problem("database", chain(&error), remedy));
    }
    Vec::new()
}

fn check_integrity(path: &Path) -> Result<i64, String> {
    let read = || -> rusqlite::Result<(String, i64)> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags)?;
        let sound = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((sound, connection.query_row("PRAGMA user_version", [], |row| row.get(0))?))
    };
    match read() {
        Ok((answer, version)) if answer == "ok" => Ok(version),
        Ok((answer, _)) => Err(format!("the database is damaged: {}", crate::text::escape_line(&answer))),
        Err(error) => Err(format!("the database can't be checked: {error}")),
    }
}

/// What only a dead owner can have left.
fn leftovers(project: &Project, tasks: &[Task], findings: &mut Vec<Finding>) {
    match missiond_process::tree::tagged(&project.paths.session_scope()) {
        Ok(found) if found.is_empty() => findings.push(Finding::ok("processes", "none left over")),
        Ok(found) => {
            let pids: Vec<String> = found.iter().map(|process| process.pid.to_string()).collect();
            let text = format!("processes of an ended mission still run: pid {}", pids.join(", "));
            findings.push(Finding::problem("processes", text, FIX));
        }
        Err(error) => findings.push(Finding::problem("processes", format!("/proc: {error}"), "mount /proc")),
    }
    let running = tasks.iter().filter(|task| task.status == TaskStatus::Running).count();
    if running > 0 {
        let text = format!("{running} tasks were running when their mission died");
        findings.push(Finding::problem(
            "tasks",
            text,
            format!("{FIX}, or start a mission: they go back to the queue"),
        ));
    }
    let queued = tasks.iter().filter(|task| task.status == TaskStatus::Queued).count();
    if queued > 0 {
        let text = format!("{queued} tasks wait and no mission runs");
        findings.push(Finding::note("tasks", text, "`missiond up` begins them"));
    }
}

async fn workspaces(project: &Project, tasks: &[Task], owned: bool, findings: &mut Vec<Finding>) {
    let workspaces = project.workspaces().clone();
    let listed = tokio::task::spawn_blocking(move || {
        let repository = workspaces.repository();
        Ok::<_, missiond_git::Error>((repository.list()?, repository.worktrees()?))
    });
    let (ours, all) = match listed.await {
        Ok(Ok(listed)) => listed,
        Ok(Err(error)) => {
            findings.push(Finding::problem("workspaces", chain(&error), "see the message"));
            return;
        }
        Err(error) => {
            findings.push(Finding::problem(
                "workspaces",
                format!("the look at them failed: {error}"),
                "report this",
            ));
            return;
        }
    };
    let before = findings.len();
    for workspace in &ours {
        let name = crate::text::escape_line(workspace.name.as_str());
        if !workspace.is_intact() {
            let text = format!("workspace {name} is not intact: {}", workspace.path.display());
            findings.push(Finding::problem("workspaces", text, format!("`missiond worktree remove {name}`")));
        } else if !owned && mend::is_left_over(&record_of(workspace), tasks) {
            findings.push(Finding::problem("workspaces", format!("{name} is left over from a task"), FIX));
        }
    }
    for worktree in all.iter().filter(|worktree| worktree.prunable) {
        let text = format!("the directory of worktree {} is gone", worktree.path.display());
        findings.push(Finding::note("workspaces", text, "`git worktree prune` forgets it"));
    }
    if findings.len() == before {
        findings.push(Finding::ok("workspaces", format!("{} there, all in order", ours.len())));
    }
}
