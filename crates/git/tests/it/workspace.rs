//! Making workspaces.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use missiond_git::{BranchRule, Error, ErrorKind, RemoveOptions, Repository, WorkspaceRequest};

use crate::scene::{Scene, branch, commit_in, create, git, name, request, settings, write, write_program};

#[test]
fn a_worktree_that_is_being_made_is_waited_for() {
    let scene = Scene::new();
    let repo = scene.open();
    scene.git(&["worktree", "add", "-q", "-b", "reference", "../reference"]);
    let file = scene.root.join(".git/worktrees/reference/commondir");
    let whole = fs::read(&file).unwrap();
    // As git leaves it between opening the file and writing it.
    fs::write(&file, "").unwrap();
    let maker = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(300));
        fs::write(&file, whole).unwrap();
    });
    assert_eq!(repo.worktrees().unwrap().len(), 2);
    maker.join().unwrap();
}

#[test]
fn a_workspace_is_a_worktree_as_git_makes_it() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    assert_eq!(workspace.path, scene.base.join("one"));
    assert_eq!(
        git(&workspace.path, &["status", "--porcelain=v2", "--branch"]).lines().nth(1),
        Some("# branch.head agent/one")
    );
    assert_eq!(git(&workspace.path, &["status", "--porcelain"]), "");
    assert_eq!(workspace.base.as_str(), scene.git(&["rev-parse", "main"]));
    assert!(workspace.is_intact() && workspace.owns_branch && workspace.lease.is_none());

    scene.git(&["worktree", "add", "-q", "-b", "reference", "../reference"]);
    assert_eq!(
        crate::scene::snapshot(&workspace.path),
        crate::scene::snapshot(&scene.base.join("reference"))
    );
    assert_eq!(
        git(&workspace.path, &["ls-files", "-v", "--debug"]).lines().count(),
        git(&scene.base.join("reference"), &["ls-files", "-v", "--debug"]).lines().count()
    );
    // Not ours: git's own worktree appears in the list of all, not in that of workspaces.
    assert_eq!(repo.list().unwrap().len(), 1);
    assert_eq!(repo.worktrees().unwrap().len(), 3);
    assert_eq!(repo.get(&name("one")).unwrap().path, workspace.path);
    assert_eq!(repo.workspace_at(workspace.path.join("src")).unwrap().unwrap().name, name("one"));
    assert!(repo.workspace_at(&scene.root).unwrap().is_none());
    scene.assert_healthy();
}

#[test]
fn g4_created_and_removed_from_subdirectory_and_linked_worktree() {
    let scene = Scene::new();
    let first = create(&scene.open(), "first");
    for (place, text) in [(scene.root.join("src"), "second"), (first.path.join("src"), "third")] {
        let repo = Repository::discover_with(place, settings()).unwrap();
        let workspace = create(&repo, text);
        // A relative path means the project root, wherever the caller stands.
        assert_eq!(workspace.path, scene.base.join(text));
        assert_eq!(repo.list().unwrap().len(), 2);
        repo.remove(&name(text), &RemoveOptions::default()).unwrap();
        assert!(!workspace.path.exists());
    }
    assert_eq!(scene.neighbours(), ["first"]);
    scene.assert_healthy();
}

#[test]
fn g4_the_base_path_may_hold_any_byte() {
    let scene = Scene::new();
    let repo = scene.open();
    let odd: Vec<PathBuf> = [
        &b"with space"[..],
        "mit Ümläut/und 漢字".as_bytes(),
        b"new\nline/in\nit",
        b"trailing newline\n",
        b"not utf-8 \xff\xfe",
        b"-dash",
        b"quote\"s and 'ticks' $(touch pwned)",
        b"a.lock",
    ]
    .iter()
    .map(|bytes| PathBuf::from("..").join(OsStr::from_bytes(bytes)))
    .collect();
    for (number, path) in odd.iter().enumerate() {
        let text = format!("odd-{number}");
        let request = WorkspaceRequest::new(name(&text), branch(&text), path);
        let workspace = repo.create(&request).unwrap_or_else(|error| panic!("{path:?}: {error}")).workspace;
        assert_eq!(git(&workspace.path, &["status", "--porcelain"]), "", "{path:?}");
        write(&workspace.path.join("work"), "x");
        assert!(repo.commit_all(&workspace, "work", None).unwrap().is_some(), "{path:?}");
        assert_eq!(repo.workspace_at(&workspace.path).unwrap().unwrap().path, workspace.path);
    }
    assert_eq!(repo.worktrees().unwrap().len(), odd.len() + 1);
    scene.assert_healthy();
    for workspace in repo.list().unwrap() {
        repo.remove(&workspace.name, &RemoveOptions::default()).unwrap();
    }
    assert_eq!(scene.neighbours(), Vec::<String>::new(), "made parents go with the last workspace");
    scene.assert_healthy();
}

#[test]
fn g1_a_clash_is_an_error_and_changes_nothing() {
    let scene = Scene::new();
    let repo = scene.open();
    create(&repo, "one");
    scene.git(&["branch", "agent/two"]);
    scene.git(&["branch", "agent/three/below"]);
    scene.git(&["branch", "above"]);
    fs::create_dir(scene.base.join("four")).unwrap();
    let before = scene.git(&["for-each-ref"]);
    let cases = [
        (request("one"), "NameTaken"),
        (request("two"), "BranchTaken"),
        (request("three"), "BranchTaken"),
        (WorkspaceRequest::new(name("x"), branch("above/x"), "../x"), "BranchTaken"),
        (request("four"), "PathTaken"),
        (WorkspaceRequest::new(name("x"), branch("x"), "../one"), "PathTaken"),
    ];
    for (request, expected) in cases {
        let error = repo.create(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Clash, "{error}");
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    }
    assert_eq!(scene.git(&["for-each-ref"]), before);
    assert_eq!(scene.neighbours(), ["four", "one"]);
    // A branch whose name merely contains or begins another's is no clash.
    create(&repo, "on");
    create(&repo, "one-more");
}

#[test]
fn g1_or_a_numbered_new_name() {
    let scene = Scene::new();
    let repo = scene.open();
    create(&repo, "fix");
    scene.git(&["branch", "agent/fix-2"]);
    fs::create_dir(scene.base.join("fix-3")).unwrap();
    let tip = scene.git(&["rev-parse", "agent/fix-2"]);
    let made = repo.create(&request("fix").rule(BranchRule::NewNumbered)).unwrap().workspace;
    assert_eq!((made.name.as_str(), made.branch.as_str()), ("fix-4", "agent/fix-4"));
    assert_eq!(made.path, scene.base.join("fix-4"));
    assert_eq!(scene.git(&["rev-parse", "agent/fix-2"]), tip);
}

#[test]
fn an_existing_branch_is_used_and_never_deleted() {
    let scene = Scene::new();
    let repo = scene.open();
    let rule = BranchRule::Existing;
    assert_eq!(repo.create(&request("one").rule(rule)).unwrap_err().kind(), ErrorKind::NotFound);
    scene.git(&["branch", "agent/one"]);
    let made = repo.create(&request("one").rule(rule)).unwrap().workspace;
    assert!(!made.owns_branch);
    let again = WorkspaceRequest::new(name("two"), branch("agent/one"), "../two").rule(rule);
    assert!(matches!(repo.create(&again).unwrap_err(), Error::BranchCheckedOut { .. }));
    let mut options = RemoveOptions::default();
    options.branch = missiond_git::BranchFate::Delete;
    assert!(!repo.remove(&made.name, &options).unwrap().branch_deleted);
    assert_eq!(scene.branches(), ["agent/one", "main"]);
}

#[test]
fn g4_the_base_may_be_any_revision() {
    let scene = Scene::new();
    let first = scene.git(&["rev-parse", "HEAD"]);
    scene.git(&["tag", "-a", "-m", "tag", "v1"]);
    scene.write("later", "x");
    let second = scene.commit("second");
    let repo = scene.open();
    for (number, (base, expected)) in
        [("v1", &first), ("HEAD~1", &first), (first.as_str(), &first), ("main", &second)]
            .into_iter()
            .enumerate()
    {
        let made = repo.create(&request(&format!("b{number}")).base(base)).unwrap().workspace;
        assert_eq!(made.base.as_str(), expected);
        assert_eq!(git(&made.path, &["rev-parse", "HEAD"]), *expected);
    }
    for bad in ["nothing", "", "--all", "-n1", "main:README.md", "a\0b"] {
        let error = repo.create(&request("bad").base(bad)).unwrap_err();
        assert!(matches!(error, Error::UnknownRevision { .. }), "{bad:?}: {error}");
    }
    // The workspace starts from the main worktree's HEAD, also when that is detached.
    scene.git(&["checkout", "-q", "--detach", &first]);
    assert_eq!(create(&repo, "detached").base.as_str(), first);
}

#[test]
fn a_path_that_another_worktree_would_see_is_refused() {
    let scene = Scene::new();
    let repo = scene.open();
    let at = |path: &str| WorkspaceRequest::new(name("x"), branch("x"), path);
    let error = repo.create(&at("inside")).unwrap_err();
    assert!(matches!(error, Error::PathInsideWorktree { .. }), "{error}");
    for bad in ["..", "../..", ".git/x", "README.md/x", "../missing/../x"] {
        assert!(repo.create(&at(bad)).is_err(), "{bad}");
    }
    let made = repo.create(&at("ignored/deep/x")).unwrap().workspace;
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    repo.remove(&made.name, &RemoveOptions::default()).unwrap();
    assert!(!scene.root.join("ignored").exists());
}

#[test]
fn g8_a_checkout_hook_does_not_run_and_is_reported() {
    let scene = Scene::new();
    let trace = scene.base.join("trace");
    let hook = format!("#!/bin/sh\ntouch '{}'\n", trace.display());
    let repo = scene.open();
    assert!(repo.create(&request("none")).unwrap().hooks_not_run.is_empty());
    let default = scene.root.join(".git/hooks/post-checkout");
    write_program(&default, &hook);
    write_program(&scene.root.join(".git/hooks/reference-transaction"), &hook);
    assert_eq!(repo.create(&request("one")).unwrap().hooks_not_run, [default]);
    let own = scene.root.join("my hooks/post-checkout");
    write_program(&own, &hook);
    scene.git(&["config", "core.hooksPath", "my hooks"]);
    assert_eq!(repo.create(&request("two")).unwrap().hooks_not_run, [own]);
    assert!(!trace.exists());
}

#[test]
fn g4_sparse_checkout_is_carried_over() {
    let scene = Scene::new();
    scene.write("docs/big", "x");
    scene.commit("docs");
    scene.git(&["sparse-checkout", "set", "src"]);
    let repo = scene.open();
    let made = create(&repo, "one");
    assert!(made.path.join("src/lib.rs").exists() && !made.path.join("docs").exists());
    assert_eq!(git(&made.path, &["status", "--porcelain"]), "");
    // Work inside and outside the pattern is committed; what isn't checked out isn't deleted.
    write(&made.path.join("src/new"), "n");
    write(&made.path.join("outside/new"), "n");
    repo.commit_all(&made, "work", None).unwrap().unwrap();
    let changed = git(&made.path, &["diff", "--name-status", "main", "HEAD"]);
    assert_eq!(changed, "A\toutside/new\nA\tsrc/new");
    write(&made.path.join("src/lib.rs"), "rescued");
    let work = repo.remove(&made.name, &RemoveOptions::default()).unwrap().work.unwrap();
    let changed = scene.git(&["diff", "--name-status", "agent/one", &work.reference]);
    assert_eq!(changed, "M\tsrc/lib.rs");
    scene.assert_healthy();
}

#[test]
fn g4_submodules_come_empty_as_with_git() {
    let scene = Scene::new();
    let library = Scene::new();
    scene.git(&["submodule", "--quiet", "add", library.root.to_str().unwrap(), "sub"]);
    scene.commit("submodule");
    let repo = scene.open();
    let made = create(&repo, "one");
    assert_eq!(fs::read_dir(made.path.join("sub")).unwrap().count(), 0);
    assert_eq!(git(&made.path, &["status", "--porcelain"]), "");

    // Checked out and clean it may go; with work of its own it may not.
    git(&made.path, &["submodule", "--quiet", "update", "--init"]);
    write(&made.path.join("sub/README.md"), "changed\n");
    let error = repo.remove(&made.name, &RemoveOptions::default()).unwrap_err();
    assert!(
        matches!(&error, Error::NestedRepositories { paths, .. } if paths == &[PathBuf::from("sub")]),
        "{error}"
    );
    commit_in(&made.path.join("sub"), "only here");
    assert!(repo.remove(&made.name, &RemoveOptions::default()).is_err());
    assert_eq!(fs::read_to_string(made.path.join("sub/README.md")).unwrap(), "changed\n");
    git(&made.path.join("sub"), &["checkout", "-q", "HEAD~1"]);
    assert!(repo.remove(&made.name, &RemoveOptions::default()).unwrap().work.is_none());
    scene.assert_healthy();
}

#[test]
fn g6_eight_threads_make_four_workspaces_each() {
    let scene = Scene::new();
    let repo = scene.open();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (repo, start) = (&repo, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..4 {
                    create(repo, &format!("w{thread}-{number}"));
                }
            });
        }
    });
    assert_eq!(repo.list().unwrap().len(), 32);
    assert_eq!(scene.worktree_count(), 33);
    assert_eq!(scene.branches().len(), 33);
    for workspace in repo.list().unwrap() {
        assert_eq!(git(&workspace.path, &["status", "--porcelain"]), "");
    }
    scene.assert_healthy();
}

#[test]
fn g3_many_who_ask_for_one_name_get_one_workspace() {
    let scene = Scene::new();
    let repo = scene.open();
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| repo.create(&request("same")))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Clash, "{error}");
    }
    assert_eq!(scene.worktree_count(), 2);
    scene.assert_healthy();
}

#[test]
fn a_failing_checkout_rolls_everything_back() {
    let scene = Scene::new();
    // A required filter that fails makes the checkout fail after branch and directory were made.
    scene.write(".gitattributes", "*.md filter=broken\n");
    scene.commit("attributes");
    scene.git(&["config", "filter.broken.smudge", "false"]);
    scene.git(&["config", "filter.broken.required", "true"]);
    let repo = scene.open();
    let at = WorkspaceRequest::new(name("x"), branch("deep/x"), "../new/parents/x");
    assert!(matches!(repo.create(&at).unwrap_err(), Error::Git { .. }));
    assert_eq!(scene.branches(), ["main"]);
    assert_eq!(scene.neighbours(), Vec::<String>::new());
    assert!(repo.list().unwrap().is_empty() && repo.recover().unwrap().done.is_empty());
    assert_eq!(scene.worktree_count(), 1);
    scene.assert_healthy();
    scene.git(&["config", "filter.broken.smudge", "cat"]);
    repo.create(&at).unwrap();
}

#[test]
fn g1_a_worktree_that_a_person_makes_at_the_path_meanwhile_keeps_its_changes() {
    // Right before each of the commands that make the workspace.
    for moment in ["update-ref", "worktree add", "worktree move", "reset"] {
        let scene = Scene::new();
        let path = scene.base.join("one");
        let theirs =
            "git worktree add -q -b theirs ../one && echo precious >../one/README.md && echo new >../one/new";
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *\"{moment}\"*) [ -e '{}' ] || \
                (cd '{}' && unset GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE && {theirs}) ;; esac\nexec git \"$@\"\n",
            path.display(),
            scene.root.display()
        );
        let program = scene.base.join("tools/git");
        write_program(&program, &script);
        let mut settings = settings();
        settings.git = program;
        let repo = Repository::discover_with(&scene.root, settings).unwrap();
        let result = repo.create(&request("one"));
        if moment == "reset" {
            // The workspace stands there by then, so that nobody else can take the place.
            result.unwrap();
            continue;
        }
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::PathTaken { path: taken } if *taken == path), "{moment}: {error}");
        assert_eq!(git(&path, &["status", "--porcelain"]), " M README.md\n?? new", "{moment}");
        assert_eq!(fs::read(path.join("README.md")).unwrap(), b"precious\n", "{moment}");
        assert_eq!(scene.branches(), ["main", "theirs"], "{moment}");
        assert_eq!(scene.neighbours(), ["one", "tools"], "{moment}");
        assert!(repo.list().unwrap().is_empty() && repo.recover().unwrap().done.is_empty());
        scene.assert_healthy();
    }
}

#[test]
fn a_path_promised_to_a_workspace_is_taken_before_its_directory_is_there() {
    let scene = Scene::new();
    let repo = scene.open();
    let path = create(&repo, "one").path;
    // As it is between the record and the first command, and no git knows a worktree there.
    scene.git(&["worktree", "remove", "../one"]);
    assert!(!path.exists());
    let error = repo.create(&WorkspaceRequest::new(name("two"), branch("two"), &path)).unwrap_err();
    assert!(matches!(&error, Error::PathTaken { path: taken } if *taken == path), "{error}");
    let second = WorkspaceRequest::new(name("two"), branch("two"), &path).rule(BranchRule::NewNumbered);
    assert_eq!(repo.create(&second).unwrap().workspace.path, scene.base.join("one-2"));
}

#[test]
fn a_creation_that_fails_leaves_no_workspace_that_is_ready() {
    let scene = Scene::new();
    let repo = scene.open();
    // The last thing asked for is which hook wasn't run.
    let program = scene.base.join("tools/git");
    let script = "#!/bin/sh\ncase \"$*\" in *core.hooksPath) exec yes ;; esac\nexec git \"$@\"\n";
    write_program(&program, script);
    let mut settings = settings();
    settings.git = program;
    settings.max_output = 1 << 20;
    let failing = Repository::discover_with(&scene.root, settings).unwrap();
    assert!(matches!(failing.create(&request("one")).unwrap_err(), Error::OutputTooLarge { .. }));
    assert!(repo.list().unwrap().is_empty());
    assert_eq!((scene.worktree_count(), scene.branches().len()), (1, 1));
    create(&repo, "one");
}
