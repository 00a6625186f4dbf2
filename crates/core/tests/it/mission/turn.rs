//! What an agent may print, and how its turn is read.

use missiond_core::{Event, EventBody, Mission, Task, TaskStatus};

use super::support::{Stage, all_vacant, log, run, run_done, run_failed};

#[tokio::test(flavor = "multi_thread")]
async fn c8_only_a_result_that_says_so_is_a_success() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    for (prompt, expected) in [
        ("begin; result success true 'no credit'", &["no credit"][..]),
        ("begin; result error_max_turns false ''", &["error_max_turns"]),
        ("begin; result error_during_execution true 'it broke'", &["it broke"]),
        ("begin; result success true first; finish second", &["first"]),
        ("begin; echo oh no >&2; echo 'really: no' >&2; exit 7", &["exit code 7", "really: no"]),
        ("begin; say partly; kill -9 $$", &["SIGKILL"]),
        ("begin; echo said >&2", &["exit code 0", "said"]),
        ("exit 0", &["before its turn did"]),
    ] {
        let reason = run_failed(&mission, prompt).await;
        for text in expected {
            assert!(reason.contains(text), "{prompt}: {reason}");
        }
        all_vacant(&mission).await;
    }
    let task = run_done(&mission, "begin; say hello; finish answer").await;
    let result = task.result.unwrap();
    assert_eq!((result.answer.as_str(), result.usage.cost_usd), ("answer", Some(0.25)));
    assert_eq!((result.usage.input_tokens, result.usage.output_tokens), (3, 4));
    assert_eq!((result.commit, result.changed_files.len()), (None, 0));
    // What a failed turn has cost is on record too.
    let failed = run(&mission, "begin; result success true 'no credit'").await;
    assert_eq!(failed.result.unwrap().usage.cost_usd, Some(0.25));
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_lines_that_are_no_text_do_not_end_the_turn() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = "begin; printf '\\377\\376 broken \\303\\n'; printf 'null\\n[]\\n{\"type\":7}\\n\\n'; \
         printf '{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"\\377!\"}]}}\\n'; \
         result success false ''";
    let task = run_done(&mission, prompt).await;
    assert_eq!(task.result.as_ref().unwrap().answer, "\u{fffd}!");
    let warnings = warnings(&mission, &task).await;
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    assert!(warnings[0].contains("no event") && warnings[0].contains("broken"), "{warnings:#?}");
    mission.shutdown("over").await.unwrap();
}

/// A line that cannot be read could hide a tool call, so the turn ends with a typed error; nobody hangs on the pipe.
#[tokio::test(flavor = "multi_thread")]
async fn c11_a_line_that_cannot_be_read_fails_the_turn() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let called = r#"{"type":"tool_use","id":"c1","name":"Bash","input":{"command":"rm x"}}"#;
    let line = |content: &str| {
        format!("begin; echo '{{\"type\":\"assistant\",\"message\":{{\"content\":{content}}}}}'; finish")
    };
    for (prompt, expected) in [
        ("begin; head -c 20000000 /dev/zero | tr '\\0' x; echo; say unseen; finish".to_owned(), "16777216"),
        ("begin; echo '{\"type\": \"assist'; finish".to_owned(), "broken JSON"),
        (line(called), "something else than a list"),
        (line(&format!("[[{called}]]")), "no object"),
        (line(r#"[{"type":"tool_use","name":"Bash"}]"#), "no tool call id"),
        // A child of the agent writes half a line to its output, and the agent's call follows on the same line.
        ("begin; printf 'half a line'; call c1 Bash 'rm x'; finish".to_owned(), "before its event"),
    ] {
        let reason = run_failed(&mission, prompt).await;
        assert!(reason.contains(expected), "{reason}");
        stage.no_process_is_left().await;
        all_vacant(&mission).await;
    }
    run_done(&mission, "begin; finish").await;
    mission.shutdown("over").await.unwrap();
}

async fn warnings(mission: &Mission, task: &Task) -> Vec<String> {
    let events = log(mission).await.into_iter().filter(|event| event.task == Some(task.id));
    let text = |event: Event| match event.body {
        EventBody::Warning { text } => Some(text),
        _ => None,
    };
    events.filter_map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_flood_on_either_stream_blocks_nobody() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    // 8 MB of errors that nobody asked for, and 2 MB of lines that are no JSON.
    let prompt = "begin; yes 'an error' | head -c 8000000 >&2; yes 'no line of ours' | head -c 2000000; \
         say heard; finish";
    let task = run_done(&mission, prompt).await;
    let warnings = warnings(&mission, &task).await.len();
    assert!((2..=100).contains(&warnings), "{warnings} warnings for one flood");
    assert_eq!(task.status, TaskStatus::Done);
    mission.shutdown("over").await.unwrap();
}

/// The agent reports its result, and something that it started keeps its output open.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_holds_the_output_does_not_hold_the_turn() {
    let stage = Stage::new();
    let config = stage.config_with("shell", 1, &[("agent.turn_timeout", "50s")]);
    let mission = Mission::open(config).await.unwrap();
    run_done(&mission, "begin; (trap '' INT TERM; while :; do sleep 0.1; done) & finish").await;
    run_done(&mission, "begin; finish; while :; do sleep 0.1; done").await;
    let reason = run_failed(&mission, "begin; exec >&- 2>&-; while :; do sleep 0.1; done").await;
    assert!(reason.contains("closed its output"), "{reason}");
    stage.no_process_is_left().await;
    mission.shutdown("over").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_reads_no_prompt_is_told_by_its_own_words() {
    let stage = Stage::new();
    let text = stage.agent_text("shell");
    let head = text.find("args = ").unwrap();
    let tail = head + text[head..].find('\n').unwrap();
    let script = "exec 0<&-; sleep 0.2; echo unauthorised >&2; exit 4";
    let text = format!("{}args = [\"-c\", {script:?}, \"{{settings}}\"]{}", &text[..head], &text[tail..]);
    stage.write_agent("deaf", &text.replace("id = \"shell\"", "id = \"deaf\""));
    let mission = Mission::open(stage.config("deaf", 1)).await.unwrap();
    let reason = run_failed(&mission, "x".repeat(1 << 20)).await;
    assert!(reason.contains("unauthorised") && reason.contains("exit code 4"), "{reason}");
    mission.shutdown("over").await.unwrap();
}

/// What an agent says is kept as it is, and never as long as it likes.
#[tokio::test(flavor = "multi_thread")]
async fn a_huge_answer_is_cut_and_marked() {
    let stage = Stage::new();
    let mission = stage.shell(1).await;
    let prompt = "begin; long=$(head -c 3000000 /dev/zero | tr '\\0' y); say \"$long\"; say \"$long\"; say end; \
         result success false ''";
    let answer = run_done(&mission, prompt).await.result.unwrap().answer;
    assert!(answer.len() <= 4 * 1024 * 1024 + 8, "{} bytes", answer.len());
    assert!(answer.starts_with("yyy") && answer.ends_with('…'), "{:?}", &answer[answer.len() - 20..]);
    mission.shutdown("over").await.unwrap();
}
