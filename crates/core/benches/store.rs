//! The store beside bare SQLite doing the same work in the same run.
//!
//! `events`: many callers at once write one or more events each; the partner inserts the same rows in transactions of as
//! many rows as all callers together can have under way. `submit_to_leased`: one caller submits a task and leases it; the
//! partner makes the same rows in the same two transactions, the first one synced.
//!
//! With `BENCH_PAIRS=FILE` it leaves criterion out and appends the samples that it compares at the end to the file, a line
//! each (`figure`, the store's nanoseconds, the partner's); `scripts/bench` reads them.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use jiff::{SignedDuration, Timestamp};
use missiond_core::ports::{Change, Store};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{EventBody, NewTask, SlotConfig, SlotId, TaskId};
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

/// How many callers write how many events with each change. 500 agents are the most that a project may have.
const LOADS: [Load; 3] =
    [Load { callers: 64, each: 1 }, Load { callers: 500, each: 1 }, Load { callers: 64, each: 16 }];
const ROUNDS: usize = 25;
const EVENTS_A_ROUND: u64 = 20_000;
const TASKS_A_ROUND: u64 = 100;

#[derive(Clone, Copy, Debug)]
struct Load {
    callers: u64,
    each: u64,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} callers x {}", self.callers, self.each)
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::var_os("BENCH_PAIRS").is_none() {
        let mut criterion = Criterion::default().configure_from_args();
        events(&mut criterion, &runtime);
        latency(&mut criterion, &runtime);
        criterion.final_summary();
    }
    ratios(&runtime);
}

fn events(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(3));
    for load in LOADS {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        group.bench_function(BenchmarkId::new("store", load), |bencher| {
            bencher.iter_custom(|count| store_events(runtime, &store, load, count));
        });
        let bare = Bare::new(directory.path(), "bare.db");
        group.bench_function(BenchmarkId::new("bare", load), |bencher| {
            bencher.iter_custom(|count| bare.events(load, count));
        });
    }
    group.finish();
}

fn latency(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("submit_to_leased");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    group
        .bench_function("store", |bencher| bencher.iter_custom(|count| store_leases(runtime, &store, count)));
    let bare = Bare::new(directory.path(), "bare.db");
    group.bench_function("bare", |bencher| bencher.iter_custom(|count| bare.leases(count)));
    group.finish();
}

/// Runs the partners in turn, so that whatever else the machine does falls on both, and compares the medians.
fn ratios(runtime: &Runtime) {
    for load in LOADS {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let bare = Bare::new(directory.path(), "bare.db");
        let (mine, partner) = in_turn(
            &format!("events_{}x{}", load.callers, load.each),
            EVENTS_A_ROUND,
            || store_events(runtime, &store, load, EVENTS_A_ROUND),
            || bare.events(load, EVENTS_A_ROUND),
        );
        let rate = |time: Duration| EVENTS_A_ROUND as f64 / time.as_secs_f64();
        println!(
            "events, {load}: store {:.0}/s, bare {:.0}/s, ratio {:.2} (goal 0.5 and 10000/s)",
            rate(mine),
            rate(partner),
            rate(mine) / rate(partner)
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bare = Bare::new(directory.path(), "bare.db");
    let (mine, partner) = in_turn(
        "store_lease",
        TASKS_A_ROUND,
        || store_leases(runtime, &store, TASKS_A_ROUND),
        || bare.leases(TASKS_A_ROUND),
    );
    let each = |time: Duration| time.as_secs_f64() * 1e6 / TASKS_A_ROUND as f64;
    println!(
        "submit to leased: store {:.0} us, bare {:.0} us, {:.2} times as long",
        each(mine),
        each(partner),
        each(mine) / each(partner)
    );
}

/// The medians of many rounds, each of which is `count` pieces of work.
fn in_turn(
    figure: &str,
    count: u64,
    mut mine: impl FnMut() -> Duration,
    mut partner: impl FnMut() -> Duration,
) -> (Duration, Duration) {
    let mut times = (Vec::new(), Vec::new());
    let mut lines = String::new();
    for round in 0..ROUNDS {
        // Each is the first one in every other round.
        let (mine, partner) = if round % 2 == 0 {
            let mine = mine();
            (mine, partner())
        } else {
            let partner = partner();
            (mine(), partner)
        };
        let each = |time: Duration| time.as_nanos() / u128::from(count);
        writeln!(lines, "{figure}\t{}\t{}", each(mine), each(partner)).unwrap();
        times.0.push(mine);
        times.1.push(partner);
    }
    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    }
    times.0.sort();
    times.1.sort();
    (times.0[ROUNDS / 2], times.1[ROUNDS / 2])
}

fn open(directory: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(directory.join("mission.db"), OpenMode::Owner).unwrap())
}

fn body() -> EventBody {
    EventBody::ToolCalled {
        call: "toolu_01A09q90qw90lq917835lq9".to_owned(),
        tool: "Bash".to_owned(),
        argument: "cargo nextest run -p missiond-core --no-fail-fast".to_owned(),
    }
}

fn slot() -> SlotId {
    "worker-1".parse().unwrap()
}

fn store_events(runtime: &Runtime, store: &Arc<SqliteStore>, load: Load, count: u64) -> Duration {
    runtime.block_on(async {
        let left = Arc::new(AtomicU64::new(count.div_ceil(load.each)));
        let task = TaskId::generate();
        let begun = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..load.callers {
            let (store, left) = (store.clone(), left.clone());
            // Made once, as the partner's row is: what is measured is the store.
            let (bodies, at) = (vec![body(); load.each as usize], Timestamp::now());
            let note = Change::Note { task: Some(task), slot: Some(slot()), bodies, at };
            running.spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    store.apply(note.clone()).await.unwrap();
                }
            });
        }
        running.join_all().await;
        begun.elapsed()
    })
}

fn store_leases(runtime: &Runtime, store: &Arc<SqliteStore>, count: u64) -> Duration {
    runtime.block_on(async {
        let slots = vec![SlotConfig::new(slot(), "scripted".parse().unwrap())];
        store.apply(Change::ConfigureSlots { slots, at: Timestamp::now() }).await.unwrap();
        let mut spent = Duration::ZERO;
        for _ in 0..count {
            let (task, at) = (TaskId::generate(), Timestamp::now());
            let until = at + SignedDuration::from_secs(60);
            let begun = Instant::now();
            store
                .apply(Change::SubmitTask { id: task, request: Box::new(NewTask::new("fix it")), at })
                .await
                .unwrap();
            let leased = store.apply(Change::LeaseTask { task, slot: slot(), at, until }).await.unwrap();
            spent += begun.elapsed();
            let token = leased.lease.unwrap().token;
            let reason = "next".to_owned();
            store.apply(Change::RequeueTask { task, token: Some(token), reason, at }).await.unwrap();
        }
        spent
    })
}

/// SQLite without anything around it.
struct Bare {
    conn: Connection,
}

impl Bare {
    fn new(directory: &Path, name: &str) -> Self {
        let conn = Connection::open(directory.join(name)).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.pragma_update(None, "synchronous", "NORMAL").unwrap();
        // As often as the store copies its log back, and with what it checks.
        conn.pragma_update(None, "wal_autocheckpoint", 4096).unwrap();
        conn.pragma_update(None, "journal_size_limit", 32 << 20).unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        // The tables and indexes of the store.
        conn.execute_batch(include_str!("../src/store/schema.sql")).unwrap();
        Self { conn }
    }

    fn events(&self, load: Load, count: u64) -> Duration {
        let (at, task) = (Timestamp::now().to_string(), TaskId::generate().to_string());
        let body = serde_json::to_string(&body()).unwrap();
        let mut insert = self
            .conn
            .prepare("INSERT INTO events (at, task, slot, body) VALUES (?1, ?2, 'worker-1', ?3)")
            .unwrap();
        let begun = Instant::now();
        let mut left = count.div_ceil(load.each) * load.each;
        while left > 0 {
            let rows = left.min(load.callers * load.each);
            self.conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..rows {
                insert.execute(params![at, task, body]).unwrap();
            }
            self.conn.execute_batch("COMMIT").unwrap();
            left -= rows;
        }
        begun.elapsed()
    }

    fn leases(&self, count: u64) -> Duration {
        let request = serde_json::to_string(&NewTask::new("fix it")).unwrap();
        let at = Timestamp::now().to_string();
        let event =
            "INSERT INTO events (at, task, slot, body) VALUES (?1, ?2, NULL, '{\"kind\":\"task.leased\"}')";
        let mut event = self.conn.prepare(event).unwrap();
        let mut submit = self
            .conn
            .prepare("INSERT INTO tasks (id, request, status, submitted_at) VALUES (?1, ?2, 'queued', ?3)")
            .unwrap();
        let lease = "UPDATE tasks SET status = 'running', attempts = 1, lease_slot = 'worker-1', lease_token = 1, \
             lease_until = ?2, started_at = ?2 WHERE id = ?1";
        let mut lease = self.conn.prepare(lease).unwrap();
        let free = "UPDATE tasks SET lease_slot = NULL, lease_token = NULL, lease_until = NULL WHERE id = ?1";
        let mut free = self.conn.prepare(free).unwrap();
        let mut spent = Duration::ZERO;
        for _ in 0..count {
            let task = TaskId::generate().to_string();
            let begun = Instant::now();
            self.conn.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE").unwrap();
            submit.execute(params![task, request, at]).unwrap();
            event.execute(params![at, task]).unwrap();
            self.conn.execute_batch("COMMIT; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").unwrap();
            lease.execute(params![task, at]).unwrap();
            event.execute(params![at, task]).unwrap();
            self.conn.execute_batch("COMMIT").unwrap();
            spent += begun.elapsed();
            free.execute([task]).unwrap();
        }
        spent
    }
}
