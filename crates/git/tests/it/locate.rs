//! What is found without git is what git finds, and where there is a doubt nothing is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use missiond_git::{Repository, locate};

use crate::scene::{Scene, create, git, settings, write};

/// Looks from a place; what is found must be what git says.
#[track_caller]
fn check(place: &Path, certain: bool) {
    let found = locate(place);
    assert_eq!(found.is_some(), certain, "{place:?}: {found:?}");
    if let Some(root) = found {
        assert_eq!(root, Repository::discover_with(place, settings()).unwrap().root(), "from {place:?}");
    }
}

#[test]
fn plain_repositories_are_found_as_git_finds_them() {
    let scene = Scene::new();
    let workspace = create(&scene.open(), "one");
    fs::create_dir_all(workspace.path.join("deep/er")).unwrap();
    symlink(scene.root.join("src"), scene.base.join("link")).unwrap();
    scene.git(&["remote", "add", "origin", "https://example.invalid/a.git"]);
    scene.git(&["config", "branch.main.remote", "origin"]);
    let inner = scene.root.join("vendor/inner");
    git(&scene.root, &["init", "-q", "vendor/inner"]);
    for place in [
        &scene.root,
        &scene.root.join("src"),
        &scene.root.join("src/lib.rs"),
        &workspace.path,
        &workspace.path.join("deep/er"),
        &scene.base.join("link"),
        &inner,
    ] {
        check(place, true);
    }
    scene.git(&["checkout", "-q", "--detach"]);
    check(&scene.root, true);
}

#[test]
fn where_there_is_a_doubt_git_is_asked() {
    let scene = Scene::new();
    let workspace = create(&scene.open(), "one");
    git(&scene.base, &["init", "-q", "--separate-git-dir=store", "apart"]);
    git(&scene.base, &["clone", "-q", "--bare", "project", "bare.git"]);
    git(&scene.root, &["submodule", "--quiet", "add", scene.root.to_str().unwrap(), "sub"]);
    git(&scene.base, &["init", "-q", "--object-format=sha256", "long"]);
    for place in [
        &scene.base,
        &scene.base.join("apart"),
        &scene.base.join("bare.git"),
        &scene.base.join("long"),
        &scene.base.join("nowhere"),
        &scene.root.join("sub"),
        &scene.root.join(".git"),
        &scene.root.join(".git/refs/heads"),
        &workspace.admin_dir,
    ] {
        check(place, false);
    }
}

#[test]
fn directories_that_only_look_like_repositories_are_left_to_git() {
    let scene = Scene::new();
    // Git passes over what is no repository, and so finds the one around it.
    let odd = |name: &str, make: &dyn Fn(&Path)| {
        let dir = scene.root.join(name);
        fs::create_dir(&dir).unwrap();
        make(&dir);
        check(&dir, false);
    };
    odd("empty", &|dir| fs::create_dir(dir.join(".git")).unwrap());
    odd("linked", &|dir| symlink(scene.root.join(".git"), dir.join(".git")).unwrap());
    odd("nonsense", &|dir| write(&dir.join(".git"), "nonsense"));
    odd("headless", &|dir| {
        git(dir, &["init", "-q"]);
        write(&dir.join(".git/HEAD"), "nonsense\n");
    });
    odd("common", &|dir| {
        git(dir, &["init", "-q"]);
        write(&dir.join(".git/commondir"), "../../.git\n");
    });
    odd("file", &|dir| write(&dir.join("HEAD"), "ref: refs/heads/main\n"));
}

#[test]
fn worktree_that_is_bent_to_another_repository_is_left_to_git() {
    let (scene, other) = (Scene::new(), Scene::new());
    let workspace = create(&scene.open(), "one");
    let theirs = create(&other.open(), "two");
    check(&workspace.path, true);
    let link = fs::read(workspace.path.join(".git")).unwrap();
    write(&workspace.path.join(".git"), format!("gitdir: {}\n", theirs.admin_dir.display()));
    check(&workspace.path, false);
    write(&workspace.path.join(".git"), link);
    check(&workspace.path, true);
    write(&workspace.admin_dir.join("commondir"), format!("{}\n", other.root.join(".git").display()));
    check(&workspace.path, false);
}

#[test]
fn configuration_that_could_matter_is_left_to_git() {
    let scene = Scene::new();
    let config = scene.root.join(".git/config");
    let plain = fs::read_to_string(&config).unwrap();
    let check_with = |added: &str, certain: bool| {
        write(&config, format!("{plain}{added}"));
        assert_eq!(locate(&scene.root).is_some(), certain, "{added:?}");
    };
    check_with("", true);
    check_with("# a comment\n; another\n\n[user]\n\tname = A B\n[remote \"a\"]\nurl=../b\n", true);
    for added in [
        "[core]\nworktree = /elsewhere\n",
        "[CORE]\nWorkTree=/elsewhere\n",
        "[core] worktree = /elsewhere\n",
        "[core]\nbare = true\n",
        "[core]\nbare\n",
        "[core]\nbare = \"true\"\n",
        "[core]\nignorecase = \\\ntrue\n",
        "[core]\nrepositoryformatversion = 1\n",
        "[extensions]\nworktreeConfig = true\n",
        "[include]\npath = other\n",
        "[includeIf \"gitdir:/\"]\npath = other\n",
        "nonsense\n",
        "[core\n",
        "[]\na = b\n",
        "\u{feff}",
    ] {
        check_with(added, false);
    }
    write(&config, b"[user]\nname = \xff\n");
    assert_eq!(locate(&scene.root), None);
    fs::remove_file(&config).unwrap();
    assert_eq!(locate(&scene.root), None);
}

#[test]
fn directory_that_is_not_ours_or_closed_is_left_to_git() {
    let scene = Scene::new();
    let git = scene.root.join(".git");
    if rustix::process::geteuid().is_root() {
        chown(&git, Some(12345), None).unwrap();
    } else {
        fs::set_permissions(&git, fs::Permissions::from_mode(0o000)).unwrap();
    }
    assert_eq!(locate(&scene.root), None);
    assert!(Repository::discover_with(&scene.root, settings()).is_err());
    fs::set_permissions(&git, fs::Permissions::from_mode(0o700)).unwrap();
}
