//! What becomes of a branch after its first workspace.

use super::place::{Place, read, write};
use crate::ports::MergeOutcome;

/// Commits one file on a branch of its own, and gives the branch.
async fn branch_with(place: &Place, name: &str, file: &str, text: &str) -> String {
    let workspace = place.create(name).await;
    write(&workspace.path, file, text);
    place.commit_some(&workspace).await;
    place.retire(&workspace).await;
    workspace.branch
}

pub(super) async fn go_on(place: Place) {
    let first = place.create("first").await;
    write(&first.path, "one.txt", "one\n");
    place.commit_some(&first).await;
    place.retire(&first).await;

    let mut request = place.request("first");
    request.base = Some(first.base.clone());
    request.resume = true;
    let second = place.create_as(request.clone()).await;
    assert_eq!(second.base, first.base, "a branch that is gone on with must keep the base that it once left");
    assert_eq!(read(&second.path, "one.txt").as_deref(), Some("one\n"), "the earlier work must be there");
    write(&second.path, "two.txt", "two\n");
    let committed = place.commit_some(&second).await;
    assert_eq!(
        committed.changed_files,
        ["one.txt", "two.txt"],
        "the files must be those of the whole branch"
    );
    place.retire(&second).await;

    request.name = "gone".to_owned();
    request.path = place.base.join("gone");
    request.branch = "work/no-such-branch".to_owned();
    place.refused(request, crate::ports::WorkspacesErrorKind::NotFound).await;
}

pub(super) async fn merge(place: Place) {
    let branch = branch_with(&place, "merged", "merged.txt", "merged\n").await;
    match place.merge(&branch).await {
        MergeOutcome::Merged { commit, .. } => assert!(!commit.is_empty(), "a merge must name its commit"),
        other => panic!("a branch that nothing is in the way of must be merged: {other:?}"),
    }
    assert_eq!(
        place.checked_out("merged.txt").as_deref(),
        Some("merged\n"),
        "a clean checkout must show what was merged into it"
    );
    let again = place.merge(&branch).await;
    assert!(matches!(again, MergeOutcome::UpToDate { .. }), "a merge must be made once: {again:?}");

    let branch = branch_with(&place, "blocked", "README.md", "from the branch\n").await;
    write(&place.checkout, "README.md", "a person's own change\n");
    let blocked = place.merge(&branch).await;
    assert!(
        matches!(blocked, MergeOutcome::CheckoutDirty { .. }),
        "a merge must not touch a dirty checkout: {blocked:?}"
    );
    assert_eq!(
        place.checked_out("README.md").as_deref(),
        Some("a person's own change\n"),
        "a person's own change must be left"
    );
}

pub(super) async fn conflicts_touch_nothing(place: Place) {
    let one = branch_with(&place, "one", "README.md", "one\n").await;
    let two = branch_with(&place, "two", "README.md", "two\n").await;
    let merged = place.merge(&one).await;
    assert!(matches!(merged, MergeOutcome::Merged { .. }), "the first branch must be merged: {merged:?}");
    match place.merge(&two).await {
        MergeOutcome::Conflicts { paths, .. } => {
            assert_eq!(paths, ["README.md"], "a conflict must name its paths");
        }
        other => panic!("two changes of one place must be a conflict: {other:?}"),
    }
    assert_eq!(place.checked_out("README.md").as_deref(), Some("one\n"), "a conflict must touch nothing");
}
