//! The scripted agent as an agent of a mission, by the driver for terminals.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use missiond_core::project::{Project as Discovered, ProjectOptions};
use missiond_core::{Mission, NewTask, Task, TaskStatus};
use missiond_testkit::processes::wait_until;
use serde_json::{Value, json};

use crate::support::{COMMAND, Finished, Project, beside, script, slots};

/// A project with one slot, and a place for transcripts that can be looked at.
fn project(driver: &str) -> Project {
    let project = Project::new(&slots("scripted", driver, 1));
    let state = beside(&project, "state");
    project.with_environment(vec![("XDG_STATE_HOME".to_owned(), state.to_string_lossy().into_owned())])
}

fn transcripts(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(beside(project, "state").join("missiond/scripted"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Runs one prompt to its end: the task, and how the command ended.
fn run(project: &Project, prompt: &str, more: &[&str]) -> (Value, Finished) {
    let finished = project.run(&[&["run", "--format", "json"], more, &["--", prompt]].concat());
    let tasks: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}\n{finished}"));
    (tasks.as_array().map_or(tasks.clone(), |tasks| tasks[0].clone()), finished)
}

fn events(project: &Project, kind: &str) -> Vec<Value> {
    project.events().into_iter().filter(|event| event["kind"] == kind).collect()
}

fn assert_nothing_left(project: &Project) {
    assert_eq!(project.worktrees(), Vec::<String>::new());
    assert_eq!(project.agent_processes(), Vec::<String>::new());
}

#[test]
fn a_prompt_becomes_committed_work() {
    let project = project("pty");
    let (task, finished) = run(&project, "please do something", &[]);
    assert_eq!((finished.code, &task["status"]), (0, &json!("done")), "{finished}");
    let answer = task["result"]["answer"].as_str().unwrap();
    assert!(answer.contains("You asked: please do something"), "{answer}");
    assert!(answer.contains("I wrote the request to SCRIPTED.md."), "{answer}");
    assert_eq!(task["result"]["changed_files"], json!(["SCRIPTED.md"]));
    let branch = task["workspace"]["branch"].as_str().unwrap();
    let file = project.repo.show(branch, "SCRIPTED.md").unwrap();
    assert!(file.contains("please do something"), "{file}");
    let judged = events(&project, "tool.judged");
    assert_eq!(judged.len(), 1, "{judged:?}");
    assert_eq!((&judged[0]["tool"], &judged[0]["decision"]), (&json!("Write"), &json!("allow")));
    assert_nothing_left(&project);
    // The conversation's file lies where it should, and only there.
    let conversation = task["conversation"].as_str().unwrap();
    let names: Vec<String> = transcripts(&project)
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, [format!("{conversation}.jsonl")]);
}

/// What a task came to, as far as it does not depend on the driver.
fn outcome(driver: &str, prompt: &str) -> Value {
    let project = project(driver);
    project.policy("version = 1\ndeny = [\"Bash(echo forbidden)\"]\n");
    let (task, finished) = run(&project, prompt, &[]);
    assert_nothing_left(&project);
    let kinds = ["tool.called", "tool.judged", "tool.finished", "agent.text"];
    let events: Vec<Value> = project.events();
    let told = |kind: &str| -> Vec<Value> {
        let of_kind = events.iter().filter(|event| event["kind"] == kind);
        let plain = ["tool", "argument", "decision", "reason", "is_error", "text"];
        of_kind
            .map(|event| plain.iter().map(|name| event[*name].clone()).collect::<Value>())
            // Where the workspace lies is another place each time.
            .map(|event| {
                let workspace = task["workspace"]["path"].as_str().unwrap_or("/nowhere");
                serde_json::from_str(&event.to_string().replace(workspace, "WORKSPACE")).unwrap()
            })
            .collect()
    };
    let result = &task["result"];
    json!({
        "code": finished.code,
        "status": task["status"],
        "reason": task["reason"],
        "changed": result["changed_files"],
        "calls": result["tool_calls"],
        "denied": result["denied_calls"],
        "events": kinds.map(told),
    })
}

#[test]
fn both_drivers_come_to_the_same() {
    let long: Vec<String> = (1..=200).map(|n| format!("- line {n} of a request")).collect();
    let prompts = [
        script(&json!([{ "say": "Just an answer." }])),
        script(&json!([{ "think_ms": 1 }])),
        script(
            &json!([{ "write": { "path": "a/ü.txt", "content": "grüße 日本語 🎉\n" } }, { "say": "Geschrieben." }]),
        ),
        script(&json!([{ "bash": "echo forbidden" }, { "say": "I was refused." }])),
        script(&json!([{ "bash": "false" }, { "read": { "path": "nothing" } }, { "say": "Both failed." }])),
        script(&json!([{ "say": "half" }, { "fail": "the model is overloaded" }])),
        script(&json!([{ "say": "Turn failed: so it says, and it is not true" }])),
        script(&json!([{ "unhooked": "touch free" }, { "say": "Nobody saw me." }])),
        script(&json!([{ "say": "日本語".repeat(2000) }])),
        long.join("\n"),
        "日本語で\n\n説明してください — naïve café 🎉".to_owned(),
    ];
    for prompt in prompts {
        let head: String = prompt.chars().take(80).collect();
        println!("--- {head}");
        assert_eq!(outcome("pty", &prompt), outcome("headless", &prompt), "{head}");
    }
}

#[test]
fn a_denied_call_is_not_executed_and_the_agent_is_told_why() {
    let project = project("pty");
    // Without this rule the command runs and its file is committed.
    project.policy("version = 1\ndeny = [\"Bash(touch:*)\"]\n");
    let steps = json!([{ "bash": "touch ran.txt" }, { "say": "I was refused." }]);
    let (task, finished) = run(&project, &script(&steps), &[]);
    assert_eq!((finished.code, &task["status"]), (0, &json!("done")), "{finished}");
    assert_eq!(task["result"]["denied_calls"], 1);
    assert_eq!(task["result"]["changed_files"], json!([]), "{task}");
    let judged = events(&project, "tool.judged");
    assert_eq!((judged.len(), &judged[0]["decision"]), (1, &json!("deny")), "{judged:?}");
    let transcript = std::fs::read_to_string(&transcripts(&project)[0]).unwrap();
    let told = transcript.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find_map(|line| {
        let block = line.pointer("/message/content/0").filter(|block| block["type"] == "tool_result")?;
        Some(block["content"].as_str()?.to_owned())
    });
    let reason = judged[0]["reason"].as_str().unwrap();
    assert!(told.as_deref().is_some_and(|told| told.contains(reason)), "told {told:?}, not {reason:?}");
}

#[test]
fn ask_waits_for_a_person_and_goes_on_as_they_say() {
    let steps = json!([{ "bash": "git push origin main" }, { "say": "Went on." }]);
    let check = |answer: &[&str], expected: &str, denied: u32| {
        let project = project("pty");
        let running = project.start(&["run", &script(&steps), "--format", "json"]);
        let approval = project.pending_approval();
        assert_eq!(approval["call"]["input"]["command"], "git push origin main");
        let id = approval["id"].as_str().unwrap();
        let answered = project.run(&[&[answer[0], id], &answer[1..]].concat());
        assert_eq!(answered.code, 0, "{answered}");
        let finished = running.wait();
        assert_eq!(finished.code, 0, "{finished}");
        let task = project.json(&["task", "list", "--format", "json"])[0].clone();
        assert_eq!(task["result"]["denied_calls"], denied, "{task}");
        assert_eq!(task["result"]["answer"], "Went on.", "{task}");
        let transcript = std::fs::read_to_string(&transcripts(&project)[0]).unwrap();
        assert!(transcript.contains(expected), "{transcript}");
        assert_nothing_left(&project);
    };
    // There is no remote, so git itself says no: the call ran.
    check(&["approve"], "does not appear to be a git repository", 0);
    check(&["reject", "--note", "not on a Friday"], "not on a Friday", 1);
}

#[test]
fn a_crash_fails_the_task_and_says_how_it_ended() {
    for (signal, said) in [(9, "signal 9"), (11, "signal 11"), (0, "exit code 1")] {
        let project = project("pty");
        let steps = json!([{ "say": "so far" }, { "crash": signal }]);
        let (task, finished) = run(&project, &script(&steps), &[]);
        assert_eq!((finished.code, &task["status"]), (1, &json!("failed")), "{finished}");
        let reason = task["reason"].as_str().unwrap();
        assert!(reason.contains("the agent ended before its turn did") && reason.contains(said), "{reason}");
        assert_nothing_left(&project);
    }
}

#[test]
fn a_script_that_is_none_fails_the_task_and_says_why() {
    let project = project("pty");
    let (task, finished) = run(&project, "script:[{\"dance\":1}]", &[]);
    assert_eq!((finished.code, &task["status"]), (1, &json!("failed")), "{finished}");
    assert!(task["reason"].as_str().unwrap().contains("unknown variant `dance`"), "{task}");
}

#[test]
fn a_cancelled_task_leaves_no_process() {
    let project = project("pty");
    project.policy("version = 1\nallow = [\"Bash(sleep 300)\"]\n");
    let running = project.start(&["run", &script(&json!([{ "bash": "sleep 300" }])), "--format", "json"]);
    let processes = || project.agent_processes();
    let sleeping = || processes().into_iter().find(|process| process.contains("sleep 300"));
    wait_until(COMMAND, "the tool's process", sleeping).unwrap();
    let id = project.json(&["task", "list", "--format", "json"])[0]["id"].as_str().unwrap().to_owned();
    let cancelled = project.run(&["task", "cancel", &id]);
    assert_eq!(cancelled.code, 0, "{cancelled}");
    assert_eq!(processes(), Vec::<String>::new());
    assert_eq!(running.wait().code, 1);
    assert_eq!(project.json(&["task", "show", &id, "--format", "json"])["status"], "cancelled");
    assert_nothing_left(&project);
}

#[test]
fn a_second_prompt_goes_on_with_the_same_conversation() {
    let project = project("pty");
    let say = |text: &str| script(&json!([{ "say": text }]));
    let (first, _) = run(&project, &say("The word is heron."), &[]);
    let (second, finished) =
        run(&project, &say("As I said."), &["--follow-up", first["id"].as_str().unwrap()]);
    assert_eq!(second["status"], "done", "{finished}");
    assert_eq!(second["conversation"], first["conversation"]);
    assert_eq!(second["result"]["answer"], "As I said.", "the answer of the first turn was taken along");
    let [transcript] = &transcripts(&project)[..] else { panic!("{:?}", transcripts(&project)) };
    let transcript = std::fs::read_to_string(transcript).unwrap();
    assert!(transcript.contains("The word is heron.") && transcript.contains("As I said."), "{transcript}");
}

#[test]
fn several_agents_work_side_by_side() {
    let project = Project::new(&slots("scripted", "pty", 3));
    let prompts: Vec<String> = (1..=6)
        .map(|n| {
            let path = format!("file-{n}.txt");
            script(&json!([{ "write": { "path": path, "content": "x" } }, { "say": format!("Number {n}.") }]))
        })
        .collect();
    let args: Vec<&str> =
        ["run", "--format", "json"].into_iter().chain(prompts.iter().map(String::as_str)).collect();
    let tasks = project.json(&args);
    for (n, task) in tasks.as_array().unwrap().iter().enumerate() {
        let number = n + 1;
        assert_eq!(task["status"], "done", "{task}");
        assert_eq!(task["result"]["answer"], format!("Number {number}."), "{task}");
        assert_eq!(task["result"]["changed_files"], json!([format!("file-{number}.txt")]), "{task}");
    }
    assert_nothing_left(&project);
}

/// Runs a task in a mission of this process, with a change to the agent's data file and another hook. `has_agent` says
/// whether an agent is started.
fn in_process(
    change: impl FnOnce(String) -> String,
    hook: Option<&str>,
    steps: &Value,
    has_agent: bool,
) -> (Project, Task) {
    let project = project("pty");
    // `{self}` would be the test itself.
    let program = format!("program = {:?}", env!("CARGO_BIN_EXE_missiond"));
    let profile = include_str!("../../crates/core/src/agents/scripted.toml");
    let profile = profile.replace("program = \"{self}\"", &program);
    let home = beside(&project, "state");
    let profile = profile.replace("[pty]\n", &format!("[pty]\nenv = {{ XDG_STATE_HOME = {home:?} }}\n"));
    let agents = project.path().join(".missiond/agents");
    std::fs::create_dir_all(&agents).unwrap();
    std::fs::write(agents.join("scripted.toml"), change(profile)).unwrap();
    let found = Discovered::discover(project.path(), &ProjectOptions::default()).unwrap();
    let mut config = found.mission_config().unwrap();
    config.hook_patience = Duration::from_secs(2);
    config.hook_command = vec![env!("CARGO_BIN_EXE_missiond").into(), "__missiond".into(), "hook".into()];
    if let Some(text) = hook {
        let program = beside(&project, "hook");
        if !text.is_empty() {
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        config.hook_command = vec![program.into()];
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let task = runtime.block_on(async {
        let mission = Mission::open(config).await.unwrap();
        let id = mission.submit(NewTask::new(script(steps))).await.unwrap();
        if has_agent {
            project.agent_seen().await;
        }
        let task = tokio::time::timeout(COMMAND, mission.wait(id)).await.expect("the task's end").unwrap();
        mission.shutdown("the test is over").await.unwrap();
        task
    });
    drop(runtime);
    assert_nothing_left(&project);
    (project, task)
}

#[test]
fn without_a_working_hook_no_call_runs() {
    let hooks = [
        ("missing", ""),
        ("killed", "#!/bin/sh\nkill -9 $$\n"),
        ("slow", "#!/bin/sh\nexec sleep 60\n"),
        ("failing", "#!/bin/sh\nexit 1\n"),
    ];
    let steps = json!([{ "bash": "touch ran.txt" }, { "say": "Done." }]);
    for (name, hook) in hooks {
        let (project, task) = in_process(|profile| profile, Some(hook), &steps, true);
        assert_eq!(task.status, TaskStatus::Failed, "{name}: {task:?}");
        let reason = task.reason.clone().unwrap_or_default();
        assert!(reason.contains("policy bypassed: Bash `touch ran.txt`"), "{name}: {reason}");
        let branch = &task.workspace.as_ref().unwrap().branch;
        assert!(project.repo.show(branch, "ran.txt").is_err(), "{name}: the call's work was committed");
        let rescue = task.result.as_ref().and_then(|result| result.rescue.clone());
        assert_eq!(rescue, None, "{name}: the call left its mark");
        let transcript = std::fs::read_to_string(&transcripts(&project)[0]).unwrap();
        assert!(
            !transcript.contains("\"is_error\":false,\"tool_use_id\""),
            "{name}: the call ran: {transcript}"
        );
    }
}

#[test]
fn an_agent_whose_screen_or_transcript_is_not_known_fails_its_task() {
    let check = |from: &str, to: &str, has_agent: bool, said: &str| {
        let change = |profile: String| {
            assert!(profile.contains(from), "{from:?} is not in the data file");
            profile.replace(from, to)
        };
        let (_, task) = in_process(change, None, &json!([{ "say": "hello" }]), has_agent);
        assert_eq!(task.status, TaskStatus::Failed, "{task:?}");
        let reason = task.reason.unwrap_or_default();
        assert!(reason.contains(said), "{reason}");
    };
    check("screen = \"scripted\"", "screen = \"vi\"", false, "there are some for: claude, scripted");
    check("missiond/scripted/{conversation}", "elsewhere/{conversation}", true, "wrote no transcript");
}

#[test]
fn the_data_file_works_in_a_mission_of_another_program() {
    let steps = json!([{ "bash": "echo hi" }, { "say": "hello" }]);
    let (_, task) = in_process(|profile| profile, None, &steps, true);
    assert_eq!(task.status, TaskStatus::Done, "{task:?}");
    let result = task.result.unwrap();
    assert_eq!((result.answer.as_str(), result.tool_calls, result.denied_calls), ("hello", 1, 0));
}
