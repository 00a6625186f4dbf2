//! Taking secrets out of what is recorded.
//!
//! Two ways: by the known values of secrets, and by how secrets look. Both work on a bounded piece of each text in one
//! pass forwards, so that no text, however it is made, takes long.

mod names;
mod scan;

use std::{borrow::Cow, ffi::OsString, fmt, ops::Range};

use serde_json::{Map, Value};

pub use names::is_secret_name;

/// The most secrets that are known by their value, and the shortest and the longest that are looked for.
const MAX_KNOWN: usize = 256;
const MIN_KNOWN_BYTES: usize = 6;
const MAX_KNOWN_BYTES: usize = 4 << 10;
/// The longest text of an input that is kept, and how much is kept of all of an input's texts.
const MAX_STRING_BYTES: usize = 16 << 10;
const MAX_INPUT_BYTES: usize = 32 << 10;
/// How deep an input is kept, and what a value costs besides its text.
const MAX_DEPTH: usize = 64;
const VALUE_BYTES: usize = 8;

/// Knows what must not stand in a record.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Name and value, the longest value first.
    known: Vec<(String, String)>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values are what it is to keep.
        f.debug_set().entries(self.known.iter().map(|(name, _)| name)).finish()
    }
}

/// A piece of a text that is left out, and what is said of it.
type Found<'a> = (Range<usize>, Cow<'a, str>);

impl Redactor {
    /// One that knows no values, only how secrets look.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that knows the values of the environment variables whose names say that they hold secrets
    /// ([`is_secret_name`]).
    #[must_use]
    pub fn of_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut redactor = Self::new();
        for (name, value) in variables {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && is_secret_name(&name)
            {
                redactor.know(format!("${name}"), value);
            }
        }
        redactor
    }

    /// Makes a secret's value known; `name` stands in its place. Values of less than 6 bytes are in too many texts to be
    /// looked for, of longer ones than 4 KiB only the beginning is, and no more than 256 are kept.
    pub fn know(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, mut value) = (name.into(), value.into());
        value.truncate(value.floor_char_boundary(MAX_KNOWN_BYTES));
        let is_new = !self.known.iter().any(|(_, known)| *known == value);
        if value.trim().len() >= MIN_KNOWN_BYTES && self.known.len() < MAX_KNOWN && is_new {
            let at = self.known.partition_point(|(_, known)| known.len() >= value.len());
            self.known.insert(at, (name, value));
        }
    }

    /// The text without its secrets, each replaced by `[redacted:…]`, which says what it was.
    ///
    /// Reads all of the text; the time is in proportion to its length.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        for (name, value) in &self.known {
            found.extend(
                text.match_indices(value.as_str())
                    .map(|(at, value)| (at..at + value.len(), Cow::Borrowed(name.as_str()))),
            );
        }
        scan::scan(text, &mut found);
        replaced(text, found)
    }

    /// The same of a text that is cut to so many bytes. A secret that lies across the cut is left out whole.
    pub(in crate::audit) fn text(&self, text: &str, limit: usize) -> String {
        // What begins before the cut is seen as far as it has to be to be known.
        let piece = &text[..text.floor_char_boundary(limit + MAX_KNOWN_BYTES)];
        let kept = self.redact(piece);
        if piece.len() == text.len() && kept.len() <= limit {
            return kept.into_owned();
        }
        let end = kept.floor_char_boundary(limit);
        format!("{}…[{} bytes in all]", &kept[..end], text.len())
    }

    /// A call's arguments without their secrets, cut to a bounded size.
    pub(in crate::audit) fn input(&self, input: &Value) -> Value {
        let mut room = MAX_INPUT_BYTES;
        self.value(input, &mut room, MAX_DEPTH)
    }

    fn value(&self, value: &Value, room: &mut usize, depth: usize) -> Value {
        if *room == 0 || depth == 0 {
            return Value::String("…".to_owned());
        }
        *room = room.saturating_sub(VALUE_BYTES);
        match value {
            Value::String(text) => {
                let text = self.text(text, MAX_STRING_BYTES.min(*room));
                *room = room.saturating_sub(text.len());
                Value::String(text)
            }
            Value::Array(items) => {
                let mut kept = Vec::new();
                for item in items {
                    kept.push(self.value(item, room, depth - 1));
                    if *room == 0 {
                        break;
                    }
                }
                Value::Array(kept)
            }
            Value::Object(fields) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    let shown = self.text(name, MAX_KNOWN_BYTES.min(*room));
                    *room = room.saturating_sub(shown.len());
                    let value = match value {
                        Value::String(text) if is_secret_name(name) && scan::is_value(text) => {
                            Value::String(marker("value"))
                        }
                        value => self.value(value, room, depth - 1),
                    };
                    kept.insert(shown, value);
                    if *room == 0 {
                        break;
                    }
                }
                Value::Object(kept)
            }
            // A number keeps the digits that it was written with, where they are few.
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

fn marker(label: &str) -> String {
    format!("[redacted:{label}]")
}

/// Puts markers in the place of what was found, which may overlap.
fn replaced<'a>(text: &'a str, mut found: Vec<Found<'_>>) -> Cow<'a, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut kept = String::with_capacity(text.len());
    let mut done = 0;
    for (range, label) in found {
        if range.start >= done {
            kept.push_str(&text[done..range.start]);
            kept.push_str(&marker(&label));
        }
        done = done.max(range.end);
    }
    kept.push_str(&text[done..]);
    Cow::Owned(kept)
}
