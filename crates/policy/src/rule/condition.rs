use std::{fmt, path::Path};

use super::{path_pattern::PathPattern, wildcard::Wildcard};
use crate::{
    call::Surroundings,
    local_time::{DAYS, LocalTime, MINUTES, minute_of_day},
    path::{Links, Roots},
    text::quoted,
    verdict::Decision,
};

/// The highest limit on calls a minute.
const MAX_CALLS: u32 = 100_000;

/// When a rule applies to what it matches; each condition that is given must hold.
///
/// What isn't known holds for a rule that restricts, and doesn't for one that allows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    role: Vec<Name>,
    slot: Vec<Name>,
    agent: Vec<Name>,
    workspace: Vec<Directory>,
    time: Vec<Hours>,
    calls_per_minute: Option<u32>,
}

#[derive(Debug, Clone)]
struct Name {
    text: String,
    exact: Wildcard,
    any_case: Wildcard,
}

#[derive(Debug, Clone)]
struct Directory {
    text: String,
    pattern: PathPattern,
}

/// A part of the week.
#[derive(Debug, Clone)]
struct Hours {
    text: String,
    days: [bool; 7],
    /// The first minute, and the first one after. Where the end isn't after the start it is that of the next day.
    from: u16,
    to: u16,
}

impl Conditions {
    /// The conditions that may be given as a list, of which one must hold.
    pub(super) const LISTS: [&str; 5] = ["role", "slot", "agent", "workspace", "time"];

    /// Adds one of several things that the condition may name.
    pub(super) fn add(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "role" => self.role.push(Name::parse(key, text)?),
            "slot" => self.slot.push(Name::parse(key, text)?),
            "agent" => self.agent.push(Name::parse(key, text)?),
            "workspace" => self.workspace.push(Directory::parse(text)?),
            _ => self.time.push(Hours::parse(text)?),
        }
        Ok(())
    }

    pub(super) fn limit(&mut self, calls: Option<u32>) -> Result<(), String> {
        let calls = calls.filter(|calls| (1..=MAX_CALLS).contains(calls));
        self.calls_per_minute = Some(
            calls
                .ok_or_else(|| format!("`calls_per_minute` must be a whole number from 1 to {MAX_CALLS}"))?,
        );
        Ok(())
    }

    pub(crate) fn depend_on_time(&self) -> bool {
        !self.time.is_empty()
    }

    pub(crate) fn calls_per_minute(&self) -> Option<u32> {
        self.calls_per_minute
    }

    /// Whether all hold but that on the rate of calls, which is the caller's to count.
    pub(crate) fn hold(
        &self,
        effect: Decision,
        surroundings: &Surroundings,
        roots: &Roots,
        links: &dyn Links,
    ) -> bool {
        let restricts = effect != Decision::Allow;
        let names = |names: &[Name], known: Option<&str>| {
            names.is_empty()
                || known.map_or(restricts, |known| names.iter().any(|name| name.is_match(known, restricts)))
        };
        names(&self.role, surroundings.role.as_deref())
            && names(&self.slot, surroundings.slot.as_deref())
            && names(&self.agent, surroundings.agent.as_deref())
            && (self.time.is_empty()
                || surroundings.now.map_or(restricts, |now| self.time.iter().any(|hours| hours.contain(now))))
            && (self.workspace.is_empty()
                || self
                    .workspace
                    .iter()
                    .any(|directory| directory.holds(&surroundings.workspace, restricts, roots, links)))
    }
}

/// As it stands in the id of a rule without a name: ` if role=reviewer time=22:00-06:00`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |names: &[Name]| names.iter().map(|name| name.text.clone()).collect::<Vec<_>>();
        let mut all = vec![
            ("role", texts(&self.role)),
            ("slot", texts(&self.slot)),
            ("agent", texts(&self.agent)),
            ("workspace", self.workspace.iter().map(|directory| directory.text.clone()).collect()),
            ("time", self.time.iter().map(|hours| hours.text.clone()).collect()),
            ("calls_per_minute", self.calls_per_minute.iter().map(u32::to_string).collect()),
        ];
        all.retain(|(_, texts)| !texts.is_empty());
        for (at, (key, texts)) in all.iter().enumerate() {
            write!(f, "{}{key}={}", if at == 0 { " if " } else { " " }, texts.join("|"))?;
        }
        Ok(())
    }
}

impl Name {
    fn parse(key: &str, text: &str) -> Result<Self, String> {
        let valid = !text.is_empty()
            && text.len() <= 128
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '*'));
        if !valid {
            return Err(format!("{} names no {key}; a name may hold `*` for any text", quoted(text)));
        }
        let exact = Wildcard::new(text);
        Ok(Self { text: text.to_owned(), any_case: exact.lowercase(), exact })
    }

    fn is_match(&self, known: &str, restricts: bool) -> bool {
        self.exact.is_match(known) || (restricts && self.any_case.is_match(&known.to_lowercase()))
    }
}

impl Directory {
    fn parse(text: &str) -> Result<Self, String> {
        let tied = text.starts_with('/') || text == "~" || text.starts_with("~/");
        if !tied {
            return Err(format!("`workspace` must start with `/` or `~/`, not as {} does", quoted(text)));
        }
        // Relative to the workspace there is nothing to say about it, so that one slash is as good as two.
        let absolute = if text.starts_with('/') {
            format!("//{}", text.trim_start_matches('/'))
        } else {
            text.to_owned()
        };
        Ok(Self { text: text.to_owned(), pattern: PathPattern::parse(&absolute)? })
    }

    fn holds(&self, workspace: &Path, restricts: bool, roots: &Roots, links: &dyn Links) -> bool {
        let located = workspace.to_str().and_then(|path| roots.locate(path, Path::new("/"), links).ok());
        let known = located.filter(|_| !(self.text.starts_with('~') && roots.home.is_empty()));
        known.map_or(restricts, |located| {
            if restricts {
                self.pattern.touches(&located, roots, links)
            } else {
                self.pattern.covers(&located, roots)
            }
        })
    }
}

impl Hours {
    /// Reads `22:00-06:00`, `sat,sun` or `mon-fri 09:00-17:00`.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{} is no part of a week; write `22:00-06:00`, `sat,sun` or `mon-fri 09:00-17:00`",
                quoted(text)
            )
        };
        let parts: Vec<&str> = text.split_whitespace().collect();
        let (days, hours) = match parts.as_slice() {
            [one] if one.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(*one)),
            [one] => (Some(*one), None),
            [days, hours] => (Some(*days), Some(*hours)),
            _ => return Err(wrong()),
        };
        let days = days.map_or(Some([true; 7]), days_of).ok_or_else(wrong)?;
        let (from, to) = match hours {
            None => (0, MINUTES),
            Some(hours) => hours
                .split_once('-')
                .and_then(|(from, to)| Some((minute_of_day(from)?, minute_of_day(to)?)))
                .filter(|(from, _)| *from < MINUTES)
                .ok_or_else(wrong)?,
        };
        if from == to {
            return Err(format!("{} starts when it ends; `00:00-24:00` is the whole day", quoted(text)));
        }
        Ok(Self { text: parts.join(" "), days, from, to })
    }

    /// A range over midnight belongs to the day on which it begins.
    fn contain(&self, now: LocalTime) -> bool {
        let (day, minute) = (now.day(), now.minute());
        let starts = |day: usize| self.days.get(day).is_some_and(|day| *day);
        if self.from < self.to {
            starts(day) && (self.from..self.to).contains(&minute)
        } else {
            (starts(day) && minute >= self.from) || (starts((day + 6) % 7) && minute < self.to)
        }
    }
}

/// Reads `mon-fri`, `sat,sun`; a range may go over the end of the week.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|known| name.eq_ignore_ascii_case(known));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days[at] = true;
        while at != last {
            at = (at + 1) % 7;
            days[at] = true;
        }
    }
    Some(days)
}
