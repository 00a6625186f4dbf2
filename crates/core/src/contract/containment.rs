//! The contract of [`Containment`].

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use missiond_process::{Environment, Exit, Input, Output, Running, SessionTag, SpawnSpec, tree};

use crate::contract::patience::PATIENCE;
use crate::ports::Containment;

/// The scope of the session tags that the suite uses; nothing else does.
const SCOPE: &str = "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0";

/// Checks the guarantees of [`Containment`] that hold whatever it confines: a contained program does what it was asked
/// for, in its workspace, and can be ended. `workspace` is an empty directory that the program may write; there must be a
/// `/bin/sh` where it runs.
///
/// What remains for the implementation's own tests: what it confines, that it is never weaker than what was asked for,
/// and that a confinement which cannot be had is an error that says how to get it.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future leaves at most a program of the suite running for some seconds.
pub async fn check(containment: Arc<dyn Containment>, workspace: &Path) {
    let workspace = workspace.to_owned();
    let checked = tokio::task::spawn_blocking(move || check_blocking(&*containment, &workspace)).await;
    if let Err(error) = checked {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("the suite was ended: {error}"),
        }
    }
}

fn check_blocking(containment: &dyn Containment, workspace: &Path) {
    let name = containment.name();
    assert!(
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
        "the name must be a lower-case word, as for `--contain`: {name:?}"
    );
    assert_eq!(containment.name(), name, "the name must not change");
    runs_as_asked(containment, workspace);
    can_be_ended(containment, workspace);
    two_at_once(containment, workspace);
}

fn spec(script: &str, name: &str, workspace: &Path) -> SpawnSpec {
    let mut spec =
        SpawnSpec::new("/bin/sh", workspace).args(["-c", script, "sh", "an argument; $(touch no)"]);
    spec.env = Environment::inherit_basics();
    spec.env.set("CONTRACT_CHECK", "a value");
    spec.stdin = Input::Null;
    spec.stdout = Output::Piped;
    spec.stderr = Output::Null;
    spec.tag = Some(SessionTag::new(SCOPE, name).expect("the tests use valid tags"));
    spec
}

fn start(containment: &dyn Containment, spec: SpawnSpec, workspace: &Path) -> (Running, impl Sized) {
    let tag = spec.tag.clone();
    let contained = containment.contain(spec, workspace);
    let contained = contained.unwrap_or_else(|error| panic!("the confinement must be had here: {error}"));
    assert_eq!(contained.spec.tag, tag, "the session tag must be kept: the sweep finds leftovers by it");
    assert_eq!(tagged(&tag), 0, "`contain` must not start the process");
    let running = contained.spec.spawn();
    (running.unwrap_or_else(|error| panic!("a contained program must start: {error}")), contained.guard)
}

fn tagged(tag: &Option<SessionTag>) -> usize {
    let all = tree::tagged(SCOPE).unwrap_or_else(|error| panic!("/proc must be readable: {error}"));
    all.iter().filter(|process| Some(&process.tag) == tag.as_ref()).count()
}

fn finish(running: &Running) -> (String, Exit) {
    let mut output = String::new();
    let mut stdout = running.take_stdout().expect("a pipe that was asked for must be kept");
    stdout
        .read_to_string(&mut output)
        .unwrap_or_else(|error| panic!("a contained program's output must be readable: {error}"));
    let exit = running.wait_blocking(Some(PATIENCE));
    let exit = exit.unwrap_or_else(|error| panic!("a contained program's end must be told: {error}"));
    (output, exit.unwrap_or_else(|| panic!("a contained program must come to its end")))
}

fn runs_as_asked(containment: &dyn Containment, workspace: &Path) {
    let script = "printf '%s|%s|%s' \"$1\" \"$CONTRACT_CHECK\" \"$PWD\"; echo made > made.txt; exit 3";
    let (running, guard) = start(containment, spec(script, "runs", workspace), workspace);
    let (output, exit) = finish(&running);
    let workspace = workspace.canonicalize().unwrap_or_else(|_| workspace.to_owned());
    let expected = format!("an argument; $(touch no)|a value|{}", workspace.display());
    assert_eq!(
        output, expected,
        "arguments, environment, directory and output must be those that were asked for"
    );
    assert_eq!(exit, Exit::Code(3), "the exit status must be the program's own");
    let made = std::fs::read_to_string(workspace.join("made.txt"));
    assert_eq!(made.ok().as_deref(), Some("made\n"), "the workspace must be writable, and be the real one");
    assert!(!workspace.join("no").exists(), "arguments must not reach a shell");
    drop(running);
    drop(guard);
    assert!(workspace.join("made.txt").exists(), "the end of a confinement must leave the work where it is");
}

fn can_be_ended(containment: &dyn Containment, workspace: &Path) {
    let script = "trap '' INT TERM; (trap '' INT TERM; while :; do sleep 0.1; done) & \
                  echo there; exec >&-; while :; do sleep 0.1; done";
    let mut spec = spec(script, "ended", workspace);
    let tag = spec.tag.clone();
    spec.ladder.interrupt = std::time::Duration::from_millis(100);
    spec.ladder.terminate = std::time::Duration::from_millis(100);
    let (running, guard) = start(containment, spec, workspace);
    let mut there = [0; 6];
    let mut stdout = running.take_stdout().expect("a pipe that was asked for must be kept");
    stdout
        .read_exact(&mut there)
        .unwrap_or_else(|error| panic!("a contained program's output must come while it runs: {error}"));
    running.kill_blocking().unwrap_or_else(|error| panic!("a contained tree must be ended whole: {error}"));
    assert_eq!(tagged(&tag), 0, "no process of a contained tree may be left when it was ended");
    drop(running);
    drop(guard);
}

fn two_at_once(containment: &dyn Containment, workspace: &Path) {
    let one = start(containment, spec("echo one", "one", workspace), workspace);
    let two = start(containment, spec("echo two", "two", workspace), workspace);
    assert_eq!(finish(&one.0), ("one\n".to_owned(), Exit::Code(0)), "two confinements must not meet");
    drop(one);
    assert_eq!(
        finish(&two.0),
        ("two\n".to_owned(), Exit::Code(0)),
        "the end of one confinement must leave the other alone"
    );
}
