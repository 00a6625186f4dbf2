//! Work that isn't committed outlives its workspace.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use missiond_git::{Error, RemoveOptions, Repository, Workspace};

use crate::scene::{Scene, commit_in, create, git, name, request, snapshot, write, write_program};

/// Every kind of change there is.
fn make_a_mess(dir: &Path) {
    write(&dir.join("src/lib.rs"), "changed\r\nmixed\nends");
    write(&dir.join("new/untracked file"), "n");
    write(&dir.join("new/ünï\ncode"), "u");
    write(&dir.join("binary"), (0..=255u8).cycle().take(100_000).collect::<Vec<_>>());
    write(&dir.join("empty"), "");
    write_program(&dir.join("run me"), "#!/bin/sh\n");
    symlink("/nowhere/at all", dir.join("dangling")).unwrap();
    symlink("src", dir.join("to-dir")).unwrap();
    fs::set_permissions(dir.join("plain"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(dir.join("gone")).unwrap();
    fs::remove_file(dir.join("becomes-link")).unwrap();
    symlink("README.md", dir.join("becomes-link")).unwrap();
    fs::remove_file(dir.join("becomes-dir")).unwrap();
    write(&dir.join("becomes-dir/inner"), "i");
    write(&dir.join("staged"), "s");
    git(dir, &["add", "staged"]);
    git(dir, &["mv", "renamed", "renamed-away"]);
}

fn scene() -> Scene {
    let scene = Scene::new();
    for file in ["plain", "gone", "becomes-link", "becomes-dir", "renamed"] {
        scene.write(file, format!("{file}\n"));
    }
    scene.commit("files");
    scene
}

fn remove(repo: &Repository, text: &str) -> missiond_git::Removed {
    repo.remove(&name(text), &RemoveOptions::default()).unwrap()
}

fn restore(repo: &Repository, rescue: &missiond_git::Rescue, text: &str) -> Workspace {
    let base = rescue.made_on.as_ref().unwrap().to_string();
    let workspace = repo.create(&request(text).base(base)).unwrap().workspace;
    repo.restore_rescue(rescue, &workspace).unwrap();
    workspace
}

#[test]
fn g2_all_work_is_kept_and_comes_back_byte_for_byte() {
    let scene = scene();
    let repo = scene.open();
    for autocrlf in ["false", "true", "input"] {
        scene.git(&["config", "core.autocrlf", autocrlf]);
        let text = format!("one-{autocrlf}");
        let workspace = create(&repo, &text);
        make_a_mess(&workspace.path);
        write(&workspace.path.join("ignored/secret"), "not kept");
        write(&workspace.path.join("x.tmp"), "not kept");
        let mut before = snapshot(&workspace.path);
        before.retain(|(path, ..)| !path.starts_with("ignored") && path != Path::new("x.tmp"));

        let kept = remove(&repo, &text).work.unwrap();
        assert!(!workspace.path.exists());
        assert!(kept.reference.starts_with(&format!("refs/missiond/rescue/{text}/2")), "{}", kept.reference);
        let listed =
            repo.rescues().unwrap().into_iter().find(|rescue| rescue.workspace == kept.workspace).unwrap();
        assert_eq!(listed, kept);
        let back = restore(&repo, &listed, &format!("back-{autocrlf}"));
        assert_eq!(snapshot(&back.path), before, "{autocrlf}");
        // Untracked again, not committed.
        let status = git(&back.path, &["status", "--porcelain"]);
        assert!(status.contains("?? new/") && status.contains(" D gone"), "{status}");
    }
    scene.assert_healthy();
}

#[test]
fn g2_a_change_of_the_same_size_and_time_as_the_index_is_kept() {
    let scene = scene();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let file = workspace.path.join("plain");
    // Most builds of git compare times in whole seconds, so this is a change within the second of the checkout, seen
    // later. The inode's own time can't be set, so git is told to disregard it.
    scene.git(&["config", "core.trustctime", "false"]);
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let date_back = |file: &Path| {
        fs::File::options().write(true).open(file).unwrap().set_modified(past).unwrap();
    };
    date_back(&file);
    git(&workspace.path, &["update-index", "--refresh"]);
    fs::write(&file, "PLAIN\n").unwrap();
    date_back(&file);
    date_back(&workspace.admin_dir.join("index"));
    assert_eq!(git(&workspace.path, &["--no-optional-locks", "status", "--porcelain"]), " M plain");
    let kept = remove(&repo, "one").work.expect("the change was overlooked");
    assert_eq!(scene.git(&["show", &format!("{}:plain", kept.reference)]), "PLAIN");
}

/// Git doesn't read a file again that it knows not to have changed, and what it holds of it has other line ends.
#[test]
fn g2_a_staged_file_comes_back_with_its_own_line_ends() {
    let scene = scene();
    let repo = scene.open();
    scene.git(&["config", "core.autocrlf", "true"]);
    let workspace = create(&repo, "one");
    git(&workspace.path, &["mv", "renamed", "renamed-away"]);
    write(&workspace.path.join("added"), "a\r\nb\r\n");
    git(&workspace.path, &["add", "added"]);
    let before = snapshot(&workspace.path);
    // As if all of it had been done a while ago.
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    for name in ["renamed-away", "added"] {
        let file = fs::File::options().write(true).open(workspace.path.join(name)).unwrap();
        file.set_modified(past).unwrap();
    }
    git(&workspace.path, &["update-index", "--refresh"]);
    let kept = remove(&repo, "one").work.unwrap();
    let back = restore(&repo, &kept, "back");
    assert_eq!(snapshot(&back.path), before);
}

#[test]
fn a_clean_workspace_leaves_no_rescue() {
    let scene = scene();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("ignored/x"), "x");
    // Touched but not changed.
    write(&workspace.path.join("plain"), "plain\n");
    assert!(remove(&repo, "one").work.is_none());
    assert!(repo.rescues().unwrap().is_empty());
}

#[test]
fn g2_what_was_only_staged_is_kept_too() {
    let scene = scene();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("plain"), "staged\n");
    git(&workspace.path, &["add", "plain"]);
    write(&workspace.path.join("plain"), "plain\n");
    let kept = remove(&repo, "one").work.unwrap();
    assert_eq!(scene.git(&["show", &format!("{}:plain", kept.reference)]), "plain");
    assert_eq!(scene.git(&["show", &format!("{}^2:plain", kept.reference)]), "staged");
}

#[test]
fn g2_hidden_changes_and_conflicts_are_kept() {
    let scene = scene();
    scene.git(&["branch", "other"]);
    scene.write("plain", "main side\n");
    scene.commit("main side");
    let repo = scene.open();
    let workspace = repo.create(&request("one").base("other")).unwrap().workspace;
    write(&workspace.path.join("plain"), "our side\n");
    commit_in(&workspace.path, "our side");
    let merge = crate::scene::git_output(&workspace.path, &["merge", "main"]);
    assert!(!merge.status.success());
    git(&workspace.path, &["update-index", "--assume-unchanged", "README.md"]);
    git(&workspace.path, &["update-index", "--skip-worktree", "src/lib.rs"]);
    write(&workspace.path.join("README.md"), "hidden one\n");
    write(&workspace.path.join("src/lib.rs"), "hidden two\n");
    let before = snapshot(&workspace.path);
    let kept = remove(&repo, "one").work.unwrap();
    let back = restore(&repo, &kept, "back");
    assert_eq!(snapshot(&back.path), before);
}

#[test]
fn g2_commits_on_no_branch_are_kept() {
    let scene = scene();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    git(&workspace.path, &["checkout", "-q", "--detach"]);
    let lonely = commit_in(&workspace.path, "on no branch");
    let kept = remove(&repo, "one").work.unwrap();
    assert_eq!(
        (kept.commit.as_str(), kept.made_on.as_ref().unwrap().as_str()),
        (lonely.as_str(), lonely.as_str())
    );
    // Dirty as well: one rescue holds both.
    let workspace = create(&repo, "two");
    git(&workspace.path, &["checkout", "-q", "--detach"]);
    let lonely = commit_in(&workspace.path, "on no branch either");
    write(&workspace.path.join("more"), "m");
    let kept = remove(&repo, "two").work.unwrap();
    assert_eq!(scene.git(&["rev-parse", &format!("{}^", kept.reference)]), lonely);
    // A branch that has no commit yet.
    let workspace = create(&repo, "three");
    git(&workspace.path, &["checkout", "-q", "--orphan", "fresh"]);
    write(&workspace.path.join("more"), "m");
    let kept = remove(&repo, "three").work.unwrap();
    assert_eq!(kept.made_on, None);
    assert_eq!(scene.git(&["show", &format!("{}:more", kept.reference)]), "m");
    scene.assert_healthy();
}

/// Starts something that puts uncommitted changes aside and stops before it brings them back.
fn check_parked(start: &[&str], conflicts: bool) {
    let scene = scene();
    scene.git(&["branch", "other"]);
    scene.write("README.md", "main\n");
    scene.commit("main");
    let repo = scene.open();
    let workspace = repo.create(&request("one").base("other")).unwrap().workspace;
    write(&workspace.path.join("README.md"), "ours\n");
    let base = commit_in(&workspace.path, "ours");
    write(&workspace.path.join("plain"), "precious\n");
    crate::scene::git_output(&workspace.path, start);
    assert_eq!(fs::read(workspace.path.join("plain")).unwrap(), b"plain\n", "{start:?} put nothing aside");

    let removed = remove(&repo, "one");
    assert_eq!(removed.more_work.len(), usize::from(conflicts), "{start:?}: {removed:?}");
    let parked = removed.more_work.first().or(removed.work.as_ref()).unwrap();
    assert_eq!(parked.made_on.as_ref().unwrap().as_str(), base, "{start:?}");
    let listed = repo.rescues().unwrap();
    assert_eq!(listed.len(), 1 + usize::from(conflicts), "{start:?}");
    assert!(listed.contains(parked), "{start:?}: {listed:?}");
    let back = restore(&repo, parked, "back");
    assert_eq!(git(&back.path, &["status", "--porcelain"]), " M plain", "{start:?}");
    assert_eq!(fs::read(back.path.join("plain")).unwrap(), b"precious\n", "{start:?}");
    scene.assert_healthy();
}

#[test]
fn g2_changes_that_a_rebase_or_merge_put_aside_are_kept() {
    let edit = "sequence.editor=sed -i s/^pick/edit/";
    check_parked(&["-c", edit, "rebase", "-i", "--autostash", "HEAD~1"], false);
    check_parked(&["rebase", "--merge", "--autostash", "main"], true);
    check_parked(&["rebase", "--apply", "--autostash", "main"], true);
    check_parked(&["merge", "--autostash", "main"], true);
}

#[test]
fn a_rescue_overwrites_nobody() {
    let scene = scene();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    make_a_mess(&workspace.path);
    let kept = remove(&repo, "one").work.unwrap();

    let target = create(&repo, "two");
    write(&target.path.join("own"), "x");
    assert!(matches!(repo.restore_rescue(&kept, &target), Err(Error::NotClean { .. })));
    commit_in(&target.path, "own");
    assert!(matches!(repo.restore_rescue(&kept, &target), Err(Error::RescueElsewhere { .. })));
    let ignored = create(&repo, "three");
    write(&ignored.path.join(".gitignore"), "*\n");
    let mut gone = kept.clone();
    gone.reference.push('9');
    assert!(matches!(repo.restore_rescue(&gone, &ignored), Err(Error::NoSuchRescue { .. })));
}

#[test]
fn g2_index_hooks_and_signing_are_left_alone() {
    let scene = scene();
    let trace = scene.base.join("trace");
    let hook = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", trace.display());
    for which in ["pre-commit", "post-index-change", "reference-transaction", "post-commit"] {
        write_program(&scene.root.join(".git/hooks").join(which), &hook);
    }
    write_program(&scene.base.join("gpg"), &hook);
    scene.git(&["config", "commit.gpgSign", "true"]);
    scene.git(&["config", "gpg.program", scene.base.join("gpg").to_str().unwrap()]);
    let repo = scene.open();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("plain"), "changed\n");
    assert!(remove(&repo, "one").work.is_some());
    assert!(!trace.exists());
}

#[test]
fn many_rescues_of_one_name_stay_apart() {
    let scene = scene();
    let repo = scene.open();
    for round in 0..3 {
        let text = "again";
        let workspace = if round == 0 {
            create(&repo, text)
        } else {
            repo.create(&request(text).rule(missiond_git::BranchRule::Existing)).unwrap().workspace
        };
        write(&workspace.path.join("plain"), format!("round {round}\n"));
        remove(&repo, text);
    }
    let contents: Vec<_> = repo
        .rescues()
        .unwrap()
        .iter()
        .map(|kept| scene.git(&["show", &format!("{}:plain", kept.reference)]))
        .collect();
    assert_eq!(contents, ["round 0", "round 1", "round 2"]);
}
