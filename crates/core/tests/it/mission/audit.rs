//! Every verdict is in the audit log before anybody is told; what can't be put there is a no.

use std::path::PathBuf;
use std::sync::Arc;

use missiond_core::adapters::AuditFile;
use missiond_core::config::{Config, Sources};
use missiond_core::ports::{Audit, AuditEntry, AuditError, BoxFuture, Decider};
use missiond_core::{Decision, EventBody, Mission, TaskResult, Verdict};
use serde_json::{Value, json};

use super::disk::{fill, with_small_disk};
use super::support::{Stage, asked, log, run_done, submit, wait};

fn bash(command: &str) -> String {
    format!("script:{}", json!([{ "bash": command }, { "say": "over" }]))
}

/// The calls on record.
fn audited(stage: &Stage) -> Vec<Value> {
    let text = std::fs::read_to_string(stage.root().join(".missiond/audit.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["kind"] == "call").collect()
}

/// What was decided, by whom, on what.
fn short(record: &Value) -> [&str; 3] {
    [&record["decision"], &record["by"], &record["input"]["command"]].map(|value| value.as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verdict_is_on_record_with_who_decided() {
    let stage = Stage::new();
    stage.policy("ask = [\"Bash(touch:*)\"]\n");
    let mission = stage.player(1).await;
    run_done(&mission, bash("ls")).await;
    run_done(&mission, bash("rm -rf /")).await;
    for approve in [true, false] {
        let id = submit(&mission, bash("touch asked.txt")).await;
        let approval = asked(&mission).await;
        let open = audited(&stage);
        assert_eq!(
            short(open.last().unwrap()),
            ["ask", "policy", "touch asked.txt"],
            "before anybody answers"
        );
        mission.settle(approval.id, approve, "uid 1000", Some("my note".to_owned())).await.unwrap();
        wait(&mission, id).await;
        let last = audited(&stage).pop().unwrap();
        let decision = if approve { "allow" } else { "deny" };
        assert_eq!(short(&last), [decision, "person", "touch asked.txt"]);
        assert_eq!((&last["person"], &last["note"]), (&json!("uid 1000"), &json!("my note")));
        assert_eq!(last["approval"], json!(approval.id.to_string()));
        assert_eq!((&last["slot"], &last["agent"]), (&json!("s1"), &json!("player")));
        assert_eq!(last["task"], json!(id.to_string()));
        assert_eq!(last["rule"], json!("project/ask:Bash(touch:*)"), "{last}");
    }
    let first: Vec<_> = audited(&stage)[..2].iter().map(|record| short(record).map(str::to_owned)).collect();
    assert_eq!(first, [["allow", "policy", "ls"], ["deny", "policy", "rm -rf /"]]);
    // Each event of a verdict has its record.
    let judged =
        log(&mission).await.into_iter().filter(|event| matches!(event.body, EventBody::ToolJudged { .. }));
    assert_eq!(judged.count() + 2, audited(&stage).len(), "and the two questions");
    mission.shutdown("over").await.unwrap();
    assert_eq!(stage.git(&["status", "--porcelain", "-uall"]).matches("audit").count(), 0);
}

/// An audit that fails in a way.
#[derive(Debug)]
enum Broken {
    Refusing,
    Panicking,
    /// Keeps what a policy says and refuses what comes of a question.
    AfterTheQuestion,
}

impl Audit for Broken {
    fn record<'a>(&'a self, entry: &'a AuditEntry) -> BoxFuture<'a, Result<(), AuditError>> {
        Box::pin(async move {
            match self {
                Self::Refusing => Err(AuditError("the tape is torn".to_owned())),
                Self::Panicking => panic!("the tape is torn"),
                Self::AfterTheQuestion if matches!(entry.by, Decider::Policy) => Ok(()),
                Self::AfterTheQuestion => Err(AuditError("the tape is torn".to_owned())),
            }
        })
    }
}

async fn last_verdict(mission: &Mission) -> Verdict {
    let verdicts = log(mission).await.into_iter().filter_map(|event| match event.body {
        EventBody::ToolJudged { decision, reason, .. } => Some(Verdict::new(decision, None, reason)),
        _ => None,
    });
    verdicts.collect::<Vec<_>>().pop().unwrap()
}

fn assert_nothing_ran(result: &TaskResult) {
    assert_eq!((result.changed_files.len(), result.tool_calls, result.denied_calls), (0, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_that_is_not_on_record() {
    for broken in [Broken::Refusing, Broken::Panicking] {
        let stage = Stage::new();
        stage.policy("ask = [\"Bash(rmdir:*)\"]\n");
        let mut config = stage.config("player", 1);
        config.ports.audit = Some(Arc::new(broken));
        let mission = Mission::open(config).await.unwrap();
        // What would be allowed, and what would be asked: nobody is.
        for command in ["touch new.txt", "rmdir x"] {
            let task = run_done(&mission, bash(command)).await;
            assert_nothing_ran(&task.result.unwrap());
            let verdict = last_verdict(&mission).await;
            assert_eq!(verdict.decision, Decision::Deny);
            assert!(
                verdict.reason.contains("without that nothing may run") && verdict.reason.contains("torn"),
                "{verdict:?}"
            );
        }
        mission.shutdown("over").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_that_is_not_on_record_is_none() {
    let stage = Stage::new();
    stage.policy("ask = [\"Bash(touch:*)\"]\n");
    let mut config = stage.config("player", 1);
    config.ports.audit = Some(Arc::new(Broken::AfterTheQuestion));
    let mission = Mission::open(config).await.unwrap();
    let id = submit(&mission, bash("touch asked.txt")).await;
    let approval = asked(&mission).await;
    mission.settle(approval.id, true, "a person", None).await.unwrap();
    assert_nothing_ran(&wait(&mission, id).await.result.unwrap());
    mission.shutdown("over").await.unwrap();
}

const ENTRY: &str = "mission::audit::a_full_disk_stops_every_call";

/// The audit log lies on a disk of its own, which is full; everything else has room.
#[test]
fn a_full_disk_stops_every_call() {
    with_small_disk(ENTRY, "256k", on_a_small_disk);
}

async fn on_a_small_disk(disk: PathBuf) {
    let stage = Stage::new();
    stage.policy("ask = [\"Bash(rmdir:*)\"]\n");
    let path = disk.join("audit.jsonl");
    let keys = [("security.audit_log_path", path.to_str().unwrap())];
    let config = stage.config_with("player", 1, &keys);
    let file = AuditFile::load(&config.settings, &Config::load(&Sources::default()).unwrap());
    assert_eq!(file.paths().current(), path);
    let mission = Mission::open(config).await.unwrap();
    let task = run_done(&mission, bash("touch before.txt")).await;
    assert_eq!(task.result.unwrap().changed_files, ["before.txt"]);

    let ballast = disk.join("ballast");
    fill(&ballast);
    // The page that the log ends in may have room for some more.
    let verdict = loop {
        let task = run_done(&mission, bash("touch full.txt")).await;
        let verdict = last_verdict(&mission).await;
        if verdict.decision == Decision::Deny {
            assert_nothing_ran(&task.result.unwrap());
            break verdict;
        }
    };
    assert!(verdict.reason.contains("No space left on device"), "{verdict:?}");
    // A question is one too much as well.
    assert_nothing_ran(&run_done(&mission, bash("rmdir x")).await.result.unwrap());
    assert!(last_verdict(&mission).await.reason.contains("No space left on device"));

    std::fs::remove_file(&ballast).unwrap();
    let task = run_done(&mission, bash("touch after.txt")).await;
    assert_eq!(task.result.unwrap().changed_files, ["after.txt"]);
    mission.shutdown("over").await.unwrap();
    let verified =
        missiond_policy::audit::verify(file.paths(), None, std::time::Duration::from_secs(5)).unwrap();
    assert_eq!((verified.fault, verified.torn), (None, Vec::new()));
}
