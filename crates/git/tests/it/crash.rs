//! `kill -9` at every `git` command of an operation: before it, while it runs and after it. The killed process is this
//! test program itself, started again; its `git` is a script that counts calls and kills at the chosen one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use missiond_git::{BranchFate, Recovered, RemoveOptions, Repository};

use crate::scene::{
    Scene, branch, commit_in, create, git, name, request, settings, update_if_clean, write, write_program,
};

const ROOT: &str = "MISSIOND_GIT_TEST_ROOT";
const OPERATION: &str = "MISSIOND_GIT_TEST_OPERATION";
const TOOLS: &str = "MISSIOND_GIT_TEST_TOOLS";
const AT: &str = "MISSIOND_GIT_TEST_AT";
const WHEN: &str = "MISSIOND_GIT_TEST_WHEN";

const SCRIPT: &str = r#"#!/bin/sh
n=$(($(cat "$COUNT") + 1))
echo $n >"$COUNT"
if [ $n = "$AT" ]; then
    case $WHEN in
    before) kill -9 "$VICTIM"; exec sleep 600 ;;
    during) kill -9 "$VICTIM" & exec git "$@" ;;
    partial)
        # What git leaves when it is killed itself right after it made its administrative directory.
        case "$*" in *"worktree add"*)
            for arg; do case $arg in */missiond-*) id=${arg##*/} ;; esac; done
            mkdir -p "$COMMON/worktrees/$id"
            echo initializing >"$COMMON/worktrees/$id/locked"
        esac
        kill -9 "$VICTIM"; exec sleep 600 ;;
    after) git "$@"; kill -9 "$VICTIM"; exec sleep 600 ;;
    esac
fi
exec git "$@"
"#;

fn operate(repo: &Repository, operation: &str) {
    match operation {
        "create" => {
            repo.create(&request("victim")).unwrap();
        }
        "remove" => {
            let mut options = RemoveOptions::default();
            options.branch = BranchFate::Delete;
            repo.remove(&name("victim"), &options).unwrap();
        }
        "merge" => {
            repo.merge(&branch("agent/victim"), &branch("main"), &update_if_clean()).unwrap();
        }
        other => panic!("no operation {other}"),
    }
}

/// What the killed process does. Run as an ordinary test it shows that each operation succeeds when nobody kills it.
#[test]
fn worker() {
    let Some(root) = env::var_os(ROOT).map(PathBuf::from) else {
        for operation in ["create", "remove", "merge"] {
            let scene = prepared(operation);
            operate(&scene.open(), operation);
            scene.assert_healthy();
        }
        return;
    };
    let tools = PathBuf::from(env::var_os(TOOLS).unwrap());
    let mut settings = settings();
    settings.git = tools.join("git");
    let repo = Repository::discover_with(&root, settings.clone()).unwrap();
    fs::write(tools.join("count"), "0").unwrap();
    let victim = std::process::id().to_string();
    settings.environment.extend([
        ("COUNT".into(), tools.join("count").into()),
        ("COMMON".into(), repo.common_dir().into()),
        ("AT".into(), env::var_os(AT).unwrap()),
        ("WHEN".into(), env::var_os(WHEN).unwrap()),
        ("VICTIM".into(), victim.into()),
    ]);
    // Finding the repository is no part of what is counted.
    settings.git = tools.join("counted");
    let repo = Repository::discover_with(&root, settings).unwrap();
    operate(&repo, &env::var(OPERATION).unwrap());
    fs::write(tools.join("finished"), "").unwrap();
}

/// A repository right before the operation.
fn prepared(operation: &str) -> Scene {
    let scene = Scene::new();
    if operation == "create" {
        return scene;
    }
    let repo = scene.open();
    let workspace = create(&repo, "victim");
    write(&workspace.path.join("committed"), "c\n");
    write(&workspace.path.join("src/lib.rs"), "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    commit_in(&workspace.path, "work");
    if operation == "remove" {
        write(&workspace.path.join("untracked"), "precious\n");
    } else {
        scene.write("src/lib.rs", "one\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n");
        scene.commit("main's work");
    }
    scene
}

/// Starts the operation, has it killed at the `at`-th command, and says whether there was one.
fn killed(scene: &Scene, tools: &Path, operation: &str, at: usize, when: &str) -> bool {
    for program in ["git", "counted"] {
        write_program(
            &tools.join(program),
            if program == "git" { "#!/bin/sh\nexec git \"$@\"\n" } else { SCRIPT },
        );
    }
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::worker", "--nocapture"])
        .env(ROOT, &scene.root)
        .env(TOOLS, tools)
        .env(OPERATION, operation)
        .env(AT, at.to_string())
        .env(WHEN, when)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.wait().unwrap();
    let count: usize = fs::read_to_string(tools.join("count")).unwrap().trim().parse().unwrap();
    assert!(count >= at || tools.join("finished").exists(), "the worker failed by itself");
    count >= at
}

fn check_every_step(operation: &str, whens: &[&str], after: impl Fn(&Scene, &str)) {
    for when in whens {
        let mut at = 1;
        loop {
            let scene = prepared(operation);
            let tools = tempfile::tempdir().unwrap();
            let reached = killed(&scene, tools.path(), operation, at, when);
            let context = format!("{operation}, killed {when} command {at}");
            // Waits for what the dead process left running, and mends; twice, since the second finds nothing.
            let recovery = scene.open().recover().unwrap();
            assert!(recovery.problems.is_empty(), "{context}: {:?}", recovery.problems);
            let again = scene.open().recover().unwrap();
            assert!(again.done.is_empty() && again.problems.is_empty(), "{context}: {again:?}");
            scene.assert_healthy();
            after(&scene, &context);
            if !reached {
                break;
            }
            at += 1;
        }
        assert!(at > 12, "{operation} has only {at} commands");
    }
}

#[test]
fn a_killed_creation_leaves_nothing_or_all() {
    check_every_step("create", &["before", "during", "partial", "after"], |scene, context| {
        let repo = scene.open();
        let there = repo.list().unwrap().len();
        assert_eq!(scene.worktree_count(), 1 + there, "{context}");
        assert_eq!(scene.branches().len(), 1 + there, "{context}");
        assert_eq!(scene.neighbours().len(), there, "{context}: {:?}", scene.neighbours());
        let left = fs::read_dir(scene.root.join(".git/worktrees")).map_or(0, Iterator::count);
        assert_eq!(left, there, "{context}");
        if there == 0 {
            create(&repo, "victim");
        }
        assert_eq!(git(&scene.base.join("victim"), &["status", "--porcelain"]), "", "{context}");
    });
}

#[test]
fn a_killed_removal_loses_no_work() {
    check_every_step("remove", &["before", "during", "after"], |scene, context| {
        let repo = scene.open();
        if let Some(workspace) = repo.list().unwrap().first() {
            assert!(workspace.is_intact(), "{context}");
            assert_eq!(git(&workspace.path, &["status", "--porcelain"]), "?? untracked", "{context}");
            assert_eq!(scene.branches(), ["agent/victim", "main"], "{context}");
            return;
        }
        assert!(scene.neighbours().is_empty() && scene.worktree_count() == 1, "{context}");
        let rescues = repo.rescues().unwrap();
        let kept = |file: &str, content: &str| {
            rescues.iter().any(|rescue| {
                let shown =
                    crate::scene::git_output(&scene.root, &["show", &format!("{}:{file}", rescue.reference)]);
                shown.stdout == content.as_bytes()
            })
        };
        assert!(kept("untracked", "precious\n") && kept("committed", "c\n"), "{context}: {rescues:?}");
    });
}

#[test]
fn a_killed_merge_leaves_branch_and_checkout_together() {
    check_every_step("merge", &["before", "during", "after"], |scene, context| {
        assert_eq!(scene.git(&["status", "--porcelain"]), "", "{context}");
        let merged = scene.root.join("committed").exists();
        let parents = scene.git(&["show", "-s", "--format=%P", "main"]);
        assert_eq!(parents.split_whitespace().count(), if merged { 2 } else { 1 }, "{context}");
        scene.open().merge(&branch("agent/victim"), &branch("main"), &update_if_clean()).unwrap();
        assert!(scene.root.join("committed").exists(), "{context}");
    });
}

#[test]
fn a_killed_process_is_cleaned_up_after_by_the_next_creation() {
    let scene = prepared("create");
    let tools = tempfile::tempdir().unwrap();
    assert!(killed(&scene, tools.path(), "create", 12, "after"));
    // The very same names are free again.
    create(&scene.open(), "victim");
    assert!(scene.open().recover().unwrap().done.is_empty());
    assert_eq!(scene.worktree_count(), 2);
}

/// Kills the operation right before the first command at which `there` holds. The search begins at `from` and leaves
/// there what it found, for the next one.
fn killed_once(operation: &str, from: &mut usize, there: impl Fn(&Scene) -> bool) -> Scene {
    for at in *from.. {
        *from = at;
        let scene = prepared(operation);
        let tools = tempfile::tempdir().unwrap();
        assert!(killed(&scene, tools.path(), operation, at, "before"), "no such command");
        if there(&scene) {
            return scene;
        }
    }
    unreachable!("an operation has an end")
}

fn is_recorded(scene: &Scene) -> bool {
    scene.root.join(".git/missiond/workspaces/victim").exists()
}

fn impatient(scene: &Scene) -> Repository {
    let mut settings = settings();
    settings.lock_wait = Duration::from_millis(100);
    Repository::discover_with(&scene.root, settings).unwrap()
}

#[test]
fn g6_a_lock_that_a_killed_git_left_is_cleared_and_a_foreign_one_is_not() {
    let branch_made = |scene: &Scene| is_recorded(scene) && scene.branches().len() == 2;
    let begun = |scene: &Scene| {
        fs::read_dir(scene.root.join(".git/missiond/merges"))
            .is_ok_and(|mut entries| entries.next().is_some())
    };
    for (operation, lock) in [("create", "refs/heads/agent/victim.lock"), ("merge", "index.lock")] {
        let mut at = 1;
        for foreign in [false, true] {
            let scene = if operation == "create" {
                killed_once(operation, &mut at, branch_made)
            } else {
                killed_once(operation, &mut at, begun)
            };
            let lock = scene.root.join(".git").join(lock);
            let file = fs::File::create(&lock).unwrap();
            if foreign {
                // It was there before the killed process began.
                file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
            }
            let recovery = impatient(&scene).recover().unwrap();
            assert_eq!(lock.exists(), foreign, "{operation}");
            if foreign {
                let problem = recovery.problems[0].error.to_string();
                assert!(problem.contains(lock.to_str().unwrap()) && problem.contains("deleted"), "{problem}");
                fs::remove_file(&lock).unwrap();
            }
            // What failed is tried again.
            let again = impatient(&scene).recover().unwrap();
            assert!(again.problems.is_empty() && again.done.len() == usize::from(foreign), "{again:?}");
            scene.assert_healthy();
        }
    }
}

#[test]
fn a_merge_interrupted_in_the_middle_of_a_file_is_completed_and_foreign_work_is_not_overwritten() {
    let begun = |scene: &Scene| {
        fs::read_dir(scene.root.join(".git/missiond/merges"))
            .is_ok_and(|mut entries| entries.next().is_some())
    };
    let mut at = 1;
    let whole = "ONE\ntwo\nthree\nfour\nfive\nsix\nSEVEN\n";
    for (content, mended) in
        [(Some(&whole[..9]), true), (Some(""), true), (None, true), (Some("mine\n"), false)]
    {
        let scene = killed_once("merge", &mut at, begun);
        let file = scene.root.join("src/lib.rs");
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let recovery = scene.open().recover().unwrap();
        assert_eq!(recovery.problems.is_empty(), mended, "{content:?}: {recovery:?}");
        if mended {
            assert!(matches!(recovery.done.as_slice(), [Recovered::MergeFinished { .. }]), "{recovery:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), whole);
            assert_eq!(scene.git(&["status", "--porcelain"]), "");
        } else {
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");
        }
    }
}

#[test]
fn a_branch_of_the_same_name_made_by_a_person_survives_recovery() {
    // The intent is recorded, and the branch isn't made yet.
    let scene = killed_once("create", &mut 1, is_recorded);
    assert_eq!(scene.branches(), ["main"]);
    scene.git(&["branch", "agent/victim"]);
    let recovery = scene.open().recover().unwrap();
    assert!(matches!(recovery.done.as_slice(), [Recovered::CreationUndone { .. }]), "{recovery:?}");
    assert_eq!(scene.branches(), ["agent/victim", "main"]);
}

#[test]
fn many_processes_killed_at_random_leave_a_healthy_repository() {
    let scene = Scene::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..12 {
        let tools = tempfile::tempdir().unwrap();
        write_program(&tools.path().join("git"), "#!/bin/sh\nexec git \"$@\"\n");
        write_program(&tools.path().join("counted"), "#!/bin/sh\nexec git \"$@\"\n");
        let operation = if scene.open().list().unwrap().is_empty() { "create" } else { "remove" };
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crash::worker", "--nocapture"])
            .env(ROOT, &scene.root)
            .env(TOOLS, tools.path())
            .env(OPERATION, operation)
            .env(AT, "0")
            .env(WHEN, "never")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let until = Instant::now() + Duration::from_millis(20 + (seed >> 33) % 400);
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        // It may have ended by itself, which is as good.
        child.kill().ok();
        child.wait().unwrap();
        let recovery = scene.open().recover().unwrap();
        assert!(recovery.problems.is_empty(), "round {round}, {operation}: {recovery:?}");
        scene.assert_healthy();
        let there = scene.open().list().unwrap().len();
        assert_eq!(scene.worktree_count(), 1 + there, "round {round}, {operation}");
        assert_eq!(scene.neighbours().len(), there, "round {round}, {operation}");
    }
}

#[test]
fn what_a_process_gave_up_is_mended_while_it_lives() {
    let check = |operation: &str, failing: &str, recovered: fn(&Recovered) -> bool| {
        let scene = prepared(operation);
        let program = scene.base.join("tools/git");
        let script = format!("#!/bin/sh\ncase \"$*\" in {failing}) exit 1 ;; esac\nexec git \"$@\"\n");
        write_program(&program, &script);
        let mut settings = settings();
        settings.git = program;
        let failing = Repository::discover_with(&scene.root, settings).unwrap();
        let error = if operation == "create" {
            failing.create(&request("victim")).unwrap_err()
        } else {
            let mut options = RemoveOptions::default();
            options.branch = BranchFate::Delete;
            failing.remove(&name("victim"), &options).unwrap_err()
        };
        assert!(matches!(error, missiond_git::Error::Git { .. }), "{operation}: {error}");
        assert!(is_recorded(&scene), "{operation} could be undone");
        let recovery = scene.open().recover().unwrap();
        assert!(recovery.problems.is_empty(), "{operation}: {recovery:?}");
        assert!(matches!(recovery.done.as_slice(), [done] if recovered(done)), "{operation}: {recovery:?}");
        assert!(!is_recorded(&scene) && scene.neighbours() == ["tools"], "{operation}");
        scene.assert_healthy();
    };
    // The undoing of a creation deletes the branch last, a removal when the work is kept.
    let undone: fn(&Recovered) -> bool = |done| matches!(done, Recovered::CreationUndone { .. });
    check("create", "*\" reset \"*|*\" update-ref -d \"*", undone);
    let finished: fn(&Recovered) -> bool = |done| matches!(done, Recovered::RemovalFinished { .. });
    check("remove", "*\" update-ref -d \"*", finished);
}
