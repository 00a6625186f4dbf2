//! The programs that a project needs: git and the agents.

use std::time::Duration;

use missiond_process::{Environment, RunError, SpawnError, SpawnSpec};

use crate::access::doctor::Finding;
use crate::agents::AgentProfile;
use crate::model::DriverKind;
use crate::project::Project;

/// How long a program may take to say its version, and how much it may say.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);
const VERSION_BYTES: usize = 64 * 1024;

pub(super) async fn git() -> Finding {
    match version_of("git".to_owned()).await {
        Ok(version) => Finding::ok("git", version),
        Err(error) => {
            Finding::problem("git", error, format!("install git {} or newer", missiond_git::MINIMUM_GIT))
        }
    }
}

/// A missing agent is a problem only if a slot needs it.
pub(super) async fn agents(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for profile in project.profiles.iter() {
        let subject = format!("agent {}", profile.id);
        let Some(program) = program_of(profile) else { continue };
        if program.starts_with('{') {
            findings.push(Finding::ok(&subject, "part of missiond"));
            continue;
        }
        let needed = project.settings.slots.iter().any(|slot| slot.agent == profile.id);
        findings.push(match version_of(program).await {
            Ok(version) => Finding::ok(&subject, version),
            Err(error) if needed => Finding::problem(&subject, error, &profile.install),
            Err(error) => Finding::note(&subject, error, &profile.install),
        });
    }
    for slot in &project.settings.slots {
        if project.profiles.get(&slot.agent).is_none() {
            let text = format!("slot {} names the unknown agent kind {}", slot.id, slot.agent);
            findings.push(Finding::problem(
                "slots",
                text,
                format!("add .missiond/agents/{}.toml", slot.agent),
            ));
        }
    }
    findings
}

fn program_of(profile: &AgentProfile) -> Option<String> {
    let program = profile.program(DriverKind::Headless).or_else(|| profile.program(DriverKind::Pty));
    program.map(str::to_owned)
}

async fn version_of(program: String) -> Result<String, String> {
    let asked = tokio::task::spawn_blocking(move || {
        let mut spec = SpawnSpec::new(&program, "/").arg("--version");
        spec.env = Environment::inherit_basics();
        missiond_process::run(&spec, &[], VERSION_DEADLINE, VERSION_BYTES)
    });
    match asked.await {
        Ok(Ok(finished)) if finished.exit.success() => {
            let text = String::from_utf8_lossy(&finished.stdout);
            let line = text.lines().next().unwrap_or_default().trim();
            Ok(crate::text::escape_line(missiond_process::text::truncate(line, 200)))
        }
        Ok(Ok(finished)) => Err(format!("`--version` ended with {}", finished.exit)),
        Ok(Err(RunError::Spawn(SpawnError::NotFound { program, .. }))) => {
            Err(format!("`{}` was not found on PATH", program.display()))
        }
        Ok(Err(error)) => Err(crate::error::chain(&error)),
        Err(error) => Err(format!("asking for the version failed: {error}")),
    }
}
