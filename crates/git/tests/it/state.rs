//! What this crate keeps in a repository, its lock, and what a containment must open.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use missiond_git::{Error, Repository};

use crate::scene::{Scene, create, git, request, settings, write};

#[test]
fn the_state_directory_is_hidden_but_for_what_is_kept() {
    let scene = Scene::new();
    let repo = scene.open();
    let exclude = scene.root.join(".git/info/exclude");
    fs::write(&exclude, "theirs").unwrap();
    let keep = ["config.toml", "policy.toml", "agents/"];
    assert!(repo.exclude_state_dir(".missiond", &keep).unwrap());
    let once = fs::read_to_string(&exclude).unwrap();
    assert!(!repo.exclude_state_dir(".missiond/", &keep).unwrap());
    assert_eq!(fs::read_to_string(&exclude).unwrap(), once);
    assert!(once.starts_with("theirs\n"));
    for file in ["config.toml", "policy.toml", "agents/x.toml", "mission.db", "logs/a", "secret"] {
        scene.write(PathBuf::from(".missiond").join(file), "x");
    }
    scene.write("deeper/.missiond/mission.db", "x");
    let status = scene.git(&["status", "--porcelain", "-uall"]);
    let expected = "?? .missiond/agents/x.toml\n?? .missiond/config.toml\n?? .missiond/policy.toml\n?? deeper/.missiond/mission.db";
    assert_eq!(status, expected);

    assert!(repo.exclude_state_dir("odd [x]*!", &[]).unwrap());
    scene.write("odd [x]*!/a", "x");
    scene.write("odd x/b", "x");
    let status = scene.git(&["status", "--porcelain", "-uall"]);
    assert!(status.contains("odd x/b") && !status.contains("odd [x]"), "{status}");
    for bad in ["", "/abs", "../up", "a\nb"] {
        assert!(matches!(repo.exclude_state_dir(bad, &[]), Err(Error::UnusablePath { .. })), "{bad:?}");
    }
    // It works where git made no `info` folder, and for linked worktrees, which share it.
    fs::remove_dir_all(scene.root.join(".git/info")).unwrap();
    repo.exclude_state_dir(".missiond", &keep).unwrap();
    let workspace = create(&repo, "one");
    write(&workspace.path.join(".missiond/mission.db"), "x");
    assert_eq!(git(&workspace.path, &["status", "--porcelain"]), "");
}

#[test]
fn g6_a_held_lock_is_waited_for_and_its_owner_named() {
    let scene = Scene::new();
    let mut settings = settings();
    settings.lock_wait = Duration::from_millis(100);
    let repo = Repository::discover_with(&scene.root, settings).unwrap();
    create(&repo, "first");
    let path = scene.root.join(".git/missiond/lock");
    // Another program that holds it, by flock(1).
    let mut holder = Command::new("flock")
        .arg(&path)
        .args(["sh", "-c", "echo held; read end"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.as_mut().unwrap()), &mut line)
        .unwrap();
    let began = Instant::now();
    let error = repo.create(&request("second")).unwrap_err();
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert!(matches!(error, Error::LockHeld { .. }), "{error}");
    // The note is that of the last one who took it through this crate: this process.
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.to_string().contains("create a workspace"), "{error}");
    // A dead holder leaves no lock behind.
    holder.kill().unwrap();
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let patient = scene.open();
    patient.create(&request("second")).unwrap();
}

#[test]
fn g7_a_commit_writes_only_where_it_is_said_to() {
    let scene = Scene::new();
    let repo = scene.open();
    let workspace = create(&repo, "one");
    let paths = repo.access_paths(&workspace);
    for path in paths.writable.iter().chain(&paths.read_only) {
        assert!(path.is_absolute() && path.exists(), "{path:?}");
    }
    let before = stamps(&scene.base);
    write(&workspace.path.join("new"), "n");
    git(&workspace.path, &["add", "-A"]);
    git(&workspace.path, &["commit", "-q", "-m", "by git itself"]);
    git(&workspace.path, &["status"]);
    let after = stamps(&scene.base);
    let touched: Vec<_> = after.iter().filter(|(path, stamp)| before.get(*path) != Some(stamp)).collect();
    assert!(touched.len() > 5, "a commit touches more than that");
    let below = |list: &[PathBuf], path: &Path| list.iter().any(|above| path.starts_with(above));
    for (path, _) in touched {
        if path == &scene.root.join(".git") {
            // For a `packed-refs.lock` that comes and goes, which git can do without.
            continue;
        }
        // `worktrees` as a whole is read-only except for this workspace's part.
        let own = path.starts_with(&workspace.admin_dir);
        let protected: Vec<_> =
            paths.read_only.iter().filter(|p| !own || !workspace.admin_dir.starts_with(p)).cloned().collect();
        assert!(below(&paths.writable, path), "{path:?} isn't said to be writable");
        assert!(!below(&protected, path), "{path:?} is said to be read-only");
    }
    assert!(below(&paths.read_only, &scene.root.join(".git/config")));
    assert!(below(&paths.read_only, &scene.root.join(".git/hooks/post-commit")));
    assert!(!below(&paths.writable, &scene.root.join(".git/refs/heads/main")));
}

/// Each file's and directory's change time; a directory's tells of entries made or removed.
fn stamps(dir: &Path) -> HashMap<PathBuf, (i64, i64)> {
    let mut all = HashMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.insert(path, (meta.ctime(), meta.ctime_nsec()));
    }
    all
}

#[test]
fn a_damaged_record_is_named_and_left_alone() {
    let scene = Scene::new();
    let repo = scene.open();
    create(&repo, "good");
    let folder = scene.root.join(".git/missiond/workspaces");
    let good = fs::read(folder.join("good")).unwrap();
    let cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"garbage".to_vec(),
        good[..good.len() / 2].to_vec(),
        b"missiond 2\0name\0bad\0".to_vec(),
        // Another workspace's record under this name.
        good.clone(),
        vec![b'x'; 2 << 20],
    ];
    for case in cases {
        fs::write(folder.join("bad"), &case).unwrap();
        let recovery = repo.recover().unwrap();
        assert_eq!(recovery.problems.len(), 1);
        assert!(
            recovery.problems[0].error.to_string().contains("workspaces/bad"),
            "{}",
            recovery.problems[0].error
        );
        assert!(matches!(repo.list(), Err(Error::Damaged { .. })));
        assert!(repo.get(&crate::scene::name("good")).is_ok());
    }
    assert!(folder.join("bad").exists());
}
