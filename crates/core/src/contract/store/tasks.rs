//! Tasks: what is submitted can be read, leases fence, final is final.

use super::subject::{Subject, at, end, finish, lease, requeue, result, slot, submit};
use crate::ids::{LeaseToken, TaskId};
use crate::model::{DriverKind, EventBody, NewTask, Task, TaskStatus, WorkspaceRecord};
use crate::ports::{Change, PageStart, StoreErrorKind, TaskFilter, TaskPage};

pub(super) async fn submit_and_read(subject: Subject) {
    assert_eq!(subject.newest().0, 0, "a new store must have no events");
    let first = subject.submit().await;
    let mut request = NewTask::new("grün \u{0} \u{1b}[2J \u{1f980} '\"; DROP TABLE tasks;");
    request.role = "reviewer".parse().expect("a valid role");
    request.agent = Some("claude".parse().expect("a valid kind"));
    request.driver = Some(DriverKind::Pty);
    request.priority = i32::MIN;
    request.depends_on = vec![first, first];
    request.deadline = Some(at(1000));
    request.follow_up = Some(first);
    request.issue = Some("41".to_owned());
    let second = TaskId::generate();
    subject.apply(submit(second, request.clone())).await;
    let expected = Task::queued(second, request, at(1));
    assert_eq!(subject.task(second).await, expected, "a task must be read back as it was submitted");

    let third = subject.submit().await;
    let ids = |tasks: Vec<Task>| tasks.into_iter().map(|task| task.id).collect::<Vec<_>>();
    let all = subject.store.tasks(TaskFilter::default()).await.expect("the tasks must be readable");
    assert_eq!(ids(all), [first, second, third], "tasks must come in the order of their submission");
    let newest = TaskFilter { newest: Some(2), ..TaskFilter::live() };
    let newest = subject.store.tasks(newest).await.expect("the tasks must be readable");
    assert_eq!(
        ids(newest),
        [second, third],
        "`newest` must keep the newest, in the order of their submission"
    );

    subject.apply(end(second, TaskStatus::Cancelled)).await;
    let live = subject.store.tasks(TaskFilter::live()).await.expect("the tasks must be readable");
    assert_eq!(ids(live), [first, third], "a filter by status must leave the others out");

    let events = subject.events(crate::ids::Seq(0)).await;
    let submitted =
        events.iter().filter(|event| matches!(event.body, EventBody::TaskSubmitted { .. })).count();
    assert_eq!(submitted, 3, "each submission must be in the log");
    assert_eq!(events[0].task, Some(first), "an event must name its task");
    assert_eq!(events[0].at, at(1), "an event must carry the moment of its change");
}

pub(super) async fn pages_and_counts(subject: Subject) {
    subject.slots(&["a"]).await;
    let mut all = Vec::new();
    for number in 0..7 {
        let task = subject.submit().await;
        all.push(task);
        if number % 2 == 0 {
            let token = subject.lease(task, "a").await;
            subject.apply(finish(task, token, TaskStatus::Done)).await;
        }
    }
    subject.apply(end(all[1], TaskStatus::Cancelled)).await;
    let read = |start, limit, statuses: &[TaskStatus]| {
        let mut page = TaskPage::new(start, limit);
        page.statuses = statuses.to_vec();
        let subject = subject.clone();
        async move {
            let page = subject.store.task_page(page).await;
            page.map(|tasks| tasks.into_iter().map(|task| task.id).collect::<Vec<_>>())
                .map_err(|error| error.kind)
        }
    };
    let done = &[TaskStatus::Done][..];
    for (start, limit, statuses, expected) in [
        (PageStart::Oldest, 3, &[][..], vec![all[0], all[1], all[2]]),
        (PageStart::After(all[2]), 3, &[][..], vec![all[3], all[4], all[5]]),
        (PageStart::After(all[5]), 3, &[][..], vec![all[6]]),
        (PageStart::After(all[6]), 3, &[][..], vec![]),
        (PageStart::Newest, 2, &[][..], vec![all[5], all[6]]),
        (PageStart::Before(all[5]), 2, &[][..], vec![all[3], all[4]]),
        (PageStart::Before(all[0]), 2, &[][..], vec![]),
        (PageStart::Oldest, 0, &[][..], vec![]),
        (PageStart::Newest, usize::MAX, &[][..], all.clone()),
        // The place may be a task of another status.
        (PageStart::After(all[1]), 2, done, vec![all[2], all[4]]),
        (PageStart::Before(all[5]), 2, done, vec![all[2], all[4]]),
    ] {
        let page = read(start, limit, statuses).await;
        assert_eq!(
            page,
            Ok(expected),
            "a page must hold the tasks next to its place, in the order of their submission: {limit} of {statuses:?} at \
             {start:?}"
        );
    }
    for start in [PageStart::After(TaskId::generate()), PageStart::Before(TaskId::generate())] {
        let page = read(start, 1, &[]).await;
        assert_eq!(
            page,
            Err(StoreErrorKind::NotFound),
            "a page beside a task that is not there must be refused"
        );
    }
    let counts = subject.store.task_counts().await.expect("the tasks must be countable");
    let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    let expected = [(TaskStatus::Queued, 2), (TaskStatus::Done, 4), (TaskStatus::Cancelled, 1)];
    assert_eq!(counts, expected, "every task must be counted once, by its status");
}

pub(super) async fn submit_refuses(subject: Subject) {
    let there = subject.submit().await;
    let missing = TaskId::generate();
    let with = |edit: &dyn Fn(&mut NewTask)| {
        let mut request = NewTask::new("x");
        edit(&mut request);
        submit(TaskId::generate(), request)
    };
    for (change, kind) in [
        (submit(there, NewTask::new("do it")), StoreErrorKind::Conflict),
        (with(&|task| task.prompt.clear()), StoreErrorKind::Invalid),
        (with(&|task| task.prompt = "ü".repeat(NewTask::MAX_PROMPT_BYTES / 2 + 1)), StoreErrorKind::Invalid),
        (with(&|task| task.depends_on = vec![there; NewTask::MAX_DEPENDENCIES + 1]), StoreErrorKind::Invalid),
        (with(&|task| task.depends_on = vec![there, missing]), StoreErrorKind::NotFound),
        (with(&|task| task.follow_up = Some(missing)), StoreErrorKind::NotFound),
    ] {
        subject.refused(change, kind).await;
    }
    let missing = subject.store.task(missing).await.map_err(|error| error.kind);
    assert_eq!(missing, Err(StoreErrorKind::NotFound), "a task that is not there must be told so");
    subject.apply(with(&|task| task.prompt = "x".repeat(NewTask::MAX_PROMPT_BYTES))).await;
    subject.apply(with(&|task| task.depends_on = vec![there; NewTask::MAX_DEPENDENCIES])).await;
}

pub(super) async fn lease_and_finish(subject: Subject) {
    subject.slots(&["a", "b"]).await;
    let task = subject.submit().await;
    let since = subject.newest();
    let applied = subject.apply(lease(task, "a")).await;
    assert_eq!(applied.attempt, Some(1), "the first lease must be the first attempt");
    let token = applied.lease.expect("a lease must be handed out").token;
    let running = subject.task(task).await;
    assert_eq!((running.status, running.attempts), (TaskStatus::Running, 1), "a leased task must run");
    assert_eq!(running.started_at, Some(at(10)), "a leased task must know when it began");
    let held = running.lease.expect("a running task must show its lease");
    assert_eq!(
        (held.slot, held.token, held.until),
        (slot("a"), token, at(20)),
        "the lease must be the one given"
    );

    subject.refused(lease(task, "b"), StoreErrorKind::Conflict).await;
    let other = subject.submit().await;
    subject.refused(lease(other, "a"), StoreErrorKind::Conflict).await;
    subject.refused(lease(other, "nowhere"), StoreErrorKind::NotFound).await;
    subject.refused(lease(TaskId::generate(), "b"), StoreErrorKind::NotFound).await;
    subject.refused(finish(task, token, TaskStatus::Running), StoreErrorKind::Invalid).await;

    subject.apply(finish(task, token, TaskStatus::Done)).await;
    let done = subject.task(task).await;
    assert_eq!((done.status, done.lease), (TaskStatus::Done, None), "a finished task must have no lease");
    assert_eq!(done.result, Some(result("answer")), "a result must be read back as it was written");
    assert_eq!(done.finished_at, Some(at(15)), "a finished task must know when it ended");
    let bodies = subject.bodies(since).await;
    assert_eq!(bodies[0], EventBody::TaskLeased { attempt: 1, token }, "a lease must be in the log");
    let finished = EventBody::TaskFinished { status: TaskStatus::Done, reason: None };
    assert_eq!(bodies.last(), Some(&finished), "an end must be in the log");
    // The slot is free again for the next.
    subject.lease(other, "a").await;
}

pub(super) async fn a_final_status_stays(subject: Subject) {
    subject.slots(&["a"]).await;
    for status in [TaskStatus::Done, TaskStatus::Failed, TaskStatus::Cancelled] {
        let task = subject.submit().await;
        let token = subject.lease(task, "a").await;
        subject.apply(finish(task, token, status)).await;
        for later in [TaskStatus::Done, TaskStatus::Failed, TaskStatus::Cancelled] {
            subject.refused(finish(task, token, later), StoreErrorKind::Final).await;
        }
        subject.refused(end(task, TaskStatus::Cancelled), StoreErrorKind::Final).await;
        subject.refused(requeue(task, Some(token), at(15)), StoreErrorKind::Final).await;
        subject.refused(requeue(task, None, at(99)), StoreErrorKind::Final).await;
        subject.refused(lease(task, "a"), StoreErrorKind::Conflict).await;
        subject.refused(Change::RenewLease { task, token, until: at(40) }, StoreErrorKind::Final).await;
        assert_eq!(subject.task(task).await.status, status, "a final status must stay");
    }
}

pub(super) async fn tokens_fence(subject: Subject) {
    subject.slots(&["a", "b"]).await;
    let task = subject.submit().await;
    let old = subject.lease(task, "a").await;
    subject.apply(requeue(task, Some(old), at(11))).await;
    let queued = subject.task(task).await;
    assert_eq!(
        (queued.status, queued.lease),
        (TaskStatus::Queued, None),
        "a requeued task must wait without a lease"
    );
    assert_eq!(queued.reason.as_deref(), Some("again"), "a requeued task must know why");
    // While nobody holds it, and then while somebody else does.
    for newest in [None, Some("b")] {
        let mut valid = None;
        if let Some(name) = newest {
            let token = subject.lease(task, name).await;
            assert!(token > old, "tokens must grow: {token} after {old}");
            assert_eq!(subject.task(task).await.attempts, 2, "each lease must count as an attempt");
            valid = Some(token);
        }
        for token in [Some(old), valid.map(|token| LeaseToken(token.0 + 1)), Some(LeaseToken(u64::MAX))] {
            let Some(token) = token else { continue };
            let workspace = WorkspaceRecord::new("w", "/w", "b", "c");
            let conversation = "c-1".parse().expect("a valid name");
            for change in [
                finish(task, token, TaskStatus::Done),
                requeue(task, Some(token), at(12)),
                Change::RenewLease { task, token, until: at(40) },
                Change::SetWorkspace { task, token, workspace, at: at(12) },
                Change::SetConversation { task, token, conversation, at: at(12) },
            ] {
                subject.refused(change, StoreErrorKind::Stale).await;
            }
        }
    }
    let other = subject.submit().await;
    let newer = subject.lease(other, "a").await;
    let held = subject.task(task).await.lease.expect("a running task must show its lease").token;
    assert!(newer > held, "tokens must grow over all tasks: {newer} after {held}");
}

pub(super) async fn leases_end(subject: Subject) {
    subject.slots(&["a"]).await;
    let task = subject.submit().await;
    subject.refused(requeue(task, None, at(99)), StoreErrorKind::Conflict).await;
    let token = subject.lease(task, "a").await;
    subject.refused(requeue(task, None, at(19)), StoreErrorKind::Conflict).await;
    let before = subject.newest();
    subject.apply(Change::RenewLease { task, token, until: at(30) }).await;
    subject.apply(Change::RenewLease { task, token, until: at(25) }).await;
    assert_eq!(subject.newest(), before, "renewing a lease must write no event");
    let until = subject.task(task).await.lease.map(|lease| lease.until);
    assert_eq!(until, Some(at(30)), "renewing a lease must lengthen it and never shorten it");
    subject.refused(requeue(task, None, at(29)), StoreErrorKind::Conflict).await;
    subject.apply(requeue(task, None, at(30))).await;
    let bodies = subject.bodies(before).await;
    assert_eq!(
        bodies,
        [EventBody::TaskRequeued { reason: "again".to_owned() }],
        "a requeue must be in the log"
    );
    subject.refused(finish(task, token, TaskStatus::Done), StoreErrorKind::Stale).await;
}

pub(super) async fn end_takes_the_lease(subject: Subject) {
    subject.slots(&["a"]).await;
    let queued = subject.submit().await;
    for status in [TaskStatus::Queued, TaskStatus::Running, TaskStatus::Done] {
        subject.refused(end(queued, status), StoreErrorKind::Invalid).await;
    }
    subject.refused(end(TaskId::generate(), TaskStatus::Failed), StoreErrorKind::NotFound).await;
    subject.apply(end(queued, TaskStatus::Failed)).await;
    assert_eq!(
        subject.task(queued).await.reason.as_deref(),
        Some("called off"),
        "an ended task must know why"
    );

    let task = subject.submit().await;
    let token = subject.lease(task, "a").await;
    subject.apply(end(task, TaskStatus::Cancelled)).await;
    let ended = subject.task(task).await;
    assert_eq!(
        (ended.status, ended.lease),
        (TaskStatus::Cancelled, None),
        "an ended task must have no lease"
    );
    assert_eq!(ended.finished_at, Some(at(16)), "an ended task must know when it ended");
    subject.refused(finish(task, token, TaskStatus::Done), StoreErrorKind::Final).await;
    let next = subject.submit().await;
    subject.lease(next, "a").await;
}

pub(super) async fn amend_once(subject: Subject) {
    subject.slots(&["a"]).await;
    let task = subject.submit().await;
    let amend = |answer: &str| Change::AmendResult { task, result: Box::new(result(answer)) };
    subject.refused(amend("early"), StoreErrorKind::Conflict).await;
    subject.lease(task, "a").await;
    subject.refused(amend("early"), StoreErrorKind::Conflict).await;
    subject.apply(end(task, TaskStatus::Cancelled)).await;
    let before = subject.newest();
    subject.apply(amend("cut short")).await;
    let amended = subject.task(task).await;
    assert_eq!(amended.result, Some(result("cut short")), "what came out of an ended task must be kept");
    assert_eq!(amended.status, TaskStatus::Cancelled, "a final status must stay");
    assert_eq!(subject.newest(), before, "amending must write no event");
    subject.refused(amend("again"), StoreErrorKind::Final).await;
    let missing = Change::AmendResult { task: TaskId::generate(), result: Box::new(result("x")) };
    subject.refused(missing, StoreErrorKind::NotFound).await;
}

pub(super) async fn workspace_and_conversation(subject: Subject) {
    subject.slots(&["a"]).await;
    let task = subject.submit().await;
    let token = subject.lease(task, "a").await;
    let since = subject.newest();
    let workspace = WorkspaceRecord::new("name", "/tmp/ü b", "feature/x", "abc");
    let conversation: crate::ids::ConversationId = "c-1".parse().expect("a valid name");
    subject.apply(Change::SetWorkspace { task, token, workspace: workspace.clone(), at: at(12) }).await;
    subject
        .apply(Change::SetConversation { task, token, conversation: conversation.clone(), at: at(13) })
        .await;
    let bodies = subject.bodies(since).await;
    let expected = [
        EventBody::WorkspaceReady { workspace: workspace.clone() },
        EventBody::AgentConversation { conversation: conversation.clone() },
    ];
    assert_eq!(bodies, expected, "workspace and conversation must be in the log");
    subject.apply(finish(task, token, TaskStatus::Done)).await;
    let done = subject.task(task).await;
    assert_eq!(done.workspace, Some(workspace), "a workspace must outlive its task");
    assert_eq!(done.conversation, Some(conversation), "a conversation must outlive its task");
}
