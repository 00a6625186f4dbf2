//! What a project gets by itself when its configuration does not say it.

use std::collections::HashSet;
use std::path::Path;

use crate::config::Settings;
use crate::error::Error;
use crate::ids::AgentKind;
use crate::mission::{MissionConfig, admission};
use crate::model::{DriverKind, SlotConfig, Task};
use crate::ports::WorkspaceRequest;

/// The slots of a mission: those of the configuration, else some for the agent that is wished for (or the default one),
/// and for every agent that a waiting task names.
///
/// A task that no slot can take stays in the queue, so a mission that is opened for one agent should have room for what
/// others have queued.
///
/// # Errors
///
/// When an agent kind does not exist, or when none is wished for and neither the default one nor one that a waiting task
/// names is installed.
pub fn seats_for(
    config: &MissionConfig,
    agent: Option<&AgentKind>,
    driver: DriverKind,
    waiting: &[Task],
) -> Result<Vec<SlotConfig>, Error> {
    if !config.settings.slots.is_empty() {
        return Ok(config.settings.slots.clone());
    }
    let default = config.default_agent();
    let mut seats: Vec<(AgentKind, DriverKind)> = Vec::new();
    seats.extend(agent.or(default.as_ref().ok()).map(|agent| (agent.clone(), driver)));
    let mut wanted = HashSet::new();
    for task in waiting {
        // One that names no agent is for the default one, where there is any.
        let Some(agent) = task.request.agent.as_ref().or(default.as_ref().ok()) else { continue };
        let seat = (agent.clone(), task.request.driver.unwrap_or_default());
        // One whose agent isn't installed here waits for a mission that has it.
        if wanted.insert(seat.clone())
            && !seats.contains(&seat)
            && config.profiles.get(&seat.0).is_some()
            && config.is_installed(&seat.0, seat.1)
        {
            seats.push(seat);
        }
    }
    if seats.is_empty() {
        return default.map(|_| Vec::new());
    }
    let mut slots = Vec::new();
    for (agent, driver) in seats {
        for mut slot in config.slots_for(&agent, driver)? {
            // Both drivers of one agent would otherwise have slots of the same name.
            if driver != DriverKind::default() {
                let name = slot.id.as_str().replacen(agent.as_str(), &format!("{agent}-{driver}"), 1);
                slot.id = name.parse().map_err(|error| Error::Invalid(format!("{error}")))?;
            }
            slots.push(slot);
        }
    }
    Ok(slots)
}

/// The workspace for an issue, named by the project's pattern as that of a task about the issue is: what git would not
/// take in a branch becomes `-`.
///
/// # Errors
///
/// [`Error::Invalid`] when nothing is left of the issue then.
pub fn workspace_request(settings: &Settings, root: &Path, issue: &str) -> Result<WorkspaceRequest, Error> {
    admission::workspace_request(settings, root, issue, 1).ok_or_else(|| {
        let issue = crate::text::escape_line(missiond_process::text::truncate(issue, 80));
        Error::Invalid(format!("`{issue}` can't name a branch; use letters and digits, such as fix-login"))
    })
}
