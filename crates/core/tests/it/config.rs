//! Configuration: layers, origins, and what is refused.

use std::path::Path;
use std::time::Duration;

use missiond_core::chain;
use missiond_core::config::{Config, KEYS, Settings, Sources, set_in_file};

fn project(text: &str) -> (tempfile::TempDir, Sources) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    (directory, Sources { project_file: Some(file), ..Sources::default() })
}

fn refused(text: &str) -> String {
    let (directory, sources) = project(text);
    let error = Config::load(&sources).expect_err(text);
    chain(&error).replace(directory.path().to_str().unwrap(), "DIR")
}

#[test]
fn the_strongest_layer_wins_and_says_so() {
    let (directory, mut sources) =
        project("[core]\nmax_concurrent_agents = 3\n[agent]\nturn_timeout = \"5m\"\n");
    let user = directory.path().join("user.toml");
    std::fs::write(&user, "[core]\nmax_concurrent_agents = 2\ndefault_branch_prefix = \"agent\"\n").unwrap();
    sources.user_file = Some(user);
    sources.environment = vec![
        ("MISSIOND_AGENT_TURN_TIMEOUT".to_owned(), "90s".to_owned()),
        ("MISSIOND_SESSION".to_owned(), "not a key".to_owned()),
    ];
    sources.overrides = vec![("security.default_policy".to_owned(), "strict".to_owned())];
    let config = Config::load(&sources).unwrap();
    let check = |name: &str, value: &str, origin: &str| {
        let entry = config.get(name).unwrap();
        assert_eq!(entry.value.to_string(), value, "{name}");
        assert!(entry.origin.to_string().starts_with(origin), "{name}: {}", entry.origin);
    };
    check("core.max_concurrent_agents", "3", "project file");
    check("core.default_branch_prefix", "\"agent\"", "user file");
    check("agent.turn_timeout", "\"90s\"", "environment variable MISSIOND_AGENT_TURN_TIMEOUT");
    check("security.default_policy", "\"strict\"", "command line");
    check("worktree.naming_pattern", "\"{repo}-{issue_id}\"", "default");
    let settings = Settings::from_config(&config, Path::new("/src/repo"), &|_| None).unwrap();
    assert_eq!(settings.turn_timeout, Duration::from_secs(90));
    assert_eq!(settings.workspace_base, Path::new("/src"));
}

#[test]
fn every_default_fits_its_own_key() {
    let config = Config::load(&Sources::default()).unwrap();
    for key in KEYS {
        assert_eq!(config.get(key.name).is_some(), key.default.is_some(), "{}", key.name);
        if let Some(default) = key.default {
            let (_directory, sources) = project(&format!("{} = {default}\n", key.name));
            Config::load(&sources).unwrap_or_else(|error| panic!("{}: {}", key.name, chain(&error)));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_place_and_a_remedy() {
    insta::assert_snapshot!(
        [
            "[core]\nmax_concurent_agents = 3\n",
            "[cor]\nmax_concurrent_agents = 3\n",
            "slots = []\n",
            "[core]\nmax_concurrent_agents = 501\n",
            "[core]\nmax_concurrent_agents = \"many\"\n",
            "[agent]\nturn_timeout = \"0s\"\n",
            "[agent]\nturn_timeout = \"soon\"\n",
            "[security]\ndefault_policy = \"lax\"\n",
            "[[slot]]\nid = \"a b\"\nagent = \"claude\"\n",
            "[[slot]]\nid = \"a\"\nagent = \"claude\"\nrolle = \"x\"\n",
            "[[slot]]\nid = \"a\"\nagent = \"claude\"\n[[slot]]\nid = \"a\"\nagent = \"claude\"\n",
            "[core\n",
            "[worktree]\nbase_path = \"a\\u0000b\"\n",
        ]
        .map(refused)
        .join("\n")
    );
}

#[test]
fn what_is_meant_is_guessed_only_from_what_is_close() {
    let check = |name: &str, near: Option<&str>| {
        let overrides = vec![(name.to_owned(), "x".to_owned())];
        let error = Config::load(&Sources { overrides, ..Sources::default() }).expect_err(name).to_string();
        match near {
            Some(near) => assert!(error.contains(&format!("did you mean `{near}`?")), "{name}: {error}"),
            None => assert!(!error.contains("did you mean"), "{name}: {error}"),
        }
    };
    check("agent.turn_timeuot", Some("agent.turn_timeout"));
    check("agent.turntimeout", Some("agent.turn_timeout"));
    check("core.turn_timeout", Some("agent.turn_timeout"));
    check("Core.Max_Concurrent_Agents", Some("core.max_concurrent_agents"));
    check("slots", Some("slot"));
    for name in ["core.nope", "core.x", "agent.name", "x", "", "security", "github.owner"] {
        check(name, None);
    }
}

#[test]
fn misspelt_environment_variable_is_refused() {
    let load = |name: &str| {
        let environment = vec![(name.to_owned(), "10m".to_owned())];
        Config::load(&Sources { environment, ..Sources::default() }).map_err(|error| chain(&error))
    };
    let check = |name: &str, said: &str| {
        let error = load(name).expect_err(name);
        assert!(error.contains(name) && error.contains(said), "{name}: {error}");
    };
    check("MISSIOND_AGENT_TURN_TIMEUOT", "did you mean `MISSIOND_AGENT_TURN_TIMEOUT`?");
    check("MISSIOND_TURN_TIMEOUT", "sets no key; unset it");
    check("MISSIOND_NOPE", "sets no key; unset it");
    check("MISSIOND_", "sets no key; unset it");
    check("MISSIOND_SESSIONS", "sets no key; unset it");
    // What is no key of ours, and what nobody means for us.
    for name in [
        "MISSIOND_LOG",
        "MISSIOND_SESSION",
        "MISSIOND_SHARED_DIRECTORY",
        "MISSIOND_TEST_X",
        "MISSION_X",
        "missiond_x",
    ] {
        load(name).unwrap();
    }
}

#[test]
fn paths_are_expanded_and_an_unset_variable_is_named() {
    let settings = |text: &str| {
        let (_directory, sources) = project(&format!("[worktree]\nbase_path = \"{text}\"\n"));
        let config = Config::load(&sources).unwrap();
        let variable = |name: &str| match name {
            "HOME" => Some("/home/dev".to_owned()),
            "WORK" => Some("work".to_owned()),
            _ => None,
        };
        Settings::from_config(&config, Path::new("/src/repo"), &variable)
    };
    let check = |text: &str, expected: &str| {
        assert_eq!(settings(text).unwrap().workspace_base, Path::new(expected), "{text}");
    };
    check("~/trees", "/home/dev/trees");
    check("${HOME}/${WORK}/x", "/home/dev/work/x");
    check("trees", "/src/repo/trees");
    check("../../up", "/up");
    check("/abs", "/abs");
    let error = settings("${NOPE}/x").unwrap_err().to_string();
    assert!(error.contains("NOPE") && error.contains("worktree.base_path"), "{error}");
}

#[test]
fn setting_a_key_keeps_everything_else() {
    let (directory, sources) = project(
        "# ours\n[core]\nmax_concurrent_agents = 3 # enough\n\n[[slot]]\nid = \"a\"\nagent = \"claude\"\n",
    );
    let file = sources.project_file.clone().unwrap();
    set_in_file(&file, "core.max_concurrent_agents", "7").unwrap();
    set_in_file(&file, "agent.turn_timeout", "10m").unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(&file).unwrap());
    let before = std::fs::read_to_string(&file).unwrap();
    for (name, value) in
        [("core.nope", "1"), ("core.max_concurrent_agents", "0"), ("agent.turn_timeout", "x")]
    {
        set_in_file(&file, name, value).expect_err(name);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no file is left beside it");
}

#[cfg(feature = "policy")]
#[test]
fn s4_s8a_a_repository_is_never_looser_than_the_person() {
    use std::fs;

    use missiond_core::adapters::PolicyGate;
    use missiond_core::control::ProjectPaths;
    use missiond_policy::{Decision, ToolCall};

    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap().join("project");
    fs::create_dir_all(root.join(".missiond")).unwrap();
    fs::create_dir_all(root.join("home")).unwrap();
    let gate = |user: &str, user_policy: &str, project: &str, overrides: &[(&str, &str)]| {
        let user_file = root.join("home/config.toml");
        fs::write(&user_file, user).unwrap();
        fs::write(root.join("home/policy.toml"), format!("version = 1\n{user_policy}")).unwrap();
        let project_file = root.join(".missiond/config.toml");
        fs::write(&project_file, project).unwrap();
        let overrides =
            overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = Config::load(&Sources {
            user_file: Some(user_file),
            project_file: Some(project_file),
            overrides,
            ..Sources::default()
        })
        .unwrap();
        let home = |name: &str| (name == "HOME").then(|| "/home/somebody".to_owned());
        let settings = Settings::from_config(&config, &root, &home).map_err(|error| chain(&error))?;
        PolicyGate::load(&ProjectPaths::new(&root).unwrap(), &settings, &config)
            .map_err(|error| chain(&error))
    };
    let decides = |gate: &PolicyGate, command: &str| {
        let call = ToolCall::new("Bash", serde_json::json!({ "command": command }), &root);
        let mut surroundings = gate.surroundings(&root, &root);
        surroundings.can_ask = true;
        gate.policies().judge(&call, &surroundings).decision
    };
    // A `[policy]` of the project's stands beside the person's, and not in its place.
    let deny = "[policy]\nversion = 1\ndeny = [\"Bash(cargo test:*)\"]\n";
    let more = "[policy]\nversion = 1\nallow = [\"Bash(frob:*)\"]\n";
    let both = gate(deny, "deny = ['Bash(cargo doc:*)']", more, &[]).unwrap();
    assert_eq!(decides(&both, "cargo test"), Decision::Deny);
    assert_eq!(decides(&both, "cargo doc"), Decision::Deny, "the person's policy file counts");
    assert_eq!(decides(&both, "frob"), Decision::Allow);
    // The project may name a stricter preset, and no looser one than the person's, nor than the default.
    let preset = |name: &str| format!("[security]\ndefault_policy = \"{name}\"\n");
    let touch = |user: &str, project: &str, overrides: &[(&str, &str)], command: &str| {
        decides(&gate(user, "", project, overrides).unwrap(), command)
    };
    assert_eq!(touch("", &preset("read-only"), &[], "touch x"), Decision::Deny);
    assert_eq!(touch("", &preset("permissive"), &[], "frob"), Decision::Ask);
    assert_eq!(touch(&preset("strict"), &preset("permissive"), &[], "frob"), Decision::Ask);
    assert_eq!(touch(&preset("permissive"), &preset("permissive"), &[], "frob"), Decision::Allow);
    assert_eq!(touch(&preset("permissive"), "", &[], "frob"), Decision::Allow);
    let loosened = [("security.default_policy", "permissive")];
    assert_eq!(touch("", &preset("strict"), &loosened, "frob"), Decision::Allow, "the caller decides");
    // Nor does it say where on the machine we write.
    let audit = |path: &str| format!("[security]\naudit_log_path = \"{path}\"\n");
    assert!(gate("", "", &audit(".missiond/logs/audit.jsonl"), &[]).is_ok());
    assert!(gate(&audit("/var/log/audit.jsonl"), "", "", &[]).is_ok());
    std::os::unix::fs::symlink("../..", root.join(".missiond/out")).unwrap();
    let elsewhere = [
        "/root/.bash_profile",
        "~/.profile",
        "../x.jsonl",
        ".missiond/../x.jsonl",
        "x.jsonl",
        ".missiond/out/.profile",
        ".missiond/out/new/x.jsonl",
    ];
    for path in elsewhere {
        let problem = gate("", "", &audit(path), &[]).unwrap_err();
        assert!(problem.contains("only your own configuration"), "{path}: {problem}");
    }
}
