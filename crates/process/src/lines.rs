//! Bounded lines of text from a stream of bytes that may be anything.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::text;

const CHUNK_BYTES: usize = 64 * 1024;
const HEAD_BYTES: usize = 256;

/// How long a line may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    /// Bytes of one line without its end; 16 MiB by default.
    pub max_line_bytes: usize,
}

impl Default for LineLimits {
    fn default() -> Self {
        Self { max_line_bytes: 16 * 1024 * 1024 }
    }
}

/// One line, without its `\n` or `\r\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The text.
    pub text: String,
    /// Whether bytes that are no UTF-8 were replaced by U+FFFD.
    pub lossy: bool,
}

/// Why there is no next line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// A line over the limit. It is skipped; reading goes on with the line after it.
    #[error("a line is longer than {limit} bytes; it begins {head:?}")]
    TooLong {
        /// The limit.
        limit: usize,
        /// The line's beginning, at most 256 bytes.
        head: String,
    },
    /// The stream failed.
    #[error("reading a line failed")]
    Read(#[source] io::Error),
}

/// Reads lines that are bounded in length and may hold bytes that are no UTF-8.
///
/// Nothing that comes makes it stop before the stream's end, so the program at the other end never blocks on a full
/// pipe as long as [`next`](Self::next) is called. It holds at most one line of the allowed length and one chunk.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    limits: LineLimits,
    /// Bytes read: those before `taken` were given out, those before `searched` hold no line end.
    buffer: Vec<u8>,
    taken: usize,
    searched: usize,
    /// Inside a line that was too long.
    skipping: bool,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Makes a reader of lines.
    pub fn new(reader: R, limits: LineLimits) -> Self {
        Self { reader, limits, buffer: Vec::new(), taken: 0, searched: 0, skipping: false, ended: false }
    }

    /// Reads the next line; `None` at the end. A last line without `\n` is a line.
    ///
    /// # Errors
    ///
    /// [`LineError::TooLong`] once for each line over the limit; call again to go on after it.
    /// [`LineError::Read`] when the stream fails.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no byte is lost.
    pub async fn next(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            if let Some(length) = self.find_end() {
                let line = self.take(length);
                if !std::mem::take(&mut self.skipping) {
                    return self.finish(line).map(Some);
                }
                continue;
            }
            if self.skipping {
                self.discard();
            } else if self.pending() > self.limits.max_line_bytes.saturating_add(1) {
                // One more byte than the limit may be the `\r` of the line's end.
                self.skipping = true;
                let error = self.too_long(&self.buffer[self.taken..]);
                self.discard();
                return Err(error);
            }
            if self.ended {
                let rest = self.buffer.split_off(self.taken);
                self.discard();
                let skipped = std::mem::take(&mut self.skipping);
                return if rest.is_empty() || skipped { Ok(None) } else { self.finish(rest).map(Some) };
            }
            self.fill().await.map_err(LineError::Read)?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.searched -= self.taken;
            self.taken = 0;
        }
        self.buffer.reserve(CHUNK_BYTES);
        // `read_buf` either appends what it read or, cancelled, has read nothing.
        let mut limited = (&mut self.reader).take(CHUNK_BYTES as u64);
        self.ended = limited.read_buf(&mut self.buffer).await? == 0;
        Ok(())
    }

    fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }

    fn find_end(&mut self) -> Option<usize> {
        let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let end = found.map(|at| self.searched + at);
        self.searched = end.unwrap_or(self.buffer.len());
        end.map(|end| end - self.taken)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let line = self.buffer[self.taken..self.taken + length].to_vec();
        self.taken += length + 1;
        self.searched = self.taken;
        line
    }

    fn discard(&mut self) {
        self.buffer.clear();
        // A line of 16 MiB must not keep its memory for the hours that follow.
        self.buffer.shrink_to(CHUNK_BYTES);
        self.taken = 0;
        self.searched = 0;
    }

    fn finish(&self, mut line: Vec<u8>) -> Result<Line, LineError> {
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > self.limits.max_line_bytes {
            return Err(self.too_long(&line));
        }
        Ok(match String::from_utf8(line) {
            Ok(text) => Line { text, lossy: false },
            Err(error) => Line { text: String::from_utf8_lossy(error.as_bytes()).into_owned(), lossy: true },
        })
    }

    fn too_long(&self, line: &[u8]) -> LineError {
        let head = String::from_utf8_lossy(&line[..line.len().min(HEAD_BYTES)]);
        LineError::TooLong {
            limit: self.limits.max_line_bytes,
            head: text::truncate(&head, HEAD_BYTES).to_owned(),
        }
    }
}
