//! From an HTTP request to a response.

use std::{collections::BTreeMap, os::fd::OwnedFd, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, State, connect_info::Connected},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    serve::IncomingStream,
};
use rustix::net::{Shutdown, shutdown};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::io::ReaderStream;

use super::{
    answer::{self, Stop},
    director::{Decision, Director, Exchange},
    record::{Outcome, RequestKind, SECRET_HEADERS},
    script::{Reply, Step, Turn},
};

/// The API's own limit on a request.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// Requests at work at the same time.
const MAX_IN_FLIGHT: usize = 256;

/// A second handle to the connection's socket, which is how a script closes it under the server's feet.
#[derive(Clone, Debug)]
pub(super) struct Connection(Option<Arc<OwnedFd>>);

impl Connected<IncomingStream<'_, TcpListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        use std::os::fd::AsFd as _;
        Self(stream.io().as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}

impl Connection {
    fn close(&self) {
        if let Some(socket) = &self.0 {
            // An error means that the client was faster.
            let _ = shutdown(socket, Shutdown::Both);
        }
    }
}

#[derive(Clone)]
struct Shared {
    director: Arc<Director>,
    in_flight: Arc<Semaphore>,
}

pub(super) fn router(director: Arc<Director>) -> Router {
    let shared = Shared { director, in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) };
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(shared)
}

async fn handle(
    State(shared): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let Ok(permit) = Arc::clone(&shared.in_flight).try_acquire_owned() else {
        return error(503, "the test server has too many requests at work", None);
    };
    let body: Value = match serde_json::from_slice(&bytes) {
        Ok(body) => body,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(problem) => return error(400, &format!("the body is not JSON: {problem}"), None),
    };
    let kind = classify(&method, uri.path(), &body);
    let line = (method.to_string(), uri.to_string());
    let Some((exchange, decision)) = shared.director.receive(line, kept(&headers), body, bytes.len(), kind)
    else {
        return error(503, "the test server's record is full", None);
    };
    let response = match (kind, decision) {
        (RequestKind::Probe, _) => probe(&uri),
        (RequestKind::CountTokens, _) => Json(json!({"input_tokens": bytes.len() / 4})).into_response(),
        (_, Decision::Unmatched) => {
            let message = format!("no turn of the script fits request {}", exchange.request().index());
            error(400, &message, None)
        }
        (_, Decision::Aux) => {
            let text = shared.director.aux_text(exchange.request().body());
            return play(Turn::text(text), exchange, connection, permit).await;
        }
        (_, Decision::Play(turn)) => return play(turn, exchange, connection, permit).await,
    };
    exchange.finish(Outcome::Answered);
    response
}

async fn play(
    turn: Turn,
    exchange: Exchange,
    connection: Connection,
    permit: tokio::sync::OwnedSemaphorePermit,
) -> Response {
    for step in &turn.before {
        answer::pause(exchange.director(), step).await;
    }
    let (steps, stop_reason) = match turn.reply {
        Reply::Message { steps, stop_reason } => (steps, stop_reason),
        Reply::Error { status, message, retry_after } => {
            exchange.finish(Outcome::Answered);
            return error(status, &message, retry_after);
        }
        Reply::DropConnection => {
            exchange.finish(Outcome::Dropped);
            connection.close();
            // The server sees the end of the connection and drops this future.
            return std::future::pending().await;
        }
    };
    let body = exchange.request().body();
    let model = body["model"].as_str().unwrap_or("scripted").to_owned();
    if body["stream"] != true {
        for step in &steps {
            if *step == Step::DropConnection {
                exchange.finish(Outcome::Dropped);
                connection.close();
                return std::future::pending().await;
            }
            answer::pause(exchange.director(), step).await;
        }
        exchange.finish(Outcome::Answered);
        return Json(answer::whole(&model, &steps, stop_reason.as_deref())).into_response();
    }
    let (player, feed) = answer::channel(model);
    tokio::spawn(async move {
        let _permit = permit;
        if let Stop::Drop = player.play(&exchange, &steps, stop_reason.as_deref()).await {
            connection.close();
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(ReaderStream::new(feed))).into_response()
}

fn classify(method: &Method, path: &str, body: &Value) -> RequestKind {
    if method != Method::POST {
        return RequestKind::Probe;
    }
    match path {
        "/v1/messages/count_tokens" => RequestKind::CountTokens,
        "/v1/messages" if body["tools"].as_array().is_none_or(Vec::is_empty) => RequestKind::Aux,
        "/v1/messages" => RequestKind::Conversation,
        _ => RequestKind::Probe,
    }
}

fn probe(uri: &Uri) -> Response {
    match uri.path() {
        "/" => StatusCode::OK.into_response(),
        "/v1/models" => {
            let model = json!({"type": "model", "id": "scripted", "display_name": "Scripted"});
            Json(json!({"data": [model], "has_more": false})).into_response()
        }
        path => error(404, &format!("the test server has nothing at {path}"), None),
    }
}

fn error(status: u16, message: &str, retry_after: Option<u64>) -> Response {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (code, Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let secret = SECRET_HEADERS.contains(&name.as_str());
            let text = if secret { "<redacted>".into() } else { String::from_utf8_lossy(value.as_bytes()) };
            (name.to_string(), text.into_owned())
        })
        .collect()
}
