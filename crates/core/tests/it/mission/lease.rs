//! Leases: who holds a task, when it is taken away, and what a holder that lost it may still say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use missiond_core::ports::{BoxFuture, Change, Clock, Finish, Store, StoreErrorKind};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{
    EventBody, LeaseToken, Mission, MissionConfig, NewTask, TaskId, TaskResult, TaskStatus, WorkspaceRecord,
};

use super::support::{PATIENCE, Stage, event, leased, log, run_done, submit, wait};

/// A store that the test and the mission share: the test writes in it as another holder would.
fn shared_store(directory: &tempfile::TempDir, config: &mut MissionConfig) -> Arc<SqliteStore> {
    let path = directory.path().join("mission.db");
    let store = Arc::new(SqliteStore::open(path, OpenMode::Owner).unwrap());
    config.ports.store = Some(store.clone());
    store
}

/// Everything that the holder of a token could want to write.
async fn writes(store: &SqliteStore, task: TaskId, token: LeaseToken) -> Vec<StoreErrorKind> {
    let at = Timestamp::now();
    let until = at + SignedDuration::from_hours(1);
    let mut result = TaskResult::default();
    result.answer = "of the old holder".to_owned();
    let finish = Box::new(Finish { status: TaskStatus::Done, reason: None, result });
    let mut kinds = Vec::new();
    for change in [
        Change::RenewLease { task, token, until },
        Change::SetWorkspace { task, token, workspace: WorkspaceRecord::new("w", "/w", "b", "c"), at },
        Change::SetConversation { task, token, conversation: "old".parse().unwrap(), at },
        Change::RequeueTask { task, token: Some(token), reason: "old".to_owned(), at },
        Change::FinishTask { task, token, finish, at },
    ] {
        kinds.push(store.apply(change).await.unwrap_err().kind);
    }
    kinds
}

/// Waits until something that is read from the store is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A holder whose heart stops loses its task when the lease ends: another attempt has it, with a higher token, and
/// nothing that the first one writes counts any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_nobody_renews_ends_and_its_holder_is_fenced_off() {
    let (stage, scratch) = (Stage::new(), tempfile::tempdir().unwrap());
    let mut config = stage.config_with("shell", 2, &[("core.max_concurrent_agents", "1")]);
    let store = shared_store(&scratch, &mut config);
    let mission = Mission::open(config).await.unwrap();
    // One task is at work, so the mission leaves the next in the queue, though a slot is free for it.
    let first = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    leased(&mission, first).await;
    let busy = mission.task(first).await.unwrap().lease.unwrap().slot;
    let free = if busy.as_str() == "s1" { "s2" } else { "s1" };
    let prompt = format!("begin; : > {}; await {}; finish newer", stage.quoted("there"), stage.quoted("on"));
    let task = submit(&mission, prompt).await;
    // Somebody else takes it, and is never heard of again.
    let at = Timestamp::now();
    let lease =
        Change::LeaseTask { task, slot: free.parse().unwrap(), at, until: at + SignedDuration::from_secs(2) };
    let old = store.apply(lease).await.unwrap().lease.unwrap().token;
    stage.make_sign("go");
    wait(&mission, first).await;

    stage.signed("there").await;
    let lost = event(&mission, "the requeue", |event| {
        event.task == Some(task) && matches!(event.body, EventBody::TaskRequeued { .. })
    })
    .await;
    let EventBody::TaskRequeued { reason } = lost.body else { unreachable!() };
    assert!(reason.contains("without being renewed"), "{reason}");
    assert!(lost.at >= at + SignedDuration::from_secs(2), "a lease is not taken away before its end");
    let held = mission.task(task).await.unwrap();
    assert_eq!((held.status, held.attempts), (TaskStatus::Running, 2));
    let new = held.lease.clone().unwrap().token;
    assert!(new > old, "{new} after {old}");
    assert_eq!(writes(&store, task, old).await, [StoreErrorKind::Stale; 5]);
    let mut now = mission.task(task).await.unwrap();
    // Its holder renews it while it works.
    now.lease.as_mut().unwrap().until = held.lease.as_ref().unwrap().until;
    assert_eq!(now, held, "what the old holder wrote changed nothing");

    stage.make_sign("on");
    let done = wait(&mission, task).await;
    assert_eq!((done.status, done.result.unwrap().answer.as_str()), (TaskStatus::Done, "newer"));
    assert_eq!(writes(&store, task, old).await, [StoreErrorKind::Final; 5]);
    mission.shutdown("over").await.unwrap();
}

/// An attempt of ours that loses its lease is ended without a word, and the task is not begun anew before it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_lost_its_lease_ends_before_the_next_begins() {
    let (stage, scratch) = (Stage::new(), tempfile::tempdir().unwrap());
    let mut config = stage.config("shell", 2);
    config.lease = Duration::from_millis(600);
    let store = shared_store(&scratch, &mut config);
    let mission = Mission::open(config).await.unwrap();
    let prompt = format!(
        "begin; if [ -e {first} ]; then : > {second}; await {go}; finish second; exit 0; fi; : > {first}; \
         trap 'finish first; exit 0' INT TERM; while :; do sleep 0.05; done",
        first = stage.quoted("first"),
        second = stage.quoted("second"),
        go = stage.quoted("go"),
    );
    let task = submit(&mission, prompt).await;
    stage.signed("first").await;
    let old = mission.task(task).await.unwrap().lease.unwrap().token;
    let requeue =
        Change::RequeueTask { task, token: Some(old), reason: "taken away".to_owned(), at: Timestamp::now() };
    store.apply(requeue).await.unwrap();
    // Something else wakes the scheduler at once, which finds a free slot for both.
    run_done(&mission, "begin; finish").await;
    stage.signed("second").await;
    let held = mission.task(task).await.unwrap();
    assert_eq!((held.status, held.attempts), (TaskStatus::Running, 2));
    assert_eq!(writes(&store, task, old).await, [StoreErrorKind::Stale; 5]);
    // It holds the task for longer than a lease lasts, and can be called off like any other.
    let events = log(&mission).await;
    let of_task = |fits: fn(&EventBody) -> bool| {
        events.iter().filter(|event| event.task == Some(task)).position(|event| fits(&event.body))
    };
    let vacated = of_task(|body| matches!(body, EventBody::WorkspaceRetired { .. }));
    let again = of_task(|body| matches!(body, EventBody::TaskLeased { attempt: 2, .. }));
    assert!(vacated.is_some() && vacated < again, "the first attempt was over when the second began");
    mission.cancel(task, "enough").await.unwrap();
    assert_eq!(stage.processes(), Vec::<u32>::new(), "the second attempt's processes are ended with it");
    let task = mission.task(task).await.unwrap();
    assert_eq!((task.status, task.attempts), (TaskStatus::Cancelled, 2));
    mission.shutdown("over").await.unwrap();
}

/// The machine slept, or its clock was set: an attempt that goes on keeps its task.
#[tokio::test(flavor = "multi_thread")]
async fn a_leap_of_the_clock_takes_no_task_from_a_live_agent() {
    let stage = Stage::new();
    let clock = Arc::new(LeapingClock::default());
    let mut config = stage.config("shell", 1);
    config.ports.clock = clock.clone();
    let mission = Mission::open(config).await.unwrap();
    let prompt = format!("begin; : > {}; await {}; finish", stage.quoted("there"), stage.quoted("go"));
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;
    clock.leap(Duration::from_secs(3600));
    // Something else wakes the scheduler, which sees a lease that ended long ago, and makes it good.
    let other = submit(&mission, "begin; finish").await;
    until("a lease that lasts", async || {
        let lease = mission.task(id).await.unwrap().lease.expect("the task is never taken away");
        (lease.until > clock.now()).then_some(())
    })
    .await;
    stage.make_sign("go");
    let task = wait(&mission, id).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::Done, 1), "{task:?}");
    wait(&mission, other).await;
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_task_wherever_it_stands() {
    let stage = Stage::new();
    let clock = Arc::new(LeapingClock::default());
    let mut config = stage.config("shell", 1);
    config.ports.clock = clock.clone();
    let mission = Mission::open(config).await.unwrap();
    let with_deadline = |prompt: String| {
        let mut request = NewTask::new(prompt);
        request.deadline = Some(Timestamp::now() + SignedDuration::from_mins(30));
        request
    };
    let prompt = format!("begin; : > {}; await {}; finish", stage.quoted("there"), stage.quoted("go"));
    let running = mission.submit(with_deadline(prompt)).await.unwrap();
    stage.signed("there").await;
    // The only slot is taken, so this one waits when its deadline comes.
    let queued = mission.submit(with_deadline("begin; finish".to_owned())).await.unwrap();
    clock.leap(Duration::from_secs(3600));
    for (id, attempts) in [(running, 1), (queued, 0)] {
        let task = wait(&mission, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, attempts), "{task:?}");
        assert!(task.reason.as_deref().unwrap().contains("deadline"), "{task:?}");
    }
    stage.no_process_is_left().await;
    run_done(&mission, "begin; finish").await;

    // Tried again, it is not held to a deadline that has passed.
    stage.make_sign("go");
    let again = mission.retry(running).await.unwrap();
    assert_eq!(wait(&mission, again).await.status, TaskStatus::Done);
    mission.shutdown("over").await.unwrap();
}

/// A task is final at its deadline, while its agent is still being ended: who goes on with its branch then waits for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_waits_until_the_agent_before_it_is_gone() {
    let stage = Stage::new();
    let clock = Arc::new(LeapingClock::default());
    let mut config = stage.config("shell", 2);
    config.ports.clock = clock.clone();
    let mission = Mission::open(config).await.unwrap();
    let mut request = NewTask::new(format!(
        "begin; echo a > a.txt; git add .; git commit -qm a; trap '' INT TERM; : > {}; \
         while :; do sleep 0.1; done",
        stage.quoted("there")
    ));
    request.deadline = Some(Timestamp::now() + SignedDuration::from_mins(30));
    let first = mission.submit(request).await.unwrap();
    stage.signed("there").await;
    clock.leap(Duration::from_secs(3600));
    // Not by `wait`, which waits for the agent too.
    until("the end of the task", async || mission.task(first).await.unwrap().status.is_final().then_some(()))
        .await;
    let mut request = NewTask::new("begin; cat a.txt > b.txt; finish");
    request.follow_up = Some(first);
    let second = mission.submit(request).await.unwrap();
    assert!(!stage.processes().is_empty(), "the first agent is gone too early for this to show anything");
    let second = wait(&mission, second).await;
    assert_eq!(second.status, TaskStatus::Done, "{second:?}");
    assert_eq!(
        second.workspace.unwrap().branch,
        mission.task(first).await.unwrap().workspace.unwrap().branch
    );
    mission.shutdown("over").await.unwrap();
}

/// The machine's clock, as far ahead of itself as the test says.
#[derive(Debug, Default)]
pub(super) struct LeapingClock(AtomicU64);

impl LeapingClock {
    pub(super) fn leap(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for LeapingClock {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(Ordering::SeqCst);
        Timestamp::now() + SignedDuration::from_secs(i64::try_from(ahead).unwrap())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
