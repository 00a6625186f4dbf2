//! Removing workspaces: only ours, only free ones, and never their work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use missiond_git::{BranchFate, Error, ErrorKind, RemoveOptions, Repository};

use crate::scene::{Scene, branch, commit_in, create, git, git_output, name, write, write_program};

fn with_branch(fate: BranchFate) -> RemoveOptions {
    let mut options = RemoveOptions::default();
    options.branch = fate;
    options
}

#[test]
fn g1_only_what_was_made_here_is_removed() {
    let scene = Scene::new();
    let repo = scene.open();
    create(&repo, "one-more");
    scene.git(&["worktree", "add", "-q", "-b", "agent/theirs", "../theirs"]);
    for other in ["one", "theirs", "project", "main", "agent"] {
        let error = repo.remove(&name(other), &with_branch(BranchFate::Delete)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    assert_eq!(scene.neighbours(), ["one-more", "theirs"]);
    assert_eq!(scene.branches(), ["agent/one-more", "agent/theirs", "main"]);
}

#[test]
fn g1_a_branch_is_deleted_by_its_exact_name_and_only_if_merged() {
    let scene = Scene::new();
    let repo = scene.open();
    let work = |text: &str| {
        let workspace = create(&repo, text);
        write(&workspace.path.join(text), text);
        repo.commit_all(&workspace, text, None).unwrap().unwrap()
    };
    work("a");
    work("a-b");
    work("b");
    let tip = work("c");
    let merged = with_branch(BranchFate::DeleteIfMerged(None));
    let error = repo.remove(&name("a"), &merged).unwrap_err();
    assert!(matches!(error, Error::NotMerged { .. }), "{error}");
    assert!(scene.base.join("a/a").exists(), "a refused removal leaves the workspace");

    scene.git(&["merge", "-q", "agent/a"]);
    scene.git(&["branch", "release", "agent/b"]);
    assert!(repo.remove(&name("a"), &merged).unwrap().branch_deleted);
    let into_release = with_branch(BranchFate::DeleteIfMerged(Some(branch("release"))));
    assert!(repo.remove(&name("b"), &into_release).unwrap().branch_deleted);
    let removed = repo.remove(&name("c"), &with_branch(BranchFate::Delete)).unwrap();
    assert!(removed.branch_deleted && removed.work.is_none());
    let kept = removed.branch_tip.unwrap();
    assert_eq!(scene.git(&["rev-parse", &kept.reference]), tip.as_str());
    assert_eq!(repo.rescues().unwrap().len(), 1);
    assert_eq!(scene.branches(), ["agent/a-b", "main", "release"]);
    scene.assert_healthy();
}

#[test]
fn g1_a_branch_checked_out_elsewhere_stays() {
    let scene = Scene::new();
    let repo = scene.open();
    create(&repo, "one");
    scene.git(&["worktree", "add", "-q", "--force", "../other", "agent/one"]);
    let error = repo.remove(&name("one"), &with_branch(BranchFate::Delete)).unwrap_err();
    assert!(matches!(error, Error::BranchCheckedOut { .. }), "{error}");
    assert!(scene.base.join("one/.git").exists());
}

#[test]
fn g2_a_leased_workspace_stays_for_everybody_but_its_holder() {
    let scene = Scene::new();
    let repo = scene.open();
    create(&repo, "one");
    repo.lease(&name("one"), "slot-1").unwrap();
    repo.lease(&name("one"), "slot-1").unwrap();
    let mut other = RemoveOptions::default();
    other.holder = Some("slot-2".to_owned());
    for options in [RemoveOptions::default(), other] {
        let error = repo.remove(&name("one"), &options).unwrap_err();
        assert!(matches!(&error, Error::Leased { holder, .. } if holder == "slot-1"), "{error}");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }
    assert!(matches!(repo.lease(&name("one"), "slot-2"), Err(Error::Leased { .. })));
    assert!(matches!(repo.release(&name("one"), "slot-2"), Err(Error::Leased { .. })));
    assert_eq!(repo.get(&name("one")).unwrap().lease.unwrap().holder, "slot-1");
    let mut own = RemoveOptions::default();
    own.holder = Some("slot-1".to_owned());
    repo.remove(&name("one"), &own).unwrap();
    create(&repo, "two");
    repo.lease(&name("two"), "slot-1").unwrap();
    repo.release(&name("two"), "slot-1").unwrap();
    repo.remove(&name("two"), &RemoveOptions::default()).unwrap();
    assert!(scene.neighbours().is_empty());
}

#[test]
fn g2_a_workspace_a_process_stands_in_is_in_use() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let mut child = Command::new("sleep").arg("600").current_dir(workspace.path.join("src")).spawn().unwrap();
    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(&error, Error::InUse { pids, .. } if pids == &[child.id()]), "{error}");
    repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
}

#[test]
fn a_process_that_is_just_leaving_does_not_refuse_a_removal() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let mut leaving = Command::new("sleep").arg("0.1").current_dir(&workspace.path).spawn().unwrap();
    repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
    assert!(leaving.try_wait().unwrap().is_some(), "removed although a process was inside");
}

#[test]
fn what_a_person_locked_or_moved_stays() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    scene.git(&["worktree", "lock", "--reason", "on a stick", "../one"]);
    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    assert!(error.to_string().contains("on a stick"), "{error}");
    scene.git(&["worktree", "unlock", "../one"]);

    scene.git(&["worktree", "move", "../one", "../moved"]);
    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    assert!(error.to_string().contains("moved"), "{error}");
    scene.git(&["worktree", "move", "../moved", "../one"]);

    // Somebody put another directory there.
    fs::rename(&workspace.path, scene.base.join("aside")).unwrap();
    write(&workspace.path.join("precious"), "x");
    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    assert!(matches!(error, Error::UnusablePath { .. }), "{error}");
    assert!(workspace.path.join("precious").exists());
}

#[test]
fn a_workspace_whose_directory_was_deleted_can_be_removed() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    git(&workspace.path, &["checkout", "-q", "--detach"]);
    let lonely = commit_in(&workspace.path, "on no branch");
    fs::remove_dir_all(&workspace.path).unwrap();
    assert!(!repo.get(&name("one")).unwrap().is_intact());
    let removed = repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
    assert_eq!(removed.work.unwrap().commit.as_str(), lonely);
    scene.assert_healthy();
}

#[test]
fn a_repository_inside_is_not_lost() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    git(&workspace.path, &["clone", "-q", scene.root.to_str().unwrap(), "vendor/inner"]);
    write(&workspace.path.join("own"), "x");
    let commit = repo.commit_all(&workspace, "work", None).unwrap().unwrap();
    assert_eq!(git(&workspace.path, &["diff", "--name-only", "main", commit.as_str()]), "own");
    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    assert!(matches!(error, Error::NestedRepositories { .. }), "{error}");
    assert_eq!(
        git(&workspace.path, &["status", "--porcelain"]),
        "?? vendor/",
        "the workspace is whole again"
    );
    fs::remove_dir_all(workspace.path.join("vendor")).unwrap();
    repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
}

#[test]
fn g2_a_workspace_that_can_t_go_back_to_its_place_is_named_and_goes_back_later() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    // Refused when the directory has been moved aside already, and by then somebody has put another in its place.
    git(&workspace.path, &["clone", "-q", scene.root.to_str().unwrap(), "vendor/inner"]);
    write(&workspace.path.join("work"), "precious\n");
    let program = scene.base.join("tools/git");
    let script = "#!/bin/sh\ncase \"$*\" in *\" write-tree\"*) mkdir -p \"$PLACE\"; echo mine >\"$PLACE/mine\" ;; esac\nexec git \"$@\"\n";
    write_program(&program, script);
    let mut settings = crate::scene::settings();
    settings.git = program;
    settings.environment.push(("PLACE".into(), workspace.path.clone().into()));
    let raced = Repository::discover_with(&scene.root, settings).unwrap();
    let error = raced.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    let text = error.to_string();
    let Error::Displaced { aside, path, source, .. } = &error else { panic!("{text}") };
    assert_eq!(*path, workspace.path);
    assert!(matches!(**source, Error::NestedRepositories { .. }), "{source}");
    assert!([aside, path].iter().all(|dir| text.contains(dir.to_str().unwrap())), "{text}");
    assert_eq!(fs::read(aside.join("work")).unwrap(), b"precious\n");

    // It isn't taken for a workspace that is ready, and recovery says the same as long as nothing changes.
    assert!(repo.list().unwrap().is_empty());
    let busy = repo.get(&name("one")).unwrap_err();
    assert!(matches!(&busy, Error::Busy { .. }) && busy.to_string().contains("recovery"), "{busy}");
    let problem = &repo.recover().unwrap().problems[0].error;
    assert!(matches!(problem, Error::Displaced { .. }), "{problem}");
    assert_eq!(fs::read(workspace.path.join("mine")).unwrap(), b"mine\n");
    assert_eq!(fs::read(aside.join("work")).unwrap(), b"precious\n");

    fs::rename(&workspace.path, scene.base.join("theirs")).unwrap();
    let problem = &repo.recover().unwrap().problems[0].error;
    assert!(matches!(problem, Error::NestedRepositories { .. }), "{problem}");
    assert!(repo.get(&name("one")).unwrap().is_intact());
    fs::remove_dir_all(workspace.path.join("vendor")).unwrap();
    let work = repo.remove(&name("one"), &RemoveOptions::default()).unwrap().work.unwrap();
    assert_eq!(scene.git(&["show", &format!("{}:work", work.reference)]), "precious");
    scene.assert_healthy();
}

#[test]
fn read_only_directories_and_a_stale_index_lock_do_not_stop_a_removal() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let cache = workspace.path.join("ignored/cache");
    write(&cache.join("module"), "x");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o555)).unwrap();
    fs::write(workspace.admin_dir.join("index.lock"), "").unwrap();
    write(&workspace.path.join("work"), "x");
    let removed = repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
    assert_eq!(scene.git(&["show", &format!("{}:work", removed.work.unwrap().reference)]), "x");
    assert!(scene.neighbours().is_empty());
    assert!(git_output(&scene.root, &["status"]).status.success());
}
