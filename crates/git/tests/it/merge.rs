//! Merging without a hand in anybody's files.

use std::fs;
use std::os::unix::fs::symlink;

use missiond_git::{
    CheckoutBlock, Conflict, Error, MergeOptions, MergeOutcome, MergePreview, MergeStrategy, Repository,
};

use crate::scene::{
    Scene, branch, commit_in, create, git, git_output, snapshot, update_if_clean, write, write_program,
};

/// `agent/one` with one commit that changes `src/lib.rs` and adds `added`; `main` is checked out in the project.
fn scene() -> (Scene, Repository) {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("src/lib.rs"), "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    write(&workspace.path.join("added"), "new\n");
    commit_in(&workspace.path, "agent's work");
    (scene, repo)
}

fn diverge(scene: &Scene) {
    scene.write("src/lib.rs", "one\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n");
    scene.commit("main's work");
}

fn merge(repo: &Repository, options: &MergeOptions) -> Result<MergeOutcome, Error> {
    repo.merge(&branch("agent/one"), &branch("main"), options)
}

fn strategy(strategy: MergeStrategy) -> MergeOptions {
    let mut options = update_if_clean();
    options.strategy = strategy;
    options
}

#[test]
fn a_fast_forward_moves_the_branch_and_its_clean_checkout() {
    let (scene, repo) = scene();
    assert!(matches!(
        repo.preview_merge(&branch("agent/one"), &branch("main")).unwrap(),
        MergePreview::FastForward
    ));
    let outcome = merge(&repo, &update_if_clean()).unwrap();
    let MergeOutcome::FastForwarded { to, updated, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(updated, Some(scene.root.clone()));
    assert_eq!(scene.git(&["rev-parse", "HEAD"]), to.as_str());
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    assert_eq!(fs::read_to_string(scene.root.join("added")).unwrap(), "new\n");
    assert_eq!(scene.git(&["reflog", "-1", "--format=%gs", "main"]), "missiond: merge agent/one");
    assert!(matches!(merge(&repo, &update_if_clean()).unwrap(), MergeOutcome::UpToDate { .. }));
    scene.assert_healthy();
}

#[test]
fn a_checkout_whose_files_were_touched_but_not_changed_is_clean() {
    let (scene, repo) = scene();
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::options().write(true).open(scene.root.join("src/lib.rs")).unwrap().set_modified(past).unwrap();
    merge(&repo, &update_if_clean()).unwrap();
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    assert_eq!(scene.git(&["rev-parse", "main"]), scene.git(&["rev-parse", "agent/one"]));
}

#[test]
fn a_clean_merge_makes_the_commit_git_would_make() {
    let (scene, repo) = scene();
    diverge(&scene);
    assert!(matches!(
        repo.preview_merge(&branch("agent/one"), &branch("main")).unwrap(),
        MergePreview::Clean
    ));
    let outcome = merge(&repo, &update_if_clean()).unwrap();
    let MergeOutcome::Merged { from, commit, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    let parents = scene.git(&["show", "-s", "--format=%P %s", "main"]);
    assert_eq!(
        parents,
        format!("{from} {} Merge branch 'agent/one' into main", scene.git(&["rev-parse", "agent/one"]))
    );
    git(&scene.root, &["worktree", "add", "-q", "-b", "judge", "../judge", from.as_str()]);
    git(&scene.base.join("judge"), &["merge", "-q", "--no-edit", "agent/one"]);
    assert_eq!(
        scene.git(&["rev-parse", "judge^{tree}"]),
        scene.git(&["rev-parse", &format!("{commit}^{{tree}}")])
    );
    assert_eq!(snapshot(&scene.root).len(), snapshot(&scene.base.join("judge")).len());
    scene.assert_healthy();
}

#[test]
fn strategies() {
    let check = |chosen: MergeStrategy, diverged: bool, parents: Option<usize>| {
        let (scene, repo) = scene();
        if diverged {
            diverge(&scene);
        }
        let before = scene.git(&["rev-parse", "main"]);
        match (merge(&repo, &strategy(chosen)), parents) {
            (Ok(_), Some(parents)) => {
                let shown = scene.git(&["show", "-s", "--format=%P", "main"]);
                assert_eq!(shown.split_whitespace().count(), parents, "{chosen:?} {diverged}");
                let added = scene.git(&["show", "main:added"]);
                assert_eq!(added, "new");
            }
            (Err(Error::NotFastForward { .. }), None) => {
                assert_eq!(scene.git(&["rev-parse", "main"]), before);
            }
            (other, _) => panic!("{chosen:?} {diverged}: {other:?}"),
        }
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
    };
    check(MergeStrategy::FastForwardOrMerge, false, Some(1));
    check(MergeStrategy::FastForwardOrMerge, true, Some(2));
    check(MergeStrategy::FastForwardOnly, false, Some(1));
    check(MergeStrategy::FastForwardOnly, true, None);
    check(MergeStrategy::Merge, false, Some(2));
    check(MergeStrategy::Merge, true, Some(2));
    check(MergeStrategy::Squash, false, Some(1));
    check(MergeStrategy::Squash, true, Some(1));
}

#[test]
fn g11_conflicts_come_back_as_data_and_change_nothing() {
    let (scene, repo) = scene();
    let workspace = repo.workspace_at(scene.base.join("one")).unwrap().unwrap();
    fs::remove_file(workspace.path.join("README.md")).unwrap();
    write(&workspace.path.join("bin\nary"), b"\0\x01theirs");
    commit_in(&workspace.path, "more");
    scene.write("README.md", "main changed it\n");
    scene.write("src/lib.rs", "EINS\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    scene.write("bin\nary", b"\0\x01ours");
    scene.commit("main's work");
    // In the middle of something, to show that it isn't touched.
    scene.write("src/lib.rs", "half done\n");
    let (before, refs) = (snapshot(&scene.root), scene.git(&["for-each-ref"]));

    let outcome = repo.merge(&branch("agent/one"), &branch("main"), &MergeOptions::default()).unwrap();
    let MergeOutcome::Conflicts(conflicts) = outcome else { panic!("{outcome:?}") };
    let find = |path: &str| -> &Conflict {
        conflicts
            .iter()
            .find(|conflict| conflict.path == std::path::Path::new(path))
            .unwrap_or_else(|| panic!("{conflicts:?}"))
    };
    assert_eq!(conflicts.len(), 3, "{conflicts:?}");
    let deleted = find("README.md");
    assert!(deleted.base.is_some() && deleted.ours.is_some() && deleted.theirs.is_none());
    assert_eq!(deleted.kinds, ["CONFLICT (modify/delete)"]);
    let content = find("src/lib.rs");
    let ours = content.ours.as_ref().unwrap();
    assert_eq!(scene.git(&["cat-file", "blob", ours.id.as_str()]).lines().next(), Some("EINS"));
    assert_eq!(ours.mode, 0o100_644);
    assert!(find("bin\nary").base.is_none());
    assert_eq!((snapshot(&scene.root), scene.git(&["for-each-ref"])), (before, refs));
    let preview = repo.preview_merge(&branch("agent/one"), &branch("main")).unwrap();
    assert!(matches!(preview, MergePreview::Conflicts(again) if again == conflicts));
    scene.assert_healthy();
}

/// Sets something up in the checkout of `main`, and expects the merge to leave everything as it was.
fn check_blocked(setup: impl FnOnce(&Scene), expected: impl FnOnce(&CheckoutBlock) -> bool) {
    let (scene, repo) = scene();
    let workspace = scene.base.join("one");
    write(&workspace.join("dir/inner"), "x\n");
    commit_in(&workspace, "a directory");
    diverge(&scene);
    setup(&scene);
    let state = || {
        (
            snapshot(&scene.root),
            scene.git(&["for-each-ref"]),
            scene.git(&["status", "--porcelain", "--ignored"]),
        )
    };
    let before = state();
    let error = merge(&repo, &update_if_clean()).unwrap_err();
    let Error::CheckoutBlocked { worktree, reason, .. } = &error else { panic!("{error}") };
    assert!(expected(reason), "{reason:?}");
    assert_eq!(*worktree, scene.root);
    assert_eq!(state(), before);
    assert!(repo.recover().unwrap().done.is_empty());
}

#[test]
fn g11_a_checkout_with_work_in_it_is_left_alone() {
    let in_the_way = |path: &'static str| {
        move |block: &CheckoutBlock| *block == CheckoutBlock::InTheWay(vec![path.into()])
    };
    let dirty = |block: &CheckoutBlock| *block == CheckoutBlock::Dirty(1);
    check_blocked(|scene| scene.write("src/lib.rs", "dirty\n"), dirty);
    // Dirty in a file the merge doesn't touch.
    check_blocked(|scene| scene.write("README.md", "dirty\n"), dirty);
    check_blocked(
        |scene| {
            scene.write("staged", "x");
            scene.git(&["add", "staged"]);
        },
        dirty,
    );
    check_blocked(|scene| scene.write("added", "mine\n"), in_the_way("added"));
    check_blocked(|scene| scene.write("added/deep/file", "mine\n"), in_the_way("added"));
    check_blocked(|scene| scene.write("dir", "a file where a directory goes\n"), in_the_way("dir"));
    check_blocked(|scene| symlink("nowhere", scene.root.join("added")).unwrap(), in_the_way("added"));
    // Ignored files are the person's as well.
    check_blocked(
        |scene| {
            fs::write(scene.root.join(".git/info/exclude"), "/added\n").unwrap();
            scene.write("added", "mine\n");
        },
        in_the_way("added"),
    );
    check_blocked(
        |scene| {
            scene.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
            scene.write("src/lib.rs", "side\n");
            scene.commit("side");
            scene.git(&["checkout", "-q", "main"]);
            git_output(&scene.root, &["rebase", "side"]);
        },
        |block| *block == CheckoutBlock::OperationInProgress("rebase"),
    );
}

#[test]
fn g11_a_checkout_is_only_touched_when_asked() {
    let (scene, repo) = scene();
    let error = merge(&repo, &MergeOptions::default()).unwrap_err();
    assert!(matches!(error, Error::CheckoutBlocked { reason: CheckoutBlock::NotAsked, .. }), "{error}");
    // Untracked files elsewhere don't matter, and another worktree isn't touched.
    scene.write("untracked", "mine\n");
    merge(&repo, &update_if_clean()).unwrap();
    assert_eq!(scene.git(&["status", "--porcelain"]), "?? untracked");
}

#[test]
fn g11_a_branch_that_nobody_has_checked_out_needs_no_checkout() {
    let (scene, repo) = scene();
    diverge(&scene);
    scene.git(&["checkout", "-q", "--detach"]);
    scene.write("src/lib.rs", "dirty\n");
    let before = snapshot(&scene.root);
    let outcome = merge(&repo, &MergeOptions::default()).unwrap();
    assert!(matches!(outcome, MergeOutcome::Merged { updated: None, .. }), "{outcome:?}");
    assert_eq!(snapshot(&scene.root), before);
    assert_eq!(scene.git(&["show", "main:added"]), "new");
}

#[test]
fn a_target_checked_out_in_a_linked_worktree_is_updated_there() {
    let (scene, repo) = scene();
    let target = create(&repo, "target");
    let outcome = repo.merge(&branch("agent/one"), &branch("agent/target"), &update_if_clean()).unwrap();
    assert!(
        matches!(&outcome, MergeOutcome::FastForwarded { updated: Some(dir), .. } if *dir == target.path)
    );
    assert_eq!(git(&target.path, &["status", "--porcelain"]), "");
    assert!(target.path.join("added").exists() && !scene.root.join("added").exists());
}

#[test]
fn directories_and_files_may_change_places() {
    let scene = Scene::new();
    scene.write("was-dir/a", "a\n");
    scene.write("was-file", "f\n");
    scene.commit("start");
    let repo = scene.open();
    let workspace = create(&repo, "one");
    fs::remove_dir_all(workspace.path.join("was-dir")).unwrap();
    write(&workspace.path.join("was-dir"), "now a file\n");
    fs::remove_file(workspace.path.join("was-file")).unwrap();
    write(&workspace.path.join("was-file/b"), "b\n");
    commit_in(&workspace.path, "swap");
    // An ignored file in the directory that would go.
    scene.write("was-dir/x.tmp", "mine\n");
    let error = merge(&repo, &update_if_clean()).unwrap_err();
    assert!(matches!(error, Error::CheckoutBlocked { reason: CheckoutBlock::InTheWay(_), .. }), "{error}");
    fs::remove_file(scene.root.join("was-dir/x.tmp")).unwrap();
    merge(&repo, &update_if_clean()).unwrap();
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    assert_eq!(snapshot(&scene.root), snapshot(&workspace.path));
}

#[test]
fn names_that_don_t_exist_and_foreign_histories_are_errors() {
    let (scene, repo) = scene();
    for (from, into) in [("agent/on", "main"), ("agent/one", "mai")] {
        let error = repo.merge(&branch(from), &branch(into), &update_if_clean()).unwrap_err();
        assert!(matches!(error, Error::NoSuchBranch { .. }), "{error}");
    }
    scene.git(&["checkout", "-q", "--orphan", "foreign"]);
    scene.commit("another beginning");
    scene.git(&["checkout", "-q", "main"]);
    let error = repo.merge(&branch("foreign"), &branch("main"), &update_if_clean()).unwrap_err();
    assert!(error.to_string().contains("unrelated"), "{error}");
}

#[test]
fn no_hook_runs_and_an_index_lock_is_named() {
    let (scene, repo) = scene();
    let trace = scene.base.join("trace");
    for which in
        ["post-merge", "post-checkout", "reference-transaction", "pre-merge-commit", "post-index-change"]
    {
        let hook = format!("#!/bin/sh\ntouch '{}'\n", trace.display());
        write_program(&scene.root.join(".git/hooks").join(which), &hook);
    }
    let lock = scene.root.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let error = merge(&repo, &update_if_clean()).unwrap_err();
    assert!(matches!(&error, Error::IndexLocked { path } if *path == lock), "{error}");
    assert!(!scene.root.join("added").exists());
    fs::remove_file(&lock).unwrap();
    merge(&repo, &strategy(MergeStrategy::Merge)).unwrap();
    assert!(!trace.exists());
}
