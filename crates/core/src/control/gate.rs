//! The hook's side of a gate: blocking, without a runtime, quick to start.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::control::message::{ErrorReply, GateRequest, GateResponse};
use crate::control::wire::{
    Decoder, Frame, Hello, MAX_FRAME_BYTES, MAX_HELLO_BYTES, VersionMismatch, WireError, decode, encode,
};

/// How long a mission that is alive may be silent: several times [`ServerOptions::alive`](super::ServerOptions::alive).
const SILENCE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 16 * 1024;

/// Asks a slot's gate and waits for the answer, in all for no longer than `deadline`.
///
/// Whoever asks on behalf of a gating hook takes every error for a no.
///
/// # Errors
///
/// [`GateClientError`] names the socket and what went wrong.
pub fn ask(path: &Path, request: &GateRequest, deadline: Duration) -> Result<GateResponse, GateClientError> {
    let call = Call { path, until: Instant::now() + deadline, after: deadline };
    // Both in one write: the answer to the greeting need not be waited for.
    let mut frames = encode(&Hello::ours(), MAX_HELLO_BYTES).map_err(|source| call.failed(source))?;
    frames.extend(encode(request, MAX_FRAME_BYTES).map_err(|source| call.failed(source))?);
    let mut stream = call.connect()?;
    // A server that refuses closes without reading all of it, but its reason is there to be read.
    let sent = call.send(&stream, &frames);
    let mut decoder = Decoder::new(MAX_FRAME_BYTES);
    let mut welcome = false;
    loop {
        let frame = match (call.receive(&mut stream, &mut decoder), &sent) {
            (Ok(frame), _) => frame,
            (Err(_), Err(_)) => {
                sent?;
                return Err(call.failed(WireError::Closed));
            }
            (Err(error), Ok(())) => return Err(error),
        };
        match decode::<Frame<GateResponse>>(&frame).map_err(|source| call.failed(source))? {
            Frame::Welcome(hello) if !welcome => {
                hello.check().map_err(|mismatch| GateClientError::Version(Box::new(mismatch)))?;
                welcome = true;
            }
            Frame::Refused(reply) | Frame::Error(reply) => {
                return Err(GateClientError::Refused { path: path.to_owned(), reply });
            }
            Frame::Answer(response) if welcome => return Ok(response),
            Frame::Alive if welcome => {}
            Frame::Welcome(_) | Frame::Answer(_) | Frame::Alive | Frame::Event(_) | Frame::End => {
                return Err(GateClientError::Unexpected { path: path.to_owned() });
            }
        }
    }
}

/// A gate that could not be asked, or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateClientError {
    /// Nobody answers on the socket.
    #[error(
        "no mission answers on {}; is it running (`missiond status`)?",
        .path.display()
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// There was no answer in time.
    #[error("the mission did not answer on {} within {} s", .path.display(), .after.as_secs_f32())]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        after: Duration,
    },
    /// The mission said no to the connection or the request.
    #[error("the mission refused the request on {}", .path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What it said.
        #[source]
        reply: ErrorReply,
    },
    /// The mission speaks another protocol.
    #[error("this program and the mission don't fit together")]
    Version(#[source] Box<VersionMismatch>),
    /// Something answered that makes no sense here.
    #[error("what answers on {} is no gate of a mission", .path.display())]
    Unexpected {
        /// The socket.
        path: PathBuf,
    },
    /// The connection failed.
    #[error("the connection to the mission on {} failed", .path.display())]
    Wire {
        /// The socket.
        path: PathBuf,
        /// How.
        #[source]
        source: WireError,
    },
}

struct Call<'a> {
    path: &'a Path,
    until: Instant,
    after: Duration,
}

impl Call<'_> {
    /// Connects with a time-out: the standard library would wait for ever while the backlog of a hung mission is full.
    fn connect(&self) -> Result<UnixStream, GateClientError> {
        let fail = |errno: rustix::io::Errno| match errno {
            rustix::io::Errno::AGAIN => self.timed_out(),
            errno => GateClientError::Unreachable { path: self.path.to_owned(), source: errno.into() },
        };
        let address = SocketAddrUnix::new(self.path).map_err(fail)?;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(fail)?;
        set_socket_timeout(&socket, Timeout::Send, Some(self.left()?)).map_err(fail)?;
        rustix::net::connect(&socket, &address).map_err(fail)?;
        Ok(UnixStream::from(socket))
    }

    fn send(&self, stream: &UnixStream, mut frames: &[u8]) -> Result<(), GateClientError> {
        while !frames.is_empty() {
            let io = |source| self.failed(WireError::Io(source));
            set_socket_timeout(stream, Timeout::Send, Some(self.left()?))
                .map_err(|errno| io(errno.into()))?;
            // NOSIGNAL: a hook that dies by SIGPIPE would count as one that has no objection.
            match rustix::net::send(stream, frames, SendFlags::NOSIGNAL) {
                Ok(sent) => frames = &frames[sent..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(self.timed_out()),
                Err(errno) => return Err(io(errno.into())),
            }
        }
        Ok(())
    }

    fn receive(&self, stream: &mut UnixStream, decoder: &mut Decoder) -> Result<Vec<u8>, GateClientError> {
        let mut chunk = [0; READ_BYTES];
        let silence = Instant::now() + SILENCE;
        loop {
            if let Some(frame) = decoder.take().map_err(|source| self.failed(source))? {
                return Ok(frame);
            }
            if Instant::now() >= silence {
                return Err(self.silent());
            }
            let limit = self.left()?.min(SILENCE);
            stream.set_read_timeout(Some(limit)).map_err(|source| self.failed(WireError::Io(source)))?;
            match stream.read(&mut chunk) {
                Ok(0) if decoder.pending() > 0 => return Err(self.failed(WireError::Truncated)),
                Ok(0) => return Err(self.failed(WireError::Closed)),
                Ok(count) => decoder.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(if self.left().is_ok() { self.silent() } else { self.timed_out() });
                }
                Err(error) => return Err(self.failed(WireError::Io(error))),
            }
        }
    }

    /// What is left of the deadline; never zero, which would mean no time-out at all.
    fn left(&self) -> Result<Duration, GateClientError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.timed_out()) } else { Ok(left.max(Duration::from_millis(1))) }
    }

    fn timed_out(&self) -> GateClientError {
        GateClientError::TimedOut { path: self.path.to_owned(), after: self.after }
    }

    fn silent(&self) -> GateClientError {
        GateClientError::TimedOut { path: self.path.to_owned(), after: SILENCE }
    }

    fn failed(&self, source: WireError) -> GateClientError {
        GateClientError::Wire { path: self.path.to_owned(), source }
    }
}
