//! The wire format: the real client takes every kind of answer for what it is meant to be.

use std::{fs, process::Command, time::Duration};

use missiond_testkit::{
    claude::VERSION,
    model::{Outcome, RequestKind, Step, Turn},
};
use serde_json::json;

use crate::live::{DEADLINE, bash, live, results};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_text_turn() {
    let turn = Turn::message([
        Step::thinking("Let me see."),
        Step::chunks(["Hello, ", "wörld 漢字."], Duration::from_millis(5)),
    ]);
    live([turn], |live| {
        let run = live.run()?;
        assert!(run.status.success(), "{}", run.stderr);
        assert_eq!(run.init()?["claude_code_version"], VERSION);
        let result = run.result()?;
        assert_eq!(result["result"], "Hello, wörld 漢字.");
        assert_eq!((&result["subtype"], &result["is_error"]), (&json!("success"), &json!(false)));
        assert_eq!(run.blocks("thinking").len(), 1);
        assert_eq!(live.server.unmatched().len(), 0);
        let request = &live.server.conversation()[0];
        assert!(request.first_user_text().contains("go"));
        assert!(request.tools().contains(&"Bash"));
        assert_eq!(request.outcome(), Some(Outcome::Answered));
        assert_eq!(live.home.transcripts().len(), 1);
        Ok(())
    });
}

#[test]
fn a_tool_turn() {
    let write = Step::tool("Write", json!({"file_path": "note.txt", "content": "grüße\n"}));
    let turns = [Turn::message([Step::text("Writing."), write]), Turn::text("Written.").when_last("created")];
    live(turns, |live| {
        let run = live.headless().arg("--allowedTools").arg("Write").run(DEADLINE)?;
        assert_eq!(run.result()?["result"], "Written.");
        assert_eq!(fs::read_to_string(live.path("note.txt"))?, "grüße\n");
        let answer = &live.server.conversation()[1];
        let results = answer.tool_results();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].tool_use_id, run.blocks("tool_use")[0]["id"].as_str().unwrap());
        assert!(!results[0].is_error);
        Ok(())
    });
}

#[test]
fn several_calls_in_one_turn_keep_their_order() {
    let call = |command: &str| Step::tool("Bash", json!({"command": command, "description": "d"}));
    live([Turn::message([call("echo one"), call("exit 4"), call("echo two")]), Turn::text("done")], |live| {
        let run = live.run_with_hook(&crate::live::answer("allow", ""), None)?;
        assert_eq!(
            results(&run),
            [(false, "one".to_owned()), (true, "Exit code 4".to_owned()), (false, "two".to_owned())]
        );
        assert_eq!(live.server.conversation()[1].tool_results().len(), 3);
        Ok(())
    });
}

#[test]
fn a_400_ends_with_exit_1_and_an_error_result_called_success() {
    live([Turn::error(400)], |live| {
        let run = live.run()?;
        assert_eq!(run.status.code(), Some(1));
        let result = run.result()?;
        assert_eq!((&result["subtype"], &result["is_error"]), (&json!("success"), &json!(true)));
        assert_eq!(result["api_error_status"], 400);
        assert_eq!(result["result"], "API Error: 400 scripted error 400");
        Ok(())
    });
}

#[test]
fn a_529_is_tried_again() {
    live([Turn::error(529), Turn::text("at last")], |live| {
        let run = live.run()?;
        assert_eq!(run.result()?["result"], "at last");
        let retry = run.lines.iter().find(|line| line["subtype"] == "api_retry").unwrap();
        assert_eq!((&retry["attempt"], &retry["error_status"]), (&json!(1), &json!(529)));
        let turns: Vec<_> = live.server.conversation().iter().map(|request| request.turn()).collect();
        assert_eq!(turns, [Some(0), Some(1)]);
        Ok(())
    });
}

#[test]
fn a_dropped_connection_is_tried_again() {
    live([Turn::drop_connection(), Turn::text("at last")], |live| {
        let run = live.run()?;
        assert_eq!(run.result()?["result"], "at last");
        let retry = run.lines.iter().find(|line| line["subtype"] == "api_retry").unwrap();
        assert_eq!(retry["error_status"], json!(null));
        assert_eq!(live.server.conversation()[0].outcome(), Some(Outcome::Dropped));
        Ok(())
    });
}

/// Once a block of the answer is complete it isn't tried again: what came so far stands, and the run is an error.
#[test]
fn a_connection_dropped_after_a_block_is_an_error() {
    let half = Turn::message([Step::text("half"), Step::gate("block is out"), Step::DropConnection]);
    live([half, Turn::text("at last").always()], |live| {
        let run = live.headless().spawn()?;
        live.server.wait_at_gate("block is out", SOON)?;
        run.wait_for_line(SOON, |line| line["message"]["content"][0]["text"] == "half")?;
        live.server.release("block is out");
        let run = run.wait(DEADLINE)?;
        let result = run.result()?;
        assert_eq!((run.status.code(), &result["is_error"]), (Some(1), &json!(true)));
        assert!(result["result"].as_str().unwrap().contains("Connection closed mid-response"), "{result}");
        assert_eq!(live.server.unused_turns(), [1]);
        Ok(())
    });
}

#[test]
fn the_next_run_resumes_the_conversation() {
    live([bash("ls"), Turn::text("first answer"), Turn::text("second answer")], |live| {
        let first = live.run()?;
        let id = first.result()?["session_id"].as_str().unwrap().to_owned();
        let second = live.headless().arg("--resume").arg(&id).run(DEADLINE)?;
        assert_eq!(second.result()?["session_id"], id);
        assert_eq!(live.home.transcripts().len(), 1);
        let last = live.server.conversation().pop().unwrap();
        assert!(last.body().to_string().contains("first answer"));
        Ok(())
    });
}

/// With non-essential traffic off, a headless run asks for nothing but the conversation (and may probe the server).
#[test]
fn a_headless_run_asks_for_nothing_beside_the_conversation() {
    live([Turn::text("done")], |live| {
        live.run()?;
        let kinds: Vec<_> = live.server.requests().iter().map(|request| request.kind()).collect();
        assert!(
            kinds.iter().all(|kind| matches!(kind, RequestKind::Conversation | RequestKind::Probe)),
            "{kinds:?}"
        );
        Ok(())
    });
}

/// A test that needs the program fails without it, in CI and elsewhere, and says how to get it.
#[test]
fn a_missing_or_different_program_is_a_failure_that_names_the_remedy() {
    for (program, complaint) in
        [("/nonexistent/claude", "does not exist"), ("/bin/true", "the tests need 2.1.197")]
    {
        let inner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "claude_turns::a_text_turn", "--nocapture"])
            .env("MISSIOND_TEST_CLAUDE", program)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&inner.stderr) + String::from_utf8_lossy(&inner.stdout);
        assert!(!inner.status.success(), "{said}");
        assert!(said.contains(complaint) && said.contains("npm install --prefix"), "{said}");
    }
}
