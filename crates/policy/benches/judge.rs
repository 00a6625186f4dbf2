//! Judging a plain command beside the least that any judge of it does: taking it apart at its spaces. Judging a script of
//! two kilobytes beside parsing it and no more. And judging calls under ten thousand rules beside the same under ten.
//!
//! With `BENCH_PAIRS=FILE` it appends its samples to the file, a line each (`figure`, our nanoseconds, the partner's),
//! taken in turn so that whatever else the machine does falls on both.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use brush_parser::{ParserOptions, parse_tokens, uncached_tokenize_str};
use criterion::Criterion;
use missiond_policy::{
    Decision, Disk, Layer, Links, NoLinks, Policies, Policy, Preset, Surroundings, ToolCall,
};
use serde_json::json;

const ROUNDS: usize = 400;
/// One judgement is too short for the clock.
const CALLS_A_ROUND: u32 = 200;
const COMMAND: &str = "git log --oneline -n 20 -- src/main.rs";
const MANY: usize = 10_000;
const FEW: usize = 10;

/// Each takes the number of a rule.
const PATTERNS: [fn(usize) -> String; 10] = [
    |n| format!("Bash(tool{n} push:*)"),
    |n| format!("Bash(git push origin branch-{n}*)"),
    |n| format!("Bash(git log --grep={n} *)"),
    |n| format!("Read(./secret{n}/**)"),
    |n| format!("Edit(/src/part{n}/*.rs)"),
    |n| format!("Edit(*.kind{n})"),
    |n| format!("Write(~/private/{n})"),
    |n| format!("WebFetch(domain:*.host{n}.example.com)"),
    |n| format!("mcp__server{n}__write_*(branch=main)"),
    |n| format!("Agent(helper{n})"),
];

fn main() {
    let policies = Policies::new([Policy::preset(Preset::Standard)]).unwrap();
    let surroundings = Surroundings::new("/work/shop", "/work/shop");
    let call = ToolCall::new("Bash", json!({ "command": COMMAND }), "/work/shop");
    let judge = || policies.judge_with(black_box(&call), &surroundings, &NoLinks).decision;
    assert_eq!(judge(), Decision::Allow);
    let split = || black_box(COMMAND).split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();

    let script = script();
    let long = ToolCall::new("Bash", json!({ "command": script }), "/work/shop");
    let judge_script = || policies.judge_with(black_box(&long), &surroundings, &NoLinks).decision;
    assert_eq!(judge_script(), Decision::Allow);
    let options = ParserOptions::default();
    let parse = || {
        let tokens = uncached_tokenize_str(black_box(&script), &options.tokenizer_options()).unwrap();
        parse_tokens(&tokens, &options).unwrap()
    };

    let (many, few) = (ruled(MANY), ruled(FEW));
    let here = std::env::current_dir().unwrap();
    let under = |policies: &Policies, place: &Path, links: &dyn Links| {
        let mut surroundings = Surroundings::new(place, place);
        surroundings.home = Some("/home/me".into());
        for (tool, input) in [
            ("Bash", json!({ "command": COMMAND })),
            ("Edit", json!({ "file_path": "src/lib.rs" })),
            ("WebFetch", json!({ "url": "https://docs.example.com/" })),
            ("mcp__server__read", json!({ "branch": "main" })),
        ] {
            let call = ToolCall::new(tool, input, place);
            black_box(policies.judge_with(black_box(&call), &surroundings, links));
        }
    };
    let nowhere = Path::new("/work/shop");

    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut lines = String::new();
        for _ in 0..ROUNDS {
            let (ours, partner) = (timed(judge), timed(split));
            writeln!(lines, "judge\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
            let (ours, partner) = (timed_few(judge_script), timed_few(parse));
            writeln!(lines, "script\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
        }
        for _ in 0..ROUNDS {
            let (ours, partner) =
                (timed(|| under(&many, nowhere, &NoLinks)), timed(|| under(&few, nowhere, &NoLinks)));
            writeln!(lines, "rules\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
            let (ours, partner) = (timed(|| under(&many, &here, &Disk)), timed(|| under(&few, &here, &Disk)));
            writeln!(lines, "rules_disk\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
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
    let mut group = criterion.benchmark_group("script");
    group.bench_function("judge", |bencher| bencher.iter(judge_script));
    group.bench_function("parse", |bencher| bencher.iter(parse));
    group.finish();
    let mut group = criterion.benchmark_group("rules");
    group.bench_function("ten_thousand", |bencher| bencher.iter(|| under(&many, nowhere, &NoLinks)));
    group.bench_function("ten", |bencher| bencher.iter(|| under(&few, nowhere, &NoLinks)));
    group.bench_function("ten_thousand_on_disk", |bencher| bencher.iter(|| under(&many, &here, &Disk)));
    group.bench_function("ten_on_disk", |bencher| bencher.iter(|| under(&few, &here, &Disk)));
    group.finish();
    criterion.final_summary();
}

/// The preset `standard` under so many rules of every kind, none of which speaks of what is judged.
fn ruled(count: usize) -> Policies {
    let rules: Vec<String> = (0..count)
        .map(|n| {
            let pattern = PATTERNS[n % PATTERNS.len()](n);
            format!("'{pattern}'")
        })
        .collect();
    let text = format!("version = 1\npreset = 'standard'\ndeny = [{}]", rules.join(",\n"));
    Policies::new([Policy::parse(&text, "bench", Layer::User).unwrap()]).unwrap()
}

/// A script of two kilobytes as agents write them.
fn script() -> String {
    const PARTS: [&str; 8] = [
        "set -euo pipefail\n",
        "cd src && cargo test --workspace 2>&1 | tail -20\n",
        "if [ -f Cargo.toml ]; then grep -n 'name = ' Cargo.toml | head -5; else echo \"no manifest here\"; fi\n",
        "for file in main.rs lib.rs; do wc -l \"$file\" && grep -c TODO \"$file\" || true; done\n",
        "cat > notes.md <<'EOF'\nWhat was done, and what is left to do.\nEOF\n",
        "git add -A && git commit -q -m \"Say what was done\" && git log --oneline -n 3\n",
        "FOO=1 timeout 60 cargo test --lib config::tests -- --nocapture > out.txt 2>&1\n",
        "echo \"last commit: $(git rev-parse --short HEAD)\"\n",
    ];
    let mut script = String::new();
    for part in PARTS.iter().cycle() {
        if script.len() + part.len() > 2048 {
            return script;
        }
        // A second `cd src` would lead further down.
        script.push_str(if script.contains("cd src") {
            part.strip_prefix("cd src && ").unwrap_or(part)
        } else {
            part
        });
    }
    script
}

/// The mean of many calls.
fn timed<T>(run: impl Fn() -> T) -> Duration {
    timed_times(CALLS_A_ROUND, run)
}

/// The mean of a few calls that take long.
fn timed_few<T>(run: impl Fn() -> T) -> Duration {
    timed_times(CALLS_A_ROUND / 20, run)
}

fn timed_times<T>(times: u32, run: impl Fn() -> T) -> Duration {
    let begun = Instant::now();
    for _ in 0..times {
        black_box(run());
    }
    begun.elapsed() / times
}
