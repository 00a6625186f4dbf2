//! Judges tool calls by a policy, without any agent: the policy crate alone.
//!
//! ```text
//! cargo run --example judge_tool_calls
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use anyhow::Result;
use missiond_policy::{Layer, Policies, Policy, Surroundings, ToolCall};
use serde_json::{Value, json};

/// A project's own rules, on top of the preset `standard`.
const RULES: &str = r#"
version = 1
preset = "standard"
allow = ["Bash(docker compose ps:*)"]

[[rule]]
effect = "deny"
match = "Read(./secrets/**)"
reason = "ask the team for a test account instead"
"#;

fn main() -> Result<()> {
    let policies = Policies::new([Policy::parse(RULES, "the example", Layer::Project)?])?;
    let workspace = std::env::temp_dir().join("shop");
    let mut surroundings = Surroundings::new(&workspace, &workspace);
    // With nobody to ask, every `ask` below would be a `deny`.
    surroundings.can_ask = true;

    let bash = |command: &str| ("Bash", json!({ "command": command }));
    let calls: Vec<(&str, Value)> = vec![
        bash("git status"),
        bash("cargo test && git diff"),
        bash("docker compose ps --all"),
        bash("git push origin main"),
        bash("rm -rf target"),
        bash("rm -Rf /"),
        bash("FOO=1 sudo rm --recursive --force -- /"),
        bash("echo 'mkfs.ext4 is only mentioned'"),
        ("Write", json!({ "file_path": workspace.join("src/main.rs"), "content": "" })),
        ("Write", json!({ "file_path": "/etc/passwd", "content": "" })),
        ("Read", json!({ "file_path": workspace.join("secrets/token") })),
        ("", json!({})),
    ];
    for (tool, input) in calls {
        let argument = input.get("command").or_else(|| input.get("file_path")).cloned().unwrap_or_default();
        let verdict = policies.judge(&ToolCall::new(tool, input, &workspace), &surroundings);
        println!("{:<6} {tool:<6} {argument}", verdict.decision.to_string());
        println!("       {} ({} risk)", verdict.reason, verdict.risk);
    }
    Ok(())
}
