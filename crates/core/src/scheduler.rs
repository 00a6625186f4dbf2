//! Which task goes to which slot next: a pure function over what is known.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use crate::ids::{SlotId, TaskId};
use crate::model::{Slot, SlotConfig, Task, TaskStatus};

/// How often a task may be begun before it counts as one that brings its owner down.
pub const MAX_ATTEMPTS: u32 = 100;

/// How many kinds of slots an error names.
const MAX_KINDS_NAMED: usize = 8;

/// What the plan is made from.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Every task that is not final, in the order of submission.
    pub live: Vec<Task>,
    /// The status of every task that a live one waits for.
    pub dependencies: HashMap<TaskId, TaskStatus>,
    /// The branch that a live task goes on with, if it follows another.
    pub branches: HashMap<TaskId, String>,
    /// The branches of attempts whose task is final already, while their agents are being ended.
    pub leaving: Vec<String>,
    /// Every slot.
    pub slots: Vec<Slot>,
    /// How many tasks may run at once.
    pub max_running: usize,
}

/// One step to take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Give this task to this slot.
    Lease {
        /// The task.
        task: TaskId,
        /// The slot.
        slot: SlotId,
    },
    /// Take the task back: its lease has ended and its holder did not renew it.
    Requeue {
        /// The task.
        task: TaskId,
    },
    /// End the task as failed.
    Fail {
        /// The task.
        task: TaskId,
        /// Why.
        reason: String,
    },
}

impl Decision {
    /// The task that it is about.
    pub fn task(&self) -> TaskId {
        match self {
            Self::Lease { task, .. } | Self::Requeue { task } | Self::Fail { task, .. } => *task,
        }
    }
}

/// Decides what to do now. The same state and moment give the same plan.
///
/// A task appears in one decision at most and so does a slot; no more tasks run afterwards than
/// [`State::max_running`] allows, and no two of them on one branch; among those that fit a slot, a higher priority goes
/// first, then who came first.
pub fn plan(state: &State, now: Timestamp) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let mut waiting = Vec::new();
    let mut running = 0;
    let mut at_work: Vec<&String> = state.leaving.iter().collect();
    for task in &state.live {
        if let Some(reason) = must_fail(task, state, now) {
            decisions.push(Decision::Fail { task: task.id, reason });
            continue;
        }
        match &task.lease {
            Some(lease) => {
                // Its holder may be alive and make the lease good; what is really free is given away in the next round.
                running += 1;
                at_work.extend(state.branches.get(&task.id));
                if lease.until <= now {
                    decisions.push(Decision::Requeue { task: task.id });
                }
            }
            None if task.status == TaskStatus::Queued && is_ready(task, state) => waiting.push(task),
            None => {}
        }
    }
    let held: Vec<&SlotId> = state.live.iter().filter_map(|task| Some(&task.lease.as_ref()?.slot)).collect();
    let mut vacant: Vec<&Slot> =
        state.slots.iter().filter(|slot| is_vacant(slot) && !held.contains(&&slot.config.id)).collect();
    // Stable: equal priorities stay in the order of submission.
    waiting.sort_by_key(|task| std::cmp::Reverse(task.request.priority));
    for task in waiting {
        if running >= state.max_running || vacant.is_empty() {
            break;
        }
        let branch = state.branches.get(&task.id);
        if branch.is_some_and(|branch| at_work.contains(&branch)) {
            continue;
        }
        if let Some(index) = vacant.iter().position(|slot| fits(task, &slot.config)) {
            let slot = vacant.remove(index);
            decisions.push(Decision::Lease { task: task.id, slot: slot.config.id.clone() });
            running += 1;
            at_work.extend(branch);
        }
    }
    decisions
}

/// The next moment at which [`plan`] could decide something else without anything else having happened.
pub fn next_change(state: &State) -> Option<Timestamp> {
    state
        .live
        .iter()
        .flat_map(|task| [task.request.deadline, task.lease.as_ref().map(|lease| lease.until)])
        .flatten()
        .min()
}

/// Whether a slot may take a task at all.
pub fn fits(task: &Task, slot: &SlotConfig) -> bool {
    let request = &task.request;
    request.role == slot.role
        && request.agent.as_ref().is_none_or(|agent| *agent == slot.agent)
        && request.driver.is_none_or(|driver| driver == slot.driver)
}

/// Why no slot could ever take a task, with what to do about it; `None` if one could.
pub fn unservable(task: &Task, slots: &[SlotConfig]) -> Option<String> {
    if slots.iter().any(|slot| fits(task, slot)) {
        return None;
    }
    let request = &task.request;
    let mut wanted = format!("role `{}`", request.role);
    if let Some(agent) = &request.agent {
        wanted.push_str(&format!(", agent `{agent}`"));
    }
    if let Some(driver) = request.driver {
        wanted.push_str(&format!(", driver `{driver}`"));
    }
    let there = if slots.is_empty() {
        "there are no slots".to_owned()
    } else {
        format!("the slots are {}", kinds_of(slots))
    };
    Some(format!(
        "no slot has {wanted}; {there}: add a `[[slot]]` to .missiond/config.toml or ask for another role"
    ))
}

/// The slots of each kind, by their number; few of them by their names.
fn kinds_of(slots: &[SlotConfig]) -> String {
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for slot in slots {
        let kind = format!("{}, {}, {}", slot.role, slot.agent, slot.driver);
        kinds.entry(kind).or_default().push(slot.id.as_str());
    }
    let more = kinds.len().saturating_sub(MAX_KINDS_NAMED);
    let named = kinds.into_iter().take(MAX_KINDS_NAMED).map(|(kind, ids)| match ids.as_slice() {
        ids if ids.len() <= 3 => format!("{} ({kind})", ids.join(", ")),
        ids => format!("{}, {} and {} more ({kind})", ids[0], ids[1], ids.len() - 2),
    });
    let mut text = named.collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more kinds"));
    }
    text
}

fn must_fail(task: &Task, state: &State, now: Timestamp) -> Option<String> {
    if let Some(deadline) = task.request.deadline.filter(|deadline| *deadline <= now) {
        return Some(format!("its deadline {deadline} has passed"));
    }
    if task.status != TaskStatus::Queued {
        return None;
    }
    if task.attempts >= MAX_ATTEMPTS {
        return Some(format!("it was begun {MAX_ATTEMPTS} times and never ended"));
    }
    let lost = task.request.depends_on.iter().find(|id| {
        matches!(state.dependencies.get(id), Some(TaskStatus::Failed | TaskStatus::Cancelled) | None)
    });
    if let Some(id) = lost {
        let how = state.dependencies.get(id).map_or("gone", |status| status.as_str());
        return Some(format!("task {id}, which it depends on, is {how}"));
    }
    None
}

/// The queued tasks that none of the slots there are can take, and those that wait for such a one, each with the reason.
/// They stay queued: another mission may have the slot.
pub fn stuck(state: &State) -> Vec<(TaskId, String)> {
    let slots: Vec<SlotConfig> = state.slots.iter().map(|slot| slot.config.clone()).collect();
    // Many tasks wish for few kinds of slot.
    let mut reasons = HashMap::new();
    let mut dependents: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for task in state.live.iter().filter(|task| task.status == TaskStatus::Queued) {
        let request = &task.request;
        for id in &request.depends_on {
            dependents.entry(*id).or_default().push(task.id);
        }
        let wish = (&request.role, &request.agent, request.driver);
        let reason = reasons.entry(wish).or_insert_with(|| unservable(task, &slots));
        if let Some(reason) = reason {
            seen.insert(task.id);
            found.push((task.id, reason.clone()));
        }
    }
    let mut next = 0;
    while let Some((id, _)) = found.get(next) {
        let id = *id;
        for dependent in dependents.remove(&id).unwrap_or_default() {
            if seen.insert(dependent) {
                found.push((dependent, format!("task {id}, which it depends on, can't be begun")));
            }
        }
        next += 1;
    }
    found
}

fn is_ready(task: &Task, state: &State) -> bool {
    task.request.depends_on.iter().all(|id| state.dependencies.get(id) == Some(&TaskStatus::Done))
}

fn is_vacant(slot: &Slot) -> bool {
    slot.task.is_none() && slot.status.is_vacant()
}
