//! The other side of the control socket.

mod channel;
mod error;
mod events;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use error::{ClientError, ClientErrorKind};
pub use events::EventStream;

use crate::control::message::{Request, Response};
use crate::control::paths::ProjectPaths;
use crate::ids::Seq;
use channel::{Channel, Connected};

/// How many unused connections are kept.
const MAX_UNUSED: usize = 4;

/// How long a client waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// For an owner that is there to take the connection, the handshake included.
    pub connect: Duration,
    /// For any sign of life during a call; a mission that is alive gives one every few seconds.
    pub silence: Duration,
    /// For the whole of a call that is not open-ended.
    pub call: Duration,
}

impl Default for ClientOptions {
    /// Connect 5 s, silence 30 s, call 150 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            call: Duration::from_secs(150),
        }
    }
}

/// Speaks to the mission of a project. Calls may be made at the same time; each has a connection to itself meanwhile.
#[derive(Debug)]
pub struct Client {
    paths: ProjectPaths,
    options: ClientOptions,
    unused: Mutex<Vec<Channel>>,
}

impl Client {
    /// Connects to the project's owner; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when there is an owner that can't be spoken to: it hangs, it refuses us, it is of another version.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn connect(paths: &ProjectPaths) -> Result<Option<Self>, ClientError> {
        Self::connect_with(paths, ClientOptions::default()).await
    }

    /// The same with other limits.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn connect_with(
        paths: &ProjectPaths,
        options: ClientOptions,
    ) -> Result<Option<Self>, ClientError> {
        match Channel::open(paths, &options).await? {
            Connected::Yes(channel) => {
                let unused = Mutex::new(vec![channel]);
                Ok(Some(Self { paths: paths.clone(), options, unused }))
            }
            Connected::NoOwner => Ok(None),
        }
    }

    /// Makes a call and waits for its answer.
    ///
    /// [`Request::Events`] has no single answer and is refused here; use [`Client::events`].
    ///
    /// # Errors
    ///
    /// [`ClientError`]; with [`ClientErrorKind::Lost`] or [`ClientErrorKind::TimedOut`] it is not known whether the
    /// mission did what was asked.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, a [`Request::Wait`] ends, and anything else may or may not be carried out. The client
    /// can be used on.
    pub async fn call(&self, request: Request) -> Result<Response, ClientError> {
        if matches!(request, Request::Events { .. }) {
            return Err(ClientError::NotACall);
        }
        let mut channel = self.channel().await?;
        let answer = if request.is_open_ended() {
            channel.call(&request).await
        } else {
            let after = self.options.call;
            match tokio::time::timeout(after, channel.call(&request)).await {
                Ok(answer) => answer,
                Err(_) => Err(ClientError::TimedOut { socket: channel.socket().to_owned(), after }),
            }
        };
        // Only a connection with no call half done in it may be used again.
        if matches!(answer, Ok(_) | Err(ClientError::Replied(_))) {
            let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
            if unused.len() < MAX_UNUSED {
                unused.push(channel);
            }
        }
        answer
    }

    /// The log after `since`, to its present end or for ever.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the owner can't be spoken to.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn events(&self, since: Seq, follow: bool) -> Result<EventStream, ClientError> {
        let channel = self.channel().await?;
        EventStream::begin(self.paths.clone(), self.options.clone(), channel, since, follow).await
    }

    async fn channel(&self) -> Result<Channel, ClientError> {
        while let Some(channel) = self.take_unused() {
            if channel.is_usable() {
                return Ok(channel);
            }
        }
        match Channel::open(&self.paths, &self.options).await? {
            Connected::Yes(channel) => Ok(channel),
            Connected::NoOwner => Err(ClientError::OwnerGone { root: self.paths.root().to_owned() }),
        }
    }

    fn take_unused(&self) -> Option<Channel> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
