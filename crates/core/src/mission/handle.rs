//! The handle itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::control::{MissionStatus, OwnerLock, ProjectPaths, Sessions};
use crate::error::Error;
use crate::ids::{ApprovalId, Seq, TaskId};
use crate::mission::admission;
use crate::mission::config::MissionConfig;
use crate::mission::recover::recover;
use crate::mission::serve::Servers;
use crate::mission::shared::{Interrupt, Phase, Shared, unpoisoned};
use crate::mission::supervise::supervise;
use crate::model::{Approval, ApprovalStatus, Event, EventBody, Message, NewTask, Slot, Task, TaskStatus};
use crate::ports::{ApprovalFilter, Change, Store, StoreErrorKind, TaskFilter};

/// How long ending an attempt's processes may take, ladder and workspace included.
const END_DEADLINE: Duration = Duration::from_secs(60);
/// How long another owner's end is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long whoever waits for a task goes without looking at it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How many events one read takes.
const EVENTS_PAGE: usize = 256;

/// A project's slots, queue and log, owned by this process until it is shut down or dropped.
///
/// It is a handle: clones are cheap and speak of the same mission. When the last one is dropped without
/// [`Mission::shutdown`], every agent's process tree is ended, and the tasks at work are requeued by the next owner.
#[derive(Clone, Debug)]
pub struct Mission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    servers: Mutex<Option<Servers>>,
    /// Last, so that it is given up last.
    lock: Mutex<Option<Arc<OwnerLock>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Closed);
        if let Some(supervisor) = unpoisoned(&self.supervisor).take() {
            supervisor.abort();
        }
    }
}

impl Mission {
    /// Takes the project: locks it, ends what a dead owner left, opens the store and the sockets, and begins to give
    /// queued tasks to slots.
    ///
    /// # Errors
    ///
    /// When another process owns the project, or any part of it cannot be used; nothing is left running then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the project up again.
    ///
    /// # Panics
    ///
    /// When called outside a tokio runtime with time and IO enabled.
    pub async fn open(config: MissionConfig) -> Result<Self, Error> {
        config.check()?;
        let paths = ProjectPaths::new(&config.root)?;
        let lock = Arc::new(acquire(paths.clone()).await?);
        let store: Arc<dyn Store> = match &config.ports.store {
            Some(store) => store.clone(),
            None => {
                let path = paths.database();
                let opened = tokio::task::spawn_blocking(move || {
                    crate::store::SqliteStore::open(&path, crate::store::OpenMode::Owner)
                });
                let opened =
                    opened.await.map_err(|error| Error::Internal(format!("the store failed: {error}")))?;
                Arc::new(opened?)
            }
        };
        let scope = paths.session_scope();
        let sessions = Sessions::new(scope.clone());
        let shared = Arc::new(Shared::new(config, paths, store, sessions, scope));
        let opened = EventBody::MissionOpened {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let at = shared.now();
        shared.apply(Change::Note { task: None, slot: None, bodies: vec![opened], at }).await?;
        recover(&shared).await?;
        let inner = Arc::new(Inner {
            shared: shared.clone(),
            supervisor: Mutex::new(None),
            servers: Mutex::new(None),
            lock: Mutex::new(Some(lock.clone())),
        });
        let servers = Servers::bind(&shared, &lock)?;
        *unpoisoned(&inner.servers) = Some(servers);
        *unpoisoned(&inner.supervisor) = Some(tokio::spawn(supervise(shared)));
        Ok(Self { inner })
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Puts a task in the queue; it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// When the prompt is empty or too long, no slot could ever take the task, the task to follow is not final, or the
    /// store refuses.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the task may or may not have been submitted.
    pub async fn submit(&self, request: NewTask) -> Result<TaskId, Error> {
        self.shared().submit(request).await
    }

    /// Waits until a task is final, and gives it back.
    ///
    /// # Errors
    ///
    /// When there is no such task, the store cannot be read, or the mission is closed before the task is final.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the task.
    pub async fn wait(&self, id: TaskId) -> Result<Task, Error> {
        self.shared().wait(id).await
    }

    /// Calls a task off. When this returns the task is final, and no process of it is left.
    ///
    /// # Errors
    ///
    /// When there is no such task, it is final already, or its processes could not be ended in time (then it is
    /// cancelled all the same).
    ///
    /// # Cancel safety
    ///
    /// Once begun, the cancellation goes on when the future is dropped.
    pub async fn cancel(&self, id: TaskId, reason: &str) -> Result<(), Error> {
        self.shared().cancel(id, reason).await
    }

    /// Submits a finished task's prompt again, as a new task.
    ///
    /// # Errors
    ///
    /// As [`Mission::submit`]; and when the task is not final.
    ///
    /// # Cancel safety
    ///
    /// As [`Mission::submit`].
    pub async fn retry(&self, id: TaskId) -> Result<TaskId, Error> {
        self.shared().retry(id).await
    }

    /// How the mission stands: its slots and how many tasks there are of each status.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn status(&self) -> Result<MissionStatus, Error> {
        self.shared().status().await
    }

    /// One task as it is now.
    ///
    /// # Errors
    ///
    /// When there is no such task.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn task(&self, id: TaskId) -> Result<Task, Error> {
        Ok(self.shared().store.task(id).await?)
    }

    /// Tasks in the order of their submission.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn tasks(&self, filter: TaskFilter) -> Result<Vec<Task>, Error> {
        Ok(self.shared().store.tasks(filter).await?)
    }

    /// The slots and what goes on in them.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn slots(&self) -> Result<Vec<Slot>, Error> {
        Ok(self.shared().store.slots().await?)
    }

    /// Questions to a person.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn approvals(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, Error> {
        Ok(self.shared().store.approvals(filter).await?)
    }

    /// Answers a question: `approve` or not, on behalf of `by`, with a note to the agent if there is one.
    ///
    /// # Errors
    ///
    /// When there is no such question, or it is settled already.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the answer may or may not have been given.
    pub async fn settle(
        &self,
        approval: ApprovalId,
        approve: bool,
        by: &str,
        note: Option<String>,
    ) -> Result<(), Error> {
        self.shared().settle(approval, approve, by, note).await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// When the text is too long, or the store refuses.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the message may or may not have been sent.
    pub async fn send(&self, message: Message) -> Result<(), Error> {
        self.shared().apply(Change::SendMessage { message: Box::new(message) }).await?;
        Ok(())
    }

    /// The log from after `since`, as it grows.
    pub fn events(&self, since: Seq) -> EventStream {
        EventStream::new(self.shared().store.clone(), since, self.shared().phase.subscribe())
    }

    /// What the mission was opened with.
    pub fn config(&self) -> &MissionConfig {
        &self.shared().config
    }

    /// Waits until the mission ends: because somebody shut it down, or it was told to drain and the queue is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn closed(&self) {
        let mut phase = self.shared().phase.subscribe();
        // The sender lives as long as this handle does.
        let _ = phase.wait_for(|phase| *phase == Phase::Closed).await;
    }

    /// Lets the mission end by itself once the queue is empty. Tasks are taken in until then.
    pub fn drain(&self) {
        self.shared().begin(Phase::Draining);
    }

    /// Ends the mission: agents are stopped, their tasks go back to the queue, the project is given up.
    ///
    /// # Errors
    ///
    /// When agents could not be ended in time; the project is given up all the same.
    ///
    /// # Cancel safety
    ///
    /// Once begun, the end goes on when the future is dropped, as far as the runtime lives; call it again to wait.
    pub async fn shutdown(&self, reason: &str) -> Result<(), Error> {
        let shared = self.shared();
        shared.set_closing(reason);
        shared.begin(Phase::Stopping);
        let mut phase = shared.phase.subscribe();
        let ended = timeout(END_DEADLINE, phase.wait_for(|phase| *phase == Phase::Closed)).await.is_ok();
        let supervisor = unpoisoned(&self.inner.supervisor).take();
        if let Some(supervisor) = supervisor {
            if !ended {
                supervisor.abort();
            }
            // It ended by itself or was aborted; either is an end.
            let _ = supervisor.await;
            if !ended {
                shared.close().await;
            }
        }
        let servers = unpoisoned(&self.inner.servers).take();
        if let Some(servers) = servers {
            servers.close().await;
        }
        unpoisoned(&self.inner.lock).take();
        if ended {
            Ok(())
        } else {
            Err(Error::Internal(format!(
                "agents did not end within {} s and were killed",
                END_DEADLINE.as_secs()
            )))
        }
    }
}

async fn acquire(paths: ProjectPaths) -> Result<OwnerLock, Error> {
    tokio::task::spawn_blocking(move || OwnerLock::acquire(&paths, LOCK_WAIT))
        .await
        .map_err(|error| Error::Internal(format!("taking the project failed: {error}")))?
        .map_err(Error::from)
}

impl Shared {
    pub(super) fn begin(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }

    pub(super) async fn submit(&self, mut request: NewTask) -> Result<TaskId, Error> {
        if !self.is_open() {
            return Err(Error::Closed);
        }
        request = admission::follow(&*self.store, request).await?;
        admission::check(&self.config, &request)?;
        let at = self.now();
        let slots: Vec<_> = self.store.slots().await?.into_iter().map(|slot| slot.config).collect();
        let candidate = admission::candidate(admission::pin(&self.config, request, &slots), &slots, at)?;
        let id = candidate.id;
        self.apply(Change::SubmitTask { id, request: Box::new(candidate.request), at }).await?;
        self.wake.notify_one();
        Ok(id)
    }

    pub(super) async fn retry(&self, id: TaskId) -> Result<TaskId, Error> {
        let task = self.store.task(id).await?;
        let request = admission::again(task, self.now())?;
        self.submit(request).await
    }

    pub(super) async fn wait(&self, id: TaskId) -> Result<Task, Error> {
        let mut settled = self.settled.subscribe();
        let mut phase = self.phase.subscribe();
        loop {
            let closed = *phase.borrow_and_update() == Phase::Closed;
            let task = self.store.task(id).await?;
            if task.status.is_final() {
                let over = self.live().get(&id).map(|live| live.over.clone());
                let Some(mut over) = over else { return Ok(task) };
                // What came out of it is noted a moment later, when its processes are gone.
                if timeout(END_DEADLINE, over.wait_for(|over| *over)).await.is_err() {
                    return Ok(task);
                }
                return Ok(self.store.task(id).await?);
            }
            if closed {
                return Err(Error::Closed);
            }
            if let Some(reason) = self.stuck().get(&id).cloned() {
                return Err(Error::Unservable(reason));
            }
            tokio::select! {
                _ = settled.changed() => {}
                _ = phase.changed() => {}
                // The store is the truth, and the rest only a wake-up.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    pub(super) async fn cancel(&self, id: TaskId, reason: &str) -> Result<(), Error> {
        let change = Change::EndTask {
            task: id,
            status: TaskStatus::Cancelled,
            reason: reason.to_owned(),
            at: self.now(),
        };
        self.apply(change).await?;
        let over = self.interrupt(id, Interrupt::Ended);
        self.announce_settled();
        self.wake.notify_one();
        let Some(mut over) = over else { return Ok(()) };
        match timeout(END_DEADLINE, over.wait_for(|over| *over)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Internal(format!(
                "task {id} is cancelled, but its processes did not end within {} s",
                END_DEADLINE.as_secs()
            ))),
        }
    }

    pub(super) async fn settle(
        &self,
        approval: ApprovalId,
        approve: bool,
        by: &str,
        note: Option<String>,
    ) -> Result<(), Error> {
        let status = if approve { ApprovalStatus::Approved } else { ApprovalStatus::Rejected };
        let change = Change::SettleApproval { approval, status, by: by.to_owned(), note, at: self.now() };
        match self.apply(change).await {
            Ok(_) => {
                self.announce_settled();
                Ok(())
            }
            Err(error) if error.kind == StoreErrorKind::Final => Err(Error::Store(error)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The log, read in order as it grows.
///
/// It keeps its own place, so a reader that is slow or comes back with the number it had misses nothing.
#[derive(Debug)]
pub struct EventStream {
    store: Arc<dyn Store>,
    since: Seq,
    newest: watch::Receiver<Seq>,
    phase: watch::Receiver<Phase>,
    page: std::vec::IntoIter<Event>,
}

impl EventStream {
    fn new(store: Arc<dyn Store>, since: Seq, phase: watch::Receiver<Phase>) -> Self {
        let newest = store.newest();
        Self { store, since, newest, phase, page: Vec::new().into_iter() }
    }

    /// The next event; `None` when the mission has ended and everything was read.
    ///
    /// # Errors
    ///
    /// When the store cannot be read; the same place is read again by the next call.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.page.next() {
                self.since = event.seq;
                return Ok(Some(event));
            }
            let closed = *self.phase.borrow_and_update() == Phase::Closed;
            self.newest.borrow_and_update();
            let page = self.store.events(self.since, EVENTS_PAGE).await?;
            if !page.is_empty() {
                self.page = page.into_iter();
                continue;
            }
            if closed {
                return Ok(None);
            }
            tokio::select! {
                changed = self.newest.changed() => if changed.is_err() { return Ok(None) },
                changed = self.phase.changed() => if changed.is_err() { return Ok(None) },
            }
        }
    }
}
