//! Missions of agents in terminals.

use std::sync::Arc;

use missiond_core::ports::{BoxFuture, Gate, GateError, Seat};
use missiond_core::{Decision, DriverKind, EventBody, Mission, MissionConfig, TaskStatus, ToolCall, Verdict};

use super::support::{Stage, all_vacant, event, run_done, run_failed, submit, wait};

fn config(stage: &Stage, keys: &[(&str, &str)]) -> MissionConfig {
    let mut config = stage.config_with("player", 1, keys);
    config.slots[0].driver = DriverKind::Pty;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_in_a_terminal_is_a_turn() {
    let stage = Stage::new();
    let mission = Mission::open(config(&stage, &[])).await.unwrap();
    let prompt = r#"script:[{"write":{"path":"a.txt","content":"x"}},{"say":"ok"}]"#;
    let task = run_done(&mission, prompt).await;
    let result = task.result.unwrap();
    assert_eq!((result.answer.as_str(), &*result.changed_files), ("ok", &["a.txt".to_owned()][..]));
    let reason = run_failed(&mission, r#"script:[{"unhooked":"touch past.txt"},{"say":"unseen"}]"#).await;
    assert!(reason.contains("policy bypassed: Bash `touch past.txt`"), "{reason}");
    stage.no_process_is_left().await;
    all_vacant(&mission).await;
    mission.shutdown("over").await.unwrap();
}

/// The screen shows something that no rule knows, and stays so: a person is told, and then the turn ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_nothing_explains_ends_the_turn() {
    let stage = Stage::new();
    let mut config = config(&stage, &[("agent.communication_timeout", "8s")]);
    config.ports.gate = Arc::new(Yes);
    let mission = Mission::open(config).await.unwrap();
    // It draws over the agent's screen and keeps the agent from drawing.
    let odd = "printf '\\033[2J\\033[HShall we play a game?' > /dev/tty; kill -STOP $PPID; sleep 100";
    let script = serde_json::json!([{ "bash": odd }]);
    let id = submit(&mission, format!("script:{script}")).await;
    event(
        &mission,
        "the warning",
        |event| matches!(&event.body, EventBody::Warning { text } if text.contains("play a game")),
    )
    .await;
    let task = wait(&mission, id).await;
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    let reason = task.reason.unwrap();
    assert!(reason.contains("8 s") && reason.contains("play a game"), "{reason}");
    stage.no_process_is_left().await;
    all_vacant(&mission).await;
    mission.shutdown("over").await.unwrap();
}

#[derive(Debug)]
struct Yes;

impl Gate for Yes {
    fn judge<'a>(&'a self, _: &'a ToolCall, _: &'a Seat) -> BoxFuture<'a, Result<Verdict, GateError>> {
        Box::pin(async { Ok(Verdict::new(Decision::Allow, None, "the test says so")) })
    }
}
