//! Sessions with real programs.

use std::path::Path;
use std::time::Duration;

use missiond_pty::{
    EventKind, Exit, ExitCause, PtySession, SessionError, Size, Snapshot, SpawnError, SpawnSpec, WaitError,
};

/// Long enough for a loaded machine; nothing waits this long unless it fails.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) fn sh(script: &str) -> SpawnSpec {
    let mut spec = SpawnSpec::new("/bin/sh", "/").args(["-c", script]);
    spec.env.set("PATH", "/usr/local/bin:/usr/bin:/bin").set("LC_ALL", "C.UTF-8");
    spec
}

fn start(script: &str) -> PtySession {
    PtySession::spawn(sh(script), Size::new(80, 24).unwrap()).unwrap()
}

async fn until(session: &PtySession, text: &str) -> Snapshot {
    let has = |snapshot: &Snapshot| snapshot.text().contains(text).then(|| snapshot.clone());
    session.wait_for(LONG, has).await.unwrap_or_else(|error| panic!("no {text:?}: {error:?}"))
}

#[test]
fn a_session_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sendable<T: Send>(_: &T) {}
    shared::<PtySession>();
    shared::<missiond_pty::Agent>();
    shared::<missiond_pty::Subscription>();
    let session = start("exit 0");
    sendable(&session.kill());
    sendable(&session.exited());
    sendable(&session.write_all(b""));
    sendable(&session.wait_for(LONG, |_| Some(())));
}

#[tokio::test]
async fn p1_output_and_keys_go_through() {
    let session = start("stty -echo; printf 'name? '; read name; echo \"hello $name\"; read rest");
    until(&session, "name?").await;
    session.write("wörld\r".as_bytes()).unwrap();
    let snapshot = until(&session, "hello wörld").await;
    assert_eq!(snapshot.rows[0].text, "name? hello wörld");
    assert!(session.exit().is_none() && snapshot.exit.is_none());
}

#[tokio::test]
async fn the_terminal_belongs_to_the_program() {
    let session = start(
        "tty; echo term=$TERM lines=$LINES; test -t 0 && test -t 1 && test -t 2 && exec </dev/tty && echo own",
    );
    let snapshot = until(&session, "own").await;
    assert!(snapshot.rows[0].text.starts_with("/dev/pts/"), "{}", snapshot.rows[0].text);
    assert_eq!(snapshot.rows[1].text, "term=xterm-256color lines=");
}

#[tokio::test]
async fn p17_no_shell_stands_between() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a\"; touch pwned; \"$(touch pwned)");
    std::fs::create_dir(&odd).unwrap();
    let spec = SpawnSpec::new("/usr/bin/env", &odd).args(["printf", "[%s]", "$HOME `id` \"; touch pwned"]);
    let session = PtySession::spawn(spec, Size::default()).unwrap();
    let report = session.exited().await;
    assert_eq!(report.exit, Some(Exit::Code(0)));
    assert_eq!(session.snapshot().text(), "[$HOME `id` \"; touch pwned]");
    assert_eq!(std::fs::read_dir(&odd).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn p12_every_end_is_reported_with_the_last_screen() {
    for (script, exit) in
        [("printf last; exit 3", Exit::Code(3)), ("printf last; kill -SEGV $$", Exit::Signal(11))]
    {
        let session = start(script);
        let report = session.exited().await;
        assert_eq!((report.exit, report.cause), (Some(exit), ExitCause::Ended), "{script}");
        let snapshot = session.snapshot();
        assert_eq!((snapshot.text().as_str(), snapshot.exit), ("last", session.exit()), "{script}");
        assert!(matches!(session.write(b"x"), Err(SessionError::Exited)), "{script}");
        assert!(matches!(session.write_all(b"x").await, Err(SessionError::Exited)), "{script}");
        assert!(matches!(session.resize(Size::default()), Err(SessionError::Exited)), "{script}");
    }
    let session = start("exit 4");
    let error = session.wait_for(LONG, |_| None::<()>).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the program ended before the screen came to the expected state: exit code 4"
    );
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline() {
    let session = start("printf there; read x");
    until(&session, "there").await;
    let error = session.wait_for(Duration::from_millis(50), |_| None::<()>).await.unwrap_err();
    let WaitError::TimedOut { last, .. } = error else { panic!("{error}") };
    assert_eq!(last.text(), "there");
}

#[tokio::test]
async fn a_program_that_cannot_start_is_named() {
    let spec = SpawnSpec::new("/no/such/program", "/");
    let error = PtySession::spawn(spec, Size::default()).unwrap_err();
    assert!(matches!(error, SpawnError::Program { .. }), "{error:?}");
    assert_eq!(error.to_string(), "/no/such/program didn't start on its terminal");
}

#[tokio::test]
async fn p15_a_program_that_waits_for_replies_gets_them() {
    // Raw mode, one query after another; each blocks until its reply has come.
    let session = start(
        "stty raw -echo; printf '\\033[c'; a=$(dd bs=1 count=9 2>/dev/null | od -An -c | tr -d ' \\n'); \
         printf '\\033[5;7H\\033[6n'; b=$(dd bs=1 count=6 2>/dev/null | od -An -c | tr -d ' \\n'); \
         stty sane; printf '\\033[2J\\033[H%s|%s|end' \"$a\" \"$b\"; read x",
    );
    let snapshot = until(&session, "end").await;
    assert_eq!(snapshot.rows[0].text, "033[?62;22c|033[5;7R|end");
}

#[tokio::test]
async fn the_alternate_screen_comes_and_goes() {
    let session =
        start("printf main; printf '\\033[?1049h\\033[Hedit'; read x; printf '\\033[?1049l'; read y");
    let snapshot = session.wait_for(LONG, |s| (s.text() == "edit").then(|| s.clone())).await.unwrap();
    assert!(snapshot.modes.alternate_screen);
    session.write(b"\r").unwrap();
    let back = session.wait_for(LONG, |s| (!s.modes.alternate_screen).then(|| s.clone())).await.unwrap();
    assert!(back.rows[0].text.starts_with("main"), "{}", back.text());
}

#[tokio::test]
async fn p11_a_resize_is_seen_by_the_program() {
    let session = start("trap 'stty size' WINCH; stty size; while :; do read x; done");
    until(&session, "24 80").await;
    for (cols, rows) in [(101, 33), (1000, 1000), (40, 10)] {
        session.resize(Size::new(cols, rows).unwrap()).unwrap();
        assert_eq!(session.snapshot().rows.len(), usize::from(rows));
        until(&session, &format!("{rows} {cols}")).await;
    }
    // Too small to show anything; it only must not break.
    session.resize(Size::new(1, 1).unwrap()).unwrap();
    session.resize(Size::new(80, 24).unwrap()).unwrap();
    until(&session, "24 80").await;
}

#[tokio::test]
async fn p13_kill_ends_the_whole_tree() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "trap '' HUP TERM INT; (trap '' HUP TERM INT; setsid sh -c 'echo $$ >> {0}; while :; do sleep 1; done') & \
         echo $$ >> {0}; echo ready; while :; do sleep 1; done",
        pids.display()
    );
    let mut spec = sh(&script);
    spec.ladder.interrupt = Duration::from_millis(100);
    spec.ladder.terminate = Duration::from_millis(100);
    let session = PtySession::spawn(spec, Size::default()).unwrap();
    let two = || std::fs::read_to_string(&pids).is_ok_and(|text| text.lines().count() == 2);
    eventually(two).await;
    let report = session.kill().await.unwrap();
    assert_eq!((report.exit, &report.cause), (Some(Exit::Signal(9)), &ExitCause::Killed));
    assert_eq!(session.exit(), Some(report));
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} lives");
    }
}

#[tokio::test]
async fn dropping_a_session_ends_its_program() {
    let session = start("trap '' HUP; echo ready; while :; do sleep 1; done");
    until(&session, "ready").await;
    let process = Path::new("/proc").join(session.pid().to_string());
    assert!(process.exists());
    let mut events = session.subscribe();
    drop(session);
    eventually(|| !process.exists()).await;
    // Whoever still listens is told.
    loop {
        match tokio::time::timeout(LONG, events.next()).await.unwrap() {
            Some(event) if matches!(event.kind, EventKind::Exited(_)) => break,
            Some(_) => {}
            None => panic!("the stream ended without an end"),
        }
    }
}

#[tokio::test]
async fn events_are_numbered_and_complete() {
    let session = start("read x; printf '\\033]2;topic\\007'; printf 'one\\007'; exit 5");
    let mut events = session.subscribe();
    let first = events.next().await.unwrap();
    assert!(matches!(first.kind, EventKind::Resync { .. }), "{first:?}");
    session.write(b"\r").unwrap();
    session.resize(Size::new(90, 20).unwrap()).unwrap();
    let (mut seq, mut output, mut seen) = (first.seq, Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        assert_eq!(event.seq, seq + 1);
        seq = event.seq;
        match event.kind {
            EventKind::Output(bytes) => output.extend_from_slice(&bytes),
            kind => seen.push(kind),
        }
    }
    let size = Size::new(90, 20).unwrap();
    assert!(seen.contains(&EventKind::Resized(size)) && seen.contains(&EventKind::Bell), "{seen:?}");
    assert!(seen.contains(&EventKind::Title("topic".into())), "{seen:?}");
    assert_eq!(seen.last(), Some(&EventKind::Exited(session.exit().unwrap())));
    assert!(String::from_utf8(output).unwrap().ends_with("one\x07"));
    assert_eq!(session.snapshot().seq, seq);

    // A late subscriber gets the last screen and the end.
    let mut late = session.subscribe();
    let EventKind::Resync { snapshot, .. } = late.next().await.unwrap().kind else { panic!() };
    assert_eq!(&*snapshot.title, "topic");
    assert!(matches!(late.next().await.unwrap().kind, EventKind::Exited(_)));
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn c15_a_slow_subscriber_is_resynchronised() {
    let session = start("echo before; read x; echo after; read y");
    until(&session, "before").await;
    let mut events = session.subscribe();
    assert!(matches!(events.next().await.unwrap().kind, EventKind::Resync { .. }));
    // More events than a subscriber may be behind.
    for n in 0..300 {
        session.resize(Size::new(80, 20 + n % 5).unwrap()).unwrap();
    }
    session.write(b"\r").unwrap();
    until(&session, "after").await;
    session.write(b"\r").unwrap();
    session.exited().await;

    let mut viewer = missiond_pty::Terminal::new(Size::new(80, 24).unwrap());
    let (mut seq, mut gaps) = (1, 0);
    while let Some(event) = events.next().await {
        match event.kind {
            EventKind::Resync { redraw, snapshot } => {
                gaps += 1;
                viewer = missiond_pty::Terminal::new(snapshot.size);
                viewer.feed(&redraw);
            }
            EventKind::Output(bytes) => {
                assert_eq!(event.seq, seq + 1);
                viewer.feed(&bytes);
            }
            _ => {}
        }
        seq = event.seq;
    }
    assert_eq!(gaps, 1);
    assert_eq!(viewer.snapshot().text(), session.snapshot().text());
    assert!(viewer.snapshot().text().contains("after"));
}

#[tokio::test]
async fn p9_looking_and_typing_never_wait() {
    // Nobody reads: the line discipline takes what it has room for and the rest waits.
    let session = start("stty raw -echo; echo ready; sleep 1000");
    until(&session, "ready").await;
    let block = vec![b'x'; 256 * 1024];
    let mut full = None;
    for _ in 0..64 {
        if let Err(error) = session.write(&block) {
            full = Some(error);
            break;
        }
    }
    let full = full.expect("a bounded queue is full at some point");
    assert!(matches!(full, SessionError::InputFull { limit, .. } if limit == 4 * 1024 * 1024), "{full}");
    assert!(session.snapshot().text().contains("ready"));
    let report = tokio::time::timeout(LONG, session.kill()).await.unwrap().unwrap();
    assert_eq!(report.cause, ExitCause::Killed);
}

#[tokio::test]
async fn an_update_that_never_ends_is_shown_after_a_while() {
    let session = start("printf before; printf '\\033[?2026h\\033[2J\\033[Hafter'; read x");
    until(&session, "after").await;
}

#[tokio::test]
async fn a_large_input_arrives_whole() {
    let session = start("stty raw -echo; echo ready; head -c 300000 | md5sum; read x");
    until(&session, "ready").await;
    session.write_all(&vec![b'a'; 300_000]).await.unwrap();
    until(&session, "92712d77c46f3ee77d7ac6caba4fe2ba").await;
}

pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "it didn't come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
