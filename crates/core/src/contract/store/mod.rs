//! The contract of [`Store`].

mod approvals;
mod concurrent;
mod log;
mod slots;
mod subject;
mod tasks;

use std::sync::Arc;

use crate::ports::{BoxFuture, Store};

use subject::Subject;

/// Checks every guarantee of [`Store`] that can be seen without ending the process. `make` gives a new, empty store each
/// time.
///
/// What remains for the implementation's own tests: that acknowledged changes survive `kill -9`, and durable ones a power
/// loss.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future drops the stores. It has to run on a tokio runtime, since it spawns tasks.
pub async fn check(make: impl Fn() -> BoxFuture<'static, Arc<dyn Store>>) {
    let subject = || async { Subject::new(make().await) };

    tasks::submit_and_read(subject().await).await;
    tasks::pages_and_counts(subject().await).await;
    tasks::submit_refuses(subject().await).await;
    tasks::lease_and_finish(subject().await).await;
    tasks::a_final_status_stays(subject().await).await;
    tasks::tokens_fence(subject().await).await;
    tasks::leases_end(subject().await).await;
    tasks::end_takes_the_lease(subject().await).await;
    tasks::amend_once(subject().await).await;
    tasks::workspace_and_conversation(subject().await).await;
    slots::configure(subject().await).await;
    slots::one_occupant(subject().await).await;
    slots::vacate(subject().await).await;
    slots::take_over(subject().await).await;
    approvals::open_and_settle(subject().await).await;
    approvals::a_late_yes_is_a_no(subject().await).await;
    approvals::the_end_of_a_task_expires_them(subject().await).await;
    log::notes(subject().await).await;
    log::pages(subject().await).await;
    log::messages(subject().await).await;
    concurrent::one_winner(subject().await).await;
    concurrent::one_order(subject().await).await;
    concurrent::a_refusal_leaves_others_alone(subject().await).await;
}
