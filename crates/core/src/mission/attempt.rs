//! One try of one slot at one task, from the lease to the end.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::ids::{SlotId, TaskId};
use crate::mission::shared::{Interrupt, Occupied, Shared};
use crate::mission::sink::Sink;
use crate::model::{
    AgentStatus, EventBody, Lease, SlotConfig, Task, TaskResult, TaskStatus, WorkspaceRecord,
};
use crate::ports::{
    Agent, AgentStart, Change, Finish, Seat, StoreError, StoreErrorKind, TurnError, TurnOutcome, Vacated,
    WorkspaceRequest,
};

/// How long to wait before a final status that could not be written is written again.
const FINISH_RETRY: Duration = Duration::from_secs(2);

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
        let renewal = self.renew_lease();
        let ending = self.perform().await;
        let reason = match &ending {
            Ending::Finish(finish) => finish.reason.clone().unwrap_or_else(|| "its task is done".to_owned()),
            Ending::EndedElsewhere(_) => "its task was ended".to_owned(),
            Ending::Requeue(reason) => reason.clone(),
            Ending::Silent => "its lease went to another".to_owned(),
        };
        self.shared.seats().remove(&self.slot.id);
        self.conclude(ending).await;
        renewal.abort();
        let vacated = Vacated { task: Some(self.task.id), status: AgentStatus::Stopped, reason };
        let change = Change::VacateSlot { slot: self.slot.id.clone(), vacated, at: self.shared.now() };
        match self.shared.apply(change).await {
            Ok(_) => {}
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
            Err(reason) => return self.settle(Err(reason), None, TaskResult::default()).await,
        };
        let mut result = TaskResult::default();
        let turn = self.turn(&workspace, &mut result).await;
        result.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.settle(turn, Some(&workspace), result).await
    }

    /// Makes the directory where the agent works.
    async fn prepare(&mut self) -> Result<WorkspaceRecord, TurnError> {
        let ports = &self.shared.config.ports;
        let failed = |error: &dyn std::error::Error| TurnError::Protocol(crate::error::chain(error));
        if let Some(left) = &self.task.workspace {
            // An earlier attempt's directory: what is in it is kept, and this one starts afresh.
            let retired = ports.workspaces.retire(left).await.map_err(|error| failed(&error))?;
            let body = EventBody::WorkspaceRetired { name: left.name.clone(), rescue: retired.rescue };
            self.shared.note(Some(self.task.id), Some(&self.slot.id), body).await;
        }
        let request = self.workspace_request().await.map_err(|error| failed(&error))?;
        let workspace = ports.workspaces.create(request).await.map_err(|error| failed(&error))?;
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
            return Err(failed(&error));
        }
        Ok(workspace)
    }

    async fn workspace_request(&self) -> Result<WorkspaceRequest, StoreError> {
        let settings = &self.shared.config.settings;
        if let Some(earlier) = self.task.request.follow_up {
            let earlier = self.shared.store.task(earlier).await?;
            if let Some(workspace) = earlier.workspace {
                let mut request = WorkspaceRequest::new(workspace.name, workspace.path, workspace.branch);
                request.base = Some(workspace.base);
                request.resume = true;
                return Ok(request);
            }
        }
        let mut issue = self.task.request.issue.clone().unwrap_or_else(|| self.task.id.short());
        if self.number > 1 {
            issue.push_str(&format!("-{}", self.number));
        }
        let repository =
            self.shared.config.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = settings.naming_pattern.replace("{repo}", &repository).replace("{issue_id}", &issue);
        let path = settings.workspace_base.join(&name);
        Ok(WorkspaceRequest::new(name, path, format!("{}/{issue}", settings.branch_prefix)))
    }

    /// Starts the agent and carries the turn through it. No process of it is left afterwards.
    async fn turn(
        &mut self,
        workspace: &WorkspaceRecord,
        result: &mut TaskResult,
    ) -> Result<TurnOutcome, TurnError> {
        let occupied = self.sit_down(workspace);
        let start = self.agent_start(workspace, occupied.reports.clone()).await?;
        let kind = self.slot.driver;
        let driver = self.shared.config.ports.drivers.iter().find(|driver| driver.kind() == kind).cloned();
        let driver =
            driver.ok_or_else(|| TurnError::Protocol(format!("this program has no driver `{kind}`")))?;
        let mut interrupted = self.interrupted.clone();
        let mut agent: Box<dyn Agent> = tokio::select! {
            agent = driver.start(start) => agent?,
            _ = interrupted.wait_for(Option::is_some) => return Err(TurnError::Cancelled),
        };
        let sink =
            Sink::new(self.shared.clone(), self.task.id, self.slot.id.clone(), self.lease.token, occupied);
        let outcome = tokio::select! {
            outcome = agent.turn(&self.task.request.prompt, &sink) => outcome,
            _ = interrupted.wait_for(Option::is_some) => Err(TurnError::Cancelled),
        };
        if let Err(error) = agent.stop().await {
            let text = format!("processes of the agent are left: {error}");
            self.shared.note(Some(self.task.id), Some(&self.slot.id), EventBody::Warning { text }).await;
        }
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
            pid: Arc::default(),
            reports: tokio::sync::broadcast::Sender::new(REPORTS),
            verdicts: Arc::new(Mutex::new(HashMap::new())),
            interrupted: self.interrupted.clone(),
        };
        self.shared.seats().insert(self.slot.id.clone(), occupied.clone());
        occupied
    }

    async fn agent_start(
        &self,
        workspace: &WorkspaceRecord,
        reports: tokio::sync::broadcast::Sender<serde_json::Value>,
    ) -> Result<AgentStart, TurnError> {
        let shared = &self.shared;
        let broken = |text: String| TurnError::Protocol(text);
        let profile = shared.config.profiles.get(&self.slot.agent).cloned();
        let profile =
            profile.ok_or_else(|| broken(format!("there is no agent kind `{}`", self.slot.agent)))?;
        let settings = shared.write_hook_settings(&self.slot.id, &profile).map_err(broken)?;
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
        let shared_directory = &shared.config.settings.shared_directory;
        std::fs::create_dir_all(shared_directory)
            .map_err(|error| broken(format!("{}: {error}", shared_directory.display())))?;
        start.env.push(("MISSIOND_SHARED_DIRECTORY".to_owned(), shared_directory.clone().into()));
        if let Some(earlier) = self.task.request.follow_up {
            let earlier = shared.store.task(earlier).await.map_err(|error| broken(error.to_string()))?;
            start.conversation = earlier.conversation;
        }
        Ok(start)
    }

    /// Keeps the work, gives the directory back, and says how the attempt ended.
    async fn settle(
        &mut self,
        turn: Result<TurnOutcome, TurnError>,
        workspace: Option<&WorkspaceRecord>,
        mut result: TaskResult,
    ) -> Ending {
        let interrupt = self.interrupted.borrow().clone();
        let mut problem = turn.as_ref().err().map(|error| crate::error::chain(error));
        if let Some(workspace) = workspace {
            if turn.is_ok() && interrupt.is_none() {
                problem = self.commit(workspace, &mut result).await.err();
            }
            if let Err(error) = self.retire(workspace, &mut result).await {
                let lies = format!("the workspace {} is still there: {error}", workspace.path.display());
                problem = Some(problem.map_or(lies.clone(), |problem| format!("{problem}; {lies}")));
            }
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

    async fn retire(&self, workspace: &WorkspaceRecord, result: &mut TaskResult) -> Result<(), String> {
        let retired = self.shared.config.ports.workspaces.retire(workspace).await;
        let retired = retired.map_err(|error| crate::error::chain(&error))?;
        let body =
            EventBody::WorkspaceRetired { name: workspace.name.clone(), rescue: retired.rescue.clone() };
        self.shared.note(Some(self.task.id), Some(&self.slot.id), body).await;
        result.rescue = retired.rescue;
        Ok(())
    }

    /// Writes the ending down. A final status that cannot be written (a full disk) is tried until it can, since
    /// everything else is already as it says.
    async fn conclude(&self, ending: Ending) {
        loop {
            let at = self.shared.now();
            let (task, token) = (self.task.id, self.lease.token);
            let change = match &ending {
                Ending::Finish(finish) => {
                    Change::FinishTask { task, token, finish: Box::new(finish.clone()), at }
                }
                Ending::EndedElsewhere(result) => {
                    Change::AmendResult { task, result: Box::new(result.clone()) }
                }
                Ending::Requeue(reason) => {
                    Change::RequeueTask { task, token: Some(token), reason: reason.clone(), at }
                }
                Ending::Silent => break,
            };
            match self.shared.apply(change).await {
                Ok(_) => break,
                Err(error) if matches!(error.kind, StoreErrorKind::Full | StoreErrorKind::Io) => {
                    tracing::error!(%task, error = %crate::error::chain(&error), "the end of a task could not be written");
                    self.shared.config.ports.clock.sleep(FINISH_RETRY).await;
                }
                Err(error) => {
                    tracing::info!(%task, error = %crate::error::chain(&error), "the end of an attempt no longer counts");
                    break;
                }
            }
        }
        self.shared.announce_settled();
    }

    /// Renews the lease for as long as the attempt goes on.
    fn renew_lease(&self) -> AbortHandle {
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
        tokio::spawn(renewal).abort_handle()
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
    fn write_hook_settings(
        &self,
        slot: &SlotId,
        profile: &crate::agents::AgentProfile,
    ) -> Result<std::path::PathBuf, String> {
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
        let patience = self.config.hook_patience;
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
