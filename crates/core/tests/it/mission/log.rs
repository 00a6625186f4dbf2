//! The log and the state behind it, as a reader meets them.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use missiond_core::control::ProjectPaths;
use missiond_core::ports::Change;
use missiond_core::store::{OpenMode, SqliteStore};
use missiond_core::{EventBody, Mission, Seq};

use super::faulty::Faulty;
use super::support::{PATIENCE, Stage, event, log, run_done, run_failed};

#[tokio::test(flavor = "multi_thread")]
async fn c15_a_slow_reader_misses_nothing_and_can_come_back() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let mut slow = mission.events(Seq(0));
    let first = slow.next().await.unwrap().unwrap();
    assert_eq!(first.seq, Seq(1));
    // Far more than any channel would hold while nobody reads.
    run_done(&mission, "begin; i=0; while [ $i -lt 2000 ]; do say $i; i=$((i + 1)); done; finish").await;
    let mut said = Vec::new();
    let mut seen = first.seq;
    while said.len() < 1000 {
        let event = slow.next().await.unwrap().unwrap();
        assert_eq!(event.seq, Seq(seen.0 + 1));
        seen = event.seq;
        if let EventBody::AgentText { text } = event.body {
            said.push(text);
        }
    }
    drop(slow);
    // Another reader goes on where the first one stopped, and hears the end.
    let mut later = mission.events(seen);
    mission.shutdown("over").await.unwrap();
    let mut last = None;
    while let Some(event) = tokio::time::timeout(PATIENCE, later.next()).await.unwrap().unwrap() {
        assert_eq!(event.seq, Seq(seen.0 + 1));
        seen = event.seq;
        if let EventBody::AgentText { text } = &event.body {
            said.push(text.clone());
        }
        last = Some(event.body);
    }
    let expected: Vec<String> = (0..2000).map(|number: u32| number.to_string()).collect();
    assert_eq!(said, expected);
    assert!(matches!(last, Some(EventBody::MissionClosed { .. })), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c16_text_that_no_version_wrote_is_an_error() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    run_done(&mission, "begin; finish").await;
    mission.shutdown("over").await.unwrap();
    drop(mission);
    let database = ProjectPaths::new(stage.root()).unwrap().database();
    let conn = rusqlite::Connection::open(database).unwrap();
    assert_eq!(conn.execute("UPDATE slots SET status = 'perhaps'", ()).unwrap(), 1);
    let error = Mission::open(stage.config("shell", 1)).await.unwrap_err();
    assert!(missiond_core::chain(&error).contains("perhaps"), "{error:?}");
}

/// An agent that keeps connecting where it may not must not flood the log.
/// Whether a change writes an event of this kind.
fn notes(change: &Change, kind: fn(&EventBody) -> bool) -> bool {
    matches!(change, Change::Note { bodies, .. } if bodies.iter().any(kind))
}

/// What cannot be put on record does not happen: a verdict that is not written is a no.
#[tokio::test(flavor = "multi_thread")]
async fn c16_a_verdict_that_cannot_be_written_is_a_no() {
    let (stage, scratch) = (Stage::new(), tempfile::tempdir().unwrap());
    let store = SqliteStore::open(scratch.path().join("mission.db"), OpenMode::Owner).unwrap();
    let store = Faulty::new(Arc::new(store));
    let mut config = stage.config("player", 1);
    config.ports.store = Some(store.clone());
    let mission = Mission::open(config).await.unwrap();
    let prompt = r#"script:[{"bash":"touch made.txt"},{"say":"over"}]"#;
    assert_eq!(run_done(&mission, prompt).await.result.unwrap().changed_files, ["made.txt"]);

    store.refuse(|change| notes(change, |body| matches!(body, EventBody::ToolJudged { .. })));
    let result = run_done(&mission, prompt).await.result.unwrap();
    assert_eq!(result.changed_files, Vec::<String>::new(), "the call ran without a record");
    assert_eq!((result.denied_calls, result.answer.as_str()), (1, "over"));

    store.refuse(|change| notes(change, |body| matches!(body, EventBody::AgentText { .. })));
    let reason = run_failed(&mission, prompt).await;
    assert!(reason.contains("could not be recorded") && reason.contains("has come off"), "{reason}");
    store.refuse(|_| false);
    run_done(&mission, prompt).await;
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_callers_are_counted_rather_than_listed() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let paths = ProjectPaths::new(stage.root()).unwrap();
    // This process is in no slot, so a gate refuses it.
    let gate = paths.gate_socket(&"s1".parse().unwrap());
    for _ in 0..200 {
        let stream = UnixStream::connect(&gate).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut one = [0];
        assert!(std::io::Read::read(&mut &stream, &mut one).unwrap() > 0, "it is told that it may not");
    }
    let refused = |body: &EventBody| matches!(body, EventBody::ControlRefused { .. });
    event(&mission, "the refusal", |event| refused(&event.body)).await;
    let summary = event(&mission, "the count of the rest", |event| {
        matches!(&event.body, EventBody::ControlRefused { reason, .. } if reason.contains("199 more"))
    })
    .await;
    assert_eq!(summary.slot, Some("s1".parse().unwrap()));
    let events = log(&mission).await;
    assert_eq!(events.iter().filter(|event| refused(&event.body)).count(), 2);
    mission.shutdown("over").await.unwrap();
}
