//! The contract of [`Clock`].

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::contract::patience::{PATIENCE, begin_and_drop, within};
use crate::ports::{BoxFuture, Clock};

/// Checks every guarantee of [`Clock`]. `pass` lets so much time go by on that clock: it sleeps for a real one and
/// winds a made-up one on.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future ends the check.
pub async fn check(clock: Arc<dyn Clock>, pass: impl Fn(Duration) -> BoxFuture<'static, ()>) {
    let step = Duration::from_millis(50);
    for _ in 0..1000 {
        let _ = clock.now();
    }

    let before = clock.now();
    let mut sleeping = tokio::spawn(clock.sleep(step));
    assert!(
        begin_and_drop(&mut sleeping).await.is_none() && begin_and_drop(clock.sleep(step)).await.is_none(),
        "a sleep must not end at once"
    );
    pass(step).await;
    within(PATIENCE, "a sleep must end once its time has passed", &mut sleeping)
        .await
        .unwrap_or_else(|error| panic!("a sleep must not panic: {error}"));
    let slept = clock.now().duration_since(before);
    assert!(
        slept >= SignedDuration::try_from(step).unwrap_or(SignedDuration::MAX),
        "a sleep must end no earlier than its duration on its own clock: {slept:?} instead of {step:?}"
    );

    let long = tokio::spawn(clock.sleep(Duration::from_secs(3600)));
    let longest = tokio::spawn(clock.sleep(Duration::MAX));
    pass(step).await;
    tokio::task::yield_now().await;
    assert!(!long.is_finished(), "a sleep must not end before its time");
    assert!(!longest.is_finished(), "a sleep of any length must be taken, and must neither panic nor end");
    // Dropped sleeps have no effect.
    long.abort();
    longest.abort();
    assert!(long.await.is_err() && longest.await.is_err());

    within(PATIENCE, "a sleep of no time must end", clock.sleep(Duration::ZERO)).await;
}
