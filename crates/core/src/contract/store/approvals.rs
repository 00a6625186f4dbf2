//! Questions to a person: asked once, settled once.

use super::subject::{Subject, at, end, finish, question, requeue, settle};
use crate::ids::ApprovalId;
use crate::model::{ApprovalStatus, EventBody, TaskStatus};
use crate::ports::{ApprovalFilter, Change, StoreErrorKind};

pub(super) async fn open_and_settle(subject: Subject) {
    subject.slots(&["a", "b"]).await;
    let task = subject.submit().await;
    let open = |approval| Change::OpenApproval { approval: Box::new(approval) };
    subject.refused(open(question(task, "a")), StoreErrorKind::Stale).await;
    subject.refused(open(question(crate::ids::TaskId::generate(), "a")), StoreErrorKind::NotFound).await;
    subject.lease(task, "a").await;
    subject.refused(open(question(task, "b")), StoreErrorKind::Stale).await;
    let mut answered = question(task, "a");
    answered.status = ApprovalStatus::Approved;
    subject.refused(open(answered), StoreErrorKind::Invalid).await;

    let since = subject.newest();
    let first = question(task, "a");
    subject.apply(open(first.clone())).await;
    assert_eq!(subject.approval(first.id).await, first, "a question must be read back as it was asked");
    subject.refused(open(first.clone()), StoreErrorKind::Conflict).await;
    let second = subject.ask(task, "a").await;
    assert_eq!(
        subject.pending().await,
        [first.id, second],
        "questions must come in the order in which they were asked"
    );

    subject.refused(settle(first.id, ApprovalStatus::Pending, at(13)), StoreErrorKind::Invalid).await;
    subject
        .refused(settle(ApprovalId::generate(), ApprovalStatus::Approved, at(13)), StoreErrorKind::NotFound)
        .await;
    subject.apply(settle(first.id, ApprovalStatus::Approved, at(13))).await;
    let approved = subject.approval(first.id).await;
    assert_eq!(approved.status, ApprovalStatus::Approved, "an answer must be kept");
    assert_eq!(approved.answered_by.as_deref(), Some("uid 1000"), "who answered must be kept");
    assert_eq!(approved.note.as_deref(), Some("note"), "what was said must be kept");
    assert_eq!(subject.pending().await, [second], "a settled question must not wait any more");
    let all = subject.store.approvals(ApprovalFilter::All).await.expect("the questions must be readable");
    assert_eq!(all.len(), 2, "settled questions must be kept");
    for later in [ApprovalStatus::Approved, ApprovalStatus::Rejected, ApprovalStatus::Expired] {
        subject.refused(settle(first.id, later, at(14)), StoreErrorKind::Final).await;
    }
    subject.apply(settle(second, ApprovalStatus::Rejected, at(14))).await;
    let kinds: Vec<_> = subject.bodies(since).await.iter().map(EventBody::kind).collect();
    let expected = ["approval.opened", "approval.opened", "approval.settled", "approval.settled"];
    assert_eq!(kinds, expected, "questions and answers must be in the log");
}

pub(super) async fn a_late_yes_is_a_no(subject: Subject) {
    subject.slots(&["a"]).await;
    let task = subject.submit().await;
    subject.lease(task, "a").await;
    let asked = subject.ask(task, "a").await;
    subject.refused(settle(asked, ApprovalStatus::Approved, at(30)), StoreErrorKind::Final).await;
    subject.apply(settle(asked, ApprovalStatus::Expired, at(30))).await;
    let asked = subject.ask(task, "a").await;
    subject.apply(settle(asked, ApprovalStatus::Rejected, at(31))).await;
}

pub(super) async fn the_end_of_a_task_expires_them(subject: Subject) {
    subject.slots(&["a", "b"]).await;
    let bystander = subject.submit().await;
    subject.lease(bystander, "b").await;
    let kept = subject.ask(bystander, "b").await;
    for way in ["finish", "end", "requeue"] {
        let task = subject.submit().await;
        let token = subject.lease(task, "a").await;
        let asked = subject.ask(task, "a").await;
        let since = subject.newest();
        subject
            .apply(match way {
                "finish" => finish(task, token, TaskStatus::Failed),
                "end" => end(task, TaskStatus::Cancelled),
                _ => requeue(task, Some(token), at(15)),
            })
            .await;
        let expired = subject.approval(asked).await;
        assert_eq!(expired.status, ApprovalStatus::Expired, "a question must expire with its asker ({way})");
        assert!(expired.answered_by.is_some(), "an expired question must say what ended it ({way})");
        let kinds: Vec<_> = subject.bodies(since).await.iter().map(EventBody::kind).collect();
        let last = if way == "requeue" { "task.requeued" } else { "task.finished" };
        assert_eq!(
            kinds,
            ["approval.settled", last],
            "a question must expire in the log before its task ends ({way})"
        );
        subject.refused(settle(asked, ApprovalStatus::Approved, at(17)), StoreErrorKind::Final).await;
        let kind = if way == "requeue" { StoreErrorKind::Stale } else { StoreErrorKind::Final };
        subject.refused(Change::OpenApproval { approval: Box::new(question(task, "a")) }, kind).await;
    }
    assert_eq!(subject.pending().await, [kept], "the questions of other tasks must stay open");
}
