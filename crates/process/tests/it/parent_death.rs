//! The caller dies and can do nothing about its trees.

use std::path::Path;
use std::thread;
use std::time::Duration;

use missiond_process::{Input, Output};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::helper;
use crate::support::{alive, escapee, eventually, pid_in, sh};

/// Files in which the owner's processes leave their pids.
pub(crate) const PIDS: [&str; 5] = ["plain", "deaf", "escapee", "piped", "threaded"];

/// The role of a caller with several trees.
pub(crate) fn be_the_owner(directory: &Path) {
    let plain = sh("echo $$ > plain; sleep 1000", directory).spawn().unwrap();
    let deaf = "sh -c 'trap \"\" INT TERM HUP; echo $$ > deaf; sleep 1000; sleep 1000' & wait";
    let deaf = sh(deaf, directory).spawn().unwrap();
    let escapee = sh(&format!("{}; sleep 1000", escapee("escapee")), directory).spawn().unwrap();
    let mut piped = sh("echo $$ > piped; while :; do echo flood; done", directory);
    (piped.stdin, piped.stdout) = (Input::Piped, Output::Piped);
    let piped = piped.spawn().unwrap();
    // The thread that spawns ends at once; its program must not.
    let threaded = sh("echo $$ > threaded; sleep 1000", directory);
    let threaded = thread::spawn(move || threaded.spawn().unwrap()).join().unwrap();
    loop {
        thread::sleep(Duration::from_secs(1000));
        assert!([&plain, &deaf, &escapee, &piped, &threaded].iter().all(|tree| tree.try_exit().is_none()));
    }
}

#[test]
fn c13_kill_9_of_the_parent_leaves_no_process() {
    let directory = TempDir::new().unwrap();
    let mut owner = helper::start("owner", directory.path());
    let pids = PIDS.map(|file| pid_in(&directory.path().join(file)));
    let mut all: Vec<u32> = missiond_process::tree::descendants(owner.id())
        .unwrap()
        .into_iter()
        .map(|process| process.pid)
        .collect();
    assert!(pids.iter().all(|pid| all.contains(pid) && alive(*pid)), "{pids:?} are not all in {all:?}");
    all.extend(pids);
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("every process of the dead parent to end", || all.iter().all(|pid| !alive(*pid)));
}

#[test]
fn c13_the_program_dies_with_its_guardian_when_nobody_can_sweep() {
    let directory = TempDir::new().unwrap();
    let mut owner = helper::start("owner", directory.path());
    let [plain, ..] = PIDS.map(|file| pid_in(&directory.path().join(file)));
    let guardian = missiond_process::tree::ancestors(plain).unwrap()[0];
    let send = |pid: u32, signal| kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    // The owner can't notice anything now.
    send(owner.id(), Signal::STOP);
    send(guardian, Signal::KILL);
    eventually("the parent-death signal", || !alive(plain));
    owner.kill().unwrap();
    owner.wait().unwrap();
}

#[test]
fn a_program_outlives_the_thread_that_spawned_it() {
    let directory = TempDir::new().unwrap();
    let spec = sh("sleep 1000", directory.path());
    let running = thread::spawn(move || spec.spawn().unwrap()).join().unwrap();
    // The parent-death signal would have come by the time the next program has started and ended.
    let other = sh("exit 0", directory.path()).spawn().unwrap();
    other.wait_blocking(Some(crate::support::PATIENCE)).unwrap().unwrap();
    assert!(alive(running.pid()));
    assert_eq!(running.try_exit(), None);
}
