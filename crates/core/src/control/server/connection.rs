//! One caller's connection.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

use serde::Serialize;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::ServerOptions;
use crate::control::message::{ErrorKind, ErrorReply};
use crate::control::wire::{self, Frame, FrameReader, MAX_FRAME_BYTES, MAX_HELLO_BYTES, WireError, encode};

/// A connection whose calls are answered by `A`.
pub(super) struct Connection<A> {
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    options: Arc<ServerOptions>,
    closing: watch::Receiver<bool>,
    answers: PhantomData<fn(A)>,
}

/// How long a call is worked on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Only so long as [`ServerOptions::call`] says.
    pub(super) bounded: bool,
    /// Only so long as the caller is there and the server is not being shut down.
    pub(super) ends_with_caller: bool,
}

/// What became of a call.
pub(super) enum Outcome<T> {
    /// The handler answered.
    Answered(T),
    /// The caller is gone, or can't be told anything.
    CallerGone,
    /// There is no answer, for this reason.
    GivenUp(ErrorReply),
}

impl<A: Serialize + Send + Sync> Connection<A> {
    pub(super) fn new(
        stream: UnixStream,
        options: Arc<ServerOptions>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let (reader, writer) = stream.into_split();
        let reader = FrameReader::new(reader, MAX_HELLO_BYTES);
        Self { reader, writer, options, closing, answers: PhantomData }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.reader.set_limit(limit);
    }

    pub(super) fn options(&self) -> &ServerOptions {
        &self.options
    }

    pub(super) async fn hello(&mut self) -> Result<Vec<u8>, WireError> {
        self.reader.next(self.options.handshake, self.options.handshake).await
    }

    /// The next request; `None` when the server is being shut down and none has begun.
    pub(super) async fn request(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        tokio::select! {
            biased;
            frame = self.reader.next(self.options.idle, self.options.read) => frame.map(Some),
            () = shut_down(&mut self.closing) => Ok(None),
        }
    }

    pub(super) async fn send(&mut self, frame: &Frame<A>) -> Result<(), WireError> {
        let encoded = match encode(frame, MAX_FRAME_BYTES) {
            Err(WireError::TooLong { limit }) => {
                let reply = ErrorReply::new(
                    ErrorKind::Invalid,
                    format!("the answer has more than {limit} bytes; ask for less, such as the newest 100"),
                );
                encode(&Frame::<A>::Error(reply), MAX_FRAME_BYTES)?
            }
            encoded => encoded?,
        };
        self.send_encoded(&encoded).await
    }

    pub(super) async fn send_encoded(&mut self, frames: &[u8]) -> Result<(), WireError> {
        wire::write(&mut self.writer, frames, self.options.write).await
    }

    /// Resolves when the caller has closed the connection. Cancel safe.
    pub(super) async fn caller_gone(&mut self) {
        self.reader.closed().await;
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }

    /// Works on a call, telling the caller now and then that somebody does. An error means that the connection is of no
    /// more use; the call was then given up only if it ends with its caller.
    pub(super) async fn work<T>(
        &mut self,
        call: impl Future<Output = T> + Send,
        patience: Patience,
    ) -> Outcome<T> {
        let mut call = pin!(call);
        let mut closing = self.closing.clone();
        let began = Instant::now();
        let deadline = began + self.options.call;
        let mut alive = tokio::time::interval_at(began + self.options.alive, self.options.alive);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut caller_gone = false;
        loop {
            tokio::select! {
                biased;
                answer = &mut call => {
                    return if caller_gone { Outcome::CallerGone } else { Outcome::Answered(answer) };
                }
                () = self.reader.closed(), if !caller_gone => {
                    caller_gone = true;
                }
                () = shut_down(&mut closing), if patience.ends_with_caller => {
                    return Outcome::GivenUp(ErrorReply::new(
                        ErrorKind::Unavailable,
                        "the mission is shutting down; ask again once it runs",
                    ));
                }
                () = tokio::time::sleep_until(deadline), if patience.bounded => {
                    let seconds = self.options.call.as_secs();
                    return Outcome::GivenUp(ErrorReply::new(
                        ErrorKind::Unavailable,
                        format!("the mission did not answer within {seconds} s; whether it did what was asked, its events tell"),
                    ));
                }
                _ = alive.tick(), if !caller_gone => {
                    caller_gone = self.send(&Frame::Alive).await.is_err();
                }
            }
            if caller_gone && patience.ends_with_caller {
                return Outcome::CallerGone;
            }
        }
    }
}

/// Resolves when the server is being shut down. Cancel safe.
pub(super) async fn shut_down(closing: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped, which is the same to us. The guard must not live on in the caller.
    drop(closing.wait_for(|closing| *closing).await);
}
