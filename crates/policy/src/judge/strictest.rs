//! The strictest of many verdicts.

use std::fmt;

use super::{Hit, Judge};
use crate::{
    preset::Act,
    verdict::{Decision, Risk, Verdict},
};

/// The strictest of the verdicts that were added; of those that are equally strict, the first.
#[derive(Debug, Default)]
pub(super) struct Strictest {
    verdict: Option<Verdict>,
    /// What doesn't go beyond this isn't kept.
    floor: Option<(Decision, Risk)>,
}

impl Strictest {
    /// Keeps nothing that allows.
    pub(super) fn restricting() -> Self {
        Self { verdict: None, floor: Some((Decision::Allow, Risk::Critical)) }
    }

    pub(super) fn add(&mut self, next: Verdict) {
        self.add_with(next.decision, next.risk, || next);
    }

    /// Adds what is only worth making if it decides.
    pub(super) fn add_with(&mut self, decision: Decision, risk: Risk, make: impl FnOnce() -> Verdict) {
        if self.floor.is_none_or(|floor| (decision, risk) > floor) {
            self.floor = Some((decision, risk));
            self.verdict = Some(make());
        }
    }

    pub(super) fn verdict(self) -> Option<Verdict> {
        self.verdict
    }
}

impl Judge<'_> {
    /// [`Judge::settle`], without a reason being written for what doesn't decide.
    pub(super) fn weigh(
        &self,
        strictest: &mut Strictest,
        act: Act,
        hit: Option<Hit<'_>>,
        detail: impl fmt::Display,
    ) {
        let ruling = self.ruling(act, hit);
        strictest.add_with(ruling.decision, ruling.risk, || self.reasoned(ruling, act, detail));
    }
}
