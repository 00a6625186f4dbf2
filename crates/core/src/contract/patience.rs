//! Waiting in a suite: never for ever, and never for luck.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long a suite waits for what an implementation owes it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a future that must come to its end.
pub(super) async fn within<T>(limit: Duration, guarantee: &str, future: impl Future<Output = T>) -> T {
    match timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("{guarantee}: it took longer than {} s", limit.as_secs()),
    }
}

/// Asks until something holds.
pub(super) async fn eventually(guarantee: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{guarantee}: not within {} s", PATIENCE.as_secs());
        sleep(Duration::from_millis(10)).await;
    }
}

/// Begins a future and drops it before it is done; gives its value if it was done at once.
pub(super) async fn begin_and_drop<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
