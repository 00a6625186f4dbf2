//! Looking at a project.

use crate::access::events::{Events, Source};
use crate::access::{Access, AccessError, Way, find, unexpected};
use crate::control::{Explanation, MissionStatus, Request, Response, TaskCounts, TaskQuery};
use crate::error::Error;
use crate::find::find_task;
use crate::ids::{Seq, SlotId, TaskId};
use crate::model::{Approval, Message, Slot, Task, TaskStatus};
use crate::ports::{ApprovalFilter, TaskFilter};

impl Access {
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

    /// How many tasks there are of each status.
    ///
    /// # Errors
    ///
    /// As [`Access::tasks`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn task_counts(&self) -> Result<TaskCounts, AccessError> {
        match &self.way {
            Way::Owner(_) => Ok(self.status().await?.map(|status| status.tasks).unwrap_or_default()),
            Way::Store(store) => Ok(store.task_counts().await.map_err(Error::from)?.into_iter().collect()),
            Way::Nothing => Ok(TaskCounts::default()),
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
        if let Ok(id) = text.parse() {
            return self.task(id).await;
        }
        match &self.way {
            Way::Owner(client) => match client.call(Request::FindTask { text: text.to_owned() }).await? {
                Response::Task(task) => Ok(*task),
                other => Err(unexpected(&other)),
            },
            Way::Store(store) => {
                let id = find_task(&**store, text).await?;
                Ok(store.task(id).await.map_err(Error::from)?)
            }
            Way::Nothing => {
                let none: TaskId = find("task", text, [])?;
                self.task(none).await
            }
        }
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
}
