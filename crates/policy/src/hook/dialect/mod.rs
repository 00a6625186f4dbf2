//! The agents whose hooks are spoken, one file each.
//!
//! What an agent calls its events, what it tells in them and what it makes of an answer differ, though most of it is
//! taken over from Claude Code. Everything outside this module speaks of [`EventName`] and [`HookEvent`] alone.

mod claude;
mod codex;
mod gemini;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    answer::Answer,
    effect::{Effect, Ending},
    event::HookEvent,
    name::{EventName, kebab, plain},
    run::HookError,
};
use crate::{call::ToolCall, verdict::Verdict};

/// An agent whose hook protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dialect {
    /// Claude Code, as of 2.1.197.
    #[default]
    Claude,
    /// Codex CLI, as of 0.169.0.
    Codex,
    /// Gemini CLI, as of 0.61.0.
    Gemini,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Codex, Self::Gemini];

    /// The dialect of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// The name on command lines, which is that of the agent's program.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// The name that people know.
    #[must_use]
    pub fn agent(self) -> &'static str {
        match self {
            Self::Claude => "Claude Code",
            Self::Codex => "Codex CLI",
            Self::Gemini => "Gemini CLI",
        }
    }

    /// The dialect of a hook that was started for an event, where nothing else says so: Gemini CLI's if nobody but it
    /// has such an event, otherwise Claude Code's.
    #[must_use]
    pub fn of_event(name: &str) -> Self {
        let known = |dialect: Self| dialect.known(name).is_some();
        if !known(Self::Claude) && known(Self::Gemini) { Self::Gemini } else { Self::Claude }
    }

    /// The events that the agent sends.
    pub fn events(self) -> impl Iterator<Item = &'static EventName> {
        self.table().iter().map(|(event, _)| event)
    }

    /// What the agent calls an event. One that it does not know keeps its name.
    #[must_use]
    pub fn spelling(self, event: &EventName) -> &str {
        let found = self.table().iter().find(|(known, _)| known == event);
        found.map_or(event.as_str(), |(_, spelling)| spelling)
    }

    /// What the agent calls an event, as it is written on command lines: `before-tool`.
    #[must_use]
    pub fn kebab(self, event: &EventName) -> String {
        kebab(self.spelling(event))
    }

    /// Reads the name of an event in any spelling, the agent's own or Claude Code's.
    #[must_use]
    pub fn event(self, name: &str) -> EventName {
        self.known(name).unwrap_or_else(|| EventName::parse(name))
    }

    /// Reads what the agent tells a hook on its standard input.
    ///
    /// # Errors
    ///
    /// As [`HookEvent::parse`].
    pub fn read(self, text: &[u8]) -> Result<HookEvent, HookError> {
        HookEvent::parse_as(self, text)
    }

    /// A verdict, as the agent understands it. Events that only report get no answer.
    #[must_use]
    pub fn verdict(self, event: &EventName, verdict: &Verdict) -> Answer {
        match self {
            Self::Claude => claude::verdict(event, verdict),
            Self::Codex => codex::verdict(event, verdict),
            Self::Gemini => gemini::verdict(event, verdict),
        }
    }

    /// A failure of ours: it blocks what gates, and nothing else.
    ///
    /// In every dialect exit code 2 with a reason on standard error and nothing on standard output blocks, and exit
    /// code 1 never does.
    #[must_use]
    pub fn failure(self, event: &EventName, reason: &str) -> Answer {
        if event.is_gating() {
            Answer::block(&format!("blocked, since the hook failed: {reason}"))
        } else {
            Answer::failed(reason)
        }
    }

    /// What the agent does after a hook has ended that way.
    #[must_use]
    pub fn effect(self, event: &EventName, ending: &Ending<'_>) -> Effect {
        match self {
            Self::Claude => claude::effect(event, ending),
            Self::Codex => codex::effect(event, ending),
            Self::Gemini => gemini::effect(event, ending),
        }
    }

    /// The calls to judge for one use of a tool: mostly one, with the name and the arguments that rules speak of.
    pub(super) fn calls(self, event: &HookEvent, cwd: &Path) -> Vec<ToolCall> {
        let Some(tool) = event.tool() else { return Vec::new() };
        let cwd = event.cwd.as_deref().unwrap_or(cwd);
        let call = |name: &str| ToolCall {
            id: tool.id.clone(),
            tool: name.to_owned(),
            input: tool.input.clone(),
            cwd: cwd.to_owned(),
        };
        match self {
            Self::Claude => vec![call(&tool.name)],
            Self::Codex => codex::calls(call(&tool.name)),
            Self::Gemini => vec![call(&gemini::tool_name(event, &tool.name))],
        }
    }

    /// The longest time-out that is written into the agent's settings, in seconds.
    pub(crate) fn longest_timeout(self) -> u32 {
        match self {
            // A longer one overflows the timer of JavaScript, which then fires at once.
            Self::Claude | Self::Gemini => 2_147_000,
            Self::Codex => u32::MAX,
        }
    }

    /// How many of the settings' units of time a second has.
    pub(crate) fn ticks(self) -> u64 {
        match self {
            Self::Claude | Self::Codex => 1,
            Self::Gemini => 1000,
        }
    }

    /// How long a hook may take for which the settings name no time-out, in seconds.
    pub(crate) fn default_timeout(self, event: &EventName) -> u32 {
        match self {
            Self::Codex if *event == EventName::Interrupt => 1,
            Self::Claude | Self::Codex => 600,
            Self::Gemini => 60,
        }
    }

    /// The names of the agent's own tools that change something or run something, as its matchers see them.
    pub(crate) fn weighty_tools(self) -> &'static [&'static str] {
        match self {
            Self::Claude => claude::WEIGHTY_TOOLS,
            Self::Codex => codex::WEIGHTY_TOOLS,
            Self::Gemini => gemini::WEIGHTY_TOOLS,
        }
    }

    /// Events as the agent sends them, a line each. They were recorded; of Codex those that a run without a person does
    /// not have (permissions, interruptions, helpers, summaries) are made by the schemas that it carries.
    pub(crate) fn samples(self) -> &'static str {
        match self {
            Self::Claude => include_str!("samples/claude.jsonl"),
            Self::Codex => include_str!("samples/codex.jsonl"),
            Self::Gemini => include_str!("samples/gemini.jsonl"),
        }
    }

    fn known(self, name: &str) -> Option<EventName> {
        let plain_name = plain(name);
        let found = self.table().iter().find(|(_, spelling)| plain(spelling) == plain_name);
        found.map(|(event, _)| event.clone())
    }

    fn table(self) -> &'static [(EventName, &'static str)] {
        match self {
            Self::Claude => claude::EVENTS,
            Self::Codex => codex::EVENTS,
            Self::Gemini => gemini::EVENTS,
        }
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
