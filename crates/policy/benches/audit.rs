//! Putting a verdict on record beside the least that any record takes: opening a file, appending the line, closing it.
//!
//! With `BENCH_PAIRS=FILE` it appends its samples to the file, a line each (`figure`, our nanoseconds, the partner's),
//! taken in turn so that whatever else the machine does falls on both. Without, criterion also measures redaction and the
//! check of a log.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use jiff::Timestamp;
use missiond_policy::audit::{AuditLog, AuditOptions, AuditSync, Judged, Redactor, verify};
use missiond_policy::{Decision, Risk, ToolCall, Verdict};
use serde_json::json;

const ROUNDS: usize = 400;
const WAIT: Duration = Duration::from_secs(5);

fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| directory.path().join(name);
    let plain = log(&at("plain.jsonl"), AuditSync::Risky);
    let synced = log(&at("synced.jsonl"), AuditSync::Each);
    append(&plain);
    let text = std::fs::read_to_string(plain.paths().current()).unwrap();
    let line = format!("{}\n", text.lines().last().unwrap());
    let write = |sync: bool| write(&at("bare"), line.as_bytes(), sync);

    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut lines = String::new();
        for _ in 0..ROUNDS {
            let (ours, partner) = (timed(|| append(&plain)), timed(|| write(false)));
            writeln!(lines, "audit\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
            let (ours, partner) = (timed(|| append(&synced)), timed(|| write(true)));
            writeln!(lines, "audit_synced\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
        }
        let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("record");
    group.bench_function("audit", |bencher| bencher.iter(|| append(&plain)));
    group.bench_function("bare", |bencher| bencher.iter(|| write(false)));
    group.bench_function("audit_synced", |bencher| bencher.iter(|| append(&synced)));
    group.bench_function("bare_synced", |bencher| bencher.iter(|| write(true)));
    group.finish();

    let mut redactor = Redactor::new();
    for number in 0..10 {
        redactor.know("a secret", format!("a-known-secret-{number}"));
    }
    let text = "let total: u64 = items.iter().map(|item| item.price).sum(); // key = value\n".repeat(450);
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("redact", |bencher| bencher.iter(|| redactor.redact(black_box(&text)).len()));
    group.finish();

    let long = log(&at("long.jsonl"), AuditSync::Risky);
    for _ in 0..10_000 {
        append(&long);
    }
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10).throughput(Throughput::Elements(10_000));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| assert_eq!(verify(long.paths(), None, WAIT).unwrap().fault, None));
    });
    group.finish();
    criterion.final_summary();
}

fn log(path: &Path, sync: AuditSync) -> AuditLog {
    let mut options = AuditOptions::default();
    options.sync = sync;
    AuditLog::new(path, options, Redactor::of_environment(std::env::vars_os()))
}

fn append(log: &AuditLog) {
    let command =
        json!({ "command": "git log --oneline -n 20 -- src/main.rs", "description": "Show the history" });
    let call = ToolCall::new("Bash", command, "/work/shop");
    let verdict = Verdict::new(Decision::Allow, Risk::Low, "reading in the workspace");
    log.append(&Judged::new(Timestamp::now(), &call, &verdict)).unwrap();
}

fn write(path: &Path, line: &[u8], sync: bool) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(line).unwrap();
    if sync {
        file.sync_data().unwrap();
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}
