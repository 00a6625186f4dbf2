//! Frames: four bytes of length, big-endian, then that much JSON; and the handshake that opens a connection.

use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::control::message::ErrorReply;
use crate::model::Event;

/// The version of what is said over the sockets. Two sides with different numbers don't talk.
pub const PROTOCOL: u32 = 1;

/// The longest frame: 16 MiB.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// The longest frame before the other side has shown what it is.
pub const MAX_HELLO_BYTES: usize = 4096;

const LENGTH_BYTES: usize = 4;
const READ_BYTES: usize = 16 * 1024;

/// The first frame of each side. Its form is the same in every version of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// The sender's version of missiond.
    pub version: String,
}

impl Hello {
    /// What this build says.
    pub fn ours() -> Self {
        Self { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Checks that the two can talk.
    ///
    /// # Errors
    ///
    /// [`VersionMismatch`] when the protocols differ.
    pub fn check(&self) -> Result<(), VersionMismatch> {
        if self.protocol == PROTOCOL {
            Ok(())
        } else {
            let version = crate::text::escape_line(&missiond_process::text::preview(&self.version, 40));
            Err(VersionMismatch { ours: Self::ours(), theirs: Self { protocol: self.protocol, version } })
        }
    }
}

/// The two sides speak different protocols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is missiond {} (protocol {}), the mission of this project runs missiond {} (protocol {}); \
     use that version, or stop the mission with its own `missiond down` and start it with this one",
    .ours.version, .ours.protocol, .theirs.version, .theirs.protocol
)]
pub struct VersionMismatch {
    /// What this side is.
    pub ours: Hello,
    /// What the other side is.
    pub theirs: Hello,
}

/// What a server sends. `A` is the answer that its calls have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Frame<A> {
    /// The server's half of the handshake.
    Welcome(Hello),
    /// Instead of a welcome: the caller has no business here, or there is no room. The connection ends.
    Refused(ErrorReply),
    /// The call was answered.
    Answer(A),
    /// The call failed.
    Error(ErrorReply),
    /// One event of the log that was asked for.
    Event(Box<Event>),
    /// The events that were asked for end here, in good order.
    End,
    /// Nothing yet, but the server is alive.
    Alive,
}

/// A frame that could not be sent or received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The frame is over the limit.
    #[error("a frame has more than the {limit} bytes that are allowed")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The frame is no JSON, or not of the expected form.
    #[error("a frame can't be understood")]
    Json(#[source] serde_json::Error),
    /// The other side closed the connection between two frames.
    #[error("the other side closed the connection")]
    Closed,
    /// The other side closed the connection within a frame.
    #[error("the connection ended in the middle of a frame")]
    Truncated,
    /// The other side took too long.
    #[error("{what} took longer than {} s", .after.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The system said no.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

/// Makes a frame of a value.
///
/// # Errors
///
/// [`WireError::TooLong`] when the JSON has more than `limit` bytes (it is not built to its end then);
/// [`WireError::Json`] when the value has no JSON.
pub fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Vec<u8>, WireError> {
    let mut bounded = Bounded { bytes: vec![0; LENGTH_BYTES], room: limit.min(MAX_FRAME_BYTES), full: false };
    match serde_json::to_writer(&mut bounded, value) {
        Ok(()) => {}
        Err(_) if bounded.full => return Err(WireError::TooLong { limit }),
        Err(error) => return Err(WireError::Json(error)),
    }
    let mut bytes = bounded.bytes;
    let length = u32::try_from(bytes.len() - LENGTH_BYTES).map_err(|_| WireError::TooLong { limit })?;
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Reads the value of a frame back.
///
/// # Errors
///
/// [`WireError::Json`] when it is not of that form; nesting is limited to 128 levels.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(frame).map_err(WireError::Json)
}

/// Cuts a stream of bytes into frames. Never holds more than was received, whatever length a frame claims to have.
#[derive(Debug)]
pub struct Decoder {
    received: Vec<u8>,
    /// How many bytes at the front belong to frames that were taken.
    taken: usize,
    limit: usize,
}

impl Decoder {
    /// A decoder for frames of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { received: Vec::new(), taken: 0, limit }
    }

    /// Changes the limit for the frames that have not been taken yet.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.drain(..self.taken);
        self.taken = 0;
        self.received.extend_from_slice(bytes);
    }

    /// How many received bytes have not been taken yet.
    pub fn pending(&self) -> usize {
        self.received.len() - self.taken
    }

    /// Takes the next frame, without its length; `None` when it is not complete.
    ///
    /// # Errors
    ///
    /// [`WireError::TooLong`] when the frame claims to be over the limit. Nothing sensible can follow then, so the error
    /// stays.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let pending = &self.received[self.taken..];
        let Some((head, body)) = pending.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > self.limit {
            return Err(WireError::TooLong { limit: self.limit });
        }
        let Some(frame) = body.get(..length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.taken += LENGTH_BYTES + length;
        Ok(Some(frame))
    }
}

/// Reads frames from a stream, with deadlines.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    inner: R,
    chunk: Vec<u8>,
    decoder: Decoder,
    /// When the frame that is not complete began.
    begun: Option<Instant>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(inner: R, limit: usize) -> Self {
        Self { inner, chunk: Vec::with_capacity(READ_BYTES), decoder: Decoder::new(limit), begun: None }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.decoder.set_limit(limit);
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.inner
    }

    pub(super) fn pending(&self) -> usize {
        self.decoder.pending()
    }

    /// The next frame. It may take `idle` until it begins and `whole` from then to its end. Cancel safe.
    pub(super) async fn next(&mut self, idle: Duration, whole: Duration) -> Result<Vec<u8>, WireError> {
        let called = Instant::now();
        loop {
            if let Some(frame) = self.decoder.take()? {
                self.begun = (self.decoder.pending() > 0).then(Instant::now);
                return Ok(frame);
            }
            let (deadline, after, what) = match self.begun {
                Some(begun) => (begun + whole, whole, "receiving a frame"),
                None => (called + idle, idle, "waiting for a frame"),
            };
            let received = tokio::time::timeout_at(deadline, self.receive()).await;
            if received.map_err(|_| WireError::TimedOut { what, after })?? == 0 {
                return Err(if self.decoder.pending() > 0 {
                    WireError::Truncated
                } else {
                    WireError::Closed
                });
            }
        }
    }

    /// Resolves when the other side closed the connection; keeps what it sends until then, up to a bound. Cancel safe.
    pub(super) async fn closed(&mut self) {
        loop {
            if self.decoder.pending() > READ_BYTES {
                // Nobody sends that much ahead in good faith; a failing write will end the connection.
                std::future::pending::<()>().await;
            }
            if !matches!(self.receive().await, Ok(1..)) {
                return;
            }
        }
    }

    async fn receive(&mut self) -> Result<usize, WireError> {
        self.chunk.clear();
        let count = self.inner.read_buf(&mut self.chunk).await.map_err(WireError::Io)?;
        if count > 0 && self.begun.is_none() {
            self.begun = Some(Instant::now());
        }
        self.decoder.push(&self.chunk);
        Ok(count)
    }
}

/// Writes encoded frames. Not cancel safe: a connection with half a frame in it must be given up.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    frames: &[u8],
    within: Duration,
) -> Result<(), WireError> {
    match tokio::time::timeout(within, writer.write_all(frames)).await {
        Ok(written) => written.map_err(WireError::Io),
        Err(_) => Err(WireError::TimedOut { what: "sending a frame", after: within }),
    }
}

struct Bounded {
    bytes: Vec<u8>,
    room: usize,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.room.checked_sub(bytes.len()) {
            Some(room) => self.room = room,
            None => {
                self.full = true;
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
