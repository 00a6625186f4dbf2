//! Turns that come to their end.

use std::sync::Arc;
use std::time::Duration;

use super::ear::Ear;
use super::subject::{Subject, none_left, processes, stop};
use crate::contract::patience::{PATIENCE, within};
use crate::model::DriverKind;
use crate::ports::{Agent, DriverError, TurnError, TurnEvent, TurnOutcome};

pub(super) async fn turn(
    agent: &mut Box<dyn Agent>,
    prompt: &str,
    ear: &Ear,
) -> Result<TurnOutcome, TurnError> {
    let turn = within(PATIENCE, "a turn must come to its end", agent.turn(prompt, ear)).await;
    if turn.is_err() {
        let left = processes(ear.tag());
        assert_eq!(left, Vec::<u32>::new(), "no process may be left when a turn ends with an error");
    }
    turn
}

async fn turn_done(agent: &mut Box<dyn Agent>, prompt: &str, ear: &Ear) -> TurnOutcome {
    let outcome = turn(agent, prompt, ear).await;
    outcome.unwrap_or_else(|error| panic!("a turn that the agent ended well must be Ok: {error}"))
}

pub(super) async fn answer(subject: &Subject) {
    let (mut agent, tag) = subject.agent().await;
    let ear = Ear::new(&tag);
    let outcome = turn_done(&mut agent, &subject.prompts.answer, &ear).await;
    assert!(outcome.answer.contains("pong"), "a turn must give the whole answer: {:?}", outcome.answer);
    let heard = ear.heard();
    let started = heard.iter().filter(|event| matches!(event, TurnEvent::Started { .. })).count();
    assert_eq!(started, 1, "the start of the process must be told, once a turn: {heard:?}");
    assert!(
        heard.iter().any(|event| matches!(event, TurnEvent::Text(text) if !text.is_empty())),
        "what the agent says must be told: {heard:?}"
    );
    let named = heard.iter().find_map(|event| match event {
        TurnEvent::Conversation(conversation) => Some(conversation.clone()),
        _ => None,
    });
    assert!(named.is_some(), "the conversation must be told as soon as it is known: {heard:?}");
    assert_eq!(outcome.conversation, named, "the outcome must name the conversation that was told");
    stop(&mut agent, &tag).await;
    stop(&mut agent, &tag).await;
}

pub(super) async fn go_on(subject: &Subject) {
    let (mut agent, tag) = subject.agent().await;
    let first = turn_done(&mut agent, &subject.prompts.answer, &Ear::new(&tag)).await;
    let second = turn_done(&mut agent, &subject.prompts.answer, &Ear::new(&tag)).await;
    assert_eq!(first.conversation, second.conversation, "a second turn must go on with the conversation");
    stop(&mut agent, &tag).await;

    let mut start = (subject.start)();
    start.conversation.clone_from(&first.conversation);
    let (mut agent, tag) = subject.agent_of(start).await;
    let third = turn_done(&mut agent, &subject.prompts.answer, &Ear::new(&tag)).await;
    assert_eq!(first.conversation, third.conversation, "another agent must go on with the conversation too");
    stop(&mut agent, &tag).await;
}

pub(super) async fn report_calls_in_order(subject: &Subject) {
    let (mut agent, tag) = subject.agent().await;
    let mut ear = Ear::new(&tag);
    // A taker that is slow: nothing is lost, and events come one at a time.
    ear.pause = Duration::from_millis(30);
    turn_done(&mut agent, &subject.prompts.call, &ear).await;
    let heard = ear.heard();
    let called = heard.iter().enumerate().find_map(|(place, event)| match event {
        TurnEvent::ToolCall(call) if call.tool == "Bash" => Some((place, call)),
        _ => None,
    });
    let (called, call) = called.unwrap_or_else(|| panic!("a tool call must be told: {heard:?}"));
    assert!(call.input["command"].is_string(), "a call must be told with its arguments: {heard:?}");
    let ended = heard.iter().enumerate().find_map(|(place, event)| match event {
        TurnEvent::ToolResult { call: ended, content, .. } if *ended == call.id => Some((place, content)),
        _ => None,
    });
    let (ended, content) = ended.unwrap_or_else(|| panic!("a tool's end must be told: {heard:?}"));
    assert!(called < ended, "a call must be told before its end: {heard:?}");
    // A refusal is known by it.
    assert!(content.contains("listed"), "what a tool gave back must be told: {heard:?}");
    stop(&mut agent, &tag).await;
}

pub(super) async fn failures_are_errors(subject: &Subject) {
    let (mut agent, tag) = subject.agent().await;
    match turn(&mut agent, &subject.prompts.fail, &Ear::new(&tag)).await {
        Err(TurnError::Agent { message, .. }) => {
            assert!(message.contains("on purpose"), "an agent's own words must be handed on: {message}");
        }
        other => panic!("what the agent calls a failure must be one: {other:?}"),
    }
    stop(&mut agent, &tag).await;

    let (mut agent, tag) = subject.agent().await;
    match turn(&mut agent, &subject.prompts.crash, &Ear::new(&tag)).await {
        Err(TurnError::Exited { exit, .. }) => {
            assert!(!exit.is_empty(), "it must be told how the agent ended");
        }
        other => panic!("an agent that ends before its turn does must be told apart: {other:?}"),
    }
    stop(&mut agent, &tag).await;
}

pub(super) async fn a_missing_program_is_named(subject: &Subject) {
    const MISSING: &str = "no-such-program-of-the-contract-suite";
    let mut start = (subject.start)();
    let mut profile = (*start.profile).clone();
    let program = match subject.driver.kind() {
        DriverKind::Headless => profile.headless.as_mut().map(|section| &mut section.program),
        DriverKind::Pty => profile.pty.as_mut().map(|section| &mut section.program),
    };
    let Some(program) = program else { return unsupported(subject).await };
    MISSING.clone_into(program);
    start.profile = Arc::new(profile);
    let tag = start.tag.clone();
    let failed = match subject.driver.start(start).await {
        Err(error) => error,
        Ok(mut agent) => match turn(&mut agent, &subject.prompts.answer, &Ear::new(&tag)).await {
            Err(TurnError::Driver(error)) => error,
            other => panic!("a program that is not there must be told: {other:?}"),
        },
    };
    assert!(
        matches!(&failed, DriverError::ProgramMissing { program, install } if program == MISSING && !install.is_empty()),
        "a program that is not there must be named, and how to get it: {failed:?}"
    );
    none_left("a failed start must leave no process behind", &tag).await;
    unsupported(subject).await;
}

/// A data file without the driver's section.
async fn unsupported(subject: &Subject) {
    let mut start = (subject.start)();
    let mut profile = (*start.profile).clone();
    match subject.driver.kind() {
        DriverKind::Headless => profile.headless = None,
        DriverKind::Pty => profile.pty = None,
    }
    start.profile = Arc::new(profile);
    let tag = start.tag.clone();
    match subject.driver.start(start).await {
        Err(DriverError::Unsupported { driver, .. }) => {
            assert_eq!(driver, subject.driver.kind(), "the driver must name itself");
        }
        other => panic!("an agent that cannot be run this way must be told: {other:?}"),
    }
    assert_eq!(processes(&tag), Vec::<u32>::new(), "a failed start must leave no process behind");
}
