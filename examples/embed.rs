//! Runs one task from a Rust program: open a mission, submit a prompt, wait for the result.
//!
//! ```text
//! cargo run --example embed
//! ```
//!
//! It uses the scripted agent, so it needs no account and no network. With Claude Code installed, `"scripted"` below can
//! be `"claude"`.

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use std::process::ExitCode;

use anyhow::Result;
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{AgentKind, DriverKind, Mission, NewTask};
use missiond_testkit::repo::Repo;

fn main() -> Result<ExitCode> {
    // Agents ask before each tool call by starting this very program again; this is where that call ends up.
    if let Some(code) = missiond_core::reexec::dispatch() {
        return Ok(code);
    }
    tokio::runtime::Runtime::new()?.block_on(run())?;
    Ok(ExitCode::SUCCESS)
}

async fn run() -> Result<()> {
    // A scratch repository with one commit; your program has a real one.
    let repository = Repo::with_commit()?;

    let project = Project::discover(repository.path(), &ProjectOptions::default())?;
    let mut config = project.mission_config()?;
    let agent: AgentKind = "scripted".parse()?;
    config.slots = config.slots_for(&agent, DriverKind::Headless)?;
    let mission = Mission::open(config).await?;

    let id = mission
        .submit(NewTask::new(
            r#"script:[
                {"think_ms": 100},
                {"say": "I will add a greeting."},
                {"write": {"path": "hello.txt", "content": "Hello from an agent.\n"}},
                {"say": "Done: hello.txt greets."}
            ]"#,
        ))
        .await?;
    println!("submitted task {id}");

    let task = mission.wait(id).await?;
    println!("it is {}", task.status);
    if let (Some(result), Some(workspace)) = (&task.result, &task.workspace) {
        // What an agent says is untrusted text: escape it before it reaches a terminal.
        println!("the agent said: {}", missiond_core::text::escape(&result.answer));
        println!("it changed {:?} on branch {}", result.changed_files, workspace.branch);
        println!("hello.txt there: {}", repository.show(&workspace.branch, "hello.txt")?.trim_end());
    }
    mission.shutdown("the example is over").await?;
    Ok(())
}
