//! What starting `missiond` costs, beside starting a Rust program with an empty `main`.
//!
//! * `hook_gate`: `missiond hook --gate … pre-tool-use` under a live mission. An agent of that mission runs it, as its
//!   settings file says, and gets an allow; so the time includes the mission's checks, verdict and record.
//! * `hook_alone`: the same where there is no mission, so the program finds the project and judges by itself.
//! * `version`: `missiond --version`.
//! * `true`: `/bin/true`, a control that shows what a difference of nothing looks like.
//!
//! Partners are run in turn, so that whatever else the machine does falls on both. It prints the medians, and with
//! `BENCH_PAIRS=FILE` appends its samples to the file, a line each (`figure`, our nanoseconds, the partner's).
//!
//! No criterion here: one of the programs is measured by an agent, a process of its own.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{DriverKind, Mission, NewTask, TaskStatus};
use missiond_testkit::repo::Repo;
use serde_json::{Value, json};

const ROUNDS: usize = 300;
const MISSIOND: &str = env!("CARGO_BIN_EXE_missiond");
/// The first argument that turns this program into the agent.
const AS_AGENT: &str = "as-agent";

const AGENT: &str = r#"
version = 1
id = "prober"
name = "This benchmark"
install = "it is this very program"
hooks = "claude"

[headless]
program = "{self}"
args = ["as-agent", "{settings}"]

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
    let args: Vec<OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == AS_AGENT) {
        return agent(Path::new(&args[2]));
    }
    let repository = Repo::with_commit().unwrap();
    let empty = empty_program(&repository);
    let mut samples = String::new();
    samples.push_str(&under_a_mission(&repository, &empty));
    let mut alone = Program::new([MISSIOND, "hook", "pre-tool-use"]);
    alone.input = event(repository.path(), 0).to_string();
    alone.expect = "\"allow\"";
    alone.directory = repository.path().to_owned();
    compare("hook_alone", &mut samples, &empty, |_| alone.clone());
    compare("version", &mut samples, &empty, |_| Program::new([MISSIOND, "--version"]));
    compare("true", &mut samples, &empty, |_| Program::new(["/bin/true"]));

    print(&samples);
    if let Some(file) = std::env::var_os("BENCH_PAIRS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(samples.as_bytes()).unwrap();
    }
}

/// Compiles what there is to compare with: the least that a Rust program can be.
fn empty_program(repository: &Repo) -> Program {
    let source = repository.beside("empty.rs");
    std::fs::write(&source, "fn main() {}\n").unwrap();
    let program = repository.beside("empty");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let status = Command::new(rustc).args(["-O", "-o"]).arg(&program).arg(&source).status().unwrap();
    assert!(status.success());
    Program::new([program])
}

/// Lets an agent measure its own hook, and gives its samples back.
fn under_a_mission(repository: &Repo, empty: &Program) -> String {
    let agents = repository.path().join(".missiond/agents");
    let samples = repository.beside("samples");
    std::fs::create_dir_all(&agents).unwrap();
    std::fs::write(agents.join("prober.toml"), AGENT).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let project = Project::discover(repository.path(), &ProjectOptions::default()).unwrap();
        let mut config = project.mission_config().unwrap();
        config.slots = config.slots_for(&"prober".parse().unwrap(), DriverKind::Headless).unwrap();
        config.hook_command = vec![MISSIOND.into(), "hook".into()];
        let mission = Mission::open(config).await.unwrap();
        let errand = json!({ "samples": samples, "empty": empty.words[0].to_str().unwrap() });
        let id = mission.submit(NewTask::new(errand.to_string())).await.unwrap();
        let task = mission.wait(id).await.unwrap();
        assert_eq!(task.status, TaskStatus::Done, "{:?}", task.reason);
        mission.shutdown("the benchmark is over").await.unwrap();
    });
    std::fs::read_to_string(samples).unwrap()
}

/// The agent: runs the hook of its settings file again and again.
fn agent(settings: &Path) {
    let errand: Value = serde_json::from_reader(std::io::stdin()).unwrap();
    let path = |name: &str| PathBuf::from(errand[name].as_str().unwrap());
    let settings: Value = serde_json::from_slice(&std::fs::read(settings).unwrap()).unwrap();
    let command = settings.pointer("/hooks/PreToolUse/0/hooks/0/command").unwrap().as_str().unwrap();
    // Every word is in single quotes. A real agent lets a shell take them apart, which is no part of what we promise.
    let words: Vec<&str> =
        command.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().split("' '").collect();
    let here = std::env::current_dir().unwrap();
    let mut samples = String::new();
    compare("hook_gate", &mut samples, &Program::new([path("empty")]), |round| {
        let mut hook = Program::new(&words);
        hook.input = event(&here, round).to_string();
        hook.expect = "\"allow\"";
        hook
    });
    std::fs::write(path("samples"), samples).unwrap();
    println!("{}", json!({ "type": "result", "is_error": false, "text": "measured" }));
}

/// What Claude Code tells its hook before it runs a command that every preset allows.
fn event(directory: &Path, number: usize) -> Value {
    json!({
        "session_id": "a2b6f2ce-6d7a-4a3d-9d6e-0a6f1f1f7b11",
        "transcript_path": "/home/user/.claude/projects/shop/a2b6f2ce.jsonl",
        "cwd": directory,
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": { "command": "git status", "description": "Show the state of the work tree" },
        "tool_use_id": format!("toolu_{number:024}"),
    })
}

#[derive(Clone)]
struct Program {
    words: Vec<OsString>,
    directory: PathBuf,
    input: String,
    /// What its output must hold: a program that fails is quick.
    expect: &'static str,
}

impl Program {
    fn new<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        Self { words, directory: PathBuf::from("/"), input: String::new(), expect: "" }
    }

    /// The time from the start to the end of the process, its input fed and its output read.
    fn run(&self) -> Duration {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).current_dir(&self.directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        // The empty program is gone before it could read.
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let spent = begun.elapsed();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success() && stdout.contains(self.expect),
            "{:?}: {stdout}{stderr}",
            self.words
        );
        spent
    }
}

fn compare(figure: &str, samples: &mut String, partner: &Program, ours: impl Fn(usize) -> Program) {
    for round in 0..ROUNDS {
        let ours = ours(round);
        // Who goes first changes, so that neither always finds the caches warm.
        let (ours, partner) = if round % 2 == 0 {
            let ours = ours.run();
            (ours, partner.run())
        } else {
            let partner = partner.run();
            (ours.run(), partner)
        };
        writeln!(samples, "{figure}\t{}\t{}", ours.as_nanos(), partner.as_nanos()).unwrap();
    }
}

fn print(samples: &str) {
    for figure in ["hook_gate", "hook_alone", "version", "true"] {
        let (mut ours, mut partner): (Vec<u64>, Vec<u64>) = samples
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('\t');
                (cells.next()? == figure)
                    .then(|| [(); 2].map(|()| cells.next().unwrap().parse::<u64>().unwrap()))
                    .map(Into::into)
            })
            .unzip();
        ours.sort_unstable();
        partner.sort_unstable();
        let micros = |sorted: &[u64]| sorted[sorted.len() / 2] / 1000;
        println!("{figure:<11} {:>6} us, an empty program {:>6} us", micros(&ours), micros(&partner));
    }
}
