//! The model server as any client sees it.

use std::{net::TcpStream, time::Duration};

use missiond_testkit::model::{ModelServer, Outcome, RequestKind, Script, Step, Turn};
use serde_json::{Value, json};

use crate::http::{ask, events, messages, receive, send};

const SOON: Duration = Duration::from_secs(20);

fn server(turns: impl IntoIterator<Item = Turn>) -> ModelServer {
    ModelServer::start(turns.into_iter().fold(Script::new(), Script::turn)).unwrap()
}

fn message(server: &ModelServer, user: &[&str], stream: bool) -> crate::http::Response {
    ask(server.address(), "POST", "/v1/messages", &messages(user, stream)).unwrap()
}

#[test]
fn streams_every_kind_of_block_in_order() {
    let input = json!({"command": "echo 'grüße 漢字 🦀' and enough more to need several pieces"});
    let server = server([Turn::message([
        Step::thinking("hm"),
        Step::chunks(["a", "b"], Duration::from_millis(1)),
        Step::tool("Bash", input.clone()),
    ])]);
    let events = events(&message(&server, &["hi"], true).body);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"message_start"));
    assert_eq!(kinds[kinds.len() - 2..], ["message_delta", "message_stop"]);
    let starts: Vec<&Value> = events.iter().filter(|event| event["type"] == "content_block_start").collect();
    let blocks: Vec<&str> =
        starts.iter().map(|start| start["content_block"]["type"].as_str().unwrap()).collect();
    assert_eq!(blocks, ["thinking", "text", "tool_use"]);
    assert_eq!(starts.iter().map(|start| start["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    let delta = |kind: &str, key: &str| -> String {
        events
            .iter()
            .filter(|e| e["delta"]["type"] == kind)
            .map(|e| e["delta"][key].as_str().unwrap())
            .collect()
    };
    assert_eq!(delta("text_delta", "text"), "ab");
    assert_eq!(delta("thinking_delta", "thinking"), "hm");
    let sent: Value = serde_json::from_str(&delta("input_json_delta", "partial_json")).unwrap();
    assert_eq!(sent, input);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn answers_in_one_piece_when_asked_to() {
    let server = server([Turn::message([Step::text("ab"), Step::tool("Bash", json!({"x": 1}))])]);
    let body: Value = serde_json::from_str(&message(&server, &["hi"], false).body).unwrap();
    assert_eq!(body["content"][0]["text"], "ab");
    assert_eq!(body["content"][1]["input"], json!({"x": 1}));
    assert_eq!(body["stop_reason"], "tool_use");
}

#[test]
fn errors_carry_status_type_and_retry_after() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let server = server([Turn::error_with_retry_after(status, 3)]);
        let response = message(&server, &["hi"], true);
        assert_eq!(response.status, status);
        assert!(response.head.contains("retry-after: 3"), "{}", response.head);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["error"]["type"], kind);
    }
}

#[test]
fn conditions_come_before_the_order() {
    let server = server([
        Turn::text("first in order"),
        Turn::text("for alpha").when_first("alpha"),
        Turn::text("for the result").when_first("alpha").when_last("result 7"),
        Turn::text("second in order").times(2),
    ]);
    let answer = |user: &[&str]| -> String {
        let body: Value = serde_json::from_str(&message(&server, user, false).body).unwrap();
        body["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(answer(&["about alpha", "result 8"]), "for alpha");
    assert_eq!(answer(&["about alpha", "result 7"]), "for the result");
    assert_eq!(answer(&["about alpha", "result 7"]), "first in order");
    assert_eq!(answer(&["beta"]), "second in order");
    assert_eq!(answer(&["beta"]), "second in order");
    assert_eq!(server.unused_turns(), Vec::<usize>::new());
    assert_eq!(server.unmatched().len(), 0);
    let response = message(&server, &["beta"], true);
    assert_eq!((response.status, server.unmatched().len()), (400, 1));
    assert!(response.body.contains("no turn of the script fits request 5"), "{}", response.body);
}

#[test]
fn a_request_beside_the_conversation_takes_no_turn_of_it() {
    let server = server([Turn::text("main"), Turn::text("aside").for_aux()]);
    let body = |system: &str| json!({"model": "m", "system": system, "messages": [{"role": "user", "content": "q"}]});
    let aux =
        |system: &str| ask(server.address(), "POST", "/v1/messages", &body(system).to_string()).unwrap().body;
    assert!(aux("").contains("aside"));
    assert!(aux("make a title").contains("Scripted session"));
    assert!(message(&server, &["hi"], false).body.contains("main"));
    let kinds: Vec<RequestKind> = server.requests().iter().map(|request| request.kind()).collect();
    assert_eq!(kinds, [RequestKind::Aux, RequestKind::Aux, RequestKind::Conversation]);
}

#[test]
fn probes_and_token_counts_are_answered() {
    let server = server([]);
    for (method, path, body, status) in [
        ("HEAD", "/", "", 200),
        ("GET", "/v1/models", "", 200),
        ("GET", "/nothing", "", 404),
        ("POST", "/v1/messages/count_tokens?beta=true", "{}", 200),
        ("POST", "/v1/messages", "{not json", 400),
    ] {
        assert_eq!(ask(server.address(), method, path, body).unwrap().status, status, "{method} {path}");
    }
}

#[test]
fn records_the_request_without_its_secrets() {
    let server = server([Turn::text("x")]);
    message(&server, &["hi"], true);
    let request = server.wait_for_request(SOON, |request| request.outcome().is_some()).unwrap();
    assert_eq!(request.header("x-api-key"), Some("<redacted>"));
    assert_eq!(request.header("user-agent"), Some("test"));
    assert_eq!((request.first_user_text().as_str(), request.tools()), ("hi", vec!["Bash"]));
    assert!(!format!("{request:?}").contains("s3cret"));
}

#[test]
fn a_gate_holds_a_turn_until_the_test_releases_it() {
    let server = server([Turn::message([Step::text("before"), Step::gate("g"), Step::text("after")])]);
    let stream = send(server.address(), "POST", "/v1/messages", &messages(&["hi"], true));
    server.wait_at_gate("g", SOON).unwrap();
    assert_eq!(server.requests()[0].outcome(), None);
    server.release("g");
    let response = receive(stream).unwrap();
    assert!(response.complete && response.body.contains("after"));
}

#[test]
fn a_dropped_connection_ends_before_the_headers_or_within_the_body() {
    let server = server([
        Turn::drop_connection(),
        Turn::message([Step::text("half"), Step::DropConnection]),
        Turn::message([Step::text("half"), Step::DropConnection]),
    ]);
    let request = |stream| ask(server.address(), "POST", "/v1/messages", &messages(&["hi"], stream));
    assert!(request(true).is_none());
    let half = request(true).unwrap();
    assert!(!half.complete && half.body.contains("half"), "{}", half.body);
    assert!(request(false).is_none());
    assert!(server.requests().iter().all(|request| request.outcome() == Some(Outcome::Dropped)));
}

#[test]
fn a_client_that_leaves_a_stalled_turn_is_noticed() {
    for turn in [Turn::message([Step::text("x"), Step::Stall]), Turn::text("x").after(Step::Stall)] {
        let server = server([turn]);
        let stream = send(server.address(), "POST", "/v1/messages", &messages(&["hi"], true));
        server.wait_for_request(SOON, |_| true).unwrap();
        drop(stream);
        server.wait_for_request(SOON, |request| request.outcome() == Some(Outcome::ClientLeft)).unwrap();
    }
}

#[test]
fn a_dropped_server_is_gone_even_while_a_turn_stalls() {
    let server = server([Turn::message([Step::text("x"), Step::Stall])]);
    let stream = send(server.address(), "POST", "/v1/messages", &messages(&["hi"], true));
    server.wait_for_request(SOON, |_| true).unwrap();
    let address = server.address();
    drop(server);
    assert!(!receive(stream).is_some_and(|response| response.complete));
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn asynchronous_tests_wait_without_blocking() {
    let server = server([Turn::text("x").after(Step::gate("g"))]);
    let address = server.address();
    let client = tokio::task::spawn_blocking(move || {
        ask(address, "POST", "/v1/messages", &messages(&["hi"], true)).unwrap().status
    });
    server.wait_at_gate_async("g", SOON).await.unwrap();
    server.release("g");
    server
        .wait_for_request_async(SOON, |request| request.outcome() == Some(Outcome::Answered))
        .await
        .unwrap();
    assert_eq!(client.await.unwrap(), 200);
}

#[test]
fn a_wait_in_vain_tells_what_came_instead() {
    let server = server([Turn::text("x")]);
    message(&server, &["the only one"], true);
    let problem =
        server.wait_for_request(Duration::from_millis(1), |request| request.index() == 9).unwrap_err();
    assert!(problem.to_string().contains("the only one"), "{problem}");
}

#[test]
fn scripts_come_from_json_and_bad_ones_are_refused() {
    let script = Script::from_json(
        r#"{"turns": [
            {"first": "go", "before": [{"gate": {"name": "g"}}], "reply": {"message": {"steps": [
                {"text": {"chunks": ["a"], "chunk_delay_ms": 5}}, {"tool_use": {"name": "Bash", "input": {}}}, "stall"]}}},
            {"reply": {"error": {"status": 529, "message": "busy", "retry_after": 1}}},
            {"reply": "drop_connection"}]}"#,
    )
    .unwrap();
    assert_eq!(script.turns.len(), 3);
    let again = serde_json::to_string(&script).unwrap();
    assert_eq!(Script::from_json(&again).unwrap().turns.len(), 3);

    for (bad, complaint) in [
        (r#"{"turn": []}"#, "not valid"),
        (r#"{"turns": [{"reply": {"error": {"status": 200, "message": ""}}}]}"#, "turn 0"),
        (r#"{"turns": [{"reply": {"message": {"steps": [{"delay": {"ms": 99999999}}]}}}]}"#, "turn 0"),
        (r#"{"turns": [{"before": ["drop_connection"], "reply": "drop_connection"}]}"#, "turn 0"),
    ] {
        let problem = Script::from_json(bad).unwrap_err();
        assert!(problem.to_string().contains(complaint), "{bad}: {problem:#}");
    }
}
