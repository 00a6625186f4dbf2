//! `policy`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Outcome, Scene, collect};

fn check(scene: &Scene, args: &[&str], lines: &[String]) -> Outcome {
    let mut command = scene.command(&[&["policy", "check"], args].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = lines.join("\n");
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let outcome = collect(child);
    writer.join().unwrap().unwrap();
    outcome
}

fn call(id: &str, command: &str) -> String {
    json!({ "id": id, "tool_name": "Bash", "tool_input": { "command": command }, "cwd": "/nowhere/shop" })
        .to_string()
}

#[test]
fn calls_are_judged_line_by_line_and_a_bad_line_stops_nothing() {
    let scene = Scene::new();
    let lines = [
        call("a", "ls"),
        "{ nonsense \u{1b}[2J".to_owned(),
        String::new(),
        call("b", "rm -rf /"),
        "x".repeat(11 << 20),
        call("c", "git push"),
    ];
    let args = ["--preset", "standard", "--workspace", "/nowhere/shop", "--json"];
    let outcome = check(&scene, &args, &lines);
    outcome.assert(0, &["line 2 is no tool call", "line 5 is no tool call", "2 lines no tool calls"]);
    assert!(!outcome.all().contains('\u{1b}'), "{outcome:#?}");
    let verdicts: Vec<Value> = outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&Value, &Value)> =
        verdicts.iter().map(|verdict| (&verdict["id"], &verdict["decision"])).collect();
    let (null, deny) = (Value::Null, json!("deny"));
    let expected = [
        (&json!("a"), &json!("allow")),
        (&null, &deny),
        (&json!("b"), &deny),
        (&null, &deny),
        (&json!("c"), &json!("ask")),
    ];
    assert_eq!(told, expected);
    assert_eq!(verdicts[2]["commands"], json!(["rm -rf /"]));
    assert_eq!(verdicts[2]["rule"], "standard/root-directory");

    // For people; and another preset.
    let outcome =
        check(&scene, &["--preset", "read-only", "--workspace", "/nowhere/shop"], &[call("a", "touch x")]);
    outcome.assert(0, &[]);
    assert!(
        outcome.out.starts_with("deny") && outcome.out.contains("read-only/write-inside"),
        "{outcome:#?}"
    );
    check(&scene, &["--preset", "lax"], &[])
        .assert(2, &["no preset `lax`", "read-only, strict, standard, permissive"]);
}

#[test]
fn projects_policy_is_asked_without_a_preset() {
    let scene = Scene::new();
    let lines = [call("a", "docker compose ps")];
    let decision = || {
        let outcome = check(&scene, &["--workspace", ".", "--json"], &lines);
        outcome.assert(0, &[]);
        serde_json::from_str::<Value>(&outcome.out).unwrap()["decision"].clone()
    };
    let before = decision();
    scene.repo.write(".missiond/policy.toml", "version = 1\ndeny = [\"Bash(docker:*)\"]\n").unwrap();
    assert_eq!((before, decision()), (json!("ask"), json!("deny")));
    scene.repo.write(".missiond/policy.toml", "nonsense = true\n").unwrap();
    check(&scene, &["--json"], &lines).assert(3, &["policy.toml"]);
    assert!(scene.ok(&["policy", "presets"]).contains("| `root-directory` |"));
}

#[test]
fn rules_for_a_role_hold_for_the_role_that_is_named() {
    let scene = Scene::new();
    let rule = "version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash(ls:*)\"\nrole = \"reviewer\"\n";
    scene.repo.write(".missiond/policy.toml", rule).unwrap();
    let decision = |args: &[&str]| {
        let outcome = check(&scene, &[&["--workspace", ".", "--json"], args].concat(), &[call("a", "ls")]);
        outcome.assert(0, &[]);
        serde_json::from_str::<Value>(&outcome.out).unwrap()["decision"].clone()
    };
    assert_eq!(decision(&["--role", "reviewer"]), json!("deny"));
    assert_eq!(decision(&["--role", "coder"]), json!("allow"));
    // Whoever it is might be a reviewer.
    assert_eq!(decision(&["--slot", "s1", "--agent", "claude"]), json!("deny"));
}

#[test]
fn other_agents_permissions_become_a_policy_that_holds() {
    let scene = Scene::new();
    let settings = json!({ "permissions": { "deny": ["Bash(frob:*)", "Read(../\u{1b}[2J)"] } }).to_string();
    scene.repo.write(".claude/settings.json", &settings).unwrap();
    let outcome = scene.run(&["policy", "import", "--from", "claude", ".claude/settings.json"]);
    outcome.assert(0, &["not as it was", "isn't carried over"]);
    assert!(!outcome.all().contains('\u{1b}'), "{outcome:#?}");
    scene.repo.write(".missiond/policy.toml", &outcome.out).unwrap();
    let outcome = check(&scene, &["--workspace", ".", "--json"], &[call("a", "frob x")]);
    assert_eq!(serde_json::from_str::<Value>(&outcome.out).unwrap()["decision"], "deny");

    scene
        .repo
        .write("default.rules", "prefix_rule(pattern = ['git', 'push'], decision = 'forbidden')\n")
        .unwrap();
    let text = scene.ok(&["policy", "import", "--from", "codex", "default.rules"]);
    assert!(text.contains("\"Bash(git push:*)\""), "{text}");
    let wrong = scene.run(&["policy", "import", "--from", "claude", "default.rules"]);
    wrong.assert(3, &["default.rules:1:"]);
    scene.run(&["policy", "import", "--from", "codex", "nowhere"]).assert(1, &["nowhere cannot be read"]);
    scene.run(&["policy", "import", "--from", "gemini", "default.rules"]).assert(2, &["claude, codex"]);
}
