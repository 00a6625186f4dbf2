//! Time, signals, standard input and the environment.

use std::time::Duration;

use missiond_testkit::{
    claude::HeadlessRun,
    model::{Step, Turn},
    processes::{assert_none_left, wait_until, with_environment},
};
use rustix::process::Signal;
use serde_json::json;

use crate::live::{DEADLINE, answer, bash, live};

const SOON: Duration = Duration::from_secs(30);
const MARK: &str = "TESTKIT_LIVE";

/// The timeout of a hook is in seconds, and a number of milliseconds above 2^31 - 1 fires at once: 2147483 s
/// (24 days) is the most that can be asked for.
#[test]
fn the_longest_timeout_of_a_hook() {
    for (seconds, judged) in [(2_147_483, true), (2_147_484, false)] {
        live([bash("touch made"), Turn::text("done")], |live| {
            let hook = format!("sleep 1; {}", answer("allow", ""));
            live.run_with_hook(&hook, Some(seconds))?;
            assert_eq!(live.exists("made"), judged, "{seconds} s");
            Ok(())
        });
    }
}

/// On SIGINT the run ends by itself and takes the tool's whole tree along. Mostly it writes a result line and its exit status
/// is 1; now and then it is over before that, with 0 and no result, so nobody may rely on either. On SIGTERM and SIGHUP it is
/// gone at once with 128 + n, writes no result, and leaves the tool's processes behind.
#[test]
fn signals_while_a_tool_runs() {
    for (signal, codes, clean) in
        [(Signal::INT, &[0, 1][..], true), (Signal::TERM, &[143], false), (Signal::HUP, &[129], false)]
    {
        let mark = format!("tool-{}", codes[0]);
        let turns = [bash("touch begun; setsid sleep 300 & sleep 301"), Turn::text("done")];
        live(turns, |live| {
            let settings = live.hook_settings(&answer("allow", ""), None);
            let run = live.headless().only_settings(&settings).env(MARK, &mark).spawn()?;
            wait_until(SOON, "the tool runs", || live.exists("begun").then_some(()))?;
            let sleeping = || {
                let found = with_environment(MARK, &mark).ok()?;
                let sleeping: Vec<_> =
                    found.into_iter().filter(|process| process.command.starts_with("sleep")).collect();
                (sleeping.len() == 2).then_some(sleeping)
            };
            let sleeping = wait_until(SOON, "both sleeps run", sleeping)?;
            run.signal(signal)?;
            let run = run.wait(DEADLINE)?;
            assert!(
                run.status.code().is_some_and(|code| codes.contains(&code)),
                "{signal:?}: {}",
                run.status
            );
            if clean {
                assert_aborted(&run);
                assert_none_left(MARK, &mark, SOON)?;
            } else {
                assert!(run.result().is_err());
                let left = with_environment(MARK, &mark)?;
                assert!(sleeping.iter().any(|process| left.contains(process)), "{signal:?}: {left:?}");
                for process in left {
                    let pid = rustix::process::Pid::from_raw(process.pid.try_into()?).unwrap();
                    rustix::process::kill_process(pid, Signal::KILL)?;
                }
                assert_none_left(MARK, &mark, SOON)?;
            }
            Ok(())
        });
    }
}

/// SIGINT in the middle of an answer is exit status 0, mostly with a result, which then is an error.
#[test]
fn signals_while_the_model_answers() {
    for (signal, code) in [(Signal::INT, 0), (Signal::TERM, 143)] {
        live([Turn::message([Step::text("one"), Step::gate("held")])], |live| {
            // What was sent may not have been read yet, and then nothing would be interrupted.
            let run = live.headless().arg("--include-partial-messages").spawn()?;
            live.server.wait_at_gate("held", SOON)?;
            run.wait_for_line(SOON, |line| {
                line.pointer("/event/delta/text").is_some_and(|text| text == "one")
            })?;
            run.signal(signal)?;
            let run = run.wait(DEADLINE)?;
            assert_eq!(run.status.code(), Some(code), "{signal:?}");
            if signal == Signal::INT {
                assert_aborted(&run);
            } else {
                assert!(run.result().is_err(), "{signal:?}");
            }
            Ok(())
        });
    }
}

/// If the run still wrote a result, it says that it was called off.
fn assert_aborted(run: &HeadlessRun) {
    if let Ok(result) = run.result() {
        let reason = result["terminal_reason"].as_str().unwrap_or_default();
        assert!(result["is_error"] == true && reason.starts_with("aborted_"), "{result}");
    }
}

/// What comes on standard input is added to the prompt. (A pipe left open costs 3 s of waiting for it.)
#[test]
fn standard_input_is_part_of_the_prompt() {
    live([Turn::text("done")], |live| {
        live.headless().stdin("FROM-STDIN").run(DEADLINE)?;
        let text = live.server.conversation()[0].first_user_text();
        assert!(text.contains("go") && text.contains("FROM-STDIN"), "{text}");
        Ok(())
    });
}

/// The hook gets the agent's environment and more: which project, which session, and that an agent is at work.
#[test]
fn the_environment_reaches_hooks_and_tools() {
    let hook = "env > $LOG.env; cat >> $LOG; echo '{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\",\
                \"permissionDecision\":\"allow\"}}'";
    live([bash("env"), Turn::text("done")], |live| {
        let settings = live.hook_settings(hook, None);
        let run = live.headless().only_settings(&settings).env(MARK, "seen").run(DEADLINE)?;
        let of_hook = std::fs::read_to_string(live.repo.beside("events.jsonl.env"))?;
        let of_tool = crate::live::results(&run).remove(0).1;
        for environment in [&of_hook, &of_tool] {
            for expected in
                [format!("{MARK}=seen"), "CLAUDECODE=1".to_owned(), "ANTHROPIC_API_KEY=".to_owned()]
            {
                assert!(environment.contains(&expected), "{expected} is not in {environment}");
            }
        }
        let project = format!("CLAUDE_PROJECT_DIR={}", live.repo.path().display());
        assert!(of_hook.contains(&project), "{of_hook}");
        Ok(())
    });
}

/// A command in the background is stopped when the run ends, which takes it some seconds after the result line.
#[test]
fn a_background_command_does_not_outlive_the_run() {
    let call = json!({"command": "sleep 300", "description": "d", "run_in_background": true});
    live([Turn::tool("Bash", call), Turn::text("done")], |live| {
        let settings = live.hook_settings(&answer("allow", ""), None);
        let run = live.headless().only_settings(&settings).env(MARK, "background").run(DEADLINE)?;
        let result = run.lines.iter().position(|line| line["type"] == "result").unwrap();
        let stopped = run.lines.iter().position(|line| line["patch"]["status"] == "killed").unwrap();
        assert!(result < stopped, "lines still come after the result");
        assert_none_left(MARK, "background", SOON)
    });
}
