//! Configuration that an agent can write must not run in our commands. Each trap is shown to be a real one first: git
//! by itself runs it.

use std::fs;
use std::path::{Path, PathBuf};

use missiond_git::{Error, RemoveOptions, Repository, Workspace};

use crate::scene::{Scene, commit_in, create, git, git_output, name, snapshot, write, write_program};

/// A program that leaves a file when it runs.
struct Trap {
    program: PathBuf,
    mark: PathBuf,
}

impl Trap {
    fn new(scene: &Scene) -> Self {
        let trap = Self { program: scene.base.join("trap"), mark: scene.base.join("trap-ran") };
        write_program(&trap.program, &format!("#!/bin/sh\ntouch '{}'\nexec cat\n", trap.mark.display()));
        trap
    }

    fn program(&self) -> &str {
        self.program.to_str().unwrap()
    }

    /// Whether it ran since this was last asked.
    fn ran(&self) -> bool {
        fs::remove_file(&self.mark).is_ok()
    }

    fn assert_real(&self, dir: &Path, args: &[&str]) {
        self.ran();
        git_output(dir, args);
        assert!(self.ran(), "git {args:?} doesn't spring the trap, so the test shows nothing");
    }

    fn assert_unsprung(&self, doing: &str) {
        assert!(!self.ran(), "{doing} ran what an agent configured");
    }
}

/// A repository `at` with one commit of one file.
fn repository(at: &Path) {
    fs::create_dir_all(at).unwrap();
    git(at, &["init", "-q", "-b", "main"]);
    write(&at.join("file"), "aaaa");
    commit_in(at, "inside");
}

/// Makes git filter the repository's changed file, whose size is what the index says.
fn arm(dir: &Path, trap: &Trap) {
    git(dir, &["config", "filter.x.clean", trap.program()]);
    write(&dir.join(".gitattributes"), "* filter=x\n");
    write(&dir.join("file"), "bbbb");
}

/// A workspace that has the repository `sub` committed as a submodule.
fn with_submodule(scene: &Scene, repo: &Repository) -> (Workspace, PathBuf) {
    let workspace = create(repo, "one");
    let sub = workspace.path.join("sub");
    repository(&sub);
    git(&workspace.path, &["add", "sub"]);
    git(&workspace.path, &["commit", "-q", "-m", "submodule"]);
    assert!(scene.git(&["ls-tree", "agent/one", "sub"]).starts_with("160000 commit"));
    (workspace, sub)
}

#[test]
fn a_submodules_filter_does_not_run() {
    let scene = Scene::new();
    let repo = scene.open();
    let trap = Trap::new(&scene);
    let (workspace, sub) = with_submodule(&scene, &repo);
    arm(&sub, &trap);
    // What the agent may set to have git look inside after all.
    write(
        &workspace.path.join(".gitmodules"),
        "[submodule \"sub\"]\n\tpath = sub\n\turl = ./sub\n\tignore = none\n",
    );
    trap.assert_real(&workspace.path, &["status", "--ignore-submodules=none"]);
    trap.assert_real(&workspace.path, &["add", "--all"]);
    git(&workspace.path, &["reset", "-q"]);
    trap.ran();

    let status = repo.status(&workspace.path).unwrap();
    trap.assert_unsprung("status");
    assert_eq!((status.changed, status.untracked), (0, 1));
    repo.commit_all(&workspace, "work", None).unwrap().unwrap();
    trap.assert_unsprung("commit_all");
    assert_eq!(scene.git(&["show", "--name-only", "--format=", "agent/one"]), ".gitmodules");

    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    trap.assert_unsprung("remove");
    assert!(
        matches!(&error, Error::NestedRepositories { paths, .. } if *paths == [PathBuf::from("sub")]),
        "{error}"
    );
    assert_eq!(fs::read(sub.join("file")).unwrap(), b"bbbb");
}

#[test]
fn a_submodules_new_commit_is_still_seen_and_committed() {
    let scene = Scene::new();
    let repo = scene.open();
    let (workspace, sub) = with_submodule(&scene, &repo);
    write(&sub.join("file"), "next");
    let next = commit_in(&sub, "next");
    assert_eq!(repo.status(&workspace.path).unwrap().changed, 1);
    repo.commit_all(&workspace, "moved on", None).unwrap().unwrap();
    assert!(scene.git(&["ls-tree", "agent/one", "sub"]).contains(&next));
    // Removed, or replaced by a file or by a link to elsewhere, as `git add --all` has it.
    let aside = scene.base.join("aside");
    fs::rename(&sub, &aside).unwrap();
    write(&sub, "a file");
    repo.commit_all(&workspace, "a file", None).unwrap().unwrap();
    assert!(scene.git(&["ls-tree", "agent/one", "sub"]).starts_with("100644 blob"));
    fs::remove_file(&sub).unwrap();
    fs::rename(&aside, &sub).unwrap();
    git(&workspace.path, &["rm", "-q", "--cached", "sub"]);
    git(&workspace.path, &["add", "sub"]);
    git(&workspace.path, &["commit", "-q", "-m", "a submodule again"]);
    fs::remove_dir_all(&sub).unwrap();
    repo.commit_all(&workspace, "gone", None).unwrap().unwrap();
    assert_eq!(scene.git(&["ls-tree", "agent/one", "sub"]), "");
}

#[test]
fn a_submodule_is_looked_at_only_if_its_configuration_starts_nothing() {
    let scene = Scene::new();
    let origin = scene.base.join("origin");
    repository(&origin);
    let repo = scene.open();
    let trap = Trap::new(&scene);
    let workspace = create(&repo, "one");
    let sub = workspace.path.join("sub");
    git(&workspace.path, &["clone", "-q", origin.to_str().unwrap(), "sub"]);
    git(&workspace.path, &["add", "sub"]);
    git(&workspace.path, &["commit", "-q", "-m", "submodule"]);
    let config = fs::read(sub.join(".git/config")).unwrap();
    let included = scene.base.join("included");
    write(&included, format!("[core]\n\tfsmonitor = {}\n", trap.program()));
    let armed = [
        ("filter.x.clean", trap.program()),
        ("filter.x.process", trap.program()),
        ("core.fsmonitor", trap.program()),
        ("core.sshCommand", trap.program()),
        ("core.hooksPath", "/tmp"),
        ("core.pager", trap.program()),
        ("core.editor", trap.program()),
        ("core.attributesFile", "/tmp/x"),
        ("credential.helper", trap.program()),
        ("diff.x.textconv", trap.program()),
        ("merge.x.driver", trap.program()),
        ("alias.status", "!true"),
        ("include.path", included.to_str().unwrap()),
        ("includeIf.gitdir:/.path", included.to_str().unwrap()),
        ("remote.origin.uploadpack", trap.program()),
        ("remote.origin.promisor", "true"),
    ];
    for (key, value) in armed {
        git(&sub, &["config", key, value]);
        let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
        assert!(matches!(error, Error::NestedRepositories { .. }), "{key}: {error}");
        trap.assert_unsprung(key);
        fs::write(sub.join(".git/config"), &config).unwrap();
    }
    fs::write(sub.join(".git/config"), vec![b'\n'; 1 << 20]).unwrap();
    assert!(repo.remove(&name("one"), &RemoveOptions::default()).is_err());
    fs::write(sub.join(".git/config"), &config).unwrap();

    // One level deeper, below a submodule that is in order.
    let deeper = sub.join("deeper");
    repository(&deeper);
    git(&sub, &["add", "deeper"]);
    git(&sub, &["commit", "-q", "-m", "deeper"]);
    git(&sub, &["push", "-q", "origin", "HEAD:refs/heads/pushed"]);
    git(&sub, &["fetch", "-q"]);
    arm(&deeper, &trap);
    trap.assert_real(&sub, &["status"]);
    git(&workspace.path, &["add", "--all"]);
    git(&workspace.path, &["commit", "-q", "-m", "deeper"]);
    trap.ran();
    let error = repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::NestedRepositories { .. }), "{error}");
    trap.assert_unsprung("remove");

    // In order and with everything at its remote, it goes.
    fs::remove_dir_all(&sub).unwrap();
    git(&workspace.path, &["clone", "-q", origin.to_str().unwrap(), "sub"]);
    git(&workspace.path, &["add", "--all"]);
    git(&workspace.path, &["commit", "-q", "-m", "plain"]);
    let before = snapshot(&workspace.path).len();
    assert!(before > 3);
    assert!(repo.remove(&name("one"), &RemoveOptions::default()).unwrap().work.is_none());
    trap.assert_unsprung("remove");
}

/// Has the workspace's `.git` file lead to a repository of the agent's, which filters a changed file.
fn redirect(scene: &Scene, dir: &Path, trap: &Trap) -> PathBuf {
    let evil = scene.base.join("evil");
    git(&scene.base, &["clone", "-q", "project", "evil"]);
    git(&evil, &["config", "filter.x.clean", trap.program()]);
    git(&evil, &["config", "core.worktree", dir.to_str().unwrap()]);
    write(&evil.join(".git/info/attributes"), "* filter=x\n");
    write(&dir.join("README.md"), "START\n");
    write(&dir.join(".git"), format!("gitdir: {}\n", evil.join(".git").display()));
    evil
}

fn assert_redirected<T: std::fmt::Debug>(result: missiond_git::Result<T>, dir: &Path, doing: &str) {
    let error = result.expect_err(doing);
    let text = error.to_string();
    assert!(matches!(&error, Error::Redirected { path, .. } if path == dir), "{doing}: {text}");
    assert_eq!(error.kind(), missiond_git::ErrorKind::Refused);
    assert!(text.contains("worktree repair") && text.contains(dir.to_str().unwrap()), "{text}");
}

#[test]
fn a_workspace_that_leads_to_another_repository_is_refused_and_its_work_is_kept() {
    let scene = Scene::new();
    let repo = scene.open();
    let trap = Trap::new(&scene);
    let workspace = create(&repo, "one");
    let dir = &workspace.path;
    write(&dir.join("new"), "n");
    let evil = redirect(&scene, dir, &trap);
    trap.assert_real(dir, &["status"]);
    let before = git(&evil, &["rev-parse", "--branches"]);

    assert_redirected(repo.status(dir), dir, "status");
    assert_redirected(repo.status(dir.join("src")), dir, "status of a part");
    assert_redirected(repo.commit_all(&workspace, "work", None), dir, "commit_all");
    assert!(repo.remove(&name("one"), &RemoveOptions::default()).is_err());
    assert_eq!(repo.list().unwrap().len(), 1);
    assert!(!repo.get(&name("one")).unwrap().is_intact());
    repo.worktrees().unwrap();
    repo.recover().unwrap();
    create(&repo, "two");
    trap.assert_unsprung("something");
    assert_eq!(git(&evil, &["rev-parse", "--branches"]), before);

    // The remedy the error names.
    scene.git(&["worktree", "repair"]);
    assert!(repo.status(dir).unwrap().is_dirty());
    let kept = repo.remove(&name("one"), &RemoveOptions::default()).unwrap().work.unwrap();
    trap.assert_unsprung("remove");
    assert_eq!(scene.git(&["show", &format!("{}:README.md", kept.reference)]), "START");
    assert_eq!(scene.git(&["show", &format!("{}:new", kept.reference)]), "n");
}

#[test]
fn a_workspace_leads_to_its_own_data_and_no_other() {
    let scene = Scene::new();
    let repo = scene.open();
    let other = create(&repo, "other");
    // Below the main worktree, where git would find that one when nothing is in between.
    scene.write(".git/info/exclude", "/below/\n");
    let below = missiond_git::WorkspaceRequest::new(
        name("below"),
        crate::scene::branch("agent/below"),
        scene.root.join("below/one"),
    );
    let workspace = repo.create(&below).unwrap().workspace;
    let link = workspace.path.join(".git");
    let good = fs::read(&link).unwrap();
    write(&workspace.path.join("README.md"), "changed\n");
    let refuse = |what: &str| {
        assert_redirected(repo.status(&workspace.path), &workspace.path, what);
        assert_redirected(repo.commit_all(&workspace, "work", None), &workspace.path, what);
    };
    fs::write(&link, format!("gitdir: {}\n", other.admin_dir.display())).unwrap();
    refuse("another workspace's data");
    fs::write(&link, format!("gitdir: {}\n", scene.root.join(".git").display())).unwrap();
    refuse("the main worktree's data");
    fs::remove_file(&link).unwrap();
    refuse("no file");
    git(&workspace.path, &["init", "-q"]);
    refuse("a directory");
    fs::remove_dir_all(&link).unwrap();
    std::os::unix::fs::symlink(scene.root.join(".git"), &link).unwrap();
    refuse("a link");
    fs::remove_file(&link).unwrap();
    fs::write(&link, vec![b'x'; 1 << 20]).unwrap();
    refuse("a huge file");
    assert_eq!(scene.git(&["status", "--porcelain"]), "", "the main worktree is as it was");
    fs::write(&link, good).unwrap();
    repo.commit_all(&workspace, "work", None).unwrap().unwrap();
    // Somewhere else altogether.
    let foreign = scene.base.join("foreign");
    repository(&foreign);
    assert_redirected(repo.status(&foreign), &foreign, "a foreign repository");
}

#[test]
fn a_workspace_with_another_common_directory_is_refused_and_its_work_is_kept() {
    let scene = Scene::new();
    let repo = scene.open();
    let trap = Trap::new(&scene);
    let workspace = create(&repo, "one");
    let link = fs::read(workspace.path.join(".git")).unwrap();
    let evil = redirect(&scene, &workspace.path, &trap);
    fs::write(workspace.path.join(".git"), link).unwrap();
    git(&evil, &["branch", "agent/one"]);
    git(&evil, &["config", "--unset", "core.worktree"]);
    write(&workspace.admin_dir.join("commondir"), evil.join(".git").as_os_str().as_encoded_bytes());
    trap.assert_real(&workspace.path, &["status"]);

    let file = workspace.admin_dir.join("commondir");
    let refuse = |error: Error, doing: &str| {
        assert!(matches!(&error, Error::UnusablePath { path, .. } if *path == file), "{doing}: {error}");
        assert!(error.to_string().contains("../.."), "{error}");
        trap.assert_unsprung(doing);
    };
    refuse(repo.status(&workspace.path).unwrap_err(), "status");
    refuse(repo.commit_all(&workspace, "work", None).unwrap_err(), "commit_all");
    refuse(repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err(), "remove");
    assert_eq!(fs::read(workspace.path.join("README.md")).unwrap(), b"START\n");
    // The remedy the error names.
    fs::write(&file, "../..").unwrap();
    let commit = repo.commit_all(&workspace, "work", None).unwrap().unwrap();
    assert_eq!(scene.git(&["rev-parse", "agent/one"]), commit.as_str());
    write(&workspace.path.join("README.md"), "Start\n");
    assert!(repo.remove(&name("one"), &RemoveOptions::default()).unwrap().work.is_some());
    trap.assert_unsprung("remove");
}

/// Makes the files of a git directory in plain sight, with a worktree and a program to run.
fn embed(at: &Path, tree: &Path, trap: &Trap) {
    git(tree, &["init", "-q", "--bare", at.to_str().unwrap()]);
    git(at, &["config", "core.bare", "false"]);
    git(at, &["config", "core.worktree", tree.to_str().unwrap()]);
    git(at, &["config", "core.fsmonitor", trap.program()]);
    git(at, &["config", "remote.origin.url", &format!("ext::{}", trap.program())]);
}

#[test]
fn an_embedded_bare_repository_is_not_taken_for_a_repository() {
    let scene = Scene::new();
    let repo = scene.open();
    let trap = Trap::new(&scene);
    let workspace = create(&repo, "one");
    for place in [scene.root.join("fixtures/store"), workspace.path.join("fixtures/store")] {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        embed(&place, place.parent().unwrap(), &trap);
        trap.assert_real(&place, &["status"]);
        for inside in [place.clone(), place.join("refs"), place.join("config")] {
            let found = Repository::discover_with(&inside, crate::scene::settings());
            let error = found.expect_err("what an agent wrote was taken for the project");
            assert!(matches!(&error, Error::Bare { .. }), "{error}");
            assert!(error.to_string().contains("fixtures/store"), "{error}");
        }
        repo.status(place.parent().unwrap()).unwrap();
        trap.assert_unsprung("discovery");
    }
    // Its files are files like any other.
    repo.commit_all(&workspace, "fixtures", None).unwrap().unwrap();
    assert!(scene.git(&["ls-tree", "-r", "--name-only", "agent/one"]).contains("fixtures/store/config"));
    trap.assert_unsprung("commit_all");
}

#[test]
fn every_command_refuses_embedded_bare_repositories_and_programs_as_remotes() {
    let scene = Scene::new();
    let log = scene.base.join("log");
    let wrapper = scene.base.join("git-logged");
    write_program(
        &wrapper,
        &format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\nexec git \"$@\"\n", log.display()),
    );
    let mut settings = crate::scene::settings();
    settings.git = wrapper;
    let repo = Repository::discover_with(&scene.root, settings).unwrap();
    let workspace = create(&repo, "one");
    write(&workspace.path.join("new"), "n");
    repo.commit_all(&workspace, "work", None).unwrap().unwrap();
    write(&workspace.path.join("more"), "m");
    repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().count() > 20, "{log}");
    for line in log.lines() {
        assert!(line.contains("-c safe.bareRepository=explicit"), "{line}");
        assert!(line.contains("-c protocol.ext.allow=never"), "{line}");
    }
}

#[test]
fn a_workspaces_own_configuration_starts_nothing() {
    let scene = Scene::new();
    let trap = Trap::new(&scene);
    scene.git(&["config", "extensions.worktreeConfig", "true"]);
    // The person's own, which git copies into every new worktree.
    scene.git(&["config", "--worktree", "filter.theirs.clean", "cat"]);
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let dir = &workspace.path;
    let file = workspace.admin_dir.join("config.worktree");
    assert!(fs::read_to_string(&file).unwrap().contains("theirs"));
    git(dir, &["config", "--worktree", "core.sparseCheckoutCone", "true"]);
    git(dir, &["config", "--worktree", "index.sparse", "false"]);
    write(&dir.join(".gitattributes"), "* filter=x\n");
    write(&dir.join("README.md"), "START\n");
    assert_eq!(repo.status(dir).unwrap().changed, 1);
    let good = fs::read(&file).unwrap();
    let include = scene.base.join("included");
    write(&include, format!("[filter \"x\"]\n\tclean = {}\n", trap.program()));
    for (key, value) in [
        ("filter.x.clean", trap.program()),
        ("filter.theirs.clean", trap.program()),
        ("include.path", include.to_str().unwrap()),
    ] {
        git(dir, &["config", "--worktree", key, value]);
        if key != "filter.theirs.clean" {
            trap.assert_real(dir, &["--no-optional-locks", "status"]);
        }
        for (doing, error) in [
            ("status", repo.status(dir).unwrap_err()),
            ("commit_all", repo.commit_all(&workspace, "work", None).unwrap_err()),
            ("remove", repo.remove(&name("one"), &RemoveOptions::default()).unwrap_err()),
        ] {
            assert!(matches!(&error, Error::UnusablePath { path, .. } if *path == file), "{doing}: {error}");
            trap.assert_unsprung(doing);
        }
        fs::write(&file, &good).unwrap();
    }
    let kept = repo.remove(&name("one"), &RemoveOptions::default()).unwrap().work.unwrap();
    assert_eq!(scene.git(&["show", &format!("{}:README.md", kept.reference)]), "START");
    trap.assert_unsprung("remove");
}

/// Puts a pipe without a writer there, and afterwards a link to a device without end.
fn endless(path: &Path) -> [fn(&Path); 2] {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::remove_file(path).ok();
    [
        |path| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        },
        |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
    ]
}

#[test]
fn what_can_t_be_read_to_an_end_keeps_nobody_waiting() {
    let files = [
        "locked",
        "HEAD",
        "gitdir",
        "commondir",
        "index",
        "logs/HEAD",
        "rebase-merge/head-name",
        "rebase-merge/autostash",
        "rebase-apply/head-name",
        "BISECT_START",
    ];
    for file in files {
        let scene = Scene::new();
        let mut settings = crate::scene::settings();
        settings.deadline = std::time::Duration::from_secs(20);
        let repo = Repository::discover_with(&scene.root, settings).unwrap();
        let workspace = create(&repo, "one");
        write(&workspace.path.join("new"), "precious");
        let path = workspace.admin_dir.join(file);
        let good = fs::read(&path).ok();
        for (round, put) in endless(&path).into_iter().enumerate() {
            put(&path);
            let fine = |doing: &str, result: missiond_git::Result<()>| match result {
                Ok(()) => {}
                Err(Error::UnusablePath { path: named, reason }) => {
                    assert_eq!(named, path, "{doing}: {reason}");
                }
                Err(Error::Redirected { path: named, .. }) if file == "gitdir" => {
                    assert_eq!(named, workspace.path, "{doing}");
                }
                Err(error) => panic!("{doing} with {file}: {error}"),
            };
            fine("worktrees", repo.worktrees().map(drop));
            fine("status", repo.status(&workspace.path).map(drop));
            fine("create", repo.create(&crate::scene::request(&format!("other-{round}"))).map(drop));
            fine(
                "merge",
                repo.merge(
                    &crate::scene::branch("agent/one"),
                    &crate::scene::branch("main"),
                    &crate::scene::update_if_clean(),
                )
                .map(drop),
            );
            let removed = repo.remove(&name("one"), &RemoveOptions::default());
            if removed.is_ok() {
                break;
            }
            fine("remove", removed.map(drop));
            assert_eq!(fs::read(workspace.path.join("new")).unwrap(), b"precious", "{file}");
            fs::remove_file(&path).unwrap();
        }
        if workspace.path.exists() {
            if let Some(good) = good {
                write(&path, good);
            }
            repo.remove(&name("one"), &RemoveOptions::default()).unwrap();
        }
        let kept = &repo.rescues().unwrap()[0].reference;
        assert_eq!(scene.git(&["show", &format!("{kept}:new")]), "precious", "{file}");
    }
}
