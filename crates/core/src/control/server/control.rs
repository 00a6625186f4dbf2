//! The server of the control socket.

use std::fmt::Debug;
use std::sync::Arc;

use super::acceptor::{Acceptor, Service};
use super::connection::{Connection, Outcome, Patience};
use super::socket::SocketFile;
use super::{BindError, ServerOptions, events};
use crate::control::authority::{Authority, Caller, Peer, Refusal};
use crate::control::lock::OwnerLock;
use crate::control::message::{ErrorReply, Request, Response};
use crate::control::wire::{Frame, WireError};
use crate::ports::{BoxFuture, Store};

/// Carries out what people ask.
///
/// An implementor answers every request but [`Request::Events`], which the server answers from the store itself. The
/// future of a [`Request::Wait`] is dropped when its caller goes away, so it must have no effect; every other one is
/// run to its end, except when it takes longer than [`ServerOptions::call`] or the server ends. A panic ends the
/// connection and nothing else.
pub trait ControlHandler: Send + Sync + Debug {
    /// Carries out one request of a caller that was let in.
    ///
    /// # Errors
    ///
    /// What the caller is told.
    ///
    /// # Cancel safety
    ///
    /// See the trait.
    fn handle(&self, caller: Caller, request: Request) -> BoxFuture<'_, Result<Response, ErrorReply>>;

    /// Somebody was turned away; for the record. `pid` is 0 when it is not known. Must not block.
    fn refused(&self, pid: u32, reason: &str);
}

/// Serves people and their programs until it is dropped or shut down.
#[derive(Debug)]
pub struct ControlServer {
    acceptor: Acceptor,
}

impl ControlServer {
    /// Listens on the project's control socket, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(
        lock: &Arc<OwnerLock>,
        handler: Arc<dyn ControlHandler>,
        store: Arc<dyn Store>,
        authority: Arc<Authority>,
        options: ServerOptions,
    ) -> Result<Self, BindError> {
        let socket = SocketFile::bind(lock.paths().control_socket(), Arc::clone(lock))?;
        let service = Arc::new(ControlService { handler, store, authority });
        Ok(Self { acceptor: Acceptor::start(socket, service, options) })
    }

    /// The socket.
    pub fn path(&self) -> &std::path::Path {
        self.acceptor.path()
    }

    /// Ends it: no new connections, streams of events run out to the newest one, calls end within
    /// [`ServerOptions::grace`], the socket is removed.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server ends at once.
    pub async fn shutdown(self) {
        self.acceptor.shutdown().await;
    }
}

#[derive(Debug)]
struct ControlService {
    handler: Arc<dyn ControlHandler>,
    store: Arc<dyn Store>,
    authority: Arc<Authority>,
}

impl Service for ControlService {
    type Request = Request;
    type Answer = Response;

    fn admit(&self, peer: Peer) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.authority.check_control(peer))
    }

    fn refused(&self, peer: Peer, refusal: &Refusal) {
        self.handler.refused(peer.pid.unwrap_or(0), &refusal.to_string());
    }

    fn call<'a>(
        &'a self,
        connection: &'a mut Connection<Response>,
        caller: Caller,
        request: Request,
    ) -> BoxFuture<'a, Result<(), WireError>> {
        Box::pin(async move {
            if let Request::Events { since, follow } = request {
                return events::stream(connection, &*self.store, since, follow).await;
            }
            let patience = Patience {
                bounded: !request.is_open_ended(),
                ends_with_caller: request.ends_with_its_caller(),
            };
            let call = self.handler.handle(caller, request);
            match connection.work(call, patience).await {
                Outcome::Answered(Ok(response)) => connection.send(&Frame::Answer(response)).await,
                Outcome::Answered(Err(reply)) | Outcome::GivenUp(reply) => {
                    connection.send(&Frame::Error(reply)).await
                }
                Outcome::CallerGone => Err(WireError::Closed),
            }
        })
    }
}
