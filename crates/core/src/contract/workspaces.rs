//! The contract of [`Workspaces`](crate::ports::Workspaces).

mod branches;
mod lives;
mod place;

pub use place::Place;

use crate::ports::BoxFuture;

/// Checks every guarantee of [`Workspaces`](crate::ports::Workspaces) that can be seen without ending the process. `make`
/// gives a new [`Place`] each time.
///
/// What remains for the implementation's own tests: that what was kept can be restored, and that
/// [`Workspaces::recover`](crate::ports::Workspaces::recover) undoes what `kill -9` left half-made.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future may leave work going on in the background, in the places that were made.
pub async fn check(make: impl Fn() -> BoxFuture<'static, Place>) {
    lives::create_commit_retire(make().await).await;
    lives::a_later_one_of_the_same_name_is_another(make().await).await;
    lives::uncommitted_work_is_kept(make().await).await;
    lives::what_is_taken_is_left_alone(make().await).await;
    lives::names_stay_in_their_place(make().await).await;
    lives::what_is_gone_is_told(make().await).await;
    lives::a_dropped_creation_is_finished_or_undone(make().await).await;
    lives::many_at_once(make().await).await;
    branches::go_on(make().await).await;
    branches::merge(make().await).await;
    branches::conflicts_touch_nothing(make().await).await;
}
