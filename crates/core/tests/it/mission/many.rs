//! A project that has been at work for long: what it costs to open and to ask about is bounded by what goes on now.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use missiond_core::control::{Client, ProjectPaths, Request, Response, TaskQuery};
use missiond_core::ports::{Change, PageStart, Store, TaskPage};
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{EventBody, Mission, NewTask, Task, TaskId, TaskResult, TaskStatus};

use super::faulty::Faulty;
use super::support::{Stage, log, run_done, submit};

const MANY: usize = 10_000;

/// Writes finished tasks into the database of a store, in one transaction, and gives their ids.
fn finish_many(database: &Path) -> Vec<TaskId> {
    let mut conn = rusqlite::Connection::open(database).unwrap();
    let transaction = conn.transaction().unwrap();
    let request = serde_json::to_string(&NewTask::new("once")).unwrap();
    let mut result = TaskResult::default();
    result.answer = "long ago ".repeat(200);
    let result = serde_json::to_string(&result).unwrap();
    let at = Timestamp::from_second(1_700_000_000).unwrap().to_string();
    let ids: Vec<TaskId> = (0..MANY).map(|_| TaskId::generate()).collect();
    let mut insert = transaction
        .prepare(
            "INSERT INTO tasks (id, request, status, attempts, submitted_at, finished_at, result) \
             VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5)",
        )
        .unwrap();
    for (number, id) in ids.iter().enumerate() {
        let status = if number % 10 == 0 { "failed" } else { "done" };
        insert.execute((id.to_string(), &request, status, &at, &result)).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_tasks_cost_nothing_to_open_and_little_to_list() {
    let (stage, scratch) = (Stage::new(), tempfile::tempdir().unwrap());
    let database = scratch.path().join("mission.db");
    let store = Arc::new(SqliteStore::open(&database, OpenMode::Owner).unwrap());
    let finished = finish_many(&database);
    let counting = Faulty::new(store.clone());
    let open = async || {
        let mut config = stage.config("shell", 1);
        config.ports.store = Some(counting.clone());
        Mission::open(config).await.unwrap()
    };
    let mission = open().await;
    run_done(&mission, "begin; finish").await;
    let (read, most) = counting.taken();
    // The scheduler reads the one live task now and then, and nobody reads what has ended.
    assert!(most <= 1 && read < 100, "{read} tasks read, {most} at once");

    let client = Client::connect(&ProjectPaths::new(stage.root()).unwrap()).await.unwrap().unwrap();
    let Response::Status(status) = client.call(Request::Status).await.unwrap() else { panic!() };
    assert_eq!((status.tasks.done, status.tasks.failed), (9001, 1000));
    assert_eq!((status.tasks.queued, status.tasks.running, status.tasks.cancelled), (0, 0, 0));
    assert_eq!(counting.taken().1, 0, "tasks are counted and not read");

    // A listing is the newest tasks, as many as fit, and is never held as a whole beside itself.
    let Response::Tasks(listed) = client.call(Request::Tasks { filter: TaskQuery::default() }).await.unwrap()
    else {
        panic!()
    };
    assert!(counting.taken().1 <= 64);
    let ids: Vec<TaskId> = listed.iter().map(|task| task.id).collect();
    assert!(ids.len() > 3000, "{} tasks fit in an answer", ids.len());
    let expected = &finished[finished.len() + 1 - ids.len()..];
    assert_eq!(ids[..ids.len() - 1], *expected, "the newest are listed, in order");
    let cut = |task: &Task| task.result.as_ref().unwrap().answer.ends_with('…');
    assert!(!cut(listed.last().unwrap()) && cut(&listed[0]));
    let filter = TaskQuery { statuses: vec![TaskStatus::Failed], newest: Some(5) };
    let Response::Tasks(failed) = client.call(Request::Tasks { filter }).await.unwrap() else { panic!() };
    let expected: Vec<TaskId> = finished.iter().copied().step_by(10).skip(995).collect();
    assert_eq!(failed.iter().map(|task| task.id).collect::<Vec<_>>(), expected);
    // What does not fit is still found by a part of its id, without being held.
    let text = finished[0].to_string();
    let Response::Task(found) = client.call(Request::FindTask { text: text[..30].to_owned() }).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(found.id, finished[0]);
    assert!(counting.taken().1 <= 64);
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_of_a_task_that_ended_long_ago_is_found_page_by_page() {
    let (stage, scratch) = (Stage::new(), tempfile::tempdir().unwrap());
    let database = scratch.path().join("mission.db");
    let store = Arc::new(SqliteStore::open(&database, OpenMode::Owner).unwrap());
    let counting = Faulty::new(store.clone());
    let open = async || {
        let mut config = stage.config("shell", 1);
        config.ports.store = Some(counting.clone());
        Mission::open(config).await.unwrap()
    };
    let mission = open().await;
    let prompt = format!(
        "begin; echo mine > mine.txt; : > {}; await {}",
        stage.quoted("there"),
        stage.quoted("never")
    );
    let id = submit(&mission, prompt).await;
    stage.signed("there").await;
    // The owner dies with the workspace on the disk, and the task ends without it.
    drop(mission);
    stage.no_process_is_left().await;
    assert_eq!(stage.worktrees().len(), 1);
    let reason = "not wanted".to_owned();
    let end = Change::EndTask { task: id, status: TaskStatus::Cancelled, reason, at: Timestamp::now() };
    store.apply(end).await.unwrap();
    finish_many(&database);
    counting.taken();

    let mission = open().await;
    let (read, most) = counting.taken();
    assert!(read > MANY && most <= 64, "{read} tasks read, {most} at once");
    assert_eq!(stage.worktrees(), Vec::<String>::new());
    let rescue = log(&mission).await.into_iter().rev().find_map(|event| match event.body {
        EventBody::WorkspaceRetired { rescue, .. } if event.task == Some(id) => rescue,
        _ => None,
    });
    assert_eq!(stage.git(&["show", &format!("{}:mine.txt", rescue.expect("the work is kept"))]), "mine");
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tasks_are_read_in_pages() {
    let scratch = tempfile::tempdir().unwrap();
    let database = scratch.path().join("mission.db");
    let store = SqliteStore::open(&database, OpenMode::Owner).unwrap();
    let finished = finish_many(&database);
    for (first, next) in [
        (
            PageStart::Oldest,
            (|page: &[Task]| PageStart::After(page[page.len() - 1].id)) as fn(&[Task]) -> PageStart,
        ),
        (PageStart::Newest, |page: &[Task]| PageStart::Before(page[0].id)),
    ] {
        let (mut seen, mut page) = (Vec::new(), TaskPage::new(first, 1000));
        loop {
            let tasks = store.task_page(page.clone()).await.unwrap();
            if tasks.is_empty() {
                break;
            }
            assert_eq!(tasks.len(), 1000);
            page.start = next(&tasks);
            let ids = tasks.iter().map(|task| task.id);
            if first == PageStart::Newest {
                seen.splice(0..0, ids);
            } else {
                seen.extend(ids);
            }
        }
        assert!(seen == finished, "every task once, in order, from {first:?}");
    }
}
