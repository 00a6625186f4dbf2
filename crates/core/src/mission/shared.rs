//! What the parts of a mission share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, broadcast, watch};

use crate::control::{ProjectPaths, Sessions};
use crate::ids::{SlotId, TaskId};
use crate::mission::MissionConfig;
use crate::mission::refusals::Refusals;
use crate::mission::verdicts::Verdicts;
use crate::model::EventBody;
use crate::ports::{Applied, Change, Seat, Store, StoreError};

/// Why an attempt is called off from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// The store says that the task is final.
    Ended,
    /// The lease went to somebody else.
    LeaseLost,
    /// The mission stops and the task goes back to the queue.
    Shutdown,
}

/// An attempt that goes on.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// Calls it off.
    pub(super) interrupt: watch::Sender<Option<Interrupt>>,
    /// Turns true when it is over, its processes gone.
    pub(super) over: watch::Receiver<bool>,
}

/// Who sits in a slot right now, as the gate needs to know.
#[derive(Clone, Debug)]
pub(super) struct Occupied {
    pub(super) seat: Seat,
    /// Every final verdict of the attempt.
    pub(super) verdicts: Arc<Mutex<Verdicts>>,
    pub(super) interrupted: watch::Receiver<Option<Interrupt>>,
    /// The turns at asking a person.
    pub(super) asked: Arc<Semaphore>,
    /// How many messages may still be sent.
    pub(super) messages: Arc<AtomicU32>,
    /// How many questions to a person are open.
    pub(super) open_questions: Arc<AtomicUsize>,
    /// Held while the agent's state is written, so that what its stream says does not hide that a person is waited for.
    pub(super) showing: Arc<tokio::sync::Mutex<()>>,
    /// The agent's process, once there is one.
    pub(super) pid: Arc<Mutex<Option<u32>>>,
    /// What the agent's hooks report besides calls, for the driver that is interested.
    pub(super) reports: broadcast::Sender<serde_json::Value>,
}

/// The mission's own state that is not in the store: nothing here outlives the process.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: MissionConfig,
    pub(super) paths: ProjectPaths,
    pub(super) store: Arc<dyn Store>,
    pub(super) sessions: Arc<Sessions>,
    /// Marks the processes of this project's agents: the first half of their session tag.
    pub(super) scope: String,
    pub(super) since: Timestamp,
    /// Wakes the supervisor.
    pub(super) wake: Notify,
    /// Grows whenever an approval is settled or a task becomes final.
    pub(super) settled: watch::Sender<u64>,
    pub(super) phase: watch::Sender<Phase>,
    /// Callers that were turned away.
    pub(super) refusals: Refusals,
    /// Why the mission ends, as far as somebody has said so.
    closing: Mutex<Option<String>>,
    /// The queued tasks that no slot can take, and why.
    stuck: Mutex<HashMap<TaskId, String>>,
    live: Mutex<HashMap<TaskId, Live>>,
    seats: Mutex<HashMap<SlotId, Occupied>>,
}

/// Where the mission is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// Ends when the queue is empty.
    Draining,
    /// Puts what runs back in the queue and ends.
    Stopping,
    Closed,
}

impl Shared {
    pub(super) fn new(
        config: MissionConfig,
        paths: ProjectPaths,
        store: Arc<dyn Store>,
        sessions: Arc<Sessions>,
        scope: String,
    ) -> Self {
        let since = config.ports.clock.now();
        Self {
            since,
            config,
            paths,
            store,
            sessions,
            scope,
            wake: Notify::new(),
            settled: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Open),
            refusals: Refusals::default(),
            closing: Mutex::default(),
            stuck: Mutex::default(),
            live: Mutex::default(),
            seats: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.config.ports.clock.now()
    }

    pub(super) async fn apply(&self, change: Change) -> Result<Applied, StoreError> {
        self.store.apply(change).await
    }

    /// Writes an event that nothing depends on; a failure is logged, since whoever depends on the store meets it too.
    pub(super) async fn note(&self, task: Option<TaskId>, slot: Option<&SlotId>, body: EventBody) {
        let change = Change::Note { task, slot: slot.cloned(), bodies: vec![body], at: self.now() };
        if let Err(error) = self.apply(change).await {
            tracing::warn!(error = %crate::error::chain(&error), "an event could not be written");
        }
    }

    /// Hands on what a hook in a slot reports. Nobody may be listening.
    pub(super) fn report(&self, slot: &SlotId, event: serde_json::Value) {
        let reports = self.seats().get(slot).map(|occupied| occupied.reports.clone());
        if let Some(reports) = reports {
            // It fails when no driver listens, and then there is nobody to tell.
            let _ = reports.send(event);
        }
    }

    pub(super) fn announce_settled(&self) {
        self.settled.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn live(&self) -> MutexGuard<'_, HashMap<TaskId, Live>> {
        unpoisoned(&self.live)
    }

    pub(super) fn stuck(&self) -> MutexGuard<'_, HashMap<TaskId, String>> {
        unpoisoned(&self.stuck)
    }

    pub(super) fn seats(&self) -> MutexGuard<'_, HashMap<SlotId, Occupied>> {
        unpoisoned(&self.seats)
    }

    /// Calls an attempt off and hands back what tells when it is over.
    pub(super) fn interrupt(&self, task: TaskId, why: Interrupt) -> Option<watch::Receiver<bool>> {
        let live = self.live().get(&task).cloned()?;
        live.interrupt.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(why);
            }
            first
        });
        Some(live.over)
    }

    /// Says why the mission ends; the first one to say so counts.
    pub(super) fn set_closing(&self, reason: &str) {
        unpoisoned(&self.closing).get_or_insert_with(|| reason.to_owned());
    }

    /// The last thing that the supervisor does: the log ends with it, and whoever waits for the end then hears of it.
    pub(super) async fn close(&self) {
        let reason = unpoisoned(&self.closing).take();
        let reason = reason.unwrap_or_else(|| "the queue is empty".to_owned());
        self.note(None, None, EventBody::MissionClosed { reason }).await;
        self.phase.send_replace(Phase::Closed);
    }

    /// Whether new work may be taken in.
    pub(super) fn is_open(&self) -> bool {
        *self.phase.borrow() < Phase::Stopping
    }
}

/// These maps hold whole values that are replaced or removed in one step, so a panic elsewhere leaves them sound.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
