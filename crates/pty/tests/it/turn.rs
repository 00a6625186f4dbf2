//! Whole turns against a small interactive program (`fixtures/agent.bash`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use missiond_pty::{
    Agent, AnswerError, Choice, EndReason, Exit, InterruptError, Interrupted, Profile, PtySession,
    SessionError, Size, Snapshot, SpawnSpec, Status, SubmitError, Turn, TurnOptions, TurnOutcome, TurnStep,
};

use crate::session::LONG;

fn options() -> TurnOptions {
    let mut options = TurnOptions::default();
    options.submit = Duration::from_secs(2);
    options.idle_unstarted = Duration::from_millis(500);
    options
}

async fn start_with(variables: &[(&str, &str)], options: TurnOptions) -> Agent {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agent.bash");
    let mut spec = SpawnSpec::new("/bin/bash", "/").arg(program);
    spec.env.set("PATH", "/usr/local/bin:/usr/bin:/bin").set("LC_ALL", "C.UTF-8");
    for (name, value) in variables {
        spec.env.set(name, value);
    }
    let session = PtySession::spawn(spec, Size::new(80, 30).unwrap()).unwrap();
    let agent = Agent::new(Arc::new(session), Profile::claude(), options);
    let idle = agent.wait_for(LONG, |seen| matches!(seen.status, Status::Idle { .. }).then_some(()));
    idle.await.unwrap_or_else(|error| panic!("never idle: {error:?}"));
    agent
}

async fn start() -> Agent {
    start_with(&[], options()).await
}

async fn end(turn: &mut Turn) -> TurnOutcome {
    loop {
        match tokio::time::timeout(LONG, turn.next()).await.expect("a turn's step").expect("an end") {
            TurnStep::Ended(outcome) => return *outcome,
            TurnStep::NeedsAnswer(dialog) => panic!("{dialog:?}"),
            _ => {}
        }
    }
}

async fn dialog(turn: &mut Turn) -> missiond_pty::Dialog {
    loop {
        match tokio::time::timeout(LONG, turn.next()).await.expect("a turn's step").expect("a dialog") {
            TurnStep::NeedsAnswer(dialog) => return *dialog,
            TurnStep::Ended(outcome) => panic!("{outcome:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_turn_runs_from_prompt_to_answer() {
    let agent = start().await;
    let mut turn = agent.submit("hello there").await.unwrap();
    let receipt = turn.receipt();
    assert!(receipt.pasted && receipt.stripped == 0 && receipt.attempts == 1, "{receipt:?}");
    assert!(matches!(turn.next().await, Some(TurnStep::Status(Status::Busy(_)))));
    let outcome = end(&mut turn).await;
    assert_eq!(outcome.reason, EndReason::Complete);
    assert_eq!(outcome.answer.as_deref(), Some("You said: hello there"));
    assert!(outcome.screen.text().contains("❯ hello there"), "{}", outcome.screen.text());
    assert!(turn.next().await.is_none());
}

#[tokio::test]
async fn p8_prompts_arrive_whole_and_once() {
    let agent = start().await;
    let prompts = [
        "two\nlines",
        "with a blank\n\n  and indentation",
        "日本語で説明してください 🎉 café",
        "control\x1b[31m\x07 characters\r\ngo",
        "- a list\n- 1. Yes\n❯ 2. No",
    ];
    for prompt in prompts {
        let mut turn = agent.submit(prompt).await.unwrap_or_else(|error| panic!("{prompt:?}: {error}"));
        assert_eq!(turn.receipt().stripped > 0, prompt.contains('\x1b'), "{prompt:?}");
        let outcome = end(&mut turn).await;
        let clean = prompt.replace("\r\n", "\n").replace(['\x1b', '\x07'], "");
        let answer = outcome.answer.unwrap();
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeezed(&answer), squeezed(&format!("You said: {clean}")), "{prompt:?}");
    }
}

#[tokio::test]
async fn p8_a_lost_enter_is_pressed_again_and_no_more_than_that() {
    let agent = start_with(&[("SWALLOW", "1")], options()).await;
    let mut turn = agent.submit("hello").await.unwrap();
    assert_eq!(turn.receipt().attempts, 2);
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("You said: hello"));

    let mut few = options();
    few.submit = Duration::from_millis(300);
    few.submit_attempts = 2;
    let agent = start_with(&[("SWALLOW", "9")], few).await;
    let error = agent.submit("hello").await.unwrap_err();
    assert!(matches!(error, SubmitError::NotSubmitted { attempts: 2 }), "{error}");
    assert_eq!(agent.observe().draft.as_deref(), Some("hello"));
}

#[tokio::test]
async fn p8_without_bracketed_paste_only_one_line_is_typed() {
    let agent = start_with(&[("PASTE", "off")], options()).await;
    let error = agent.submit("two\nlines").await.unwrap_err();
    assert!(matches!(error, SubmitError::NoBracketedPaste), "{error}");
    let mut turn = agent.submit("one line").await.unwrap();
    assert!(!turn.receipt().pasted);
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("You said: one line"));
}

#[tokio::test]
async fn p16_a_draft_is_told_and_left_alone() {
    let agent = start_with(&[("START", "draft")], options()).await;
    assert_eq!(agent.observe().status, Status::Idle { draft: true });
    let error = agent.submit("mine").await.unwrap_err();
    assert!(matches!(&error, SubmitError::Draft { draft } if draft == "somebody's words"), "{error}");
    assert_eq!(agent.observe().draft.as_deref(), Some("somebody's words"));
}

#[tokio::test]
async fn nothing_is_no_prompt() {
    let agent = start().await;
    for prompt in ["", " \n\t", "\x1b\x07"] {
        assert!(matches!(agent.submit(prompt).await, Err(SubmitError::Empty)), "{prompt:?}");
    }
    let long = "x".repeat(1024 * 1024 + 1);
    assert!(matches!(agent.submit(&long).await, Err(SubmitError::TooLong { .. })));
}

#[tokio::test]
async fn p5_a_turn_goes_on_after_a_dialog() {
    for (choice, answer) in [
        (Choice::Option(0), "chose 1"),
        (Choice::Option(1), "chose 2"),
        (Choice::Option(2), "chose 3"),
        (Choice::Cancel, "chose cancel"),
    ] {
        let agent = start().await;
        let mut turn = agent.submit("ask").await.unwrap();
        let dialog = dialog(&mut turn).await;
        assert_eq!(dialog.tool.as_deref(), Some("Bash"));
        assert_eq!(dialog.argument.as_deref(), Some("touch a"));
        let error = agent.submit("in between").await.unwrap_err();
        assert!(matches!(error, SubmitError::Dialog { .. }), "{error}");
        agent.answer(dialog.id, choice).await.unwrap();
        let outcome = end(&mut turn).await;
        assert_eq!((outcome.reason, outcome.answer.as_deref()), (EndReason::Complete, Some(answer)));
    }
}

#[tokio::test]
async fn a_dialog_that_a_hook_answers_is_not_asked() {
    let mut options = options();
    // Much longer than the dialog stands, even on a machine that stumbles.
    options.dialog = Duration::from_secs(3);
    let agent = start_with(&[], options).await;
    let mut turn = agent.submit("hooked").await.unwrap();
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("decided by a hook"));
}

#[tokio::test]
async fn a_dialog_that_comes_again_is_reported_again() {
    let agent = start().await;
    let mut turn = agent.submit("again").await.unwrap();
    let first = dialog(&mut turn).await;
    agent.answer(first.id, Choice::Option(2)).await.unwrap();
    let second = dialog(&mut turn).await;
    agent.answer(second.id, Choice::Option(0)).await.unwrap();
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("chose 3 and 1"));
}

#[tokio::test]
async fn p3_a_changed_dialog_is_a_conflict_and_nothing_is_chosen() {
    let agent = start().await;
    let mut turn = agent.submit("swap").await.unwrap();
    let dialog = dialog(&mut turn).await;
    // The program asks something else as soon as the highlight moves.
    let error = agent.answer(dialog.id, Choice::Option(1)).await.unwrap_err();
    let AnswerError::Conflict { wanted, found } = error else { panic!("{error}") };
    let found = found.expect("the other dialog");
    assert_eq!((wanted, found.argument.as_deref()), (dialog.id, Some("rm -rf /")));
    assert!(agent.observe().dialog.is_some_and(|now| now.id == found.id), "it still waits");
    let stale = agent.answer(dialog.id, Choice::Cancel).await.unwrap_err();
    assert!(matches!(stale, AnswerError::Conflict { .. }), "{stale}");
    let error = agent.answer(found.id, Choice::Option(3)).await.unwrap_err();
    assert_eq!(error.to_string(), "the dialog has 3 options, so there is no option number 4");
    agent.answer(found.id, Choice::Option(2)).await.unwrap();
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("chose 3 for rm -rf /"));
    let gone = agent.answer(found.id, Choice::Option(0)).await.unwrap_err();
    assert!(matches!(gone, AnswerError::Conflict { found: None, .. }), "{gone}");
}

#[tokio::test]
async fn p9_an_interrupt_comes_through_and_ends_the_turn() {
    let agent = start().await;
    assert_eq!(agent.interrupt().await.unwrap(), Interrupted::WasIdle);
    let mut turn = agent.submit("hang").await.unwrap();
    let busy = agent.wait_for(LONG, |seen| matches!(seen.status, Status::Busy(_)).then_some(())).await;
    busy.unwrap();
    let error = agent.submit("in between").await.unwrap_err();
    assert!(matches!(error, SubmitError::NotIdle { status: Status::Busy(_) }), "{error}");
    assert_eq!(agent.interrupt().await.unwrap(), Interrupted::Stopped);
    assert_eq!(end(&mut turn).await.reason, EndReason::Interrupted);
}

#[tokio::test]
async fn p9_an_interrupt_does_not_wait_for_a_send() {
    let mut slow = options();
    slow.submit = LONG;
    let agent = start_with(&[("SWALLOW", "1")], slow).await;
    let sending = tokio::spawn({
        let agent = agent.clone();
        async move { agent.submit("hello").await.map(drop) }
    });
    let pasted = agent.wait_for(LONG, |seen| seen.draft.is_some().then_some(())).await;
    pasted.unwrap();
    let quick = LONG / 3;
    assert_eq!(tokio::time::timeout(quick, agent.interrupt()).await.unwrap().unwrap(), Interrupted::WasIdle);
    let sent = tokio::time::timeout(quick, sending).await.unwrap().unwrap();
    assert!(matches!(sent, Err(SubmitError::Interrupted)), "{sent:?}");
    assert_eq!(agent.observe().draft.as_deref(), Some("hello"));
}

#[tokio::test]
async fn p3_enter_is_not_pressed_into_a_dialog_that_took_the_prompts_place() {
    let mut slow = options();
    slow.settle = LONG;
    let agent = start_with(&[], slow).await;
    let sending = tokio::spawn({
        let agent = agent.clone();
        async move { agent.submit("hello").await.map(drop) }
    });
    agent.wait_for(LONG, |seen| seen.draft.is_some().then_some(())).await.unwrap();
    agent.session().write(b"\x07").unwrap();
    let error = tokio::time::timeout(LONG / 2, sending).await.unwrap().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the prompt was pasted, but the agent is confirming now and doesn't wait with it, so Enter was not pressed: \
         answer its rate-limit dialog first (What do you want to do?)"
    );
    let SubmitError::Replaced { dialog: Some(dialog), status: Status::Confirming } = error else { panic!() };
    agent.answer(dialog.id, Choice::Cancel).await.unwrap();
    assert_eq!(agent.observe().draft.as_deref(), Some("hello"));
    assert!(!agent.session().snapshot().text().contains("waits for the limit"));
}

#[tokio::test]
async fn p3_a_dialog_that_comes_before_the_prompt_was_seen_is_named_at_once() {
    let mut slow = options();
    slow.echo = LONG;
    let agent = start_with(&[("LIMIT", "paste")], slow).await;
    let error = tokio::time::timeout(LONG / 2, agent.submit("hello")).await.unwrap().map(drop).unwrap_err();
    let SubmitError::Replaced { dialog: Some(dialog), status: Status::Confirming } = error else {
        panic!("{error}")
    };
    agent.answer(dialog.id, Choice::Cancel).await.unwrap();
    assert_eq!(agent.observe().draft.as_deref(), Some("hello"));
    assert!(!agent.session().snapshot().text().contains("waits for the limit"));
}

/// An agent whose program is a script that shows what Claude Code would, on 80 columns.
fn scripted(script: &str, options: TurnOptions) -> Agent {
    let script = format!("stty raw -echo; rule=$(printf '─%.0s' {{1..80}}); {script}");
    let mut spec = SpawnSpec::new("/bin/bash", "/").args(["-c", &script]);
    spec.env.set("PATH", "/usr/local/bin:/usr/bin:/bin").set("LC_ALL", "C.UTF-8");
    let session = PtySession::spawn(spec, Size::new(80, 30).unwrap()).unwrap();
    Agent::new(Arc::new(session), Profile::claude(), options)
}

#[tokio::test]
async fn p9_a_prompt_that_nobody_reads_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("go on");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let script = format!(
        "printf '\\e[?2004h%s\\r\\n❯ \\r\\n%s\\r\\n' $rule $rule; read go < '{}'
         IFS= read -rd '~' begin; IFS= read -rd '~' text; IFS= read -rn1 key
         printf '\\e[2J\\e[H%s %q %q' ${{#text}} \"${{text: -5}}\" \"$key\"; read rest",
        fifo.display()
    );
    let mut hasty = options();
    hasty.echo = Duration::from_millis(300);
    let agent = scripted(&script, hasty);
    agent.wait_for(LONG, |seen| matches!(seen.status, Status::Idle { .. }).then_some(())).await.unwrap();
    let prompt = "x".repeat(512 * 1024);
    let error = tokio::time::timeout(LONG, agent.submit(&prompt)).await.unwrap().unwrap_err();
    assert!(matches!(error, SubmitError::Session(SessionError::NotTaken { .. })), "{error}");

    // The key comes right behind what had been given to the terminal, and not into the paste.
    agent.session().write(b"\x1b").unwrap();
    tokio::task::spawn_blocking(move || std::fs::write(fifo, "\n")).await.unwrap().unwrap();
    let told = |screen: &Snapshot| screen.text().strip_suffix(r" $'\E[201' $'\E'").map(str::to_owned);
    let length = agent.session().wait_for(LONG, told).await.unwrap();
    assert!(length.parse::<usize>().unwrap() < prompt.len() / 2, "{length}");
}

#[tokio::test]
async fn c7_keys_that_nobody_reads_are_not_waited_for() {
    let mut hasty = options();
    hasty.key = Duration::from_millis(200);
    let dialog =
        "printf '%s\\r\\n Bash command\\r\\n\\r\\n   ls\\r\\n\\r\\n Do you want to proceed?\\r\\n' $rule
        printf ' ❯ 1. Yes\\r\\n   2. No\\r\\n\\r\\n Esc to cancel'; sleep 1000";
    let agent = scripted(dialog, hasty);
    let id = agent.wait_for(LONG, |seen| seen.dialog.as_ref().map(|dialog| dialog.id)).await.unwrap();
    // More than the terminal has room for.
    agent.session().write(&vec![b'x'; 1024 * 1024]).unwrap();
    for choice in [Choice::Option(0), Choice::Option(1), Choice::Cancel] {
        let error = tokio::time::timeout(LONG, agent.answer(id, choice)).await.unwrap().unwrap_err();
        assert!(matches!(error, AnswerError::Session(SessionError::NotTaken { .. })), "{choice:?}: {error}");
    }
    let error = tokio::time::timeout(LONG, agent.interrupt()).await.unwrap().unwrap_err();
    assert!(matches!(error, InterruptError::Session(SessionError::NotTaken { .. })), "{error}");
}

#[tokio::test]
async fn every_end_has_its_reason() {
    let agent = start().await;
    let mut turn = agent.submit("error").await.unwrap();
    assert_eq!(end(&mut turn).await.reason, EndReason::Failed("API Error: 400 bad request".to_owned()));

    let mut turn = agent.submit("local").await.unwrap();
    let outcome = end(&mut turn).await;
    assert_eq!((outcome.reason, outcome.answer.as_deref()), (EndReason::Complete, Some("by myself")));

    let mut turn = agent.submit("exit").await.unwrap();
    let EndReason::Exited(report) = end(&mut turn).await.reason else { panic!() };
    assert_eq!(report.exit, Some(Exit::Code(3)));
    assert!(matches!(agent.submit("more").await, Err(SubmitError::Exited(_))));
    assert!(matches!(agent.interrupt().await, Err(InterruptError::Exited(_))));

    let mut short = options();
    short.turn = Duration::from_millis(300);
    let agent = start_with(&[], short).await;
    let mut turn = agent.submit("hang").await.unwrap();
    let outcome = end(&mut turn).await;
    assert_eq!(outcome.reason, EndReason::TimedOut);
    assert!(outcome.duration >= Duration::from_millis(300));
}

#[tokio::test]
async fn p2_a_quoted_dialog_does_not_stop_a_turn() {
    let agent = start().await;
    let mut turn = agent.submit("quote").await.unwrap();
    let outcome = end(&mut turn).await;
    assert_eq!(outcome.reason, EndReason::Complete);
    let answer = outcome.answer.unwrap();
    assert!(answer.starts_with("It looks so:\n\nDo you want to proceed?\n❯ 1. Yes"), "{answer}");
}

#[tokio::test]
async fn an_enter_that_completes_a_name_does_not_submit() {
    let agent = start().await;
    let mut turn = agent.submit("@f").await.unwrap();
    assert_eq!(turn.receipt().attempts, 2);
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("You said: @file.txt"));
}

#[tokio::test]
async fn p4_a_screen_that_nothing_explains_is_told() {
    let mut options = options();
    options.submit = Duration::from_millis(200);
    options.unexplained = Duration::from_millis(200);
    let agent = start_with(&[], options).await;
    let mut turn = agent.submit("strange").await.unwrap();
    let Some(TurnStep::Unexplained(screen)) = turn.next().await else { panic!() };
    assert_eq!(screen.rows.last().unwrap().text, "");
    assert!(screen.text().ends_with("nothing known"), "{}", screen.text());
    assert_eq!(end(&mut turn).await.answer.as_deref(), Some("was away"));
}

#[tokio::test]
async fn twenty_prompts_are_twenty_turns() {
    let agent = start().await;
    for n in 0..20 {
        let prompt = format!("prompt number {n}");
        let mut turn = agent.submit(&prompt).await.unwrap();
        assert_eq!(end(&mut turn).await.answer, Some(format!("You said: {prompt}")));
    }
}
