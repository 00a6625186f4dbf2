//! How often rules were matched lately.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::verdict::RuleId;

/// The seconds that are kept apart: a minute, and the one that has just begun.
const SECONDS: usize = 61;

/// The most rules that are counted. Beyond them each counts as matched without end.
const MAX_COUNTED: usize = 50_000;

/// Counts the calls that rules with `calls_per_minute` matched, for [`Policies::judge_counted`].
///
/// It belongs to whoever judges, and may be shared between threads. It takes at most a few hundred bytes for each such
/// rule, however many calls there are.
///
/// [`Policies::judge_counted`]: crate::Policies::judge_counted
#[derive(Debug, Default)]
pub struct CallRates {
    rules: Mutex<HashMap<RuleId, Minute>>,
}

#[derive(Debug)]
struct Minute {
    /// The latest second that something was counted in.
    latest: u64,
    /// By the second, modulo their number.
    counts: [u32; SECONDS],
}

impl CallRates {
    /// A counter that has counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a call that the rule matched; how many there were in the last minute, this one included. `now` is counted
    /// from any moment that stays the same; where it goes back, it counts as the latest that was heard of.
    pub(crate) fn count(&self, rule: &RuleId, now: Duration) -> u32 {
        let second = now.as_secs();
        // Counts are whole numbers, so that a panic elsewhere leaves nothing half done.
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(minute) = rules.get_mut(rule) {
            return minute.count(second);
        }
        if rules.len() >= MAX_COUNTED {
            rules.retain(|_, minute| second.saturating_sub(minute.latest) < SECONDS as u64);
        }
        if rules.len() >= MAX_COUNTED {
            return u32::MAX;
        }
        let mut minute = Minute { latest: second, counts: [0; SECONDS] };
        let count = minute.count(second);
        rules.insert(rule.clone(), minute);
        count
    }
}

impl Minute {
    fn count(&mut self, second: u64) -> u32 {
        let passed = second.saturating_sub(self.latest);
        self.latest = self.latest.max(second);
        for ago in 0..passed.min(SECONDS as u64) {
            *self.at(self.latest - ago) = 0;
        }
        let now = self.at(self.latest);
        *now = now.saturating_add(1);
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn at(&mut self, second: u64) -> &mut u32 {
        &mut self.counts[(second % SECONDS as u64) as usize]
    }
}
