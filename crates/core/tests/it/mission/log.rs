//! The log and the state behind it, as a reader meets them.

use std::os::unix::net::UnixStream;

use missiond_core::control::ProjectPaths;
use missiond_core::{EventBody, Mission, Seq};

use super::support::{PATIENCE, Stage, event, log, run_done};

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
