//! Judging a plain command beside the least that any judge of it does: taking it apart at its spaces.
//!
//! With `BENCH_PAIRS=FILE` it appends its samples to the file, a line each (`figure`, our nanoseconds, the partner's),
//! taken in turn so that whatever else the machine does falls on both.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use criterion::Criterion;
use missiond_policy::{Decision, NoLinks, Policies, Policy, Preset, Surroundings, ToolCall};
use serde_json::json;

const ROUNDS: usize = 400;
/// One judgement is too short for the clock.
const CALLS_A_ROUND: u32 = 200;
const COMMAND: &str = "git log --oneline -n 20 -- src/main.rs";

fn main() {
    let policies = Policies::new([Policy::preset(Preset::Standard)]).unwrap();
    let surroundings = Surroundings::new("/work/shop", "/work/shop");
    let call = ToolCall::new("Bash", json!({ "command": COMMAND }), "/work/shop");
    let judge = || policies.judge_with(black_box(&call), &surroundings, &NoLinks).decision;
    assert_eq!(judge(), Decision::Allow);
    let split = || black_box(COMMAND).split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();

    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut lines = String::new();
        for _ in 0..ROUNDS {
            let (ours, partner) = (timed(judge), timed(split));
            writeln!(lines, "judge\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("plain_command");
    group.bench_function("judge", |bencher| bencher.iter(judge));
    group.bench_function("split", |bencher| bencher.iter(split));
    group.finish();
    criterion.final_summary();
}

/// The mean of many calls.
fn timed<T>(run: impl Fn() -> T) -> Duration {
    let begun = Instant::now();
    for _ in 0..CALLS_A_ROUND {
        black_box(run());
    }
    begun.elapsed() / CALLS_A_ROUND
}
