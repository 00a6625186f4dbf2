//! A driver whose agents are functions of a test: they tell the mission whatever a driver can, in any order.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use missiond_core::ports::{
    Agent, AgentStart, BoxFuture, Driver, DriverError, Gate, GateError, Seat, TurnControl, TurnError,
    TurnEvent, TurnOutcome, TurnSink,
};
use missiond_core::{Decision, DriverKind, MissionConfig, ToolCall, Verdict};

type Play = dyn for<'a> Fn(&'a str, &'a dyn TurnSink) -> BoxFuture<'a, Result<(), TurnError>> + Send + Sync;

/// Plays one function for every prompt.
#[derive(Clone)]
pub(super) struct Actor(Arc<Play>);

impl Actor {
    pub(super) fn new<F>(play: F) -> Self
    where
        F: for<'a> Fn(&'a str, &'a dyn TurnSink) -> BoxFuture<'a, Result<(), TurnError>>
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(play))
    }

    /// Takes the place of the headless driver, and lets a gate judge that always says the same.
    pub(super) fn cast(self, config: &mut MissionConfig, decision: Decision) {
        config.ports.drivers = vec![Arc::new(self)];
        config.ports.gate = Arc::new(Always(decision));
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actor")
    }
}

impl Driver for Actor {
    fn kind(&self) -> DriverKind {
        DriverKind::Headless
    }

    fn start(&self, _: AgentStart) -> BoxFuture<'_, Result<Box<dyn Agent>, DriverError>> {
        let agent: Box<dyn Agent> = Box::new(self.clone());
        Box::pin(async move { Ok(agent) })
    }
}

impl Agent for Actor {
    fn turn<'a>(
        &'a mut self,
        prompt: &'a str,
        sink: &'a dyn TurnSink,
    ) -> BoxFuture<'a, Result<TurnOutcome, TurnError>> {
        Box::pin(async move {
            (self.0)(prompt, sink).await?;
            let mut outcome = TurnOutcome::default();
            outcome.answer = "played".to_owned();
            Ok(outcome)
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), DriverError>> {
        Box::pin(async { Ok(()) })
    }
}

#[derive(Debug)]
struct Always(Decision);

impl Gate for Always {
    fn judge<'a>(&'a self, _: &'a ToolCall, _: &'a Seat) -> BoxFuture<'a, Result<Verdict, GateError>> {
        Box::pin(async { Ok(Verdict::new(self.0, None, "the gate always says so")) })
    }
}

/// Tells the mission of something, and ends the turn if it says so.
pub(super) async fn tell(sink: &dyn TurnSink, event: TurnEvent) -> Result<(), TurnError> {
    match sink.observe(event).await {
        TurnControl::Continue => Ok(()),
        TurnControl::Stop(error) => Err(error),
    }
}

/// A call whose arguments have this many bytes as JSON.
pub(super) fn call_of(id: &str, bytes: usize) -> ToolCall {
    let empty = serde_json::json!({ "content": "" }).to_string().len();
    ToolCall::new(id, "Write", serde_json::json!({ "content": "x".repeat(bytes - empty) }), "/")
}

/// Carries all futures on at once, and gives what came of each.
pub(super) async fn all<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
