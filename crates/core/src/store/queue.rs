//! A bounded queue from async callers to threads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// Callers wait for room without blocking a thread; threads block until there is something to take.
///
/// A channel would do, but for two things: a thread takes everything that waits in one step, and closing it does not
/// depend on callers who hold a sender and are never polled again.
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
    room: Semaphore,
}

struct Inner<T> {
    items: VecDeque<T>,
    waiting: usize,
    is_closed: bool,
}

/// The queue is closed.
#[derive(Debug)]
pub(super) struct Closed;

impl<T> Queue<T> {
    /// A queue in which at most `capacity` items wait.
    pub(super) fn new(capacity: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), waiting: 0, is_closed: false };
        Self { inner: Mutex::new(inner), filled: Condvar::new(), room: Semaphore::new(capacity) }
    }

    /// Puts an item at the end, once there is room.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the item is not in the queue.
    pub(super) async fn push(&self, item: T) -> Result<(), Closed> {
        let permit = self.room.acquire().await.map_err(|_| Closed)?;
        let mut inner = self.lock();
        if inner.is_closed {
            return Err(Closed);
        }
        inner.items.push_back(item);
        let somebody_waits = inner.waiting > 0;
        drop(inner);
        permit.forget();
        if somebody_waits {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Blocks until something is there and takes up to `most` of it; `None` when the queue is closed.
    pub(super) fn take(&self, most: usize) -> Option<Vec<T>> {
        let mut inner = self.lock();
        while inner.items.is_empty() && !inner.is_closed {
            inner.waiting += 1;
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.waiting -= 1;
        }
        if inner.is_closed {
            return None;
        }
        let count = inner.items.len().min(most);
        let taken = inner.items.drain(..count).collect();
        drop(inner);
        self.room.add_permits(count);
        Some(taken)
    }

    /// Ends it: what waits is dropped, and nobody puts anything in any more.
    pub(super) fn close(&self) {
        self.room.close();
        let mut inner = self.lock();
        inner.is_closed = true;
        // Dropped outside the lock: an item wakes its caller when it goes.
        let left = std::mem::take(&mut inner.items);
        drop(inner);
        self.filled.notify_all();
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // No user code runs under the lock, so it is sound even if a thread panicked with it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("free", &self.room.available_permits()).finish_non_exhaustive()
    }
}

/// Closes a queue when it is dropped, so that nobody waits for a thread that panicked.
#[derive(Debug)]
pub(super) struct CloseOnDrop<'a, T>(pub(super) &'a Queue<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
