//! The scheduler's plan, as a function of what is known.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use missiond_core::scheduler::{Decision, MAX_ATTEMPTS, State, plan, stuck};
use missiond_core::{
    AgentStatus, Lease, LeaseToken, NewTask, Slot, SlotConfig, SlotId, Task, TaskId, TaskStatus,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn task(prompt: &str) -> Task {
    Task::queued(TaskId::generate(), NewTask::new(prompt), NOW)
}

fn slot(id: &str, role: &str) -> Slot {
    let mut config = SlotConfig::new(id.parse().unwrap(), "scripted".parse().unwrap());
    config.role = role.parse().unwrap();
    Slot::vacant(config, NOW)
}

fn running(mut task: Task, slot: &str, until: Timestamp) -> Task {
    task.status = TaskStatus::Running;
    task.lease = Some(Lease { slot: slot.parse().unwrap(), token: LeaseToken(1), until });
    task
}

fn state(live: Vec<Task>, slots: Vec<Slot>) -> State {
    let dependencies = live.iter().map(|task| (task.id, task.status)).collect();
    State { live, dependencies, slots, max_running: 10, ..State::default() }
}

fn lease(task: &Task, slot: &str) -> Decision {
    Decision::Lease { task: task.id, slot: slot.parse().unwrap() }
}

#[test]
fn first_come_first_served_unless_a_priority_says_otherwise() {
    let (first, second, mut urgent) = (task("first"), task("second"), task("urgent"));
    urgent.request.priority = 1;
    let slots = vec![slot("a", "worker"), slot("b", "worker")];
    let state = state(vec![first.clone(), second, urgent.clone()], slots);
    assert_eq!(plan(&state, NOW), [lease(&urgent, "a"), lease(&first, "b")]);
}

#[test]
fn roles_agents_and_drivers_are_met() {
    let (mut review, mut other_agent) = (task("review"), task("codex"));
    review.request.role = "reviewer".parse().unwrap();
    other_agent.request.agent = Some("codex".parse().unwrap());
    let plan = plan(
        &state(vec![review.clone(), other_agent.clone()], vec![slot("w", "worker"), slot("r", "reviewer")]),
        NOW,
    );
    assert_eq!(plan, [lease(&review, "r")], "what no slot here can take stays in the queue");
}

#[test]
fn what_no_slot_can_take_and_what_waits_for_it_is_stuck() {
    let later = NOW + SignedDuration::from_secs(60);
    let (mut other_agent, mut next, mut last) = (task("codex"), task("next"), task("last"));
    other_agent.request.agent = Some("codex".parse().unwrap());
    next.request.depends_on = vec![other_agent.id];
    last.request.depends_on = vec![next.id];
    // Of a role that is gone, but at work: it may end well, so who waits for it waits.
    let mut at_work = running(task("at work"), "w", later);
    at_work.request.role = "reviewer".parse().unwrap();
    let mut after = task("after");
    after.request.depends_on = vec![at_work.id];
    // The order of submission is not that of dependence.
    let live = vec![last.clone(), next.clone(), other_agent.clone(), at_work, after, task("free")];
    let mut state = state(live, vec![slot("w", "worker")]);
    let found = stuck(&state);
    let ids: Vec<TaskId> = found.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [other_agent.id, next.id, last.id]);
    assert!(found[0].1.contains("agent `codex`") && found[0].1.contains("[[slot]]"), "{found:?}");
    assert!(found[1].1.contains(&other_agent.id.to_string()), "{found:?}");
    assert!(found[2].1.contains(&next.id.to_string()), "{found:?}");
    state.slots[0].config.agent = "codex".parse().unwrap();
    assert_eq!(stuck(&state).iter().map(|(id, _)| *id).collect::<Vec<_>>(), []);
}

#[test]
fn a_long_chain_behind_a_stuck_task_is_walked_once() {
    let mut live = vec![task("first")];
    live[0].request.role = "reviewer".parse().unwrap();
    for _ in 0..20_000 {
        let mut next = task("next");
        next.request.depends_on = vec![live[live.len() - 1].id];
        live.push(next);
    }
    live.reverse();
    let state = state(live, vec![slot("w", "worker")]);
    let begun = std::time::Instant::now();
    assert_eq!(stuck(&state).len(), 20_001);
    // Some milliseconds; walked from each task anew, it would be minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn the_cap_holds_and_a_held_slot_is_not_given_twice() {
    let later = NOW + SignedDuration::from_secs(60);
    let busy = running(task("busy"), "a", later);
    let mut state = state(
        vec![busy, task("x"), task("y")],
        vec![slot("a", "worker"), slot("b", "worker"), slot("c", "worker")],
    );
    state.max_running = 2;
    let plan = plan(&state, NOW);
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(matches!(&plan[0], Decision::Lease { slot, .. } if *slot != "a".parse::<SlotId>().unwrap()));
}

#[test]
fn a_lease_that_ended_is_taken_back_and_one_that_goes_on_is_not() {
    let ended = running(task("ended"), "a", NOW);
    let going_on = running(task("going on"), "b", NOW + SignedDuration::from_millis(1));
    let plan =
        plan(&state(vec![ended.clone(), going_on], vec![slot("a", "worker"), slot("b", "worker")]), NOW);
    assert_eq!(plan, [Decision::Requeue { task: ended.id }]);
}

/// Its holder may be alive: the machine slept, or its clock was set.
#[test]
fn a_lease_that_ended_counts_until_it_is_taken_back() {
    let (ended, other, follow_up) = (running(task("ended"), "a", NOW), task("other"), task("follow-up"));
    let live = vec![ended.clone(), follow_up.clone(), other.clone()];
    let mut state = state(live, vec![slot("a", "worker"), slot("b", "worker"), slot("c", "worker")]);
    let taken_back = Decision::Requeue { task: ended.id };
    state.branches = HashMap::from([(ended.id, "x".to_owned()), (follow_up.id, "x".to_owned())]);
    assert_eq!(plan(&state, NOW), [taken_back.clone(), lease(&other, "b")], "its branch is still in use");
    state.max_running = 1;
    assert_eq!(plan(&state, NOW), [taken_back], "it counts among those that run");
}

#[test]
fn a_branch_whose_attempt_is_being_ended_is_still_in_use() {
    let (follow_up, other) = (task("follow-up"), task("other"));
    let mut state = state(vec![follow_up.clone(), other.clone()], vec![slot("a", "worker")]);
    state.branches = HashMap::from([(follow_up.id, "x".to_owned())]);
    state.leaving = vec!["x".to_owned()];
    assert_eq!(plan(&state, NOW), [lease(&other, "a")]);
    state.leaving.clear();
    assert_eq!(plan(&state, NOW), [lease(&follow_up, "a")]);
}

#[test]
fn dependencies_are_waited_for_and_their_failure_is_passed_on() {
    let first = task("first");
    let mut second = task("second");
    second.request.depends_on = vec![first.id];
    let mut state = state(vec![second.clone()], vec![slot("a", "worker")]);
    for (status, expected) in [
        (TaskStatus::Queued, vec![]),
        (TaskStatus::Running, vec![]),
        (TaskStatus::Done, vec![lease(&second, "a")]),
    ] {
        state.dependencies = HashMap::from([(first.id, status)]);
        assert_eq!(plan(&state, NOW), expected, "{status}");
    }
    for status in [TaskStatus::Failed, TaskStatus::Cancelled] {
        state.dependencies = HashMap::from([(first.id, status)]);
        let plan = plan(&state, NOW);
        assert!(
            matches!(&plan[..], [Decision::Fail { reason, .. }] if reason.contains(status.as_str())),
            "{plan:?}"
        );
    }
}

#[test]
fn deadlines_and_endless_attempts_end_a_task() {
    let mut late = task("late");
    late.request.deadline = Some(NOW);
    let mut endless = task("endless");
    endless.attempts = MAX_ATTEMPTS;
    let mut late_running = running(task("late and running"), "b", NOW + SignedDuration::from_secs(9));
    late_running.request.deadline = Some(NOW);
    let state = state(vec![late, endless, late_running], vec![slot("a", "worker"), slot("b", "worker")]);
    let plan = plan(&state, NOW);
    assert_eq!(plan.len(), 3);
    assert!(plan.iter().all(|decision| matches!(decision, Decision::Fail { .. })), "{plan:?}");
}

#[test]
fn a_slot_that_is_not_vacant_gets_nothing() {
    for status in AgentStatus::ALL {
        let mut occupied = slot("a", "worker");
        occupied.status = status;
        let state = state(vec![task("x")], vec![occupied]);
        assert_eq!(!plan(&state, NOW).is_empty(), status.is_vacant(), "{status}");
    }
}

proptest::proptest! {
    #[test]
    fn any_plan_keeps_the_rules(
        tasks in proptest::collection::vec((0_u8..3, -2_i32..3, 0_u8..4, 0_i64..4), 0..20),
        slots in proptest::collection::vec((0_u8..3, proptest::bool::ANY), 0..8),
        max_running in 0_usize..6,
    ) {
        let roles = ["worker", "reviewer", "planner"];
        let slots: Vec<Slot> = slots.iter().enumerate().map(|(number, (role, vacant))| {
            let mut slot = slot(&format!("s{number}"), roles[usize::from(*role)]);
            if !vacant { slot.status = AgentStatus::Thinking; }
            slot
        }).collect();
        let mut held = 0;
        let live: Vec<Task> = tasks.iter().map(|(role, priority, holder, until)| {
            let mut task = task("p");
            task.request.role = roles[usize::from(*role)].parse().unwrap();
            task.request.priority = *priority;
            if usize::from(*holder) < slots.len() && held < slots.len() && *holder == 0 {
                held += 1;
                let until = NOW + SignedDuration::from_secs(*until - 1);
                return running(task, &format!("s{}", held - 1), until);
            }
            task
        }).collect();
        let mut state = state(live, slots);
        state.max_running = max_running;
        let decisions = plan(&state, NOW);
        proptest::prop_assert_eq!(&decisions, &plan(&state, NOW));
        let mut tasks_seen = std::collections::HashSet::new();
        let mut slots_seen = std::collections::HashSet::new();
        let mut leased = 0;
        for decision in &decisions {
            let id = match decision {
                Decision::Lease { task, slot } => {
                    leased += 1;
                    proptest::prop_assert!(slots_seen.insert(slot.clone()));
                    let holds = |task: &Task| task.lease.as_ref().is_some_and(|lease| lease.slot == *slot);
                    proptest::prop_assert!(!state.live.iter().any(holds));
                    *task
                }
                Decision::Requeue { task } | Decision::Fail { task, .. } => *task,
                other => panic!("{other:?}"),
            };
            proptest::prop_assert!(tasks_seen.insert(id));
        }
        let held = state.live.iter().filter(|task| task.lease.is_some()).count();
        proptest::prop_assert!(leased == 0 || held + leased <= max_running);
    }
}

#[test]
fn tasks_that_go_on_with_one_branch_take_turns() {
    let (first, second, third) = (task("first"), task("second"), task("third"));
    let at_work = running(task("at work"), "a", NOW + SignedDuration::from_secs(10));
    let slots = || vec![slot("a", "worker"), slot("b", "worker"), slot("c", "worker")];
    let on = |tasks: &[(&Task, &str)]| {
        tasks.iter().map(|(task, branch)| (task.id, (*branch).to_owned())).collect::<HashMap<_, _>>()
    };
    let mut state = state(vec![at_work.clone(), first.clone(), second.clone(), third.clone()], slots());
    state.branches = on(&[(&first, "x"), (&second, "x"), (&third, "y")]);
    assert_eq!(plan(&state, NOW), [lease(&first, "b"), lease(&third, "c")]);
    state.branches = on(&[(&at_work, "x"), (&first, "x"), (&second, "x")]);
    assert_eq!(plan(&state, NOW), [lease(&third, "b")]);
}
