//! No agent gets at the audit log: it can be neither read, nor written, deleted or cut.

use std::path::Path;

use missiond_core::config::{Config, Sources};
use missiond_core::ports::Seat;
use missiond_core::project::{Project, ProjectOptions};
use missiond_core::{Decision, Role, TaskId, ToolCall};
use missiond_testkit::repo::Repo;
use serde_json::json;

/// Everything that could be done to a file, or to what holds it.
fn calls(path: &Path, cwd: &Path) -> Vec<(ToolCall, Decision)> {
    let quoted = path.display();
    let tool = |tool: &str, input| (ToolCall::new("c1", tool, input, cwd), Decision::Deny);
    let bash = |command: String| ToolCall::new("c1", "Bash", json!({ "command": command }), cwd);
    let denied = [
        format!("cat {quoted}"),
        format!("head -c 1 {quoted}"),
        format!("rm {quoted}"),
        format!("rm -rf {quoted}"),
        format!("truncate -s 0 {quoted}"),
        format!("cp /etc/hostname {quoted}"),
        format!("mv {quoted} elsewhere"),
        format!("cp {quoted} elsewhere"),
        format!("touch {quoted}"),
        format!("ls && cat {quoted}"),
        format!("tee {quoted}"),
        format!("sh -c 'rm {quoted}'"),
        format!("rm -r {}", path.parent().unwrap().display()),
    ];
    // What the shell itself would do has to be asked at the least.
    let not_allowed =
        [format!("echo x > {quoted}"), format!(": >> {quoted}"), format!("sed -i s/deny/allow/ {quoted}")];
    let denied = denied.map(|command| (bash(command), Decision::Deny));
    let not_allowed = not_allowed.map(|command| (bash(command), Decision::Ask));
    [
        tool("Read", json!({ "file_path": path })),
        tool("Write", json!({ "file_path": path, "content": "" })),
        tool("Edit", json!({ "file_path": path, "old_string": "deny", "new_string": "allow" })),
        tool("Grep", json!({ "pattern": "x", "path": path })),
    ]
    .into_iter()
    .chain(denied)
    .chain(not_allowed)
    .collect()
}

#[test]
fn audit_log_is_out_of_reach_in_every_preset_and_wherever_it_lies() {
    let repo = Repo::with_commit().unwrap();
    let beside = repo.beside("audits");
    std::fs::create_dir(&beside).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let places = [
        ".missiond/audit.jsonl".to_owned(),
        ".missiond/shared/audit.jsonl".to_owned(),
        "logs/audit.jsonl".to_owned(),
        beside.join("audit.jsonl").display().to_string(),
        temp.path().join("audit.jsonl").display().to_string(),
    ];
    for preset in ["read-only", "strict", "standard", "permissive"] {
        for place in &places {
            let overrides = vec![
                ("security.default_policy".to_owned(), preset.to_owned()),
                ("security.audit_log_path".to_owned(), place.clone()),
            ];
            let options = ProjectOptions { overrides, ..ProjectOptions::default() };
            let project = Project::discover(repo.path(), &options).unwrap();
            // A rule that lets everything be written cannot lift it.
            std::fs::create_dir_all(repo.path().join(".missiond")).unwrap();
            let allow = "version = 1\nallow = [\"Read(//**)\", \"Edit(//**)\", \"Bash\"]\n";
            std::fs::write(repo.path().join(".missiond/policy.toml"), allow).unwrap();
            let gate = project.gate().unwrap();
            let seat = Seat::new(
                "s1".parse().unwrap(),
                Role::default(),
                "claude".parse().unwrap(),
                TaskId::generate(),
                repo.path().to_owned(),
                repo.path().to_owned(),
            );
            let path = project.settings.audit_log_path.clone();
            let old = path.with_file_name("audit.jsonl.d");
            for file in [path, old.join("head"), old.join("00000000000000000001.jsonl")] {
                for (call, least) in calls(&file, repo.path()) {
                    let verdict = gate.judge_blocking(&call, &seat);
                    assert!(verdict.decision >= least, "{preset} {}: {verdict:?}", call.argument());
                }
            }
        }
    }
}

/// S8: the hook that judges by itself, the gate of a mission and `policy check` hold one policy, clause by clause.
#[test]
fn s8_every_tier_holds_the_same_policy() {
    let repo = Repo::with_commit().unwrap();
    let here = repo.path();
    let bash = |command: &str| ToolCall::new("c1", "Bash", json!({ "command": command }), here);
    let tool = |name: &str, input| ToolCall::new("c1", name, input, here);
    let mut calls: Vec<ToolCall> = [
        "ls",
        "cargo test",
        "git commit -m x",
        "git push origin main",
        "git reset --hard HEAD~1",
        "rm -rf target",
        "rm -rf /",
        "rm -rf ~/other",
        "cat ~/.ssh/id_ed25519",
        "cat .env",
        "cat /etc/hostname",
        "touch /etc/x",
        "dd if=x of=/dev/sda",
        "sudo ls",
        "kill -9 1",
        "kill -9 4242",
        "curl https://example.com",
        "curl http://localhost:8080",
        "npm install left-pad",
        "docker run x",
        "python3 -c 'print(1)'",
        "echo x >> .bashrc",
        "frob --all",
        "ls $(frob)",
        "missiond approve 1",
        "rm -rf .missiond",
        "while :; do ls; done",
    ]
    .map(bash)
    .into();
    calls.extend([
        tool("Read", json!({ "file_path": here.join("src/lib.rs") })),
        tool("Write", json!({ "file_path": here.join("x"), "content": "" })),
        tool("Write", json!({ "file_path": "/etc/x", "content": "" })),
        tool("WebFetch", json!({ "url": "https://docs.example.com/x" })),
        tool("WebFetch", json!({ "url": "https://example.org/x" })),
        tool("mcp__github__merge", json!({ "branch": "main" })),
        tool("mcp__github__merge", json!({ "branch": "other" })),
        tool("Agent", json!({ "subagent_type": "reviewer", "prompt": "look" })),
        tool("FancyWrite", json!({})),
    ]);
    let rules = r#"
        version = 1
        allow = ["WebFetch(domain:*.example.com)", "mcp__github__merge(branch=other)", "Agent(reviewer)"]
        ask = ["Bash(cargo test:*)"]
        deny = ["Bash(git commit:*)", "mcp__github__merge(branch=main)"]
        [[rule]]
        id = "of-claude"
        effect = "deny"
        match = "Bash(cat /etc/hostname)"
        agent = "claude"
    "#;
    std::fs::create_dir_all(here.join(".missiond")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (preset, rules) in ["read-only", "strict", "standard", "permissive"]
        .into_iter()
        .flat_map(|preset| [(preset, ""), (preset, rules)])
    {
        std::fs::write(
            here.join(".missiond/policy.toml"),
            format!("version = 1\n{}", rules.replace("version = 1", "")),
        )
        .unwrap();
        let overrides = vec![("security.default_policy".to_owned(), preset.to_owned())];
        let gate = Project::discover(here, &ProjectOptions { overrides, ..ProjectOptions::default() })
            .unwrap()
            .gate()
            .unwrap();
        let mut seat = Seat::new(
            "s1".parse().unwrap(),
            Role::default(),
            "claude".parse().unwrap(),
            TaskId::generate(),
            here.to_owned(),
            here.to_owned(),
        );
        seat.can_ask = true;
        for call in &calls {
            let in_mission = gate.judge_blocking(call, &seat);
            let alone = gate.judge_alone(call, "claude", here, here);
            let mut surroundings = gate.surroundings(here, here);
            surroundings.can_ask = true;
            surroundings.agent = Some("claude".to_owned());
            let checked =
                missiond_policy::ToolCall::new(call.tool.clone(), call.input.clone(), call.cwd.clone());
            let checked = gate.policies().judge(&checked, &surroundings);
            let place = format!("{preset}: {} {}", call.tool, call.argument());
            assert_eq!(in_mission, alone, "{place}");
            assert_eq!(in_mission.decision.as_str(), checked.decision.as_str(), "{place}");
            assert_eq!(
                in_mission.rule.as_deref(),
                checked.rule.as_ref().map(|rule| rule.as_str()),
                "{place}"
            );
            // With the part of the command that it is about.
            assert!(in_mission.reason.starts_with(&checked.reason), "{place}: {in_mission:?}");
            seen.insert((in_mission.decision, in_mission.rule.clone()));
        }
    }
    // The calls come upon many clauses of each preset.
    assert!(seen.len() > 60, "{} clauses: {seen:#?}", seen.len());
}

#[test]
fn a_run_and_a_slot_have_rules_of_their_own_and_the_strictest_wins() {
    let repo = Repo::with_commit().unwrap();
    let here = repo.path();
    std::fs::create_dir_all(here.join(".missiond")).unwrap();
    let config = r#"
        [policy]
        version = 1
        allow = ["Bash(frob:*)"]
        [[slot]]
        id = "free"
        agent = "claude"
        [[slot]]
        id = "looks"
        agent = "claude"
        [slot.policy]
        version = 1
        preset = "read-only"
        allow = ["Bash(grind:*)"]
        deny = ["Bash(frob --deep:*)"]
    "#;
    std::fs::write(here.join(".missiond/config.toml"), config).unwrap();
    let run = here.join("run.toml");
    std::fs::write(&run, "version = 1\nask = [\"Bash(frob now:*)\"]\nallow = [\"Bash(grind:*)\"]\n").unwrap();
    let gate = |policy_of_run| {
        let options = ProjectOptions { policy_of_run, ..ProjectOptions::default() };
        Project::discover(here, &options).and_then(|project| project.gate())
    };
    let seat = |slot: &str| {
        let task = TaskId::generate();
        let (slot, agent) = (slot.parse().unwrap(), "claude".parse().unwrap());
        let mut seat = Seat::new(slot, Role::default(), agent, task, here.to_owned(), here.to_owned());
        seat.can_ask = true;
        seat
    };
    let call = |command: &str| ToolCall::new("c1", "Bash", json!({ "command": command }), here);
    let (with, without) = (gate(Some(run.clone())).unwrap(), gate(None).unwrap());
    for (command, slot, run, expected) in [
        ("frob", "free", false, Decision::Allow),
        ("frob now", "free", false, Decision::Allow),
        ("frob now", "free", true, Decision::Ask),
        ("frob --deep", "free", true, Decision::Allow),
        ("frob --deep", "looks", false, Decision::Deny),
        ("frob now", "looks", true, Decision::Ask),
        ("grind", "free", false, Decision::Ask),
        ("grind", "free", true, Decision::Allow),
        ("grind", "looks", false, Decision::Allow),
        ("touch x", "free", true, Decision::Allow),
        ("touch x", "looks", false, Decision::Deny),
    ] {
        let gate = if run { &with } else { &without };
        let verdict = gate.judge_blocking(&call(command), &seat(slot));
        assert_eq!(verdict.decision, expected, "{command} in {slot}, {run}: {verdict:?}");
    }
    // What isn't in a mission is in no slot.
    assert_eq!(with.judge_alone(&call("touch x"), "claude", here, here).decision, Decision::Allow);
    let error = |policy| gate(Some(policy)).unwrap_err();
    let missing = missiond_core::chain(&error(here.join("nowhere.toml")));
    assert!(missing.contains("nowhere.toml"), "{missing}");
    std::fs::write(&run, "version = 1\ndney = []\n").unwrap();
    let wrong = missiond_core::chain(&error(run));
    assert!(wrong.contains("run.toml:2") && wrong.contains("`deny`"), "{wrong}");
    let slots = config.replace("deny =", "dney =");
    std::fs::write(here.join(".missiond/config.toml"), slots).unwrap();
    let wrong = missiond_core::chain(&gate(None).unwrap_err());
    assert!(wrong.contains("slot `looks`") && wrong.contains("`deny`"), "{wrong}");
}

#[test]
fn keys_of_the_audit_say_where_it_lies() {
    let repo = Repo::with_commit().unwrap();
    let at = |value: Option<&str>| {
        let overrides = value.map(|value| ("security.audit_log_path".to_owned(), value.to_owned()));
        let options =
            ProjectOptions { overrides: overrides.into_iter().collect(), ..ProjectOptions::default() };
        Project::discover(repo.path(), &options).unwrap().settings.audit_log_path
    };
    assert_eq!(at(None), repo.path().join(".missiond/audit.jsonl"));
    assert_eq!(at(Some("x/../y.jsonl")), repo.path().join("y.jsonl"));
    assert_eq!(at(Some("/var/log/x.jsonl")), Path::new("/var/log/x.jsonl"));
    for (key, value) in [("security.audit_sync", "never"), ("security.audit_keep_days", "0")] {
        let sources = Sources { overrides: vec![(key.to_owned(), value.to_owned())], ..Sources::default() };
        assert!(Config::load(&sources).is_err(), "{key}={value}");
    }
}
