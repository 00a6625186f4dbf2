//! Stopping a turn from outside.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Says whether the turn is to stop. Clones speak of the same turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    state: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.lock() = true;
        self.state.1.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.lock()
    }

    /// Waits, but no longer than until the turn is stopped.
    pub(super) fn sleep(&self, time: Duration) {
        // Neither poisoning nor an early end matters: whoever waited asks whether the turn was stopped.
        let _ = self.state.1.wait_timeout_while(self.lock(), time, |stopped| !*stopped);
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
