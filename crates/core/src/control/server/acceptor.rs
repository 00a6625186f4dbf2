//! What both servers share: taking connections in, and ending them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{Connection, shut_down};
use super::{ServerOptions, socket::SocketFile};
use crate::control::authority::{Caller, Peer, Refusal};
use crate::control::message::{ErrorKind, ErrorReply};
use crate::control::wire::{Frame, Hello, MAX_FRAME_BYTES, MAX_HELLO_BYTES, WireError, decode, encode};
use crate::ports::BoxFuture;

/// How long to wait when the system has no descriptor left for the next connection.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// What one kind of server does with its callers.
pub(super) trait Service: Send + Sync + 'static {
    type Request: DeserializeOwned + Send;
    type Answer: Serialize + Send + Sync;

    fn admit(&self, peer: Peer) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Somebody was turned away.
    fn refused(&self, peer: Peer, refusal: &Refusal);

    /// Carries a call out and sends its answer. An error ends the connection.
    fn call<'a>(
        &'a self,
        connection: &'a mut Connection<Self::Answer>,
        caller: Caller,
        request: Self::Request,
    ) -> BoxFuture<'a, Result<(), WireError>>;
}

/// A listening socket with the tasks of its connections; dropping it aborts them and removes the socket.
#[derive(Debug)]
pub(super) struct Acceptor {
    // Dropped in this order: nobody accepts any more when the file goes.
    accepting: AbortOnDrop,
    closing: watch::Sender<bool>,
    file: SocketFile,
    grace: Duration,
}

impl Acceptor {
    pub(super) fn start<S: Service>(
        (file, listener): (SocketFile, UnixListener),
        service: Arc<S>,
        options: ServerOptions,
    ) -> Self {
        let (closing, closed) = watch::channel(false);
        let grace = options.grace;
        let accepting = AbortOnDrop(tokio::spawn(accept(listener, service, Arc::new(options), closed)));
        Self { accepting, closing, file, grace }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        self.file.path()
    }

    /// Takes nobody in any more, lets calls end within the grace, and removes the socket.
    pub(super) async fn shutdown(mut self) {
        self.closing.send_replace(true);
        if tokio::time::timeout(self.grace, &mut self.accepting.0).await.is_err() {
            tracing::warn!(socket = %self.path().display(), "calls were cut off at the end of the grace");
        }
    }
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        // The accept task owns the connections' tasks, so they end with it.
        self.0.abort();
    }
}

async fn accept<S: Service>(
    listener: UnixListener,
    service: Arc<S>,
    options: Arc<ServerOptions>,
    mut closing: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(options.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shut_down(&mut closing) => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => {
                    let (service, options, closing) =
                        (Arc::clone(&service), Arc::clone(&options), closing.clone());
                    connections.spawn(async move {
                        let _permit = permit;
                        attend(stream, &*service, options, closing).await;
                    });
                }
                Err(_) => turn_away::<S>(&stream, options.max_connections),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(NO_DESCRIPTOR_PAUSE).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of a connection failed");
    }
}

/// Answers the connection that is one too many. The answer fits into the empty buffer of a new socket, so that nobody
/// has to wait for the caller to read it.
fn turn_away<S: Service>(stream: &UnixStream, limit: usize) {
    let reply = ErrorReply::new(
        ErrorKind::Unavailable,
        format!("the mission has {limit} connections, which is all it takes; try again, or end some"),
    );
    let sent = encode(&Frame::<S::Answer>::Refused(reply), MAX_HELLO_BYTES)
        .and_then(|frame| stream.try_write(&frame).map_err(WireError::Io));
    if let Err(error) = sent {
        tracing::debug!(%error, "a caller over the limit was not answered");
    }
}

async fn attend<S: Service>(
    stream: UnixStream,
    service: &S,
    options: Arc<ServerOptions>,
    closing: watch::Receiver<bool>,
) {
    let peer = match stream.peer_cred() {
        Ok(credentials) => {
            Peer { pid: credentials.pid().and_then(|pid| u32::try_from(pid).ok()), uid: credentials.uid() }
        }
        Err(error) => {
            tracing::warn!(%error, "the kernel does not say who connected");
            return;
        }
    };
    let mut connection = Connection::new(stream, options, closing);
    if let Err(refusal) = service.admit(peer).await {
        tracing::warn!(?peer, %refusal, "a caller was refused");
        service.refused(peer, &refusal);
        let reply = ErrorReply::new(ErrorKind::Denied, refusal.to_string());
        log_end(connection.send(&Frame::Refused(reply)).await);
        return;
    }
    let caller = Caller { pid: peer.pid.unwrap_or(0), uid: peer.uid };
    log_end(converse(&mut connection, service, caller).await);
}

async fn converse<S: Service>(
    connection: &mut Connection<S::Answer>,
    service: &S,
    caller: Caller,
) -> Result<(), WireError> {
    let hello = connection.hello().await;
    let hello: Hello = decode(&answer_too_long(connection, hello).await?)?;
    // Sent whatever the other version is: it lets the caller name both.
    connection.send(&Frame::Welcome(Hello::ours())).await?;
    if let Err(mismatch) = hello.check() {
        tracing::info!(%caller, %mismatch, "a caller speaks another protocol");
        return Ok(());
    }
    connection.set_limit(MAX_FRAME_BYTES);
    loop {
        let request = connection.request().await;
        let Some(frame) = answer_too_long(connection, request).await? else { return Ok(()) };
        match decode(&frame) {
            Ok(request) => service.call(connection, caller, request).await?,
            Err(error) => {
                let reason = describe(&error);
                let reply =
                    ErrorReply::new(ErrorKind::Invalid, format!("the request can't be understood: {reason}"));
                return connection.send(&Frame::Error(reply)).await;
            }
        }
    }
}

/// Tells the caller that its frame is over the limit, before the connection is given up for it.
async fn answer_too_long<A: Serialize + Send + Sync, T>(
    connection: &mut Connection<A>,
    received: Result<T, WireError>,
) -> Result<T, WireError> {
    if let Err(error @ WireError::TooLong { .. }) = &received {
        connection.send(&Frame::Error(ErrorReply::new(ErrorKind::Invalid, error.to_string()))).await?;
    }
    received
}

fn describe(error: &WireError) -> String {
    match error {
        WireError::Json(source) => crate::text::escape_line(&source.to_string()),
        other => other.to_string(),
    }
}

fn log_end(ended: Result<(), WireError>) {
    match ended {
        Ok(()) | Err(WireError::Closed) => {}
        Err(WireError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => tracing::debug!(%error, "a connection was given up"),
    }
}
