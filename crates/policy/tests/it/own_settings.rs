//! The settings that call our hook are nobody's to change but a person's, under every preset.

use missiond_policy::{Decision, Layer, NoLinks, Policies, Policy, Preset, Surroundings, ToolCall};
use serde_json::json;

/// Where `missiond hook install` writes, and what makes the agents pass those files over.
const FILES: [&str; 14] = [
    "/home/dev/shop/.claude/settings.json",
    "/home/dev/shop/.claude/settings.local.json",
    "/home/dev/shop/.codex/hooks.json",
    "/home/dev/shop/.codex/config.toml",
    "/home/dev/shop/.gemini/settings.json",
    "/home/dev/.claude/settings.json",
    "/home/dev/.codex/hooks.json",
    "/home/dev/.codex/config.toml",
    "/home/dev/.gemini/settings.json",
    "/home/dev/.gemini/trustedFolders.json",
    "/home/dev/.gemini/trusted_hooks.json",
    "/etc/claude-code/managed-settings.json",
    "/etc/codex/requirements.toml",
    "/etc/gemini-cli/settings.json",
];

#[test]
fn s8a_settings_that_call_the_hook_are_denied_under_every_preset_and_in_spite_of_every_rule() {
    let mut surroundings = Surroundings::new("/home/dev/shop", "/home/dev/shop");
    surroundings.home = Some("/home/dev".into());
    surroundings.can_ask = true;
    // What a person may have allowed does not reach so far.
    let loose =
        "version = 1\nallow = [\"Write\", \"Edit\", \"Bash\", \"Bash(rm:*)\", \"Bash(missiond:*)\"]\n";
    for preset in Preset::ALL {
        let rules = Policy::parse(loose, "policy.toml", Layer::Project).unwrap();
        let policies = Policies::new([Policy::preset(preset), rules]).unwrap();
        let check = |tool: &str, input: serde_json::Value| {
            let call = ToolCall::new(tool, input, "/home/dev/shop");
            let verdict = policies.judge_with(&call, &surroundings, &NoLinks);
            assert_eq!(verdict.decision, Decision::Deny, "{preset:?} {call:?}: {verdict:?}");
        };
        for file in FILES {
            check("Write", json!({ "file_path": file, "content": "{}" }));
            check("Edit", json!({ "file_path": file, "old_string": "a", "new_string": "b" }));
            for command in ["rm", "touch", "chmod 600"] {
                check("Bash", json!({ "command": format!("{command} {file}") }));
            }
            check("Bash", json!({ "command": format!("mv {file} /tmp/x") }));
        }
        for command in [
            "missiond hook uninstall",
            "missiond hook install --scope project",
            "/usr/local/bin/missiond hook uninstall --agent claude",
            "rm -rf .claude",
            "rm -rf ~/.codex",
            "mv .gemini elsewhere",
        ] {
            check("Bash", json!({ "command": command }));
        }
    }
}
