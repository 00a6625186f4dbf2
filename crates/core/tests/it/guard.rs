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
            let options = ProjectOptions { user_file: None, overrides };
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

#[test]
fn keys_of_the_audit_say_where_it_lies() {
    let repo = Repo::with_commit().unwrap();
    let at = |value: Option<&str>| {
        let overrides = value.map(|value| ("security.audit_log_path".to_owned(), value.to_owned()));
        let options = ProjectOptions { user_file: None, overrides: overrides.into_iter().collect() };
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
