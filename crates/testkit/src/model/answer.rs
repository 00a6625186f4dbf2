//! A turn as HTTP: server-sent events, or one JSON message.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

use super::{
    director::{Director, Exchange},
    record::Outcome,
    script::Step,
};

/// A tool's input is streamed in pieces of about this many bytes, as a model would.
const JSON_PIECE: usize = 48;

/// The reading end of an answer: what the player sent, in order.
pub(super) struct Feed {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

/// The writing end. It holds one piece at most, so that a slow client slows the player down.
pub(super) struct Player {
    sender: mpsc::Sender<Bytes>,
    model: String,
}

/// Why playing stopped before the end.
pub(super) enum Stop {
    /// The script says to close the connection.
    Drop,
    /// The client has closed it.
    ClientLeft,
}

pub(super) fn channel(model: String) -> (Player, Feed) {
    let (sender, receiver) = mpsc::channel(1);
    (Player { sender, model }, Feed { receiver, rest: Bytes::new() })
}

impl AsyncRead for Feed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match self.receiver.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(piece)) => self.rest = piece,
            }
        }
        let count = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

/// Carries out a pause; `None` for a step that is none.
pub(super) async fn pause(director: &Arc<Director>, step: &Step) -> Option<()> {
    match step {
        Step::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Step::Gate { name } => director.pass(name).await,
        Step::Stall => std::future::pending().await,
        _ => return None,
    }
    Some(())
}

impl Player {
    /// Streams the message and records how it ended.
    pub(super) async fn play(self, exchange: &Exchange, steps: &[Step], stop_reason: Option<&str>) -> Stop {
        let stop = match self.stream(exchange.director(), steps, stop_reason).await {
            Ok(()) => {
                exchange.finish(Outcome::Answered);
                return Stop::ClientLeft;
            }
            Err(stop) => stop,
        };
        let outcome = match stop {
            Stop::Drop => Outcome::Dropped,
            Stop::ClientLeft => Outcome::ClientLeft,
        };
        exchange.finish(outcome);
        stop
    }

    async fn stream(&self, director: &Arc<Director>, steps: &[Step], stop: Option<&str>) -> Result<(), Stop> {
        let message = envelope(&self.model, json!([]), None);
        self.event(json!({"type": "message_start", "message": message})).await?;
        let mut index = 0;
        for step in steps {
            match step {
                Step::Text { chunks, chunk_delay_ms } => {
                    let start = json!({"type": "text", "text": ""});
                    let deltas = chunks.iter().map(|chunk| json!({"type": "text_delta", "text": chunk}));
                    self.block(index, start, deltas, *chunk_delay_ms).await?;
                }
                Step::Thinking { chunks, chunk_delay_ms } => {
                    let start = json!({"type": "thinking", "thinking": "", "signature": ""});
                    let deltas =
                        chunks.iter().map(|chunk| json!({"type": "thinking_delta", "thinking": chunk}));
                    let signature = json!({"type": "signature_delta", "signature": "c2NyaXB0ZWQ="});
                    self.block(index, start, deltas.chain([signature]), *chunk_delay_ms).await?;
                }
                Step::ToolUse { name, input, id } => {
                    self.tool(index, name, id.clone(), &input.to_string()).await?;
                }
                Step::RawToolUse { name, json } => self.tool(index, name, None, json).await?,
                Step::DropConnection => {
                    // The capacity is back once the client's side has taken the last piece.
                    let _ = self.sender.reserve().await;
                    return Err(Stop::Drop);
                }
                Step::Delay { .. } | Step::Gate { .. } | Step::Stall => {
                    tokio::select! {
                        () = self.sender.closed() => return Err(Stop::ClientLeft),
                        _ = pause(director, step) => {}
                    }
                    continue;
                }
            }
            index += 1;
        }
        let stop = stop.unwrap_or_else(|| natural_stop(steps));
        let delta = json!({"stop_reason": stop, "stop_sequence": null});
        self.event(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}})).await?;
        self.event(json!({"type": "message_stop"})).await
    }

    async fn tool(&self, index: usize, name: &str, id: Option<String>, input: &str) -> Result<(), Stop> {
        let id = id.unwrap_or_else(|| fresh_id("toolu_"));
        let start = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        let deltas = pieces(input).map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
        self.block(index, start, deltas, 0).await
    }

    async fn block(
        &self,
        index: usize,
        start: Value,
        deltas: impl Iterator<Item = Value>,
        delay_ms: u64,
    ) -> Result<(), Stop> {
        self.event(json!({"type": "content_block_start", "index": index, "content_block": start})).await?;
        for delta in deltas {
            self.event(json!({"type": "content_block_delta", "index": index, "delta": delta})).await?;
            if delay_ms > 0 {
                tokio::select! {
                    () = self.sender.closed() => return Err(Stop::ClientLeft),
                    () = tokio::time::sleep(Duration::from_millis(delay_ms)) => {}
                }
            }
        }
        self.event(json!({"type": "content_block_stop", "index": index})).await
    }

    async fn event(&self, data: Value) -> Result<(), Stop> {
        let name = data["type"].as_str().unwrap_or("message");
        let text = format!("event: {name}\ndata: {data}\n\n");
        self.sender.send(Bytes::from(text)).await.map_err(|_| Stop::ClientLeft)
    }
}

/// The message as one JSON object, for a client that doesn't stream.
pub(super) fn whole(model: &str, steps: &[Step], stop_reason: Option<&str>) -> Value {
    let content: Vec<Value> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Text { chunks, .. } => Some(json!({"type": "text", "text": chunks.concat()})),
            Step::Thinking { chunks, .. } => {
                Some(json!({"type": "thinking", "thinking": chunks.concat(), "signature": "c2NyaXB0ZWQ="}))
            }
            Step::ToolUse { name, input, id } => {
                let id = id.clone().unwrap_or_else(|| fresh_id("toolu_"));
                Some(json!({"type": "tool_use", "id": id, "name": name, "input": input}))
            }
            _ => None,
        })
        .collect();
    envelope(model, Value::Array(content), Some(stop_reason.unwrap_or_else(|| natural_stop(steps))))
}

fn envelope(model: &str, content: Value, stop_reason: Option<&str>) -> Value {
    json!({
        "id": fresh_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": {
            "input_tokens": 1200,
            "output_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0
        },
    })
}

fn natural_stop(steps: &[Step]) -> &'static str {
    let calls = steps.iter().any(|step| matches!(step, Step::ToolUse { .. } | Step::RawToolUse { .. }));
    if calls { "tool_use" } else { "end_turn" }
}

fn fresh_id(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}

/// Cuts at character boundaries.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(rest.ceil_char_boundary(JSON_PIECE));
        rest = tail;
        Some(piece)
    })
}
