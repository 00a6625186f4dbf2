//! The log as a stream: whole, resumed, followed, and read slowly.

use std::time::Duration;

use missiond_core::control::{Client, ClientError, EventStream, ServerOptions};
use missiond_core::{Event, Seq};

use super::support::{Owned, PATIENCE};

fn texts(count: usize, size: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number} {}", "x".repeat(size))).collect()
}

async fn next(stream: &mut EventStream) -> Option<Event> {
    tokio::time::timeout(PATIENCE, stream.next()).await.expect("no event in time").unwrap()
}

async fn rest(stream: &mut EventStream) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Some(event) = next(stream).await {
        seqs.push(event.seq.0);
    }
    seqs
}

#[tokio::test(flavor = "multi_thread")]
async fn c15_a_stream_is_resumed_where_it_was_left() {
    let owned = Owned::new();
    owned.log.write(texts(1000, 10));
    let client = owned.client().await;
    let mut first = client.events(Seq(0), true).await.unwrap();
    for expected in 1..=400 {
        assert_eq!(next(&mut first).await.unwrap().seq, Seq(expected));
    }
    let position = first.position();
    drop(first);
    owned.log.write(texts(50, 10));
    let mut second = client.events(position, false).await.unwrap();
    assert_eq!(rest(&mut second).await, (401..=1050).collect::<Vec<_>>());
    assert_eq!(next(&mut second).await, None, "the end stays the end");
    assert_eq!(rest(&mut client.events(Seq(1050), false).await.unwrap()).await, [0; 0]);
    assert_eq!(rest(&mut client.events(Seq(u64::MAX), false).await.unwrap()).await, [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_what_comes_later_and_a_clean_end() {
    let mut options = ServerOptions::default();
    // Signs of life in between are not events.
    options.alive = Duration::from_millis(1);
    let owned = Owned::with(options);
    let mut stream = owned.client().await.events(Seq(0), true).await.unwrap();
    for round in 0..50_u64 {
        let nothing_yet = tokio::time::timeout(Duration::from_millis(3), stream.next()).await;
        assert!(nothing_yet.is_err(), "{nothing_yet:?}");
        owned.log.write(texts(2, 10));
        assert_eq!(next(&mut stream).await.unwrap().seq, Seq(round * 2 + 1));
        assert_eq!(next(&mut stream).await.unwrap().seq, Seq(round * 2 + 2));
    }
    owned.log.write(texts(1, 10));
    owned.server.shutdown().await;
    assert_eq!(rest(&mut stream).await, [101]);
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_slow_reader_is_cut_off_and_loses_nothing() {
    let mut options = ServerOptions::default();
    options.write = Duration::from_millis(50);
    options.max_connections = 1;
    let owned = Owned::with(options);
    // More than any socket buffer holds.
    let count = 3000;
    owned.log.write(texts(count, 4000));
    let mut stream = owned.client().await.events(Seq(0), false).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap().seq, Seq(1));

    // The one place is free for somebody else once the server has given the stream up, and not before.
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut busy = 0;
    let other = loop {
        match Client::connect(&owned.project.paths).await {
            Ok(client) => break client,
            Err(_) => busy += 1,
        }
        assert!(std::time::Instant::now() < deadline, "a stalled reader holds its place for ever");
    };
    assert!(busy > 0, "the stream was not in the way, so this shows nothing");
    drop(other);
    let mut received = vec![1];
    received.extend(rest(&mut stream).await);
    assert_eq!(received, (1..=count as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_an_owner_that_died_is_told_so() {
    let owned = Owned::new();
    owned.log.write(texts(3, 10));
    let mut stream = owned.client().await.events(Seq(0), true).await.unwrap();
    for _ in 0..3 {
        next(&mut stream).await.unwrap();
    }
    drop((owned.server, owned.lock));
    let ended = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap();
    assert!(matches!(ended, Err(ClientError::OwnerGone { .. })), "{ended:?}");
    assert_eq!(stream.position(), Seq(3));
}
