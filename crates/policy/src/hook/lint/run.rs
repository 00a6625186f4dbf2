//! What the run of a hook shows.

use std::time::Duration;

use super::{Finding, SettingsFile, Severity};
use crate::hook::{
    dialect::Dialect,
    effect::{Effect, Ending},
    name::EventName,
    settings::Entry,
};

/// How a hook ran.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Run<'a> {
    /// How it ended; `None` if it had to be stopped.
    pub ending: Option<Ending<'a>>,
    /// How long it took.
    pub took: Duration,
    /// How long it was given.
    pub limit: Duration,
    /// Whether it was fed something that is no event at all, to see how it fails.
    pub fed_nonsense: bool,
}

impl<'a> Run<'a> {
    /// A run on a real event.
    #[must_use]
    pub fn new(ending: Option<Ending<'a>>, took: Duration, limit: Duration) -> Self {
        Self { ending, took, limit, fed_nonsense: false }
    }

    /// A run on something that is no event.
    #[must_use]
    pub fn on_nonsense(ending: Option<Ending<'a>>, took: Duration, limit: Duration) -> Self {
        Self { fed_nonsense: true, ..Self::new(ending, took, limit) }
    }
}

/// Events as the agent sends them, to feed a hook for that event with; none for an event that was never recorded.
pub fn samples(agent: Dialect, event: &str) -> impl Iterator<Item = &'static str> {
    let event = agent.event(event);
    agent.samples().lines().filter(move |line| {
        let told: Option<serde_json::Value> = serde_json::from_str(line).ok();
        let name = told.as_ref().and_then(|told| told["hook_event_name"].as_str());
        name.is_some_and(|name| agent.event(name) == event)
    })
}

/// How long the agent waits for a hook.
pub(super) fn patience(agent: Dialect, event: &EventName, entry: &Entry) -> Duration {
    let default = f64::from(agent.default_timeout(event));
    let seconds = entry.timeout.map_or(default, |timeout| timeout / agent.ticks() as f64);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// What is wrong with a hook that ran like this.
#[must_use]
pub fn lint_run(file: &SettingsFile<'_>, entry: &Entry, run: &Run<'_>) -> Vec<Finding> {
    let event = file.agent.event(&entry.event);
    let mut findings = Vec::new();
    let mut report = |severity, kind, problem: String, remedy: &str| {
        findings.push(Finding {
            event: Some(entry.event.clone()),
            problem,
            remedy: remedy.to_owned(),
            ..file.finding(severity, kind, entry.line)
        });
    };
    let patience = patience(file.agent, &event, entry);
    let Some(ending) = &run.ending else {
        let so = if run.limit >= patience { ", the agent's own time-out" } else { "" };
        let problem = format!("it doesn't end within {:.1} s{so}", run.limit.as_secs_f64());
        report(
            Severity::Error,
            "slow",
            problem,
            "make it answer sooner: after its time-out the agent goes on without it",
        );
        return findings;
    };
    if run.took > patience / 2 {
        let problem = format!(
            "it took {:.1} s of the {:.1} s that the agent waits",
            run.took.as_secs_f64(),
            patience.as_secs_f64()
        );
        report(Severity::Warning, "slow", problem, "make it faster, or its time-out longer");
    }
    let effect = file.agent.effect(&event, ending);
    match (event.is_gating(), run.fed_nonsense, effect) {
        (true, false, Effect::Ignored(why)) if matches!(ending.code, Some(126 | 127)) => {
            let said = ending.stderr.trim().lines().next().unwrap_or_default();
            let problem = format!("its program can't be started ({why}): {said}");
            report(Severity::Error, "missing-program", problem, "correct the command");
        }
        (true, false, Effect::Ignored(why)) => {
            report(
                Severity::Error,
                "no-effect",
                format!("{why}: the agent goes on"),
                "to block, exit with 2 and a reason on standard error",
            );
        }
        (true, false, Effect::Nothing)
            if event.is_about_a_tool() && !ending.stdout.trim().is_empty() && ending.object().is_none() =>
        {
            report(
                Severity::Warning,
                "not-json",
                "what it prints isn't JSON, which the agent doesn't take for an answer".to_owned(),
                "print the answer as JSON, or exit with 2 and a reason on standard error",
            );
        }
        // Behind a request for permission there is still the agent's own dialog.
        (true, true, Effect::Ignored(_) | Effect::Nothing) if event == EventName::PermissionRequest => {}
        (true, true, Effect::Ignored(_) | Effect::Nothing | Effect::Allows) => report(
            Severity::Warning,
            "fails-open",
            "given something that it can't understand, it lets the call run".to_owned(),
            "make every failure of it exit with 2 and a reason on standard error",
        ),
        (false, false, Effect::Blocks) if event != EventName::PreCompact => report(
            Severity::Error,
            "blocks-report",
            format!(
                "it blocks `{}`, which only reports; at the end of a turn the agent goes on for ever",
                entry.event
            ),
            "exit with 0 on events that report",
        ),
        (false, false, Effect::Ignored(why)) => {
            report(
                Severity::Warning,
                "fails",
                format!("it fails on an event that the agent really sends: {why}"),
                "run it by hand to see why",
            );
        }
        _ => {}
    }
    findings
}
