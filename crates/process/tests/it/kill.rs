//! Ending trees.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use missiond_process::{Exit, Input, KillHandle, KillLadder, Output, Running, Signal, SpawnSpec, tree};
use rustix::process::{Pid, Signal as RawSignal, kill_process};
use tempfile::TempDir;

use crate::support::{PATIENCE, alive, escapee, eventually, exists, pid_in, sh};

const QUICK: KillLadder = KillLadder {
    interrupt: Duration::from_millis(100),
    terminate: Duration::from_millis(200),
    kill: Duration::from_secs(20),
};

fn quick(script: &str, directory: &TempDir) -> SpawnSpec {
    let mut spec = sh(script, directory.path());
    spec.ladder = QUICK;
    spec
}

fn send(pid: u32, signal: RawSignal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

const fn assert_send_sync<T: Send + Sync>() {}
const _: () = assert_send_sync::<Running>();
const _: () = assert_send_sync::<KillHandle>();
const _: () = assert_send_sync::<SpawnSpec>();
fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn c1_a_grandchild_that_ignores_sigterm_is_dead_when_kill_returns() {
    let directory = TempDir::new().unwrap();
    let script = "sh -c 'trap \"\" INT TERM; echo $$ > grandchild; while :; do sleep 1; done' & wait";
    let running = quick(script, &directory).spawn().unwrap();
    let grandchild = pid_in(&directory.path().join("grandchild"));
    let begun = Instant::now();
    let exit = assert_send(running.kill()).await.unwrap();
    assert!(begun.elapsed() >= QUICK.interrupt + QUICK.terminate, "the ladder was cut short");
    assert!(!exists(grandchild), "the grandchild outlived kill()");
    assert!(!exists(running.pid()) && !exists(running.guardian_pid()), "something was not reaped");
    assert_eq!(exit, Exit::Signal(2));
    assert_eq!(running.try_exit(), Some(exit));
    assert_eq!(assert_send(running.wait()).await, Ok(exit));
    assert_eq!(running.kill().await, Ok(exit), "a kill after the end tells the same end");
}

#[test]
fn c13_a_double_forked_setsid_grandchild_without_environment_descends_from_the_guardian_and_dies() {
    let directory = TempDir::new().unwrap();
    let script = format!("{}; sleep 1000", escapee("escapee"));
    let running = quick(&script, &directory).spawn().unwrap();
    let escaped = pid_in(&directory.path().join("escapee"));
    eventually("the orphan to be adopted", || {
        tree::ancestors(escaped).unwrap().first() == Some(&running.guardian_pid())
    });
    let descendants = tree::descendants(running.guardian_pid()).unwrap();
    assert!(descendants.iter().any(|process| process.pid == escaped));
    running.kill_blocking().unwrap();
    assert!(!exists(escaped));
}

/// Which signal ends a script, and how.
#[test]
fn the_ladder_stops_at_the_first_rung_that_works() {
    for (script, expected) in [
        ("trap 'exit 7' INT; echo > ready; while :; do sleep 0.01; done", Exit::Code(7)),
        ("trap '' INT; trap 'exit 8' TERM; echo > ready; while :; do sleep 0.01; done", Exit::Code(8)),
        ("trap '' INT TERM; echo > ready; while :; do sleep 0.01; done", Exit::Signal(9)),
        ("echo > ready; kill -STOP $$; sleep 1000", Exit::Signal(15)),
    ] {
        let directory = TempDir::new().unwrap();
        let mut spec = quick(script, &directory);
        // The first rungs may take as long as they like; only a deaf program reaches the last one.
        spec.ladder.interrupt = Duration::from_millis(if script.contains("'' INT") { 100 } else { 1000 });
        spec.ladder.terminate = Duration::from_millis(if script.contains("INT TERM") { 100 } else { 20_000 });
        let running = spec.spawn().unwrap();
        eventually("the script to be ready", || directory.path().join("ready").exists());
        assert_eq!(running.kill_blocking(), Ok(expected), "{script}");
    }
}

/// A main program that ends by SIGINT at once, and what it leaves behind, which writes its pid to `rest`.
fn quick_wrapper(rest: &str) -> String {
    format!(
        "setsid -f sh -c '{rest}; echo $$ > rest; while :; do sleep 0.01; done'; trap 'exit 7' INT
        until [ -s rest ]; do sleep 0.01; done; echo > ready; while :; do sleep 0.01; done"
    )
}

#[test]
fn the_ladder_is_not_cut_short_by_the_main_programs_end() {
    const LONG: Duration = Duration::from_secs(100);
    // Longer than what a main program leaves behind has when it ends by itself.
    let tidying = "sleep 1.5; echo > tidy; exit";
    for (rest, interrupt, terminate) in [
        (format!("trap \"{tidying}\" INT"), LONG, Duration::ZERO),
        (format!("trap \"\" INT; trap \"{tidying}\" TERM"), Duration::from_millis(100), LONG),
    ] {
        let directory = TempDir::new().unwrap();
        let mut spec = quick(&quick_wrapper(&rest), &directory);
        (spec.ladder.interrupt, spec.ladder.terminate) = (interrupt, terminate);
        let running = spec.spawn().unwrap();
        eventually("the script to be ready", || directory.path().join("ready").exists());
        assert_eq!(running.kill_blocking(), Ok(Exit::Code(7)), "{rest}");
        assert!(directory.path().join("tidy").exists(), "it was killed before its rung was over: {rest}");
    }
}

#[test]
fn a_dropped_program_ends_although_its_ladder_is_being_climbed() {
    for stopped in [false, true] {
        let directory = TempDir::new().unwrap();
        let mut spec = quick(&quick_wrapper("trap \"\" INT TERM HUP"), &directory);
        spec.ladder.interrupt = Duration::from_secs(1000);
        let running = spec.spawn().unwrap();
        eventually("the script to be ready", || directory.path().join("ready").exists());
        let rest = pid_in(&directory.path().join("rest"));
        let handle = running.handle();
        let kill = std::thread::spawn({
            let handle = handle.clone();
            move || handle.kill_blocking()
        });
        eventually("the main program to end", || !alive(running.pid()));
        assert!(alive(rest), "the ladder was cut short");
        if stopped {
            send(running.guardian_pid(), RawSignal::STOP);
        }
        drop(running);
        assert!(handle.wait_blocking(Some(PATIENCE)).unwrap().is_some(), "it goes on: stopped {stopped}");
        assert!(kill.join().unwrap().is_ok() && !exists(rest));
    }
}

#[test]
fn rungs_of_zero_are_left_out() {
    let directory = TempDir::new().unwrap();
    let script = "trap 'exit 7' INT; trap 'exit 8' TERM; echo > ready; while :; do sleep 0.01; done";
    let mut spec = quick(script, &directory);
    (spec.ladder.interrupt, spec.ladder.terminate) = (Duration::ZERO, Duration::ZERO);
    let running = spec.spawn().unwrap();
    eventually("the script to be ready", || directory.path().join("ready").exists());
    assert_eq!(running.kill_blocking(), Ok(Exit::Signal(9)));
}

#[tokio::test]
async fn a_cancelled_kill_goes_on_and_concurrent_kills_agree() {
    let directory = TempDir::new().unwrap();
    let script = "trap '' INT TERM; echo > ready; while :; do sleep 0.01; done";
    let running = quick(script, &directory).spawn().unwrap();
    eventually("the script to be ready", || directory.path().join("ready").exists());
    let cancelled = tokio::time::timeout(Duration::from_millis(1), running.kill()).await;
    assert!(cancelled.is_err(), "this script can't end so soon");
    // Nobody asks again, and it ends all the same.
    assert_eq!(running.handle().wait().await, Ok(Exit::Signal(9)));

    let running = quick(script, &directory).spawn().unwrap();
    let (a, b, handle) = (running.handle(), running.handle(), running.handle());
    let blocking = tokio::task::spawn_blocking(move || handle.kill_blocking());
    let (a, b, blocking) = tokio::join!(a.kill(), b.kill(), blocking);
    let exit = a.unwrap();
    assert_eq!((b.unwrap(), blocking.unwrap().unwrap()), (exit, exit));
}

/// Programs that fill a pipe nobody reads.
#[test]
fn c7_c11_a_flooded_pipe_nobody_reads_wedges_neither_kill_nor_drop() {
    let directory = TempDir::new().unwrap();
    let flood = "trap '' INT TERM; while :; do echo 0123456789012345678901234567890123456789; done";
    for unread in [true, false] {
        let mut spec = quick(flood, &directory);
        (spec.stdout, spec.stderr) = (Output::Piped, Output::Piped);
        let running = spec.spawn().unwrap();
        // With its reader the pipe is full and open; without, the program runs into EPIPE.
        let reader = running.take_stdout().filter(|_| unread);
        assert!(running.kill_blocking().is_ok());
        drop(reader);

        let running = spec.spawn().unwrap();
        let (handle, reader) = (running.handle(), running.take_stdout().filter(|_| unread));
        drop(running);
        assert!(handle.wait_blocking(Some(PATIENCE)).unwrap().is_some(), "the tree outlived the drop");
        drop(reader);
    }
}

#[test]
fn dropping_ends_the_tree_and_leaves_no_zombie() {
    let directory = TempDir::new().unwrap();
    let script = format!("{}; trap '' TERM; sleep 1000 & sleep 1000", escapee("escapee"));
    let running = quick(&script, &directory).spawn().unwrap();
    let escaped = pid_in(&directory.path().join("escapee"));
    let handle = running.handle();
    drop(running);
    assert!(handle.wait_blocking(Some(PATIENCE)).unwrap().is_some());
    for pid in [escaped, handle.pid(), handle.guardian_pid()] {
        assert!(!exists(pid), "{pid} is left");
    }
}

#[test]
fn what_the_main_program_leaves_behind_ends_with_it() {
    let directory = TempDir::new().unwrap();
    let script =
        format!("{}; sleep 1000 & until [ -s escapee ]; do sleep 0.01; done; exit 3", escapee("escapee"));
    let running = quick(&script, &directory).spawn().unwrap();
    assert_eq!(running.wait_blocking(Some(PATIENCE)), Ok(Some(Exit::Code(3))));
    assert!(!exists(pid_in(&directory.path().join("escapee"))));
}

#[test]
fn waiting_has_a_deadline() {
    let directory = TempDir::new().unwrap();
    let running = quick("sleep 1000", &directory).spawn().unwrap();
    assert_eq!(running.wait_blocking(Some(Duration::from_millis(20))), Ok(None));
    assert_eq!(running.try_exit(), None);
}

#[test]
fn a_stopped_guardian_does_not_save_its_tree() {
    let directory = TempDir::new().unwrap();
    let script = format!("{}; sleep 1000", escapee("escapee"));
    for by_drop in [false, true] {
        let running = quick(&script, &directory).spawn().unwrap();
        let escaped = pid_in(&directory.path().join("escapee"));
        send(running.guardian_pid(), RawSignal::STOP);
        let handle = running.handle();
        if by_drop {
            drop(running);
            assert!(handle.wait_blocking(Some(PATIENCE)).unwrap().is_some());
        } else {
            running.kill_blocking().unwrap();
        }
        assert!(!exists(escaped));
        std::fs::remove_file(directory.path().join("escapee")).unwrap();
    }
}

#[test]
fn a_killed_guardian_is_noticed_and_its_tree_swept() {
    let directory = TempDir::new().unwrap();
    let script = "setsid -f sh -c 'trap \"\" INT TERM HUP; echo $$ > tagged; sleep 1000; sleep 1000'
        sh -c 'trap \"\" INT TERM HUP; echo $$ > grandchild; sleep 1000; sleep 1000' & wait";
    let mut spec = quick(script, &directory);
    spec.tag = Some(format!("killed-guardian-{}:slot", std::process::id()).parse().unwrap());
    let running = spec.spawn().unwrap();
    // Another tree with the same tag has its own guardian and must not suffer.
    let mut neighbour = quick("sleep 1000", &directory);
    neighbour.tag.clone_from(&spec.tag);
    let neighbour = neighbour.spawn().unwrap();
    let pids = ["tagged", "grandchild"].map(|file| pid_in(&directory.path().join(file)));
    send(running.guardian_pid(), RawSignal::KILL);
    assert_eq!(running.wait_blocking(Some(PATIENCE)), Ok(Some(Exit::Signal(9))));
    for pid in pids {
        assert!(!alive(pid), "{pid} is left");
    }
    assert!(alive(neighbour.pid()));
}

#[test]
fn a_tree_that_keeps_forking_is_outrun() {
    let directory = TempDir::new().unwrap();
    // Each shell starts its successor in a new session and ends; others pile up beside it. The count is a fuse.
    let script = "cat > fork <<'END'
trap '' INT TERM
[ $1 -gt 3000 ] && exit
sleep 1000 &
setsid -f sh ./fork $(($1 + 1))
END
sh ./fork 0; echo > ready; sleep 1000";
    let mut spec = quick(script, &directory);
    (spec.ladder.interrupt, spec.ladder.terminate) = (Duration::ZERO, Duration::ZERO);
    let running = spec.spawn().unwrap();
    eventually("the first generations", || {
        tree::descendants(running.guardian_pid()).unwrap_or_default().len() > 20
    });
    assert_eq!(running.kill_blocking(), Ok(Exit::Signal(9)));
    assert!(!exists(running.guardian_pid()));
}

#[test]
fn signals_reach_the_whole_tree() {
    let directory = TempDir::new().unwrap();
    let script = "trap 'echo > parent' USR1
        setsid sh -c 'trap \"echo > child\" USR1; echo > ready; while :; do sleep 0.01; done' &
        while :; do sleep 0.01; done";
    let running = quick(script, &directory).spawn().unwrap();
    let there = |file: &str| directory.path().join(file).exists();
    eventually("the child to be ready", || there("ready"));
    // `sleep` has no handler and ends by it, which the loops survive.
    running.signal_tree(Signal::User1);
    eventually("both to see the signal", || there("parent") && there("child"));
    assert_eq!(running.try_exit(), None);
}

#[test]
fn trees_inside_trees_end_with_the_outer_one() {
    let directory = TempDir::new().unwrap();
    let helper = crate::helper::command("owner", directory.path());
    let mut outer = SpawnSpec::new(helper.get_program(), directory.path()).args(helper.get_args());
    outer.ladder = QUICK;
    outer.env = missiond_process::Environment::inherit_basics();
    for (name, value) in helper.get_envs() {
        outer.env.set(name, value.unwrap());
    }
    let running = outer.spawn().unwrap();
    let inner = crate::parent_death::PIDS.map(|file| pid_in(&directory.path().join(file)));
    running.kill_blocking().unwrap();
    for pid in inner {
        assert!(!exists(pid), "{pid} of the inner tree is left");
    }
}

#[test]
fn a_pipe_ends_when_the_program_closes_it_although_the_guardian_lives() {
    let directory = TempDir::new().unwrap();
    let mut spec = quick("echo last; exec >&-; sleep 1000", &directory);
    spec.stdout = Output::Piped;
    let running = spec.spawn().unwrap();
    let mut text = String::new();
    running.take_stdout().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "last\n");
    assert_eq!(running.try_exit(), None);
    assert!(running.take_stdout().is_none());
    // Nor does it keep the directory busy.
    let cwd = std::fs::read_link(format!("/proc/{}/cwd", running.guardian_pid())).unwrap();
    assert_eq!(cwd, Path::new("/"));
}

#[test]
fn a_dropped_program_and_one_left_behind_may_tidy_up() {
    let polite = "trap 'echo > tidy; exit' TERM; echo > ready; while :; do sleep 0.01; done";
    for (script, dropped) in
        [(polite.to_owned(), true), (format!("({polite}) & until [ -e ready ]; do :; done"), false)]
    {
        let directory = TempDir::new().unwrap();
        let running = quick(&script, &directory).spawn().unwrap();
        let handle = running.handle();
        eventually("the script to be ready", || directory.path().join("ready").exists());
        let running = (!dropped).then_some(running);
        assert!(handle.wait_blocking(Some(PATIENCE)).unwrap().is_some());
        assert!(directory.path().join("tidy").exists(), "no SIGTERM came before SIGKILL: {script}");
        drop(running);
    }
}

#[test]
fn a_message_that_comes_too_late_does_not_lose_the_exit() {
    let directory = TempDir::new().unwrap();
    let mut spec = quick("read line; exit 4", &directory);
    spec.stdin = Input::Piped;
    let running = spec.spawn().unwrap();
    send(running.guardian_pid(), RawSignal::STOP);
    drop(running.take_stdin());
    eventually("the program to end", || !alive(running.pid()));
    // The guardian, going on, has nobody left to guard and leaves these unread.
    for _ in 0..5 {
        running.signal_tree(Signal::User1);
    }
    send(running.guardian_pid(), RawSignal::CONT);
    assert_eq!(running.wait_blocking(Some(PATIENCE)), Ok(Some(Exit::Code(4))));
}
