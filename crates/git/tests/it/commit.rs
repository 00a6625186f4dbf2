//! Committing what an agent wrote.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use missiond_git::{Error, Identity, Repository, Settings};

use crate::scene::{Scene, create, git, git_output, write, write_program};

#[test]
fn everything_but_ignored_files_is_committed_on_the_workspace_s_branch() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    assert_eq!(repo.commit_all(&workspace, "nothing", None).unwrap(), None);
    write(&workspace.path.join("new"), "n");
    write(&workspace.path.join("ignored/x"), "x");
    write(&workspace.path.join("a.tmp"), "x");
    write(&workspace.path.join(std::ffi::OsStr::from_bytes(b"not utf-8 \xff\n:(top)*")), "x");
    fs::remove_file(workspace.path.join("README.md")).unwrap();
    let author = Identity { name: "Agent <One>\n".to_owned(), email: "one@agents".to_owned() };
    let message = "# Subject\n\nBody — ünï\n#no comment\n";
    let commit = repo.commit_all(&workspace, message, Some(&author)).unwrap().unwrap();
    assert_eq!(scene.git(&["rev-parse", "agent/one"]), commit.as_str());
    let changed = scene.git(&["show", "--format=", "--name-status", "agent/one"]);
    assert_eq!(changed, "D\tREADME.md\nA\tnew\nA\t\"not utf-8 \\377\\n:(top)*\"");
    let shown = scene.git(&["show", "-s", "--format=%an|%ae|%cn|%B", "agent/one"]);
    assert_eq!(
        shown,
        format!("Agent One|one@agents|missiond|{message}").trim_end_matches('\n').to_owned() + "\n"
    );
    assert_eq!(repo.commit_all(&workspace, "again", None).unwrap(), None);
    scene.assert_healthy();
}

#[test]
fn the_person_s_identity_is_used_if_there_is_one() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let commit = |number: u32| {
        write(&workspace.path.join("file"), number.to_string());
        repo.commit_all(&workspace, "work", None).unwrap().unwrap();
        scene.git(&["show", "-s", "--format=%an <%ae> %cn <%ce>", "agent/one"])
    };
    assert_eq!(commit(1), "missiond <missiond@localhost> missiond <missiond@localhost>");
    scene.git(&["config", "user.name", "Pat"]);
    scene.git(&["config", "user.email", "pat@home"]);
    assert_eq!(commit(2), "Pat <pat@home> Pat <pat@home>");
}

#[test]
fn no_hook_that_an_agent_may_have_written_runs() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let trace = scene.base.join("trace");
    let program = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", trace.display());
    let all = [
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
        "post-checkout",
        "post-merge",
        "pre-merge-commit",
    ];
    for which in all {
        write_program(&scene.root.join(".git/hooks").join(which), &program);
        write_program(&workspace.path.join(".husky").join(which), &program);
    }
    write_program(&workspace.path.join("tool"), &program);
    let tool = workspace.path.join("tool");
    let tool = tool.to_str().unwrap();
    for (key, value) in [
        ("core.hooksPath", ".husky"),
        ("core.fsmonitor", tool),
        ("core.editor", tool),
        ("core.pager", tool),
        ("diff.external", tool),
        ("gpg.program", tool),
        ("commit.gpgSign", "true"),
        ("sequence.editor", tool),
        ("alias.commit", "!touch trace"),
    ] {
        scene.git(&["config", key, value]);
    }
    write(&workspace.path.join(".gitattributes"), "* diff=mine\n");
    scene.git(&["config", "diff.mine.textconv", tool]);
    scene.git(&["config", "diff.mine.command", tool]);
    let commit = repo.commit_all(&workspace, "work", None).unwrap().unwrap();
    repo.status(&workspace.path).unwrap();
    repo.diff("main", "agent/one", 1 << 20).unwrap();
    repo.changed_files("main", "agent/one").unwrap();
    assert!(!trace.exists(), "something the agent wrote was run");
    // The trap is a real one: git by itself runs it.
    git_output(&workspace.path, &["commit", "--allow-empty", "-m", "x"]);
    assert!(trace.exists());
    assert_eq!(scene.git(&["rev-parse", "agent/one"]), commit.as_str());
}

#[test]
fn unfinished_business_is_not_committed() {
    let scene = Scene::new();
    scene.git(&["branch", "other"]);
    scene.write("README.md", "main\n");
    scene.commit("main");
    let repo = scene.open();
    let workspace = repo.create(&crate::scene::request("one").base("other")).unwrap().workspace;
    let dir = &workspace.path;
    write(&dir.join("README.md"), "ours\n");
    repo.commit_all(&workspace, "ours", None).unwrap();
    git_output(dir, &["merge", "main"]);
    let error = repo.commit_all(&workspace, "x", None).unwrap_err();
    assert!(matches!(error, Error::Unmerged { .. }) && error.to_string().contains("README.md"), "{error}");
    git(dir, &["add", "README.md"]);
    assert!(matches!(
        repo.commit_all(&workspace, "x", None),
        Err(Error::OperationInProgress { operation: "merge", .. })
    ));
    git(dir, &["merge", "--abort"]);
    git_output(dir, &["rebase", "main"]);
    assert!(repo.commit_all(&workspace, "x", None).is_err());
    git(dir, &["rebase", "--abort"]);
    git(dir, &["checkout", "-q", "-b", "elsewhere"]);
    write(&dir.join("new"), "n");
    let error = repo.commit_all(&workspace, "x", None).unwrap_err();
    assert!(
        matches!(error, Error::UnexpectedBranch { .. }) && error.to_string().contains("elsewhere"),
        "{error}"
    );
}

#[test]
fn g6_an_index_lock_is_waited_for_and_then_named() {
    let scene = Scene::new();
    let mut settings = crate::scene::settings();
    settings.lock_wait = std::time::Duration::from_millis(300);
    let repo = missiond_git::Repository::discover_with(&scene.root, settings).unwrap();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("new"), "n");
    let lock = workspace.admin_dir.join("index.lock");
    fs::write(&lock, "").unwrap();
    let error = repo.commit_all(&workspace, "x", None).unwrap_err();
    assert!(matches!(&error, Error::IndexLocked { path } if *path == lock), "{error}");
    assert!(error.to_string().contains("deleted"), "{error}");

    let patient = scene.open();
    let committed = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| patient.commit_all(&workspace, "x", None));
        // Gone while the other waits or before it began: both must end in a commit.
        fs::remove_file(&lock).unwrap();
        waiting.join().unwrap()
    });
    assert!(committed.unwrap().is_some());
}

/// Has a commit stopped at `command`, and says what remained of the locks it held.
fn check_stopped(command: &str, script: &str, setting: impl FnOnce(&mut Settings)) {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("new"), "n");
    let program = scene.base.join("tools/git");
    let script = format!("#!/bin/sh\ncase \"$*\" in *\" {command} \"*) {script} ;; esac\nexec git \"$@\"\n");
    write_program(&program, &script);
    let mut settings = crate::scene::settings();
    settings.git = program;
    setting(&mut settings);
    let stopped = Repository::discover_with(&scene.root, settings).unwrap();
    let error = stopped.commit_all(&workspace, "work", None).unwrap_err();
    let of = match &error {
        Error::TimedOut { command, .. }
        | Error::OutputTooLarge { command, .. }
        | Error::Git { command, .. } => command,
        other => panic!("{other}"),
    };
    assert_eq!(of, command, "{error}");
    repo.commit_all(&workspace, "work", None).unwrap_or_else(|error| panic!("{command}: {error}")).unwrap();
    scene.assert_healthy();
}

const LOCKS: &str = "for lock in $GIT_DIR/index $GIT_DIR/HEAD $GIT_COMMON_DIR/refs/heads/agent/one \
    $GIT_COMMON_DIR/packed-refs; do : >$lock.lock; done";

#[test]
fn g6_a_git_that_was_stopped_leaves_no_lock() {
    let impatient = |settings: &mut Settings| settings.deadline = std::time::Duration::from_secs(3);
    let laconic = |settings: &mut Settings| settings.max_output = 1 << 20;
    check_stopped("add", &format!("{LOCKS}; exec sleep 600"), impatient);
    check_stopped("add", &format!("{LOCKS}; exec yes"), laconic);
    check_stopped("commit", &format!("{LOCKS}; exec yes"), laconic);
    check_stopped("commit", &format!("{LOCKS}; kill -9 $$"), |_| ());
}

#[test]
fn g6_a_git_stopped_in_a_filter_leaves_no_lock() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    scene.git(&["config", "filter.slow.clean", "sleep 600"]);
    write(&workspace.path.join(".gitattributes"), "*.slow filter=slow\n");
    write(&workspace.path.join("x.slow"), "x");
    let mut settings = crate::scene::settings();
    settings.deadline = std::time::Duration::from_secs(3);
    let impatient = Repository::discover_with(&scene.root, settings).unwrap();
    let error = impatient.commit_all(&workspace, "work", None).unwrap_err();
    assert!(matches!(&error, Error::TimedOut { command, .. } if command == "add"), "{error}");
    scene.git(&["config", "filter.slow.clean", "cat"]);
    assert!(impatient.commit_all(&workspace, "work", None).unwrap().is_some());
}

#[test]
fn g6_the_lock_of_another_git_stays_when_ours_is_stopped() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("new"), "n");
    let program = scene.base.join("tools/git");
    let script = "#!/bin/sh\ncase \"$*\" in *\" add \"*) touch -d \"$WHEN\" $GIT_DIR/index.lock; exec yes ;; esac\nexec git \"$@\"\n";
    write_program(&program, script);
    let lock = workspace.admin_dir.join("index.lock");
    let stop = |when: &str| {
        let mut settings = crate::scene::settings();
        settings.git = program.clone();
        settings.max_output = 1 << 20;
        settings.environment.push(("WHEN".into(), when.into()));
        let stopped = Repository::discover_with(&scene.root, settings).unwrap();
        assert!(matches!(stopped.commit_all(&workspace, "work", None), Err(Error::OutputTooLarge { .. })));
        fs::remove_file(&lock).is_ok()
    };
    assert!(stop("1 hour ago"), "it was there before");
    let mut other = std::process::Command::new("git")
        .args(["cat-file", "--batch"])
        .current_dir(workspace.path.join("src"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let stayed = stop("now");
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(stayed, "it may be another git's");
    assert!(!stop("now"));
}
