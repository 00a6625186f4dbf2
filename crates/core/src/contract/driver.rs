//! The contract of [`Driver`](crate::ports::Driver) and [`Agent`](crate::ports::Agent).

mod ear;
mod ends;
mod subject;
mod turns;

pub use subject::{Prompts, Subject};

/// Checks the guarantees of [`Driver`](crate::ports::Driver) and [`Agent`](crate::ports::Agent), and that a
/// [`TurnSink`](crate::ports::TurnSink) is heeded, with real processes.
///
/// What remains for the implementation's own tests: that the agent is never in a mode that lets tool calls run unasked.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future drops the agents, which then have to end.
pub async fn check(subject: &Subject) {
    turns::answer(subject).await;
    turns::go_on(subject).await;
    turns::report_calls_in_order(subject).await;
    turns::failures_are_errors(subject).await;
    turns::a_missing_program_is_named(subject).await;
    ends::the_sink_stops_a_turn(subject).await;
    ends::a_turn_has_a_limit(subject).await;
    ends::stop_ends_everything(subject).await;
    ends::dropping_ends_everything(subject).await;
    ends::a_dropped_start_leaves_nothing(subject).await;
}
