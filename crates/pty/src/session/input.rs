//! Input on its way to the program: a bounded queue between callers, who never wait, and the thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::SessionError;

/// Room for the largest prompt several times over.
const MAX_QUEUED: usize = 4 * 1024 * 1024;
/// Replies to a program that asks and never reads are dropped earlier, so that they leave room for a person.
const MAX_BEFORE_REPLIES: usize = 64 * 1024;
/// At most this much is given to the terminal at once: what the writing thread is stuck with can't be taken back.
const MAX_PIECE: usize = 1024;
/// Pieces aren't cut within an escape sequence of this length. A program that waits for the rest of one for a moment
/// only would take its beginning for the Escape key.
const MAX_SEQUENCE: usize = 16;
const ESC: u8 = 0x1b;

#[derive(Debug)]
pub(super) struct InputQueue {
    queue: Mutex<Queue>,
    filled: Condvar,
    progress: watch::Sender<Progress>,
}

/// The number of what was queued by one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChunkId(u64);

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    last: ChunkId,
    closed: bool,
}

#[derive(Debug)]
struct Chunk {
    id: ChunkId,
    bytes: Vec<u8>,
    /// How many of them the writing thread has taken.
    taken: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// All chunks up to this one are written.
    written: ChunkId,
    closed: bool,
}

impl InputQueue {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::default(), filled: Condvar::new(), progress: watch::Sender::default() }
    }

    /// Queues `bytes` and tells what has to be written until they are.
    pub(super) fn push(&self, bytes: &[u8]) -> Result<ChunkId, SessionError> {
        self.push_up_to(bytes, MAX_QUEUED)
    }

    pub(super) fn push_reply(&self, bytes: &[u8]) -> Result<ChunkId, SessionError> {
        self.push_up_to(bytes, MAX_BEFORE_REPLIES)
    }

    fn push_up_to(&self, bytes: &[u8], limit: usize) -> Result<ChunkId, SessionError> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(SessionError::Exited);
        }
        if queue.bytes + bytes.len() > limit {
            return Err(SessionError::InputFull { queued: queue.bytes, limit });
        }
        if !bytes.is_empty() {
            queue.last.0 += 1;
            let chunk = Chunk { id: queue.last, bytes: bytes.to_vec(), taken: 0 };
            queue.chunks.push_back(chunk);
            queue.bytes += bytes.len();
            self.filled.notify_one();
        }
        Ok(queue.last)
    }

    /// Waits until everything up to this chunk is written.
    pub(super) async fn written(&self, chunk: ChunkId) -> Result<(), SessionError> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.written >= chunk || progress.closed).await;
        match reached {
            Ok(progress) if progress.written >= chunk => Ok(()),
            _ => Err(SessionError::Exited),
        }
    }

    /// Takes back what isn't on its way yet of a chunk. If a part of it is, `ending` follows that part.
    pub(super) fn withdraw(&self, chunk: ChunkId, ending: &[u8]) {
        let mut queue = self.lock();
        let Some(at) = queue.chunks.iter().position(|queued| queued.id == chunk) else { return };
        let queued = &mut queue.chunks[at];
        let rest = queued.bytes.len() - queued.taken;
        if rest == 0 {
            return;
        }
        queued.bytes.truncate(queued.taken);
        if queued.taken == 0 {
            queue.chunks.remove(at);
            queue.bytes -= rest;
        } else {
            queued.bytes.extend_from_slice(ending);
            queue.bytes = queue.bytes - rest + ending.len();
        }
    }

    /// The next piece to write, for the writing thread; blocks. `None` once the queue is closed.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(chunk) = queue.chunks.front_mut() {
                let rest = &chunk.bytes[chunk.taken..];
                let piece = rest[..piece(rest)].to_vec();
                if !piece.is_empty() {
                    chunk.taken += piece.len();
                    return Some(piece);
                }
                // The rest of it was taken back while its last piece was written.
                self.finish_first(&mut queue);
            } else {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Notes that a piece is written.
    pub(super) fn wrote(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.bytes -= bytes;
        if queue.chunks.front().is_some_and(|chunk| chunk.taken == chunk.bytes.len()) {
            self.finish_first(&mut queue);
        }
    }

    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.chunks.clear();
        self.filled.notify_all();
        drop(queue);
        self.progress.send_modify(|progress| progress.closed = true);
    }

    fn finish_first(&self, queue: &mut Queue) {
        if let Some(chunk) = queue.chunks.pop_front() {
            self.progress.send_modify(|progress| progress.written = chunk.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is complete before anything can panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Input that is taken back, as far as it still can be, unless it was written before this is dropped.
#[derive(Debug)]
pub(super) struct Withdrawable<'a> {
    input: &'a InputQueue,
    chunk: ChunkId,
    ending: &'a [u8],
}

impl<'a> Withdrawable<'a> {
    pub(super) fn push(input: &'a InputQueue, bytes: &[u8], ending: &'a [u8]) -> Result<Self, SessionError> {
        Ok(Self { input, chunk: input.push(bytes)?, ending })
    }

    pub(super) async fn written(&self) -> Result<(), SessionError> {
        self.input.written(self.chunk).await
    }
}

impl Drop for Withdrawable<'_> {
    fn drop(&mut self) {
        // What is written isn't there any more.
        self.input.withdraw(self.chunk, self.ending);
    }
}

/// How many of these bytes are given to the terminal at once.
fn piece(bytes: &[u8]) -> usize {
    if bytes.len() <= MAX_PIECE {
        return bytes.len();
    }
    let tail = &bytes[MAX_PIECE - MAX_SEQUENCE..MAX_PIECE];
    if let Some(at) = tail.iter().rposition(|byte| *byte == ESC) {
        return MAX_PIECE - MAX_SEQUENCE + at;
    }
    let begins_character = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (MAX_PIECE - 3..=MAX_PIECE).rev().find(begins_character).unwrap_or(MAX_PIECE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{ChunkId, InputQueue, MAX_PIECE, piece};

    fn rest(input: &InputQueue) -> Vec<u8> {
        let mut all = Vec::new();
        while input.lock().chunks.front().is_some_and(|chunk| chunk.taken < chunk.bytes.len()) {
            let piece = input.take().unwrap();
            input.wrote(piece.len());
            all.extend(piece);
        }
        all
    }

    #[test]
    fn p9_input_that_is_taken_back_lets_the_next_pass() {
        let paste = [b"\x1b[200~".as_slice(), &[b'x'; 5 * MAX_PIECE], b"\x1b[201~"].concat();
        for (begun, expected) in [(0, 1), (1, MAX_PIECE + 6 + 1)] {
            let input = InputQueue::new();
            let chunk = input.push(&paste).unwrap();
            let pieces: Vec<_> = (0..begun).map(|_| input.take().unwrap()).collect();
            let key = input.push(b"\x1b").unwrap();
            input.withdraw(chunk, b"\x1b[201~");
            let mut all = pieces.concat();
            for piece in &pieces {
                input.wrote(piece.len());
            }
            all.extend(rest(&input));
            assert_eq!(all.len(), expected, "{begun} pieces were on their way");
            assert!(begun == 0 || all.ends_with(b"x\x1b[201~\x1b"), "{all:?}");
            assert_eq!((input.lock().bytes, input.progress.borrow().written), (0, key));
        }
    }

    #[test]
    fn input_on_its_way_cannot_be_taken_back() {
        let input = InputQueue::new();
        let chunk = input.push(b"\r").unwrap();
        let piece = input.take().unwrap();
        input.withdraw(chunk, b"never");
        assert_eq!(input.progress.borrow().written, ChunkId(0));
        input.wrote(piece.len());
        assert_eq!((input.lock().bytes, input.progress.borrow().written), (0, chunk));
        assert_eq!(rest(&input), b"");
    }

    #[test]
    fn pieces_cut_neither_sequences_nor_characters() {
        let fill = |n: usize| vec![b'x'; n];
        for (bytes, expected) in [
            (fill(MAX_PIECE), MAX_PIECE),
            (fill(MAX_PIECE + 1), MAX_PIECE),
            ([fill(MAX_PIECE - 2), b"\x1b[201~".to_vec()].concat(), MAX_PIECE - 2),
            ([fill(MAX_PIECE - 1), "語語".as_bytes().to_vec()].concat(), MAX_PIECE - 1),
            (b"\x1b[A".repeat(MAX_PIECE), MAX_PIECE - 1),
            (vec![0x80; 2 * MAX_PIECE], MAX_PIECE),
        ] {
            assert_eq!(piece(&bytes), expected, "{bytes:?}");
        }
    }
}
