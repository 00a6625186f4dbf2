//! `config`, and configurations that cannot be used.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Scene, collect, finish};

#[test]
fn unknown_key_is_named_with_a_suggestion() {
    let scene = Scene::configured("[agent]\nturn_timeuot = \"5m\"\n");
    for args in [&["status"][..], &["run", "--agent", "scripted", "x"], &["config", "validate"], &["up"]] {
        scene
            .run(args)
            .assert(3, &["agent.turn_timeuot", "did you mean `agent.turn_timeout`", "config.toml"]);
    }
    let doctor = scene.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.out.contains("turn_timeuot"), "{doctor:#?}");
}

#[test]
fn unusable_files_are_configuration_errors() {
    let check = |file: &str, content: &str, args: &[&str], said: &str| {
        let scene = Scene::new();
        scene.repo.write(file, content).unwrap();
        scene.run(args).assert(3, &[said]);
    };
    check(".missiond/config.toml", "[agent\n", &["status"], "malformed");
    check(".missiond/config.toml", "[agent]\nturn_timeout = \"never\"\n", &["status"], "length of time");
    check(".missiond/config.toml", "[worktree]\nbase_path = \"${NOT_SET}\"\n", &["status"], "NOT_SET");
    check(".missiond/agents/odd.toml", "version = 1\n", &["status"], "odd.toml");
    check(".missiond/policy.toml", "nonsense = true\n", &["config", "validate"], "policy");
    check(".missiond/policy.toml", "nonsense = true\n", &["run", "--agent", "scripted", "x"], "policy");
    let unasked =
        "[[slot]]\nid = \"a\"\nagent = \"claude\"\nargs = [\"--permission-mode=bypassPermissions\"]\n";
    for args in [&["config", "validate"][..], &["run", "x"], &["up", "--drain"]] {
        check(".missiond/config.toml", unasked, args, "--permission-mode=bypassPermissions");
    }
}

#[test]
fn what_is_no_file_of_a_fair_size_is_not_read() {
    let check = |file: &str, make: &dyn Fn(&Path), args: &[&str], said: &str| {
        let scene = Scene::new();
        let path = scene.repo.path().join(".missiond").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        make(&path);
        scene.run(args).assert(3, &[file, said]);
    };
    let pipe = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let endless = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let bytes = |path: &Path| fs::write(path, b"# \xff\n").unwrap();
    let huge = |path: &Path| fs::write(path, vec![b'\n'; 1 << 23]).unwrap();
    let files: [(&str, &[&str], &str); 3] = [
        ("config.toml", &["status"], "larger than"),
        ("agents/odd.toml", &["status"], "over 1 MiB"),
        ("policy.toml", &["config", "validate"], "more than"),
    ];
    for (file, args, too_large) in files {
        check(file, &pipe, args, "regular file");
        check(file, &endless, args, "regular file");
        check(file, &bytes, args, "UTF-8");
        check(file, &huge, args, too_large);
    }
    check("config.toml", &pipe, &["config", "set", "agent.turn_timeout", "5m"], "regular file");
}

#[test]
fn what_is_misspelt_on_the_command_line_is_told_with_a_mission_and_without() {
    let scene = Scene::new();
    let misspelt = ["--set", "agent.turn_timeuot=5m", "status"];
    scene.run(&misspelt).assert(3, &["command line", "did you mean `agent.turn_timeout`"]);
    let _up = scene.up();
    scene.run(&misspelt).assert(3, &["command line", "did you mean `agent.turn_timeout`"]);
    scene
        .run(&["--set", "agent.turn_timeout=5m", "status"])
        .assert(0, &["no effect on the mission that runs"]);
    scene.run(&["status"]).assert(0, &[]);
}

#[test]
fn keys_are_listed_although_the_file_is_wrong() {
    let scene = Scene::configured("[agent]\nturn_timeuot = \"5m\"\n");
    let shown = scene.run(&["config", "show"]);
    shown.assert(3, &["agent.turn_timeuot", "with their defaults"]);
    assert!(shown.out.contains("agent.turn_timeout") && shown.out.contains("30m"), "{shown:#?}");
}

#[test]
fn slot_whose_agent_could_not_be_judged_opens_no_mission() {
    let slot = "[[slot]]\nid = \"one\"\nagent = \"scripted\"\n";
    let check = |config: &str, said: &str| {
        let scene = Scene::configured(config);
        let deaf = agent_file("deaf").replace("hooks = \"claude\"\n", "");
        scene.repo.write(".missiond/agents/deaf.toml", deaf).unwrap();
        scene.ok(&["task", "submit", "hello"]);
        for args in [&["config", "validate"][..], &["up", "--drain"], &["run", "x"]] {
            scene.run(args).assert(3, &["slot `one`", said]);
        }
        assert_eq!(scene.json(&["task", "list"])[0]["status"], "queued", "the queue keeps its tasks");
    };
    check(&format!("[security]\nenable_hooks = false\n{slot}"), "`security.enable_hooks` is false");
    check(&slot.replace("scripted", "deaf"), "agent `deaf` names no hooks");
}

#[test]
fn misspelt_environment_variable_is_a_configuration_error() {
    let scene = Scene::new();
    let run = |name: &str, args: &[&str]| {
        let mut command = scene.command(args);
        command.env(name, "10m");
        finish(command)
    };
    run("MISSIOND_AGENT_TURN_TIMEUOT", &["status"])
        .assert(3, &["did you mean `MISSIOND_AGENT_TURN_TIMEOUT`?"]);
    run("MISSIOND_AGENT_TURN_TIMEOUT", &["status"]).assert(0, &[]);
    run("MISSIOND_LOG", &["status"]).assert(0, &[]);
    let mut command = scene.command(&["status"]);
    command.env("MISSIOND_WORKTREE_BASE_PATH", OsStr::from_bytes(b"/\xff"));
    finish(command).assert(3, &["MISSIOND_WORKTREE_BASE_PATH", "a text in UTF-8"]);
}

#[test]
fn values_are_set_read_and_traced() {
    let scene = Scene::configured("# ours\n[agent]\nturn_timeout = \"5m\" # short\n");
    assert_eq!(scene.ok(&["config", "get", "agent.turn_timeout"]), "5m\n");
    scene.ok(&["config", "set", "agent.turn_timeout", "10m"]);
    scene.ok(&["config", "set", "core.max_concurrent_agents", "3"]);
    let file = fs::read_to_string(scene.repo.path().join(".missiond/config.toml")).unwrap();
    assert!(file.contains("# ours") && file.contains("\"10m\" # short"), "comments stay: {file}");
    assert!(file.contains("max_concurrent_agents = 3"), "{file}");
    let origin = |args: &[&str]| {
        let mut command = scene.command(&[&["config", "get", "--show-origin", "--json"], args].concat());
        command.env("MISSIOND_AGENT_DEFAULT", "scripted");
        let outcome = finish(command);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let shown: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        (shown["value"].clone(), shown["origin"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(origin(&["security.default_policy"]), (json!("standard"), "default".to_owned()));
    assert_eq!(
        origin(&["agent.default"]),
        (json!("scripted"), "environment variable MISSIOND_AGENT_DEFAULT".to_owned())
    );
    let (value, from) = origin(&["core.max_concurrent_agents"]);
    assert_eq!(value, json!(3));
    assert!(from.starts_with("project file"), "{from}");
    let (value, from) = origin(&["agent.turn_timeout", "--set", "agent.turn_timeout=1m"]);
    assert_eq!((value, from.as_str()), (json!("1m"), "command line"));

    scene.ok(&["config", "set", "--user", "agent.turn_timeout", "7m"]);
    assert_eq!(
        scene.ok(&["config", "get", "agent.turn_timeout"]),
        "10m\n",
        "the project outranks the person"
    );
    scene.ok(&["config", "validate"]);
    let shown = scene.json(&["config", "show", "--show-origin"]);
    assert!(
        shown
            .as_array()
            .unwrap()
            .iter()
            .any(|key| key["key"] == "worktree.base_path" && key["value"] == "../")
    );
}

#[test]
fn bad_values_change_nothing() {
    let scene = Scene::configured("# untouched\n");
    for (key, value, said) in [
        ("agent.turn_timeuot", "5m", "did you mean `agent.turn_timeout`"),
        ("core.max_concurrent_agents", "501", "from 1 to 500"),
        ("security.enable_hooks", "maybe", "true or false"),
        ("worktree.naming_pattern", "work", "`{issue_id}`"),
        ("worktree.naming_pattern", "a/{issue_id}", "can be a directory"),
        ("worktree.naming_pattern", "{issue}-{issue_id}", "`{repo}`"),
        ("core.default_branch_prefix", "a..b", "as git takes it"),
        ("core.default_branch_prefix", "", "as git takes it"),
        ("core.default_branch_prefix", "team/", "as git takes it"),
        ("agent.turn_timeout", "\u{1b}[2J", "length of time"),
    ] {
        let outcome = scene.run(&["config", "set", key, value]);
        outcome.assert(3, &[said]);
        assert!(!outcome.err.contains('\u{1b}'));
    }
    assert_eq!(fs::read_to_string(scene.repo.path().join(".missiond/config.toml")).unwrap(), "# untouched\n");
    scene.run(&["config", "get", "agent.turn_timeuot"]).assert(3, &["did you mean"]);
}

#[test]
fn worktree_cannot_bring_its_own_configuration() {
    let scene = Scene::configured("[agent]\nturn_timeout = \"5m\"\n");
    let path = scene.ok(&["worktree", "create", "1"]);
    let worktree = path.trim();
    let bring = |file: &str, content: &str| {
        let file = Path::new(worktree).join(".missiond").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    };
    bring("config.toml", "[agent]\nturn_timeout = \"9m\"\n");
    assert_eq!(scene.ok(&["-C", worktree, "config", "get", "agent.turn_timeout"]), "5m\n");

    // Both would be refused, if they were read.
    bring("policy.toml", "nonsense = true\n");
    bring("agents/odd.toml", "nonsense = true\n");
    scene.ok(&["-C", worktree, "config", "validate"]);
    let decision = || {
        let answer = hook(&scene, Path::new(worktree), "curl https://example.com/install.sh");
        answer.pointer("/hookSpecificOutput/permissionDecision").unwrap().clone()
    };
    let before = decision();
    assert_ne!(before, "allow");
    let allowing = "version = 1\nallow = [\"Bash(curl:*)\"]\n";
    bring("policy.toml", allowing);
    assert_eq!(decision(), before, "an agent gave itself leave");
    bring("agents/odd.toml", &agent_file("odd"));
    let odd = ["-C", worktree, "task", "submit", "--agent", "odd", "x"];
    scene.run(&odd).assert(6, &["there is no agent kind `odd`"]);

    // In the project root the very same files count.
    scene.repo.write(".missiond/policy.toml", allowing).unwrap();
    assert_eq!(decision(), "allow");
    scene.repo.write(".missiond/agents/odd.toml", agent_file("odd")).unwrap();
    scene.ok(&odd);
}

fn agent_file(id: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/agents/scripted.toml");
    fs::read_to_string(source).unwrap().replacen("id = \"scripted\"", &format!("id = \"{id}\""), 1)
}

/// What the hook of an agent without a mission answers to a shell command.
fn hook(scene: &Scene, directory: &Path, command: &str) -> serde_json::Value {
    let event = json!({
        "session_id": "s", "cwd": directory, "permission_mode": "default", "tool_use_id": "toolu_1",
        "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": { "command": command },
    });
    let mut hook = scene.command(&["hook", "pre-tool-use"]);
    let mut child = hook.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.to_string().as_bytes()).unwrap();
    let outcome = collect(child);
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"))
}
