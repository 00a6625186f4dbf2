//! The port to time.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;

use crate::ports::BoxFuture;

/// Tells the time and waits, so that a test can do both without waiting.
///
/// An implementor guarantees that neither `now` nor `sleep` panics, whatever the duration, and that `sleep` ends no earlier
/// than the duration on its own clock. A caller may not assume that `now` never goes backwards: people set clocks.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the waiting and has no other effect.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock and tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
