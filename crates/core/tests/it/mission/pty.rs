//! Missions of agents in terminals.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use missiond_core::ports::{BoxFuture, Gate, GateError, Seat};
use missiond_core::{Decision, DriverKind, EventBody, Mission, MissionConfig, TaskStatus, ToolCall, Verdict};

use super::support::{Stage, all_vacant, asked, event, run_done, run_failed, submit, wait};

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

/// The transcript is written behind the agent's back, as real agents do: the rest of a turn comes long after the screen is
/// idle, and nothing in it says that this was the end.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_late_transcript_is_waited_for() {
    let stage = Stage::new();
    let (written, shown) = (stage.sign("written"), stage.sign("shown"));
    let text = stage.agent_text("player");
    // Without the rule for the end of a turn.
    let (text, _) = text.rsplit_once("[[pty.transcript.event]]").unwrap();
    let text = text
        .replace("directory_env = \"XDG_STATE_HOME\"", "")
        .replace("directory = \"~/.local/state\"", &format!("directory = {:?}", shown.to_str().unwrap()));
    stage.write_agent("player", &writing_to(&text, &written));
    // Longer than a transcript without a report must be quiet.
    let _late = Late::start(&written, &shown, Duration::from_millis(2500));
    let mission = Mission::open(config(&stage, &[])).await.unwrap();
    let task = run_done(
        &mission,
        r#"script:[{"say":"Let me look."},{"write":{"path":"a.txt","content":"x"}},{"say":"Done."}]"#,
    )
    .await;
    let result = task.result.unwrap();
    assert_eq!((&*result.answer, result.tool_calls), ("Let me look.\n\nDone.", 1));
    let script = r#"script:[{"say":"Let me look."},{"unhooked":"touch past.txt"},{"say":"Done."}]"#;
    let reason = run_failed(&mission, script).await;
    assert!(reason.contains("policy bypassed: Bash `touch past.txt`"), "{reason}");
    stage.no_process_is_left().await;
    mission.shutdown("over").await.unwrap();
}

/// An agent's data file, with another place for what it writes.
fn writing_to(text: &str, state: &Path) -> String {
    let env = format!("[pty]\nenv = {{ XDG_STATE_HOME = {:?} }}", state.to_str().unwrap());
    text.replace("[pty]", &env)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_from_a_terminal_is_cut() {
    const MAX_BYTES: usize = 4 << 20;
    let stage = Stage::new();
    let state = stage.sign("state");
    stage.write_agent("player", &writing_to(&stage.agent_text("player"), &state));
    let mut config = config(&stage, &[]);
    config.ports.gate = Arc::new(Yes);
    let mission = Mission::open(config).await.unwrap();
    // What it would say, since such a prompt would take its time to type.
    let line = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"TEXT"}]}}"#;
    let (begin, end) = line.split_once("TEXT").unwrap();
    let command = format!(
        "{{ printf '%s' '{begin}'; head -c 5000000 /dev/zero | tr '\\0' x; echo '{end}'; }} >> $(ls {}/missiond/scripted/*.jsonl)",
        state.to_str().unwrap()
    );
    let script = serde_json::json!([{ "say": "Begin." }, { "bash": command }, { "say": "End." }]);
    let answer = run_done(&mission, format!("script:{script}")).await.result.unwrap().answer;
    assert!(answer.starts_with("Begin.\n\nxx") && answer.ends_with("x…"), "{} bytes", answer.len());
    assert_eq!(answer.len(), MAX_BYTES + '…'.len_utf8());
    mission.shutdown("over").await.unwrap();
}

/// Copies transcripts: up to the first words at once, and the rest a while after the turn's end.
struct Late {
    over: Arc<AtomicBool>,
    copier: Option<JoinHandle<()>>,
}

impl Late {
    fn start(from: &Path, to: &Path, lag: Duration) -> Self {
        let below = "missiond/scripted";
        let (from, to) = (from.join(below), to.join(below));
        std::fs::create_dir_all(&to).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let heard = over.clone();
        let copier = move || {
            let mut files = HashMap::new();
            while !heard.load(Ordering::SeqCst) {
                for entry in std::fs::read_dir(&from).into_iter().flatten().flatten() {
                    let file = files.entry(entry.file_name()).or_insert_with(LateFile::default);
                    file.copy(&entry.path(), &to.join(entry.file_name()), lag);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        Self { over, copier: Some(std::thread::spawn(copier)) }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(copier) = self.copier.take() {
            let _ = copier.join();
        }
    }
}

#[derive(Default)]
struct LateFile {
    copied: usize,
    ended: Option<Instant>,
}

impl LateFile {
    fn copy(&mut self, from: &Path, to: &Path, lag: Duration) {
        let text = std::fs::read_to_string(from).unwrap_or_default();
        let lines: Vec<&str> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
        let kind = |line: &str, kind: &str| line.contains(&format!("\"type\":\"{kind}\""));
        if self.ended.is_none() && lines.iter().any(|line| kind(line, "result")) {
            self.ended = Some(Instant::now());
        }
        let first = lines.iter().position(|line| kind(line, "assistant")).map_or(lines.len(), |at| at + 1);
        let most = if self.ended.is_some_and(|at| at.elapsed() >= lag) { lines.len() } else { first };
        let mut file = std::fs::File::options().create(true).append(true).open(to).unwrap();
        for line in &lines[self.copied.min(most)..most] {
            file.write_all(line.as_bytes()).unwrap();
        }
        self.copied = self.copied.max(most);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_in_which_a_person_is_asked_is_not_the_turns_in_a_terminal() {
    let stage = Stage::new();
    stage.policy("ask = [\"Bash(touch:*)\"]\n");
    let limit = Duration::from_secs(6);
    let mission = Mission::open(config(&stage, &[("agent.turn_timeout", "6s")])).await.unwrap();
    let id = submit(&mission, r#"script:[{"bash":"touch asked.txt"},{"say":"ok"}]"#).await;
    let approval = asked(&mission).await;
    // It is the passing of real time that must do no harm.
    tokio::time::sleep(limit + Duration::from_secs(1)).await;
    mission.settle(approval.id, true, "a person", None).await.unwrap();
    let task = wait(&mission, id).await;
    assert_eq!(task.status, TaskStatus::Done, "{task:?}");
    let reason = run_failed(&mission, r#"script:[{"think_ms":60000}]"#).await;
    assert!(reason.contains("took longer than 6 s"), "{reason}");
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
