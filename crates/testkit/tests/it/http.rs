//! A client of a few lines: the server is tested without the help of the library it is built with.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

/// A response; `complete` says whether the body ended as announced.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) complete: bool,
}

/// Opens a connection and sends a request without reading anything.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nx-api-key: s3cret\r\nuser-agent: test\r\n");
    write!(stream, "{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    stream
}

/// Reads the response; `None` when the connection ends before the headers do.
pub(crate) fn receive(mut stream: TcpStream) -> Option<Response> {
    let mut bytes = Vec::new();
    // A reset is how a dropped connection may look; what came before counts.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let (body, complete) = if head.contains("transfer-encoding: chunked") {
        dechunk(rest)
    } else {
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        (rest.to_owned(), length.is_none_or(|length| length.parse() == Ok(rest.len())))
    };
    Some(Response { status, head, body, complete })
}

pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<Response> {
    receive(send(address, method, path, body))
}

/// Asks for a message, with one tool on offer as an agent would.
pub(crate) fn messages(user: &[&str], stream: bool) -> String {
    let messages: Vec<Value> = user.iter().map(|text| json!({"role": "user", "content": text})).collect();
    let tools = json!([{"name": "Bash", "input_schema": {"type": "object"}}]);
    json!({"model": "m", "max_tokens": 9, "stream": stream, "tools": tools, "messages": messages}).to_string()
}

/// The `data` of each server-sent event.
pub(crate) fn events(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn dechunk(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(piece) = tail.get(..size) else { break };
        body.push_str(piece);
        rest = tail[size..].trim_start_matches("\r\n");
    }
    (body, false)
}
