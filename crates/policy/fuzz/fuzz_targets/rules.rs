#![no_main]

use libfuzzer_sys::fuzz_target;
use missiond_policy::{Layer, Policies, Policy, ToolCall};
use missiond_policy_fuzz::{WORKSPACE, Written, surroundings};
use serde_json::json;

fuzz_target!(|text: &str| {
    let Ok(policy) = Policy::parse(text, "policy.toml", Layer::Project) else { return };
    let Ok(policies) = Policies::new([policy]) else { return };
    let calls = [
        ("Bash", json!({ "command": "cd src && git push origin main; cat a.txt > /tmp/x" })),
        ("Read", json!({ "file_path": "secrets/token" })),
        ("Write", json!({ "file_path": "/etc/hosts", "content": "" })),
        ("WebFetch", json!({ "url": "https://docs.example.com/x", "prompt": "" })),
        ("Agent", json!({ "subagent_type": "Explore", "prompt": "" })),
        ("mcp__server__tool", json!({ "arg": "value" })),
    ];
    for (tool, input) in calls {
        let call = ToolCall::new(tool, input, WORKSPACE);
        let verdict = policies.judge_with(&call, &surroundings(), &Written(Vec::new()));
        assert!(!verdict.reason.is_empty(), "no reason for {tool} under {text:?}");
    }
});
