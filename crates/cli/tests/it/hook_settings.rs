//! `hook install`, `uninstall` and `lint`, by what they leave in the settings of agents.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Outcome, Scene, collect};

fn home(scene: &Scene) -> PathBuf {
    scene.repo.beside("home")
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const TARGETS: [(&str, &str, &str); 6] = [
    ("claude", "user", ".claude/settings.json"),
    ("claude", "project", ".claude/settings.json"),
    ("claude", "local", ".claude/settings.local.json"),
    ("codex", "user", ".codex/hooks.json"),
    ("codex", "project", ".codex/hooks.json"),
    ("gemini", "project", ".gemini/settings.json"),
];

#[test]
fn install_keeps_everything_else_and_uninstall_leaves_what_was() {
    let text = "{\n    \"zebra\": [1, 2],\n    \"hooks\": {\n        \"Stop\": [\n            { \"hooks\": [{ \"type\": \"command\", \
                \"command\": \"say done\" }] }\n        ]\n    },\n    \"apple\": true\n}\n";
    for (agent, scope, name) in TARGETS {
        let scene = Scene::new();
        let root = if scope == "user" { home(&scene) } else { scene.repo.path().to_owned() };
        let path = root.join(name);
        write(&path, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let target = ["--agent", agent, "--scope", scope];
        let dry = scene.ok(&[&["hook", "install"][..], &target, &["--dry-run"]].concat());
        assert!(dry.contains("would change") && dry.contains("'hook' '--agent'"), "{dry}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "a dry run changed something");
        scene.ok(&[&["hook", "install"][..], &target].concat());
        let installed = fs::read_to_string(&path).unwrap();
        assert!(installed.contains(env!("CARGO_BIN_EXE_missiond")), "{installed}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let again = scene.json(&[&["hook", "install"][..], &target].concat());
        assert_eq!(again["changes"][0]["changed"], false, "{again}");
        assert_eq!(fs::read_to_string(&path).unwrap(), installed);
        scene.ok(&[&["hook", "uninstall"][..], &target].concat());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "a draft is left: {left:?}");
    }
}

#[test]
fn without_a_name_the_agents_on_path_are_meant() {
    let scene = Scene::new();
    scene.run(&["hook", "install"]).assert(2, &["none of claude, codex and gemini is on PATH"]);
    for agent in ["claude", "gemini"] {
        executable(&scene.repo.beside("bin").join(agent), "#!/bin/sh\n");
    }
    let installed = scene.json(&["hook", "install"]);
    let agents: Vec<&str> = installed["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["agent"].as_str().unwrap())
        .collect();
    assert_eq!(agents, ["claude", "gemini"]);
    assert!(!home(&scene).join(".codex").exists());
    assert!(!installed["changes"][0]["added"].as_array().unwrap().is_empty(), "{installed}");
    let mode = fs::metadata(home(&scene).join(".claude/settings.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the person's settings are the person's");
}

#[test]
fn a_file_that_cant_be_read_stops_everything_before_it_begins() {
    let scene = Scene::new();
    let broken = home(&scene).join(".gemini/settings.json");
    for (text, reason) in [("{\n  \"a\": 1,\n}", "line 3"), ("[]", "settings are an object")] {
        write(&broken, text);
        for command in ["install", "uninstall"] {
            let outcome = scene.run(&["hook", command, "--agent", "claude", "--agent", "gemini"]);
            outcome.assert(1, &[".gemini/settings.json is left as it is", reason]);
        }
        assert_eq!(fs::read_to_string(&broken).unwrap(), text);
        assert!(!home(&scene).join(".claude").exists(), "the other agent's settings were changed");
    }
    fs::remove_file(&broken).unwrap();
    fs::create_dir(&broken).unwrap();
    scene.run(&["hook", "install", "--agent", "gemini"]).assert(1, &["regular file"]);
    scene
        .run(&["hook", "install", "--agent", "codex", "--scope", "local"])
        .assert(1, &["no settings of the scope"]);
}

#[test]
fn a_link_is_followed_but_never_out_of_the_project() {
    let scene = Scene::new();
    let dotfiles = scene.repo.beside("dotfiles/claude.json");
    write(&dotfiles, "{}\n");
    let link = home(&scene).join(".claude/settings.json");
    fs::create_dir(link.parent().unwrap()).unwrap();
    symlink(&dotfiles, &link).unwrap();
    scene.ok(&["hook", "install", "--agent", "claude"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link was replaced");
    assert!(fs::read_to_string(&dotfiles).unwrap().contains("PreToolUse"));

    // What a repository brings is not to be trusted with what else is changed.
    let victim = scene.repo.beside("victim.json");
    write(&victim, "{}\n");
    let project = scene.repo.path().join(".claude");
    let refused = |what: &str| {
        let outcome = scene.run(&["hook", "install", "--agent", "claude", "--scope", "project"]);
        assert_ne!(outcome.code, 0, "{what}: {outcome:#?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "{}\n", "{what}");
        outcome
    };
    fs::create_dir(&project).unwrap();
    symlink(&victim, project.join("settings.json")).unwrap();
    refused("a file").assert(1, &["outside the project"]);
    fs::remove_dir_all(&project).unwrap();
    symlink(scene.repo.beside("elsewhere"), &project).unwrap();
    refused("a directory that is not there");
    fs::create_dir(scene.repo.beside("elsewhere")).unwrap();
    refused("a directory").assert(1, &["outside the project"]);
    assert_eq!(fs::read_dir(scene.repo.beside("elsewhere")).unwrap().count(), 0);
}

#[test]
fn what_is_installed_works_in_a_linked_worktree() {
    let scene = Scene::new();
    let worktree = scene.repo.beside("linked");
    scene.repo.git(&["worktree", "add", "-q", worktree.to_str().unwrap()]).unwrap();
    for agent in ["claude", "codex", "gemini"] {
        for directory in [scene.repo.path(), worktree.as_path()] {
            let args = [
                "-C",
                directory.to_str().unwrap(),
                "hook",
                "install",
                "--agent",
                agent,
                "--scope",
                "project",
            ];
            scene.ok(&args);
        }
        let name = if agent == "codex" { ".codex/hooks.json" } else { &format!(".{agent}/settings.json") };
        // Codex reads the main worktree's settings wherever it works.
        let of = if agent == "codex" { scene.repo.path() } else { worktree.as_path() };
        assert_eq!(worktree.join(name).exists(), agent != "codex");
        let settings: Value = serde_json::from_str(&fs::read_to_string(of.join(name)).unwrap()).unwrap();
        let event = if agent == "gemini" { "BeforeTool" } else { "PreToolUse" };
        let command = settings["hooks"][event][0]["hooks"][0]["command"].as_str().unwrap();
        let tool = if agent == "gemini" { "run_shell_command" } else { "Bash" };
        let told = json!({ "hook_event_name": event, "tool_name": tool, "tool_input": { "command": "rm -rf /" },
            "cwd": worktree });
        let mut sh = Command::new("/bin/sh");
        sh.args(["-c", command]).current_dir(&worktree);
        sh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = sh.spawn().unwrap();
        child.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
        let outcome = collect(child);
        assert!(outcome.out.contains("deny"), "{agent}: {outcome:#?}");
    }
}

#[test]
fn s8a_an_agent_in_a_slot_can_not_change_its_hooks() {
    let scene = Scene::new();
    scene.ok(&["hook", "install", "--agent", "claude"]);
    let path = home(&scene).join(".claude/settings.json");
    let installed = fs::read_to_string(&path).unwrap();
    for command in ["install", "uninstall", "lint"] {
        let mut hook = scene.command(&["hook", command, "--agent", "claude"]);
        hook.env("MISSIOND_SESSION", "0123456789abcdef0123456789abcdef:scripted-1");
        let outcome = collect(hook.spawn().unwrap());
        assert_eq!(outcome.code, 4, "{command}: {outcome:#?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), installed);
}

#[test]
fn the_commands_are_no_events() {
    let scene = Scene::new();
    for command in ["install", "uninstall", "lint"] {
        assert!(scene.ok(&["hook", command, "--help"]).contains("--agent <AGENT>"), "{command}");
        scene.run(&["hook", command, "--nonsense"]).assert(2, &["--nonsense"]);
    }
    assert!(scene.ok(&["hook", "lint", "--help"]).contains("code which other people wrote"));
}

/// What a person says when Gemini CLI asks about the folder.
fn trust(scene: &Scene) {
    let folders = json!({ scene.repo.path().to_str().unwrap(): "TRUST_FOLDER" });
    write(&home(scene).join(".gemini/trustedFolders.json"), &folders.to_string());
}

fn findings(scene: &Scene, args: &[&str]) -> (i32, Vec<(String, u64, String)>, Outcome) {
    let outcome = scene.run(&[&["hook", "lint", "--json"], args].concat());
    let report: Value =
        serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"));
    let found = report["findings"].as_array().unwrap().iter().map(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        (format!("{} {}", text("severity"), text("kind")), finding["line"].as_u64().unwrap(), text("problem"))
    });
    (outcome.code, found.collect(), outcome)
}

#[test]
fn lint_finds_what_can_be_told_without_running_anything() {
    // The settings of one agent as lines of hooks, and what is found: kind, line, and words of the problem.
    let check = |agent: &str, text: &str, expected: &[(&str, u64, &str)]| {
        let scene = Scene::new();
        trust(&scene);
        let name = if agent == "codex" { ".codex/hooks.json" } else { &format!(".{agent}/settings.json") };
        scene.repo.commit_file(name, text, "Add settings").unwrap();
        scene.repo.commit_file(".claude/tracked.sh", "#!/bin/sh\n", "Add a hook").unwrap();
        executable(&scene.repo.path().join(".claude/tracked.sh"), "#!/bin/sh\n");
        executable(&scene.repo.path().join(".claude/untracked.sh"), "#!/bin/sh\n");
        write(&scene.repo.path().join(".claude/plain.sh"), "#!/bin/sh\n");
        let (code, found, outcome) = findings(&scene, &["--agent", agent]);
        let shown: Vec<(&str, u64)> = found.iter().map(|(kind, line, _)| (kind.as_str(), *line)).collect();
        let wanted: Vec<(&str, u64)> = expected.iter().map(|(kind, line, _)| (*kind, *line)).collect();
        assert_eq!(shown, wanted, "{text}: {outcome:#?}");
        for ((_, _, problem), (_, _, words)) in found.iter().zip(expected) {
            assert!(problem.contains(words), "{problem:?} lacks {words:?}");
        }
        let errors = expected.iter().any(|(kind, ..)| kind.starts_with("error"));
        assert_eq!(code, i32::from(errors), "{text}");
    };
    let one = |event: &str, hook: &str| {
        format!("{{\"hooks\": {{\n\"{event}\": [{{\"matcher\": \"*\", \"hooks\": [\n{hook}\n]}}]}}}}")
    };
    let command =
        |command: &str| one("PreToolUse", &json!({ "type": "command", "command": command }).to_string());
    check("claude", &command("true"), &[]);
    check("claude", &command("git status"), &[]);
    check("claude", &command("\"$CLAUDE_PROJECT_DIR\"/.claude/tracked.sh"), &[]);
    check("claude", &command("/nowhere/hook"), &[("error missing-program", 3, "isn't there")]);
    check("claude", &command("no-such-program --x"), &[("error missing-program", 3, "isn't on PATH")]);
    check(
        "claude",
        &command("FOO=1 bash /nowhere.sh"),
        &[
            ("error missing-program", 3, "`bash`, which isn't on PATH"),
            ("error missing-program", 3, "`/nowhere.sh`"),
        ],
    );
    check(
        "claude",
        &command("$CLAUDE_PROJECT_DIR/.claude/plain.sh"),
        &[("error missing-program", 3, "can't be executed")],
    );
    check(
        "claude",
        &command("${CLAUDE_PROJECT_DIR}/.claude/untracked.sh"),
        &[("error worktree", 3, "git doesn't keep")],
    );
    check("claude", &command("./.claude/tracked.sh"), &[("error worktree", 3, "relative path")]);
    check(
        "codex",
        &command("$CLAUDE_PROJECT_DIR/.claude/tracked.sh"),
        &[
            ("error unreviewed", 3, "only after a person has reviewed"),
            ("error missing-program", 3, "Codex CLI doesn't set $CLAUDE_PROJECT_DIR"),
        ],
    );
    check("claude", &command("'half"), &[("error command", 3, "quotes")]);
    check(
        "claude",
        &one("PreTolUse", r#"{"type": "command", "command": "true"}"#),
        &[("error unknown-event", 3, "no event `PreTolUse`")],
    );
    check(
        "gemini",
        &one("PreToolUse", r#"{"type": "command", "command": "true"}"#),
        &[("error unknown-event", 3, "no event `PreToolUse`")],
    );
    check(
        "claude",
        &one("BeforeTool", r#"{"type": "command", "command": "true"}"#),
        &[("error unknown-event", 3, "no event `BeforeTool`")],
    );
    check("claude", "{\n\"disableAllHooks\": true\n}", &[("error switched-off", 2, "disableAllHooks")]);
    check(
        "gemini",
        "{\n// off\n\"hooksConfig\": {\n\"enabled\": false}}",
        &[("error switched-off", 4, "hooksConfig.enabled")],
    );
    check("claude", "{\"hooks\": {\n\"Stop\": {}}}", &[("error malformed", 2, "no list")]);
    check("claude", "{\n\"hooks\":\n", &[("error unreadable", 3, "can't read")]);
    check(
        "claude",
        &one("PreToolUse", r#"{"type": "command", "command": "true", "async": true}"#),
        &[("error async", 3, "doesn't wait")],
    );
    check(
        "claude",
        &one("PreToolUse", r#"{"type": "command", "command": "true", "timeout": 99999999}"#),
        &[("error time-out", 3, "overflows")],
    );
    check(
        "claude",
        &one("PreToolUse", r#"{"type": "command", "command": "true", "timeout": "5"}"#),
        &[("error time-out", 3, "\"5\"")],
    );
    check(
        "gemini",
        &one("BeforeTool", r#"{"type": "command", "command": "true", "timeout": 30}"#),
        &[("error time-out", 3, "milliseconds")],
    );
    check(
        "codex",
        &one("Stop", r#"{"type": "prompt", "prompt": "x"}"#),
        &[("error unsupported-type", 3, "`prompt`")],
    );
    let narrow = |matcher: &str| command("true").replace("\"*\"", &format!("{matcher:?}"));
    check("claude", &narrow("Bash"), &[("warning matcher", 3, "leaves out Write, Edit")]);
    check(
        "claude",
        &narrow("bash"),
        &[("error matcher", 3, "case counts"), ("warning matcher", 3, "leaves out Bash")],
    );
    check("claude", &narrow("^B.*"), &[("warning matcher", 3, "pattern")]);
}

#[test]
fn lint_knows_our_own_hooks_and_what_switches_them_off() {
    let scene = Scene::new();
    let all = ["--agent", "claude", "--agent", "gemini"];
    scene.ok(&[&["hook", "install"][..], &all].concat());
    let (code, found, _) = findings(&scene, &["--agent", "claude", "--agent", "gemini"]);
    let kinds: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
    assert_eq!((code, kinds), (0, vec!["warning untrusted"]));
    trust(&scene);
    let (code, found, _) = findings(&scene, &["--agent", "claude", "--agent", "gemini"]);
    assert_eq!((code, found), (0, vec![]));
    let path = home(&scene).join(".claude/settings.json");
    let installed = fs::read_to_string(&path).unwrap();
    for (from, to, kind) in [
        ("\"timeout\": 30", "\"timeout\": 3", "error time-out"),
        ("'pre-tool-use'", "'stop'", "error wrong-event"),
        ("'claude' 'pre-tool-use'", "'gemini' 'before-tool'", "error wrong-event"),
        ("\"matcher\": \"*\"", "\"matcher\": \"Bash\"", "error matcher"),
    ] {
        fs::write(&path, installed.replacen(from, to, 1)).unwrap();
        let (code, found, outcome) = findings(&scene, &["--agent", "claude"]);
        assert_eq!((code, found.first().map(|found| found.0.as_str())), (1, Some(kind)), "{outcome:#?}");
    }
    fs::write(&path, installed).unwrap();
    let mut lint = scene.command(&["hook", "lint", "--agent", "claude"]);
    lint.env("CLAUDE_CODE_SAFE_MODE", "1");
    collect(lint.spawn().unwrap()).assert(1, &[]);
    // Codex passes over the main worktree's hooks in a linked one that has no directory for them.
    scene.ok(&["hook", "install", "--agent", "codex", "--scope", "project"]);
    let (_, found, _) = findings(&scene, &["--agent", "codex"]);
    assert!(found.iter().any(|(kind, line, _)| kind == "warning worktree" && *line > 1), "{found:?}");
    scene.ok(&["hook", "uninstall", "--agent", "codex", "--scope", "project"]);
    // A hook that Codex was told to trust.
    scene.ok(&["hook", "install", "--agent", "codex"]);
    let hooks = home(&scene).join(".codex/hooks.json");
    let (code, found, _) = findings(&scene, &["--agent", "codex"]);
    assert_eq!((code, found.len()), (1, 3));
    let reviewed: String = ["pre_tool_use", "permission_request", "user_prompt_submit"]
        .iter()
        .map(|event| {
            format!("[hooks.state.\"{}:{event}:0:0\"]\ntrusted_hash = \"sha256:0\"\n", hooks.display())
        })
        .collect();
    write(&home(&scene).join(".codex/config.toml"), &reviewed);
    let (code, found, _) = findings(&scene, &["--agent", "codex"]);
    assert_eq!((code, found), (0, vec![]));
    write(&home(&scene).join(".codex/config.toml"), &format!("{reviewed}[features]\nhooks = false\n"));
    let (code, found, _) = findings(&scene, &["--agent", "codex"]);
    assert_eq!((code, found[0].0.as_str()), (1, "error switched-off"));
}

#[test]
fn lint_runs_hooks_only_when_it_is_told_to_and_sees_what_they_do() {
    let scene = Scene::new();
    let mark = scene.repo.beside("mark");
    let hook = |name: &str, script: &str| {
        let path = scene.repo.beside("hooks").join(name);
        executable(&path, &format!("#!/bin/sh\necho {name} >> '{}'\n{script}\n", mark.display()));
        path.to_str().unwrap().to_owned()
    };
    let group =
        |command: String| json!([{ "hooks": [{ "type": "command", "command": command, "timeout": 2 }] }]);
    let deny = r#"echo '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny"}}'"#;
    let cases = [
        ("PreToolUse", "one", "exit 1", vec!["error no-effect", "warning fails-open"]),
        ("PreToolUse", "text", "echo blocked", vec!["warning not-json", "warning fails-open"]),
        ("PreToolUse", "json", "echo '{\"half'", vec!["error no-effect", "warning fails-open"]),
        (
            "PreToolUse",
            "name",
            r#"echo '{"hookSpecificOutput":{"permissionDecision":"deny"}}'"#,
            vec!["error no-effect", "warning fails-open"],
        ),
        ("PreToolUse", "slow", "/bin/sleep 60", vec!["error slow"]),
        ("PreToolUse", "killed", "kill -9 $$", vec!["error no-effect", "warning fails-open"]),
        ("Stop", "stop", "echo no >&2; exit 2", vec!["error blocks-report"]),
        ("Stop", "fails", "exit 3", vec!["warning fails"]),
        ("PreToolUse", "good", deny, vec![]),
        ("PreToolUse", "two", "/bin/cat > /dev/null; echo no >&2; exit 2", vec![]),
        ("Stop", "fine", "/bin/cat > /dev/null", vec![]),
    ];
    for (event, name, script, expected) in cases {
        let settings = json!({ "hooks": { event: group(hook(name, script)) } });
        write(&scene.repo.path().join(".claude/settings.json"), &settings.to_string());
        fs::write(&mark, "").unwrap();
        let (_, found, _) = findings(&scene, &["--agent", "claude"]);
        assert_eq!(found, vec![], "{name}");
        assert_eq!(fs::read_to_string(&mark).unwrap(), "", "{name} was run unasked");
        let (code, found, outcome) = findings(&scene, &["--agent", "claude", "--run"]);
        let kinds: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
        assert_eq!(kinds, expected, "{name}: {outcome:#?}");
        assert_eq!(code, i32::from(kinds.iter().any(|kind| kind.starts_with("error"))));
        assert!(fs::read_to_string(&mark).unwrap().starts_with(name), "{name} was not run");
    }
    // What is right for one agent is no answer for another.
    let says = r#"/bin/cat > /dev/null; echo '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"ask"}}'"#;
    write(
        &scene.repo.path().join(".codex/hooks.json"),
        &json!({ "hooks": { "PreToolUse": group(hook("ask", says)) } }).to_string(),
    );
    let (_, found, outcome) = findings(&scene, &["--agent", "codex", "--run"]);
    assert!(
        found.iter().any(|(kind, _, problem)| kind == "error no-effect" && problem.contains("\"ask\"")),
        "{outcome:#?}"
    );
    // Ours.
    fs::remove_dir_all(scene.repo.path().join(".claude")).unwrap();
    scene.ok(&["hook", "install", "--agent", "claude", "--agent", "gemini"]);
    trust(&scene);
    let (code, found, outcome) = findings(&scene, &["--agent", "claude", "--agent", "gemini", "--run"]);
    assert_eq!((code, found), (0, vec![]), "{outcome:#?}");
}
