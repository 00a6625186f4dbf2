//! Changing something in a project.

use crate::access::{Access, AccessError, Way, unexpected};
use crate::control::{Request, Response};
use crate::ids::{ApprovalId, SlotId, TaskId};
use crate::model::{Approval, NewTask, Task};

impl Access {
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
}
