//! Many callers at once.

use std::collections::HashSet;

use tokio::task::JoinSet;

use super::subject::{Subject, at, end, lease, submit, warning};
use crate::ids::{Seq, TaskId};
use crate::model::{NewTask, TaskStatus};
use crate::ports::{Applied, Change, StoreError, StoreErrorKind};

const CALLERS: usize = 32;

pub(super) async fn one_winner(subject: Subject) {
    let names: Vec<String> = (0..CALLERS).map(|number| format!("s{number}")).collect();
    subject.slots(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let task = subject.submit().await;
    let outcomes = at_once(&subject, names.iter().map(|name| lease(task, name))).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "exactly one of many concurrent leases of a task must win");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind, StoreErrorKind::Conflict, "the losers of a race must get a conflict: {error}");
    }
    // C10: two who take the slot of that lease at once.
    let held = subject.task(task).await.lease.expect("one lease has won").slot;
    let occupy = || Change::OccupySlot { slot: held.clone(), task, at: at(11) };
    let outcomes = at_once(&subject, (0..CALLERS).map(|_| occupy())).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "exactly one of many who take a slot at once must get it");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind, StoreErrorKind::Conflict, "the losers of a race must get a conflict: {error}");
    }
    let status = [TaskStatus::Cancelled, TaskStatus::Failed];
    let ends = (0..CALLERS).map(|number| end(task, status[number % 2]));
    let ended = at_once(&subject, ends).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(ended, 1, "exactly one of many concurrent ends of a task must win");
}

pub(super) async fn one_order(subject: Subject) {
    const EACH: usize = 20;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let subject = subject.clone();
        callers.spawn(async move {
            let mut numbers = Vec::new();
            for number in 0..EACH {
                let bodies = vec![warning(&format!("{caller} {number}")); 2];
                let change = Change::Note { task: None, slot: None, bodies, at: at(3) };
                numbers.push(subject.apply(change).await.seq);
            }
            assert!(
                numbers.is_sorted(),
                "the changes of one caller must be in the order in which it made them"
            );
            numbers
        });
    }
    let numbers: HashSet<Seq> = callers.join_all().await.into_iter().flatten().collect();
    let count = CALLERS * EACH;
    assert_eq!(numbers.len(), count, "no number may be given twice");
    let events = subject.events(Seq(0)).await;
    assert_eq!(events.len(), count * 2, "every event must be in the log");
    for pair in events.chunks(2) {
        assert_eq!(pair[0].body, pair[1].body, "the events of one change must stand together");
        assert!(numbers.contains(&pair[1].seq), "each change must be told the number of its last event");
    }
    assert_eq!(subject.newest(), Seq(count as u64 * 2), "`newest` must be the number of the newest event");
}

pub(super) async fn a_refusal_leaves_others_alone(subject: Subject) {
    let there = subject.submit().await;
    let ids: Vec<TaskId> = (0..CALLERS).map(|_| TaskId::generate()).collect();
    let changes = ids.iter().enumerate().map(|(number, id)| {
        // Every other one exists already.
        submit(if number % 2 == 0 { there } else { *id }, NewTask::new("x"))
    });
    let outcomes = at_once(&subject, changes).await;
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(refused, CALLERS / 2, "a change must be judged by itself, whatever else happens at the time");
    for (number, id) in ids.iter().enumerate() {
        let found = subject.store.task(*id).await.is_ok();
        assert_eq!(found, number % 2 == 1, "a change that was taken must be there, and only such a one");
    }
    assert_eq!(subject.events(Seq(0)).await.len(), 1 + CALLERS / 2, "a refused change must leave no event");
}

async fn at_once(
    subject: &Subject,
    changes: impl Iterator<Item = Change>,
) -> Vec<Result<Applied, StoreError>> {
    let mut callers = JoinSet::new();
    for change in changes {
        let subject = subject.clone();
        callers.spawn(async move { subject.try_apply(change).await });
    }
    callers.join_all().await
}
