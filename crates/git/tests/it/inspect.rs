//! Status, changes and patches.

use std::fs;
use std::path::PathBuf;

use missiond_git::{AheadBehind, ChangeKind, Error};

use crate::scene::{Scene, commit_in, create, git, git_output, write};

#[test]
fn status_counts_each_kind() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let dir = &workspace.path;
    assert!(!repo.status(dir).unwrap().is_dirty());
    write(&dir.join("README.md"), "changed\n");
    git(dir, &["mv", "src/lib.rs", "src/moved.rs"]);
    write(&dir.join("a/b"), "");
    write(&dir.join("a/c"), "");
    write(&dir.join("x.tmp"), "");
    git(dir, &["init", "-q", "inner"]);
    let status = repo.status(dir).unwrap();
    assert_eq!((status.changed, status.untracked, status.operation), (2, 3, None));
    assert_eq!(status.nested, [PathBuf::from("inner")]);

    let scene = Scene::new();
    scene.git(&["branch", "other"]);
    scene.write("two words", "1");
    scene.commit("one");
    scene.git(&["checkout", "-q", "other"]);
    scene.write("two words", "2");
    scene.commit("two");
    git_output(&scene.root, &["merge", "main"]);
    let status = scene.open().status(&scene.root).unwrap();
    assert_eq!(
        (status.conflicts.as_slice(), status.operation),
        (&[PathBuf::from("two words")][..], Some("merge"))
    );
}

#[test]
fn changes_are_counted_from_where_the_branch_left() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let dir = &workspace.path;
    git(dir, &["mv", "src/lib.rs", "src/new name.rs"]);
    fs::remove_file(dir.join("README.md")).unwrap();
    write(&dir.join("tab\tline\n"), "x\n");
    commit_in(dir, "work");
    commit_in(dir, "more");
    scene.write("main-only", "x");
    scene.commit("main goes on");
    let changes = repo.changed_files("main", "agent/one").unwrap();
    let kinds: Vec<_> =
        changes.iter().map(|change| (change.path.to_str().unwrap(), change.kind.clone())).collect();
    assert_eq!(
        kinds,
        [
            ("README.md", ChangeKind::Deleted),
            ("src/new name.rs", ChangeKind::Renamed(PathBuf::from("src/lib.rs"))),
            ("tab\tline\n", ChangeKind::Added),
        ]
    );
    assert_eq!(repo.ahead_behind("main", "agent/one").unwrap(), AheadBehind { ahead: 2, behind: 1 });
    assert!(matches!(repo.ahead_behind("main", "agent/none"), Err(Error::UnknownRevision { .. })));

    let whole = repo.diff("main", "agent/one", 1 << 20).unwrap();
    let text = String::from_utf8(whole.bytes.clone()).unwrap();
    assert!(
        !whole.truncated && text.contains("rename to src/new name.rs") && !text.contains("main-only"),
        "{text}"
    );
    let cut = repo.diff("main", "agent/one", 100).unwrap();
    assert!(cut.truncated && cut.bytes.len() <= 100 && cut.bytes.ends_with(b"\n"));
    assert!(whole.bytes.starts_with(&cut.bytes));
}

#[test]
fn a_patch_applies_again() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    // Settings that would change the form of a patch.
    for (key, value) in [("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true"), ("color.ui", "always")] {
        scene.git(&["config", key, value]);
    }
    write(&workspace.path.join("src/lib.rs"), "one\n2\nthree\nfour\nfive\nsix\nseven\n");
    commit_in(&workspace.path, "work");
    let patch = repo.diff("main", "agent/one", 1 << 20).unwrap();
    let file = scene.base.join("patch");
    fs::write(&file, patch.bytes).unwrap();
    scene.git(&["apply", "-p1", file.to_str().unwrap()]);
    assert_eq!(scene.git(&["diff", "--stat", "agent/one"]), "");
}

#[test]
fn output_and_time_are_bounded() {
    let scene = Scene::new();
    let workspace = create(&scene.open(), "one");
    write(&workspace.path.join("big"), "line\n".repeat(100_000));
    commit_in(&workspace.path, "big");
    let mut settings = crate::scene::settings();
    settings.max_output = 10_000;
    let repo = missiond_git::Repository::discover_with(&scene.root, settings).unwrap();
    assert!(matches!(
        repo.diff("main", "agent/one", 1 << 30),
        Err(Error::OutputTooLarge { limit: 10_000, .. })
    ));

    let slow = scene.base.join("slow-git");
    crate::scene::write_program(
        &slow,
        "#!/bin/sh\ncase \"$*\" in *version*) exec git \"$@\";; esac\nsleep 600\n",
    );
    let mut settings = crate::scene::settings();
    settings.git = slow;
    settings.deadline = std::time::Duration::from_millis(500);
    let error = missiond_git::Repository::discover_with(&scene.root, settings).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}
