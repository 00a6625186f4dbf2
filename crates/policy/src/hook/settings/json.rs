//! JSON with the places where everything stands, so that a file can be changed and the rest of it stays as it is.

use std::ops::Range;

/// How deep lists and objects of settings may lie in one another.
const MAX_DEPTH: usize = 64;

/// A value and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Text(String),
    /// Numbers, `true`, `false` and `null`, as they are written.
    Word(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Where the key begins.
    pub(super) start: usize,
    pub(super) key: String,
    pub(super) node: Node,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: String,
}

impl Node {
    /// The member of that key; of several the last one, which is the one that counts.
    pub(super) fn get(&self, key: &str) -> Option<&Member> {
        self.members().iter().rev().find(|member| member.key == key)
    }

    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    pub(super) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Reads one value, with comments where the agent takes them.
pub(super) fn parse(text: &str, comments: bool) -> Result<Node, Fault> {
    let mut reader = Reader { text, at: 0, comments };
    // A mark of the byte order at the beginning is no part of the text.
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    let node = reader.value(0)?;
    reader.blank()?;
    if reader.at < text.len() {
        return Err(reader.fault("something stands after the end"));
    }
    Ok(node)
}

/// The line that a byte stands in, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    comments: bool,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        self.blank()?;
        let start = self.at;
        if depth > MAX_DEPTH {
            return Err(self.fault(format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(_) => self.word()?,
            None => return Err(self.fault("it ends too early")),
        };
        Ok(Node { span: start..self.at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut members: Vec<Member> = Vec::new();
        self.at += 1;
        while self.next_item(b'}', members.is_empty())? {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key in double quotes was expected"));
            }
            let key = self.string()?;
            self.blank()?;
            if self.peek() != Some(b':') {
                return Err(self.fault("a `:` was expected"));
            }
            self.at += 1;
            let node = self.value(depth + 1)?;
            members.push(Member { start, key, node });
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        self.at += 1;
        while self.next_item(b']', items.is_empty())? {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(items))
    }

    /// Whether another item follows; goes to its beginning, or behind the end.
    fn next_item(&mut self, end: u8, first: bool) -> Result<bool, Fault> {
        self.blank()?;
        match self.peek() {
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                self.blank()?;
                if self.peek() == Some(end) {
                    return Err(self.fault("a comma stands before the end"));
                }
                Ok(true)
            }
            _ => Err(self.fault(format!("a `,` or `{}` was expected", char::from(end)))),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(byte) if byte < b' ' => return Err(self.fault("a control character stands in a text")),
                Some(_) => self.at += 1,
                None => return Err(Fault { at: start, problem: "a text does not end".to_owned() }),
            }
        }
        self.at += 1;
        let written = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(written).map_err(|error| Fault { at: start, problem: error.to_string() })
    }

    fn word(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        match serde_json::from_str::<serde_json::Value>(word) {
            Ok(_) => Ok(Value::Word(word.to_owned())),
            Err(_) => Err(Fault { at: start, problem: "this is no value".to_owned() }),
        }
    }

    /// Goes on to what is neither blank nor comment.
    fn blank(&mut self) -> Result<(), Fault> {
        loop {
            while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
                self.at += 1;
            }
            if self.peek() != Some(b'/') {
                return Ok(());
            }
            let rest = self.text.get(self.at..).unwrap_or_default();
            let length = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map(|end| end + 2).ok_or_else(|| self.fault("a comment does not end"))?
            } else {
                return Err(self.fault("this is no value"));
            };
            if !self.comments {
                return Err(self.fault("the agent takes no comments here"));
            }
            self.at += length;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault { at: self.at.min(self.text.len()), problem: problem.into() }
    }
}
