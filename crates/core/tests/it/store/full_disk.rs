//! A disk without room, and a file that may not grow.

use std::path::{Path, PathBuf};
use std::process::Command;

use missiond_core::TaskId;
use missiond_core::ports::{Store, StoreError, StoreErrorKind, TaskFilter};
use missiond_core::store::{OpenMode, SqliteStore};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::support::{Scratch, note, submit, whole_log};

const ON_A_SMALL_DISK: &str = "store::full_disk::a_full_disk_loses_nothing_and_is_survived";
const WITH_SMALL_FILES: &str = "store::full_disk::a_limit_on_file_sizes_loses_nothing_and_is_survived";
/// Tells these tests, started as another process, where to work.
const WORK_IN: &str = "MISSIOND_TEST_FULL_DISK_IN";

/// Runs itself again in a mount namespace with a tmpfs of 2 MiB: as root, or in a user namespace of its own.
#[test]
#[allow(clippy::print_stderr)]
fn a_full_disk_loses_nothing_and_is_survived() {
    if let Some(disk) = std::env::var_os(WORK_IN) {
        return on_a_small_disk(&PathBuf::from(disk));
    }
    let scratch = Scratch::new();
    let directory = scratch.directory.path();
    for namespaces in [&["--mount"][..], &["--mount", "--user", "--map-root-user"][..]] {
        let mut attempt = Command::new("unshare");
        attempt.args(namespaces).args(["mount", "-t", "tmpfs", "-o", "size=2m", "none"]).arg(directory);
        if attempt.output().is_ok_and(|output| output.status.success()) {
            let mount = "mount -t tmpfs -o size=2m none \"$1\" && exec \"$2\" \"$3\" --exact --nocapture";
            let mut command = Command::new("unshare");
            command.args(namespaces).args(["sh", "-c", mount, "sh"]).arg(directory);
            let program = std::env::current_exe().unwrap();
            return run(command.arg(program).arg(ON_A_SMALL_DISK).env(WORK_IN, directory));
        }
    }
    let told = "no tmpfs can be mounted here: run the tests as root, or allow user namespaces";
    assert!(std::env::var_os("CI").is_none(), "{told}");
    eprintln!("NOT TESTED: a full disk; {told}");
}

/// The same with a limit on the size of files, which needs no privilege.
#[test]
fn a_limit_on_file_sizes_loses_nothing_and_is_survived() {
    if let Some(directory) = std::env::var_os(WORK_IN) {
        return with_small_files(&PathBuf::from(directory));
    }
    let scratch = Scratch::new();
    // Ignored signals stay ignored over exec; without that, the signal for a file over the limit would end the process.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$1\" \"$2\" --exact --nocapture", "sh"]);
    let program = std::env::current_exe().unwrap();
    run(command.arg(program).arg(WITH_SMALL_FILES).env(WORK_IN, scratch.directory.path()));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the test did not run: {text}");
}

fn on_a_small_disk(disk: &Path) {
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let error = survives(&disk.join("mission.db"), || std::fs::remove_file(&ballast).unwrap());
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    assert!(error.message.contains("full") && error.message.contains("free some space"), "{error}");
}

fn with_small_files(directory: &Path) {
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(1 << 20), ..before }).unwrap();
    let raise = || setrlimit(Resource::Fsize, before).unwrap();
    let error = survives(&directory.join("mission.db"), raise);
    assert_eq!(error.kind, StoreErrorKind::Io, "{error}");
}

/// Writes until the disk is full, makes room, and writes on with the same store. Gives the error that the full disk gave.
fn survives(path: &Path, make_room: impl FnOnce()) -> StoreError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(path, OpenMode::Owner).unwrap();
        let long = "x".repeat(8000);
        let mut written = 0_usize;
        let mut tasks = Vec::new();
        let error = loop {
            assert!(written < 1000, "the disk never became full");
            let id = TaskId::generate();
            let (outcome, wrote) = if written.is_multiple_of(4) {
                (store.apply(submit(id)).await, Some(id))
            } else {
                (store.apply(note(&long)).await, None)
            };
            match outcome {
                Ok(applied) => {
                    written += 1;
                    assert_eq!(applied.seq.0, written as u64);
                    tasks.extend(wrote);
                }
                Err(error) => break error,
            }
        };
        assert!(written > 10, "the disk was full after {written} changes");
        assert!(error.message.contains(path.to_str().unwrap()), "{error}");
        // Still full, and many at once share one failed transaction.
        let refused =
            tokio::join!(store.apply(note(&long)), store.apply(note(&long)), store.apply(note(&long)));
        for outcome in [refused.0, refused.1, refused.2] {
            assert_eq!(outcome.unwrap_err().kind, error.kind);
        }
        assert_eq!(
            whole_log(&store).await.len(),
            written,
            "what was acknowledged must be there, and nothing else"
        );
        make_room();
        let applied = store.apply(note("room")).await.unwrap();
        assert_eq!(applied.seq.0, written as u64 + 1, "the refused changes must leave no gap");
        tasks.push(TaskId::generate());
        store.apply(submit(tasks[tasks.len() - 1])).await.unwrap();
        drop(store);
        let store = SqliteStore::open(path, OpenMode::Owner).unwrap();
        assert_eq!(whole_log(&store).await.len(), written + 2);
        let kept: Vec<TaskId> =
            store.tasks(TaskFilter::default()).await.unwrap().into_iter().map(|task| task.id).collect();
        assert_eq!(kept, tasks);
        error
    })
}
