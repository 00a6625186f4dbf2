//! `worktree`: the directories where agents, and people, work.

use clap::Subcommand;
use missiond_core::access::{RemovedWorktree, workspace_request};
use missiond_core::adapters::GitWorkspaces;
use missiond_core::ports::Workspaces as _;
use missiond_core::text::escape_line;
use missiond_core::{Error, WorkspaceRecord};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{Cell, FAINT, GREEN, Table, YELLOW, count, line, list, one, remark};

/// Work with the directories where agents work
#[derive(Debug, Subcommand)]
pub(crate) enum Worktree {
    /// Make a worktree with a branch of its own, both named after an issue
    Create {
        /// The issue, such as 42 or fix-login.
        issue: String,
        /// The revision to begin from; by default what the project has checked out.
        #[arg(long, value_name = "REVISION")]
        base: Option<String>,
    },
    /// List the worktrees that missiond made
    List,
    /// Remove a worktree; its branch stays, and what is not committed is kept under a ref
    Remove {
        /// Its name, its branch or its issue.
        worktree: String,
    },
}

/// A worktree as it is listed.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    record: WorkspaceRecord,
    /// Files that are changed or new and not committed; `None` if that can't be told.
    uncommitted: Option<usize>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct Removed {
    name: String,
    branch: String,
    rescue: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further: Vec<String>,
}

impl Worktree {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (project, access) = context.access().await?;
        let workspaces = project.workspaces();
        match self {
            Self::Create { issue, base } => {
                let mut request = workspace_request(&project.settings, project.root(), &issue)?;
                request.base = base;
                let record = workspaces.create(request).await.map_err(Error::from)?;
                one(context.format, &record, || {
                    let branch = escape_line(&record.branch);
                    remark(format!("{GREEN}made{GREEN:#}  branch {branch}, worktree:"));
                    // Alone on standard output, for `cd $(missiond worktree create 42)`.
                    line(escape_line(&record.path.display().to_string()))
                })?;
            }
            Self::List => {
                let shown = read(workspaces).await?;
                list(context.format, &shown, "no worktrees", || table(&shown))?;
                for Shown { record, problem, .. } in &shown {
                    if let Some(problem) = problem {
                        let name = escape_line(&record.name);
                        remark(format!(
                            "{YELLOW}{name} cannot be looked at:{YELLOW:#} {}",
                            escape_line(problem)
                        ));
                    }
                }
            }
            Self::Remove { worktree } => {
                let RemovedWorktree { name, branch, rescue, further, .. } =
                    access.remove_worktree(&project, &worktree).await?;
                let removed = Removed { name, branch, rescue, further };
                one(context.format, &removed, || {
                    line(format!(
                        "removed {}; branch {} stays",
                        escape_line(&removed.name),
                        escape_line(&removed.branch)
                    ))?;
                    removed.rescue.iter().chain(&removed.further).try_for_each(|kept| {
                        let kept = escape_line(kept);
                        line(format!("{YELLOW}what was not committed is kept{YELLOW:#} as {kept}"))
                    })
                })?;
            }
        }
        Ok(Exit::OK)
    }
}

async fn read(workspaces: &GitWorkspaces) -> anyhow::Result<Vec<Shown>> {
    let records = workspaces.list().await.map_err(Error::from)?;
    let workspaces = workspaces.clone();
    let read = tokio::task::spawn_blocking(move || {
        records
            .into_iter()
            .map(|record| {
                let (uncommitted, problem) = match workspaces.repository().status(&record.path) {
                    Ok(status) => (Some(status.changed + status.untracked + status.conflicts.len()), None),
                    Err(error) => (None, Some(missiond_core::chain(&error))),
                };
                Shown { record, uncommitted, problem }
            })
            .collect()
    });
    Ok(read.await?)
}

fn table(shown: &[Shown]) -> Table {
    let mut table = Table::new(&["WORKTREE", "BRANCH", "UNCOMMITTED", "PATH"]);
    for Shown { record, uncommitted, .. } in shown {
        table.row(vec![
            Cell::new(&record.name),
            Cell::new(&record.branch),
            match uncommitted {
                Some(0) => Cell::styled("none", FAINT),
                Some(files) => Cell::styled(count(*files as u64, "file"), YELLOW),
                None => Cell::styled("unknown", YELLOW),
            },
            Cell::new(record.path.display().to_string()),
        ]);
    }
    table
}
