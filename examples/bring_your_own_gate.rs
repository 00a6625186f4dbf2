//! Replaces the judge of tool calls by one's own: a gate that lets agents write Markdown and nothing else.
//!
//! ```text
//! cargo run --example bring_your_own_gate
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use missiond_core::ports::{BoxFuture, Gate, GateError, Seat};
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::text::escape_line;
use missiond_core::{Decision, DriverKind, EventBody, Mission, NewTask, Seq, ToolCall, Verdict};
use missiond_testkit::repo::Repo;

/// Any type that says what may run can be a gate. Whatever it does not allow, and any failure of it, is a no.
#[derive(Debug)]
struct OnlyMarkdown;

impl Gate for OnlyMarkdown {
    fn judge<'a>(&'a self, call: &'a ToolCall, _seat: &'a Seat) -> BoxFuture<'a, Result<Verdict, GateError>> {
        Box::pin(async move {
            let is_markdown = call.tool == "Write" && call.argument().ends_with(".md");
            Ok(if is_markdown {
                Verdict::new(Decision::Allow, Some("only-markdown".to_owned()), "Markdown may be written")
            } else {
                Verdict::deny(format!(
                    "{} is not writing Markdown, which is all that this gate allows",
                    call.tool
                ))
            })
        })
    }
}

fn main() -> Result<ExitCode> {
    if let Some(code) = missiond_core::reexec::dispatch() {
        return Ok(code);
    }
    tokio::runtime::Runtime::new()?.block_on(run())?;
    Ok(ExitCode::SUCCESS)
}

async fn run() -> Result<()> {
    let repository = Repo::with_commit()?;
    let project = Project::discover(repository.path(), &ProjectOptions::default())?;
    let mut config = project.mission_config()?;
    config.slots = config.slots_for(&"scripted".parse()?, DriverKind::Headless)?;
    config.ports.gate = Arc::new(OnlyMarkdown);
    let mission = Mission::open(config).await?;

    let prompt = r##"script:[
        {"write": {"path": "notes.md", "content": "# Notes\n"}},
        {"write": {"path": "program.sh", "content": "echo hello\n"}},
        {"bash": "ls"},
        {"say": "I did what I was allowed to."}
    ]"##;
    let id = mission.submit(NewTask::new(prompt)).await?;
    let task = mission.wait(id).await?;

    let mut events = mission.events(Seq(0));
    while let Some(event) = events.next().await? {
        if let EventBody::ToolJudged { tool, argument, decision, reason, .. } = &event.body {
            println!("{decision:<5} {tool} {}: {}", escape_line(argument), escape_line(reason));
        }
        if matches!(event.body, EventBody::TaskFinished { .. }) {
            break;
        }
    }
    println!("changed: {:?}", task.result.map(|result| result.changed_files).unwrap_or_default());
    mission.shutdown("the example is over").await?;
    Ok(())
}
