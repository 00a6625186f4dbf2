//! A turn that is under way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Agent, Receipt};
use crate::detect::error_message;
use crate::session::Changes;
use crate::{Dialog, DialogId, ExitReport, Snapshot, Status};

/// A turn that is under way. Dropping it leaves the agent to its work.
#[derive(Debug)]
pub struct Turn {
    agent: Agent,
    changes: Changes,
    receipt: Receipt,
    started: Instant,
    /// How often the agent had been interrupted before.
    interrupts: u64,
    seen_busy: bool,
    idle_since: Option<Instant>,
    /// Since when no rule explains the screen, and whether that was told.
    unexplained: Option<(Instant, bool)>,
    told: Option<Status>,
    /// The dialog on the screen, since when, and whether it was told.
    asked: Option<(DialogId, Instant, bool)>,
    ended: bool,
}

/// What a turn came to next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TurnStep {
    /// The agent does something else now.
    Status(Status),
    /// A dialog waits. The turn goes on when somebody has answered it, by [`Agent::answer`] or at a terminal.
    NeedsAnswer(Box<Dialog>),
    /// No rule has explained the screen for a while: somebody should look at it. The turn goes on.
    Unexplained(Box<Snapshot>),
    /// The turn is over.
    Ended(Box<TurnOutcome>),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TurnOutcome {
    /// Why it ended.
    pub reason: EndReason,
    /// The answer, as far as it is on the screen; see [`Profile::last_answer`](crate::Profile::last_answer).
    pub answer: Option<String>,
    /// The screen at the end.
    pub screen: Snapshot,
    /// How long the turn took.
    pub duration: Duration,
}

/// Why a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The agent is idle again.
    Complete,
    /// The agent is idle again and its answer is an error of the model or the network, with this message.
    Failed(String),
    /// The agent is idle again after [`Agent::interrupt`].
    Interrupted,
    /// The agent's program ended.
    Exited(ExitReport),
    /// [`TurnOptions::turn`](crate::TurnOptions::turn) passed. The agent still works, or waits.
    TimedOut,
}

impl Turn {
    pub(super) fn new(agent: Agent, receipt: Receipt, interrupts: u64) -> Self {
        Self {
            changes: agent.session().changes(),
            agent,
            receipt,
            started: Instant::now(),
            interrupts,
            seen_busy: false,
            idle_since: None,
            unexplained: None,
            told: None,
            asked: None,
            ended: false,
        }
    }

    /// How the prompt was submitted.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Waits for the next step; `None` after [`TurnStep::Ended`].
    ///
    /// # Cancel safety
    ///
    /// No step is lost by dropping the future.
    pub async fn next(&mut self) -> Option<TurnStep> {
        if self.ended {
            return None;
        }
        let deadline = self.started + self.agent.inner.options.turn;
        loop {
            let snapshot = self.agent.inner.session.snapshot();
            let now = Instant::now();
            let (step, wake) = self.judge(&snapshot, now);
            if let Some(step) = step {
                return Some(step);
            }
            if now >= deadline {
                return Some(self.end(EndReason::TimedOut, snapshot));
            }
            let wake = wake.map_or(deadline, |wake| wake.min(deadline));
            self.changes.next_of(&snapshot, wake).await;
        }
    }

    /// What a screen means for the turn: a step, or when to look again even if nothing changes.
    fn judge(&mut self, snapshot: &Snapshot, now: Instant) -> (Option<TurnStep>, Option<Instant>) {
        let seen = self.agent.inner.profile.observe(snapshot);
        if !matches!(seen.status, Status::Idle { .. }) {
            self.idle_since = None;
        }
        if seen.dialog.is_none() {
            self.asked = None;
        }
        if !matches!(seen.status, Status::Unknown | Status::Starting) {
            self.unexplained = None;
        }
        match seen.status {
            Status::Exited => {
                let exit = snapshot.exit.clone();
                let reason = exit.map_or(EndReason::TimedOut, EndReason::Exited);
                return (Some(self.end(reason, snapshot.clone())), None);
            }
            Status::Confirming => {
                self.seen_busy = true;
                self.told = Some(seen.status);
                if let Some(dialog) = seen.dialog {
                    return self.judge_dialog(dialog, now);
                }
            }
            Status::Busy(_) => {
                self.seen_busy = true;
                if self.told.replace(seen.status) != Some(seen.status) {
                    return (Some(TurnStep::Status(seen.status)), None);
                }
            }
            Status::Idle { .. } => {
                let options = &self.agent.inner.options;
                let patience = if self.seen_busy { options.idle } else { options.idle_unstarted };
                let over = *self.idle_since.get_or_insert(now) + patience;
                if now < over {
                    return (None, Some(over));
                }
                let answer = self.agent.inner.profile.last_answer(snapshot);
                let error = answer.as_deref().and_then(|text| error_message(&self.agent.inner.profile, text));
                let reason = if self.agent.inner.interrupts.load(Ordering::Relaxed) > self.interrupts {
                    EndReason::Interrupted
                } else {
                    error.map_or(EndReason::Complete, EndReason::Failed)
                };
                return (Some(self.end(reason, snapshot.clone())), None);
            }
            Status::Unknown | Status::Starting => {
                let (since, told) = self.unexplained.get_or_insert((now, false));
                let due = *since + self.agent.inner.options.unexplained;
                if !*told && now >= due {
                    *told = true;
                    return (Some(TurnStep::Unexplained(Box::new(snapshot.clone()))), None);
                }
                return (None, (!*told).then_some(due));
            }
        }
        (None, None)
    }

    fn judge_dialog(&mut self, dialog: Dialog, now: Instant) -> (Option<TurnStep>, Option<Instant>) {
        let (since, told) = match self.asked {
            Some((id, since, told)) if id == dialog.id => (since, told),
            _ => (now, false),
        };
        let due = since + self.agent.inner.options.dialog;
        let tell = !told && now >= due;
        self.asked = Some((dialog.id, since, told || tell));
        (tell.then(|| TurnStep::NeedsAnswer(Box::new(dialog))), (!told && !tell).then_some(due))
    }

    fn end(&mut self, reason: EndReason, screen: Snapshot) -> TurnStep {
        self.ended = true;
        let answer = self.agent.inner.profile.last_answer(&screen);
        TurnStep::Ended(Box::new(TurnOutcome { reason, answer, screen, duration: self.started.elapsed() }))
    }
}
