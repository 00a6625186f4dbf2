//! What a project gets by itself when its configuration does not say it.

use std::path::Path;

use crate::config::Settings;
use crate::error::Error;
use crate::ids::AgentKind;
use crate::mission::{MissionConfig, admission};
use crate::model::{DriverKind, NewTask, SlotConfig, Task};
use crate::ports::WorkspaceRequest;

/// The slots of a mission: those of the configuration, else some for the agent that is wished for (or the default one),
/// and for every agent that a waiting task names.
///
/// A task that no slot could ever take is failed by the scheduler, so a mission that is opened for one agent must still
/// have room for what others have queued.
///
/// # Errors
///
/// When an agent kind does not exist, or none is wished for, none is named by a waiting task, and none is installed.
pub fn seats_for(
    config: &MissionConfig,
    agent: Option<&AgentKind>,
    driver: DriverKind,
    waiting: &[Task],
) -> Result<Vec<SlotConfig>, Error> {
    if !config.settings.slots.is_empty() {
        return Ok(config.settings.slots.clone());
    }
    let named = waiting.iter().filter_map(|task| named_seat(&task.request));
    let mut seats: Vec<(AgentKind, DriverKind)> = Vec::new();
    match agent {
        Some(agent) => seats.push((agent.clone(), driver)),
        None => match config.default_agent() {
            Ok(agent) => seats.push((agent, driver)),
            Err(error) if waiting.iter().all(|task| task.request.agent.is_some()) && !waiting.is_empty() => {
                tracing::debug!(%error, "only agents that tasks name get slots");
            }
            Err(error) => return Err(error),
        },
    }
    for seat in named {
        if !seats.contains(&seat) && config.profiles.get(&seat.0).is_some() {
            seats.push(seat);
        }
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

fn named_seat(request: &NewTask) -> Option<(AgentKind, DriverKind)> {
    Some((request.agent.clone()?, request.driver.unwrap_or_default()))
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
