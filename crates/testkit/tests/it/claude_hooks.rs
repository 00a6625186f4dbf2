//! What a `PreToolUse` hook of a settings file can and can't do in Claude Code's own asking mode.
//!
//! The short of it: `allow` from the hook is enough and `deny` is final, but a hook that fails in any way other
//! than exit status 2 has no say, and then the agent's own rules let calls run that only read (`ls`, `Read` inside
//! the project). So a call without a verdict of ours may well have run.

use serde_json::{Value, json};

use crate::live::{Live, answer, bash, calls, denials, live, results, write};
use missiond_testkit::model::{Step, Turn};

/// Which of three calls ran, and what the model was told of each.
fn check(hook: &str, timeout: Option<u64>, ran: [bool; 3], told: [&str; 3]) {
    let turns = [
        bash("touch made"),
        Turn::tool("Write", json!({"file_path": "written", "content": "x"})),
        bash("ls README.md"),
        Turn::text("done"),
    ];
    live(turns, |live| {
        let run = live.run_with_hook(hook, timeout)?;
        let results = results(&run);
        let listed = results[2].1 == "README.md";
        assert_eq!([live.exists("made"), live.exists("written"), listed], ran, "{hook}: {results:?}");
        for (index, (is_error, text)) in results.iter().enumerate() {
            assert_eq!(*is_error, !ran[index], "{hook}: {text}");
            assert!(text.contains(told[index]), "{hook}: {text:?} lacks {:?}", told[index]);
        }
        // Claude Code lists what it refused, whoever refused it; the run is a success all the same.
        let refused: Vec<&str> =
            calls(&run).into_iter().zip(ran).filter(|(_, ran)| !ran).map(|(id, _)| id).collect();
        assert_eq!(denials(&run), refused);
        assert_eq!((run.status.code(), &run.result()?["is_error"]), (Some(0), &json!(false)));
        Ok(())
    });
}

#[test]
fn allow_is_enough_without_any_allowed_tool() {
    check(&answer("allow", ""), None, [true; 3], ["no output", "created successfully", "README.md"]);
}

#[test]
fn deny_is_final_and_its_reason_is_the_whole_tool_result() {
    check(&answer("deny", "rule 7 says no"), None, [false; 3], ["rule 7 says no"; 3]);
}

#[test]
fn ask_is_a_refusal_without_a_person() {
    check(&answer("ask", "who knows"), None, [false; 3], ["who knows"; 3]);
}

#[test]
fn exit_2_blocks_with_standard_error_as_reason() {
    check("cat >$LOG; echo because >&2; exit 2", None, [false; 3], ["]: because"; 3]);
}

/// The agent's own words for what it doesn't let through by itself.
const OWN_REFUSALS: [&str; 3] = ["was blocked", "you haven't granted it yet", "README.md"];

#[test]
fn s8a_a_missing_hook_has_no_say() {
    check("/nonexistent/hook", None, [false, false, true], OWN_REFUSALS);
}

#[test]
fn s8a_a_killed_hook_has_no_say() {
    check("cat >$LOG; kill -9 $$", None, [false, false, true], OWN_REFUSALS);
}

#[test]
fn s8a_a_hook_slower_than_its_timeout_has_no_say() {
    check("cat >$LOG; exec sleep 60", Some(1), [false, false, true], OWN_REFUSALS);
}

#[test]
fn exit_1_and_output_that_is_no_json_have_no_say() {
    check("cat >$LOG; exit 1", None, [false, false, true], OWN_REFUSALS);
    check("cat >$LOG; echo nonsense", None, [false, false, true], OWN_REFUSALS);
}

#[test]
fn a_settings_file_that_is_not_valid_is_ignored_as_a_whole() {
    let listing = |live: &Live| -> anyhow::Result<String> {
        let settings = live.repo.beside("settings.json");
        let run = live.headless().only_settings(&settings).run(crate::live::DEADLINE)?;
        Ok(results(&run)[0].1.clone())
    };
    let with = |live: &Live, timeout: Value| {
        let hook = json!({"type": "command", "command": "exit 2", "timeout": timeout});
        live.settings(&json!({"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [hook]}]}}));
    };
    let turns = (0..3).flat_map(|_| [bash("ls README.md"), Turn::text("done")]);
    live(turns, |live| {
        with(live, json!(60));
        assert!(listing(live)?.contains("hook error"));
        with(live, json!("60"));
        assert_eq!(listing(live)?, "README.md");
        std::fs::write(live.repo.beside("settings.json"), "{not json")?;
        assert_eq!(listing(live)?, "README.md");
        // Only a file that isn't there is an error.
        let run =
            live.headless().only_settings(&live.repo.beside("absent.json")).run(crate::live::DEADLINE)?;
        assert_eq!(run.status.code(), Some(1));
        assert!(run.stderr.contains("Settings file not found"), "{}", run.stderr);
        Ok(())
    });
}

#[test]
fn the_event_names_the_call() {
    live([write(std::path::Path::new("a.txt"), "x"), Turn::text("done")], |live| {
        let run = live.run_with_hook(&answer("allow", ""), None)?;
        let event = &live.events()[0];
        assert_eq!(event["hook_event_name"], "PreToolUse");
        assert_eq!(event["permission_mode"], "default");
        assert_eq!(event["tool_use_id"].as_str(), Some(calls(&run)[0]));
        assert_eq!(event["session_id"], run.init()?["session_id"]);
        // The stream shows the input as the model wrote it; the hook sees file paths made absolute.
        assert_eq!(run.blocks("tool_use")[0]["input"]["file_path"], "a.txt");
        assert_eq!(event["tool_input"]["file_path"].as_str(), live.path("a.txt").to_str());
        Ok(())
    });
}

#[test]
fn a_subagents_calls_fire_the_hook_and_show_their_parent() {
    let input = json!({"description": "d", "prompt": "SUBTASK", "subagent_type": "general-purpose"});
    let turns = [
        Turn::tool("Agent", input),
        bash("touch made").when_first("SUBTASK"),
        Turn::text("sub done").when_first("SUBTASK"),
        Turn::message([Step::text("main done")]),
    ];
    live(turns, |live| {
        let run = live.run_with_hook(&answer("allow", ""), None)?;
        assert!(live.exists("made"));
        let events = live.events();
        let tools: Vec<&str> = events.iter().map(|event| event["tool_name"].as_str().unwrap()).collect();
        assert_eq!(tools, ["Agent", "Bash"]);
        assert_eq!(events[0]["agent_id"], Value::Null);
        assert!(events[1]["agent_id"].is_string());
        assert_eq!(events[1]["agent_type"], "general-purpose");
        let inner = run.lines.iter().find(|line| line["message"]["content"][0]["name"] == "Bash").unwrap();
        assert_eq!(inner["parent_tool_use_id"].as_str(), Some(calls(&run)[0]));
        assert_eq!(inner["message"]["content"][0]["id"], events[1]["tool_use_id"]);
        Ok(())
    });
}
