//! Tool calls: what is judged, asked about, denied and found to have gone past the policy.

use std::sync::Arc;
use std::time::Duration;

use missiond_core::ports::{ApprovalFilter, TurnEvent};
use missiond_core::{
    AgentStatus, ApprovalStatus, Decision, ErrorKind, EventBody, Mission, TaskStatus, ToolCall,
};
use serde_json::json;

use super::actor::{Actor, tell};
use super::lease::LeapingClock;
use super::support::{Stage, asked, event, log, run, run_done, run_failed, slot, submit, wait};

/// A turn that asks to run one command.
fn bash(command: &str) -> String {
    serde_json::json!([{ "bash": command }, { "say": "over" }]).to_string().replacen('[', "script:[", 1)
}

fn asking() -> Stage {
    let stage = Stage::new();
    stage.policy("ask = [\"Bash(touch:*)\"]\n");
    stage
}

async fn settled(mission: &Mission, id: missiond_core::ApprovalId) -> missiond_core::Approval {
    mission.approvals(ApprovalFilter::One(id)).await.unwrap().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_call_runs_and_a_rejected_one_does_not() {
    let stage = asking();
    let mission = stage.player(1).await;
    for approve in [true, false] {
        let id = submit(&mission, bash("touch asked.txt")).await;
        let approval = asked(&mission).await;
        assert_eq!((approval.task, approval.call.argument().as_str()), (id, "touch asked.txt"));
        event(&mission, "that a person is waited for", |event| {
            event.task == Some(id)
                && matches!(&event.body, EventBody::AgentStatus { status: AgentStatus::Confirming, evidence, pid: Some(_) }
                    if evidence.contains("touch asked.txt"))
        })
        .await;
        // Whatever the stream says meanwhile, that stays so until there is an answer.
        let seat = slot(&mission, "s1").await;
        assert_eq!(seat.status, AgentStatus::Confirming, "{seat:?}");
        mission.settle(approval.id, approve, "a person", Some("because".to_owned())).await.unwrap();
        let error = mission.settle(approval.id, !approve, "another", None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let task = wait(&mission, id).await;
        assert_eq!(task.status, TaskStatus::Done, "{task:?}");
        let result = task.result.unwrap();
        let expected: &[String] = if approve { &["asked.txt".to_owned()] } else { &[] };
        assert_eq!((&*result.changed_files, result.denied_calls), (expected, u32::from(!approve)));
        let approval = settled(&mission, approval.id).await;
        assert_eq!(approval.status == ApprovalStatus::Approved, approve);
        assert_eq!(approval.answered_by.as_deref(), Some("a person"));
    }
    let judged: Vec<Decision> = log(&mission)
        .await
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::ToolJudged { decision, .. } => Some(decision),
            _ => None,
        })
        .collect();
    assert_eq!(judged, [Decision::Allow, Decision::Deny]);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answers_is_a_no() {
    let stage = asking();
    let config = stage.config_with("player", 1, &[("security.approval_timeout", "1s")]);
    let mission = Mission::open(config).await.unwrap();
    let task = run_done(&mission, bash("touch asked.txt")).await;
    let result = task.result.unwrap();
    assert_eq!((result.changed_files.len(), result.denied_calls), (0, 1));
    let approval = mission.approvals(ApprovalFilter::All).await.unwrap().pop().unwrap();
    assert_eq!(approval.status, ApprovalStatus::Expired);
    let error = mission.settle(approval.id, true, "too late", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    mission.shutdown("over").await.unwrap();
}

/// People see when a question expires, and may not answer it then; so the agent must not wait for longer either.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_expires_by_the_clock_that_people_see() {
    let stage = asking();
    let clock = Arc::new(LeapingClock::default());
    let mut config = stage.config_with("player", 1, &[("security.approval_timeout", "1h")]);
    config.ports.clock = clock.clone();
    let mission = Mission::open(config).await.unwrap();
    let id = submit(&mission, bash("touch asked.txt")).await;
    let approval = asked(&mission).await;
    clock.leap(Duration::from_secs(2 * 3600));
    assert_eq!(wait(&mission, id).await.result.unwrap().denied_calls, 1);
    assert_eq!(settled(&mission, approval.id).await.status, ApprovalStatus::Expired);
    mission.shutdown("over").await.unwrap();
}

/// People are given longer than agents.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_in_which_a_person_is_asked_is_not_the_turns() {
    let stage = asking();
    let limit = Duration::from_secs(4);
    let config = stage.config_with("player", 1, &[("agent.turn_timeout", "4s")]);
    let mission = Mission::open(config).await.unwrap();
    let id = submit(&mission, bash("touch asked.txt")).await;
    let approval = asked(&mission).await;
    // It is the passing of real time that must do no harm.
    tokio::time::sleep(limit + Duration::from_secs(1)).await;
    mission.settle(approval.id, true, "a person", None).await.unwrap();
    let task = wait(&mission, id).await;
    assert_eq!(task.status, TaskStatus::Done, "{task:?}");
    // Its own time still counts.
    let reason = run_failed(&mission, r#"script:[{"think_ms":60000}]"#).await;
    assert!(reason.contains("took longer than 4 s"), "{reason}");
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_ends_with_its_asker() {
    let stage = asking();
    let mission = stage.player(1).await;
    // Cancelled while it asks.
    let id = submit(&mission, bash("touch asked.txt")).await;
    let approval = asked(&mission).await;
    mission.cancel(id, "not wanted").await.unwrap();
    assert_eq!(settled(&mission, approval.id).await.status, ApprovalStatus::Expired);

    // The agent dies while it asks.
    let id = submit(&mission, bash("touch asked.txt")).await;
    let approval = asked(&mission).await;
    assert_eq!(approval.task, id);
    let pid = slot(&mission, "s1").await.pid.expect("an agent at work has a process");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let task = wait(&mission, id).await;
    assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
    assert_eq!(settled(&mission, approval.id).await.status, ApprovalStatus::Expired);
    let error = mission.settle(approval.id, true, "too late", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_does_not_run_and_is_counted() {
    let stage = Stage::new();
    stage.policy("deny = [\"Bash(touch:*)\"]\n");
    let mission = stage.player(1).await;
    let task = run_done(&mission, bash("touch denied.txt")).await;
    let result = task.result.unwrap();
    assert_eq!((result.changed_files.len(), result.tool_calls, result.denied_calls), (0, 1, 1));
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_no_hook_asked_about_ends_the_turn() {
    let stage = Stage::new();
    let mission = stage.player(1).await;
    let prompt = r#"script:[{"unhooked":"touch past.txt"},{"think_ms":60000},{"say":"unseen"}]"#;
    let reason = run_failed(&mission, prompt).await;
    assert!(reason.contains("policy bypassed: Bash `touch past.txt`"), "{reason}");
    stage.no_process_is_left().await;
    mission.shutdown("over").await.unwrap();
}

/// What the stream itself says, played line by line.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_verdict_are_found_in_every_guise() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    for (prompt, expected) in [
        ("begin; call c1 Bash 'rm x'; returned c1 false; finish", "policy bypassed: Bash `rm x`"),
        // Announced, never reported, and the turn is said to have gone well.
        ("begin; call c1 Bash 'rm x'; finish", "policy bypassed: Bash `rm x`"),
        // Reported without having been announced.
        ("begin; returned c9 false; finish", "policy bypassed: an unannounced call `c9`"),
        // An error of the tool is no proof that it did not run.
        ("begin; call c1 Bash 'rm x'; returned c1 true 'exit code 1'; finish", "policy bypassed"),
    ] {
        let reason = run_failed(&mission, prompt).await;
        assert!(reason.contains(expected), "{prompt}: {reason}");
    }
    // The agent itself says that the call was malformed and never ran.
    run_done(&mission, "begin; call c1 Bash x; returned c1 true '<tool_use_error>bad'; finish").await;
    let task = run(&mission, "begin; call c1 Bash x; result success true 'out of credit'").await;
    assert!(task.reason.unwrap().contains("out of credit"), "a failed turn keeps its own reason");
    mission.shutdown("over").await.unwrap();
}

/// The result is no licence: what is called after it is matched with the verdicts too, up to the last line of an agent
/// that had to be killed.
#[tokio::test(flavor = "multi_thread")]
async fn calls_after_the_result_are_found() {
    let stage = Stage::new();
    let mission = stage.shell(3).await;
    let after = "begin; finish; call c1 Bash 'rm late'; returned c1 false; exit 0";
    let unreported = "begin; finish; call c1 Bash 'rm late'; exit 0";
    // It goes on after its result, and calls the tool when the signal to end comes.
    let drained = "trap \"call c1 Bash 'rm late'; returned c1 false; exit 0\" INT TERM; begin; finish; \
         while :; do sleep 0.1; done";
    let ids =
        [submit(&mission, after).await, submit(&mission, unreported).await, submit(&mission, drained).await];
    for id in ids {
        let task = wait(&mission, id).await;
        assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
        assert!(task.reason.as_deref().unwrap().contains("policy bypassed: Bash `rm late`"), "{task:?}");
        assert_eq!(task.result.unwrap().cause, Some(missiond_core::Cause::PolicyBypassed));
    }
    stage.no_process_is_left().await;
    mission.shutdown("over").await.unwrap();
}

/// Plays a turn in which calls are judged as they are written, and then told of in an agent's stream.
fn told(script: impl Fn(&dyn Script) + Send + Sync + 'static) -> Actor {
    let script = std::sync::Arc::new(script);
    Actor::new(move |_, sink| {
        let steps = Steps::default();
        script(&steps);
        Box::pin(async move {
            for step in steps.0.into_inner().unwrap() {
                match step {
                    Step::Judge(call) => drop(sink.judge(call).await),
                    Step::Tell(event) => tell(sink, event).await?,
                }
            }
            Ok(())
        })
    })
}

enum Step {
    Judge(ToolCall),
    Tell(TurnEvent),
}

#[derive(Default)]
struct Steps(std::sync::Mutex<Vec<Step>>);

trait Script {
    /// The agent's hook asks.
    fn judge(&self, id: &str, tool: &str, input: serde_json::Value);
    /// The agent's stream announces a call.
    fn call(&self, id: &str, tool: &str, input: serde_json::Value);
    /// The agent's stream reports its end: with an error, if `content` begins with `!`.
    fn end(&self, id: &str, content: &str);
}

impl Script for Steps {
    fn judge(&self, id: &str, tool: &str, input: serde_json::Value) {
        self.0.lock().unwrap().push(Step::Judge(ToolCall::new(id, tool, input, "/w/d")));
    }

    fn call(&self, id: &str, tool: &str, input: serde_json::Value) {
        self.0.lock().unwrap().push(Step::Tell(TurnEvent::ToolCall(ToolCall::new(id, tool, input, "/w"))));
    }

    fn end(&self, id: &str, content: &str) {
        let (is_error, content) = content.strip_prefix('!').map_or((false, content), |text| (true, text));
        let never_ran = is_error && content.starts_with("<tool_use_error>");
        let content = content.to_owned();
        let event = TurnEvent::ToolResult { call: id.to_owned(), is_error, never_ran, content };
        self.0.lock().unwrap().push(Step::Tell(event));
    }
}

/// How a turn of one such script ends: its reason if it failed, and how many calls count as denied.
async fn ending(decision: Decision, script: fn(&dyn Script)) -> (Option<String>, u32) {
    let stage = Stage::new();
    let mut config = stage.config("shell", 1);
    told(script).cast(&mut config, decision);
    let mission = Mission::open(config).await.unwrap();
    let task = run(&mission, "play").await;
    mission.shutdown("over").await.unwrap();
    (task.reason, task.result.unwrap().denied_calls)
}

/// A yes is for one call: this id, this tool, these arguments.
#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_for_the_call_that_was_judged() {
    let bypassed: [fn(&dyn Script); 10] = [
        |turn| {
            turn.judge("c1", "Skill", json!({"skill": "x", "max_results": 5}));
            turn.call("c1", "Skill", json!({"skill": "y"}));
            turn.end("c1", "done");
        },
        |turn| {
            turn.judge("c1", "Write", json!({"content": "x"}));
            turn.call("c1", "Write", json!({"content": "x", "file_path": "b"}));
            turn.end("c1", "written");
        },
        |turn| {
            turn.judge("c1", "Bash", json!({"command": "ls"}));
            turn.call("c1", "Bash", json!({"command": "rm x"}));
            turn.end("c1", "gone");
        },
        |turn| {
            turn.judge("c1", "Read", json!({"command": "ls"}));
            turn.call("c1", "Bash", json!({"command": "ls"}));
            turn.end("c1", "listed");
        },
        // The stream is ahead of the hook, and no result is ever told.
        |turn| {
            turn.call("c1", "Bash", json!({"command": "rm x"}));
            turn.judge("c1", "Bash", json!({"command": "ls"}));
        },
        |turn| {
            turn.judge("c1", "Bash", json!({"command": "ls"}));
            turn.call("c1", "Bash", json!({"command": "ls", "run_in_background": true}));
            turn.end("c1", "listed");
        },
        |turn| {
            turn.judge("c1", "Write", json!({"file_path": "/w/d/a", "content": "x"}));
            turn.call("c1", "Write", json!({"file_path": "b", "content": "x"}));
            turn.end("c1", "written");
        },
        // Two calls in one id's name: whichever ran, the other had no verdict.
        |turn| {
            turn.call("c1", "Bash", json!({"command": "rm x"}));
            turn.call("c1", "Bash", json!({"command": "ls"}));
            turn.judge("c1", "Bash", json!({"command": "ls"}));
            turn.end("c1", "listed");
        },
        // The end is told first.
        |turn| {
            turn.judge("c1", "Bash", json!({"command": "ls"}));
            turn.end("c1", "gone");
            turn.call("c1", "Bash", json!({"command": "rm x"}));
        },
        |turn| {
            turn.judge("c1", "Bash", json!({"command": "ls"}));
            turn.judge("c1", "Bash", json!({"command": "rm x"}));
            turn.call("c1", "Bash", json!({"command": "rm x"}));
            turn.end("c1", "gone");
        },
    ];
    for (number, script) in bypassed.into_iter().enumerate() {
        let (reason, _) = ending(Decision::Allow, script).await;
        assert!(
            reason.as_deref().is_some_and(|reason| reason.contains("policy bypassed")),
            "{number}: {reason:?}"
        );
    }
    // The same call with its fields in another order, told twice; and paths as Claude Code writes them in its two places.
    let same: fn(&dyn Script) = |turn| {
        turn.judge("c1", "Bash", json!({"command": "ls", "timeout": 1000}));
        turn.call("c1", "Bash", serde_json::from_str(r#"{"timeout":1000,"command":"ls"}"#).unwrap());
        turn.call("c1", "Bash", json!({"command": "ls", "timeout": 1000}));
        turn.end("c1", "!Exit code 1");
        turn.call("c2", "Write", json!({"file_path": "a", "content": "x"}));
        turn.judge("c2", "Write", json!({"file_path": "/w/d/a", "content": "x"}));
        turn.end("c2", "written");
        turn.judge("c3", "Bash", json!({"command": "ls"}));
        turn.end("c3", "listed");
        turn.call("c3", "Bash", json!({"command": "ls"}));
        // The hook has the tool's defaults, and what the tool does not know is gone from it.
        turn.call("c4", "Skill", json!({"skill": "x", "made_up": 1}));
        turn.judge("c4", "Skill", json!({"skill": "x", "max_results": 5}));
        turn.end("c4", "done");
        turn.call("c5", "Bash", json!({"command": "ls"}));
        turn.judge("c5", "Bash", json!({"command": "ls", "run_in_background": false}));
        turn.end("c5", "listed");
    };
    assert_eq!(ending(Decision::Allow, same).await, (None, 0));
}

/// Our no counts when the agent passes it on. An error besides may be that of a call which ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_that_failed_is_no_refusal() {
    let ran: [fn(&dyn Script); 5] = [
        |turn| turn.end("c1", "!Exit code 1"),
        |turn| turn.end("c1", "listed"),
        |turn| turn.end("c1", "!the gate always says so, and then it went on"),
        |turn| turn.end("c1", "the gate always says so"),
        // Nothing is told of it, and the turn is said to have gone well.
        |_| {},
    ];
    for (number, end) in ran.into_iter().enumerate() {
        let stage = Stage::new();
        let mut config = stage.config("shell", 1);
        told(move |turn| {
            turn.call("c1", "Bash", json!({"command": "ls"}));
            turn.judge("c1", "Bash", json!({"command": "ls"}));
            end(turn);
        })
        .cast(&mut config, Decision::Deny);
        let mission = Mission::open(config).await.unwrap();
        let task = run(&mission, "play").await;
        let reason = task.reason.unwrap_or_default();
        assert!(reason.contains("policy bypassed: Bash `ls`"), "{number}: {reason}");
        assert_eq!(task.result.unwrap().denied_calls, 0, "{number}");
        mission.shutdown("over").await.unwrap();
    }
    let refused: fn(&dyn Script) = |turn| {
        for (id, content) in [("c1", "!the gate always says so"), ("c2", "!<tool_use_error>malformed")] {
            turn.call(id, "Bash", json!({"command": "ls"}));
            turn.judge(id, "Bash", json!({"command": "ls"}));
            turn.end(id, content);
        }
        // Claude Code's transcript may have the end of a call before the call.
        turn.judge("c3", "Bash", json!({"command": "ls"}));
        turn.end("c3", "!the gate always says so");
        turn.call("c3", "Bash", json!({"command": "ls"}));
        turn.end("c4", "!<tool_use_error>malformed");
        turn.call("c4", "Bash", json!({"command": 7}));
    };
    assert_eq!(ending(Decision::Deny, refused).await, (None, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_panics_or_hangs_is_a_no() {
    use std::sync::Arc;
    let stage = Stage::new();
    for gate in [BadGate::Panics, BadGate::Fails] {
        let mut config = stage.config("player", 1);
        config.ports.gate = Arc::new(gate);
        let mission = Mission::open(config).await.unwrap();
        let task =
            tokio::time::timeout(Duration::from_secs(40), run(&mission, bash("touch x.txt"))).await.unwrap();
        assert_eq!(task.status, TaskStatus::Done, "{task:?}");
        let result = task.result.unwrap();
        assert_eq!((result.changed_files.len(), result.denied_calls), (0, 1));
        event(&mission, "the verdict on record", |event| {
            matches!(&event.body, EventBody::ToolJudged { decision: Decision::Deny, reason, .. }
                if reason.contains("on purpose"))
        })
        .await;
        mission.shutdown("over").await.unwrap();
    }
}

#[derive(Debug)]
enum BadGate {
    Panics,
    Fails,
}

impl missiond_core::ports::Gate for BadGate {
    fn judge<'a>(
        &'a self,
        _: &'a missiond_core::ToolCall,
        _: &'a missiond_core::ports::Seat,
    ) -> missiond_core::ports::BoxFuture<'a, Result<missiond_core::Verdict, missiond_core::ports::GateError>>
    {
        Box::pin(async move {
            match self {
                Self::Panics => panic!("on purpose"),
                Self::Fails => Err(missiond_core::ports::GateError("on purpose".to_owned())),
            }
        })
    }
}
