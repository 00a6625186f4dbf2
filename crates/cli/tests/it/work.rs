//! `worktree`, `diff`, `merge`.

use std::fs;

use serde_json::json;

use crate::support::{Scene, script};

fn write(scene: &Scene, path: &str, content: &str) -> String {
    let prompt = script(&json!([{ "write": { "path": path, "content": content } }]));
    let tasks = scene.json(&["run", "--agent", "scripted", &prompt]);
    assert_eq!(tasks[0]["status"], "done", "{tasks}");
    tasks[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn worktree_is_made_named_listed_and_removed_without_losing_work() {
    let scene = Scene::new();
    assert_eq!(scene.json(&["worktree", "list"]), json!([]));
    let path = scene.ok(&["worktree", "create", "42"]);
    let path = std::path::Path::new(path.trim());
    assert_eq!(path.file_name().unwrap(), "repo-42");
    assert!(path.join("README.md").is_file());
    scene.run(&["worktree", "create", "42"]).assert(1, &["exists already"]);
    scene.run(&["worktree", "create", "..."]).assert(2, &["can't name a branch"]);

    fs::write(path.join("notes.txt"), "unsaved").unwrap();
    let listed = scene.json(&["worktree", "list"]);
    assert_eq!(listed[0]["branch"], "feature/42");
    assert_eq!(listed[0]["uncommitted"], 1);
    assert!(scene.ok(&["worktree", "list"]).contains("1 file"));

    let removed = scene.json(&["worktree", "remove", "42"]);
    let rescue = removed["rescue"].as_str().unwrap();
    assert!(rescue.starts_with("refs/missiond/rescue/"), "{rescue}");
    assert_eq!(scene.repo.show(rescue, "notes.txt").unwrap(), "unsaved");
    assert!(!path.exists());
    assert!(scene.repo.branches().unwrap().contains(&"feature/42".to_owned()), "the branch stays");
    scene.run(&["worktree", "remove", "42"]).assert(6, &["there is no worktree `42`"]);
}

#[test]
fn worktree_of_a_task_at_work_is_not_removed() {
    let scene = Scene::new();
    let _up = scene.up();
    let prompt = script(&json!([{ "think_ms": 60_000 }]));
    let submitted = scene.json(&["task", "submit", "--agent", "scripted", "--issue", "9", &prompt]);
    let task = submitted[0]["task"].as_str().unwrap();
    let workspace = || scene.json(&["task", "show", task])["workspace"]["name"].as_str().map(str::to_owned);
    let name =
        missiond_testkit::processes::wait_until(crate::support::DEADLINE, "the worktree is there", workspace);
    assert_eq!(name.unwrap(), "repo-9");
    scene.run(&["worktree", "remove", "9"]).assert(1, &[task, "cancel it first"]);
    scene.ok(&["task", "cancel", task]);
}

#[test]
fn work_is_shown_and_merged() {
    let scene = Scene::new();
    let task = write(&scene, "new.txt", "one\ntwo\n");
    let short = &task[24..];
    let branch = format!("feature/{short}");
    for what in [short, branch.as_str()] {
        let diff = scene.ok(&["diff", what]);
        assert!(diff.contains("+++ b/new.txt") && diff.contains("+two"), "{diff}");
    }
    assert_eq!(scene.json(&["diff", short])["branch"].as_str(), Some(branch.as_str()));
    let merged = scene.json(&["merge", short]);
    assert_eq!(merged["outcome"], "merged");
    assert_eq!(merged["into"], "main");
    assert_eq!(fs::read_to_string(scene.repo.path().join("new.txt")).unwrap(), "one\ntwo\n");
    assert_eq!(scene.json(&["merge", &branch])["outcome"], "up_to_date");
    for command in ["diff", "merge"] {
        scene.run(&[command, "nothing"]).assert(6, &["no task and no branch `nothing`"]);
    }
    let queued = scene.submit("not begun");
    scene.run(&["merge", &queued]).assert(1, &["is queued"]);
}

#[test]
fn raw_patch_can_be_applied() {
    let scene = Scene::new();
    let task = write(&scene, "crlf.txt", "one\r\ntwo\u{9b}\r\n");
    let escaped = scene.ok(&["diff", &task]);
    assert!(escaped.contains("one\\u{d}") && escaped.contains("two\\u{9b}"), "{escaped}");
    let patch = scene.repo.beside("patch");
    fs::write(&patch, scene.ok(&["diff", "--raw", &task])).unwrap();
    scene.repo.git(&["apply", patch.to_str().unwrap()]).unwrap();
    assert_eq!(fs::read_to_string(scene.repo.path().join("crlf.txt")).unwrap(), "one\r\ntwo\u{9b}\r\n");
}

#[test]
fn conflict_names_the_paths_and_touches_nothing() {
    let scene = Scene::new();
    let (first, second) = (write(&scene, "same.txt", "mine\n"), write(&scene, "same.txt", "yours\n"));
    scene.ok(&["merge", &first]);
    let head = scene.repo.head().unwrap();
    let outcome = scene.run(&["merge", &second]);
    outcome.assert(1, &["conflicts", "nothing was touched"]);
    assert_eq!(outcome.out, "same.txt\n");
    let json = scene.run(&["merge", &second, "--json"]);
    assert_eq!(json.code, 1);
    assert!(json.out.contains("\"conflicts\"") && json.out.contains("same.txt"), "{json:#?}");
    assert_eq!(scene.repo.head().unwrap(), head);
    assert_eq!(scene.repo.git(&["status", "--porcelain"]).unwrap(), "");
}

#[test]
fn dirty_checkout_is_left_alone() {
    let scene = Scene::new();
    let task = write(&scene, "README.md", "# changed by an agent\n");
    scene.repo.write("README.md", "# changed by a person\n").unwrap();
    let head = scene.repo.head().unwrap();
    scene.run(&["merge", &task]).assert(1, &["not merged", "commit or stash"]);
    assert_eq!(scene.repo.head().unwrap(), head);
    assert_eq!(fs::read_to_string(scene.repo.path().join("README.md")).unwrap(), "# changed by a person\n");
    scene.repo.git(&["stash"]).unwrap();
    scene.repo.git(&["checkout", "-q", "--detach"]).unwrap();
    scene.run(&["merge", &task]).assert(1, &["not merged", "no branch is checked out"]);
    assert_eq!(scene.repo.head().unwrap(), head);
}
