//! Follows the event log of a mission while two agents work, then reads it again from the middle.
//!
//! ```text
//! cargo run --example watch_events
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use std::process::ExitCode;

use anyhow::Result;
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::text::escape_line;
use missiond_core::{DriverKind, Event, EventBody, Mission, NewTask, Seq};
use missiond_testkit::repo::Repo;

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
    let mission = Mission::open(config).await?;

    for name in ["one", "two"] {
        let steps = format!(
            r#"script:[{{"think_ms":50}},{{"write":{{"path":"{name}.txt","content":"{name}\n"}}}},{{"say":"wrote {name}.txt"}}]"#
        );
        mission.submit(NewTask::new(steps)).await?;
    }

    // A stream reads from the store, not from a channel: however slow this loop is, it misses nothing.
    let mut events = mission.events(Seq(0));
    let mut finished = 0;
    let mut last = Seq(0);
    while finished < 2 {
        let Some(event) = events.next().await? else { break };
        last = event.seq;
        println!("{}", in_a_line(&event));
        finished += u32::from(matches!(event.body, EventBody::TaskFinished { .. }));
    }

    // Somebody who comes back later names the number they had, and goes on from there.
    let middle = Seq(last.0 / 2);
    let mut again = mission.events(middle);
    if let Some(event) = again.next().await? {
        println!("after {middle} comes {}", in_a_line(&event));
    }
    mission.shutdown("the example is over").await?;
    Ok(())
}

fn in_a_line(event: &Event) -> String {
    let slot = event.slot.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let more = match &event.body {
        EventBody::AgentText { text } => escape_line(text),
        EventBody::AgentStatus { status, evidence, .. } => format!("{status}: {}", escape_line(evidence)),
        EventBody::ToolJudged { tool, decision, reason, .. } => {
            format!("{tool} {decision}: {}", escape_line(reason))
        }
        EventBody::WorkCommitted { branch, files, .. } => format!("{files} file(s) on {branch}"),
        EventBody::TaskFinished { status, .. } => status.to_string(),
        _ => String::new(),
    };
    format!("{:>3} {:<12} {:<20} {more}", event.seq.0, slot, event.body.kind())
}
