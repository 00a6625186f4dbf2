//! One try of one slot at one task, from the lease to the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::agents::AgentProfile;
use crate::ids::{SlotId, TaskId};
use crate::mission::gate::questions;
use crate::mission::panics::unpanicked;
use crate::mission::shared::{Interrupt, Occupied, Phase, Shared};
use crate::mission::sink::Sink;
use crate::model::{
    AgentStatus, Cause, EventBody, Lease, SlotConfig, Task, TaskResult, TaskStatus, WorkspaceRecord,
};
use crate::ports::{
    Agent, AgentStart, Change, DriverError, Finish, Retired, Seat, StoreError, StoreErrorKind, TurnError,
    TurnOutcome, Vacated, WorkspacesError, WorkspacesErrorKind,
};

/// How long to wait before the end of an attempt that could not be written is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(2);
/// How long starting an agent's process may take, its first screen not counted.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a workspace that is still in use is waited for, and how often it is tried.
const RETIRE_PATIENCE: Duration = Duration::from_secs(10);
const RETIRE_PAUSE: Duration = Duration::from_millis(100);
/// The most messages that the agent of one attempt may send.
const MAX_MESSAGES: u32 = 200;
/// How many reports of hooks may wait for a driver that is slow to hear them.
const REPORTS: usize = 256;

/// What the supervisor hands over.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) shared: Arc<Shared>,
    pub(super) task: Task,
    pub(super) slot: SlotConfig,
    pub(super) lease: Lease,
    /// From 1.
    pub(super) number: u32,
    pub(super) interrupted: watch::Receiver<Option<Interrupt>>,
}

/// How it went.
enum Ending {
    /// The holder has this to say.
    Finish(Finish),
    /// Somebody else has ended the task; this came out besides.
    EndedElsewhere(TaskResult),
    /// The task goes back to the queue.
    Requeue(String),
    /// The lease is lost: nothing may be said any more.
    Silent,
}

impl Attempt {
    /// Carries the attempt to its end. When this returns no process of it is left.
    pub(super) async fn run(mut self) {
        let _renewal = self.renew_lease();
        let ending = match unpanicked(self.perform()).await {
            Ok(ending) => ending,
            Err(panic) => {
                let reason = Some(format!("missiond itself failed: {panic}"));
                let result = TaskResult { cause: Some(Cause::Other), ..TaskResult::default() };
                Ending::Finish(Finish { status: TaskStatus::Failed, reason, result })
            }
        };
        let reason = match &ending {
            Ending::Finish(finish) => finish.reason.clone().unwrap_or_else(|| "its task is done".to_owned()),
            Ending::EndedElsewhere(_) => "its task was ended".to_owned(),
            Ending::Requeue(reason) => reason.clone(),
            Ending::Silent => "its lease went to another".to_owned(),
        };
        self.shared.seats().remove(&self.slot.id);
        self.conclude(ending).await;
        let vacated = Vacated { task: Some(self.task.id), status: AgentStatus::Stopped, reason };
        let vacate = |at| Change::VacateSlot { slot: self.slot.id.clone(), vacated: vacated.clone(), at };
        match self.write(vacate).await {
            Ok(()) => {}
            Err(error) if error.kind == StoreErrorKind::Stale => {}
            Err(error) => {
                tracing::error!(slot = %self.slot.id, error = %crate::error::chain(&error), "a slot could not be vacated");
            }
        }
    }

    async fn perform(&mut self) -> Ending {
        let begun = Instant::now();
        let occupy =
            Change::OccupySlot { slot: self.slot.id.clone(), task: self.task.id, at: self.shared.now() };
        if let Err(error) = self.shared.apply(occupy).await {
            return Ending::Requeue(format!("its slot could not be taken: {error}"));
        }
        let workspace = match self.prepare().await {
            Ok(workspace) => workspace,
            Err(reason) => {
                let failed = Err(TurnError::Workspace(reason));
                return self.settle(failed, None, TaskResult::default()).await;
            }
        };
        let mut result = TaskResult::default();
        let turn = match unpanicked(self.turn(&workspace, &mut result)).await {
            Ok(turn) => turn,
            Err(panic) => Err(TurnError::Other(format!("the driver failed: {panic}"))),
        };
        result.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let body = EventBody::TurnFinished { usage: result.usage.clone(), duration_ms: result.duration_ms };
        self.shared.note(Some(self.task.id), Some(&self.slot.id), body).await;
        self.settle(turn, Some(&workspace), result).await
    }

    /// Makes the directory where the agent works.
    async fn prepare(&mut self) -> Result<WorkspaceRecord, String> {
        let ports = &self.shared.config.ports;
        if let Some(left) = &self.task.workspace {
            // An earlier attempt's directory: what is in it is kept, and this one starts afresh.
            self.retire(left).await.map_err(|error| crate::error::chain(&error))?;
        }
        let workspace = self.create_workspace().await?;
        let change = Change::SetWorkspace {
            task: self.task.id,
            token: self.lease.token,
            workspace: workspace.clone(),
            at: self.shared.now(),
        };
        if let Err(error) = self.shared.apply(change).await {
            // Nobody would know of the directory any more.
            if let Err(error) = ports.workspaces.retire(&workspace).await {
                tracing::error!(name = %workspace.name, error = %crate::error::chain(&error), "a workspace is left over");
            }
            return Err(crate::error::chain(&error));
        }
        Ok(workspace)
    }

    /// Starts the agent and carries the turn through it. No process of it is left afterwards.
    async fn turn(
        &mut self,
        workspace: &WorkspaceRecord,
        result: &mut TaskResult,
    ) -> Result<TurnOutcome, TurnError> {
        let occupied = self.sit_down(workspace);
        let (reports, open_questions) = (occupied.reports.clone(), occupied.open_questions.clone());
        let start = self.agent_start(workspace, reports, open_questions).await?;
        let kind = self.slot.driver;
        let driver = self.shared.config.ports.drivers.iter().find(|driver| driver.kind() == kind).cloned();
        let driver =
            driver.ok_or_else(|| TurnError::Other(format!("this program has no driver `{kind}`")))?;
        // Not called off in the middle: what a dropped start leaves would end by itself, but nobody would know when.
        let mut agent: Box<dyn Agent> = match timeout(START_DEADLINE, driver.start(start)).await {
            Ok(agent) => agent?,
            Err(_) => {
                let text = format!("the agent did not start within {} s", START_DEADLINE.as_secs());
                return Err(DriverError::Other(text).into());
            }
        };
        let mut interrupted = self.interrupted.clone();
        let sink =
            Sink::new(self.shared.clone(), self.task.id, self.slot.id.clone(), self.lease.token, occupied);
        let outcome = tokio::select! {
            biased;
            _ = interrupted.wait_for(Option::is_some) => Err(TurnError::Cancelled),
            outcome = agent.turn(&self.task.request.prompt, &sink) => outcome,
        };
        self.stop(&mut *agent).await;
        let outcome = outcome.and_then(|outcome| sink.check_all_judged().map(|()| outcome));
        result.tool_calls = sink.tally.calls.load(Ordering::Relaxed);
        result.denied_calls = sink.tally.denied.load(Ordering::Relaxed);
        match &outcome {
            Ok(outcome) => {
                result.answer.clone_from(&outcome.answer);
                result.usage = outcome.usage.clone();
            }
            Err(TurnError::Agent { usage, .. }) => result.usage = usage.clone(),
            Err(_) => {}
        }
        outcome
    }

    async fn stop(&self, agent: &mut dyn Agent) {
        if let Err(error) = agent.stop().await {
            let text = format!("processes of the agent are left: {error}");
            self.shared.note(Some(self.task.id), Some(&self.slot.id), EventBody::Warning { text }).await;
        }
    }

    /// From here on the gate answers for this attempt.
    fn sit_down(&self, workspace: &WorkspaceRecord) -> Occupied {
        let seat = Seat::new(
            self.slot.id.clone(),
            self.slot.role.clone(),
            self.slot.agent.clone(),
            self.task.id,
            workspace.path.clone(),
            self.shared.config.root.clone(),
        );
        let occupied = Occupied {
            seat,
            asked: questions(),
            messages: Arc::new(AtomicU32::new(MAX_MESSAGES)),
            open_questions: Arc::default(),
            showing: Arc::default(),
            pid: Arc::default(),
            reports: tokio::sync::broadcast::Sender::new(REPORTS),
            verdicts: Arc::default(),
            interrupted: self.interrupted.clone(),
        };
        self.shared.seats().insert(self.slot.id.clone(), occupied.clone());
        occupied
    }

    async fn agent_start(
        &self,
        workspace: &WorkspaceRecord,
        reports: tokio::sync::broadcast::Sender<serde_json::Value>,
        open_questions: Arc<AtomicUsize>,
    ) -> Result<AgentStart, TurnError> {
        let shared = &self.shared;
        let broken = TurnError::Other;
        let profile = shared.config.profiles.get(&self.slot.agent).cloned();
        let profile =
            profile.ok_or_else(|| broken(format!("there is no agent kind `{}`", self.slot.agent)))?;
        let settings = self.write_files(&profile).await.map_err(broken)?;
        let tag = shared.paths.session_tag(&self.slot.id);
        let mut start = AgentStart::new(
            self.slot.id.clone(),
            self.task.id,
            profile,
            workspace.path.clone(),
            settings,
            tag,
            shared.config.ports.containment.clone(),
            shared.config.settings.turn_timeout,
        );
        start.args.clone_from(&self.slot.args);
        start.reports = Some(reports);
        start.open_questions = open_questions;
        let shared_directory = &shared.config.settings.shared_directory;
        start.env.push(("MISSIOND_SHARED_DIRECTORY".to_owned(), shared_directory.clone().into()));
        if let Some(earlier) = self.task.request.follow_up {
            let earlier = shared.store.task(earlier).await.map_err(|error| broken(error.to_string()))?;
            start.conversation = earlier.conversation;
            if start.conversation.is_none() {
                let text =
                    format!("task {} left no conversation to go on with; a new one is begun", earlier.id);
                shared.note(Some(self.task.id), Some(&self.slot.id), EventBody::Warning { text }).await;
            }
        }
        Ok(start)
    }

    /// Writes what the agent needs to find: the file that installs its hooks, whose path is given back, and the directory
    /// that all agents share.
    async fn write_files(&self, profile: &Arc<AgentProfile>) -> Result<PathBuf, String> {
        let (shared, slot, profile) = (self.shared.clone(), self.slot.id.clone(), profile.clone());
        let written = tokio::task::spawn_blocking(move || {
            let directory = &shared.config.settings.shared_directory;
            std::fs::create_dir_all(directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?;
            shared.write_hook_settings(&slot, &profile)
        });
        written.await.map_err(|error| format!("the agent's files could not be written: {error}"))?
    }

    /// Keeps the work, gives the directory back, and says how the attempt ended.
    async fn settle(
        &mut self,
        turn: Result<TurnOutcome, TurnError>,
        workspace: Option<&WorkspaceRecord>,
        mut result: TaskResult,
    ) -> Ending {
        // A turn that had ended before the mission was told to stop counts: doing it again would cost the same once more.
        let interrupt = self.interrupted.borrow().clone();
        let interrupt = interrupt.filter(|why| *why != Interrupt::Shutdown || turn.is_err());
        let mut problem = turn.as_ref().err().map(|error| crate::error::chain(error));
        result.cause = turn.as_ref().err().and_then(TurnError::cause);
        if let Some(workspace) = workspace {
            if turn.is_ok() && interrupt.is_none() {
                problem = self.commit(workspace, &mut result).await.err();
            }
            match self.retire(workspace).await {
                Ok(retired) => result.rescue = retired.rescue,
                Err(error) => {
                    let why = crate::error::chain(&error);
                    let lies = format!("the workspace {} is still there: {why}", workspace.path.display());
                    if problem.is_none() && interrupt.is_none() && error.kind == WorkspacesErrorKind::Busy {
                        // Its work is on its branch; somebody only stands in the directory.
                        let body = EventBody::Warning { text: lies };
                        self.shared.note(Some(self.task.id), Some(&self.slot.id), body).await;
                    } else {
                        problem = Some(problem.map_or(lies.clone(), |problem| format!("{problem}; {lies}")));
                    }
                }
            }
        }
        if problem.is_some() && turn.is_ok() {
            result.cause = Some(Cause::Workspace);
        }
        match interrupt {
            Some(Interrupt::Ended) => Ending::EndedElsewhere(result),
            Some(Interrupt::LeaseLost) => Ending::Silent,
            Some(Interrupt::Shutdown) => Ending::Requeue("the mission was shut down".to_owned()),
            None => {
                let status = if problem.is_none() { TaskStatus::Done } else { TaskStatus::Failed };
                Ending::Finish(Finish { status, reason: problem, result })
            }
        }
    }

    async fn commit(&self, workspace: &WorkspaceRecord, result: &mut TaskResult) -> Result<(), String> {
        let workspaces = &self.shared.config.ports.workspaces;
        let message = commit_message(&self.task);
        let committed = workspaces.commit(workspace, &message).await;
        let committed = committed
            .map_err(|error| format!("the work could not be committed: {}", crate::error::chain(&error)))?;
        if let Some(committed) = committed {
            let body = EventBody::WorkCommitted {
                branch: workspace.branch.clone(),
                commit: committed.commit.clone(),
                files: u32::try_from(committed.changed_files.len()).unwrap_or(u32::MAX),
            };
            self.shared.note(Some(self.task.id), Some(&self.slot.id), body).await;
            result.commit = Some(committed.commit);
            result.changed_files = committed.changed_files;
        }
        Ok(())
    }

    /// Gives a directory back, and waits a while for whoever stands in it.
    pub(super) async fn retire(&self, workspace: &WorkspaceRecord) -> Result<Retired, WorkspacesError> {
        let ports = &self.shared.config.ports;
        let begun = Instant::now();
        let retired = loop {
            match ports.workspaces.retire(workspace).await {
                Err(error)
                    if error.kind == WorkspacesErrorKind::Busy && begun.elapsed() < RETIRE_PATIENCE =>
                {
                    ports.clock.sleep(RETIRE_PAUSE).await;
                }
                retired => break retired?,
            }
        };
        let body =
            EventBody::WorkspaceRetired { name: workspace.name.clone(), rescue: retired.rescue.clone() };
        self.shared.note(Some(self.task.id), Some(&self.slot.id), body).await;
        if let Some(text) = retired.more() {
            self.shared.note(Some(self.task.id), Some(&self.slot.id), EventBody::Warning { text }).await;
        }
        Ok(retired)
    }

    /// Writes the ending down.
    async fn conclude(&self, ending: Ending) {
        let (task, token) = (self.task.id, self.lease.token);
        let amend =
            |result: TaskResult| move |_| Change::AmendResult { task, result: Box::new(result.clone()) };
        let written = match ending {
            Ending::Finish(finish) => {
                let change = |at| Change::FinishTask { task, token, finish: Box::new(finish.clone()), at };
                match self.write(change).await {
                    // Somebody ended it while its work was being put away, which is then worth knowing all the same.
                    Err(error) if error.kind == StoreErrorKind::Final => {
                        self.write(amend(finish.result)).await
                    }
                    written => written,
                }
            }
            Ending::EndedElsewhere(result) => self.write(amend(result)).await,
            Ending::Requeue(reason) => {
                let requeue =
                    |at| Change::RequeueTask { task, token: Some(token), reason: reason.clone(), at };
                self.write(requeue).await
            }
            Ending::Silent => Ok(()),
        };
        if let Err(error) = written {
            tracing::info!(%task, error = %crate::error::chain(&error), "the end of an attempt no longer counts");
        }
        self.shared.announce_settled();
    }

    /// Makes a change that must be made. If the disk is full it is tried until it is not, since everything else is
    /// already as the change says; or until the mission ends, whose next owner puts things right.
    async fn write(&self, change: impl Fn(jiff::Timestamp) -> Change) -> Result<(), StoreError> {
        let mut phase = self.shared.phase.subscribe();
        loop {
            let stopping = *phase.borrow_and_update() >= Phase::Stopping;
            match self.shared.apply(change(self.shared.now())).await {
                Err(error)
                    if !stopping && matches!(error.kind, StoreErrorKind::Full | StoreErrorKind::Io) =>
                {
                    tracing::error!(task = %self.task.id, error = %crate::error::chain(&error), "the end of an attempt could not be written");
                    tokio::select! {
                        () = self.shared.config.ports.clock.sleep(WRITE_AGAIN) => {}
                        _ = phase.changed() => {}
                    }
                }
                written => return written.map(drop),
            }
        }
    }

    /// Renews the lease for as long as what it gives back is kept.
    fn renew_lease(&self) -> Renewal {
        let shared = self.shared.clone();
        let (task, token) = (self.task.id, self.lease.token);
        let renewal = async move {
            let lease = shared.config.lease;
            loop {
                shared.config.ports.clock.sleep(lease / 3).await;
                let now = shared.now();
                let until = now.checked_add(lease).unwrap_or(now);
                match shared.apply(Change::RenewLease { task, token, until }).await {
                    Ok(_) => {}
                    Err(error) if matches!(error.kind, StoreErrorKind::Full | StoreErrorKind::Io) => {
                        tracing::warn!(%task, error = %crate::error::chain(&error), "a lease could not be renewed");
                    }
                    Err(error) => {
                        let why = match error.kind {
                            StoreErrorKind::Final => Interrupt::Ended,
                            _ => Interrupt::LeaseLost,
                        };
                        shared.interrupt(task, why);
                        return;
                    }
                }
            }
        };
        Renewal(tokio::spawn(renewal).abort_handle())
    }
}

/// Ends the renewal of a lease when it is dropped, however the attempt ends.
#[derive(Debug)]
struct Renewal(AbortHandle);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first line of the prompt as the subject, and the task's id, so that the commit leads back to its task.
fn commit_message(task: &Task) -> String {
    let line = task
        .request
        .prompt
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("Work of an agent");
    let subject = missiond_process::text::truncate(line, 72);
    format!("{}\n\nTask: {}\n", crate::text::escape_line(subject), task.id)
}

impl Shared {
    /// Writes the file that installs our hooks for the agent in a slot.
    fn write_hook_settings(&self, slot: &SlotId, profile: &AgentProfile) -> Result<PathBuf, String> {
        if !self.config.settings.enable_hooks {
            return Err("security.enable_hooks is false, and without hooks no agent is started".to_owned());
        }
        let Some(protocol) = profile.hooks else {
            return Err(format!(
                "{} has no hooks in its data file, so its tool calls cannot be judged",
                profile.name
            ));
        };
        let mut command = self.config.hook_command.clone();
        command.push("--gate".into());
        command.push(self.paths.gate_socket(slot).into());
        // The hook answers, with a no if need be, before the agent gives it up.
        let patience = self.config.hook_patience.min(crate::adapters::LONGEST_HOOK);
        let earlier = patience.saturating_sub(Duration::from_secs(15)).as_secs().max(1);
        command.extend(["--patience".into(), earlier.to_string().into()]);
        let text = crate::adapters::hook_settings(protocol, &command, patience)?;
        self.paths.write_hook_settings(slot, text.as_bytes()).map_err(|error| crate::error::chain(&error))
    }
}

/// Ends a task's attempt in the supervisor's books when it is dropped, however it ended.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) shared: Arc<Shared>,
    pub(super) task: TaskId,
    pub(super) over: watch::Sender<bool>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.live().remove(&self.task);
        self.over.send_replace(true);
        // Whoever waits for the task waits for this too.
        self.shared.announce_settled();
        self.shared.wake.notify_one();
    }
}
