//! Many at once, and the end while many wait.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use missiond_core::ports::{Change, Store, StoreErrorKind, TaskFilter};
use missiond_core::{EventBody, Seq, TaskId, TaskStatus};
use tokio::task::JoinSet;

use super::support::{PATIENCE, Scratch, configure, finish, lease, note, slot, submit, whole_log};

const EACH: usize = 10;
const PARTIES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c3_twenty_submitters_and_leasers_share_the_tasks() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    store.apply(configure(PARTIES)).await.unwrap();
    let held: Arc<Mutex<HashSet<TaskId>>> = Arc::default();
    let mut parties = JoinSet::new();
    for _ in 0..PARTIES {
        let store = store.clone();
        parties.spawn(async move {
            for _ in 0..EACH {
                store.apply(submit(TaskId::generate())).await.unwrap();
            }
        });
    }
    for number in 0..PARTIES {
        let (store, held) = (store.clone(), held.clone());
        parties.spawn(async move {
            let mut newest = store.newest();
            loop {
                newest.borrow_and_update();
                let live = store.tasks(TaskFilter::live()).await.unwrap();
                for task in live.iter().filter(|task| task.status == TaskStatus::Queued) {
                    match store.apply(lease(task.id, slot(number))).await {
                        Ok(applied) => {
                            assert!(held.lock().unwrap().insert(task.id), "{} was leased twice", task.id);
                            let token = applied.lease.unwrap().token;
                            tokio::task::yield_now().await;
                            assert!(held.lock().unwrap().remove(&task.id));
                            store.apply(finish(task.id, token, TaskStatus::Done)).await.unwrap();
                        }
                        Err(error) => assert_eq!(error.kind, StoreErrorKind::Conflict, "{error}"),
                    }
                }
                let mut done = TaskFilter::default();
                done.statuses = vec![TaskStatus::Done];
                if store.tasks(done).await.unwrap().len() == PARTIES * EACH {
                    return;
                }
                newest.changed().await.unwrap();
            }
        });
    }
    let all = async { while parties.join_next().await.transpose().unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, all).await.expect("the tasks are not all done");

    let tasks = store.tasks(TaskFilter::default()).await.unwrap();
    assert!(tasks.iter().all(|task| task.attempts == 1), "a task was begun twice");
    let mut tokens = HashSet::new();
    for event in whole_log(store.as_ref()).await {
        if let EventBody::TaskLeased { token, .. } = event.body {
            assert!(tokens.insert(token), "token {token} was given twice");
        }
    }
    assert_eq!(tokens.len(), PARTIES * EACH);
}

/// A subscriber that lags loses nothing: it reads on from its own number.
#[tokio::test(flavor = "multi_thread")]
async fn c15_a_slow_subscriber_misses_nothing() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    let mut newest = store.newest();
    for number in 0..3000 {
        store.apply(note(&number.to_string())).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut since = Seq(0);
    while since < *newest.borrow_and_update() {
        let page = store.events(since, 256).await.unwrap();
        since = page.last().unwrap().seq;
        seen.extend(page.into_iter().map(|event| event.body));
    }
    let expected: Vec<_> =
        (0..3000).map(|number: u32| EventBody::Warning { text: number.to_string() }).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_answers_everybody_and_loses_nothing_acknowledged() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    let mut callers = JoinSet::new();
    // More than the queue holds, so that some wait for room.
    for number in 0..4000 {
        let store = store.clone();
        callers.spawn(async move { store.apply(note(&number.to_string())).await });
    }
    let first = tokio::time::timeout(PATIENCE, callers.join_next()).await.unwrap().unwrap().unwrap();
    let newest = store.newest();
    let closing = store.clone();
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    let mut acknowledged = vec![first.unwrap().seq];
    let rest = async {
        while let Some(outcome) = callers.join_next().await {
            match outcome.unwrap() {
                Ok(applied) => acknowledged.push(applied.seq),
                Err(error) => assert_eq!(error.kind, StoreErrorKind::Closed, "{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("a caller was left waiting");
    assert!(newest.has_changed().is_err(), "who waits for events must learn that the store is closed");
    for error in [
        store
            .apply(Change::Note { task: None, slot: None, bodies: vec![], at: super::support::at(0) })
            .await
            .map(drop),
        store.slots().await.map(drop),
    ] {
        assert_eq!(error.unwrap_err().kind, StoreErrorKind::Closed);
    }
    store.close();
    drop(store);
    let log = whole_log(scratch.owner().as_ref()).await;
    let last = acknowledged.into_iter().max().unwrap();
    assert!(log.len() as u64 >= last.0, "event {last} was acknowledged and is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_takes_effect_whole_or_not_at_all() {
    let scratch = Scratch::new();
    let store = scratch.owner();
    for round in 0..200 {
        let bodies = vec![EventBody::Warning { text: round.to_string() }; 3];
        let change = Change::Note { task: None, slot: None, bodies, at: super::support::at(0) };
        let mut call = store.apply(change);
        // Polled once, and then dropped wherever it stands.
        std::future::poll_fn(|context| {
            let _ = call.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    store.apply(note("end")).await.unwrap();
    let log = whole_log(store.as_ref()).await;
    assert_eq!(log.len() % 3, 1, "a part of a change is there");
}
