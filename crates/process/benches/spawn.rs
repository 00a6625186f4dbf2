//! A guarded process tree beside a plain child of the standard library: start `/bin/true` and wait for its end.
//!
//! With `BENCH_PAIRS=FILE` it appends its samples to the file, a line each (`figure`, our nanoseconds, the partner's),
//! taken in turn so that whatever else the machine does falls on both.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::Criterion;
use missiond_process::{Exit, SpawnSpec};

const ROUNDS: usize = 400;

fn main() {
    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut lines = String::new();
        for round in 0..ROUNDS {
            // Who goes first changes, so that neither always finds the caches warm.
            let (ours, partner) = if round % 2 == 0 {
                let ours = timed(guarded);
                (ours, timed(plain))
            } else {
                let partner = timed(plain);
                (timed(guarded), partner)
            };
            writeln!(lines, "spawn\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("spawn_and_exit");
    group.bench_function("guarded", |bencher| bencher.iter(guarded));
    group.bench_function("plain", |bencher| bencher.iter(plain));
    group.finish();
    criterion.final_summary();
}

fn timed(run: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}

fn guarded() {
    let running = SpawnSpec::new("/bin/true", "/").spawn().unwrap();
    assert_eq!(running.wait_blocking(None).unwrap(), Some(Exit::Code(0)));
}

fn plain() {
    let mut command = Command::new("/bin/true");
    command.current_dir("/").env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}
