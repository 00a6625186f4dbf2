//! Tools other than the shell.

use missiond_policy::{Decision, NoLinks, Policies, ToolCall};
use serde_json::{Value, json};

use crate::support::{WORKSPACE, surroundings, tool};

use Decision::{Allow, Ask, Deny};

#[test]
fn the_standard_preset_decides_by_tool_and_place() {
    let policies = Policies::default();
    let check = |name: &str, input: Value, expected: Decision| {
        let verdict = tool(&policies, name, input.clone());
        assert_eq!(verdict.decision, expected, "{name} {input}: {verdict:?}");
    };
    let file = |path: &str| json!({ "file_path": path });
    // Reading.
    check("Read", file("src/main.rs"), Allow);
    check("Read", file("/home/dev/work/shop-7/src/main.rs"), Allow);
    check("Read", file("/usr/include/stdio.h"), Allow);
    check("Read", file("/tmp/x"), Allow);
    check("Read", file(".env"), Ask);
    check("Read", file(".env.example"), Allow);
    check("Read", file("config/prod.env"), Ask);
    check("Read", file(".envoy.yaml"), Allow);
    check("Read", file(".git/config"), Allow);
    check("Read", file("/proc/self/environ"), Ask);
    for secret in [
        "id_deploy",
        "service-account.json",
        "auth.p8",
        "/home/dev/.config/hcloud/cli.toml",
        "/etc/krb5.keytab",
    ] {
        check("Read", file(secret), Deny);
    }
    check("Read", file("id_map.rs"), Allow);
    check("Write", file("/home/dev/work/shop/.MISSIOND/policy.toml"), Deny);
    check("Read", file("/home/dev/.ssh/id_rsa"), Deny);
    check("Read", file("/home/dev/.ssh/id_rsa.pub"), Deny);
    check("Read", file("keys/id_ed25519.pub"), Allow);
    check("Read", file("keys/id_ed25519"), Deny);
    check("Read", file("src/id_map.rs"), Allow);
    check("Read", file("~/.ssh/id_rsa"), Deny);
    check("Read", file(" /home/dev/.ssh/id_rsa"), Deny);
    check("Read", file("/home/dev/.npmrc"), Deny);
    check("Read", file(".npmrc"), Allow);
    check("Read", file("/home/dev/work/shop/.missiond/mission.db"), Deny);
    check("Read", file(".missiond/config.toml"), Allow);
    check("Read", file("/home/dev/.local/state/missiond/gate.sock"), Deny);
    check("Read", json!({ "file_path": 3 }), Ask);
    check("Read", json!({}), Ask);
    check("Read", Value::Null, Ask);
    check("Read", file(""), Deny);
    check("Read", file("a\0b"), Deny);
    check("Read", file("a\nb"), Deny);
    check("Read", file("src\u{2215}main.rs"), Deny);
    check("Read", file("..\u{ff0f}..\u{ff0f}etc"), Deny);
    check("Read", file(&"x".repeat(5000)), Deny);
    check("Read", json!({ "file_path": "src/a", "path": "/home/dev/.ssh/id_rsa" }), Deny);
    for private in [
        ".bash_history",
        ".zsh_history",
        ".python_history",
        ".local/share/fish/fish_history",
        ".m2/settings.xml",
        ".gradle/gradle.properties",
        ".cache/huggingface/token",
        ".config/pip/pip.conf",
        ".kaggle/kaggle.json",
        ".config/solana/id.json",
        ".bitcoin/wallet.dat",
        ".mozilla/firefox/x/cookies.sqlite",
        ".config/BraveSoftware/x/Cookies",
        ".claude/projects/x/1.jsonl",
        ".claude/history.jsonl",
        ".codex/sessions/x.jsonl",
    ] {
        check("Read", file(&format!("/home/dev/{private}")), Deny);
    }
    check("Read", file("/tmp/krb5cc_1000"), Deny);
    check("Read", file(".claude/projects/x"), Allow);
    check("Read", file("src/\u{200b}main.rs"), Deny);
    check("Read", file("src/\u{202e}main.rs"), Deny);
    // Looking through directories.
    check("LS", json!({ "path": "/home/dev/work/shop-7" }), Allow);
    check("LS", json!({}), Allow);
    check("Glob", json!({ "pattern": "**/*.rs" }), Allow);
    check("Glob", json!({ "pattern": "*", "path": "/home/dev/.ssh" }), Deny);
    check("Glob", json!({ "pattern": "/home/dev/.ssh/*" }), Deny);
    check("Glob", json!({ "pattern": "../**" }), Ask);
    check("Glob", json!({ "pattern": "**/.env" }), Ask);
    check("Grep", json!({ "pattern": "../x", "path": "src" }), Allow);
    check("Grep", json!({ "pattern": "x", "path": "src", "glob": "*.rs" }), Allow);
    check("Grep", json!({ "pattern": "KEY", "path": ".env" }), Ask);
    check("Grep", json!({ "pattern": "KEY", "path": null }), Allow);
    for (name, wide) in [
        ("Grep", "/"),
        ("Grep", "/home"),
        ("Grep", "/home/dev"),
        ("Grep", "~"),
        ("Grep", "/root"),
        ("Grep", "/home/other"),
        ("Grep", "/home/dev/work/shop"),
        ("Grep", "/home/dev/.config"),
        ("Grep", "/home/dev/.local"),
        ("Grep", "/etc"),
        ("Glob", "/"),
        ("Glob", "../../.."),
        ("LS", "/home/dev/.cargo"),
    ] {
        check(name, json!({ "pattern": "x", "path": wide }), Ask);
    }
    check("Glob", json!({ "pattern": "/**/*.rs" }), Ask);
    check("Grep", json!({ "pattern": "x", "path": "/usr/include" }), Allow);
    check("Grep", json!({ "pattern": "x", "path": "/tmp/a" }), Allow);
    check("Grep", json!({ "pattern": "x", "path": ".config" }), Allow);
    check("Grep", json!({ "pattern": "x", "path": "src", "glob": "**/*.{rs,toml}" }), Ask);
    for glob in [".e*", "{.env,x}", "*", "**", ".env.local", "**/.env", "*.pem", "src/[i]d_rsa", "*.[e]nv"] {
        check(
            "Grep",
            json!({ "pattern": "x", "path": "src", "glob": glob }),
            if glob == "*.pem" { Deny } else { Ask },
        );
    }
    check("Glob", json!({ "pattern": ".e*" }), Ask);
    check("Glob", json!({ "pattern": "**/*" }), Allow);
    // Writing.
    check("Write", json!({ "file_path": "src/new.rs", "content": "x" }), Allow);
    check("Edit", file("src/main.rs"), Allow);
    check("MultiEdit", file("src/main.rs"), Allow);
    check("NotebookEdit", json!({ "notebook_path": "a.ipynb" }), Allow);
    check("Write", file("/tmp/scratch/x"), Allow);
    check("Write", file("/etc/hosts"), Deny);
    check("Write", file("../shop/src/main.rs"), Deny);
    check("Write", file("/home/dev/work/shop-77/x"), Deny);
    check("Write", file("~/x"), Deny);
    check("Write", file("/etc/.env"), Deny);
    check("Write", file(".env"), Ask);
    check("Write", file(".git/hooks/pre-commit"), Deny);
    check("Write", file(".git/config"), Deny);
    check("Write", file("sub/.git/config"), Deny);
    check("Write", file(".GIT/config"), Deny);
    check("Write", file(".gitignore"), Allow);
    check("Write", file(".claude/settings.json"), Deny);
    check("Write", file(".claude/settings.local.json"), Deny);
    check("Write", file(".Claude/Settings.local.json"), Deny);
    check("Write", file(".claude/../.claude/settings.json"), Deny);
    check("Write", file(".claude/agents/x.md"), Ask);
    check("Write", file(".mcp.json"), Ask);
    check("Write", file(".vscode/tasks.json"), Ask);
    check("Write", file(".husky/pre-commit"), Ask);
    for startup in [
        ".cargo/config.toml",
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        ".cursor/mcp.json",
        ".zed/tasks.json",
        ".mise.toml",
        ".gitmodules",
        ".gitattributes",
        ".envrc",
        "sub/.cargo/config.toml",
    ] {
        check("Write", file(startup), Ask);
    }
    check("Write", file(".github/dependabot.yml"), Allow);
    check("Write", file(".missiond/policy.toml"), Ask);
    check("Write", file("/home/dev/work/shop/.missiond/policy.toml"), Deny);
    check("Write", file("/home/dev/.bashrc"), Deny);
    check("Write", file("server.key"), Deny);
    check("Write", file("/dev/null"), Allow);
    check("Write", file("/dev/sda"), Deny);
    check("Write", file("/proc/sysrq-trigger"), Deny);
    // The web.
    check("WebFetch", json!({ "url": "http://localhost:3000/x" }), Allow);
    check("WebFetch", json!({ "url": "http://127.0.0.1/" }), Allow);
    check("WebFetch", json!({ "url": "http://[::1]:8080/" }), Allow);
    check("WebFetch", json!({ "url": "http://localhost:2375/containers/json" }), Ask);
    check("WebFetch", json!({ "url": "http://127.0.0.1:02376/" }), Ask);
    check("WebFetch", json!({ "url": "http://[::1]:10250/pods" }), Ask);
    check("WebFetch", json!({ "url": "http://169.254.169.254/latest/meta-data" }), Ask);
    check("WebFetch", json!({ "url": "http://localhost:99999/" }), Ask);
    check("WebFetch", json!({ "url": "http://localhost.evil.org/" }), Ask);
    check("WebFetch", json!({ "url": "http://localhost@evil.org/" }), Ask);
    check("WebFetch", json!({ "url": "https://example.com" }), Ask);
    check("WebFetch", json!({ "url": "file:///etc/passwd" }), Ask);
    check("WebFetch", json!({ "url": 3 }), Ask);
    check("WebSearch", json!({ "query": "x" }), Ask);
    // The agent's own business.
    for name in
        ["TodoWrite", "TaskCreate", "TaskUpdate", "TaskList", "BashOutput", "KillShell", "Agent", "Task"]
    {
        check(name, json!({}), Allow);
    }
    let helper = json!({ "prompt": "x", "description": "y", "subagent_type": "Explore", "model": "opus" });
    check("Agent", helper, Allow);
    check("Agent", json!({ "prompt": "x", "mode": "default" }), Allow);
    check("Agent", json!({ "prompt": "x", "mode": null }), Allow);
    for (key, value) in [
        ("mode", "bypassPermissions"),
        ("mode", "acceptEdits"),
        ("isolation", "worktree"),
        ("permission_mode", "default"),
        ("cwd", "/"),
        ("tools", "Bash"),
    ] {
        check("Task", json!({ "prompt": "x", key: value }), Ask);
    }
    check("ExitPlanMode", json!({ "plan": "x" }), Ask);
    check("AskUserQuestion", json!({}), Ask);
    // The shell's other shapes.
    check("Bash", json!({}), Ask);
    check("Bash", json!({ "command": 3 }), Ask);
    check("Bash", json!({ "command": "" }), Ask);
    check("Bash", json!({ "command": "ls", "cmd": "rm -rf /" }), Ask);
    check("Bash", json!({ "command": ["ls", "-la"] }), Allow);
    check("Bash", json!({ "command": ["echo", "it's", "$(rm -rf /)"] }), Allow);
    check("Bash", json!({ "command": ["rm", "-rf", "/"] }), Deny);
    check("Bash", json!({ "command": ["bash", "-lc", "rm -rf /"] }), Deny);
    check("Bash", json!({ "command": format!("echo {}", "x".repeat(40_000)) }), Deny);
}

#[test]
fn patterns_of_search_tools_are_judged_in_every_shape() {
    let policies = Policies::default();
    let check = |name: &str, key: &str, pattern: Value, expected: Decision| {
        let mut input = json!({ "pattern": "x" });
        input[key] = pattern.clone();
        let verdict = tool(&policies, name, input);
        assert_eq!(verdict.decision, expected, "{name} {key} {pattern}: {verdict:?}");
    };
    // A list is judged by each of its patterns; what is no text can't be read.
    for key in ["glob", "include", "globs", "include_pattern", "includePattern"] {
        check("Grep", key, json!(["../**"]), Ask);
        check("Grep", key, json!(["*.rs", "*.env"]), Ask);
        check("Grep", key, json!("*.env"), Ask);
        check("Grep", key, json!(["/etc/*"]), Ask);
        check("Grep", key, json!(["*.pem"]), Deny);
        check("Grep", key, json!({ "a": "*.rs" }), Ask);
        check("Grep", key, json!(3), Ask);
        check("Grep", key, json!([["*.env"]]), Ask);
        check("Grep", key, json!(vec!["*.rs"; 300]), Ask);
        check("Grep", key, json!(["*.rs", "src/**/*.toml"]), Allow);
        check("Grep", key, json!([]), Allow);
        check("Grep", key, Value::Null, Allow);
        check("Glob", key, json!(["/etc/*"]), Ask);
    }
    check("Grep", "glob", json!(true), Ask);
    check("Grep", "include_hidden", json!(true), Allow);
    check("Grep", "glob", json!("*.rs .e*"), Ask);
    check("Grep", "glob", json!("*.rs,.e*"), Ask);
    check("Grep", "glob", json!("*.rs,*.toml"), Allow);
    check("Glob", "pattern", json!(["src/*", "/etc/*"]), Ask);
    check("Glob", "pattern", json!(["src/*"]), Allow);
    check("Glob", "pattern", json!(3), Ask);
    // Braces are judged by what they stand for.
    for pattern in [
        "{/etc,x}/*",
        "{src/a,src/b}/*",
        "{..,x}/*",
        "{.,x}{.,y}/*",
        "{.{.,x},y}/*",
        "x/{a,../..}/*",
        "{a,b",
        "a}b",
        "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
    ] {
        check("Glob", "pattern", json!(pattern), Ask);
    }
    check("Glob", "pattern", json!("{/home/dev/.ssh,x}/*"), Deny);
    check("Glob", "pattern", json!("/home/dev/{.ssh,x}/*"), Deny);
    check("Glob", "pattern", json!("{src,tests}/**/*.rs"), Allow);
    check("Glob", "pattern", json!("**/*.{ts,tsx}"), Allow);
}

#[test]
fn the_directory_a_shell_tool_is_given_counts() {
    let policies = Policies::default();
    let check = |name: &str, input: Value, expected: Decision| {
        let verdict = tool(&policies, name, input.clone());
        assert_eq!(verdict.decision, expected, "{name} {input}: {verdict:?}");
    };
    for key in ["workdir", "cwd", "directory", "dir_path", "working_directory"] {
        let run = |directory: Value, command: &str| {
            let mut input = json!({ "command": command });
            input[key] = directory;
            input
        };
        check("exec_command", run("src".into(), "cat main.rs"), Allow);
        check("exec_command", run(WORKSPACE.into(), "cat src/main.rs"), Allow);
        check("exec_command", run(Value::Null, "ls"), Allow);
        check("exec_command", run("/home/dev/.ssh".into(), "cat config"), Deny);
        check("run_shell_command", run("/home/dev".into(), "cat .ssh/config"), Deny);
        check("Bash", run("/home/dev".into(), "rm -rf work"), Deny);
        check("Bash", run("/".into(), "ls"), Allow);
        check("Bash", run("/".into(), "grep -r x"), Ask);
        check("Bash", run("../shop".into(), "cargo build"), Deny);
        check("Bash", run(3.into(), "ls"), Ask);
        check("Bash", run(json!(["src"]), "ls"), Ask);
        check("Bash", run("".into(), "ls"), Ask);
        check("Bash", run("~".into(), "ls"), Ask);
        check("Bash", run("a\0b".into(), "ls"), Deny);
    }
    check("Bash", json!({ "command": "ls", "cwd": "src", "workdir": "src" }), Ask);
    check(
        "Bash",
        json!({ "command": "ls", "timeout": 5, "description": "x", "run_in_background": true }),
        Allow,
    );
}

#[test]
fn arguments_that_loosen_what_holds_a_command_are_asked() {
    let policies = Policies::default();
    for (key, value) in [
        ("dangerouslyDisableSandbox", json!(true)),
        ("with_escalated_permissions", json!(true)),
        ("sandbox_permissions", json!("require_escalated")),
        ("env", json!({ "PATH": "/tmp" })),
        ("environment", json!({ "LD_PRELOAD": "x.so" })),
        ("shell", json!("/tmp/sh")),
    ] {
        let judge = |command: &str, value: &Value| {
            let mut input = json!({ "command": command });
            input[key] = value.clone();
            tool(&policies, "Bash", input).decision
        };
        assert_eq!(judge("ls", &value), Ask, "{key}");
        assert_eq!(judge("rm -rf /", &value), Deny, "{key}");
        assert_eq!(judge("ls", &Value::Null), Allow, "{key}");
        assert_eq!(judge("ls", &json!(false)), Allow, "{key}");
    }
}

#[test]
fn arguments_that_arent_known_and_may_name_files_are_asked() {
    let policies = Policies::default();
    let check = |name: &str, input: Value, expected: Decision| {
        let verdict = tool(&policies, name, input.clone());
        assert_eq!(verdict.decision, expected, "{name} {input}: {verdict:?}");
    };
    let edit = json!({ "file_path": "a", "old_string": "path", "new_string": "y", "replace_all": true });
    check("Edit", edit, Allow);
    check("Edit", json!({ "file_path": "a", "files": ["/etc/passwd"] }), Ask);
    check("Write", json!({ "file_path": "a", "content": "x", "target": "b" }), Ask);
    check("Write", json!({ "path": "a", "destination": "b" }), Ask);
    check(
        "MultiEdit",
        json!({ "file_path": "a", "edits": [{ "old_string": "x", "new_string": "y" }] }),
        Allow,
    );
    check("MultiEdit", json!({ "file_path": "a", "edits": [{ "file_path": "b", "new_string": "y" }] }), Ask);
    let cell =
        json!({ "notebook_path": "a.ipynb", "new_source": "x", "cell_id": "1", "edit_mode": "insert" });
    check("NotebookEdit", cell, Allow);
    check("Read", json!({ "file_path": "a", "offset": 1, "limit": 2, "pages": "1-2" }), Allow);
    check("Read", json!({ "file_path": "a", "paths": ["b"] }), Ask);
    let search = json!({ "pattern": "x", "output_mode": "files_with_matches", "-n": true, "head_limit": 3 });
    check("Grep", search, Allow);
}

#[test]
fn tools_are_known_by_any_of_their_names() {
    let policies = Policies::default();
    for name in ["Bash", "bash", "exec_command", "run_shell_command"] {
        assert_eq!(tool(&policies, name, json!({ "command": "rm -rf /" })).decision, Deny, "{name}");
        assert_eq!(tool(&policies, name, json!({ "command": "ls" })).decision, Allow, "{name}");
    }
    for name in ["Write", "write", "write_file", "writeFile"] {
        assert_eq!(tool(&policies, name, json!({ "filePath": "/etc/x" })).decision, Deny, "{name}");
    }
}

#[test]
fn p4_what_isnt_known_is_asked_even_by_an_allow_all_rule_of_another_tool() {
    let text = "version = 1\npreset = 'permissive'\nallow = ['Bash', 'Read', 'Write']";
    let policy = missiond_policy::Policy::parse(text, "p", missiond_policy::Layer::User).unwrap();
    let policies = Policies::new([policy]).unwrap();
    for name in ["", " ", "Bashful", "mcp__bash__Bash", "mcp__x", "Skill", "../Bash", "Bash\0", "ＢＡＳＨ"]
    {
        let verdict = tool(&policies, name, json!({ "command": "ls", "file_path": "a" }));
        assert_eq!(verdict.decision, Ask, "{name:?}: {verdict:?}");
    }
}

#[test]
fn where_nobody_can_answer_ask_becomes_deny_and_says_so() {
    let mut surroundings = surroundings();
    surroundings.can_ask = false;
    let judge = |command: &str| {
        let call = ToolCall::new("Bash", json!({ "command": command }), WORKSPACE);
        Policies::default().judge_with(&call, &surroundings, &NoLinks)
    };
    let verdict = judge("git push");
    assert_eq!(verdict.decision, Deny);
    assert!(verdict.reason.contains("nobody can be asked"), "{verdict:?}");
    assert_eq!(verdict.rule.unwrap().as_str(), "standard/publish");
    assert_eq!(judge("ls").decision, Allow);
}

#[test]
fn directories_that_arent_absolute_are_denied() {
    let policies = Policies::default();
    let call = ToolCall::new("Bash", json!({ "command": "ls" }), "relative");
    assert_eq!(policies.judge_with(&call, &surroundings(), &NoLinks).decision, Deny);
    let mut surroundings = surroundings();
    surroundings.workspace = "relative".into();
    let call = ToolCall::new("Bash", json!({ "command": "ls" }), WORKSPACE);
    assert_eq!(policies.judge_with(&call, &surroundings, &NoLinks).decision, Deny);
}

#[test]
fn reasons_are_safe_to_print() {
    let policies = Policies::default();
    let nasty = "\u{1b}]0;title\u{7}\u{202e}\u{200b}";
    for (name, input) in [
        ("Bash", json!({ "command": format!("cat '{nasty}'") })),
        ("Bash", json!({ "command": format!("{nasty} a; b") })),
        ("Read", json!({ "file_path": nasty })),
        (nasty, json!({})),
        ("WebFetch", json!({ "url": nasty })),
    ] {
        let verdict = tool(&policies, name, input);
        let text = format!("{}{}", verdict.reason, verdict.part.unwrap_or_default());
        assert!(!text.chars().any(|c| c.is_control() || ['\u{202e}', '\u{200b}'].contains(&c)), "{text:?}");
    }
    let verdict = tool(&policies, "Read", json!({ "file_path": "x".repeat(100_000) }));
    assert!(verdict.reason.chars().count() < 600);
}

#[test]
fn calls_and_verdicts_go_through_json() {
    let line =
        json!({ "id": "t1", "tool_name": "Bash", "tool_input": { "command": "git push" }, "cwd": WORKSPACE });
    let call: ToolCall = serde_json::from_value(line.clone()).unwrap();
    assert_eq!(serde_json::to_value(&call).unwrap(), line);
    let verdict = Policies::default().judge_with(&call, &surroundings(), &NoLinks);
    let value = serde_json::to_value(&verdict).unwrap();
    assert_eq!(value["decision"], "ask");
    assert_eq!(value["rule"], "standard/publish");
    assert_eq!(value["risk"], "high");
    assert_eq!(serde_json::from_value::<missiond_policy::Verdict>(value).unwrap(), verdict);
    let where_ = serde_json::to_value(surroundings()).unwrap();
    assert_eq!(serde_json::from_value::<missiond_policy::Surroundings>(where_).unwrap(), surroundings());
}
