//! The hook's side of the gate: it never waits for ever, and never takes a failure for a yes.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use missiond_core::control::gate::{GateClientError, ask};
use missiond_core::control::{GateRequest, GateResponse, GateServer, ServerOptions};
use missiond_core::{Decision, Recipient, SlotId, ToolCall};

use super::support::{Owned, PATIENCE, chain, until};

fn judge(tool: &str) -> GateRequest {
    let call = Box::new(ToolCall::new("1", tool, serde_json::json!({}), "/"));
    GateRequest::Judge { call, event: "PreToolUse".to_owned() }
}

/// A gate whose slot is held by this very process, so that the test is inside of it.
fn gate(owned: &Owned) -> (GateServer, missiond_core::control::SessionGuard) {
    let slot: SlotId = "one".parse().unwrap();
    let inside = owned.sessions.register(slot.clone(), std::process::id()).unwrap();
    let (handler, authority) = (Arc::clone(&owned.handler), Arc::clone(&owned.authority));
    (GateServer::bind(&owned.lock, slot, handler, authority, ServerOptions::default()).unwrap(), inside)
}

async fn ask_from_thread(path: &Path, request: GateRequest) -> Result<GateResponse, GateClientError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || ask(&path, &request, PATIENCE)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_reports_and_messages_are_answered() {
    let owned = Owned::new();
    let (gate, _inside) = gate(&owned);
    let response = ask_from_thread(gate.path(), judge("Read")).await.unwrap();
    assert!(
        matches!(&response, GateResponse::Verdict(verdict) if verdict.decision == Decision::Allow),
        "{response:?}"
    );
    let check = async |request: GateRequest, ok: bool| {
        let response = ask_from_thread(gate.path(), request).await.unwrap();
        assert_eq!(matches!(response, GateResponse::Ok), ok, "{response:?}");
        assert_eq!(matches!(response, GateResponse::Refused { .. }), !ok, "{response:?}");
    };
    let report =
        |bytes: usize| GateRequest::Report { event: serde_json::Value::String("x".repeat(bytes - 2)) };
    check(report(1 << 20), true).await;
    check(report((1 << 20) + 1), false).await;
    let message = |bytes: usize| GateRequest::Send { to: Recipient::Everyone, text: "x".repeat(bytes) };
    check(message(64 * 1024), true).await;
    check(message(64 * 1024 + 1), false).await;
    // Beside its arguments: what is kept of every call, and shown beside the calls of others.
    let call = |id: usize, tool: usize, cwd: usize| {
        let cwd = format!("/{}", "w".repeat(cwd - 1));
        let call = ToolCall::new("i".repeat(id), "T".repeat(tool), serde_json::json!({}), cwd);
        GateRequest::Judge { call: Box::new(call), event: "PreToolUse".to_owned() }
    };
    let longest = ask_from_thread(gate.path(), call(1024, 1024, 4096)).await.unwrap();
    assert!(matches!(longest, GateResponse::Verdict(_)), "{longest:?}");
    for (id, tool, cwd) in [(1025, 1, 1), (1, 1025, 1), (1, 1, 4097)] {
        check(call(id, tool, cwd), false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_withdrawn_when_the_hook_is_gone() {
    let owned = Owned::new();
    let (gate, _inside) = gate(&owned);
    let path = gate.path().to_owned();
    let error = tokio::task::spawn_blocking(move || ask(&path, &judge("Held"), Duration::from_secs(1)))
        .await
        .unwrap();
    assert!(matches!(error, Err(GateClientError::TimedOut { .. })), "{error:?}");
    until("the question was withdrawn", || owned.handler.dropped.load(SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_judgement_is_refused_when_the_mission_ends() {
    let owned = Owned::new();
    let (gate, _inside) = gate(&owned);
    let path = gate.path().to_owned();
    let asking = tokio::spawn(async move { ask_from_thread(&path, judge("Held")).await });
    until("the call is being judged", || owned.handler.begun.load(SeqCst) == 1).await;
    gate.shutdown().await;
    let response = asking.await.unwrap().unwrap();
    assert!(
        matches!(&response, GateResponse::Refused { reason } if reason.contains("shutting down")),
        "{response:?}"
    );
}

#[test]
fn c7_whatever_the_socket_is_the_deadline_holds() {
    let directory = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(300);
    let check = |path: &Path, expected: fn(&GateClientError) -> bool| {
        let began = Instant::now();
        let error = ask(path, &judge("Read"), limit).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(chain(&error).contains(path.to_str().unwrap()), "{error}");
        assert!(began.elapsed() < limit + PATIENCE / 2, "{:?}", began.elapsed());
    };
    check(&directory.path().join("missing"), |error| matches!(error, GateClientError::Unreachable { .. }));

    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    check(&file, |error| matches!(error, GateClientError::Unreachable { .. }));

    let mute = directory.path().join("mute");
    let listener = UnixListener::bind(&mute).unwrap();
    check(&mute, |error| matches!(error, GateClientError::TimedOut { .. }));
    drop(listener);
    check(&mute, |error| matches!(error, GateClientError::Unreachable { .. }));

    // A mission that hangs so long that nobody else is even queued.
    let full = directory.path().join("full");
    let listener =
        rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &rustix::net::SocketAddrUnix::new(&full).unwrap()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let queued = std::os::unix::net::UnixStream::connect(&full).unwrap();
    check(&full, |error| matches!(error, GateClientError::TimedOut { .. }));
    drop(queued);
}

#[test]
fn whoever_closes_or_talks_nonsense_is_no_yes() {
    use std::io::{Read, Write};
    let directory = tempfile::tempdir().unwrap();
    let welcome =
        serde_json::json!({"type": "welcome", "value": missiond_core::control::wire::Hello::ours()});
    let frame = |json: serde_json::Value| missiond_core::control::wire::encode(&json, 4096).unwrap();
    let verdict = serde_json::json!({"type": "answer", "value": {"type": "verdict", "value":
        {"decision": "allow", "rule": null, "reason": "", "risk": "low"}}});
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("closes", vec![]),
        ("closes after the welcome", frame(welcome.clone())),
        ("no welcome", frame(verdict.clone())),
        ("half a frame", [frame(welcome.clone()), frame(verdict.clone())[..40].to_vec()].concat()),
        ("no JSON", [frame(welcome.clone()), vec![0, 0, 0, 3, b'y', b'e', b's']].concat()),
        ("too long", [frame(welcome.clone()), vec![255; 4]].concat()),
        ("another answer", [frame(welcome.clone()), frame(serde_json::json!({"type": "end"}))].concat()),
        (
            "another protocol",
            [
                frame(serde_json::json!({"type": "welcome", "value": {"protocol": 99, "version": "9"}})),
                frame(verdict.clone()),
            ]
            .concat(),
        ),
    ];
    for (number, (case, bytes)) in cases.into_iter().enumerate() {
        let path = directory.path().join(number.to_string());
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The whole request first, so that what is sent back is not lost to an early end.
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let answer = ask(&path, &judge("Read"), PATIENCE);
        assert!(answer.is_err(), "{case}: {answer:?}");
        server.join().unwrap();
    }
    // The same frames in good order are a yes, so the cases above fail for the right reason.
    let path = directory.path().join("good");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&[frame(welcome), frame(verdict)].concat()).unwrap();
        stream
    });
    assert!(matches!(ask(&path, &judge("Read"), PATIENCE), Ok(GateResponse::Verdict(_))));
    drop(server.join().unwrap());
}
