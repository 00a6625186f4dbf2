//! One way to a project's tasks, slots, questions and log, whoever owns it.
//!
//! A project may be owned by a running [`Mission`](crate::Mission), in this process or another one (then its control socket
//! is spoken to), or by nobody (then the store itself is read, and owned for the moment of a write). [`Access`] hides which
//! it is, so that a command need not care.

mod doctor;
mod find;
mod offline;
mod seats;

use std::sync::Arc;
use std::time::Duration;

pub use doctor::{Finding, Severity, examine, mend};
pub use find::{ShortId, find};
pub use seats::{seats_for, workspace_request};

use crate::control::{
    Client, ClientError, ClientErrorKind, ErrorKind as ReplyKind, EventStream, Explanation, MissionStatus,
    Request, Response, TaskQuery, inside_slot,
};
use crate::error::{Error, ErrorKind};
use crate::ids::{ApprovalId, Seq, SlotId, TaskId};
use crate::model::{Approval, Event, Message, NewTask, Slot, Task, TaskStatus};
use crate::ports::{ApprovalFilter, Store, TaskFilter};
use crate::project::Project;
use crate::store::{OpenMode, SqliteStore};
use offline::Offline;

/// How many events one read takes.
const EVENTS_PAGE: usize = 256;
/// How often an owner that does not answer is tried, and the pause between.
const OWNER_TRIES: u32 = 20;
const OWNER_PAUSE: Duration = Duration::from_millis(100);
/// How often a log that nobody announces changes of is looked at again.
const FOLLOW_POLL: Duration = Duration::from_millis(250);

/// The way to a project that is open to this process now.
#[derive(Debug)]
pub struct Access {
    way: Way,
    offline: Offline,
}

#[derive(Debug)]
enum Way {
    /// A process owns the project; maybe this very one.
    Owner(Client),
    /// Nobody does.
    Store(Arc<dyn Store>),
    /// Nobody does, and nothing was ever written.
    Nothing,
}

impl Access {
    /// Finds the way to a project: its running owner if there is one, else its store.
    ///
    /// # Errors
    ///
    /// When this process descends from a slot ([`Access::refuse_inside_slot`]), the owner cannot be spoken to, or there
    /// is none and the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn open(project: &Project) -> Result<Self, AccessError> {
        Self::refuse_inside_slot()?;
        let offline = Offline::new(project);
        if let Some(client) = Self::owner(project).await? {
            return Ok(Self { way: Way::Owner(client), offline });
        }
        let database = project.paths.database();
        if !database.exists() {
            return Ok(Self { way: Way::Nothing, offline });
        }
        let opened =
            tokio::task::spawn_blocking(move || SqliteStore::open(&database, OpenMode::Reader)).await;
        let store = opened.map_err(|error| Error::Internal(format!("opening the store failed: {error}")))?;
        let store = store.map_err(Error::from)?;
        Ok(Self { way: Way::Store(Arc::new(store)), offline })
    }

    /// The way to the owner, if it answers.
    ///
    /// An owner that was killed a moment ago may still seem to listen, until the processes that it was just starting have
    /// let go of its socket; such a connection is lost, and there is soon nobody to connect to.
    async fn owner(project: &Project) -> Result<Option<Client>, AccessError> {
        let mut tries = 1;
        loop {
            let answered = match Client::connect(&project.paths).await {
                Ok(None) => return Ok(None),
                Ok(Some(client)) => client.call(Request::Slots).await.map(|_| client),
                Err(error) => Err(error),
            };
            match answered {
                Ok(client) => return Ok(Some(client)),
                Err(error) if error.kind() == ClientErrorKind::Lost && tries < OWNER_TRIES => {
                    tries += 1;
                    tokio::time::sleep(OWNER_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Refuses a process that descends from a slot: an agent may not steer the mission that runs it, nor look into it.
    ///
    /// # Errors
    ///
    /// [`AccessError::InsideSlot`], which says how it shows.
    pub fn refuse_inside_slot() -> Result<(), AccessError> {
        match inside_slot() {
            None => Ok(()),
            Some(evidence) => Err(AccessError::InsideSlot { evidence }),
        }
    }

    /// Whether a mission runs.
    pub fn is_running(&self) -> bool {
        matches!(self.way, Way::Owner(_))
    }

    /// How the running mission stands; `None` when none runs.
    ///
    /// # Errors
    ///
    /// When the owner cannot be spoken to.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn status(&self) -> Result<Option<MissionStatus>, AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Status).await? {
                Response::Status(status) => Ok(Some(*status)),
                other => Err(unexpected(&other)),
            },
            Way::Store(_) | Way::Nothing => Ok(None),
        }
    }

    /// Tasks in the order of their submission.
    ///
    /// # Errors
    ///
    /// When the owner cannot be spoken to or the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn tasks(
        &self,
        statuses: &[TaskStatus],
        newest: Option<usize>,
    ) -> Result<Vec<Task>, AccessError> {
        let query = TaskQuery { statuses: statuses.to_vec(), newest };
        match &self.way {
            Way::Owner(client) => match client.call(Request::Tasks { filter: query }).await? {
                Response::Tasks(tasks) => Ok(tasks),
                other => Err(unexpected(&other)),
            },
            Way::Store(store) => Ok(store.tasks(TaskFilter::from(query)).await.map_err(Error::from)?),
            Way::Nothing => Ok(Vec::new()),
        }
    }

    /// One task.
    ///
    /// # Errors
    ///
    /// When there is none of that id; else as [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn task(&self, id: TaskId) -> Result<Task, AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Task { id }).await? {
                Response::Task(task) => Ok(*task),
                other => Err(unexpected(&other)),
            },
            Way::Store(store) => Ok(store.task(id).await.map_err(Error::from)?),
            Way::Nothing => Err(Error::Missing(format!("there is no task {id}")).into()),
        }
    }

    /// The task that a person means: a whole id, or a beginning or end of one that no other task has.
    ///
    /// # Errors
    ///
    /// As [`find`], and as [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn find_task(&self, text: &str) -> Result<Task, AccessError> {
        let tasks = self.tasks(&[], None).await?;
        let id = find("task", text, tasks.iter().map(|task| (task.id, task.request.prompt.as_str())))?;
        let found = tasks.into_iter().find(|task| task.id == id);
        found.ok_or_else(|| Error::Missing(format!("there is no task {id}")).into())
    }

    /// The slots, by id; without a running mission those of the last one.
    ///
    /// # Errors
    ///
    /// As [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn slots(&self) -> Result<Vec<Slot>, AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Slots).await? {
                Response::Slots(slots) => Ok(slots),
                other => Err(unexpected(&other)),
            },
            Way::Store(store) => Ok(store.slots().await.map_err(Error::from)?),
            Way::Nothing => Ok(Vec::new()),
        }
    }

    /// Questions to a person, oldest first; settled ones too if `all`.
    ///
    /// # Errors
    ///
    /// As [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn approvals(&self, all: bool) -> Result<Vec<Approval>, AccessError> {
        let filter = if all { ApprovalFilter::All } else { ApprovalFilter::Pending };
        match &self.way {
            Way::Owner(client) => match client.call(Request::Approvals { all }).await? {
                Response::Approvals(approvals) => Ok(approvals),
                other => Err(unexpected(&other)),
            },
            Way::Store(store) => Ok(store.approvals(filter).await.map_err(Error::from)?),
            Way::Nothing => Ok(Vec::new()),
        }
    }

    /// Messages, oldest first, at most `limit` of the newest.
    ///
    /// # Errors
    ///
    /// As [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn messages(&self, limit: usize) -> Result<Vec<Message>, AccessError> {
        match &self.way {
            Way::Nothing => Ok(Vec::new()),
            Way::Owner(client) => match client.call(Request::Messages { limit }).await? {
                Response::Messages(messages) => Ok(messages),
                other => Err(unexpected(&other)),
            },
            Way::Store(store) => Ok(store.messages(limit).await.map_err(Error::from)?),
        }
    }

    /// The log after `since`: to its present end, or as it grows.
    ///
    /// # Errors
    ///
    /// As [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn events(&self, since: Seq, follow: bool) -> Result<Events, AccessError> {
        let source = match &self.way {
            Way::Owner(client) => Source::Owner(Box::new(client.events(since, follow).await?)),
            Way::Store(store) => {
                Source::Store { store: store.clone(), since, follow, page: Vec::new().into_iter() }
            }
            Way::Nothing => Source::Nothing,
        };
        Ok(Events { source })
    }

    /// The number of the newest event.
    ///
    /// # Errors
    ///
    /// As [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn newest(&self) -> Result<Seq, AccessError> {
        match &self.way {
            Way::Owner(_) => Ok(self.status().await?.map_or(Seq(0), |status| status.newest)),
            Way::Store(store) => Ok(*store.newest().borrow()),
            Way::Nothing => Ok(Seq(0)),
        }
    }

    /// Why a slot is in the state that it is in.
    ///
    /// # Errors
    ///
    /// When there is no such slot, or no mission runs: only that one knows.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn explain(&self, slot: SlotId) -> Result<Explanation, AccessError> {
        match self.client("nobody can say what a slot does")?.call(Request::Explain { slot }).await? {
            Response::Explanation(explanation) => Ok(*explanation),
            other => Err(unexpected(&other)),
        }
    }

    /// Puts a task in the queue; it is on the disk when this returns. Without a mission it waits there for one.
    ///
    /// # Errors
    ///
    /// When the request makes no sense, no slot could ever take it, or it cannot be written.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the task may or may not have been submitted.
    pub async fn submit(&self, request: NewTask) -> Result<TaskId, AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Submit { request: Box::new(request) }).await? {
                Response::Submitted(id) => Ok(id),
                other => Err(unexpected(&other)),
            },
            Way::Store(_) | Way::Nothing => Ok(self.offline.submit(request).await?),
        }
    }

    /// Calls a task off; no process of it is left when this returns.
    ///
    /// # Errors
    ///
    /// When there is no such task, it is final already, or its processes do not end in time.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the task may or may not be cancelled.
    pub async fn cancel(&self, id: TaskId, reason: &str) -> Result<(), AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Cancel { id, reason: reason.to_owned() }).await?
            {
                Response::Done => Ok(()),
                other => Err(unexpected(&other)),
            },
            Way::Store(_) | Way::Nothing => Ok(self.offline.cancel(id, reason).await?),
        }
    }

    /// Submits a finished task's prompt again, as a new task.
    ///
    /// # Errors
    ///
    /// When there is no such task, it is not final, or as [`Access::submit`].
    ///
    /// # Cancel safety
    ///
    /// As [`Access::submit`].
    pub async fn retry(&self, id: TaskId) -> Result<TaskId, AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Retry { id }).await? {
                Response::Submitted(id) => Ok(id),
                other => Err(unexpected(&other)),
            },
            Way::Store(_) | Way::Nothing => {
                let task = self.task(id).await?;
                Ok(self.offline.retry(task).await?)
            }
        }
    }

    /// Waits until a task is final.
    ///
    /// # Errors
    ///
    /// When there is no such task, or no mission runs (and it is not final): then it would wait for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the task.
    pub async fn wait(&self, id: TaskId) -> Result<Task, AccessError> {
        match &self.way {
            Way::Owner(client) => match client.call(Request::Wait { id }).await? {
                Response::Task(task) => Ok(*task),
                other => Err(unexpected(&other)),
            },
            Way::Store(_) | Way::Nothing => {
                let task = self.task(id).await?;
                if task.status.is_final() {
                    return Ok(task);
                }
                Err(AccessError::NotRunning { so: format!("task {id} stays {}", task.status) })
            }
        }
    }

    /// Answers a question; the mission sees for itself who asks.
    ///
    /// # Errors
    ///
    /// When there is no such question, it is settled, or no mission runs: then nobody waits for the answer.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the answer may or may not have been given.
    pub async fn settle(
        &self,
        approval: ApprovalId,
        approve: bool,
        note: Option<String>,
    ) -> Result<Approval, AccessError> {
        let client = self.client("no agent waits for an answer")?;
        match client.call(Request::Settle { approval, approve, note }).await? {
            Response::Approval(approval) => Ok(*approval),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the agent in a slot; its task is cancelled.
    ///
    /// # Errors
    ///
    /// When there is no such slot, nobody is in it, or no mission runs.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the agent may or may not be ended.
    pub async fn stop_slot(&self, slot: SlotId) -> Result<(), AccessError> {
        match self.client("no agent is at work")?.call(Request::StopSlot { slot }).await? {
            Response::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Tells the mission to end, at once or when its queue is empty; returns when it has begun to.
    ///
    /// # Errors
    ///
    /// When no mission runs.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the mission may or may not end.
    pub async fn shut_down(&self, drain: bool) -> Result<(), AccessError> {
        match self.client("there is nothing to end")?.call(Request::Shutdown { drain }).await? {
            Response::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn client(&self, so: &str) -> Result<&Client, AccessError> {
        match &self.way {
            Way::Owner(client) => Ok(client),
            _ => Err(AccessError::NotRunning { so: so.to_owned() }),
        }
    }
}

/// The log of a project, read in order.
#[derive(Debug)]
pub struct Events {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Owner(Box<EventStream>),
    Store { store: Arc<dyn Store>, since: Seq, follow: bool, page: std::vec::IntoIter<Event> },
    Nothing,
}

impl Events {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Event>, AccessError> {
        match &mut self.source {
            Source::Owner(events) => Ok(events.next().await?),
            Source::Nothing => Ok(None),
            Source::Store { store, since, follow, page } => loop {
                if let Some(event) = page.next() {
                    *since = event.seq;
                    return Ok(Some(event));
                }
                let read = store.events(*since, EVENTS_PAGE).await.map_err(Error::from)?;
                if !read.is_empty() {
                    *page = read.into_iter();
                } else if *follow {
                    // The writer is another process, or there is none yet: nothing announces a change.
                    tokio::time::sleep(FOLLOW_POLL).await;
                } else {
                    return Ok(None);
                }
            },
        }
    }
}

/// A failed operation on a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// This process belongs to an agent.
    #[error(
        "an agent may not look into or steer the mission that runs it ({evidence}); run this outside the agent's slot"
    )]
    InsideSlot {
        /// How it shows.
        evidence: String,
    },
    /// No mission runs, and without one it cannot be done.
    #[error("no mission is running, so {so}; start one with `missiond up`")]
    NotRunning {
        /// What follows.
        so: String,
    },
    /// The owner said no or cannot be spoken to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operation itself failed.
    #[error(transparent)]
    Mission(#[from] Error),
}

impl AccessError {
    /// What sort of failure it was.
    pub fn kind(&self) -> AccessErrorKind {
        match self {
            Self::InsideSlot { .. } => AccessErrorKind::Denied,
            Self::NotRunning { .. } => AccessErrorKind::Core(ErrorKind::Missing),
            Self::Mission(error) => AccessErrorKind::Core(error.kind()),
            Self::Client(error) => match error.kind() {
                ClientErrorKind::TimedOut => AccessErrorKind::TimedOut,
                ClientErrorKind::Reply(ReplyKind::Denied) => AccessErrorKind::Denied,
                ClientErrorKind::Reply(ReplyKind::NotFound) => AccessErrorKind::Core(ErrorKind::Missing),
                ClientErrorKind::Reply(ReplyKind::Conflict | ReplyKind::Final) => {
                    AccessErrorKind::Core(ErrorKind::Conflict)
                }
                ClientErrorKind::Reply(ReplyKind::Invalid) => AccessErrorKind::Core(ErrorKind::Invalid),
                _ => AccessErrorKind::Core(ErrorKind::Other),
            },
        }
    }
}

/// What sort of failure it was, for a caller that must branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessErrorKind {
    /// The caller may not do this.
    Denied,
    /// The owner gives no answer.
    TimedOut,
    /// As a mission's own operation fails.
    Core(ErrorKind),
}

fn unexpected(response: &Response) -> AccessError {
    Error::Internal(format!("the mission gave an answer that does not belong to the question: {response:?}"))
        .into()
}
