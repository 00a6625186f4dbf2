//! How tasks, agents and missions end.

use std::time::{Duration, Instant};

use missiond_core::{AgentStatus, EventBody, Mission, NewTask, SlotConfig, TaskStatus};

use super::support::{
    PATIENCE, Stage, all_vacant, event, leased, log, run_done, run_failed, slot, submit, wait,
};

/// A turn that starts a grandchild which ignores every polite signal, and says when it is there.
fn stubborn(stage: &Stage) -> String {
    format!(
        "begin; sh -c 'trap \"\" INT TERM HUP; : > {there}; while :; do sleep 0.1; done' & \
         trap '' INT TERM; while :; do sleep 0.1; done; finish",
        there = stage.sign("there").to_str().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_cancel_ends_a_grandchild_that_ignores_sigterm() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let id = submit(&mission, stubborn(&stage)).await;
    stage.signed("there").await;
    let begun = Instant::now();
    mission.cancel(id, "not wanted").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "the ladder took {:?}", begun.elapsed());
    assert_eq!(stage.processes(), Vec::<u32>::new(), "processes are left when `cancel` returns");
    let task = mission.task(id).await.unwrap();
    assert_eq!((task.status, task.reason.as_deref()), (TaskStatus::Cancelled, Some("not wanted")));

    // The slot takes the next task, and nothing that the first one left changes anything.
    run_done(&mission, "begin; finish").await;
    assert_eq!(mission.task(id).await.unwrap().status, TaskStatus::Cancelled);
    let events = log(&mission).await;
    let end = events
        .iter()
        .position(|event| event.task == Some(id) && matches!(event.body, EventBody::TaskFinished { .. }));
    let later = &events[end.unwrap() + 1..];
    let said = later
        .iter()
        .filter(|event| event.task == Some(id))
        .find(|event| matches!(event.body, EventBody::AgentText { .. } | EventBody::TaskFinished { .. }));
    assert_eq!(said, None, "a cancelled task went on");
    all_vacant(&mission).await;
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_cancelled_task_stays_cancelled_though_its_agent_succeeds() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    // The agent answers the first signal by reporting success at once.
    let prompt = format!(
        "trap 'finish success; exit 0' INT TERM; begin; echo work > kept.txt; : > {}; \
         while :; do sleep 0.05; done",
        stage.quoted("there")
    );
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;
    mission.cancel(id, "not wanted").await.unwrap();
    let task = wait(&mission, id).await;
    assert_eq!((task.status, task.reason.as_deref()), (TaskStatus::Cancelled, Some("not wanted")));
    let rescue = task.result.expect("what came out is noted").rescue.expect("the work is kept");
    assert_eq!(stage.git(&["show", &format!("{rescue}:kept.txt")]), "work");

    let again = mission.cancel(id, "again").await.unwrap_err();
    assert_eq!(again.kind(), missiond_core::ErrorKind::Conflict);
    assert!(again.to_string().contains("cancelled"), "{again}");
    let done = run_done(&mission, "begin; finish").await;
    let error = mission.cancel(done.id, "too late").await.unwrap_err();
    assert!(
        error.to_string().contains("done") && error.to_string().contains(&done.id.to_string()),
        "{error}"
    );
    assert_eq!(mission.task(done.id).await.unwrap().status, TaskStatus::Done);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_queued_task_begins_nothing() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let first = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    leased(&mission, first).await;
    let queued = submit(&mission, "begin; finish").await;
    mission.cancel(queued, "not wanted").await.unwrap();
    let task = wait(&mission, queued).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::Cancelled, 0));
    stage.make_sign("go");
    assert_eq!(wait(&mission, first).await.status, TaskStatus::Done);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_turn_that_takes_too_long_names_its_limit() {
    let stage = Stage::new();
    let config = stage.config_with("shell", 1, &[("agent.turn_timeout", "2s")]);
    let mission = Mission::open(config).await.unwrap();
    // What comes after the prompt on standard input is its end: `cat` in the agent returned.
    let reason = run_failed(&mission, "begin; echo half > half.txt; while :; do sleep 0.1; done").await;
    assert!(reason.contains("2 s"), "{reason}");
    stage.no_process_is_left().await;
    all_vacant(&mission).await;
    run_done(&mission, "begin; [ -z \"$(cat)\" ] && finish").await;
    mission.shutdown("over").await.unwrap();
}

/// Each start that goes wrong leaves the slot stopped with the reason, and fit for the next task.
#[tokio::test(flavor = "multi_thread")]
async fn c9_a_slot_survives_every_failed_start() {
    let stage = Stage::new();
    let shell = stage.agent_text("shell");
    let program = |id: &str, program: &str| {
        let text = shell.replace("id = \"shell\"", &format!("id = \"{id}\""));
        stage.write_agent(id, &text.replace("\"/bin/sh\"", &format!("{program:?}")));
    };
    std::fs::write(stage.sign("no-program"), "not a program").unwrap();
    program("missing", "no-such-agent-program");
    program("broken", stage.sign("no-program").to_str().unwrap());
    let config = |agent: &str| {
        let mut config = stage.config("shell", 1);
        config.slots[0] = SlotConfig::new("s1".parse().unwrap(), agent.parse().unwrap());
        config
    };

    for (agent, expected) in [("missing", "`no-such-agent-program` was not found"), ("broken", "no-program")]
    {
        let mission = Mission::open(config(agent)).await.unwrap();
        let reason = run_failed(&mission, "begin; finish").await;
        assert!(reason.contains(expected), "{agent}: {reason}");
        let slot = slot(&mission, "s1").await;
        assert_eq!((slot.status, slot.task), (AgentStatus::Stopped, None));
        assert!(slot.reason.unwrap().contains(expected));
        assert_eq!(stage.worktrees(), Vec::<String>::new(), "a failed start leaves no workspace");
        mission.shutdown("over").await.unwrap();
    }

    let mission = Mission::open(config("shell")).await.unwrap();
    // The directory of workspaces is a file.
    let base = stage.sign("base");
    std::fs::write(&base, "").unwrap();
    let mut blocked = config("shell");
    mission.shutdown("over").await.unwrap();
    blocked.settings.workspace_base = base.join("below");
    let mission = Mission::open(blocked).await.unwrap();
    let reason = run_failed(&mission, "begin; finish").await;
    assert!(reason.contains(base.to_str().unwrap()) && !reason.contains("output"), "{reason}");
    std::fs::remove_file(&base).unwrap();
    run_done(&mission, "begin; finish").await;

    // The settings file with the hooks cannot be written.
    let settings = stage.root().join(".missiond/slots/s1");
    std::fs::remove_dir_all(&settings).unwrap();
    std::fs::write(&settings, "").unwrap();
    let reason = run_failed(&mission, "begin; finish").await;
    assert!(reason.contains("slots/s1") && !reason.contains("output"), "{reason}");
    all_vacant(&mission).await;
    std::fs::remove_file(&settings).unwrap();
    run_done(&mission, "begin; finish").await;
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_dropping_the_last_handle_leaves_no_process() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let id = submit(&mission, stubborn(&stage)).await;
    stage.signed("there").await;
    let clone = mission.clone();
    drop(mission);
    assert!(!stage.processes().is_empty(), "a handle is left, so the agent goes on");
    drop(clone);
    stage.no_process_is_left().await;

    // The next owner has the task again.
    let mission = stage.shell(1).await;
    event(&mission, "the second attempt", |event| {
        event.task == Some(id) && matches!(event.body, EventBody::TaskLeased { attempt: 2, .. })
    })
    .await;
    mission.cancel(id, "enough").await.unwrap();
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_requeues_what_runs() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = format!(
        "begin; echo half > half.txt; : > {}; await {}; finish",
        stage.quoted("there"),
        stage.quoted("go")
    );
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;
    let waiting = tokio::spawn({
        let mission = mission.clone();
        async move { mission.wait(id).await }
    });
    mission.shutdown("maintenance").await.unwrap();
    let waited =
        tokio::time::timeout(PATIENCE, waiting).await.expect("`wait` ends with the mission").unwrap();
    assert!(matches!(waited, Err(missiond_core::Error::Closed)), "{waited:?}");
    assert_eq!(stage.processes(), Vec::<u32>::new());
    assert!(matches!(mission.submit(NewTask::new("x")).await, Err(missiond_core::Error::Closed)));
    let events = log(&mission).await;
    let last = &events.last().unwrap().body;
    assert!(matches!(last, EventBody::MissionClosed { reason } if reason == "maintenance"), "{last:?}");
    let task = mission.task(id).await.unwrap();
    assert_eq!(task.status, TaskStatus::Queued);
    let rescue = events.iter().find_map(|event| match &event.body {
        EventBody::WorkspaceRetired { rescue, .. } => rescue.clone(),
        _ => None,
    });
    let rescue = rescue.expect("the half-done work is kept");
    assert_eq!(stage.git(&["show", &format!("{rescue}:half.txt")]), "half");
    drop(mission);

    stage.make_sign("go");
    let mission = stage.shell(1).await;
    let task = wait(&mission, id).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::Done, 2), "{task:?}");
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_ends_when_the_queue_is_empty() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let first = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    let second = submit(&mission, "begin; finish").await;
    mission.drain();
    leased(&mission, first).await;
    stage.make_sign("go");
    tokio::time::timeout(PATIENCE, mission.closed()).await.expect("a drained mission ends");
    for id in [first, second] {
        assert_eq!(mission.task(id).await.unwrap().status, TaskStatus::Done);
    }
    mission.shutdown("drained").await.unwrap();
}
