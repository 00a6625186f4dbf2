//! Input on its way to the program: a bounded queue between callers, who never wait, and the thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::SessionError;

/// Room for the largest prompt several times over.
const MAX_QUEUED: usize = 4 * 1024 * 1024;
/// Replies to a program that asks and never reads are dropped earlier, so that they leave room for a person.
const MAX_BEFORE_REPLIES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct InputQueue {
    queue: Mutex<Queue>,
    filled: Condvar,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    accepted: u64,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    written: u64,
    closed: bool,
}

impl InputQueue {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::default(), filled: Condvar::new(), progress: watch::Sender::default() }
    }

    /// Queues `bytes` and tells how many bytes have to be written until they are.
    pub(super) fn push(&self, bytes: &[u8]) -> Result<u64, SessionError> {
        self.push_up_to(bytes, MAX_QUEUED)
    }

    pub(super) fn push_reply(&self, bytes: &[u8]) -> Result<u64, SessionError> {
        self.push_up_to(bytes, MAX_BEFORE_REPLIES)
    }

    fn push_up_to(&self, bytes: &[u8], limit: usize) -> Result<u64, SessionError> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(SessionError::Exited);
        }
        if queue.bytes + bytes.len() > limit {
            return Err(SessionError::InputFull { queued: queue.bytes, limit });
        }
        if !bytes.is_empty() {
            queue.chunks.push_back(bytes.to_vec());
            queue.bytes += bytes.len();
            queue.accepted += bytes.len() as u64;
            self.filled.notify_one();
        }
        Ok(queue.accepted)
    }

    /// Waits until so many bytes are written.
    pub(super) async fn written(&self, until: u64) -> Result<(), SessionError> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.written >= until || progress.closed).await;
        match reached {
            Ok(progress) if progress.written >= until => Ok(()),
            _ => Err(SessionError::Exited),
        }
    }

    /// The next chunk to write, for the writing thread; blocks. `None` once the queue is closed.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(chunk) = queue.chunks.pop_front() {
                return Some(chunk);
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn wrote(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.bytes -= bytes;
        drop(queue);
        self.progress.send_modify(|progress| progress.written += bytes as u64);
    }

    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.chunks.clear();
        self.filled.notify_all();
        drop(queue);
        self.progress.send_modify(|progress| progress.closed = true);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is complete before anything can panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
