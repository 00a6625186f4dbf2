//! The last bytes of a stream.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const CHUNK_BYTES: usize = 16 * 1024;
const STACK_BYTES: usize = 128 * 1024;

/// Keeps the last bytes of a stream, say of a program's standard error, for the message that tells of its failure.
///
/// Clones share the same bytes.
#[derive(Debug, Clone)]
pub struct Tail {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    max_bytes: usize,
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    cut: bool,
    ended: bool,
}

impl Tail {
    /// Makes an empty tail of at most `max_bytes` bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { shared: Arc::new(Shared { max_bytes, kept: Mutex::default(), ended: Condvar::new() }) }
    }

    /// Reads a stream to its end on a thread of its own and keeps the last `max_bytes` bytes.
    ///
    /// The stream is read whatever the caller does, so the program never blocks on it. The thread ends with the stream.
    ///
    /// # Errors
    ///
    /// When no thread is to be had.
    pub fn spawn_drain(mut reader: impl Read + Send + 'static, max_bytes: usize) -> io::Result<Self> {
        let tail = Self::new(max_bytes);
        let for_thread = tail.clone();
        thread::Builder::new().name("drain".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                match reader.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(read) => for_thread.push(&chunk[..read]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        tracing::debug!(%error, "draining a stream ended early");
                        break;
                    }
                }
            }
            for_thread.end();
        })?;
        Ok(tail)
    }

    /// Adds bytes at the end and forgets as many at the beginning as are too many.
    pub fn push(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        let bytes_kept = &bytes[bytes.len().saturating_sub(self.shared.max_bytes)..];
        let excess = (kept.bytes.len() + bytes_kept.len()).saturating_sub(self.shared.max_bytes);
        kept.cut |= excess > 0 || bytes_kept.len() < bytes.len();
        kept.bytes.drain(..excess);
        kept.bytes.extend(bytes_kept);
    }

    /// The bytes kept so far as text; bytes that are no UTF-8 become U+FFFD, a character cut at the beginning is left
    /// out.
    #[must_use]
    pub fn text(&self) -> String {
        let mut kept = self.kept();
        let cut = kept.cut;
        let mut bytes: &[u8] = kept.bytes.make_contiguous();
        if cut {
            let continuation =
                bytes.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
            bytes = &bytes[continuation..];
        }
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Blocks until the stream of [`spawn_drain`](Self::spawn_drain) has ended; false once `timeout` has passed.
    ///
    /// A program's end and the last bytes of its output are two events: wait for this before you read [`text`](Self::text).
    #[must_use]
    pub fn wait_end(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut kept = self.kept();
        while !kept.ended {
            let left =
                deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            kept = self.shared.ended.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn end(&self) {
        self.kept().ended = true;
        self.shared.ended.notify_all();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
