//! A store under test, and the words in which its tests are written.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::ids::{AgentKind, ApprovalId, LeaseToken, Seq, SlotId, TaskId};
use crate::model::{
    Approval, ApprovalStatus, Decision, Event, EventBody, Message, NewTask, Slot, SlotConfig, Task,
    TaskResult, TaskStatus, ToolCall, Usage, Verdict,
};
use crate::ports::{Applied, ApprovalFilter, Change, Finish, Store, StoreError, StoreErrorKind, TaskFilter};

/// More than any test here writes.
const ALL: usize = 100_000;

#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) store: Arc<dyn Store>,
}

/// Everything that can be read.
#[derive(Debug, PartialEq)]
struct Snapshot {
    tasks: Vec<Task>,
    slots: Vec<Slot>,
    approvals: Vec<Approval>,
    messages: Vec<Message>,
    events: Vec<Event>,
    newest: Seq,
}

impl Subject {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub(super) async fn try_apply(&self, change: Change) -> Result<Applied, StoreError> {
        self.store.apply(change).await
    }

    /// Applies a change that must be taken, and checks that everybody can see it at once.
    pub(super) async fn apply(&self, change: Change) -> Applied {
        let shown = format!("{change:?}");
        let before = self.newest();
        let applied = self.try_apply(change).await;
        let applied = applied
            .unwrap_or_else(|error| panic!("a change that must be taken was refused ({error}): {shown}"));
        let after = self.newest();
        assert!(
            applied.seq >= before && after >= applied.seq,
            "`newest` must know of a change when `apply` returns: {before} before, {after} after, {} applied: {shown}",
            applied.seq
        );
        applied
    }

    /// Applies a change that must be refused, and checks that nothing has changed by it.
    pub(super) async fn refused(&self, change: Change, kind: StoreErrorKind) {
        let shown = format!("{change:?}");
        let before = self.snapshot().await;
        match self.try_apply(change).await {
            Ok(_) => panic!("a change that must be refused with {kind:?} was taken: {shown}"),
            Err(error) => {
                assert_eq!(
                    error.kind, kind,
                    "a change was refused with the wrong kind of error ({error}): {shown}"
                );
                assert!(!error.to_string().is_empty(), "an error must say what is wrong: {shown}");
            }
        }
        assert_eq!(before, self.snapshot().await, "a refused change must change nothing: {shown}");
    }

    pub(super) async fn submit(&self) -> TaskId {
        let id = TaskId::generate();
        self.apply(submit(id, NewTask::new("do it"))).await;
        id
    }

    pub(super) async fn slots(&self, names: &[&str]) {
        let slots = names.iter().map(|name| config(name)).collect();
        self.apply(Change::ConfigureSlots { slots, at: at(0) }).await;
    }

    /// Leases a task to a slot from second 10 to second 20.
    pub(super) async fn lease(&self, task: TaskId, name: &str) -> LeaseToken {
        let applied = self.apply(lease(task, name)).await;
        let lease = applied.lease.expect("a lease that was taken must be handed out");
        assert_eq!(
            (lease.slot, lease.until),
            (slot(name), at(20)),
            "a lease must be the one that was asked for"
        );
        lease.token
    }

    pub(super) async fn occupy(&self, task: TaskId, name: &str) {
        self.apply(Change::OccupySlot { slot: slot(name), task, at: at(11) }).await;
    }

    pub(super) async fn ask(&self, task: TaskId, name: &str) -> ApprovalId {
        let approval = question(task, name);
        let id = approval.id;
        self.apply(Change::OpenApproval { approval: Box::new(approval) }).await;
        id
    }

    pub(super) async fn task(&self, id: TaskId) -> Task {
        self.store
            .task(id)
            .await
            .unwrap_or_else(|error| panic!("a task that was submitted must be readable: {error}"))
    }

    pub(super) async fn slot(&self, name: &str) -> Slot {
        let slots =
            self.store.slots().await.unwrap_or_else(|error| panic!("the slots must be readable: {error}"));
        let found = slots.into_iter().find(|slot| slot.config.id.as_str() == name);
        found.unwrap_or_else(|| panic!("a configured slot must be readable: {name}"))
    }

    pub(super) async fn approval(&self, id: ApprovalId) -> Approval {
        let found = self.store.approvals(ApprovalFilter::One(id)).await;
        let found =
            found.unwrap_or_else(|error| panic!("a question that was asked must be readable: {error}")).pop();
        found.unwrap_or_else(|| panic!("a question that was asked must be found by its id"))
    }

    pub(super) async fn pending(&self) -> Vec<ApprovalId> {
        let found = self.store.approvals(ApprovalFilter::Pending).await;
        let found = found.unwrap_or_else(|error| panic!("the questions must be readable: {error}"));
        found.into_iter().map(|approval| approval.id).collect()
    }

    /// The events after a number, checked for holes.
    pub(super) async fn events(&self, since: Seq) -> Vec<Event> {
        let events = self.store.events(since, ALL).await;
        let events = events.unwrap_or_else(|error| panic!("the events must be readable: {error}"));
        for (event, expected) in events.iter().zip(since.0 + 1..) {
            assert_eq!(event.seq, Seq(expected), "events must be numbered without a gap, in order");
        }
        events
    }

    /// The bodies of the events after a number.
    pub(super) async fn bodies(&self, since: Seq) -> Vec<EventBody> {
        self.events(since).await.into_iter().map(|event| event.body).collect()
    }

    pub(super) fn newest(&self) -> Seq {
        *self.store.newest().borrow()
    }

    async fn snapshot(&self) -> Snapshot {
        let readable = "the whole state must be readable";
        Snapshot {
            tasks: self.store.tasks(TaskFilter::default()).await.expect(readable),
            slots: self.store.slots().await.expect(readable),
            approvals: self.store.approvals(ApprovalFilter::All).await.expect(readable),
            messages: self.store.messages(ALL).await.expect(readable),
            events: self.events(Seq(0)).await,
            newest: self.newest(),
        }
    }
}

/// A moment, in seconds after an arbitrary one.
pub(super) fn at(seconds: i64) -> Timestamp {
    // With nanoseconds: a store that drops them reads back another moment.
    let origin = Timestamp::new(1_800_000_000, 123_456_789).expect("the moment is within the calendar");
    origin + SignedDuration::from_secs(seconds)
}

pub(super) fn slot(name: &str) -> SlotId {
    name.parse().expect("the tests use valid names")
}

pub(super) fn config(name: &str) -> SlotConfig {
    SlotConfig::new(slot(name), "scripted".parse::<AgentKind>().expect("the tests use valid names"))
}

pub(super) fn submit(id: TaskId, request: NewTask) -> Change {
    Change::SubmitTask { id, request: Box::new(request), at: at(1) }
}

pub(super) fn lease(task: TaskId, name: &str) -> Change {
    Change::LeaseTask { task, slot: slot(name), at: at(10), until: at(20) }
}

pub(super) fn finish(task: TaskId, token: LeaseToken, status: TaskStatus) -> Change {
    let reason = (status != TaskStatus::Done).then(|| "it went wrong".to_owned());
    let finish = Finish { status, reason, result: result("answer") };
    Change::FinishTask { task, token, finish: Box::new(finish), at: at(15) }
}

pub(super) fn end(task: TaskId, status: TaskStatus) -> Change {
    Change::EndTask { task, status, reason: "called off".to_owned(), at: at(16) }
}

pub(super) fn requeue(task: TaskId, token: Option<LeaseToken>, when: Timestamp) -> Change {
    Change::RequeueTask { task, token, reason: "again".to_owned(), at: when }
}

pub(super) fn settle(approval: ApprovalId, status: ApprovalStatus, when: Timestamp) -> Change {
    Change::SettleApproval {
        approval,
        status,
        by: "uid 1000".to_owned(),
        note: Some("note".to_owned()),
        at: when,
    }
}

/// A question from second 12 to second 30.
pub(super) fn question(task: TaskId, name: &str) -> Approval {
    let call = ToolCall::new("call-1", "Bash", serde_json::json!({"command": "ls \u{0} ü \"'"}), "/tmp");
    let verdict = Verdict::new(Decision::Ask, Some("Bash(*)".to_owned()), "a person decides");
    Approval::pending(task, slot(name), call, verdict, at(12), at(30))
}

pub(super) fn warning(text: &str) -> EventBody {
    EventBody::Warning { text: text.to_owned() }
}

pub(super) fn result(answer: &str) -> TaskResult {
    TaskResult {
        cause: Some(crate::model::Cause::TimedOut),
        answer: answer.to_owned(),
        commit: Some("c0ffee".to_owned()),
        changed_files: vec!["a".to_owned(), "ü b".to_owned()],
        usage: Usage { cost_usd: Some(0.25), input_tokens: 7, output_tokens: u64::from(u32::MAX) },
        duration_ms: 1234,
        tool_calls: 2,
        denied_calls: 1,
        ..TaskResult::default()
    }
}
