//! The server of one slot's gate.

use std::fmt::Debug;
use std::sync::Arc;

use super::acceptor::{Acceptor, Service};
use super::connection::{Connection, Outcome, Patience};
use super::socket::SocketFile;
use super::{BindError, ServerOptions};
use crate::control::authority::{Authority, Caller, Peer, Refusal};
use crate::control::lock::OwnerLock;
use crate::control::message::{GateRequest, GateResponse};
use crate::control::wire::{Frame, WireError, encode};
use crate::ids::SlotId;
use crate::model::{Message, ToolCall};
use crate::ports::BoxFuture;

/// Answers the agents in slots and their hooks.
pub trait GateHandler: Send + Sync + Debug {
    /// Carries out one request that came from inside the slot.
    ///
    /// The future of a [`GateRequest::Judge`] is dropped when the hook goes away or the server ends; the implementor
    /// withdraws its question then. A panic ends the connection, which the hook takes for a no.
    fn handle(&self, slot: &SlotId, caller: Caller, request: GateRequest) -> BoxFuture<'_, GateResponse>;

    /// Somebody was turned away; for the record. `pid` is 0 when it is not known. Must not block.
    fn refused(&self, slot: &SlotId, pid: u32, reason: &str);
}

/// Serves one slot until it is dropped or shut down.
#[derive(Debug)]
pub struct GateServer {
    acceptor: Acceptor,
}

impl GateServer {
    /// Listens on the slot's gate ([`ProjectPaths::gate_socket`](crate::control::ProjectPaths::gate_socket)), on the
    /// current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(
        lock: &Arc<OwnerLock>,
        slot: SlotId,
        handler: Arc<dyn GateHandler>,
        authority: Arc<Authority>,
        options: ServerOptions,
    ) -> Result<Self, BindError> {
        let socket = SocketFile::bind(lock.paths().gate_socket(&slot), Arc::clone(lock))?;
        let service = Arc::new(GateService { slot, handler, authority });
        Ok(Self { acceptor: Acceptor::start(socket, service, options) })
    }

    /// The socket.
    pub fn path(&self) -> &std::path::Path {
        self.acceptor.path()
    }

    /// Ends it: calls that are being judged are refused, and the socket is removed.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server ends at once.
    pub async fn shutdown(self) {
        self.acceptor.shutdown().await;
    }
}

#[derive(Debug)]
struct GateService {
    slot: SlotId,
    handler: Arc<dyn GateHandler>,
    authority: Arc<Authority>,
}

impl Service for GateService {
    type Request = GateRequest;
    type Answer = GateResponse;

    fn admit(&self, peer: Peer) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.authority.check_gate(peer, &self.slot))
    }

    fn refused(&self, peer: Peer, refusal: &Refusal) {
        self.handler.refused(&self.slot, peer.pid.unwrap_or(0), &refusal.to_string());
    }

    fn call<'a>(
        &'a self,
        connection: &'a mut Connection<GateResponse>,
        caller: Caller,
        request: GateRequest,
    ) -> BoxFuture<'a, Result<(), WireError>> {
        Box::pin(async move {
            if let Err(reason) = check_bounds(&request) {
                return connection.send(&Frame::Answer(GateResponse::Refused { reason })).await;
            }
            let judged = matches!(request, GateRequest::Judge { .. });
            // A person may take their time; the question has an expiry of its own.
            let patience = Patience { bounded: !judged, ends_with_caller: judged };
            let call = self.handler.handle(&self.slot, caller, request);
            let response = match connection.work(call, patience).await {
                Outcome::Answered(response) => response,
                Outcome::GivenUp(reply) => GateResponse::Refused { reason: reply.message },
                Outcome::CallerGone => return Err(WireError::Closed),
            };
            connection.send(&Frame::Answer(response)).await
        })
    }
}

fn check_bounds(request: &GateRequest) -> Result<(), String> {
    match request {
        GateRequest::Report { event } => encode(event, GateRequest::MAX_REPORT_BYTES)
            .map(|_| ())
            .map_err(|_| format!("the event has more than {} bytes", GateRequest::MAX_REPORT_BYTES)),
        GateRequest::Send { text, .. } if text.len() > Message::MAX_TEXT_BYTES => {
            Err(format!("the message has more than {} bytes", Message::MAX_TEXT_BYTES))
        }
        GateRequest::Send { .. } => Ok(()),
        GateRequest::Judge { call, .. } => check_call(call),
    }
}

/// What is judged is kept, and shown to people beside the calls of others.
fn check_call(call: &ToolCall) -> Result<(), String> {
    for (what, bytes, most) in [
        ("id", call.id.len(), ToolCall::MAX_NAME_BYTES),
        ("tool", call.tool.len(), ToolCall::MAX_NAME_BYTES),
        ("directory", call.cwd.as_os_str().len(), ToolCall::MAX_CWD_BYTES),
    ] {
        if bytes > most {
            return Err(format!("the call's {what} has {bytes} bytes; {most} are the most"));
        }
    }
    Ok(())
}
