//! Where a repository is found, and where none can be used.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use missiond_git::{Error, ErrorKind, Repository, Settings};

use crate::scene::{Scene, create, git, lossy, request, settings, write, write_program};

#[test]
fn g4_the_root_is_found_from_every_place_in_the_repository() {
    let scene = Scene::new();
    let workspace = create(&scene.open(), "one");
    fs::create_dir_all(workspace.path.join("deep/er")).unwrap();
    symlink(scene.root.join("src"), scene.base.join("link")).unwrap();
    for place in [
        scene.root.clone(),
        scene.root.join("src"),
        scene.root.join("src/lib.rs"),
        scene.root.join(".git"),
        scene.root.join(".git/refs/heads"),
        workspace.path.clone(),
        workspace.path.join("deep/er"),
        workspace.admin_dir.clone(),
        scene.base.join("link"),
    ] {
        let found = Repository::discover_with(&place, settings()).unwrap();
        assert_eq!(found.root(), scene.root, "from {place:?}");
        assert_eq!(found.common_dir(), scene.root.join(".git"), "from {place:?}");
    }
}

#[test]
fn g4_separate_git_dir_and_submodule_have_a_root() {
    let scene = Scene::new();
    git(&scene.base, &["init", "-q", "--separate-git-dir=store", "apart"]);
    git(&scene.root, &["submodule", "--quiet", "add", scene.root.to_str().unwrap(), "sub"]);
    let apart = Repository::discover_with(scene.base.join("apart"), settings());
    // Git records the worktree of a separate directory only from some version on; never is it a wrong one.
    match apart {
        Ok(found) => assert_eq!(found.root(), scene.base.join("apart")),
        Err(error) => assert!(matches!(error, Error::NoMainWorktree { .. }), "{error}"),
    }
    let sub = Repository::discover_with(scene.root.join("sub"), settings()).unwrap();
    assert_eq!(sub.root(), scene.root.join("sub"));
    let made = sub.create(&request("in-sub")).unwrap().workspace;
    assert_eq!(made.path, scene.root.join("in-sub"));
}

#[test]
fn g4_what_can_t_be_used_is_named_with_the_remedy() {
    let scene = Scene::new();
    let bare = scene.base.join("bare.git");
    git(&scene.base, &["clone", "-q", "--bare", "project", "bare.git"]);
    git(&bare, &["worktree", "add", "-q", "../of-bare"]);
    let plain = scene.base.join("plain");
    fs::create_dir(&plain).unwrap();

    let check = |place: &Path, remedy: &str| {
        let error = Repository::discover_with(place, settings()).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        assert!(text.contains(remedy), "{text}");
        text
    };
    assert!(check(&plain, "git init").contains(plain.to_str().unwrap()));
    assert!(check(&bare, "git init").contains("bare.git"));
    check(&scene.base.join("of-bare"), "bare");
    let missing = Repository::discover_with(scene.base.join("nowhere"), settings()).unwrap_err();
    assert!(missing.to_string().contains("nowhere"), "{missing}");
}

#[test]
fn a_missing_or_old_git_is_named_with_the_remedy() {
    let scene = Scene::new();
    let old = scene.base.join("git-old");
    write_program(&old, "#!/bin/sh\necho git version 2.30.2\n");
    let odd = scene.base.join("git-odd");
    write_program(&odd, "#!/bin/sh\necho hello\n");
    let with = |program: &Path| {
        let mut settings: Settings = settings();
        settings.git = program.to_owned();
        Repository::discover_with(&scene.root, settings).unwrap_err()
    };
    let missing = with(Path::new("/nonexistent/git"));
    assert!(
        matches!(missing, Error::GitMissing { .. }) && missing.to_string().contains("install"),
        "{missing}"
    );
    let old = with(&old);
    assert!(matches!(old, Error::GitTooOld { .. }) && old.to_string().contains("2.38"), "{old}");
    assert!(matches!(with(&odd), Error::UnexpectedOutput { .. }));
}

/// The variable that makes the test below the one who looks: the search path is that of a whole process.
const LOOK_FOR_GIT_IN: &str = "MISSIOND_GIT_TEST_LOOK_FOR_GIT_IN";

#[test]
fn g8_a_program_is_looked_up_in_absolute_directories_only() {
    if let Some(root) = env::var_os(LOOK_FOR_GIT_IN) {
        let repo = Repository::discover_with(&root, settings()).unwrap();
        assert_eq!(repo.status(&root).unwrap().changed, 1);
        repo.commit_all(&create(&repo, "one"), "nothing", None).unwrap();
        return;
    }
    let scene = Scene::new();
    scene.write(".gitattributes", "README.md filter=x\n");
    scene.commit("attributes");
    scene.git(&["config", "filter.x.clean", "cat"]);
    let trace = scene.base.join("trace");
    for program in ["git", "cat", "bin/git", "bin/cat"] {
        write_program(&scene.root.join(program), &format!("#!/bin/sh\ntouch '{}'\n", trace.display()));
    }
    // Of the same size, so that git has to look into it.
    scene.write("README.md", "START\n");
    let no_program = scene.base.join("no-program");
    write(&no_program.join("git"), "not to be run");
    let path = env::var("PATH").unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "discover::g8_a_program_is_looked_up_in_absolute_directories_only"])
        .current_dir(&scene.root)
        .env("PATH", format!("bin:.::{}:{path}", no_program.display()))
        .env(LOOK_FOR_GIT_IN, &scene.root)
        .output()
        .unwrap();
    assert!(!trace.exists(), "a program in the worktree was run");
    assert!(child.status.success(), "{}{}", lossy(&child.stdout), lossy(&child.stderr));
}

#[test]
fn g4_a_repository_without_a_commit_is_an_error_on_create() {
    let scene = Scene::empty();
    let repo = scene.open();
    for request in [request("one"), request("one").base("HEAD")] {
        let error = repo.create(&request).unwrap_err();
        assert!(matches!(error, Error::NoCommits { .. }), "{error}");
        assert!(error.to_string().contains("git commit"), "{error}");
    }
    assert_eq!(scene.neighbours(), Vec::<String>::new());
    assert!(repo.list().unwrap().is_empty());
}
