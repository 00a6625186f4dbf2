//! Stores that break one promise each: the suite has to catch every one of them, by the promise.

use std::sync::Arc;

use missiond_core::contract;
use missiond_core::ports::{
    Applied, ApprovalFilter, BoxFuture, Change, Store, StoreError, StoreErrorKind, TaskFilter, TaskPage,
};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{
    Approval, ApprovalStatus, Event, EventBody, Lease, LeaseToken, Message, Seq, Slot, Task, TaskId,
    TaskStatus,
};
use tokio::sync::watch;

use super::broken::caught;

/// What a store may get wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// One event is not there when the log is read.
    LosesAnEvent,
    /// Two events have one number.
    RepeatsANumber,
    /// The holder of an old token writes on.
    TakesAStaleToken,
    /// A task that is leased is given to another slot too.
    LeasesTwice,
    /// Every holder has the same token.
    RepeatsAToken,
    /// A task that has ended ends again.
    LeavesAFinalStatus,
    /// What was refused has left something behind.
    HalfRefuses,
    /// A renewal does nothing.
    ForgetsRenewals,
    /// A late yes is a yes.
    TakesALateYes,
    /// A question outlives its asker.
    KeepsQuestionsOpen,
    /// Whoever waits for news is not told.
    IsSilent,
    /// A fraction of a second is dropped.
    RoundsTime,
    /// A page begins one task too late.
    SkipsATask,
    /// One task is counted twice.
    Miscounts,
    /// The newest message comes first.
    TurnsMessagesRound,
    /// A slot is taken though it is occupied.
    SeatsTwo,
    /// The owner that takes over leaves what runs with the dead one.
    TakesNothingOver,
}

#[derive(Debug)]
struct Broken {
    store: SqliteStore,
    fault: Fault,
    /// A number that never changes.
    silent: watch::Sender<Seq>,
    _directory: tempfile::TempDir,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("mission.db"), OpenMode::Owner).unwrap();
        Self { store, fault, silent: watch::Sender::new(Seq(0)), _directory: directory }
    }

    fn taken(&self) -> Applied {
        let mut applied = Applied::default();
        applied.seq = *self.store.newest().borrow();
        applied
    }

    /// What a holder proves itself with, in place of the one token that it was told.
    async fn told_apart(&self, mut change: Change) -> Change {
        if let Change::FinishTask { task, token, .. } | Change::RenewLease { task, token, .. } = &mut change
            && let Ok(Task { lease: Some(lease), .. }) = self.store.task(*task).await
        {
            *token = lease.token;
        }
        if let Change::RequeueTask { task, token: Some(token), .. } = &mut change
            && let Ok(Task { lease: Some(lease), .. }) = self.store.task(*task).await
        {
            *token = lease.token;
        }
        change
    }

    async fn break_apply(&self, mut change: Change) -> Result<Applied, StoreError> {
        match (self.fault, &change) {
            (Fault::ForgetsRenewals, Change::RenewLease { task, token, .. }) => {
                // Refused as ever when it is not the holder's, and else taken and forgotten.
                let none = Change::RenewLease { task: *task, token: *token, until: contract_origin() };
                return self.store.apply(none).await;
            }
            (Fault::RepeatsAToken, _) => change = self.told_apart(change).await,
            (Fault::TakesNothingOver, Change::TakeOverLeases { .. }) => return Ok(self.taken()),
            _ => {}
        }
        let applied = self.store.apply(change.clone()).await;
        let kind = applied.as_ref().err().map(|error| error.kind);
        match (self.fault, kind, &change) {
            (Fault::TakesAStaleToken, Some(StoreErrorKind::Stale), Change::FinishTask { .. })
            | (Fault::LeavesAFinalStatus, Some(StoreErrorKind::Final), Change::FinishTask { .. })
            | (Fault::TakesALateYes, Some(StoreErrorKind::Final), Change::SettleApproval { .. })
            | (Fault::SeatsTwo, Some(StoreErrorKind::Conflict), Change::OccupySlot { .. }) => {
                Ok(self.taken())
            }
            (Fault::LeasesTwice, Some(StoreErrorKind::Conflict), Change::LeaseTask { slot, until, .. }) => {
                let mut applied = self.taken();
                applied.lease = Some(Lease { slot: slot.clone(), token: LeaseToken(99), until: *until });
                applied.attempt = Some(2);
                Ok(applied)
            }
            (Fault::HalfRefuses, Some(_), Change::SubmitTask { at, .. }) => {
                let bodies = vec![EventBody::Warning { text: "half a change".to_owned() }];
                self.store.apply(Change::Note { task: None, slot: None, bodies, at: *at }).await?;
                applied
            }
            (Fault::RepeatsAToken, None, _) => applied.map(|mut applied| {
                if let Some(lease) = &mut applied.lease {
                    lease.token = LeaseToken(1);
                }
                applied
            }),
            _ => applied,
        }
    }
}

/// Before anything that the suite does.
fn contract_origin() -> jiff::Timestamp {
    jiff::Timestamp::from_second(0).unwrap()
}

impl Store for Broken {
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        Box::pin(self.break_apply(change))
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Task, StoreError>> {
        Box::pin(async move {
            let mut task = self.store.task(id).await?;
            match (self.fault, &mut task.lease) {
                (Fault::RoundsTime, _) => {
                    task.submitted_at = jiff::Timestamp::from_second(task.submitted_at.as_second()).unwrap();
                }
                (Fault::RepeatsAToken, Some(lease)) => lease.token = LeaseToken(1),
                _ => {}
            }
            Ok(task)
        })
    }

    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        self.store.tasks(filter)
    }

    fn task_page(&self, mut page: TaskPage) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        Box::pin(async move {
            let skips = matches!(self.fault, Fault::SkipsATask);
            page.limit = page.limit.saturating_add(usize::from(skips));
            let mut tasks = self.store.task_page(page).await?;
            if skips && !tasks.is_empty() {
                tasks.remove(0);
            }
            Ok(tasks)
        })
    }

    fn task_counts(&self) -> BoxFuture<'_, Result<Vec<(TaskStatus, u64)>, StoreError>> {
        Box::pin(async move {
            let mut counts = self.store.task_counts().await?;
            if let (Fault::Miscounts, Some((_, count))) = (self.fault, counts.first_mut()) {
                *count += 1;
            }
            Ok(counts)
        })
    }

    fn slots(&self) -> BoxFuture<'_, Result<Vec<Slot>, StoreError>> {
        self.store.slots()
    }

    fn approvals(&self, filter: ApprovalFilter) -> BoxFuture<'_, Result<Vec<Approval>, StoreError>> {
        Box::pin(async move {
            let mut approvals = self.store.approvals(filter).await?;
            if matches!(self.fault, Fault::KeepsQuestionsOpen) {
                for approval in &mut approvals {
                    if approval.status == ApprovalStatus::Expired {
                        approval.status = ApprovalStatus::Pending;
                    }
                }
            }
            Ok(approvals)
        })
    }

    fn messages(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        Box::pin(async move {
            let mut messages = self.store.messages(limit).await?;
            if matches!(self.fault, Fault::TurnsMessagesRound) {
                messages.reverse();
            }
            Ok(messages)
        })
    }

    fn events(&self, since: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        Box::pin(async move {
            let mut events = self.store.events(since, limit).await?;
            match self.fault {
                Fault::LosesAnEvent => events.retain(|event| event.seq != Seq(2)),
                Fault::RepeatsANumber => {
                    for event in events.iter_mut().filter(|event| event.seq.0 > 1) {
                        event.seq.0 -= 1;
                    }
                }
                Fault::RepeatsAToken => {
                    for event in &mut events {
                        if let EventBody::TaskLeased { token, .. } = &mut event.body {
                            *token = LeaseToken(1);
                        }
                    }
                }
                _ => {}
            }
            Ok(events)
        })
    }

    fn newest(&self) -> watch::Receiver<Seq> {
        match self.fault {
            Fault::IsSilent => self.silent.subscribe(),
            _ => self.store.newest(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_breaks_a_promise() {
    for (fault, promise) in [
        (Fault::LosesAnEvent, "events must be numbered without a gap"),
        (Fault::RepeatsANumber, "events must be numbered without a gap"),
        (Fault::TakesAStaleToken, "must be refused with Stale was taken"),
        (Fault::LeasesTwice, "must be refused with Conflict was taken"),
        (Fault::RepeatsAToken, "tokens must grow"),
        (Fault::LeavesAFinalStatus, "must be refused with Final was taken"),
        (Fault::HalfRefuses, "a refused change must change nothing"),
        (Fault::ForgetsRenewals, "renewing a lease must lengthen it"),
        (Fault::TakesALateYes, "must be refused with Final was taken"),
        (Fault::KeepsQuestionsOpen, "a takeover must expire what waits"),
        (Fault::IsSilent, "`newest` must know of a change"),
        (Fault::RoundsTime, "a task must be read back as it was submitted"),
        (Fault::SkipsATask, "a page must hold the tasks next to its place"),
        (Fault::Miscounts, "every task must be counted once"),
        (Fault::TurnsMessagesRound, "oldest first"),
        (Fault::SeatsTwo, "must be refused with Conflict was taken"),
        (Fault::TakesNothingOver, "a takeover must requeue whatever runs"),
    ] {
        let suite = contract::store::check(move || {
            Box::pin(async move { Arc::new(Broken::new(fault)) as Arc<dyn Store> })
        });
        caught(suite, promise).await;
    }
}

/// The reads that a store need not write itself do as the suite says.
#[derive(Debug)]
struct Plain(Broken);

impl Store for Plain {
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        self.0.store.apply(change)
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Task, StoreError>> {
        self.0.store.task(id)
    }

    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        self.0.store.tasks(filter)
    }

    fn slots(&self) -> BoxFuture<'_, Result<Vec<Slot>, StoreError>> {
        self.0.store.slots()
    }

    fn approvals(&self, filter: ApprovalFilter) -> BoxFuture<'_, Result<Vec<Approval>, StoreError>> {
        self.0.store.approvals(filter)
    }

    fn messages(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.0.store.messages(limit)
    }

    fn events(&self, since: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        self.0.store.events(since, limit)
    }

    fn newest(&self) -> watch::Receiver<Seq> {
        self.0.store.newest()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_nothing_but_what_it_must_have() {
    contract::store::check(|| {
        Box::pin(async { Arc::new(Plain(Broken::new(Fault::IsSilent))) as Arc<dyn Store> })
    })
    .await;
}
