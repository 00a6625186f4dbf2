use std::path::Path;

use serde_json::Value;

use super::wildcard::Wildcard;
use crate::text::quoted;

/// The most arguments that one pattern may name.
const MAX_ARGUMENTS: usize = 32;

/// The most values inside one argument that are looked at. Beyond them a restriction holds.
const MAX_VALUES: usize = 10_000;

/// What an argument of a tool must be: `name=pattern`.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    name: String,
    exact: Wildcard,
    any_case: Wildcard,
    /// Whether any value will do, so that the pattern asks only whether there is one.
    any: bool,
    /// Whether the pattern is one text and no more.
    literal: bool,
}

impl Argument {
    /// Reads `name=pattern`, several of which are joined by `,`. In a pattern `\,` stands for a comma.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let parts = parts(text)?;
        if parts.len() > MAX_ARGUMENTS {
            return Err(format!("it names more than {MAX_ARGUMENTS} arguments"));
        }
        parts.iter().map(|part| Self::parse(part)).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, pattern) = text.split_once('=').ok_or_else(|| {
            format!("{} isn't `argument=pattern`, as in `mcp__github__push(branch=main)`", quoted(text))
        })?;
        let name = name.trim();
        let valid = !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'));
        if !valid {
            return Err(format!("{} is no argument's name", quoted(name)));
        }
        let exact = Wildcard::new(pattern);
        Ok(Self {
            name: name.to_owned(),
            any_case: exact.lowercase(),
            exact,
            any: !pattern.is_empty() && pattern.chars().all(|c| c == '*'),
            literal: !pattern.contains('*'),
        })
    }

    /// For a rule that restricts: any doubt is a yes. An argument that isn't given may have that value by default.
    pub(super) fn touches(&self, input: &Value) -> bool {
        let name = self.name.to_lowercase();
        let fields = input.as_object().into_iter().flatten();
        let mut given =
            fields.filter(|(key, value)| key.to_lowercase() == name && !value.is_null()).peekable();
        if given.peek().is_none() {
            return !self.any;
        }
        given.any(|(_, value)| self.any || self.in_any_reading(value))
    }

    /// For a rule that allows: any doubt is a no.
    pub(super) fn covers(&self, input: &Value) -> bool {
        let name = self.name.to_lowercase();
        let fields = input.as_object().into_iter().flatten();
        let mut given = fields.filter(|(key, _)| key.to_lowercase() == name);
        let (Some((key, value)), None) = (given.next(), given.next()) else { return false };
        if *key != self.name {
            return false;
        }
        self.is_exactly(value)
    }

    fn in_any_reading(&self, value: &Value) -> bool {
        let mut todo = vec![value];
        let mut seen = 0;
        while let Some(value) = todo.pop() {
            seen += 1;
            if seen > MAX_VALUES {
                return true;
            }
            match value {
                Value::Array(values) => todo.extend(values),
                Value::Object(fields) => todo.extend(fields.values()),
                value => {
                    let text = scalar(value).to_lowercase();
                    let trimmed = text.trim();
                    let resolved = resolved(trimmed);
                    let mut readings = [text.as_str(), trimmed].into_iter().chain(resolved.as_deref());
                    if readings.any(|reading| self.any_case.is_match(reading)) {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn is_exactly(&self, value: &Value) -> bool {
        let text = match value {
            Value::Null | Value::Array(_) | Value::Object(_) => return false,
            value => scalar(value),
        };
        // Behind a wildcard a path could lead anywhere.
        let tame = self.literal
            || !(text.split(['/', '\\']).any(|part| part == "..")
                || text.to_ascii_lowercase().contains("%2")
                || text.chars().any(char::is_control));
        tame && self.exact.is_match(&text)
    }
}

/// The text at its commas; `\,` stands for one that parts nothing.
pub(super) fn parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ (',' | '\\')) => part.push(c),
                _ => return Err("`\\` stands only before `,` and `\\`".to_owned()),
            },
            ',' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    Ok(parts)
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What looks like a path, without `.`, `..` and doubled slashes.
fn resolved(text: &str) -> Option<String> {
    if !text.contains('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if Path::new(text).is_absolute() { "/" } else { "" };
    Some(format!("{root}{}", parts.join("/")))
}
