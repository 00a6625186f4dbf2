//! A change counter that both blocking and asynchronous code can wait on.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// Wakes every waiter whenever something it may be waiting for has changed.
#[derive(Debug)]
pub(super) struct Signal {
    version: Mutex<u64>,
    blocking: Condvar,
    asynchronous: watch::Sender<u64>,
}

impl Signal {
    pub(super) fn new() -> Self {
        Self { version: Mutex::new(0), blocking: Condvar::new(), asynchronous: watch::Sender::new(0) }
    }

    pub(super) fn notify(&self) {
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        *version += 1;
        self.asynchronous.send_replace(*version);
        self.blocking.notify_all();
    }

    /// Blocks until `check` has a value, or returns `None` at the deadline.
    pub(super) fn wait<T>(&self, deadline: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
        let end = Instant::now() + deadline;
        loop {
            // The version is read before the check: a change in between makes the wait below return at once.
            let seen = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = check() {
                return Some(value);
            }
            let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
            while *version == seen {
                let left = end.checked_duration_since(Instant::now())?;
                version = self.blocking.wait_timeout(version, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// The same without blocking the thread.
    pub(super) async fn wait_async<T>(
        &self,
        deadline: Duration,
        mut check: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.asynchronous.subscribe();
        let found = tokio::time::timeout(deadline, async {
            loop {
                changes.mark_unchanged();
                if let Some(value) = check() {
                    return Some(value);
                }
                changes.changed().await.ok()?;
            }
        });
        found.await.ok().flatten()
    }
}
