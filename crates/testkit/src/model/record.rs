//! What the server was asked.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// Headers whose values are never kept.
pub(super) const SECRET_HEADERS: [&str; 4] = ["authorization", "x-api-key", "cookie", "proxy-authorization"];

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestKind {
    /// Part of a conversation: a message request that offers tools.
    Conversation,
    /// Beside the conversation: a message request without tools (title, topic, summary, quota check).
    Aux,
    /// A token count.
    CountTokens,
    /// Anything else.
    Probe,
}

/// How the exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole answer was sent.
    Answered,
    /// The script closed the connection.
    Dropped,
    /// The client closed the connection first.
    ClientLeft,
}

/// A result of a tool call that the client sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolResult {
    /// The id of the call.
    pub tool_use_id: String,
    /// The text of the result.
    pub text: String,
    /// Whether the client marked it as an error.
    pub is_error: bool,
}

/// One request with its parsed body.
pub struct RecordedRequest {
    index: usize,
    kind: RequestKind,
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Value,
    turn: Option<usize>,
    outcome: Mutex<Option<Outcome>>,
}

impl RecordedRequest {
    pub(super) fn new(
        index: usize,
        kind: RequestKind,
        (method, path): (String, String),
        headers: BTreeMap<String, String>,
        body: Value,
        turn: Option<usize>,
    ) -> Self {
        Self { index, kind, method, path, headers, body, turn, outcome: Mutex::new(None) }
    }

    /// The position among all requests, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the request is for.
    #[must_use]
    pub fn kind(&self) -> RequestKind {
        self.kind
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A header by its lower-case name; secrets read `<redacted>`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The parsed body, `null` when there was none.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The position in the script of the turn that answered it.
    #[must_use]
    pub fn turn(&self) -> Option<usize> {
        self.turn
    }

    /// How the exchange ended, `None` while it goes on.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of the first user message.
    #[must_use]
    pub fn first_user_text(&self) -> String {
        user_texts(&self.body).next().unwrap_or_default()
    }

    /// The text of the last user message, tool results included.
    #[must_use]
    pub fn last_user_text(&self) -> String {
        user_texts(&self.body).last().unwrap_or_default()
    }

    /// The names of the tools that the request offers.
    #[must_use]
    pub fn tools(&self) -> Vec<&str> {
        list(&self.body["tools"]).filter_map(|tool| tool["name"].as_str()).collect()
    }

    /// The tool results in the last user message.
    #[must_use]
    pub fn tool_results(&self) -> Vec<ToolResult> {
        let Some(last) = list(&self.body["messages"]).rfind(|message| message["role"] == "user") else {
            return Vec::new();
        };
        list(&last["content"])
            .filter(|block| block["type"] == "tool_result")
            .map(|block| ToolResult {
                tool_use_id: block["tool_use_id"].as_str().unwrap_or_default().to_owned(),
                text: text_of(&block["content"]),
                is_error: block["is_error"].as_bool().unwrap_or(false),
            })
            .collect()
    }

    pub(super) fn finish(&self, outcome: Outcome) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(outcome);
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last: String = self.last_user_text().chars().take(120).collect();
        write!(f, "#{} {} {} {:?}", self.index, self.method, self.path, self.kind)?;
        write!(f, " turn {:?} {:?} last user text {last:?}", self.turn, self.outcome())
    }
}

pub(super) fn user_texts(body: &Value) -> impl DoubleEndedIterator<Item = String> {
    list(&body["messages"])
        .filter(|message| message["role"] == "user")
        .map(|message| text_of(&message["content"]))
}

fn text_of(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let mut out = String::new();
    for block in list(content) {
        let text = match (block["text"].as_str(), block["type"].as_str()) {
            (Some(text), _) => text.to_owned(),
            // One level deep: a tool result holds text and images, never another result.
            (None, Some("tool_result")) => list(&block["content"])
                .filter_map(|inner| inner["text"].as_str())
                .chain(block["content"].as_str())
                .collect::<Vec<_>>()
                .join("\n"),
            _ => continue,
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&text);
    }
    out
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or([].iter(), |items| items.iter())
}
