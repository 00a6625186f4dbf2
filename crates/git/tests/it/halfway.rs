//! Merges whose checkout fails when it has changed some files already.

use std::fs;
use std::path::Path;

use missiond_git::{Error, MergeOutcome, Recovered, Repository};

use crate::scene::{
    Scene, branch, commit_in, create, settings, snapshot, update_if_clean, write, write_program,
};

/// How a file that can't be written stops git: it is killed and leaves its lock, or it reports the failure.
const STOPS: [&str; 2] = ["ulimit -f 64", "trap '' XFSZ; ulimit -f 64"];

/// More than the limit lets git write.
fn big(line: &str) -> String {
    line.repeat(100_000 / line.len())
}

/// `main` checked out, and `agent/one` with a change of every kind; the files around `big` are written or deleted
/// before and after it.
fn scene(big_before: &str) -> Scene {
    let scene = Scene::new();
    scene.write("a-changed", "before\n");
    scene.write("a-gone", "before\n");
    scene.write("big", big_before);
    scene.write("z-changed", "before\n");
    scene.commit("start");
    let workspace = create(&scene.open(), "one");
    let dir = &workspace.path;
    write(&dir.join("a-changed"), "after\n");
    write(&dir.join("a-new/file"), "after\n");
    fs::remove_file(dir.join("a-gone")).unwrap();
    write(&dir.join("big"), big("after\n"));
    write(&dir.join("z-changed"), "after\n");
    write(&dir.join("z-new"), "after\n");
    commit_in(dir, "all kinds");
    scene.write("ignored/theirs", "precious\n");
    scene.write("untracked", "precious\n");
    scene
}

/// A `git` that can't write large files to a worktree.
fn limited(scene: &Scene, stop: &str) -> Repository {
    let program = scene.base.join("tools/git");
    let script =
        format!("#!/bin/sh\ncase \"$*\" in *\" read-tree \"*\" -u \"*) {stop} ;; esac\nexec git \"$@\"\n");
    write_program(&program, &script);
    let mut settings = settings();
    settings.git = program;
    Repository::discover_with(&scene.root, settings).unwrap()
}

fn merge(repo: &Repository) -> Result<MergeOutcome, Error> {
    repo.merge(&branch("agent/one"), &branch("main"), &update_if_clean())
}

fn journals(scene: &Scene) -> usize {
    fs::read_dir(scene.root.join(".git/missiond/merges")).map_or(0, Iterator::count)
}

fn assert_merged(scene: &Scene) {
    assert_eq!(scene.git(&["rev-parse", "main"]), scene.git(&["rev-parse", "agent/one"]));
    assert_eq!(scene.git(&["status", "--porcelain"]), "?? untracked");
    assert_eq!(fs::read(scene.root.join("ignored/theirs")).unwrap(), b"precious\n");
    assert_eq!(journals(scene), 0);
    scene.assert_healthy();
}

#[test]
fn g11_a_checkout_that_fails_halfway_is_undone() {
    for stop in STOPS {
        let scene = scene("before\n");
        let (before, tip) = (snapshot(&scene.root), scene.git(&["rev-parse", "main"]));
        let error = merge(&limited(&scene, stop)).unwrap_err();
        assert!(matches!(error, Error::Git { .. }), "{stop}: {error}");
        assert!(snapshot(&scene.root) == before, "{stop}: the files aren't as before");
        assert_eq!(scene.git(&["rev-parse", "main"]), tip, "{stop}");
        assert_eq!(scene.git(&["status", "--porcelain"]), "?? untracked", "{stop}");
        assert!(!scene.root.join(".git/index.lock").exists(), "{stop}");
        assert_eq!(journals(&scene), 0, "{stop}");
        merge(&scene.open()).unwrap();
        assert_merged(&scene);
    }
}

#[test]
fn g11_a_checkout_that_can_be_neither_completed_nor_undone_is_healed_later() {
    for stop in STOPS {
        for heal in ["recover", "merge"] {
            let scene = scene(&big("before\n"));
            let tip = scene.git(&["rev-parse", "main"]);
            // As long as the cause lasts, each try says the same.
            let repo = limited(&scene, stop);
            for _ in 0..2 {
                let error = merge(&repo).unwrap_err();
                let text = error.to_string();
                assert!(matches!(error, Error::CheckoutUnfinished { .. }), "{stop}: {text}");
                assert!(
                    text.contains(scene.root.to_str().unwrap()) && text.contains("merge again"),
                    "{text}"
                );
                assert!(std::error::Error::source(&error).is_some());
                assert_eq!(scene.git(&["rev-parse", "main"]), tip, "{stop}");
                assert_eq!(journals(&scene), 1, "{stop}");
            }
            let repo = scene.open();
            if heal == "merge" {
                merge(&repo).unwrap();
            } else {
                let recovery = repo.recover().unwrap();
                assert!(recovery.problems.is_empty(), "{stop}: {recovery:?}");
                assert!(
                    matches!(recovery.done.as_slice(), [Recovered::MergeFinished { .. }]),
                    "{recovery:?}"
                );
            }
            assert_merged(&scene);
        }
    }
}

#[test]
fn g11_what_a_person_does_to_a_half_done_checkout_is_not_overwritten() {
    type Edit = fn(&Path);
    let edits: [(&str, Edit); 4] = [
        ("a changed file", |root| write(&root.join("z-changed"), "mine\n")),
        ("a new file", |root| write(&root.join("a-new/file"), "mine\n")),
        ("a file that goes", |root| write(&root.join("a-gone"), "mine\n")),
        ("something staged", |root| {
            write(&root.join("staged"), "mine\n");
            crate::scene::git(root, &["add", "staged"]);
        }),
    ];
    for (what, edit) in edits {
        let scene = scene(&big("before\n"));
        // Git reports the failure, so that no lock keeps the person out.
        assert!(matches!(merge(&limited(&scene, STOPS[1])), Err(Error::CheckoutUnfinished { .. })));
        edit(&scene.root);
        let (before, staged) = (snapshot(&scene.root), scene.git(&["ls-files", "--stage"]));
        let repo = scene.open();
        let recovery = repo.recover().unwrap();
        assert!(recovery.done.is_empty() && recovery.problems.len() == 1, "{what}: {recovery:?}");
        assert!(matches!(recovery.problems[0].error, Error::CheckoutBlocked { .. }), "{what}: {recovery:?}");
        assert!(matches!(merge(&repo), Err(Error::CheckoutBlocked { .. })), "{what}");
        assert!(snapshot(&scene.root) == before, "{what} was overwritten");
        assert_eq!(scene.git(&["ls-files", "--stage"]), staged, "{what}");
        // A person's way out.
        scene.git(&["reset", "-q", "--hard"]);
        scene.git(&["clean", "-q", "-f", "-d", "a-new", "z-new"]);
        merge(&repo).unwrap();
        assert_eq!(journals(&scene), 0, "{what}");
    }
}
