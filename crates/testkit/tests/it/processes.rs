//! Waiting, and finding processes.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use missiond_testkit::processes::{
    FoundProcess, assert_none_left, descendants, wait_until, with_environment,
};

const MARK: &str = "TESTKIT_MARK";
const SOON: Duration = Duration::from_secs(10);

/// A child that is ended even when the test fails.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(value: &str) -> Guarded {
    // `read` blocks until the pipe closes; a shell that has a grandchild doesn't replace itself by it.
    let mut command = Command::new("sh");
    command.args(["-c", "cat; :"]).env(MARK, value).stdin(Stdio::piped()).stdout(Stdio::null());
    Guarded(command.spawn().unwrap())
}

#[test]
fn a_marked_tree_is_found_and_seen_to_end() {
    let mut child = start("tree");
    let found = wait_until(SOON, "the shell and its cat", || {
        // Between its fork and its exec the second one still bears the shell's name.
        let both = |found: &Vec<_>| {
            found.len() == 2 && found.iter().any(|process: &FoundProcess| process.command == "cat")
        };
        with_environment(MARK, "tree").ok().filter(both)
    })
    .unwrap();
    assert!(found.iter().any(|process| process.pid == child.0.id() && process.parent == std::process::id()));
    assert!(found.iter().any(|process| process.parent == child.0.id() && process.command == "cat"));
    let mut ids: Vec<u32> = descendants(child.0.id()).unwrap().iter().map(|process| process.pid).collect();
    ids.push(child.0.id());
    ids.sort_unstable();
    let mut expected: Vec<u32> = found.iter().map(|process| process.pid).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);

    assert!(with_environment(MARK, "tre").unwrap().is_empty(), "a prefix of the value is another value");
    let problem = assert_none_left(MARK, "tree", Duration::from_millis(20)).unwrap_err();
    assert!(problem.to_string().contains("cat"), "{problem}");
    drop(child.0.stdin.take());
    assert_none_left(MARK, "tree", SOON).unwrap();
}

#[test]
fn a_zombie_is_not_left_over() {
    let mut child = start("zombie");
    drop(child.0.stdin.take());
    // Nobody has waited for it: it stays a zombie until the guard does.
    assert_none_left(MARK, "zombie", SOON).unwrap();
}

#[test]
fn a_wait_in_vain_names_what_it_waited_for() {
    let problem = wait_until(Duration::from_millis(1), "the moon", || None::<()>).unwrap_err();
    assert!(problem.to_string().contains("the moon"), "{problem}");
}
