//! The log, followed from afar.

use std::time::Duration;

use tokio::time::Instant;

use super::channel::{Channel, Connected};
use super::{ClientError, ClientOptions};
use crate::control::message::{ErrorKind, Request};
use crate::control::paths::ProjectPaths;
use crate::control::wire::Frame;
use crate::ids::Seq;
use crate::model::Event;

/// How often a broken connection is made again without an event in between.
const MAX_RESUMES: u32 = 3;
/// How long to wait before a mission that is full is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// The events of a mission, one after the other.
///
/// Whoever reads slowly loses nothing: the mission gives up a connection that is full for too long, and the stream makes
/// a new one that begins after the last event that was read.
#[derive(Debug)]
pub struct EventStream {
    paths: ProjectPaths,
    options: ClientOptions,
    channel: Option<Channel>,
    since: Seq,
    follow: bool,
    resumes: u32,
    ended: bool,
}

impl EventStream {
    pub(super) async fn begin(
        paths: ProjectPaths,
        options: ClientOptions,
        channel: Channel,
        since: Seq,
        follow: bool,
    ) -> Result<Self, ClientError> {
        let mut stream = Self { paths, options, channel: None, since, follow, resumes: 0, ended: false };
        stream.ask(channel).await?;
        Ok(stream)
    }

    /// The next event; `None` at the end of the log, or when the mission that is followed ended in good order.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the mission went away, or the log can't be read. [`EventStream::position`] says where a later
    /// stream may begin.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        while !self.ended {
            let Some(channel) = &mut self.channel else {
                self.resume().await?;
                continue;
            };
            match channel.next().await {
                Ok(Frame::Event(event)) if event.seq > self.since => {
                    self.since = event.seq;
                    self.resumes = 0;
                    return Ok(Some(*event));
                }
                Ok(Frame::Alive) => {}
                Ok(Frame::End) => self.end(),
                Ok(Frame::Error(reply)) => {
                    self.end();
                    return Err(ClientError::Replied(reply));
                }
                Ok(_) => {
                    self.end();
                    return Err(ClientError::Unexpected { socket: self.paths.control_socket() });
                }
                Err(error) => {
                    self.channel = None;
                    self.resumes += 1;
                    if self.resumes > MAX_RESUMES {
                        self.end();
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    /// The number of the last event that was read.
    pub fn position(&self) -> Seq {
        self.since
    }

    /// Connects once more. A mission that is full at the moment is asked again for a while: this is the place where a
    /// slow reader must not lose its thread.
    async fn resume(&mut self) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.options.connect;
        loop {
            match Channel::open(&self.paths, &self.options).await {
                Ok(Connected::Yes(channel)) => return self.ask(channel).await,
                Ok(Connected::NoOwner) => {
                    self.end();
                    return Err(ClientError::OwnerGone { root: self.paths.root().to_owned() });
                }
                Err(error) if is_full(&error) && Instant::now() < deadline => tokio::time::sleep(RETRY).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn ask(&mut self, mut channel: Channel) -> Result<(), ClientError> {
        channel.send(&Request::Events { since: self.since, follow: self.follow }).await?;
        self.channel = Some(channel);
        Ok(())
    }

    fn end(&mut self) {
        self.ended = true;
        self.channel = None;
    }
}

fn is_full(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { reply, .. } if reply.kind == ErrorKind::Unavailable)
}
