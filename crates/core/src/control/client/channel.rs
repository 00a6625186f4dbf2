//! One connection to the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

use super::{ClientError, ClientOptions};
use crate::control::lock::{OwnerLock, Ownership};
use crate::control::message::{Request, Response};
use crate::control::paths::ProjectPaths;
use crate::control::wire::{
    self, Frame, FrameReader, Hello, MAX_FRAME_BYTES, MAX_HELLO_BYTES, WireError, decode, encode,
};

/// How often an owner that has no socket yet is looked for again.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Channel {
    socket: PathBuf,
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    silence: Duration,
}

pub(super) enum Connected {
    Yes(Channel),
    NoOwner,
}

impl Channel {
    /// Connects and shakes hands. An owner that has taken the lock and has no socket yet is waited for.
    pub(super) async fn open(
        paths: &ProjectPaths,
        options: &ClientOptions,
    ) -> Result<Connected, ClientError> {
        let deadline = Instant::now() + options.connect;
        let mut paths = paths.clone();
        loop {
            let socket = paths.control_socket();
            let hangs = || ClientError::TimedOut { socket: socket.clone(), after: options.connect };
            let connected = match paths.check_runtime_dir()? {
                false => Err(io::ErrorKind::NotFound.into()),
                true => tokio::time::timeout_at(deadline, UnixStream::connect(&socket))
                    .await
                    .map_err(|_| hangs())?,
            };
            let error = match connected {
                Ok(stream) => {
                    let greeting = Self::greet(stream, socket.clone(), options.silence);
                    let channel = tokio::time::timeout_at(deadline, greeting).await.map_err(|_| hangs())?;
                    return channel.map(Connected::Yes);
                }
                Err(error) => error,
            };
            let full = error.kind() == io::ErrorKind::WouldBlock;
            if !full && !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
                return Err(ClientError::Lost { socket, source: WireError::Io(error) });
            }
            let holder = match OwnerLock::ownership(&paths)? {
                Ownership::Free if !full => return Ok(Connected::NoOwner),
                Ownership::Free => None,
                Ownership::Held(holder) => holder,
            };
            if Instant::now() >= deadline {
                return Err(if full { hangs() } else { ClientError::Unreachable { socket, holder } });
            }
            if let Some(holder) = &holder {
                // The owner may have been started with another XDG_RUNTIME_DIR than we.
                paths = paths.with_runtime_dir(&holder.runtime_dir);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether nothing was received since the last answer, the end of the connection included.
    pub(super) fn is_usable(&self) -> bool {
        // A system call of our own: tokio's `try_read` answers from what its driver has noticed so far, which may lag
        // behind the end of the other side.
        let stream: &UnixStream = self.reader.get_ref().as_ref();
        let looked = rustix::net::recv(stream, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        self.reader.pending() == 0 && looked.is_err_and(|errno| errno == Errno::AGAIN)
    }

    pub(super) async fn call(&mut self, request: &Request) -> Result<Response, ClientError> {
        self.send(request).await?;
        loop {
            match self.next().await? {
                Frame::Answer(response) => return Ok(response),
                Frame::Error(reply) => return Err(ClientError::Replied(reply)),
                Frame::Alive => {}
                Frame::Refused(_) | Frame::Welcome(_) | Frame::Event(_) | Frame::End => {
                    return Err(self.unexpected());
                }
            }
        }
    }

    pub(super) async fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let frame = encode(request, MAX_FRAME_BYTES).map_err(ClientError::Request)?;
        wire::write(&mut self.writer, &frame, self.silence).await.map_err(|source| self.lost(source))
    }

    /// The next frame that the mission sends. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Frame<Response>, ClientError> {
        let frame = self.reader.next(self.silence, self.silence).await.map_err(|source| self.lost(source))?;
        decode(&frame).map_err(|source| self.lost(source))
    }

    pub(super) fn unexpected(&self) -> ClientError {
        ClientError::Unexpected { socket: self.socket.clone() }
    }

    async fn greet(stream: UnixStream, socket: PathBuf, silence: Duration) -> Result<Self, ClientError> {
        let server = stream.peer_cred();
        let (reader, writer) = stream.into_split();
        let reader = FrameReader::new(reader, MAX_FRAME_BYTES);
        let mut channel = Self { socket, reader, writer, silence };
        let uid = server.map_err(|source| channel.lost(WireError::Io(source)))?.uid();
        if uid != 0 && uid != rustix::process::geteuid().as_raw() {
            return Err(ClientError::Foreign { socket: channel.socket, uid });
        }
        let hello = encode(&Hello::ours(), MAX_HELLO_BYTES).map_err(ClientError::Request)?;
        // A server that refuses us may have closed its side already; its reason is there to be read.
        let sent = wire::write(&mut channel.writer, &hello, silence).await;
        match (channel.next().await, sent) {
            (Ok(Frame::Welcome(hello)), Ok(())) => match hello.check() {
                Ok(()) => Ok(channel),
                Err(mismatch) => Err(ClientError::Version(Box::new(mismatch))),
            },
            (Ok(Frame::Refused(reply) | Frame::Error(reply)), _) => {
                Err(ClientError::Refused { socket: channel.socket, reply })
            }
            (_, Err(source)) => Err(channel.lost(source)),
            (Ok(_), Ok(())) => Err(channel.unexpected()),
            (Err(error), Ok(())) => Err(error),
        }
    }

    fn lost(&self, source: WireError) -> ClientError {
        match source {
            WireError::TimedOut { after, .. } => ClientError::TimedOut { socket: self.socket.clone(), after },
            source => ClientError::Lost { socket: self.socket.clone(), source },
        }
    }
}
