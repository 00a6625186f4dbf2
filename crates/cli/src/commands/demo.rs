//! `demo`: a whole mission on a scratch repository.

mod scene;
mod story;

use std::time::Instant;

use clap::Args;
use missiond_core::access::Session;
use missiond_core::ports::Workspaces as _;
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::text::escape_line;
use missiond_core::{DriverKind, Error, Task, TaskStatus};

use crate::commands::watch::Watch;
use crate::context::Context;
use crate::exit::{Exit, UsageError};
use crate::output::{FAINT, STRONG, length, line};
use crate::signals::interrupts;
use scene::Scene;
use story::Story;

/// Show a whole mission on a scratch repository
///
/// Three scripted agents work in parallel, each in a git worktree of its own, under the standard policy. One of their tool
/// calls is denied, one is asked about and approved. Then their branches are merged. It needs git and nothing else: no
/// account, no network, no configuration.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the scratch repository.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if !context.for_people() {
            let text =
                "the demo prints for people alone; `missiond events --json` prints what a mission does"
                    .to_owned();
            return Err(UsageError(text).into());
        }
        missiond_core::access::Access::refuse_inside_slot()?;
        let begun = Instant::now();
        let mut signals = interrupts()?;
        let scene = Scene::make()?;
        let project = Project::discover(scene.repository(), &options())?;
        introduce(&project)?;
        let agent = "scripted".parse().map_err(|error| Error::Internal(format!("{error}")))?;
        let mut session = Session::open(project, Some(agent), DriverKind::Headless).await?;
        let told = tokio::select! {
            told = tell(&mut session) => told.map(Some),
            _ = signals.wait_for(|count| *count > 0) => Ok(None),
        };
        let log = Story::read_log(session.access()).await;
        let project = Project::discover(session.project().root(), &options())?;
        session.close("the demo is over").await?;
        let Some(tasks) = told? else {
            return Ok(Exit::INTERRUPTED);
        };
        let merged = merge(&project, &tasks).await?;
        story::print_log(&log?)?;
        let leftovers = project.workspaces().list().await.map_err(Error::from)?;
        for left in &leftovers {
            line(format!("left over: worktree {}", escape_line(&left.name)))?;
        }
        let took = length(begun.elapsed());
        let place = scene.end(self.keep)?;
        line(format!("\n{STRONG}done in {took}{STRONG:#}  {FAINT}{place}{FAINT:#}"))?;
        line(format!("{FAINT}next: `cd` into a repository of yours and `missiond run \"…\"`{FAINT:#}"))?;
        let well = tasks.iter().all(|task| task.status == TaskStatus::Done) && merged && leftovers.is_empty();
        Ok(if well { Exit::OK } else { Exit::FAILURE })
    }
}

/// The person's own configuration has no say, so that the demo is the same everywhere.
fn options() -> ProjectOptions {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ProjectOptions {
        user_file: None,
        policy_of_run: None,
        overrides: vec![
            set("core.default_branch_prefix", "feature"),
            set("core.max_concurrent_agents", "3"),
            set("security.default_policy", "standard"),
            set("security.enable_hooks", "true"),
            set("security.approval_timeout", "1m"),
            set("agent.turn_timeout", "1m"),
            set("worktree.base_path", "../"),
            set("worktree.naming_pattern", "{repo}-{issue_id}"),
        ],
    }
}

fn introduce(project: &Project) -> anyhow::Result<()> {
    line(format!("{STRONG}Three scripted agents, one scratch repository, one policy.{STRONG:#}"))?;
    let root = escape_line(&project.root().display().to_string());
    line(format!("{FAINT}repository {root}   policy {}{FAINT:#}\n", project.settings.default_policy))
}

/// Submits the tasks and tells what happens to them, answering the one question in the person's place.
async fn tell(session: &mut Session) -> anyhow::Result<Vec<Task>> {
    let mut watch = Watch::new(session.access().newest().await?);
    let mut story = Story::default();
    for request in scene::tasks() {
        let name = request.issue.clone().unwrap_or_default();
        let id = session.access().submit(request).await?;
        let text = format!("task      {STRONG}{name:<9}{STRONG:#} {FAINT}{}{FAINT:#}", id.short());
        watch.board.aside(|| line(text))?;
        story.name(id, &name);
        watch.add(id, format!("{name:<9}"));
    }
    watch.board.aside(|| line(""))?;
    while let Some(event) = watch.next(session).await? {
        story.tell(&watch.board, &event, session).await?;
    }
    watch.results(session).await
}

/// Merges every branch and says what became of it; whether all went in.
async fn merge(project: &Project, tasks: &[Task]) -> anyhow::Result<bool> {
    line("")?;
    let mut all = true;
    for task in tasks {
        all &= story::merge_one(project.workspaces(), task).await?;
    }
    Ok(all)
}
