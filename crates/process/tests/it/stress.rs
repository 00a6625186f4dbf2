//! Many trees at once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use missiond_process::{Input, Output, tree};
use tempfile::TempDir;

use crate::helper;
use crate::support::{PATIENCE, escapee, eventually, sh};

const THREADS: usize = 4;
const SPAWNS_PER_THREAD: usize = 50;

/// The role: spawns and drops, then looks at what is left of it.
pub(crate) fn spawn_and_drop_many(directory: &Path) {
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = (descriptors(), threads());
    let handles: Vec<_> = (0..THREADS)
        .map(|thread| {
            let directory = directory.to_owned();
            thread::spawn(move || {
                let scripts = [
                    "sleep 1000 & sleep 1000".to_owned(),
                    "exit 0".to_owned(),
                    format!("{}; exit 1", escapee("escapee")),
                    "while :; do echo flood; done".to_owned(),
                    "sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & wait".to_owned(),
                ];
                let mut handles = Vec::new();
                for spawn in 0..SPAWNS_PER_THREAD {
                    let mut spec = sh(&scripts[spawn % scripts.len()], &directory);
                    spec.stdin = if spawn % 2 == 0 { Input::Piped } else { Input::Null };
                    spec.stdout = if spawn % 3 == 0 { Output::Piped } else { Output::Null };
                    let running = spec.spawn().unwrap();
                    handles.push(running.handle());
                    // Some are killed, some dropped at once, and thread 0 keeps a few until the end of its loop.
                    match spawn % 4 {
                        0 => drop(running.kill_blocking().unwrap()),
                        1 if thread == 0 => handles.extend([running.handle()]),
                        _ => drop(running),
                    }
                }
                handles
            })
        })
        .collect();
    let handles: Vec<_> = handles.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let deadline = Instant::now() + PATIENCE;
    for handle in &handles {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(handle.wait_blocking(Some(left)).unwrap().is_some(), "tree {} is left", handle.pid());
        assert!(
            !Path::new(&format!("/proc/{}", handle.guardian_pid())).exists(),
            "a zombie guardian is left"
        );
    }
    assert_eq!(tree::descendants(std::process::id()).unwrap(), [], "processes are left");
    // The handles are still there, and must keep neither descriptors nor threads. A thread ends just after its tree.
    eventually("descriptors and threads to be as before", || (descriptors(), threads()) == before);
    drop(handles);
}

#[test]
fn two_hundred_trees_from_several_threads_leave_nothing() {
    let directory = TempDir::new().unwrap();
    // A process of its own, so that other tests' processes and descriptors don't count.
    let status = helper::start("stress", directory.path()).wait().unwrap();
    assert!(status.success(), "{status}; the reason is on standard error");
}
