//! The hooks that settings hold, ours and others, with the places where they stand.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    SettingsError,
    json::{Fault, Member, Node, Value, line_of, parse},
};
use crate::hook::dialect::Dialect;

/// The form of a settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsFormat {
    /// JSON, with comments where the agent takes them.
    Json,
    /// TOML, which Codex takes too.
    Toml,
}

/// One hook in a settings file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The event, as it is spelled there.
    pub event: String,
    /// What narrows it to some tools or causes.
    pub matcher: Option<String>,
    /// Its type; `command` starts a program.
    pub kind: String,
    /// The command line.
    pub command: Option<String>,
    /// The time-out, in the unit of the agent.
    pub timeout: Option<f64>,
    /// The line that the hook begins in, from 1.
    pub line: usize,
    /// The number of its group in the event's list, and its own in the group.
    pub position: (usize, usize),
    /// Keys that make it run sometimes only, or beside the agent: `async`, `once`, `if`, …
    pub(in crate::hook) conditions: Vec<String>,
    /// The name by which it can be switched off.
    pub(in crate::hook) name: Option<String>,
    pub(in crate::hook) bad_timeout: Option<String>,
}

/// What is wrong with the form of settings, though they can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hook) struct Malformation {
    pub(in crate::hook) line: usize,
    pub(in crate::hook) event: String,
    pub(in crate::hook) problem: String,
}

/// Settings as far as hooks go.
#[derive(Debug)]
pub(in crate::hook) struct Settings {
    root: Node,
    text: String,
    pub(in crate::hook) entries: Vec<Entry>,
    pub(in crate::hook) malformations: Vec<Malformation>,
}

impl Settings {
    pub(in crate::hook) fn read(
        dialect: Dialect,
        format: SettingsFormat,
        text: &str,
    ) -> Result<Self, SettingsError> {
        let fault = |Fault { at, problem }| SettingsError::Malformed { line: line_of(text, at), problem };
        if text.len() > super::MAX_SETTINGS_BYTES {
            return Err(SettingsError::TooLong { limit: super::MAX_SETTINGS_BYTES });
        }
        let root = match format {
            _ if text.trim().is_empty() => Node { span: 0..0, value: Value::Object(Vec::new()) },
            SettingsFormat::Json => parse(text, dialect == Dialect::Gemini).map_err(fault)?,
            SettingsFormat::Toml => toml_root(text).map_err(fault)?,
        };
        let mut settings =
            Self { root, text: text.to_owned(), entries: Vec::new(), malformations: Vec::new() };
        settings.collect(dialect);
        Ok(settings)
    }

    /// What stands at a path of keys, and its line.
    pub(in crate::hook) fn at(&self, path: &[&str]) -> Option<(Found<'_>, usize)> {
        let (last, above) = path.split_last()?;
        let parent =
            above.iter().try_fold(&self.root, |node, key| node.get(key).map(|member| &member.node))?;
        let member = parent.get(last)?;
        Some((Found(&member.node), line_of(&self.text, member.start)))
    }

    /// The keys of the settings themselves whose values are text.
    pub(in crate::hook) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.root.members().iter().filter_map(|member| Some((member.key.as_str(), member.node.text()?)))
    }

    fn collect(&mut self, dialect: Dialect) {
        let Some(hooks) = self.root.get("hooks").cloned() else { return };
        if !hooks.node.is_object() {
            return self.malformed(hooks.start, "", "`hooks` is no object");
        }
        for event in hooks.node.members() {
            let is_switch = match dialect {
                Dialect::Gemini => ["enabled", "disabled", "notifications"].contains(&event.key.as_str()),
                Dialect::Codex => event.key == "state",
                Dialect::Claude => false,
            };
            if !is_switch {
                self.collect_event(event);
            }
        }
    }

    fn collect_event(&mut self, event: &Member) {
        let Some(groups) = event.node.items() else {
            return self.malformed(event.start, &event.key, "it is no list");
        };
        for (g, group) in groups.iter().enumerate() {
            let list = group.get("hooks").and_then(|hooks| hooks.node.items());
            let Some(list) = list else {
                self.malformed(
                    group.span.start,
                    &event.key,
                    "the group has no list `hooks`, so it is passed over",
                );
                continue;
            };
            let matcher = group.get("matcher").and_then(|matcher| matcher.node.text()).map(str::to_owned);
            for (h, hook) in list.iter().enumerate() {
                let text = |key: &str| hook.get(key).and_then(|member| member.node.text()).map(str::to_owned);
                let Some(kind) = text("type") else {
                    self.malformed(hook.span.start, &event.key, "the hook has no `type`");
                    continue;
                };
                let timeout = hook.get("timeout").map(|timeout| &timeout.node);
                let number = timeout.and_then(Node::word).and_then(|word| word.parse::<f64>().ok());
                let bad_timeout =
                    (timeout.is_some() && number.is_none_or(|number| number <= 0.0)).then(|| {
                        self.text.get(timeout.map_or(0..0, |node| node.span.clone())).unwrap_or_default()
                    });
                let conditions = ["async", "asyncRewake", "once", "if"]
                    .into_iter()
                    .filter(|key| hook.get(key).is_some_and(|member| member.node.word() != Some("false")));
                self.entries.push(Entry {
                    event: event.key.clone(),
                    matcher: matcher.clone(),
                    command: text("command"),
                    timeout: number,
                    line: line_of(&self.text, hook.span.start),
                    position: (g, h),
                    conditions: conditions.map(str::to_owned).collect(),
                    name: text("name"),
                    bad_timeout: bad_timeout.map(str::to_owned),
                    kind,
                });
            }
        }
    }

    fn malformed(&mut self, at: usize, event: &str, problem: &str) {
        let line = line_of(&self.text, at);
        self.malformations.push(Malformation { line, event: event.to_owned(), problem: problem.to_owned() });
    }
}

/// A value in settings.
#[derive(Debug, Clone, Copy)]
pub(in crate::hook) struct Found<'a>(&'a Node);

impl<'a> Found<'a> {
    pub(in crate::hook) fn is(self, word: &str) -> bool {
        self.0.word() == Some(word)
    }

    pub(in crate::hook) fn texts(self) -> impl Iterator<Item = &'a str> {
        self.0.items().unwrap_or_default().iter().filter_map(Node::text)
    }

    pub(in crate::hook) fn get(self, key: &str) -> Option<Self> {
        self.0.get(key).map(|member| Self(&member.node))
    }
}

fn toml_root(text: &str) -> Result<Node, Fault> {
    let table = DeTable::parse(text).map_err(|error| Fault {
        at: error.span().map_or(0, |span| span.start),
        problem: error.message().to_owned(),
    })?;
    let span = table.span();
    Ok(Node { span, value: table_value(table.get_ref()) })
}

fn table_value(table: &DeTable<'_>) -> Value {
    let member = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Member {
        start: key.span().start,
        key: key.get_ref().to_string(),
        node: node(value),
    };
    Value::Object(table.iter().map(member).collect())
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let plain = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(node).collect()),
        DeValue::Table(table) => table_value(table),
        DeValue::Boolean(flag) => Value::Word(flag.to_string()),
        DeValue::Integer(number) => Value::Word(number.to_string()),
        DeValue::Float(number) => Value::Word(number.to_string()),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
    };
    Node { span: value.span(), value: plain }
}
