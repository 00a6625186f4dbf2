//! The store in a SQLite file.

mod concurrent;
mod crash;
mod file;
mod full_disk;
mod model;
mod support;

use std::sync::Arc;

use missiond_core::ports::{BoxFuture, Change, Store};
use missiond_core::store::{OpenMode, SqliteStore};

use support::Scratch;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let scratch = Scratch::new();
    let root = scratch.directory.path().to_owned();
    let count = std::sync::atomic::AtomicUsize::new(0);
    missiond_core::contract::store::check(|| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let path = root.join(format!("{number}.db"));
        Box::pin(async move { Arc::new(SqliteStore::open(path, OpenMode::Owner).unwrap()) as Arc<dyn Store> })
            as BoxFuture<'static, Arc<dyn Store>>
    })
    .await;
    let made = count.into_inner();
    assert!(made > 15, "the suite made {made} stores only");
}

/// A server shares the store between its threads.
#[test]
fn c4_store_and_futures_are_send_and_sync() {
    fn send_and_sync<T: Send + Sync + ?Sized>() {}
    fn send<T: Send>(_: T) {}
    send_and_sync::<SqliteStore>();
    send_and_sync::<dyn Store>();
    let scratch = Scratch::new();
    let store = scratch.owner();
    send(store.apply(Change::ConfigureSlots { slots: Vec::new(), at: support::at(0) }));
    send(store.events(missiond_core::Seq(0), 1));
    send(missiond_core::contract::store::check(|| unreachable!("the future is not run")));
}
