//! `kill -9` of a process that writes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use missiond_core::ports::{Change, Store, TaskFilter};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{EventBody, LeaseToken, Seq, TaskId, TaskStatus};

use super::support::{Scratch, at, configure, eventually, finish, lease, note, slot, submit, whole_log};

const ENTRY: &str = "store::crash::c3_kill_9_loses_nothing_acknowledged";
/// Tells this test, started as another process, to be the writer, and where.
const WRITER_IN: &str = "MISSIOND_TEST_STORE_WRITER_IN";
const ROUNDS: u64 = 12;
const WRITERS: usize = 6;

#[test]
fn c3_kill_9_loses_nothing_acknowledged() {
    if let Some(directory) = std::env::var_os(WRITER_IN) {
        write_until_killed(&PathBuf::from(directory));
    }
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for round in 0..ROUNDS {
        let acknowledged = scratch.directory.path().join("acknowledged");
        std::fs::write(&acknowledged, "").unwrap();
        let writer = Writer::start(scratch.directory.path());
        eventually("the first acknowledgement", || std::fs::metadata(&acknowledged).unwrap().len() > 0);
        // Another process reads beside the writer.
        let reader = SqliteStore::open(scratch.path(), OpenMode::Reader).unwrap();
        let seen = runtime.block_on(reader.events(Seq(0), 5)).unwrap();
        assert!(!seen.is_empty());
        drop(reader);
        // Any moment will do, as long as it is another one each time: seeded, 0 to 60 ms.
        std::thread::sleep(Duration::from_micros((round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % 60_000));
        writer.kill();
        let text = std::fs::read_to_string(&acknowledged).unwrap();
        runtime.block_on(check(&scratch, &text));
    }
}

/// What was acknowledged is there, the log has no gap, and the next owner can go on.
async fn check(scratch: &Scratch, acknowledged: &str) {
    let store = scratch.owner();
    let log = whole_log(store.as_ref()).await;
    let mut tokens: Vec<LeaseToken> = Vec::new();
    for event in &log {
        if let EventBody::TaskLeased { token, .. } = event.body {
            assert!(
                tokens.last().is_none_or(|last| *last < token),
                "token {token} came after {:?}",
                tokens.last()
            );
            tokens.push(token);
        }
    }
    let mut checked = 0;
    // The last line may be cut short.
    for line in acknowledged.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let words: Vec<&str> = line.split(' ').collect();
        let seq: usize = words[1].parse().unwrap();
        assert!(seq <= log.len(), "event {seq} was acknowledged, and the log ends at {}", log.len());
        match words[0] {
            "note" => {
                let expected = EventBody::Warning { text: words[2].to_owned() };
                assert_eq!(log[seq - 1].body, expected, "another event has the number that was acknowledged");
            }
            "done" => {
                let task = store.task(TaskId::from_str(words[2]).unwrap()).await.unwrap();
                assert_eq!(task.status, TaskStatus::Done, "an acknowledged end is gone");
            }
            other => panic!("unknown line {other}"),
        }
        checked += 1;
    }
    assert!(checked > 0);

    store.apply(Change::TakeOverLeases { reason: "killed".to_owned(), at: at(9) }).await.unwrap();
    for task in store.tasks(TaskFilter::live()).await.unwrap() {
        assert_eq!((task.status, task.lease), (TaskStatus::Queued, None));
        let end = Change::EndTask {
            task: task.id,
            status: TaskStatus::Failed,
            reason: "tidied".to_owned(),
            at: at(9),
        };
        store.apply(end).await.unwrap();
    }
    assert!(store.slots().await.unwrap().iter().all(|slot| slot.task.is_none()));
}

/// The writer's process; killed when it is dropped, too.
struct Writer(Child);

impl Writer {
    fn start(directory: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([ENTRY, "--exact", "--nocapture"]).env(WRITER_IN, directory);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the writer ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Both fail when it was killed and reaped before, as it should have been.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write_until_killed(directory: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Arc::new(SqliteStore::open(directory.join("mission.db"), OpenMode::Owner).unwrap());
    let acknowledged = OpenOptions::new().append(true).open(directory.join("acknowledged")).unwrap();
    let acknowledged = Arc::new(acknowledged);
    runtime.block_on(async {
        store.apply(configure(WRITERS)).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..WRITERS {
            writers.spawn(write(store.clone(), acknowledged.clone(), number));
        }
        writers.join_all().await;
    });
    unreachable!("the writers never end")
}

async fn write(store: Arc<SqliteStore>, acknowledged: Arc<File>, number: usize) {
    let tell = |line: String| (&*acknowledged).write_all(line.as_bytes()).unwrap();
    for round in 0.. {
        let text = format!("{number}-{round}");
        let seq = store.apply(note(&text)).await.unwrap().seq;
        tell(format!("note {seq} {text}\n"));
        let task = TaskId::generate();
        store.apply(submit(task)).await.unwrap();
        let token = store.apply(lease(task, slot(number))).await.unwrap().lease.unwrap().token;
        store.apply(Change::OccupySlot { slot: slot(number), task, at: at(1) }).await.unwrap();
        let seq = store.apply(finish(task, token, TaskStatus::Done)).await.unwrap().seq;
        tell(format!("done {seq} {task}\n"));
        let vacated = missiond_core::ports::Vacated {
            task: Some(task),
            status: missiond_core::AgentStatus::Stopped,
            reason: "done".to_owned(),
        };
        store.apply(Change::VacateSlot { slot: slot(number), vacated, at: at(3) }).await.unwrap();
    }
}
