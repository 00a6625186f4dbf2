//! Putting our hooks into the text of a settings file, and taking them out again. All else stays as it is, byte for byte.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::Range;

use serde::Serialize;

use super::{
    SettingsError,
    json::{Fault, Node, Value, line_of, parse},
    quoted, shell_words,
    words::is_ours,
};
use crate::hook::{dialect::Dialect, name::EventName};

/// The longest settings file that is changed, in bytes.
pub const MAX_SETTINGS_BYTES: usize = 1 << 20;

/// Puts our hooks for these events into the text of a settings file, and takes out those of ours that are others. `text` is
/// empty where there is no file yet. A text that has them already comes back as it is.
///
/// `command` is the program and what stands before the event's name, `timeout_seconds` the agent's time-out: the hook
/// must answer earlier.
///
/// # Errors
///
/// If the text isn't what the agent could read, or the command can't be written.
pub fn install<W: AsRef<OsStr>>(
    dialect: Dialect,
    text: &str,
    command: &[W],
    timeout_seconds: u32,
    events: &[EventName],
) -> Result<String, SettingsError> {
    if command.is_empty() {
        return Err(SettingsError::NoCommand);
    }
    let command = shell_words(command)?;
    let timeout = u64::from(timeout_seconds.min(dialect.longest_timeout())) * dialect.ticks();
    let before = read(dialect, text)?;
    let wanted: Vec<(&str, Group)> = events
        .iter()
        .map(|event| {
            let command = format!("{command} {}", quoted(&dialect.kebab(event)));
            (dialect.spelling(event), Group::new(dialect, event, command, timeout))
        })
        .collect();
    let mut new = if text.trim().is_empty() { "{}\n".to_owned() } else { text.to_owned() };
    let is_wanted =
        |event: &str, group: &Node| wanted.iter().any(|(name, wanted)| *name == event && wanted.is(group));
    new = without(dialect, new, &is_wanted)?;
    for (event, group) in &wanted {
        let root = read(dialect, &new)?;
        if let Some(added) = with(&new, &root, event, group) {
            new = added;
        }
    }
    verified(dialect, before.as_ref(), new)
}

/// Takes our hooks out of the text of a settings file, and what becomes empty by that.
///
/// # Errors
///
/// If the text isn't what the agent could read.
pub fn uninstall(dialect: Dialect, text: &str) -> Result<String, SettingsError> {
    if text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let before = read(dialect, text)?;
    let new = without(dialect, text.to_owned(), &|_, _| false)?;
    verified(dialect, before.as_ref(), new)
}

/// What is written for an event. The order is that of documentation.
#[derive(Debug, Serialize)]
struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    matcher: Option<&'static str>,
    hooks: [Hook; 1],
}

#[derive(Debug, Serialize)]
struct Hook {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    r#type: &'static str,
    command: String,
    timeout: u64,
}

impl Group {
    fn new(dialect: Dialect, event: &EventName, command: String, timeout: u64) -> Self {
        let name = (dialect == Dialect::Gemini).then_some("missiond");
        let matcher = event.is_about_a_tool().then_some("*");
        Self { matcher, hooks: [Hook { name, r#type: "command", command, timeout }] }
    }

    /// Whether a group in the settings is this one, and nothing else.
    fn is(&self, group: &Node) -> bool {
        let written = serde_json::to_value(self).ok();
        written.is_some() && written == Some(plain(group))
    }
}

/// The settings, if the text holds any.
fn read(dialect: Dialect, text: &str) -> Result<Option<Node>, SettingsError> {
    if text.len() > MAX_SETTINGS_BYTES {
        return Err(SettingsError::TooLong { limit: MAX_SETTINGS_BYTES });
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    let malformed = |Fault { at, problem }| SettingsError::Malformed { line: line_of(text, at), problem };
    let root = parse(text, dialect == Dialect::Gemini).map_err(malformed)?;
    let wrong = |at: usize, problem: String| Err(malformed(Fault { at, problem }));
    if !root.is_object() {
        return wrong(root.span.start, "settings are an object, and this is something else".to_owned());
    }
    if root.members().iter().filter(|member| member.key == "hooks").count() > 1 {
        return wrong(root.span.start, "`hooks` is there twice".to_owned());
    }
    let Some(hooks) = root.get("hooks") else { return Ok(Some(root)) };
    if !hooks.node.is_object() {
        return wrong(hooks.start, "`hooks` is no object".to_owned());
    }
    for (n, event) in hooks.node.members().iter().enumerate() {
        if hooks.node.members().iter().skip(n + 1).any(|other| other.key == event.key) {
            return wrong(event.start, format!("`hooks.{}` is there twice", event.key));
        }
        // Gemini CLI once had switches here, which are no lists.
        if event.node.items().is_none() && dialect.events().any(|known| dialect.spelling(known) == event.key)
        {
            return wrong(event.start, format!("`hooks.{}` is no list", event.key));
        }
    }
    Ok(Some(root))
}

/// The text with a group for an event, or `None` if it has that group.
fn with(text: &str, root: &Option<Node>, event: &str, group: &Group) -> Option<String> {
    let root = root.as_ref()?;
    let Some(hooks) = root.get("hooks") else {
        return Some(append(text, root, root, Some("hooks"), &BTreeMap::from([(event, [group])])));
    };
    let Some(list) = hooks.node.get(event) else {
        return Some(append(text, root, &hooks.node, Some(event), &[group]));
    };
    let items = list.node.items()?;
    if items.iter().any(|item| group.is(item)) {
        return None;
    }
    Some(append(text, root, &list.node, None, group))
}

/// The text without our hooks, but for groups that are to stay.
fn without(
    dialect: Dialect,
    mut text: String,
    stays: &dyn Fn(&str, &Node) -> bool,
) -> Result<String, SettingsError> {
    while let Some(ranges) = read(dialect, &text)?.and_then(|root| first_of_ours(&text, &root, stays)) {
        for range in ranges.into_iter().rev() {
            text.replace_range(range, "");
        }
    }
    Ok(text)
}

/// What is to be cut out for the first of our hooks to be gone.
fn first_of_ours(text: &str, root: &Node, stays: &dyn Fn(&str, &Node) -> bool) -> Option<[Range<usize>; 2]> {
    let hooks = root.get("hooks")?;
    let mut kept = Vec::new();
    for event in hooks.node.members() {
        let groups = event.node.items().unwrap_or_default();
        for (g, group) in groups.iter().enumerate() {
            if stays(&event.key, group) && !kept.contains(&&event.key) {
                // Only one of them: a second would be asked for nothing.
                kept.push(&event.key);
                continue;
            }
            let list = group.get("hooks").and_then(|list| list.node.items()).unwrap_or_default();
            let Some(h) = list.iter().position(of_us) else { continue };
            // As far up as nothing else would be left.
            if list.len() > 1 {
                return Some(cut(text, group.get("hooks").map(|list| &list.node)?, h));
            }
            if groups.len() > 1 {
                return Some(cut(text, &event.node, g));
            }
            let position =
                |object: &Node, key: &str| object.members().iter().position(|other| other.key == key);
            if hooks.node.members().len() > 1 {
                return Some(cut(text, &hooks.node, position(&hooks.node, &event.key)?));
            }
            return Some(cut(text, root, position(root, "hooks")?));
        }
    }
    None
}

fn of_us(hook: &Node) -> bool {
    hook.get("command").and_then(|command| command.node.text()).is_some_and(is_ours)
}

/// Where the parts of a list or an object stand.
fn parts(container: &Node) -> Vec<Range<usize>> {
    match &container.value {
        Value::Object(members) => members.iter().map(|member| member.start..member.node.span.end).collect(),
        Value::Array(items) => items.iter().map(|item| item.span.clone()).collect(),
        Value::Text(_) | Value::Word(_) => Vec::new(),
    }
}

/// The ranges, in order, that hold the n-th part and one comma beside it, and no comment.
fn cut(text: &str, container: &Node, n: usize) -> [Range<usize>; 2] {
    let parts = parts(container);
    let part = parts[n].clone();
    let nothing = container.span.end..container.span.end;
    if let Some(next) = parts.get(n + 1) {
        let comma = comma_in(text, part.end..next.start);
        let after = &text[comma + 1..next.start];
        let blank = after.len() - after.trim_start().len();
        if text[part.end..comma].trim().is_empty() {
            return [part.start..comma + 1 + blank, nothing];
        }
        return [part, comma..comma + 1];
    }
    let Some(before) = n.checked_sub(1).map(|before| parts[before].end) else {
        let inside = container.span.start + 1..container.span.end - 1;
        let is_blank = |range: Range<usize>| text[range].trim().is_empty();
        let alone = is_blank(inside.start..part.start) && is_blank(part.end..inside.end);
        return [if alone { inside } else { part }, nothing];
    };
    let comma = comma_in(text, before..part.start);
    let rest = text[comma + 1..part.start].trim_end();
    let start = comma + 1 + rest.len();
    if rest.is_empty() { [before..part.end, nothing] } else { [comma..comma + 1, start..part.end] }
}

/// The comma between two parts, which is no comma of a comment.
fn comma_in(text: &str, between: Range<usize>) -> usize {
    let mut at = between.start;
    while at < between.end {
        let rest = &text[at..between.end];
        let comment = if rest.starts_with("//") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else if rest.starts_with(',') {
            break;
        } else {
            rest.chars().next().map(char::len_utf8)
        };
        at += comment.unwrap_or(rest.len());
    }
    at
}

/// The text with another part at the end of a list or an object.
fn append(
    text: &str,
    root: &Node,
    container: &Node,
    key: Option<&str>,
    value: &(impl Serialize + ?Sized),
) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let parts = parts(container);
    let end = container.span.end - 1;
    let spread = text[container.span.clone()].contains('\n');
    let key = key.map(|key| format!("{}: ", serde_json::Value::from(key))).unwrap_or_default();
    let mut new = text.to_owned();
    if let (Some(last), false) = (parts.last(), spread) {
        // Everything on one line, and so is the new part.
        let value = serde_json::to_string(value).unwrap_or_default();
        new.insert_str(last.end, &format!(", {key}{value}"));
        return new;
    }
    let unit = parts_indent(text, root).unwrap_or_else(|| "  ".to_owned());
    let outer = indent_at(text, container.span.start);
    let inner = parts_indent(text, container).unwrap_or_else(|| format!("{outer}{unit}"));
    let value = pretty(value, &unit).replace('\n', &format!("{newline}{inner}"));
    let part = format!("{newline}{inner}{key}{value}");
    let Some(last) = parts.last() else {
        let inside = text[container.span.start + 1..end].trim_end();
        let at = container.span.start + 1 + inside.len();
        new.replace_range(at..end, &format!("{part}{newline}{outer}"));
        return new;
    };
    // Behind a comment that follows the last part, which then has its comma before the comment.
    let at = last.end + text[last.end..end].trim_end().len();
    new.insert_str(at, &part);
    new.insert(last.end, ',');
    new
}

/// What stands before the first part on its line, if it begins one.
fn parts_indent(text: &str, container: &Node) -> Option<String> {
    let first = parts(container).first()?.start;
    let line = text[..first].rfind('\n').filter(|line| *line >= container.span.start)? + 1;
    let before = &text[line..first];
    before.trim().is_empty().then(|| before.to_owned())
}

/// The blanks at the beginning of the line that a byte stands in.
fn indent_at(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |line| line + 1);
    text[line..at].chars().take_while(|c| *c == ' ' || *c == '\t').collect()
}

fn pretty(value: &(impl Serialize + ?Sized), unit: &str) -> String {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(unit.as_bytes());
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, format));
    debug_assert!(written.is_ok(), "plain data can be written");
    String::from_utf8_lossy(&text).into_owned()
}

/// The text, once it is sure that nothing but our hooks has changed.
fn verified(dialect: Dialect, before: Option<&Node>, new: String) -> Result<String, SettingsError> {
    let after = read(dialect, &new).map_err(|_| SettingsError::Unsure)?;
    let nothing = serde_json::json!({});
    let rest = |node: Option<&Node>| node.map_or_else(|| nothing.clone(), of_others);
    if rest(before) == rest(after.as_ref()) { Ok(new) } else { Err(SettingsError::Unsure) }
}

/// The settings without our hooks and without what is empty for want of them.
fn of_others(root: &Node) -> serde_json::Value {
    let mut value = plain(root);
    let Some(settings) = value.as_object_mut() else { return value };
    let Some(hooks) = settings.get_mut("hooks").and_then(serde_json::Value::as_object_mut) else {
        return value;
    };
    for groups in hooks.values_mut().filter_map(serde_json::Value::as_array_mut) {
        for group in groups.iter_mut() {
            if let Some(list) = group.get_mut("hooks").and_then(serde_json::Value::as_array_mut) {
                list.retain(|hook| !hook["command"].as_str().is_some_and(is_ours));
            }
        }
        groups.retain(|group| {
            group.get("hooks").and_then(|list| list.as_array()).is_none_or(|list| !list.is_empty())
        });
    }
    hooks.retain(|_, groups| groups.as_array().is_none_or(|groups| !groups.is_empty()));
    if hooks.is_empty() {
        settings.remove("hooks");
    }
    value
}

fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Object(members) => {
            members.iter().map(|member| (member.key.clone(), plain(&member.node))).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Text(text) => text.clone().into(),
        Value::Word(word) => serde_json::from_str(word).unwrap_or_default(),
    }
}
