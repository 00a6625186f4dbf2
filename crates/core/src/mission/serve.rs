//! The sockets, and what is said over them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::control::{
    Authority, Caller, ControlHandler, ControlServer, ErrorKind, ErrorReply, Explanation, GateHandler,
    GateRequest, GateResponse, GateServer, MissionStatus, OwnerLock, Request, Response, ServerOptions,
};
use crate::error::Error;
use crate::find::find_task;
use crate::ids::{Seq, SlotId};
use crate::mission::listing;
use crate::mission::shared::{Phase, Shared};
use crate::model::{Message, Recipient};
use crate::ports::{ApprovalFilter, BoxFuture, Change};

/// How far back an explanation looks in the log, and how many events of the slot it shows.
const EXPLAIN_BACK: u64 = 5_000;
const EXPLAIN_EVENTS: usize = 20;
/// The most bytes of a caller's texts: reasons and notes.
const MAX_NOTE_BYTES: usize = 16 * 1024;

/// The sockets of one mission.
#[derive(Debug)]
pub(super) struct Servers {
    control: Option<ControlServer>,
    gates: Vec<GateServer>,
}

impl Servers {
    pub(super) fn bind(shared: &Arc<Shared>, lock: &Arc<OwnerLock>) -> Result<Self, Error> {
        let authority = Authority::new(shared.sessions.clone())
            .map_err(|refusal| Error::Internal(format!("this process cannot own a project: {refusal}")))?;
        let handler = Arc::new(Handler { shared: shared.clone() });
        let mut gates = Vec::new();
        for slot in &shared.config.slots {
            gates.push(GateServer::bind(
                lock,
                slot.id.clone(),
                handler.clone(),
                authority.clone(),
                ServerOptions::default(),
            )?);
        }
        let control = if shared.config.serve_control {
            let store = shared.store.clone();
            Some(ControlServer::bind(lock, handler, store, authority, ServerOptions::default())?)
        } else {
            None
        };
        Ok(Self { control, gates })
    }

    pub(super) async fn close(self) {
        for gate in self.gates {
            gate.shutdown().await;
        }
        if let Some(control) = self.control {
            control.shutdown().await;
        }
    }
}

#[derive(Debug)]
struct Handler {
    shared: Arc<Shared>,
}

impl Handler {
    fn refused(&self, slot: Option<&SlotId>, pid: u32, reason: &str) {
        if self.shared.refusals.add(slot, pid, reason) {
            self.shared.wake.notify_one();
        }
    }
}

impl ControlHandler for Handler {
    fn handle(&self, caller: Caller, request: Request) -> BoxFuture<'_, Result<Response, ErrorReply>> {
        Box::pin(async move { self.shared.answer_control(caller, request).await.map_err(reply) })
    }

    fn refused(&self, pid: u32, reason: &str) {
        Self::refused(self, None, pid, reason);
    }
}

impl GateHandler for Handler {
    fn handle(&self, slot: &SlotId, _caller: Caller, request: GateRequest) -> BoxFuture<'_, GateResponse> {
        let slot = slot.clone();
        Box::pin(async move {
            match request {
                GateRequest::Judge { call, .. } => {
                    GateResponse::Verdict(self.shared.judge(&slot, *call).await)
                }
                GateRequest::Report { event } => {
                    self.shared.report(&slot, event);
                    GateResponse::Ok
                }
                GateRequest::Send { to, text } => match self.shared.send_from(slot, to, text).await {
                    Ok(_) => GateResponse::Ok,
                    Err(error) => GateResponse::Refused { reason: crate::error::chain(&error) },
                },
            }
        })
    }

    fn refused(&self, slot: &SlotId, pid: u32, reason: &str) {
        Self::refused(self, Some(slot), pid, reason);
    }
}

impl Shared {
    async fn answer_control(&self, caller: Caller, request: Request) -> Result<Response, Error> {
        Ok(match request {
            Request::Status => Response::Status(Box::new(self.status().await?)),
            Request::Submit { request } => Response::Submitted(self.submit(*request).await?),
            Request::Task { id } => Response::Task(Box::new(listing::task(self.store.task(id).await?))),
            Request::FindTask { text } => {
                let id = find_task(&*self.store, &text).await?;
                Response::Task(Box::new(listing::task(self.store.task(id).await?)))
            }
            Request::Tasks { filter } => Response::Tasks(listing::tasks(&*self.store, filter.into()).await?),
            Request::Cancel { id, reason } => {
                self.cancel(id, &bounded(&reason)?).await?;
                Response::Done
            }
            Request::Retry { id } => Response::Submitted(self.retry(id).await?),
            Request::Wait { id } => Response::Task(Box::new(listing::task(self.wait(id).await?))),
            Request::Slots => Response::Slots(self.store.slots().await?),
            Request::StopSlot { slot } => {
                self.stop_slot(&slot, caller).await?;
                Response::Done
            }
            Request::Approvals { all } => {
                let filter = if all { ApprovalFilter::All } else { ApprovalFilter::Pending };
                Response::Approvals(listing::approvals(self.store.approvals(filter).await?))
            }
            Request::Settle { approval, approve, note } => {
                let note = note.as_deref().map(bounded).transpose()?;
                let by = format!("uid {}, pid {}", caller.uid, caller.pid);
                self.settle(approval, approve, &by, note).await?;
                let found = self.store.approvals(ApprovalFilter::One(approval)).await?.pop();
                let found = found.ok_or_else(|| Error::Internal("a settled approval is gone".to_owned()))?;
                Response::Approval(Box::new(found))
            }
            Request::Explain { slot } => Response::Explanation(Box::new(self.explain(&slot).await?)),
            Request::SendMessage { to, text } => Response::Sent(self.send(None, to, text).await?),
            Request::Messages { limit } => Response::Messages(listing::messages(&*self.store, limit).await?),
            Request::Shutdown { drain } => {
                if !drain {
                    self.set_closing(&format!("shut down by {caller}"));
                }
                self.begin(if drain { Phase::Draining } else { Phase::Stopping });
                self.wake.notify_one();
                Response::Done
            }
            other => return Err(Error::Invalid(format!("this mission does not know the request {other:?}"))),
        })
    }

    pub(super) async fn status(&self) -> Result<MissionStatus, Error> {
        let mut status = MissionStatus::new(&self.config.root, self.since);
        status.newest = *self.store.newest().borrow();
        status.tasks = self.store.task_counts().await?.into_iter().collect();
        let slots = self.store.slots().await?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        status.busy_slots = count(slots.iter().filter(|slot| slot.task.is_some()).count());
        status.slots = count(slots.len());
        status.pending_approvals = count(self.store.approvals(ApprovalFilter::Pending).await?.len());
        status.draining = *self.phase.borrow() == Phase::Draining;
        Ok(status)
    }

    async fn stop_slot(&self, slot: &SlotId, caller: Caller) -> Result<(), Error> {
        let slots = self.store.slots().await?;
        let found = slots.into_iter().find(|found| found.config.id == *slot);
        let found = found.ok_or_else(|| Error::Missing(format!("there is no slot `{slot}`")))?;
        let task =
            found.task.ok_or_else(|| Error::Missing(format!("no agent is at work in slot `{slot}`")))?;
        self.cancel(task, &format!("its agent was ended by uid {}, pid {}", caller.uid, caller.pid)).await
    }

    async fn explain(&self, slot: &SlotId) -> Result<Explanation, Error> {
        let slots = self.store.slots().await?;
        let found = slots.into_iter().find(|found| found.config.id == *slot);
        let found = found.ok_or_else(|| Error::Missing(format!("there is no slot `{slot}`")))?;
        let newest = *self.store.newest().borrow();
        let since = Seq(newest.0.saturating_sub(EXPLAIN_BACK));
        let back = usize::try_from(EXPLAIN_BACK).unwrap_or(usize::MAX);
        let mut events = self.store.events(since, back).await?;
        events.retain(|event| event.slot.as_ref() == Some(slot));
        let surplus = events.len().saturating_sub(EXPLAIN_EVENTS);
        events.drain(..surplus);
        Ok(Explanation { slot: found, events })
    }

    /// Sends a message of the agent in a slot, if its turn has one left.
    async fn send_from(
        &self,
        slot: SlotId,
        to: Recipient,
        text: String,
    ) -> Result<crate::ids::MessageId, Error> {
        let left = self.seats().get(&slot).map(|occupied| occupied.messages.clone());
        let left = left.ok_or_else(|| Error::Missing(format!("slot `{slot}` has no turn going on")))?;
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            return Err(Error::Invalid("this turn has sent as many messages as it may".to_owned()));
        }
        self.send(Some(slot), to, text).await
    }

    async fn send(
        &self,
        from: Option<SlotId>,
        to: Recipient,
        text: String,
    ) -> Result<crate::ids::MessageId, Error> {
        let message = Message::new(from, to, text, self.now());
        let id = message.id;
        self.apply(Change::SendMessage { message: Box::new(message) }).await?;
        Ok(id)
    }
}

fn bounded(text: &str) -> Result<String, Error> {
    if text.len() > MAX_NOTE_BYTES {
        return Err(Error::Invalid(format!(
            "the text has {} bytes; {MAX_NOTE_BYTES} are the most",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

fn reply(error: Error) -> ErrorReply {
    let error = match error {
        Error::Store(store) => return store.into(),
        other => other,
    };
    let kind = match (&error, error.kind()) {
        (Error::Closed, _) => ErrorKind::Unavailable,
        (_, crate::error::ErrorKind::Missing) => ErrorKind::NotFound,
        (_, crate::error::ErrorKind::Conflict) => ErrorKind::Conflict,
        (_, crate::error::ErrorKind::Invalid | crate::error::ErrorKind::Configuration) => ErrorKind::Invalid,
        (_, crate::error::ErrorKind::Other) => ErrorKind::Internal,
    };
    ErrorReply::new(kind, crate::error::chain(&error))
}
