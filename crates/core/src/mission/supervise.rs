//! The loop that carries the scheduler's decisions out and owns every attempt.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::chain;
use crate::ids::{SlotId, TaskId};
use crate::mission::attempt::{Attempt, Registration};
use crate::mission::shared::{Interrupt, Live, Phase, Shared};
use crate::model::{EventBody, SlotConfig, Task, TaskStatus};
use crate::ports::{Change, PageStart, StoreError, TaskFilter, TaskPage};
use crate::scheduler::{self, Decision, State};

/// How long to wait before looking again when the store could not be read, or nothing was to be done.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long to wait when something that was decided could not be done, say because the disk is full.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// The shortest wait for a moment that is known: one that has just passed was decided about already.
const SHORTEST: Duration = Duration::from_millis(20);

/// How many tasks are held whole at once.
const TASKS_AT_ONCE: usize = 64;

/// Runs until the mission is closed. Dropping the future ends every attempt's processes.
pub(super) async fn supervise(shared: Arc<Shared>) {
    let mut attempts = JoinSet::new();
    let mut known = Known::default();
    let mut phase = shared.phase.subscribe();
    loop {
        let now_phase = *phase.borrow_and_update();
        let mut pause = LOOK_AGAIN;
        match now_phase {
            Phase::Open | Phase::Draining => match step(&shared, &mut attempts, &mut known).await {
                Ok(Step { state, decided, all_done }) => {
                    let stuck = scheduler::stuck(&state);
                    // What was decided may have made others ready, or sure to fail.
                    let idle = attempts.is_empty() && decided.is_empty() && state.live.len() == stuck.len();
                    tell_stuck(&shared, stuck.into_iter().filter(|(task, _)| !decided.contains(task))).await;
                    if now_phase == Phase::Draining && idle {
                        shared.close().await;
                        return;
                    }
                    pause = until_next(&shared, &state).min(LOOK_AGAIN);
                    if !all_done {
                        pause = pause.max(TRY_AGAIN);
                    }
                }
                Err(error) => tracing::error!(error = %chain(&error), "the queue could not be read"),
            },
            Phase::Stopping | Phase::Closed => {
                let live: Vec<TaskId> = shared.live().keys().copied().collect();
                for task in live {
                    shared.interrupt(task, Interrupt::Shutdown);
                }
                if attempts.is_empty() {
                    shared.close().await;
                    return;
                }
            }
        }
        let (refusals, next) = shared.refusals.take();
        for (slot, body) in refusals {
            shared.note(None, slot.as_ref(), body).await;
        }
        pause = pause.min(next.unwrap_or(pause)).max(SHORTEST);
        let clock = shared.config.ports.clock.clone();
        tokio::select! {
            () = shared.wake.notified() => {}
            () = clock.sleep(pause) => {}
            _ = phase.changed() => {}
            Some(ended) = attempts.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!(%error, "an attempt panicked");
                }
            }
        }
    }
}

/// Says once of each task that no slot can take it, and to whoever waits for it.
async fn tell_stuck(shared: &Shared, stuck: impl Iterator<Item = (TaskId, String)>) {
    let now: HashMap<TaskId, String> = stuck.collect();
    let before = std::mem::replace(&mut *shared.stuck(), now.clone());
    let mut new: Vec<_> = now.into_iter().filter(|(task, _)| !before.contains_key(task)).collect();
    if new.is_empty() {
        return;
    }
    shared.announce_settled();
    new.sort();
    for (task, reason) in new {
        let text = format!("the task stays in the queue: {reason}");
        shared.note(Some(task), None, EventBody::Warning { text }).await;
    }
}

fn until_next(shared: &Shared, state: &State) -> Duration {
    let Some(next) = scheduler::next_change(state) else { return LOOK_AGAIN };
    let left = next.duration_since(shared.now());
    Duration::try_from(left).unwrap_or_default()
}

/// What one round of the loop came to.
struct Step {
    /// As it was before the decisions.
    state: State,
    /// The tasks that they were about.
    decided: HashSet<TaskId>,
    /// Whether all of them could be carried out.
    all_done: bool,
}

/// Reads the state, decides, and carries the decisions out.
async fn step(
    shared: &Arc<Shared>,
    attempts: &mut JoinSet<()>,
    known: &mut Known,
) -> Result<Step, StoreError> {
    let state = read_state(shared, known).await?;
    let plan = scheduler::plan(&state, shared.now());
    let (mut decided, mut all_done) = (HashSet::new(), true);
    for decision in plan {
        decided.insert(decision.task());
        let at = shared.now();
        let outcome = match decision {
            Decision::Lease { task, slot } => lease(shared, attempts, &state, task, &slot).await,
            Decision::Requeue { task } => requeue(shared, &state, task).await,
            Decision::Fail { task, reason } => {
                let ended =
                    shared.apply(Change::EndTask { task, status: TaskStatus::Failed, reason, at }).await;
                if ended.is_ok() {
                    shared.interrupt(task, Interrupt::Ended);
                    shared.announce_settled();
                    // Whoever depends on it can be told at once.
                    shared.wake.notify_one();
                }
                ended.map(drop)
            }
        };
        if let Err(error) = outcome {
            // Somebody was quicker, or the disk is full; the next round decides on what is so then.
            tracing::info!(error = %chain(&error), "a decision of the scheduler was not carried out");
            all_done = false;
        }
    }
    Ok(Step { state, decided, all_done })
}

/// Takes a task back whose lease has ended.
///
/// If an attempt of ours is at work on it, the lease ended because the machine slept, its clock was set or the disk was
/// full, and nobody else can have the task: this process owns the project. The lease is made good then.
async fn requeue(shared: &Shared, state: &State, task: TaskId) -> Result<(), StoreError> {
    let at = shared.now();
    let found = state.live.iter().find(|live| live.id == task);
    let token = found.and_then(|task| task.lease.as_ref()).map(|lease| lease.token);
    let at_work = shared.live().contains_key(&task);
    let change = match token {
        Some(token) if at_work => {
            let until = at.checked_add(shared.config.lease).unwrap_or(at);
            Change::RenewLease { task, token, until }
        }
        _ => {
            let reason = "its lease ended without being renewed".to_owned();
            Change::RequeueTask { task, token: None, reason, at }
        }
    };
    shared.apply(change).await.map(drop)
}

/// What a round need not read again, since it does not change.
#[derive(Debug, Default)]
struct Known {
    /// The branches of tasks that are followed, which are final.
    branches: HashMap<TaskId, Option<String>>,
    /// How the tasks ended that others depend on.
    ended: HashMap<TaskId, TaskStatus>,
}

/// Every task that is not final, without its prompt: a queue of long ones would not fit into memory.
async fn read_live(shared: &Shared) -> Result<Vec<Task>, StoreError> {
    let mut page = TaskPage::new(PageStart::Oldest, TASKS_AT_ONCE);
    page.statuses = TaskFilter::live().statuses;
    let mut live: Vec<Task> = Vec::new();
    loop {
        let tasks = shared.store.task_page(page.clone()).await?;
        let Some(last) = tasks.last() else { return Ok(live) };
        page.start = PageStart::After(last.id);
        live.extend(tasks.into_iter().map(|mut task| {
            task.request.prompt = String::new();
            task
        }));
    }
}

async fn read_state(shared: &Shared, known: &mut Known) -> Result<State, StoreError> {
    let live = read_live(shared).await?;
    let mut dependencies: HashMap<TaskId, TaskStatus> =
        live.iter().map(|task| (task.id, task.status)).collect();
    for id in live.iter().flat_map(|task| &task.request.depends_on) {
        if dependencies.contains_key(id) {
            continue;
        }
        let status = match known.ended.get(id) {
            Some(status) => *status,
            None => shared.store.task(*id).await?.status,
        };
        dependencies.insert(*id, status);
    }
    known.ended =
        dependencies.iter().filter(|(_, status)| status.is_final()).map(|(id, s)| (*id, *s)).collect();
    // A task that is followed is final, so its branch is read once.
    known.branches.retain(|id, _| live.iter().any(|task| task.request.follow_up == Some(*id)));
    let mut branches = HashMap::new();
    for task in &live {
        let followed = match task.request.follow_up {
            None => None,
            Some(earlier) => match known.branches.get(&earlier) {
                Some(branch) => branch.clone(),
                None => {
                    let branch =
                        shared.store.task(earlier).await?.workspace.map(|workspace| workspace.branch);
                    known.branches.insert(earlier, branch.clone());
                    branch
                }
            },
        };
        if let Some(branch) = followed {
            branches.insert(task.id, branch);
        }
    }
    let at_work: Vec<TaskId> = shared.live().keys().copied().collect();
    let mut leaving = Vec::new();
    for id in at_work.into_iter().filter(|id| !live.iter().any(|task| task.id == *id)) {
        leaving.extend(shared.store.task(id).await?.workspace.map(|workspace| workspace.branch));
    }
    let slots = shared.store.slots().await?;
    Ok(State {
        live,
        leaving,
        dependencies,
        branches,
        slots,
        max_running: shared.config.settings.max_concurrent_agents,
    })
}

async fn lease(
    shared: &Arc<Shared>,
    attempts: &mut JoinSet<()>,
    state: &State,
    task: TaskId,
    slot: &SlotId,
) -> Result<(), StoreError> {
    let Some(slot) = state.slots.iter().map(|slot| &slot.config).find(|config| config.id == *slot).cloned()
    else {
        return Ok(());
    };
    if shared.live().contains_key(&task) {
        // Somebody took it from an attempt of ours, which has not noticed yet or is being ended. The two must not be at
        // work at once; the end of the first one wakes the scheduler.
        return Ok(());
    }
    let at = shared.now();
    let until = at.checked_add(shared.config.lease).unwrap_or(at);
    let applied = shared.apply(Change::LeaseTask { task, slot: slot.id.clone(), at, until }).await?;
    let (Some(lease), Some(number)) = (applied.lease, applied.attempt) else { return Ok(()) };
    // Read again: what an earlier attempt left is noted there.
    let task = shared.store.task(task).await?;
    begin(shared, attempts, Begin { task, slot, lease, number });
    Ok(())
}

struct Begin {
    task: Task,
    slot: SlotConfig,
    lease: crate::model::Lease,
    number: u32,
}

fn begin(shared: &Arc<Shared>, attempts: &mut JoinSet<()>, begin: Begin) {
    let Begin { task, slot, lease, number } = begin;
    let (interrupt, interrupted) = watch::channel(None);
    let (over, is_over) = watch::channel(false);
    let registration = Registration { shared: shared.clone(), task: task.id, over };
    shared.live().insert(task.id, Live { interrupt, over: is_over });
    let attempt = Attempt { shared: shared.clone(), task, slot, lease, number, interrupted };
    attempts.spawn(async move {
        let _registration = registration;
        attempt.run().await;
    });
}
