//! What one agent may ask of the mission: over a bound it gets a no with its reason, and everybody else goes on.

use std::process::Command;
use std::sync::{Arc, Mutex};

use missiond_core::control::ProjectPaths;
use missiond_core::ports::{ApprovalFilter, TurnEvent};
use missiond_core::{Decision, Error, EventBody, Mission, SlotConfig, ToolCall, Verdict};
use missiond_testkit::processes::wait_until_async;

use super::actor::{Actor, all, call_of, tell};
use super::program;
use super::support::{PATIENCE, Stage, log, run_done, submit, wait};

/// The verdicts that an actor was given.
type Given = Arc<Mutex<Vec<Verdict>>>;

/// An actor that has calls judged, all at once.
fn asking(given: &Given, calls: impl Fn(&str) -> Vec<ToolCall> + Send + Sync + 'static) -> Actor {
    let given = given.clone();
    let calls = Arc::new(calls);
    Actor::new(move |prompt, sink| {
        let (given, calls) = (given.clone(), calls.clone());
        Box::pin(async move {
            let verdicts = all(calls(prompt).into_iter().map(|call| sink.judge(call)).collect()).await;
            given.lock().unwrap().extend(verdicts);
            Ok(())
        })
    })
}

fn taken(given: &Given) -> Vec<Verdict> {
    std::mem::take(&mut given.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_over_the_bound_are_denied_unjudged() {
    let stage = Stage::new();
    let given = Given::default();
    let mut config = stage.config("shell", 1);
    asking(&given, |_| vec![call_of("c1", (1 << 20) + 1), call_of("c2", 1 << 20)])
        .cast(&mut config, Decision::Allow);
    let mission = Mission::open(config).await.unwrap();
    run_done(&mission, "two calls").await;
    let verdicts = taken(&given);
    assert_eq!(verdicts[0].decision, Decision::Deny);
    assert!(verdicts[0].reason.contains("1048577 bytes; 1048576 are the most"), "{:?}", verdicts[0]);
    assert_eq!(verdicts[1].decision, Decision::Allow, "{:?}", verdicts[1]);
    // Both are on record, and the record of the first is no longer than any other.
    let judged: Vec<_> = log(&mission)
        .await
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::ToolJudged { call, decision, argument, .. } => Some((call, decision, argument.len())),
            _ => None,
        })
        .collect();
    assert_eq!(judged.len(), 2);
    for (call, decision, argument) in judged {
        assert_eq!(decision, if call == "c1" { Decision::Deny } else { Decision::Allow });
        assert!(argument < 20_000, "{argument} bytes of an argument in the log");
    }
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_read_is_not_asked() {
    let stage = Stage::new();
    let given = Given::default();
    let mut config = stage.config("shell", 1);
    asking(&given, |prompt| vec![call_of("c1", prompt.parse().unwrap())]).cast(&mut config, Decision::Ask);
    let mission = Mission::open(config).await.unwrap();
    run_done(&mission, (128 * 1024 + 1).to_string()).await;
    let [verdict] = &taken(&given)[..] else { panic!("one call was made") };
    assert_eq!(verdict.decision, Decision::Deny);
    assert!(verdict.reason.contains("131073 bytes") && verdict.reason.contains("131072"), "{verdict:?}");
    assert_eq!(mission.approvals(ApprovalFilter::All).await.unwrap().len(), 0, "nobody was asked");

    let id = submit(&mission, (128 * 1024).to_string()).await;
    let [approval] = &pending(&mission, 1).await[..] else { panic!("one question is open") };
    assert_eq!(approval.call.input.to_string().len(), 128 * 1024, "the question shows the whole call");
    mission.settle(approval.id, true, "a person", None).await.unwrap();
    wait(&mission, id).await;
    assert_eq!(taken(&given)[0].decision, Decision::Allow);
    mission.shutdown("over").await.unwrap();
}

async fn pending(mission: &Mission, count: usize) -> Vec<missiond_core::Approval> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let pending = mission.approvals(ApprovalFilter::Pending).await.unwrap();
        if pending.len() >= count {
            return pending;
        }
        assert!(tokio::time::Instant::now() < end, "{} of {count} questions came", pending.len());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slot_has_so_many_open_questions_and_another_has_its_own() {
    let stage = Stage::new();
    let given = Given::default();
    let mut config = stage.config("shell", 2);
    asking(&given, |prompt| {
        (0..prompt.parse().unwrap()).map(|number| call_of(&format!("c{number}"), 100)).collect()
    })
    .cast(&mut config, Decision::Ask);
    let mission = Mission::open(config).await.unwrap();
    let many = submit(&mission, "17").await;
    let asked = pending(&mission, 16).await;
    // The other slot's agent asks, is answered and ends its turn, while the sixteen wait.
    let one = submit(&mission, "1").await;
    let all = pending(&mission, 17).await;
    let other = all.iter().find(|approval| approval.task == one).unwrap();
    assert_ne!(other.slot, asked[0].slot);
    mission.settle(other.id, true, "a person", None).await.unwrap();
    wait(&mission, one).await;
    assert_eq!(taken(&given)[0].decision, Decision::Allow);
    let open = mission.approvals(ApprovalFilter::Pending).await.unwrap();
    assert_eq!(open.len(), 16, "the seventeenth is not asked");
    for approval in open {
        assert_eq!(approval.task, many);
        mission.settle(approval.id, true, "a person", None).await.unwrap();
    }
    wait(&mission, many).await;
    let (denied, allowed): (Vec<_>, Vec<_>) =
        taken(&given).into_iter().partition(|verdict| verdict.decision == Decision::Deny);
    assert_eq!((denied.len(), allowed.len()), (1, 16));
    assert!(denied[0].reason.contains("16 questions of this slot wait already"), "{:?}", denied[0]);
    // They are free again for the next turn.
    let again = submit(&mission, "16").await;
    for approval in pending(&mission, 16).await {
        mission.settle(approval.id, false, "a person", None).await.unwrap();
    }
    wait(&mission, again).await;
    assert!(taken(&given).iter().all(|verdict| verdict.reason.contains("rejected by a person")));
    mission.shutdown("over").await.unwrap();
}

/// Over the slot's own socket, as an agent's programs do it.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_sends_so_many_messages_and_no_more() {
    let stage = Stage::new();
    program::write(stage.sign("").as_path(), "messages");
    let mission = stage.shell(1).await;
    let gate = ProjectPaths::new(stage.root()).unwrap().gate_socket(&"s1".parse().unwrap());
    let send = |count: u32, out: &str| {
        format!(
            "begin; /bin/sh {program} '{gate}' {count} >{out}; finish",
            program = stage.quoted("messages"),
            gate = gate.display(),
            out = stage.quoted(out),
        )
    };
    run_done(&mission, send(202, "first")).await;
    let answers = std::fs::read_to_string(stage.sign("first")).unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), 202);
    assert!(answers[..200].iter().all(|answer| *answer == "sent"), "{answers:?}");
    assert!(answers[200..].iter().all(|answer| answer.contains("as many messages as it may")), "{answers:?}");
    // The next turn has its own.
    run_done(&mission, send(1, "second")).await;
    assert_eq!(std::fs::read_to_string(stage.sign("second")).unwrap(), "sent\n");
    let sent = log(&mission).await;
    let sent = sent.iter().filter(|event| matches!(event.body, EventBody::MessageSent { .. })).count();
    assert_eq!(sent, 201);
    mission.shutdown("over").await.unwrap();
}

/// A process that is over before anybody could look at it is a short turn and no failure.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_be_over_before_it_is_registered() {
    let stage = Stage::new();
    let mut config = stage.config("shell", 1);
    Actor::new(|prompt, sink| {
        Box::pin(async move {
            let mut child = Command::new("true").spawn().unwrap();
            let pid = child.id();
            // Reaped, so that its number names nothing any more.
            child.wait().unwrap();
            let guardian = if prompt == "over" { pid } else { std::process::id() };
            tell(sink, TurnEvent::Started { pid, guardian }).await?;
            tell(sink, TurnEvent::Text("said".to_owned())).await
        })
    })
    .cast(&mut config, Decision::Deny);
    let mission = Mission::open(config).await.unwrap();
    run_done(&mission, "over").await;
    run_done(&mission, "there").await;
    let events = log(&mission).await;
    let said =
        events.iter().filter(|event| matches!(&event.body, EventBody::AgentText { text } if text == "said"));
    assert_eq!(said.count(), 2);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_with_a_forbidden_argument_opens_no_mission() {
    let stage = Stage::new();
    stage.write_agent(
        "shell",
        &stage.agent_text("shell").replacen(
            "id = \"shell\"",
            "id = \"shell\"\nforbidden_args = [\"--skip-permissions\", \"--settings\"]",
            1,
        ),
    );
    let with = |args: &[&str]| {
        let mut config = stage.config("shell", 2);
        let mut slot = SlotConfig::new("s2".parse().unwrap(), "shell".parse().unwrap());
        slot.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        config.slots[1] = slot;
        config
    };
    for args in [&["--skip-permissions"][..], &["-v", "--settings=/tmp/mine.json"], &["--settings", "x"]] {
        let error = Mission::open(with(args)).await.unwrap_err();
        let Error::Forbidden { slot, arg } = &error else { panic!("{args:?}: {error:?}") };
        assert_eq!(slot.as_str(), "s2");
        assert!(args.contains(&arg.as_str()) && error.to_string().contains(arg), "{error}");
        // Nothing is left that would keep the next one from the project.
        assert_eq!(stage.processes(), Vec::<u32>::new());
    }
    let mission = Mission::open(with(&["--settings-like"])).await.unwrap();
    mission.shutdown("over").await.unwrap();
}

/// The room that a listing has is a frame; what does not fit is cut, says so, and the connection goes on.
#[tokio::test(flavor = "multi_thread")]
async fn listings_fit_in_a_frame_and_mark_what_was_cut() {
    use missiond_core::control::{Client, Request, Response, TaskQuery};
    use missiond_core::ports::{Change, Finish, Store};
    use missiond_core::store::{OpenMode, SqliteStore};
    use missiond_core::{
        Approval, ApprovalStatus, Message, NewTask, Recipient, TaskId, TaskResult, TaskStatus,
    };

    let stage = Stage::new();
    let scratch = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(scratch.path().join("mission.db"), OpenMode::Owner).unwrap());
    let now = jiff::Timestamp::now();
    // Four finished tasks whose answers are 2 MiB of control characters: 12 MiB each as JSON.
    let slot = SlotConfig::new("s1".parse().unwrap(), "shell".parse().unwrap());
    store.apply(Change::ConfigureSlots { slots: vec![slot.clone()], at: now }).await.unwrap();
    let mut finished = Vec::new();
    for _ in 0..4 {
        let id = TaskId::generate();
        store.apply(Change::SubmitTask { id, request: Box::new(NewTask::new("x")), at: now }).await.unwrap();
        let until = now + jiff::SignedDuration::from_hours(1);
        let lease = Change::LeaseTask { task: id, slot: slot.id.clone(), at: now, until };
        let token = store.apply(lease).await.unwrap().lease.unwrap().token;
        let mut result = TaskResult::default();
        result.answer = "\u{1}".repeat(2 << 20);
        let finish = Finish { status: TaskStatus::Done, reason: None, result };
        store.apply(Change::FinishTask { task: id, token, finish: Box::new(finish), at: now }).await.unwrap();
        finished.push(id);
    }
    for _ in 0..300 {
        let message = Message::new(None, Recipient::Everyone, "\u{1}".repeat(Message::MAX_TEXT_BYTES), now);
        store.apply(Change::SendMessage { message: Box::new(message) }).await.unwrap();
    }

    let mut config = stage.config("shell", 1);
    config.ports.store = Some(store.clone());
    let mission = Mission::open(config).await.unwrap();
    let client = Client::connect(&ProjectPaths::new(stage.root()).unwrap()).await.unwrap().unwrap();
    let call = async |request| client.call(request).await.unwrap_or_else(|error| panic!("{error:?}"));

    let Response::Tasks(tasks) = call(Request::Tasks { filter: TaskQuery::default() }).await else {
        panic!()
    };
    assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), finished);
    for task in &tasks {
        let answer = &task.result.as_ref().unwrap().answer;
        assert!(answer.ends_with('…') && answer.len() <= 1030, "{} bytes", answer.len());
    }
    let Response::Tasks(tasks) =
        call(Request::Tasks { filter: TaskQuery { statuses: vec![], newest: Some(3) } }).await
    else {
        panic!()
    };
    assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), finished[1..]);
    let Response::Task(task) = call(Request::Task { id: finished[0] }).await else { panic!() };
    assert_eq!(task.result.unwrap().answer.len(), 2 << 20, "one task alone fits, and is whole");

    let Response::Messages(messages) = call(Request::Messages { limit: 300 }).await else { panic!() };
    assert_eq!(messages.len(), 300);
    assert!(messages[299].text.len() == Message::MAX_TEXT_BYTES, "the newest is whole");
    assert!(messages[0].text.ends_with('…') && messages[0].text.len() <= 1030);

    // 20 MiB of questions that wait, behind a thousand that were settled with long notes.
    let id = submit(&mission, format!("begin; await {}; finish", stage.quoted("go"))).await;
    super::support::leased(&mission, id).await;
    let open = async |input: serde_json::Value| {
        let call = ToolCall::new("c1", "Bash", input, "/");
        let verdict = Verdict::new(Decision::Ask, None, "a person decides");
        let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let approval = Approval::pending(id, slot.id.clone(), call, verdict, jiff::Timestamp::now(), expires);
        let name = approval.id;
        store.apply(Change::OpenApproval { approval: Box::new(approval) }).await.unwrap();
        name
    };
    let mut waiting = Vec::new();
    for _ in 0..160 {
        waiting.push(open(serde_json::json!({ "command": "y".repeat(128 * 1024 - 20) })).await);
    }
    for _ in 0..1000 {
        let approval = open(serde_json::json!({ "command": "z" })).await;
        let note = Some("\u{1}".repeat(16 * 1024));
        mission.settle(approval, false, "a person", note).await.unwrap();
    }
    for all in [false, true] {
        let Response::Approvals(listed) = call(Request::Approvals { all }).await else { panic!() };
        let pending: Vec<_> =
            listed.iter().filter(|approval| approval.status == ApprovalStatus::Pending).collect();
        assert_eq!(
            pending.iter().map(|approval| approval.id).collect::<Vec<_>>(),
            waiting,
            "none is left out"
        );
        assert!(pending[159].call.input["cut"].is_null(), "the newest question is whole");
        assert_eq!(pending[159].call.argument().len(), 128 * 1024 - 20);
        assert!(pending[0].call.input["cut"].as_str().unwrap().ends_with('…'), "{:?}", pending[0].call);
        assert!(listed.len() == if all { 1000 } else { 160 }, "{}", listed.len());
        assert!(listed.iter().map(|approval| approval.opened_at).is_sorted());
    }
    stage.make_sign("go");
    wait(&mission, id).await;
    mission.shutdown("over").await.unwrap();
    wait_until_async(PATIENCE, "the agent is gone", || stage.processes().is_empty().then_some(()))
        .await
        .unwrap();
}
