//! Hears what happens in a turn, writes it down, and stops a turn that goes past the policy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::control::SessionGuard;
use crate::ids::{LeaseToken, SlotId, TaskId};
use crate::mission::shared::{Occupied, Shared, unpoisoned};
use crate::mission::verdicts::Print;
use crate::model::{AgentStatus, Decision, EventBody, ToolCall, Verdict, event_text};
use crate::ports::{
    BoxFuture, Change, StoreError, StoreErrorKind, TurnControl, TurnError, TurnEvent, TurnSink,
};

/// The longest text of a call's argument in an error.
const MAX_ARGUMENT_BYTES: usize = 300;
/// The most tool calls of one attempt.
const MAX_CALLS: usize = 100_000;

#[derive(Debug)]
pub(super) struct Sink {
    pub(super) shared: Arc<Shared>,
    pub(super) task: TaskId,
    pub(super) slot: SlotId,
    pub(super) token: LeaseToken,
    pub(super) occupied: Occupied,
    pub(super) tally: Tally,
    calls: Mutex<HashMap<String, Called>>,
    guards: Mutex<Vec<SessionGuard>>,
}

/// A call that the agent told of.
#[derive(Debug, Default)]
struct Called {
    /// `None` as long as only its end was told: an agent may write that down first.
    announced: Option<Announced>,
    /// Whether it is known that it never ran: the agent itself said so, or passed our refusal on.
    never_ran: bool,
}

#[derive(Debug)]
struct Announced {
    tool: String,
    argument: String,
    print: Print,
}

/// How many tool calls there were.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) calls: AtomicU32,
    pub(super) denied: AtomicU32,
}

impl Sink {
    pub(super) fn new(
        shared: Arc<Shared>,
        task: TaskId,
        slot: SlotId,
        token: LeaseToken,
        occupied: Occupied,
    ) -> Self {
        Self {
            shared,
            task,
            slot,
            token,
            occupied,
            tally: Tally::default(),
            calls: Mutex::default(),
            guards: Mutex::default(),
        }
    }

    async fn hear(&self, event: TurnEvent) -> Result<(), TurnError> {
        let body = match event {
            TurnEvent::Started { pid, guardian } => {
                match self.shared.sessions.register(self.slot.clone(), guardian) {
                    Ok(guard) => unpoisoned(&self.guards).push(guard),
                    // Over already, and with its guardian the whole tree: there is nobody left to keep apart.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => {
                        let text = format!("the agent's process cannot be kept apart: {error}");
                        return Err(TurnError::Other(text));
                    }
                }
                *unpoisoned(&self.occupied.pid) = Some(pid);
                return self.set_status(AgentStatus::Starting, "its process was started".to_owned()).await;
            }
            TurnEvent::Status { status, evidence } => return self.set_status(status, evidence).await,
            TurnEvent::Conversation(conversation) => {
                let change = Change::SetConversation {
                    task: self.task,
                    token: self.token,
                    conversation,
                    at: self.shared.now(),
                };
                return self.write(change).await;
            }
            TurnEvent::Text(text) => EventBody::AgentText { text: event_text(&text) },
            TurnEvent::Warning(text) => EventBody::Warning { text: event_text(&text) },
            TurnEvent::ToolCall(call) => {
                self.tally.calls.fetch_add(1, Ordering::Relaxed);
                let body = EventBody::ToolCalled {
                    call: event_text(&call.id),
                    tool: event_text(&call.tool),
                    argument: event_text(&call.argument()),
                };
                self.announce(call)?;
                body
            }
            TurnEvent::ToolResult { call, is_error, never_ran, content } => {
                self.check_verdict(&call, is_error.then_some(&*content), never_ran)?;
                EventBody::ToolFinished { call: event_text(&call), is_error }
            }
        };
        let change = Change::Note {
            task: Some(self.task),
            slot: Some(self.slot.clone()),
            bodies: vec![body],
            at: self.shared.now(),
        };
        self.write(change).await
    }

    fn announce(&self, call: ToolCall) -> Result<(), TurnError> {
        let print = unpoisoned(&self.occupied.verdicts).print(&call);
        let argument = missiond_process::text::truncate(&call.argument(), MAX_ARGUMENT_BYTES).to_owned();
        let new = Announced { tool: call.tool, argument, print };
        let mut calls = unpoisoned(&self.calls);
        let called = entry(&mut calls, &call.id)?;
        match &called.announced {
            // The first one could have run on the verdict of the second.
            Some(earlier) if earlier.print != new.print => Err(earlier.bypassed()),
            Some(_) => Ok(()),
            None => {
                called.announced = Some(new);
                Ok(())
            }
        }
    }

    /// Every call that ran must have been allowed before it ran. `error` is what the tool said if it said that it failed.
    fn check_verdict(&self, call: &str, error: Option<&str>, never_ran: bool) -> Result<(), TurnError> {
        let verdicts = unpoisoned(&self.occupied.verdicts);
        let mut calls = unpoisoned(&self.calls);
        let called = entry(&mut calls, call)?;
        let judged = verdicts.of(call);
        let (passes, did_run) = match judged.and_then(|judged| Some((judged, judged.given.as_ref()?))) {
            // A verdict on one call is none on another, whatever id the agent gives its calls.
            Some((judged, given)) if given.decision == Decision::Allow => {
                let covered = called.announced.as_ref().is_none_or(|new| judged.call.covers(&new.print));
                (covered, !never_ran)
            }
            // An error alone is no refusal: if our no did not reach the agent, the call may have run and failed.
            Some((_, given)) => {
                let refused = never_ran || error.is_some_and(|text| given.is_said_by(text));
                self.tally.denied.fetch_add(u32::from(refused), Ordering::Relaxed);
                (refused, !refused)
            }
            None => (never_ran, !never_ran),
        };
        if passes {
            called.never_ran |= !did_run;
            return Ok(());
        }
        Err(called.announced.as_ref().map_or_else(
            || TurnError::PolicyBypassed {
                tool: "an unannounced call".to_owned(),
                argument: missiond_process::text::truncate(call, MAX_ARGUMENT_BYTES).to_owned(),
            },
            Announced::bypassed,
        ))
    }

    /// At the end of a turn that is said to have gone well: a call that was announced and never heard of again, or only
    /// before it was announced, must have been allowed too.
    pub(super) fn check_all_judged(&self) -> Result<(), TurnError> {
        let verdicts = unpoisoned(&self.occupied.verdicts);
        let calls = unpoisoned(&self.calls);
        let is_allowed = |id: &str, announced: &Announced| {
            verdicts.of(id).is_some_and(|judged| {
                judged.given.as_ref().is_some_and(|given| given.decision == Decision::Allow)
                    && judged.call.covers(&announced.print)
            })
        };
        let mut ran = calls.iter().filter(|(_, called)| !called.never_ran);
        let bad = ran.find_map(|(id, called)| called.announced.as_ref().filter(|new| !is_allowed(id, new)));
        bad.map_or(Ok(()), |announced| Err(announced.bypassed()))
    }

    async fn set_status(&self, status: AgentStatus, evidence: String) -> Result<(), TurnError> {
        let _showing = self.occupied.showing.lock().await;
        if status.is_busy() && self.occupied.open_questions.load(Ordering::Relaxed) > 0 {
            // The hook is quicker than the stream: by the time that a call is read there, a person is waited for.
            return Ok(());
        }
        let pid = *unpoisoned(&self.occupied.pid);
        let change = Change::SetAgentStatus {
            slot: self.slot.clone(),
            task: self.task,
            status,
            evidence,
            pid,
            at: self.shared.now(),
        };
        self.write(change).await
    }

    async fn write(&self, change: Change) -> Result<(), TurnError> {
        self.shared.apply(change).await.map(drop).map_err(|error| turn_error(&error))
    }
}

/// The place of a call, as long as there is one.
fn entry<'a>(calls: &'a mut HashMap<String, Called>, id: &str) -> Result<&'a mut Called, TurnError> {
    if calls.len() >= MAX_CALLS && !calls.contains_key(id) {
        return Err(TurnError::Other(format!("the turn has made more than {MAX_CALLS} tool calls")));
    }
    Ok(calls.entry(id.to_owned()).or_default())
}

impl Announced {
    fn bypassed(&self) -> TurnError {
        TurnError::PolicyBypassed { tool: self.tool.clone(), argument: self.argument.clone() }
    }
}

fn turn_error(error: &StoreError) -> TurnError {
    match error.kind {
        // The task went to somebody else or is final: what this attempt says no longer counts.
        StoreErrorKind::Stale | StoreErrorKind::Final => TurnError::Cancelled,
        _ => TurnError::Other(format!(
            "what the agent does could not be recorded: {}",
            crate::error::chain(error)
        )),
    }
}

impl TurnSink for Sink {
    fn observe(&self, event: TurnEvent) -> BoxFuture<'_, TurnControl> {
        Box::pin(async move {
            match self.hear(event).await {
                Ok(()) => TurnControl::Continue,
                Err(error) => TurnControl::Stop(error),
            }
        })
    }

    fn judge(&self, call: ToolCall) -> BoxFuture<'_, Verdict> {
        Box::pin(async move { self.shared.judge(&self.slot, call).await })
    }
}
