//! Paths on a real file system with real links.

use std::{fs, os::unix::fs::symlink, path::Path};

use missiond_policy::{
    Access, Decision, Disk, Layer, NoLinks, PathError, Place, Policies, Policy, Protection, Surroundings,
    ToolCall, place_of,
};
use serde_json::json;
use tempfile::TempDir;

/// `ws` with files and links, `ws-evil` beside it, `project`, `tmp`, `state` and `home`.
pub fn world() -> (TempDir, Surroundings) {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    for name in ["ws/src/deep", "ws-evil", "project/.missiond", "tmp", "state", "home/.ssh", "outside/deep"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("home/.ssh/id_rsa"), "").unwrap();
    fs::write(root.join("ws/src/a.rs"), "").unwrap();
    let link = |to: &Path, from: &str| symlink(to, root.join(from)).unwrap();
    link(&root.join("outside"), "ws/out");
    link(&root.join("outside/deep"), "ws/deepout");
    link(Path::new("../outside"), "ws/relout");
    link(&root.join("home/.ssh/id_rsa"), "ws/innocent.txt");
    link(&root.join("state"), "ws/st");
    link(Path::new("src"), "ws/inner");
    link(Path::new("loop-b"), "ws/loop-a");
    link(Path::new("loop-a"), "ws/loop-b");
    link(&root.join("nowhere/x"), "ws/dangling");
    link(&root.join("ws/src/a.rs"), "ws/.env");
    link(&root.join("ws"), "ws-link");
    let mut surroundings = Surroundings::new(root.join("ws"), root.join("project"));
    surroundings.home = Some(root.join("home"));
    surroundings.temp_dirs = vec![root.join("tmp")];
    surroundings.protected = vec![root.join("state")];
    surroundings.can_ask = true;
    (dir, surroundings)
}

#[test]
fn s5_paths_are_judged_by_components_after_links_and_dots() {
    let (_dir, surroundings) = world();
    let root = surroundings.workspace.parent().unwrap();
    let check = |path: &str, access: Access, expected: Place| {
        let path = path.replace("ROOT", root.to_str().unwrap());
        let place = place_of(&path, &surroundings.workspace, access, &surroundings, &Disk);
        assert_eq!(place, Ok(expected), "{access:?} {path}");
    };
    use Access::{Delete, Read, Write};
    use Place::{Elsewhere, Protected, Temp, Workspace};
    check("src/a.rs", Read, Workspace);
    check("src/new/dir/file", Write, Workspace);
    check("ROOT/ws/src/a.rs", Read, Workspace);
    check("ROOT/ws-evil/x", Read, Elsewhere);
    check("ROOT/ws-evil/x", Write, Elsewhere);
    check("../ws-evil/x", Write, Elsewhere);
    check("../ws/src/a.rs", Write, Workspace);
    check("src/../../ws-evil", Read, Elsewhere);
    check("./././src/./a.rs", Read, Workspace);
    check("inner/a.rs", Write, Workspace);
    check("out/x", Read, Elsewhere);
    check("out/x", Write, Elsewhere);
    check("out/not/there/yet", Write, Elsewhere);
    check("relout/x", Write, Elsewhere);
    check("dangling", Write, Elsewhere);
    check("ROOT/ws-link/src/a.rs", Write, Workspace);
    check("ROOT/tmp/x", Write, Temp);
    check("ROOT/tmp/../ws-evil/x", Write, Elsewhere);
    // Programs disagree about `link/..`: the stricter reading counts.
    check("deepout/../x", Write, Elsewhere);
    check("inner/../src/a.rs", Write, Workspace);
    check("src/deep/../../out/../x", Read, Elsewhere);
    // Names that are protected, behind a link or as one.
    check("innocent.txt", Read, Protected(Protection::Credentials));
    check("st/mission.db", Read, Protected(Protection::State));
    check("st", Write, Protected(Protection::State));
    check(".env", Read, Protected(Protection::Environment));
    check("ROOT/project/.missiond/x", Read, Protected(Protection::State));
    check("ROOT/home/.ssh/known_hosts", Read, Protected(Protection::Credentials));
    check("/proc/1/environ", Read, Protected(Protection::Kernel));
    check("/proc/self/root/etc/passwd", Read, Protected(Protection::Kernel));
    check("/dev/null", Write, Temp);
    check("/dev/sda", Write, Protected(Protection::Kernel));
    check(".git/config", Read, Workspace);
    check(".git/config", Write, Protected(Protection::Git));
    // What everything else lies in.
    check(".", Delete, Protected(Protection::Root));
    check("..", Delete, Protected(Protection::Root));
    check("/", Delete, Protected(Protection::Root));
    check("/", Write, Protected(Protection::Root));
    check("/etc", Delete, Protected(Protection::Root));
    check("/home/someone", Delete, Protected(Protection::Root));
    check("ROOT/tmp", Delete, Protected(Protection::Root));
    check("ROOT/home", Delete, Protected(Protection::Root));
    check("ROOT/project", Delete, Protected(Protection::Root));
    check("src", Delete, Workspace);
    check(".", Write, Workspace);
}

#[test]
fn s5_paths_that_cant_be_judged_are_errors() {
    let (_dir, surroundings) = world();
    let check = |path: &str, expected: PathError| {
        let place = place_of(path, &surroundings.workspace, Access::Read, &surroundings, &Disk);
        assert_eq!(place, Err(expected), "{path:?}");
    };
    check("", PathError::Empty);
    check("a\0b", PathError::ControlCharacter);
    check("a\u{7f}", PathError::ControlCharacter);
    check("a\u{85}", PathError::ControlCharacter);
    check("a\u{2215}b", PathError::LookAlikeSlash);
    check("a\u{2044}b", PathError::LookAlikeSlash);
    check("a\u{ff0f}b", PathError::LookAlikeSlash);
    check("a\u{29f8}b", PathError::LookAlikeSlash);
    check("a\u{200b}b", PathError::Invisible);
    check("a\u{202e}b", PathError::Invisible);
    check(&"a/".repeat(3000), PathError::TooLong);
    check("loop-a", PathError::Loop);
    check("loop-a/x", PathError::Loop);
    let place = place_of("x", Path::new("relative"), Access::Read, &surroundings, &NoLinks);
    assert_eq!(place, Err(PathError::Relative));
}

#[test]
fn s5_the_deepest_directory_counts() {
    let check = |surroundings: &Surroundings, path: &str, access: Access, expected: Place| {
        assert_eq!(place_of(path, Path::new("/"), access, surroundings, &NoLinks), Ok(expected), "{path}");
    };
    // A workspace below a temporary directory, beside another one's.
    let mut nested = Surroundings::new("/tmp/work/a", "/tmp/work/project");
    nested.temp_dirs = vec!["/tmp".into()];
    check(&nested, "/tmp/work/a/x", Access::Write, Place::Workspace);
    check(&nested, "/tmp/work/project/x", Access::Write, Place::Elsewhere);
    check(&nested, "/tmp/x", Access::Write, Place::Temp);
    // A workspace below directories whose names are protected.
    let hidden = Surroundings::new("/home/dev/p/.claude/worktrees/a", "/home/dev/p");
    check(&hidden, "/home/dev/p/.claude/worktrees/a/x", Access::Write, Place::Workspace);
    let state = Surroundings::new("/p/.missiond/worktrees/a", "/p");
    check(&state, "/p/.missiond/worktrees/a/x", Access::Write, Place::Workspace);
    check(&state, "/p/.missiond/worktrees/b/x", Access::Write, Place::Protected(Protection::State));
    // A shared directory inside the state, given as a temporary one.
    let mut shared = Surroundings::new("/ws", "/p");
    shared.temp_dirs = vec!["/p/.missiond/shared".into()];
    check(&shared, "/p/.missiond/shared/x", Access::Write, Place::Temp);
    check(&shared, "/p/.missiond/policy.toml", Access::Write, Place::Protected(Protection::State));
    // A workspace at the root of the file system makes nothing the agent's.
    check(&Surroundings::new("/", "/"), "/etc/passwd", Access::Write, Place::Elsewhere);
}

#[test]
fn h6_what_lies_beside_and_above_counts() {
    let judge = |surroundings: &Surroundings, command: &str| {
        let call = ToolCall::new("Bash", json!({ "command": command }), &surroundings.workspace);
        Policies::default().judge_with(&call, surroundings, &NoLinks).decision
    };
    let mut nested = Surroundings::new("/tmp/work/a", "/tmp/work/project");
    nested.temp_dirs = vec!["/tmp".into(), "/var/tmp".into()];
    nested.protected = vec!["/var/tmp/missiond-1000/run".into(), "/tmp/x/state/db".into()];
    nested.can_ask = true;
    let check =
        |command: &str, expected: Decision| assert_eq!(judge(&nested, command), expected, "{command}");
    check("rm -rf ../b", Decision::Deny);
    check("rm -rf /tmp/work/b", Decision::Deny);
    check("rm -rf /tmp/work", Decision::Deny);
    check("mv ../project ../other", Decision::Deny);
    check("touch ../b/x", Decision::Deny);
    check("cat ../b/x", Decision::Allow);
    check("rm -rf target", Decision::Allow);
    check("rm -rf /tmp/scratch", Decision::Allow);
    check("touch /tmp/scratch/x", Decision::Allow);
    // Above what is protected.
    check("rm -rf /tmp/x/state", Decision::Deny);
    check("rm -rf /tmp/x", Decision::Deny);
    check("mv /tmp/x /tmp/y", Decision::Deny);
    check("chmod 000 /tmp/x", Decision::Deny);
    check("chmod -R 777 /tmp/x/state", Decision::Deny);
    check("cp a.txt /tmp/x", Decision::Allow);
    // Looking through what holds it.
    check("grep -r KEY /tmp", Decision::Ask);
    check("rg KEY /tmp/x", Decision::Ask);
    check("cd /tmp && rg KEY", Decision::Ask);
    check("cp -r /tmp/x copy", Decision::Ask);
    check("grep -r KEY /tmp/y", Decision::Allow);
    check("grep -r KEY .", Decision::Allow);
    check("ls /tmp", Decision::Allow);
    // Other programs' runtime directories.
    for name in ["missiond-1000", "tmux-1000", "ssh-XXXXabc", "systemd-private-abc", ".X11-unix", "TMUX-0"] {
        check(&format!("rm -rf /tmp/{name}"), Decision::Deny);
        check(&format!("touch /tmp/{name}/x"), Decision::Deny);
        check(&format!("cat /var/tmp/{name}/x"), Decision::Deny);
        check(&format!("ls /tmp/{name}"), Decision::Deny);
    }
    check("ls /tmp/sub/tmux-1000", Decision::Allow);
    // Directly in the temporary directory everything else there is a sibling.
    let mut direct = Surroundings::new("/tmp/missiond-test", "/tmp/missiond-test");
    direct.temp_dirs = vec!["/tmp".into(), "/var/tmp".into()];
    direct.can_ask = true;
    assert_eq!(judge(&direct, "rm -rf ../sibling"), Decision::Deny);
    assert_eq!(judge(&direct, "touch src/x"), Decision::Allow);
    assert_eq!(judge(&direct, "touch /var/tmp/x"), Decision::Allow);
    assert_eq!(judge(&direct, "cat /tmp/tmux-1000/default"), Decision::Deny);
}

#[test]
fn s5_calls_follow_links_at_the_moment_they_are_judged() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    let policies = Policies::default();
    let judge = |tool: &str, input: serde_json::Value| {
        policies.judge(&ToolCall::new(tool, input, ws), &surroundings).decision
    };
    let bash = |command: &str| judge("Bash", json!({ "command": command }));
    assert_eq!(bash("cat src/a.rs"), Decision::Allow);
    assert_eq!(bash("cat inner/a.rs"), Decision::Allow);
    assert_eq!(bash("cat out/x"), Decision::Allow);
    assert_eq!(bash("rm -rf out/x"), Decision::Deny);
    assert_eq!(bash("cat innocent.txt"), Decision::Deny);
    assert_eq!(bash("cp src/a.rs deepout/"), Decision::Deny);
    assert_eq!(bash("cd out && touch x"), Decision::Deny);
    assert_eq!(bash("cd deepout && cat ../x"), Decision::Allow);
    assert_eq!(judge("Write", json!({ "file_path": "out/x" })), Decision::Deny);
    assert_eq!(judge("Read", json!({ "file_path": "innocent.txt" })), Decision::Deny);
    // The same path, after the link under it was changed.
    assert_eq!(judge("Write", json!({ "file_path": "later/x" })), Decision::Allow);
    symlink(surroundings.home.as_ref().unwrap(), ws.join("later")).unwrap();
    assert_eq!(judge("Write", json!({ "file_path": "later/x" })), Decision::Deny);
}

#[test]
fn git_runs_only_in_the_workspaces_own_repository() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    let bash = |command: &str| {
        let call = ToolCall::new("Bash", json!({ "command": command }), ws);
        Policies::default().judge(&call, &surroundings).decision
    };
    let bare = |at: &Path| {
        fs::create_dir_all(at.join("objects")).unwrap();
        fs::create_dir_all(at.join("refs")).unwrap();
        fs::write(at.join("HEAD"), "").unwrap();
    };
    fs::create_dir(ws.join(".git")).unwrap();
    assert_eq!(bash("git status"), Decision::Allow);
    assert_eq!(bash("git -C src status"), Decision::Allow);
    bare(&ws.join("src/bare"));
    fs::create_dir_all(ws.join("src/bare/below")).unwrap();
    assert_eq!(bash("git -C src/bare status"), Decision::Ask);
    assert_eq!(bash("git -C src/bare/below log"), Decision::Ask);
    assert_eq!(bash("git -C src/bare/objects log"), Decision::Ask);
    assert_eq!(bash("cd src/bare && git status"), Decision::Ask);
    assert_eq!(bash("git -C src status"), Decision::Allow);
    fs::create_dir_all(ws.join("module")).unwrap();
    fs::write(ws.join("module/.git"), "gitdir: ../src/bare").unwrap();
    assert_eq!(bash("git -C module status"), Decision::Ask);
    let temp = &surroundings.temp_dirs[0];
    bare(&temp.join("bare"));
    assert_eq!(bash(&format!("git -C {} status", temp.join("bare").display())), Decision::Ask);
    let call = ToolCall::new("Bash", json!({ "command": "git status", "workdir": "module" }), ws);
    assert_eq!(Policies::default().judge(&call, &surroundings).decision, Decision::Ask);
    // A workspace that is no repository, or one that was made of its files.
    fs::remove_dir(ws.join(".git")).unwrap();
    assert_eq!(bash("git status"), Decision::Allow);
    bare(ws);
    assert_eq!(bash("git status"), Decision::Ask);
}

#[test]
fn s5_rules_follow_links_too() {
    let (_dir, surroundings) = world();
    let root = surroundings.workspace.parent().unwrap().to_str().unwrap().to_owned();
    fs::create_dir_all(surroundings.workspace.join("secrets")).unwrap();
    symlink(surroundings.workspace.join("secrets"), surroundings.workspace.join("s")).unwrap();
    symlink("/etc", surroundings.workspace.join("src/etc")).unwrap();
    let judge = |rules: &str, tool: &str, path: &str| {
        let text = format!("version = 1\npreset = 'strict'\n{}", rules.replace("ROOT", &root));
        let policies = Policies::new([Policy::parse(&text, "p", Layer::User).unwrap()]).unwrap();
        let input = json!({ "file_path": path.replace("ROOT", &root) });
        policies.judge(&ToolCall::new(tool, input, &surroundings.workspace), &surroundings).decision
    };
    let check = |rules: &str, tool: &str, path: &str, expected: Decision| {
        assert_eq!(judge(rules, tool, path), expected, "{rules} {tool} {path}");
    };
    use Decision::{Allow, Ask, Deny};
    for path in [
        "secrets/x",
        "./secrets/a/b",
        "ROOT/ws/secrets",
        "s/x",
        "src/../secrets/x",
        "SECRETS/x",
        "ROOT/ws-link/secrets/x",
    ] {
        check("deny = ['Read(./secrets/**)']", "Read", path, Deny);
    }
    check("deny = ['Read(./secrets/**)']", "Read", "secretsx/a", Allow);
    check("deny = ['Read(./secrets/**)']", "Read", "src/secrets/a", Allow);
    check("deny = ['Read(secrets/)']", "Read", "src/secrets/a", Deny);
    check("deny = ['Read(*.log)']", "Read", "src/a.log", Deny);
    check("deny = ['Read(./*.log)']", "Read", "src/a.log", Allow);
    check("deny = ['Read(/src/*.rs)']", "Read", "src/a.rs", Deny);
    check("deny = ['Read(/src/*.rs)']", "Read", "src/deep/a.rs", Allow);
    check("deny = ['Read(/src/**/*.rs)']", "Read", "src/deep/a.rs", Deny);
    check("deny = ['Read(//ROOT/outside/**)']", "Read", "out/x", Deny);
    check("deny = ['Read(ws-evil/**)']", "Read", "../ws-evil/x", Ask);
    check("deny = ['Read(/etc/**)']", "Read", "/etc/passwd", Deny);
    // Where a rule names a link, what it leads to is meant.
    check("deny = ['Read(./s/**)']", "Read", "secrets/x", Deny);
    check("deny = ['Read(~/notes/**)']", "Read", "ROOT/home/notes/a", Deny);
    check("deny = ['Edit(src/**)']", "Write", "src/a.rs", Deny);
    check("deny = ['Write(src/**)']", "MultiEdit", "src/a.rs", Deny);
    check("deny = ['Edit(src/**)']", "Read", "src/a.rs", Allow);
    check("deny = ['Edit']", "Write", "src/a.rs", Ask);
    // An allow rule speaks of where a path leads, and nothing else.
    check("allow = ['Edit(src/**)']", "Write", "src/deep/new.rs", Allow);
    check("allow = ['Edit(src/**)']", "Write", "inner/new.rs", Allow);
    check("allow = ['Edit(src/**)']", "Write", "src/etc/passwd", Deny);
    check("allow = ['Edit(src/**)']", "Write", "other/new.rs", Ask);
    check("allow = ['Edit(src/**)']", "Write", "SRC/new.rs", Ask);
    check("allow = ['Read(out/**)']", "Read", "out/x", Ask);
    check("allow = ['Read(//ROOT/outside/**)']", "Read", "out/x", Allow);
    check("allow = ['Read(./.env)']", "Read", ".env", Ask);
    check("allow = ['Edit(.env.local)']", "Write", ".env.local", Allow);
    check("allow = ['Edit']", "Write", ".env.local", Ask);
    check("allow = ['Edit']", "Edit", "src/a.rs", Allow);
    check("allow = ['Read(~/.ssh/**)']", "Read", "~/.ssh/id_rsa", Deny);
}

#[test]
fn rules_for_files_hold_for_commands_too() {
    let (_dir, surroundings) = world();
    let judge = |rules: &str, command: &str| {
        let text = format!("version = 1\n{rules}");
        let policies = Policies::new([Policy::parse(&text, "p", Layer::User).unwrap()]).unwrap();
        let call = ToolCall::new("Bash", json!({ "command": command }), &surroundings.workspace);
        policies.judge(&call, &surroundings).decision
    };
    let deny = "deny = ['Read(./secrets/**)', 'Edit(vendor/**)']";
    assert_eq!(judge(deny, "cat secrets/x"), Decision::Deny);
    assert_eq!(judge(deny, "cat secrets/*"), Decision::Deny);
    assert_eq!(judge(deny, "ls && cat < secrets/x"), Decision::Deny);
    assert_eq!(judge(deny, "cd secrets && cat x"), Decision::Deny);
    assert_eq!(judge(deny, "mytool --config=secrets/x"), Decision::Deny);
    assert_eq!(judge(deny, "rm -rf vendor/a"), Decision::Deny);
    assert_eq!(judge(deny, "echo x > vendor/a"), Decision::Deny);
    assert_eq!(judge(deny, "cat vendor/a"), Decision::Allow);
    assert_eq!(judge("ask = ['Read(./src/**)']", "cat src/a.rs"), Decision::Ask);
    assert_eq!(judge("allow = ['Read(//etc/hosts)']", "cat /etc/hosts"), Decision::Allow);
    assert_eq!(judge("allow = ['Bash(cat:*)']", "cat /etc/hosts"), Decision::Allow);
    assert_eq!(judge("allow = ['Bash(cat:*)']", "cat .env"), Decision::Ask);
    assert_eq!(judge("allow = ['Bash']", "cat ~/.ssh/id_rsa"), Decision::Deny);
}
