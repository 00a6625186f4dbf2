//! A file system that fills up in the middle of a turn, and is given room again.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use missiond_core::{NewTask, TaskStatus};
use missiond_testkit::processes::wait_until_async;

use super::support::{PATIENCE, Stage, run_done, statuses, submit, wait};

const ENTRY: &str = "mission::disk::a_full_disk_loses_nothing";
/// Tells this test, started as another process, where the small disk is.
const WORK_IN: &str = "MISSIOND_TEST_SMALL_DISK";

#[test]
fn a_full_disk_loses_nothing() {
    with_small_disk(ENTRY, "24m", on_a_small_disk);
}

/// Runs a test again in a mount namespace with a small tmpfs, as root or in a user namespace of its own, and there calls the
/// rest of it with the directory of that disk.
#[allow(clippy::print_stderr, reason = "it must be seen when this could not be tested")]
pub(super) fn with_small_disk<F: Future<Output = ()>>(
    entry: &str,
    size: &str,
    test: impl FnOnce(PathBuf) -> F,
) {
    if let Some(disk) = std::env::var_os(WORK_IN) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(test(PathBuf::from(disk)));
    }
    let directory = tempfile::tempdir().unwrap();
    for namespaces in [&["--mount"][..], &["--mount", "--user", "--map-root-user"][..]] {
        let mount = format!("mount -t tmpfs -o size={size} none \"$1\"");
        let mut attempt = Command::new("unshare");
        attempt.args(namespaces).args(["sh", "-c", &mount, "sh"]).arg(directory.path());
        if attempt.output().is_ok_and(|output| output.status.success()) {
            let script = format!("{mount} && exec \"$2\" {entry} --exact --nocapture");
            let mut command = Command::new("unshare");
            command.args(namespaces).args(["sh", "-c", &script, "sh"]).arg(directory.path());
            command.arg(std::env::current_exe().unwrap()).env(WORK_IN, directory.path());
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
            return;
        }
    }
    let told = "no tmpfs can be mounted here: run the tests as root, or allow user namespaces";
    assert!(std::env::var_os("CI").is_none(), "{told}");
    eprintln!("NOT TESTED: {entry} on a full disk; {told}");
}

async fn on_a_small_disk(disk: PathBuf) {
    let stage = Stage::cloned_to(disk.join("project"));
    stage.git(&["config", "user.name", "Test"]);
    stage.git(&["config", "user.email", "test@example.com"]);
    let mission = stage.shell(1).await;
    run_done(&mission, "begin; echo before > before.txt; finish").await;
    let prompt = format!(
        "begin; echo mine > mine.txt; : > {there}; await {go}; finish",
        there = stage.quoted("there"),
        go = stage.quoted("go")
    );
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;

    let ballast = disk.join("ballast");
    fill(&ballast);
    // What the store had room for in its own files goes first; then a submission is refused, and says why.
    let mut taken = Vec::new();
    let refusal = loop {
        match mission.submit(NewTask::new("begin; finish")).await {
            Ok(id) => taken.push(id),
            Err(error) => break missiond_core::chain(&error),
        }
        assert!(taken.len() < 10_000, "the disk never was full");
    };
    assert!(refusal.contains("full"), "{refusal}");
    stage.make_sign("go");
    let gone = || stage.processes().is_empty().then_some(());
    wait_until_async(PATIENCE, "the agent's turn is over", gone).await.unwrap();
    let task = mission.task(id).await.unwrap();
    assert_ne!(task.status, TaskStatus::Cancelled);

    std::fs::remove_file(&ballast).unwrap();
    let task = wait(&mission, id).await;
    let workspace = task.workspace.as_ref().unwrap();
    let result = task.result.as_ref().unwrap();
    if task.status == TaskStatus::Done {
        assert_eq!(stage.git(&["show", &format!("{}:mine.txt", workspace.branch)]), "mine");
    } else {
        let reason = task.reason.as_deref().unwrap();
        assert!(reason.contains("space") || reason.contains("full"), "{reason}");
        match &result.rescue {
            Some(rescue) => assert_eq!(stage.git(&["show", &format!("{rescue}:mine.txt")]), "mine"),
            // Nothing could be kept, so nothing was removed.
            None => {
                let there = std::fs::read_to_string(workspace.path.join("mine.txt")).unwrap();
                assert_eq!(there, "mine\n", "{reason}");
            }
        }
    }
    // The mission goes on with what it had taken in, and with what comes.
    for id in &taken {
        assert_eq!(wait(&mission, *id).await.status, TaskStatus::Done);
    }
    run_done(&mission, "begin; echo after > after.txt; finish").await;
    assert_eq!(statuses(&mission).await.len(), taken.len() + 3);
    mission.shutdown("over").await.unwrap();
    stage.git(&["fsck", "--strict", "--no-dangling"]);
}

pub(super) fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![7; size]).is_err() {
            size /= 2;
        }
    }
}
