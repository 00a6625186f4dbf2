//! Finding processes, and sweeping those that were left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use missiond_process::{SessionTag, TAG_VARIABLE, tree};
use tempfile::TempDir;

use crate::helper;
use crate::support::{PATIENCE, alive, eventually, pid_in, sh};

fn tag(test: &str, name: &str) -> SessionTag {
    SessionTag::new(&format!("{test}-{}", std::process::id()), name).unwrap()
}

/// Starts a script that nobody guards, as if its owner were dead.
fn orphan(script: &str, tag: &SessionTag, directory: &Path) {
    let mut command = Command::new("setsid");
    command.args(["-f", "sh", "-c", script]).current_dir(directory).env(TAG_VARIABLE, tag.as_str());
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
}

#[test]
fn ancestors_and_descendants() {
    let directory = TempDir::new().unwrap();
    let running = sh("sh -c 'echo $$ > inner; sleep 1000; true' & wait", directory.path()).spawn().unwrap();
    let inner = pid_in(&directory.path().join("inner"));
    let own = std::process::id();
    let ancestors = tree::ancestors(inner).unwrap();
    assert_eq!(ancestors[..3], [running.pid(), running.guardian_pid(), own]);
    assert_eq!(ancestors.last(), Some(&1));
    let descendants = |of| -> BTreeSet<u32> {
        tree::descendants(of).unwrap().into_iter().map(|process| process.pid).collect()
    };
    let expected = [running.guardian_pid(), running.pid(), inner];
    assert!(descendants(own).is_superset(&expected.into()));
    assert!(!descendants(running.pid()).contains(&running.pid()));
    running.kill_blocking().unwrap();
    assert_eq!(tree::ancestors(inner).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(tree::tag_of(inner).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(descendants(inner), BTreeSet::new());
}

#[test]
fn tags_are_inherited_and_found_by_scope() {
    let directory = TempDir::new().unwrap();
    let (one, other) = (tag("found", "one"), tag("found-other", "two"));
    let spawn = |tag: &SessionTag, file: &str| {
        let mut spec = sh(
            &format!("setsid -f sh -c 'echo $$ > {file}; sleep 1000; true'; sleep 1000"),
            directory.path(),
        );
        spec.tag = Some(tag.clone());
        spec.spawn().unwrap()
    };
    let (first, second) = (spawn(&one, "first"), spawn(&other, "second"));
    let escaped = pid_in(&directory.path().join("first"));
    pid_in(&directory.path().join("second"));
    let found = tree::tagged(one.scope()).unwrap();
    let pids: BTreeSet<u32> = found.iter().map(|process| process.pid).collect();
    assert!(pids.is_superset(&[first.pid(), escaped].into()));
    assert!(!pids.contains(&second.pid()));
    assert!(found.iter().all(|process| process.tag == one));
    assert_eq!(tree::tag_of(escaped).unwrap(), Some(one));
    assert_eq!(tree::tag_of(std::process::id()).unwrap(), None);
}

#[test]
fn c13_an_escapee_is_found_by_its_tag_and_swept_with_its_untagged_children() {
    let directory = TempDir::new().unwrap();
    let (doomed, kept) = (tag("sweep", "doomed"), tag("sweep", "kept"));
    let script = "trap '' INT TERM HUP; env -i sh -c 'trap \"\" TERM; echo $$ > untagged; sleep 1000; true' &
        echo $$ > doomed; wait";
    orphan(script, &doomed, directory.path());
    orphan(
        "env -i sh -c 'echo $$ > kept_child; sleep 1000; true' & echo $$ > kept; wait",
        &kept,
        directory.path(),
    );
    orphan("echo $$ > bystander; sleep 1000; true", &tag("sweep2", "doomed"), directory.path());
    let pid = |file: &str| pid_in(&directory.path().join(file));
    let (doomed_pids, spared) =
        ([pid("doomed"), pid("untagged")], [pid("kept"), pid("kept_child"), pid("bystander")]);
    let swept = tree::sweep(doomed.scope(), |tag| tag.name() == "kept", PATIENCE).unwrap();
    for doomed_pid in doomed_pids {
        assert!(!alive(doomed_pid), "{doomed_pid} is left");
        let entry = swept.iter().find(|swept| swept.pid == doomed_pid).unwrap();
        assert!(entry.gone);
        assert_eq!(entry.tag.as_ref(), Some(&doomed).filter(|_| doomed_pid == doomed_pids[0]));
    }
    assert!(spared.iter().all(|pid| alive(*pid)), "{spared:?} were to be spared");
    assert!(swept.iter().all(|swept| !spared.contains(&swept.pid)));
    for scope in [doomed.scope().to_owned(), tag("sweep2", "x").scope().to_owned()] {
        tree::sweep(&scope, |_| false, PATIENCE).unwrap();
    }
    assert!(spared.iter().all(|pid| !alive(*pid)));
    assert_eq!(tree::sweep(doomed.scope(), |_| false, PATIENCE).unwrap(), []);
}

/// The role of an owner that carries the tag it sweeps, as does the shell that started it.
pub(crate) fn sweep_as_tagged_process(directory: &Path) {
    let own = tree::tag_of(std::process::id()).unwrap().unwrap();
    orphan("echo $$ > sibling; sleep 1000; true", &own, directory);
    let sibling = pid_in(&directory.join("sibling"));
    let swept = tree::sweep(own.scope(), |_| false, PATIENCE).unwrap();
    assert!(swept.iter().any(|swept| swept.pid == sibling && swept.gone), "{swept:?}");
    let parent = tree::ancestors(std::process::id()).unwrap()[0];
    assert!(alive(parent) && swept.iter().all(|swept| swept.pid != parent));
    fs::write(directory.join("survived"), "").unwrap();
}

#[test]
fn a_sweep_spares_the_caller_and_its_ancestors() {
    let directory = TempDir::new().unwrap();
    let helper = helper::command("sweeper", directory.path());
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" \"$@\"; exit $?"]).arg(helper.get_program()).args(helper.get_args());
    shell.envs(helper.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env(TAG_VARIABLE, tag("tagged-owner", "owner").as_str()).stdout(Stdio::null());
    assert!(shell.status().unwrap().success());
    eventually("the sweeper's word", || directory.path().join("survived").exists());
}

#[test]
fn hostile_environments_are_survived() {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > pid; exec sleep 1000"]).current_dir(directory.path());
    // Neither is a tag; the second is what a program might hold as text.
    command.env(TAG_VARIABLE, "not a tag").env("X", format!("{TAG_VARIABLE}=a:b"));
    let mut child = command.spawn().unwrap();
    let pid = pid_in(&directory.path().join("pid"));
    let found = tree::tag_of(pid);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found.unwrap(), None);
}

#[test]
fn a_process_is_described_until_it_is_reaped() {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let living = tree::process(child.id()).unwrap().unwrap();
    assert_eq!((living.pid, living.parent, living.alive), (child.id(), std::process::id(), true));
    assert_eq!(living.uid, std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()));
    assert_eq!(living.id(), tree::process(child.id()).unwrap().unwrap().id());
    child.kill().unwrap();
    let waiting = std::time::Instant::now();
    while tree::process(child.id()).unwrap().unwrap().alive {
        assert!(waiting.elapsed().as_secs() < 10, "a killed process is still alive");
        std::thread::yield_now();
    }
    child.wait().unwrap();
    assert_eq!(tree::process(child.id()).unwrap(), None);
}
