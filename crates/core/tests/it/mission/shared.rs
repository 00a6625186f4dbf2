//! What a server needs of a mission: that every thread can use it.

use std::sync::Arc;

use missiond_core::ports::{
    Agent, ApprovalFilter, Clock, Containment, Driver, Gate, Store, TaskFilter, TurnSink, Workspaces,
};
use missiond_core::{EventStream, Mission, MissionConfig, NewTask, TaskId};

fn shared<T: Send + Sync + ?Sized>() {}
fn sent<T: Send>(_: &T) {}

#[test]
fn c4_everything_is_send_and_sync() {
    shared::<Mission>();
    shared::<MissionConfig>();
    shared::<missiond_core::Error>();
    shared::<Arc<dyn Clock>>();
    shared::<Arc<dyn Containment>>();
    shared::<Arc<dyn Driver>>();
    shared::<Arc<dyn Gate>>();
    shared::<Arc<dyn Store>>();
    shared::<Arc<dyn TurnSink>>();
    shared::<Arc<dyn Workspaces>>();
    fn moved<T: Send + ?Sized>() {}
    moved::<Box<dyn Agent>>();
    moved::<EventStream>();
}

/// Never run: it holds when it compiles.
#[allow(dead_code, reason = "the compiler is the one who checks it")]
fn c4_every_future_is_send(mission: &Mission, config: MissionConfig, stream: &mut EventStream, id: TaskId) {
    sent(&Mission::open(config));
    sent(&mission.submit(NewTask::new("x")));
    sent(&mission.wait(id));
    sent(&mission.cancel(id, ""));
    sent(&mission.retry(id));
    sent(&mission.task(id));
    sent(&mission.tasks(TaskFilter::default()));
    sent(&mission.slots());
    sent(&mission.approvals(ApprovalFilter::All));
    sent(&mission.settle(missiond_core::ApprovalId::generate(), true, "", None));
    sent(&mission.closed());
    sent(&mission.shutdown(""));
    sent(&stream.next());
}

/// A mission is shut down from one task while others wait on it.
#[tokio::test(flavor = "multi_thread")]
async fn c4_one_mission_is_used_from_many_tasks() {
    let stage = super::support::Stage::new();
    let mission = stage.shell(4).await;
    let runs: Vec<_> = (0..8)
        .map(|number| {
            let mission = mission.clone();
            tokio::spawn(async move {
                let task = super::support::run_done(&mission, format!("begin; finish {number}")).await;
                assert_eq!(task.result.unwrap().answer, number.to_string());
            })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    mission.shutdown("over").await.unwrap();
}
