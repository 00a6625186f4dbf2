//! Slots: one occupant at a time.

use super::subject::{Subject, at, config, lease, slot};
use crate::ids::TaskId;
use crate::model::{AgentStatus, ApprovalStatus, DriverKind, EventBody, Slot, TaskStatus};
use crate::ports::{Change, StoreErrorKind, Vacated};

pub(super) async fn configure(subject: Subject) {
    let configure = |configs: Vec<_>| Change::ConfigureSlots { slots: configs, at: at(2) };
    subject.slots(&["b", "a"]).await;
    assert_eq!(subject.newest().0, 0, "configuring must write no event");
    let slots = subject.store.slots().await.expect("the slots must be readable");
    let vacant = [Slot::vacant(config("a"), at(0)), Slot::vacant(config("b"), at(0))];
    assert_eq!(slots, vacant, "new slots must be vacant, and slots must come by id");

    let mut changed = config("a");
    changed.driver = DriverKind::Pty;
    changed.args = vec!["--flag".to_owned(), "\u{0}".to_owned()];
    subject.apply(configure(vec![changed.clone(), config("c")])).await;
    let slots = subject.store.slots().await.expect("the slots must be readable");
    let configs: Vec<_> = slots.into_iter().map(|slot| slot.config).collect();
    assert_eq!(configs, [changed, config("c")], "slots must be those of the newest configuration");
    subject.refused(configure(vec![config("a"), config("a")]), StoreErrorKind::Invalid).await;

    let task = subject.submit().await;
    subject.lease(task, "c").await;
    subject.occupy(task, "c").await;
    subject.refused(configure(vec![config("a")]), StoreErrorKind::Conflict).await;
    subject.apply(configure(vec![config("c")])).await;
    assert_eq!(subject.slot("c").await.task, Some(task), "a slot at work must stay at work");
    subject.apply(super::subject::end(task, TaskStatus::Cancelled)).await;
    subject.apply(configure(vec![config("c")])).await;
    assert_eq!(
        subject.slot("c").await,
        Slot::vacant(config("c"), at(2)),
        "a slot without a running task must be vacated"
    );
}

pub(super) async fn one_occupant(subject: Subject) {
    subject.slots(&["a", "b"]).await;
    let task = subject.submit().await;
    let occupy = |task, name| Change::OccupySlot { slot: slot(name), task, at: at(11) };
    let status = |task, name, status, pid| Change::SetAgentStatus {
        slot: slot(name),
        task,
        status,
        evidence: "seen".to_owned(),
        pid,
        at: at(12),
    };
    subject.refused(occupy(task, "nowhere"), StoreErrorKind::NotFound).await;
    subject.refused(occupy(TaskId::generate(), "a"), StoreErrorKind::NotFound).await;
    subject.refused(occupy(task, "a"), StoreErrorKind::Stale).await;
    subject.refused(status(task, "a", AgentStatus::Thinking, None), StoreErrorKind::Stale).await;
    subject.lease(task, "a").await;
    subject.refused(occupy(task, "b"), StoreErrorKind::Stale).await;
    subject.occupy(task, "a").await;
    let taken = subject.slot("a").await;
    assert_eq!(
        (taken.status, taken.task),
        (AgentStatus::Starting, Some(task)),
        "an occupied slot must be starting"
    );
    subject.refused(occupy(task, "a"), StoreErrorKind::Conflict).await;

    let since = subject.newest();
    subject.apply(status(task, "a", AgentStatus::ToolRunning, Some(u32::MAX))).await;
    let busy = subject.slot("a").await;
    assert_eq!(
        (busy.status, busy.pid, busy.since),
        (AgentStatus::ToolRunning, Some(u32::MAX), at(12)),
        "a status must be kept"
    );
    let noted = EventBody::AgentStatus {
        status: AgentStatus::ToolRunning,
        evidence: "seen".to_owned(),
        pid: Some(u32::MAX),
    };
    let events = subject.events(since).await;
    assert_eq!(events.len(), 1, "a status must be one event");
    assert_eq!(
        (events[0].task, &events[0].slot, &events[0].body),
        (Some(task), &Some(slot("a")), &noted),
        "a status must be in the log"
    );
    let other = subject.submit().await;
    subject.refused(status(other, "a", AgentStatus::Idle, None), StoreErrorKind::Stale).await;
    subject.refused(status(task, "nowhere", AgentStatus::Idle, None), StoreErrorKind::NotFound).await;
}

pub(super) async fn vacate(subject: Subject) {
    subject.slots(&["a"]).await;
    let task = subject.submit().await;
    let token = subject.lease(task, "a").await;
    subject.occupy(task, "a").await;
    let vacate = |task, status| Change::VacateSlot {
        slot: slot("a"),
        vacated: Vacated { task, status, reason: "over".to_owned() },
        at: at(17),
    };
    let other = subject.submit().await;
    subject.refused(vacate(Some(other), AgentStatus::Stopped), StoreErrorKind::Stale).await;
    subject.refused(vacate(Some(task), AgentStatus::Idle), StoreErrorKind::Invalid).await;
    subject.apply(super::subject::finish(task, token, TaskStatus::Done)).await;
    // The task is over and its agent still there: the next one must wait for it.
    subject.lease(other, "a").await;
    let occupy = Change::OccupySlot { slot: slot("a"), task: other, at: at(16) };
    subject.refused(occupy, StoreErrorKind::Conflict).await;
    subject.apply(vacate(Some(task), AgentStatus::Exited)).await;
    let vacant = subject.slot("a").await;
    assert_eq!(
        (vacant.status, vacant.task, vacant.pid),
        (AgentStatus::Exited, None, None),
        "a vacated slot must be vacant"
    );
    assert_eq!(vacant.reason.as_deref(), Some("over"), "a vacated slot must know why");
    subject.refused(vacate(Some(task), AgentStatus::Stopped), StoreErrorKind::Stale).await;
    subject.occupy(other, "a").await;
    subject.apply(vacate(None, AgentStatus::Stopped)).await;
    assert_eq!(
        subject.slot("a").await.task,
        None,
        "a slot must be vacated whatever it holds when no task is named"
    );
}

pub(super) async fn take_over(subject: Subject) {
    subject.slots(&["a", "b", "c"]).await;
    let (first, second, third) = (subject.submit().await, subject.submit().await, subject.submit().await);
    let token = subject.lease(first, "a").await;
    subject.occupy(first, "a").await;
    subject.lease(second, "b").await;
    let asked = subject.ask(first, "a").await;
    let since = subject.newest();
    subject.apply(Change::TakeOverLeases { reason: "it died".to_owned(), at: at(18) }).await;
    for task in [first, second, third] {
        let task = subject.task(task).await;
        assert_eq!(
            (task.status, task.lease),
            (TaskStatus::Queued, None),
            "a takeover must requeue whatever runs"
        );
    }
    let vacant = subject.slot("a").await;
    assert_eq!(
        (vacant.status, vacant.task),
        (AgentStatus::Stopped, None),
        "a takeover must vacate the slots"
    );
    assert_eq!(
        subject.approval(asked).await.status,
        ApprovalStatus::Expired,
        "a takeover must expire what waits"
    );
    let kinds: Vec<_> = subject.bodies(since).await.iter().map(EventBody::kind).collect();
    assert_eq!(
        kinds,
        ["approval.settled", "task.requeued", "task.requeued", "agent.status"],
        "a takeover must write an event for whatever it changes, and for nothing else"
    );
    subject.refused(super::subject::finish(first, token, TaskStatus::Done), StoreErrorKind::Stale).await;
    let newest = subject.newest();
    subject.apply(Change::TakeOverLeases { reason: "it died".to_owned(), at: at(19) }).await;
    assert_eq!(subject.newest(), newest, "a takeover of nothing must write no event");
    let again = subject.apply(lease(first, "a")).await;
    let next = again.lease.expect("a lease must be handed out").token;
    assert!(next > token, "a token must not be given again after a takeover: {next} after {token}");
}
