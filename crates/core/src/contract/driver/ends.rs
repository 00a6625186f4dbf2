//! Turns that are ended from outside.

use std::time::Duration;

use tokio::time::timeout;

use super::ear::{Ear, REASON, StopAt};
use super::subject::{Subject, none_left, processes, stop};
use super::turns::turn;
use crate::contract::patience::{begin_and_drop, eventually};
use crate::ports::{Agent, TurnError, TurnEvent};

/// The limit of a turn that has to reach it.
const LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn the_sink_stops_a_turn(subject: &Subject) {
    for stop_at in [StopAt::Started, StopAt::Text] {
        let (mut agent, tag) = subject.agent().await;
        let mut ear = Ear::new(&tag);
        ear.stop_at = Some(stop_at);
        match turn(&mut agent, &subject.prompts.hang, &ear).await {
            Err(TurnError::Other(reason)) if reason == REASON => {}
            other => panic!("a turn that the sink stops must end with the sink's error: {other:?}"),
        }
        let told = ear.heard().len();
        stop(&mut agent, &tag).await;
        assert_eq!(ear.heard().len(), told, "nothing may be told after a turn was stopped");
    }
}

pub(super) async fn a_turn_has_a_limit(subject: &Subject) {
    let mut start = (subject.start)();
    start.turn_timeout = LIMIT;
    let (mut agent, tag) = subject.agent_of(start).await;
    match turn(&mut agent, &subject.prompts.hang, &Ear::new(&tag)).await {
        Err(TurnError::TimedOut { limit }) => assert_eq!(limit, LIMIT, "the limit must be named"),
        other => panic!("a turn must not take longer than its limit: {other:?}"),
    }
    stop(&mut agent, &tag).await;
}

pub(super) async fn stop_ends_everything(subject: &Subject) {
    let (mut agent, tag) = subject.agent().await;
    let ear = Ear::new(&tag);
    hang(&mut agent, &subject.prompts.hang, &ear).await;
    stop(&mut agent, &tag).await;
}

pub(super) async fn dropping_ends_everything(subject: &Subject) {
    let (mut agent, tag) = subject.agent().await;
    let ear = Ear::new(&tag);
    hang(&mut agent, &subject.prompts.hang, &ear).await;
    assert!(!processes(&tag).is_empty(), "an agent at work has a process");
    drop(agent);
    none_left("dropping an agent must end its whole tree", &tag).await;
}

/// Has a turn go on until the agent has said something, and drops it.
async fn hang(agent: &mut Box<dyn Agent>, prompt: &str, ear: &Ear) {
    let said = eventually("an agent at work must be heard", || {
        ear.heard().iter().any(|event| matches!(event, TurnEvent::Text(_)))
    });
    tokio::select! {
        ended = agent.turn(prompt, ear) => panic!("an agent at work must not end its turn: {ended:?}"),
        () = said => {}
    }
}

pub(super) async fn a_dropped_start_leaves_nothing(subject: &Subject) {
    let start = (subject.start)();
    let tag = start.tag.clone();
    drop(begin_and_drop(subject.driver.start(start)).await);
    none_left("dropping a start must end every process that it started", &tag).await;

    let start = (subject.start)();
    let tag = start.tag.clone();
    drop(timeout(Duration::from_millis(20), subject.driver.start(start)).await);
    none_left("dropping a start must end every process that it started", &tag).await;

    // The same in the first moment of a turn.
    let (mut agent, tag) = subject.agent().await;
    let ear = Ear::new(&tag);
    let begun = begin_and_drop(agent.turn(&subject.prompts.hang, &ear)).await;
    assert!(begun.is_none(), "a turn must not end at once");
    stop(&mut agent, &tag).await;
}
