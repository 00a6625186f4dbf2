//! `config`, and configurations that cannot be used.

use std::fs;

use serde_json::json;

use crate::support::{Scene, finish};

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
    fs::create_dir_all(format!("{worktree}/.missiond")).unwrap();
    fs::write(format!("{worktree}/.missiond/config.toml"), "[agent]\nturn_timeout = \"9m\"\n").unwrap();
    assert_eq!(scene.ok(&["-C", worktree, "config", "get", "agent.turn_timeout"]), "5m\n");
}
