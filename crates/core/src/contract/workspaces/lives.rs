//! The life of a workspace, from its creation to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::place::{Place, check_error, read, write};
use crate::contract::patience::{PATIENCE, begin_and_drop};
use crate::model::WorkspaceRecord;
use crate::ports::{WorkspaceRequest, WorkspacesErrorKind};

pub(super) async fn create_commit_retire(place: Place) {
    let one = place.create("one").await;
    let two = place.create("two").await;
    assert_eq!(
        read(&one.path, "README.md").as_deref(),
        Some("begin\n"),
        "a workspace must begin at its base"
    );
    assert_eq!(place.commit(&one).await, None, "without a change there must be no commit");

    write(&one.path, "new/file.txt", "hello\n");
    write(&one.path, "README.md", "begin\nchanged\n");
    assert_eq!(read(&two.path, "new/file.txt"), None, "each holder must have a directory of its own");
    assert_eq!(place.checked_out("new/file.txt"), None, "the project's checkout must be left alone");
    let first = place.commit_some(&one).await;
    assert_eq!(first.changed_files, ["README.md", "new/file.txt"], "a commit must name all that changed");
    write(&one.path, "later.txt", "later\n");
    let second = place.commit_some(&one).await;
    assert_ne!(first.commit, second.commit, "a further commit must be another one");
    let all = ["README.md", "later.txt", "new/file.txt"];
    assert_eq!(second.changed_files, all, "the files must be those that the branch changed against its base");
    let diff = place.diff(&one).await;
    assert!(diff.contains("+hello") && diff.contains("+changed"), "a diff must show what changed: {diff}");
    assert_eq!(place.commit(&two).await, None, "another's commit must not count");

    let recovered = place.workspaces.recover().await;
    recovered.unwrap_or_else(|error| panic!("where nothing is wrong, recovery must succeed: {error}"));
    assert_eq!(place.names().await, ["one", "two"], "recovery must leave healthy workspaces alone");

    assert_eq!(place.retire(&one).await, None, "where all is committed, nothing has to be kept besides");
    assert_eq!(place.diff(&one).await, diff, "the branch must stay when its workspace is retired");
    let again = place.workspaces.retire(&one).await;
    let again = again.unwrap_or_else(|error| panic!("retiring what is gone must be no error: {error}"));
    assert_eq!(again.rescue, None, "what is gone holds nothing to be kept");
    assert_eq!(place.names().await, ["two"], "the end of one workspace must leave the others alone");
    assert!(two.path.is_dir(), "the end of one workspace must leave the others alone");
}

pub(super) async fn a_later_one_of_the_same_name_is_another(place: Place) {
    let request = |branch: &str| WorkspaceRequest::new("name", place.base.join("name"), branch);
    let first = place.create_as(request("work/first")).await;
    place.retire(&first).await;
    // What is too short to tell two moments apart is no clock for this.
    sleep(Duration::from_millis(20)).await;
    let second = place.create_as(request("work/second")).await;
    write(&second.path, "mine.txt", "mine\n");
    let again = place.workspaces.retire(&first).await;
    again.unwrap_or_else(|error| panic!("retiring what is gone must be no error: {error}"));
    assert_eq!(place.names().await, ["name"], "a record of what is gone must not retire what came later");
    assert_eq!(
        read(&second.path, "mine.txt").as_deref(),
        Some("mine\n"),
        "another's work must be left alone"
    );
    place.retire(&second).await;
    assert!(place.names().await.is_empty(), "its own record must retire it");
}

pub(super) async fn uncommitted_work_is_kept(place: Place) {
    for (name, file, text) in
        [("changed", "README.md", "other\n"), ("untracked", "new.txt", "new\n"), ("deleted", "README.md", "")]
    {
        let workspace = place.create(name).await;
        if text.is_empty() {
            std::fs::remove_file(workspace.path.join(file))
                .unwrap_or_else(|error| panic!("a workspace must be writable: {error}"));
        } else {
            write(&workspace.path, file, text);
        }
        let rescue = place.retire(&workspace).await;
        assert!(
            rescue.is_some_and(|rescue| !rescue.is_empty()),
            "work that is not committed must be kept, and it must be told where: {name}"
        );
    }
    let clean = place.create("clean").await;
    assert_eq!(place.retire(&clean).await, None, "where nothing was done, nothing has to be kept");
}

pub(super) async fn what_is_taken_is_left_alone(place: Place) {
    let holder = place.create("held").await;
    write(&holder.path, "mine.txt", "mine\n");
    place.refused(place.request("held"), WorkspacesErrorKind::Taken).await;
    let other = |name: &str, path: &Path, branch: &str| WorkspaceRequest::new(name, path, branch);
    place.refused(other("other", &holder.path, "work/other"), WorkspacesErrorKind::Taken).await;
    place.refused(other("other", &place.base.join("other"), "work/held"), WorkspacesErrorKind::Taken).await;
    let foreign = place.base.join("foreign");
    write(&foreign, "precious.txt", "precious\n");
    place.refused(other("foreign", &foreign, "work/foreign"), WorkspacesErrorKind::Taken).await;
    assert_eq!(
        read(&foreign, "precious.txt").as_deref(),
        Some("precious\n"),
        "what is not ours must be left"
    );
    assert_eq!(read(&holder.path, "mine.txt").as_deref(), Some("mine\n"), "a holder's work must be left");
    assert!(place.commit(&holder).await.is_some(), "a holder must not notice that others were refused");
}

pub(super) async fn names_stay_in_their_place(place: Place) {
    for name in ["", ".", "..", "../up", "a/b", "-x", "a b", "x\0y", "x\n", &"x".repeat(5000)] {
        let request = WorkspaceRequest::new(name, place.base.join("named"), "work/named");
        let made = place.workspaces.create(request).await;
        if let Ok(record) = made {
            // An implementation may take any text for a name, but then it has to be that very name.
            assert_eq!(record.name, name, "a name must be kept or refused");
            place.retire(&record).await;
        }
        let request = WorkspaceRequest::new("named", place.base.join("named"), format!("work/{name}"));
        if let Ok(record) = place.workspaces.create(request).await {
            assert_eq!(record.branch, format!("work/{name}"), "a branch's name must be kept or refused");
            place.retire(&record).await;
        }
        let listed = std::fs::read_dir(&place.base).map(Iterator::count);
        assert_eq!(listed.ok(), Some(0), "a refused workspace must leave nothing behind: {name:?}");
    }
}

pub(super) async fn what_is_gone_is_told(place: Place) {
    let there = place.create("there").await;
    let path = place.base.join("missing");
    let missing = WorkspaceRecord::new("missing", path, "work/missing", there.base.clone());
    match place.workspaces.commit(&missing, "work").await {
        Ok(_) => panic!("what is not there cannot be committed"),
        Err(error) => check_error(&error, WorkspacesErrorKind::NotFound, "a commit of what is not there"),
    }
    match place.workspaces.diff("work/missing", &there.base).await {
        Ok(_) => panic!("a branch that is not there has no diff"),
        Err(error) => check_error(&error, WorkspacesErrorKind::NotFound, "the diff of what is not there"),
    }
    match place.workspaces.merge("work/missing", "merge").await {
        Ok(_) => panic!("a branch that is not there cannot be merged"),
        Err(error) => check_error(&error, WorkspacesErrorKind::NotFound, "a merge of what is not there"),
    }
    // An agent may delete its own directory.
    let removed = std::fs::remove_dir_all(&there.path);
    removed.unwrap_or_else(|error| panic!("a workspace must be an ordinary directory: {error}"));
    assert!(place.workspaces.commit(&there, "work").await.is_err(), "a directory that is gone has no work");
    place.retire(&there).await;
    place.create_as(WorkspaceRequest::new("there", &there.path, "work/again")).await;
}

pub(super) async fn a_dropped_creation_is_finished_or_undone(place: Place) {
    let request = place.request("dropped");
    let _ = begin_and_drop(place.workspaces.create(request.clone())).await;
    // Whichever it was, it comes to an end, and then the place can be used.
    let end = Instant::now() + PATIENCE;
    while !usable(&place, &request).await {
        assert!(Instant::now() < end, "a creation whose future was dropped must be finished or undone");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Takes away what the dropped creation has made, and makes it again.
async fn usable(place: &Place, request: &WorkspaceRequest) -> bool {
    if place.names().await.contains(&request.name) {
        let record = WorkspaceRecord::new(&request.name, &request.path, &request.branch, "");
        return place.workspaces.retire(&record).await.is_ok() && !request.path.exists();
    }
    let mut again = request.clone();
    again.branch.push_str("-again");
    place.workspaces.create(again).await.is_ok()
}

pub(super) async fn many_at_once(place: Place) {
    let place = Arc::new(place);
    let creating: Vec<_> = (0..6)
        .map(|number| {
            let place = Arc::clone(&place);
            tokio::spawn(async move {
                let workspace = place.create(&format!("many-{number}")).await;
                write(&workspace.path, "mine.txt", &format!("{number}\n"));
                let committed = place.commit_some(&workspace).await;
                assert_eq!(committed.changed_files, ["mine.txt"], "a commit must hold its own work alone");
                place.retire(&workspace).await;
                workspace
            })
        })
        .collect();
    for (number, workspace) in creating.into_iter().enumerate() {
        let workspace = workspace.await;
        let workspace = workspace.unwrap_or_else(|error| panic!("workspaces must be independent: {error}"));
        let diff = place.diff(&workspace).await;
        assert!(diff.contains(&format!("+{number}")), "each branch must have its own work: {diff}");
    }

    let contending: Vec<_> = (0..4)
        .map(|_| {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.workspaces.create(place.request("contended")).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for contender in contending {
        won +=
            usize::from(contender.await.unwrap_or_else(|error| panic!("contenders must not panic: {error}")));
    }
    assert_eq!(won, 1, "of several who want one name, exactly one must get it");
}
