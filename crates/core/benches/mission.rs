//! From `Mission::submit` to the event `task.leased`, beside the bare SQLite work in it: the rows of the same two
//! transactions, the first one synced.
//!
//! The mission is a real one: a git repository, SQLite on disk, the sockets, and `/bin/sh` as the agent, described by a
//! data file. Each task is waited for before the next is submitted.
//!
//! With `BENCH_PAIRS=FILE` it appends its samples to the file, a line each (`figure`, our nanoseconds, the partner's),
//! taken in turn so that whatever else the machine does falls on both.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{DriverKind, EventBody, EventStream, Mission, NewTask, Seq, TaskId, TaskStatus};
use missiond_testkit::repo::Repo;
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

const ROUNDS: usize = 120;

const SHELL: &str = r#"
version = 1
id = "shell"
name = "A shell"
install = "every system has it"
hooks = "claude"

[headless]
program = "/bin/sh"
args = ["-c", 'cat >/dev/null; echo "{\"type\":\"result\",\"is_error\":false,\"text\":\"done\"}"', "{settings}"]

# It calls no tool, but an agent's data file has to say how calls would be told.
[[headless.event]]
when = { "/type" = "call" }
emit = "tool_call"
fields = { id = "/id", tool = "/tool", input = "/input" }

[[headless.event]]
when = { "/type" = "returned" }
emit = "tool_result"
fields = { id = "/id", is_error = "/is_error", content = "/content" }

[[headless.event]]
when = { "/type" = "result" }
emit = "result"
fields = { text = "/text", is_error = "/is_error" }
"#;

fn main() {
    let runtime = Runtime::new().unwrap();
    let repository = Repo::with_commit().unwrap();
    let mut subject = runtime.block_on(Subject::new(&repository));
    let bare = Bare::new(&repository.beside("bare.db"));
    // The first task meets cold caches and an empty page of everything.
    runtime.block_on(subject.lease());
    bare.lease();

    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut lines = String::new();
        for round in 0..ROUNDS {
            let (ours, partner) = if round % 2 == 0 {
                let ours = runtime.block_on(subject.lease());
                (ours, bare.lease())
            } else {
                let partner = bare.lease();
                (runtime.block_on(subject.lease()), partner)
            };
            writeln!(lines, "lease\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    } else {
        let mut criterion = Criterion::default().configure_from_args();
        let mut group = criterion.benchmark_group("submit_to_leased");
        // A sample is a whole task, of which the least part is measured.
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(20))
            .measurement_time(Duration::from_millis(200));
        group.bench_function("mission", |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| runtime.block_on(subject.lease())).sum());
        });
        group.bench_function("bare", |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| bare.lease()).sum());
        });
        group.finish();
        criterion.final_summary();
    }
    runtime.block_on(subject.mission.shutdown("the benchmark is over")).unwrap();
}

struct Subject {
    mission: Mission,
    events: EventStream,
}

impl Subject {
    async fn new(repository: &Repo) -> Self {
        repository.write(".missiond/agents/shell.toml", SHELL).unwrap();
        let project = Project::discover(repository.path(), &ProjectOptions::default()).unwrap();
        let mut config = project.mission_config().unwrap();
        config.slots = config.slots_for(&"shell".parse().unwrap(), DriverKind::Headless).unwrap();
        let mission = Mission::open(config).await.unwrap();
        let events = mission.events(Seq(0));
        Self { mission, events }
    }

    /// Submits a task and carries it to its end; the time is that until its lease was heard of.
    async fn lease(&mut self) -> Duration {
        let begun = Instant::now();
        let id = self.mission.submit(NewTask::new("do nothing")).await.unwrap();
        self.hear(id, |body| matches!(body, EventBody::TaskLeased { .. })).await;
        let spent = begun.elapsed();
        self.hear(id, |body| matches!(body, EventBody::TaskFinished { .. })).await;
        let task = self.mission.wait(id).await.unwrap();
        assert_eq!(task.status, TaskStatus::Done, "{:?}", task.reason);
        spent
    }

    async fn hear(&mut self, task: TaskId, is_it: impl Fn(&EventBody) -> bool) {
        loop {
            let event = self.events.next().await.unwrap().expect("the mission is open");
            if event.task == Some(task) && is_it(&event.body) {
                return;
            }
        }
    }
}

/// SQLite without anything around it.
struct Bare {
    conn: Connection,
}

impl Bare {
    fn new(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        // The tables and indexes of the store.
        conn.execute_batch(include_str!("../src/store/schema.sql")).unwrap();
        Self { conn }
    }

    fn lease(&self) -> Duration {
        let request = serde_json::to_string(&NewTask::new("do nothing")).unwrap();
        let (task, at) = (TaskId::generate().to_string(), jiff::Timestamp::now().to_string());
        let conn = &self.conn;
        let run = |sql: &str, values: &[&str]| {
            conn.prepare_cached(sql).unwrap().execute(rusqlite::params_from_iter(values)).unwrap();
        };
        let event = |body: &str| {
            run("INSERT INTO events (at, task, slot, body) VALUES (?1, ?2, NULL, ?3)", &[&at, &task, body]);
        };
        let begun = Instant::now();
        conn.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").unwrap();
        run(
            "INSERT INTO tasks (id, request, status, submitted_at) VALUES (?1, ?2, 'queued', ?3)",
            &[&task, &request, &at],
        );
        event(r#"{"kind":"task.submitted","role":"worker","prompt":"do nothing"}"#);
        conn.execute_batch("COMMIT; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").unwrap();
        run(
            "UPDATE tasks SET status = 'running', attempts = 1, lease_slot = 'shell-1', lease_token = 1, \
             lease_until = ?2, started_at = ?2 WHERE id = ?1",
            &[&task, &at],
        );
        event(r#"{"kind":"task.leased","attempt":1,"token":1}"#);
        conn.execute_batch("COMMIT").unwrap();
        let spent = begun.elapsed();
        // A slot holds one task.
        conn.execute(
            "UPDATE tasks SET status = 'done', lease_slot = NULL, lease_token = NULL, lease_until = NULL WHERE id = ?1",
            params![task],
        )
        .unwrap();
        spent
    }
}
