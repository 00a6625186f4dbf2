//! The port to durable state: one transaction a change, one event log.

use std::fmt::Debug;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::ids::{ApprovalId, ConversationId, LeaseToken, Seq, SlotId, TaskId};
use crate::model::{
    AgentStatus, Approval, ApprovalStatus, Event, EventBody, Lease, Message, NewTask, Slot, SlotConfig, Task,
    TaskResult, TaskStatus, WorkspaceRecord,
};
use crate::ports::BoxFuture;

/// How many tasks are held at once to be counted.
const COUNTED_AT_ONCE: usize = 256;

/// Keeps the mission's state.
///
/// An implementor guarantees:
/// - [`Store::apply`] is one transaction: the change and its events are both there afterwards, or neither is.
/// - Changes are in one order, and their events have the numbers 1, 2, 3, … in that order, without a gap.
/// - A change for which [`Change::is_durable`] holds is on the disk when `apply` returns, power loss included. Any other
///   survives the end of the process, however sudden, once `apply` has returned.
/// - Guards are part of the transaction: a stale token, a final status or a taken slot is a typed error and changes
///   nothing.
/// - Unknown text in the database is an error, never a guess.
/// - A write by the holder of a lease (one with a token) is refused with [`StoreErrorKind::Final`] when the task is final,
///   whatever the token, and with [`StoreErrorKind::Stale`] when the token is not that of the task's present lease.
/// - When a task leaves [`TaskStatus::Running`] or becomes final, its pending questions expire in the same transaction:
///   whoever asked is gone. Their events come before the task's own.
/// - When `apply` returns, [`Store::newest`] and every read know of the change.
///
/// A caller may not assume that a read sees changes which were not yet applied, nor that a dropped `apply` future did not
/// take effect.
pub trait Store: Debug + Send + Sync {
    /// Makes one change.
    ///
    /// # Errors
    ///
    /// See [`StoreErrorKind`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the change may or may not take effect, but never in part.
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>>;

    /// One task.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::NotFound`] when there is none of that id.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Task, StoreError>>;

    /// Tasks in the order of their submission.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>, StoreError>>;

    /// One page of the tasks, in the order of their submission: for whoever must not hold all of them at once.
    ///
    /// What is here reads all of them and keeps the page; an implementor that may hold many does better.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::NotFound`] when the task that the page is to stand beside is not there.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn task_page(&self, page: TaskPage) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        Box::pin(async move {
            let mut tasks = self.tasks(TaskFilter::default()).await?;
            let place = match page.start {
                PageStart::Oldest | PageStart::Newest => None,
                PageStart::After(id) | PageStart::Before(id) => {
                    let place = tasks.iter().position(|task| task.id == id);
                    let missing =
                        || StoreError::new(StoreErrorKind::NotFound, format!("there is no task {id}"));
                    Some(place.ok_or_else(missing)?)
                }
            };
            match (page.start, place) {
                (PageStart::After(_), Some(place)) => drop(tasks.drain(..=place)),
                (PageStart::Before(_), Some(place)) => tasks.truncate(place),
                _ => {}
            }
            tasks.retain(|task| page.statuses.is_empty() || page.statuses.contains(&task.status));
            match page.start {
                PageStart::Oldest | PageStart::After(_) => tasks.truncate(page.limit),
                PageStart::Newest | PageStart::Before(_) => {
                    drop(tasks.drain(..tasks.len().saturating_sub(page.limit)));
                }
            }
            Ok(tasks)
        })
    }

    /// How many tasks there are of each status, in the order of a task's life; a status without a task may be left out.
    ///
    /// What is here reads the tasks page by page; an implementor that can count does better.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn task_counts(&self) -> BoxFuture<'_, Result<Vec<(TaskStatus, u64)>, StoreError>> {
        Box::pin(async move {
            let mut counts = TaskStatus::ALL.map(|status| (status, 0));
            let mut page = TaskPage::new(PageStart::Oldest, COUNTED_AT_ONCE);
            loop {
                let tasks = self.task_page(page.clone()).await?;
                let Some(last) = tasks.last() else { return Ok(counts.to_vec()) };
                page.start = PageStart::After(last.id);
                for task in tasks {
                    let count = counts.iter_mut().find(|(status, _)| *status == task.status);
                    count.expect("`ALL` has every status").1 += 1;
                }
            }
        })
    }

    /// All slots, by id.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn slots(&self) -> BoxFuture<'_, Result<Vec<Slot>, StoreError>>;

    /// Questions to a person, oldest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn approvals(&self, filter: ApprovalFilter) -> BoxFuture<'_, Result<Vec<Approval>, StoreError>>;

    /// The newest messages, at most `limit`, oldest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn messages(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Message>, StoreError>>;

    /// Events with a number above `since`, in order, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    fn events(&self, since: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>>;

    /// The number of the newest event, as a value that can be waited on.
    ///
    /// It is a wake-up and nothing more: whoever missed some of its values reads [`Store::events`] from the number it
    /// had.
    fn newest(&self) -> watch::Receiver<Seq>;
}

/// One change of state, with what it must be guarded against.
///
/// Text that tells why or by whom is cut as by [`event_text`](crate::model::event_text) rather than refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Puts a task in the queue. Refused with [`StoreErrorKind::Conflict`] when there is one of that id, even if it asks
    /// for the same; with [`StoreErrorKind::Invalid`] when a bound of [`NewTask`] is broken; with
    /// [`StoreErrorKind::NotFound`] when a task that it depends on or follows is missing. Durable.
    SubmitTask {
        /// The task's name.
        id: TaskId,
        /// What is asked for.
        request: Box<NewTask>,
        /// When.
        at: Timestamp,
    },
    /// Gives a queued task to a slot. Fails with [`StoreErrorKind::Conflict`] unless the task is queued and no other
    /// running task is leased to the slot.
    LeaseTask {
        /// Which task.
        task: TaskId,
        /// To whom.
        slot: SlotId,
        /// When.
        at: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// Lengthens a lease; an earlier end than it has changes nothing. Writes no event: that a lease goes on is no history.
    RenewLease {
        /// Which task.
        task: TaskId,
        /// The holder's token.
        token: LeaseToken,
        /// Until when.
        until: Timestamp,
    },
    /// Puts a running task back in the queue. With `token: None` only a lease that has ended by `at` is taken away
    /// ([`StoreErrorKind::Conflict`] otherwise). The slot stays as it is.
    RequeueTask {
        /// Which task.
        task: TaskId,
        /// The holder's token.
        token: Option<LeaseToken>,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Puts every running task back in the queue, vacates every slot and expires every pending approval: what a new owner
    /// does about an owner that died. Durable.
    TakeOverLeases {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Ends a running task, by its holder. An answer over [`TaskResult::MAX_ANSWER_BYTES`] is cut. Durable.
    FinishTask {
        /// Which task.
        task: TaskId,
        /// The holder's token.
        token: LeaseToken,
        /// How.
        finish: Box<Finish>,
        /// When.
        at: Timestamp,
    },
    /// Ends a task that is not final, whoever holds it, as cancelled or failed: a person's wish, a deadline, a dependency
    /// that failed. A lease on it ends, and whatever its holder writes later is refused with [`StoreErrorKind::Final`].
    /// Durable.
    EndTask {
        /// Which task.
        task: TaskId,
        /// [`TaskStatus::Cancelled`] or [`TaskStatus::Failed`]; anything else is refused.
        status: TaskStatus,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Adds what came out of a task that somebody else ended while its holder was at work: the commit, the rescue ref,
    /// the cost. The status stays. Writes no event of its own. Refused with [`StoreErrorKind::Conflict`] while the task is
    /// not final, and with [`StoreErrorKind::Final`] when it has a result: the first one stays.
    AmendResult {
        /// Which task.
        task: TaskId,
        /// What came out.
        result: Box<TaskResult>,
    },
    /// Notes where the holder of a task works.
    SetWorkspace {
        /// Which task.
        task: TaskId,
        /// The holder's token.
        token: LeaseToken,
        /// Where.
        workspace: WorkspaceRecord,
        /// When.
        at: Timestamp,
    },
    /// Notes the conversation that the holder's agent named.
    SetConversation {
        /// Which task.
        task: TaskId,
        /// The holder's token.
        token: LeaseToken,
        /// Which conversation.
        conversation: ConversationId,
        /// When.
        at: Timestamp,
    },
    /// Makes the slots those of the configuration: new ones vacant, changed ones changed, missing ones gone unless they
    /// hold a running task (then [`StoreErrorKind::Conflict`]). Every slot is vacant afterwards except those of running
    /// tasks. An id given twice is [`StoreErrorKind::Invalid`]. Writes no event.
    ConfigureSlots {
        /// The slots.
        slots: Vec<SlotConfig>,
        /// When.
        at: Timestamp,
    },
    /// Takes a vacant slot (stopped, exited or idle, and without a task) for a task: compare-and-set to starting.
    /// [`StoreErrorKind::Conflict`] otherwise. The task has to be leased to the slot: [`StoreErrorKind::Stale`] if it is
    /// not, [`StoreErrorKind::Final`] if it is over.
    OccupySlot {
        /// Which slot.
        slot: SlotId,
        /// For which task.
        task: TaskId,
        /// When.
        at: Timestamp,
    },
    /// Notes what the occupant of a slot does. Refused with [`StoreErrorKind::Stale`] unless the slot is occupied for
    /// that task.
    SetAgentStatus {
        /// Which slot.
        slot: SlotId,
        /// Whose turn it is.
        task: TaskId,
        /// What it does.
        status: AgentStatus,
        /// What shows it.
        evidence: String,
        /// Its process.
        pid: Option<u32>,
        /// When.
        at: Timestamp,
    },
    /// Makes a slot vacant, whatever it was.
    VacateSlot {
        /// Which slot.
        slot: SlotId,
        /// Why and for whom.
        vacated: Vacated,
        /// When.
        at: Timestamp,
    },
    /// Asks a person. Refused with [`StoreErrorKind::Final`] when the task is final, and with [`StoreErrorKind::Stale`]
    /// when it does not run in the slot that asks. Durable.
    OpenApproval {
        /// The question.
        approval: Box<Approval>,
    },
    /// Settles a question; [`StoreErrorKind::Final`] when it is settled already, or when the answer is yes and comes at
    /// its expiry or later. Durable.
    SettleApproval {
        /// Which one.
        approval: ApprovalId,
        /// How; anything but [`ApprovalStatus::Pending`].
        status: ApprovalStatus,
        /// By whom.
        by: String,
        /// What the answerer says to the agent.
        note: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Sends a message. Refused with [`StoreErrorKind::Conflict`] when there is one of that id, and with
    /// [`StoreErrorKind::Invalid`] when it is over [`Message::MAX_TEXT_BYTES`].
    SendMessage {
        /// The message.
        message: Box<Message>,
    },
    /// Appends events that change nothing else, all or none. Bodies that belong to another change (a status, a lease, an
    /// approval) are refused with [`StoreErrorKind::Invalid`].
    Note {
        /// The task that they are about.
        task: Option<TaskId>,
        /// The slot that they are about.
        slot: Option<SlotId>,
        /// What happened.
        bodies: Vec<EventBody>,
        /// When.
        at: Timestamp,
    },
}

impl Change {
    /// Whether the change must be on the disk before it is acknowledged.
    pub fn is_durable(&self) -> bool {
        matches!(
            self,
            Self::SubmitTask { .. }
                | Self::TakeOverLeases { .. }
                | Self::FinishTask { .. }
                | Self::EndTask { .. }
                | Self::OpenApproval { .. }
                | Self::SettleApproval { .. }
        )
    }
}

/// How the holder of a task ends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// [`TaskStatus::Done`], [`TaskStatus::Failed`] or [`TaskStatus::Cancelled`].
    pub status: TaskStatus,
    /// Why, unless done.
    pub reason: Option<String>,
    /// What came out.
    pub result: TaskResult,
}

/// How a slot became vacant.
#[derive(Clone, Debug, PartialEq)]
pub struct Vacated {
    /// Only when the slot is occupied for this task; `None` for whatever it holds.
    pub task: Option<TaskId>,
    /// [`AgentStatus::Stopped`] or [`AgentStatus::Exited`].
    pub status: AgentStatus,
    /// Why.
    pub reason: String,
}

/// What a change did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Applied {
    /// The number of the last event that it wrote; of the newest one before it if it wrote none.
    pub seq: Seq,
    /// The lease that [`Change::LeaseTask`] gave.
    pub lease: Option<Lease>,
    /// Which try it is, for [`Change::LeaseTask`].
    pub attempt: Option<u32>,
}

/// Which tasks to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFilter {
    /// Only these statuses; empty for all.
    pub statuses: Vec<TaskStatus>,
    /// At most so many, the newest; `None` for all.
    pub newest: Option<usize>,
}

impl TaskFilter {
    /// Tasks that are not final.
    pub fn live() -> Self {
        Self { statuses: vec![TaskStatus::Queued, TaskStatus::Running], newest: None }
    }
}

/// Which page of the tasks to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskPage {
    /// Only these statuses; empty for all.
    pub statuses: Vec<TaskStatus>,
    /// Where it stands.
    pub start: PageStart,
    /// At most so many.
    pub limit: usize,
}

impl TaskPage {
    /// A page of tasks of every status.
    pub fn new(start: PageStart, limit: usize) -> Self {
        Self { statuses: Vec::new(), start, limit }
    }
}

/// Where a page of the tasks stands, in the order of their submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageStart {
    /// At the first task.
    Oldest,
    /// Right after this task, whatever its status.
    After(TaskId),
    /// It ends with the last task.
    Newest,
    /// It ends right before this task, whatever its status.
    Before(TaskId),
}

/// Which questions to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApprovalFilter {
    /// Those that wait for an answer.
    Pending,
    /// All.
    All,
    /// This one.
    One(ApprovalId),
}

/// A failed read or change.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What a caller may branch on.
    pub kind: StoreErrorKind,
    /// What went wrong and what to do, naming the thing.
    pub message: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error with nothing beneath it.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }
}

/// What sort of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// There is no such task, slot or question.
    NotFound,
    /// Somebody else holds what was to be taken.
    Conflict,
    /// The token is not the newest, or the slot is occupied for another task.
    Stale,
    /// The task or question is final.
    Final,
    /// The change makes no sense, or a value is over its bound.
    Invalid,
    /// The database was written by a newer missiond.
    NewerVersion,
    /// The database holds something that cannot be read.
    Corrupt,
    /// The disk is full.
    Full,
    /// Anything else that the disk or the database said.
    Io,
    /// The store was closed.
    Closed,
}
