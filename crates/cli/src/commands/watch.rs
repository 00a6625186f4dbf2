//! Following some tasks to their end.

use missiond_core::access::{AccessError, Events, Session};
use missiond_core::{Approval, ApprovalId, Cause, Event, EventBody, Seq, Task, TaskId, TaskStatus};

use crate::commands::board::Board;
use crate::exit::Exit;

/// Tasks that are being followed, from an event on.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Their lines.
    pub(crate) board: Board,
    tasks: Vec<TaskId>,
    unfinished: Vec<TaskId>,
    since: Seq,
    events: Option<Events>,
}

impl Watch {
    /// Begins before the tasks are submitted, so that none of their events is missed.
    pub(crate) fn new(since: Seq) -> Self {
        Self { board: Board::new(), tasks: Vec::new(), unfinished: Vec::new(), since, events: None }
    }

    /// Takes a task in, under a name that must be escaped.
    pub(crate) fn add(&mut self, task: TaskId, name: String) {
        self.board.add(task, name);
        self.tasks.push(task);
        self.unfinished.push(task);
    }

    pub(crate) fn tasks(&self) -> &[TaskId] {
        &self.tasks
    }

    /// The next event about one of the tasks; `None` when each of them is final. When the mission ends before, another
    /// one takes its place.
    pub(crate) async fn next(&mut self, session: &mut Session) -> anyhow::Result<Option<Event>> {
        while !self.unfinished.is_empty() {
            let read = match &mut self.events {
                Some(events) => events.next().await,
                None => match session.access().events(self.since, true).await {
                    Ok(events) => {
                        self.events = Some(events);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match read {
                Ok(Some(event)) => {
                    self.since = event.seq;
                    let Some(task) = event.task.filter(|task| self.tasks.contains(task)) else { continue };
                    if matches!(event.body, EventBody::TaskFinished { .. }) {
                        self.unfinished.retain(|other| *other != task);
                    }
                    self.board.observe(&event);
                    return Ok(Some(event));
                }
                Ok(None) => {}
                Err(error) if error.owner_is_gone() => {}
                Err(error) => return Err(error.into()),
            }
            self.events = None;
            session.ensure().await?;
        }
        Ok(None)
    }

    /// What became of the tasks; returns when no process of theirs is left.
    pub(crate) async fn results(&self, session: &mut Session) -> anyhow::Result<Vec<Task>> {
        let mut results = Vec::new();
        for id in &self.tasks {
            results.push(loop {
                match session.access().wait(*id).await {
                    Ok(task) => break task,
                    Err(error) if error.owner_is_gone() => session.ensure().await?,
                    Err(error) => return Err(error.into()),
                }
            });
        }
        Ok(results)
    }
}

/// The question that an event speaks of, if it still waits for an answer.
pub(crate) async fn question(session: &Session, id: ApprovalId) -> Result<Option<Approval>, AccessError> {
    let pending = session.access().approvals(false).await?;
    Ok(pending.into_iter().find(|approval| approval.id == id))
}

/// The exit code for what became of some tasks.
pub(crate) fn exit_of(tasks: &[Task]) -> Exit {
    let failed: Vec<&Task> = tasks.iter().filter(|task| task.status != TaskStatus::Done).collect();
    if failed.is_empty() {
        Exit::OK
    } else if failed.iter().any(|task| ran_out_of_time(task)) {
        Exit::TIMEOUT
    } else if failed.iter().all(|task| cause(task) == Some(Cause::PolicyBypassed)) {
        Exit::DENIED
    } else if failed.iter().all(|task| cause(task) == Some(Cause::ProgramMissing)) {
        Exit::MISSING
    } else {
        Exit::FAILURE
    }
}

fn ran_out_of_time(task: &Task) -> bool {
    let deadline = task.request.deadline;
    let late = deadline.is_some_and(|deadline| task.finished_at.is_some_and(|finished| deadline <= finished));
    task.status == TaskStatus::Failed && (late || cause(task) == Some(Cause::TimedOut))
}

fn cause(task: &Task) -> Option<Cause> {
    task.result.as_ref().and_then(|result| result.cause)
}
