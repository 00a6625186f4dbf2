//! Judging a tool call, and asking a person when the verdict is `ask`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::ids::{ApprovalId, SlotId};
use crate::mission::panics::unpanicked;
use crate::mission::shared::{Interrupt, Occupied, Shared, unpoisoned};
use crate::mission::verdicts::{MAX_VERDICTS, Unclaimed};
use crate::model::{
    AgentStatus, Approval, ApprovalStatus, Decision, EventBody, ToolCall, Verdict, event_text,
};
use crate::ports::{ApprovalFilter, Change, Clock, Decider, StoreErrorKind};

/// How long judging a call and putting the verdict on record may take before the call counts as denied; waiting for a
/// person is no part of it.
const OWN_WORK: Duration = Duration::from_secs(5);
/// How much of that is the judge's: what it gave no verdict on is put on record too.
const JUDGE_DEADLINE: Duration = Duration::from_secs(3);
/// How long an expired question is looked past at most when the machine slept or its clock was set.
const EXPIRY_STEP: Duration = Duration::from_secs(5);
/// The longest arguments of a call, as JSON, that are judged; and that a person can be shown.
const MAX_INPUT_BYTES: usize = 1 << 20;
const MAX_ASKED_BYTES: usize = 128 * 1024;
/// The most questions of one slot that wait for a person at once.
const MAX_ASKED: usize = 16;

/// The turns at asking a person that one attempt has.
pub(super) fn questions() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_ASKED))
}

impl Shared {
    /// Gives the final verdict on a call from a slot: allow or deny, never ask.
    ///
    /// The verdict is on record before this returns, in the audit log and in the log of events. Whatever fails on the way
    /// makes it a deny.
    pub(super) async fn judge(&self, slot: &SlotId, call: ToolCall) -> Verdict {
        let mut by_when = Instant::now() + OWN_WORK;
        let occupied = self.seats().get(slot).cloned();
        let Some(occupied) = occupied else {
            let text = format!("slot {slot} has no turn going on, so its agent may not call a tool");
            return self.audited_refusal(slot, &call, Verdict::deny(text), by_when).await;
        };
        if occupied.interrupted.borrow().is_some() {
            return self
                .audited_refusal(slot, &call, Verdict::deny("the turn was called off"), by_when)
                .await;
        }
        // A call without an id can be matched with nothing that the agent says, so it needs no place.
        let claimed = if call.id.is_empty() { Ok(()) } else { unpoisoned(&occupied.verdicts).claim(&call) };
        if let Err(unclaimed) = claimed {
            let text = match unclaimed {
                Unclaimed::Taken => {
                    "the call has the id of another call, so its verdict could be taken for that one's"
                        .to_owned()
                }
                Unclaimed::Full => format!("the turn has made more than {MAX_VERDICTS} tool calls"),
            };
            return self.write_down(&occupied, &call, Verdict::deny(text), Decider::Limit, by_when).await;
        }
        let size = call.input.to_string().len();
        if size > MAX_INPUT_BYTES {
            let text = format!(
                "the call's arguments have {size} bytes; {MAX_INPUT_BYTES} are the most that are judged"
            );
            return self.record(&occupied, &call, Verdict::deny(text), Decider::Limit, by_when).await;
        }
        let judging = unpanicked(self.config.ports.gate.judge(&call, &occupied.seat));
        let failed = |text: String| (Verdict::deny(text), Decider::Failure);
        let (verdict, by) = match timeout(JUDGE_DEADLINE, judging).await {
            Ok(Ok(Ok(verdict))) => (verdict, Decider::Policy),
            Ok(Ok(Err(error))) => failed(crate::error::chain(&error)),
            Ok(Err(panic)) => failed(format!("the policy {panic}")),
            Err(_) => failed(format!("the policy gave no verdict within {} s", JUDGE_DEADLINE.as_secs())),
        };
        let limited = |text: String| (Verdict::deny(text), Decider::Limit);
        let (verdict, by) = match verdict.decision {
            Decision::Ask if occupied.seat.can_ask && size > MAX_ASKED_BYTES => limited(format!(
                "{}; the call's arguments have {size} bytes, and a person is shown {MAX_ASKED_BYTES} at the most",
                verdict.reason
            )),
            Decision::Ask if occupied.seat.can_ask => match occupied.asked.clone().try_acquire_owned() {
                Ok(_turn) => {
                    let answered = self.ask(&occupied, &call, verdict, by_when).await;
                    by_when = Instant::now() + OWN_WORK;
                    answered
                }
                Err(_) => {
                    limited(format!("{}; {MAX_ASKED} questions of this slot wait already", verdict.reason))
                }
            },
            Decision::Ask => {
                (Verdict { decision: Decision::Deny, ..verdict }, Decider::Nobody { approval: None })
            }
            Decision::Allow | Decision::Deny => (verdict, by),
        };
        self.record(&occupied, &call, verdict, by, by_when).await
    }

    /// Gives a verdict to a call that has claimed its id.
    async fn record(
        &self,
        occupied: &Occupied,
        call: &ToolCall,
        verdict: Verdict,
        by: Decider,
        by_when: Instant,
    ) -> Verdict {
        let verdict = self.write_down(occupied, call, verdict, by, by_when).await;
        unpoisoned(&occupied.verdicts).give(&call.id, &verdict);
        verdict
    }

    /// Puts a verdict into the audit log and then into the log of events.
    async fn write_down(
        &self,
        occupied: &Occupied,
        call: &ToolCall,
        mut verdict: Verdict,
        by: Decider,
        by_when: Instant,
    ) -> Verdict {
        if verdict.reason.trim().is_empty() {
            // Agents put words of their own in the place of none, by which a refusal could not be told from a failure.
            verdict.reason = "no reason was given".to_owned();
        }
        let seat = &occupied.seat;
        let verdict = self.audited(seat, call, verdict, by, by_when).await;
        let body = EventBody::ToolJudged {
            call: event_text(&call.id),
            tool: event_text(&call.tool),
            argument: event_text(&call.argument()),
            decision: verdict.decision,
            rule: verdict.rule.clone(),
            reason: event_text(&verdict.reason),
            risk: verdict.risk,
        };
        let change = Change::Note {
            task: Some(seat.task),
            slot: Some(seat.slot.clone()),
            bodies: vec![body],
            at: self.now(),
        };
        match self.apply(change).await {
            Ok(_) => verdict,
            Err(error) => {
                let text = format!("the verdict could not be put on record: {}", crate::error::chain(&error));
                // The audit's last word on a call is what the agent is told.
                self.audited(seat, call, Verdict::deny(text), Decider::Failure, by_when).await
            }
        }
    }

    /// Opens an approval and waits for its end. That there was a question is on record before a person sees it.
    async fn ask(
        &self,
        occupied: &Occupied,
        call: &ToolCall,
        verdict: Verdict,
        by_when: Instant,
    ) -> (Verdict, Decider) {
        let seat = &occupied.seat;
        let verdict = self.audited(seat, call, verdict, Decider::Policy, by_when).await;
        if verdict.decision != Decision::Ask {
            return (verdict, Decider::Failure);
        }
        let patience = self.config.settings.approval_timeout;
        let opened = self.now();
        // A length of time that the calendar cannot hold leaves the question no time at all, which is a no.
        let expires = opened.checked_add(patience).unwrap_or(opened);
        let approval =
            Approval::pending(seat.task, seat.slot.clone(), call.clone(), verdict.clone(), opened, expires);
        let id = approval.id;
        let mut settled = self.settled.subscribe();
        // If the asker is dropped from here on, the question must not stay open.
        let mut unasked = Unasked { shared: self, approval: Some(id) };
        let open = Open::new(&occupied.open_questions);
        if let Err(error) = self.apply(Change::OpenApproval { approval: Box::new(approval) }).await {
            unasked.approval = None;
            let text = format!("nobody could be asked: {}", crate::error::chain(&error));
            return (Verdict::deny(text), Decider::Failure);
        }
        let question = format!("approval {id} waits: {} {}", call.tool, call.argument());
        self.show(occupied, AgentStatus::Confirming, &question).await;
        let mut interrupted = occupied.interrupted.clone();
        let clock = self.config.ports.clock.clone();
        let ended = tokio::select! {
            answer = self.answer(id, &mut settled) => Ok(answer),
            () = expiry(&*clock, patience, expires) => Err("nobody answered in time"),
            () = called_off(&mut interrupted) => Err("the turn was called off"),
        };
        unasked.approval = None;
        drop(open);
        if occupied.open_questions.load(Ordering::Relaxed) == 0 {
            self.show(occupied, AgentStatus::ToolRunning, "no question is open any more").await;
        }
        match ended {
            Ok(Ok(approval)) => answered(verdict, &approval),
            Ok(Err(reason)) => (Verdict { decision: Decision::Deny, reason, ..verdict }, Decider::Failure),
            Err(why) => {
                self.expire(id, why).await;
                let reason = format!("{}: {why}", verdict.reason);
                let by = Decider::Nobody { approval: Some(id) };
                (Verdict { decision: Decision::Deny, reason, ..verdict }, by)
            }
        }
    }

    /// Shows that the agent waits for a person, or no longer does. A slot that was given up meanwhile shows its own state.
    async fn show(&self, occupied: &Occupied, status: AgentStatus, evidence: &str) {
        let _showing = occupied.showing.lock().await;
        let pid = *unpoisoned(&occupied.pid);
        let seat = &occupied.seat;
        let change = Change::SetAgentStatus {
            slot: seat.slot.clone(),
            task: seat.task,
            status,
            evidence: event_text(evidence),
            pid,
            at: self.now(),
        };
        if let Err(error) = self.apply(change).await {
            tracing::debug!(error = %crate::error::chain(&error), "a slot's state could not be shown");
        }
    }

    async fn answer(&self, id: ApprovalId, settled: &mut watch::Receiver<u64>) -> Result<Approval, String> {
        loop {
            let found = self.store.approvals(ApprovalFilter::One(id)).await;
            match found.map(|mut approvals| approvals.pop()) {
                Ok(Some(approval)) if approval.status != ApprovalStatus::Pending => return Ok(approval),
                Ok(Some(_)) => {}
                Ok(None) => return Err("the question is gone from the store".to_owned()),
                Err(error) => return Err(crate::error::chain(&error)),
            }
            if settled.changed().await.is_err() {
                return Err("the mission ended".to_owned());
            }
        }
    }

    async fn expire(&self, approval: ApprovalId, by: &str) {
        let change = Change::SettleApproval {
            approval,
            status: ApprovalStatus::Expired,
            by: by.to_owned(),
            note: None,
            at: self.now(),
        };
        match self.apply(change).await {
            Ok(_) => self.announce_settled(),
            // Somebody settled it in the same moment, or the end of its task did.
            Err(error) if error.kind == StoreErrorKind::Final => {}
            Err(error) => {
                tracing::warn!(error = %crate::error::chain(&error), "an approval could not be expired");
            }
        }
    }
}

/// Waits until a question has expired, both by its own clock and by how long was waited: a machine that slept, or whose
/// clock was set, must not keep an agent waiting for an answer that nobody can give any more.
async fn expiry(clock: &dyn Clock, patience: Duration, expires: Timestamp) {
    let mut left = patience;
    while !left.is_zero() && clock.now() < expires {
        let step = left.min(EXPIRY_STEP);
        clock.sleep(step).await;
        left -= step;
    }
}

async fn called_off(interrupted: &mut watch::Receiver<Option<Interrupt>>) {
    // An attempt that is gone without a word is called off too.
    let _ = interrupted.wait_for(Option::is_some).await;
}

fn answered(verdict: Verdict, approval: &Approval) -> (Verdict, Decider) {
    let by = approval.answered_by.as_deref().unwrap_or("somebody");
    let note = approval.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let (decision, how) = match approval.status {
        ApprovalStatus::Approved => (Decision::Allow, "approved by"),
        ApprovalStatus::Rejected => (Decision::Deny, "rejected by"),
        ApprovalStatus::Pending | ApprovalStatus::Expired => (Decision::Deny, "not approved:"),
    };
    let decider = match approval.status {
        ApprovalStatus::Approved | ApprovalStatus::Rejected => Decider::Person {
            approval: approval.id,
            who: approval.answered_by.clone(),
            note: approval.note.clone(),
        },
        ApprovalStatus::Pending | ApprovalStatus::Expired => Decider::Nobody { approval: Some(approval.id) },
    };
    (Verdict { decision, reason: format!("{how} {by}{note}"), ..verdict }, decider)
}

/// Counts a question as open until it is dropped.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells, when dropped with an approval in it, that its asker went away without an answer.
struct Unasked<'a> {
    shared: &'a Shared,
    approval: Option<ApprovalId>,
}

impl Drop for Unasked<'_> {
    fn drop(&mut self) {
        let Some(approval) = self.approval.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let store = self.shared.store.clone();
        let settled = self.shared.settled.clone();
        let change = Change::SettleApproval {
            approval,
            status: ApprovalStatus::Expired,
            by: "the agent stopped asking".to_owned(),
            note: None,
            at: self.shared.now(),
        };
        // Detached on purpose: it is one bounded write, and whoever asked is gone.
        runtime.spawn(async move {
            if store.apply(change).await.is_ok() {
                settled.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
    }
}
