//! From a line of JSON to events, by the rules of the agent's data file. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::agents::{ClosedField, Emit, EventRule};
use crate::model::{AgentStatus, ToolCall, Usage, event_text};
use crate::ports::TurnEvent;

/// How much of a line that is no event is shown.
const MAX_NOISE_BYTES: usize = 200;
/// The most items of one array.
const MAX_ITEMS: usize = 10_000;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// Something happened in the turn.
    Event(TurnEvent),
    /// The turn is over.
    End(TurnEnd),
}

/// How an agent says that its turn ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnEnd {
    /// The answer, or what went wrong.
    pub text: String,
    /// `Some` when the agent says that it failed: why.
    pub error: Option<String>,
    /// Cost and tokens.
    pub usage: Usage,
}

/// Decodes the lines of one turn.
#[derive(Debug)]
pub struct Decoder<'a> {
    rules: &'a [EventRule],
    workspace: PathBuf,
}

impl<'a> Decoder<'a> {
    /// A decoder by the rules of an agent's data file; tool calls are taken to be relative to `workspace`.
    pub fn new(rules: &'a [EventRule], workspace: impl Into<PathBuf>) -> Self {
        Self { rules, workspace: workspace.into() }
    }

    /// Decodes one line. A line that no rule fits says nothing; one without any JSON object in it is noise and becomes a
    /// warning.
    ///
    /// # Errors
    ///
    /// When the line is a broken object, has something before its object, or lacks what a rule that fits needs; the
    /// message says which. Such a line may hide a tool call, so whoever relies on seeing every call cannot go on.
    pub fn decode(&self, line: &str) -> Result<Vec<Decoded>, String> {
        if line.trim().is_empty() {
            return Ok(Vec::new());
        }
        if !line.trim_start().starts_with('{') {
            // Somebody else who writes to the same pipe without ending its line must not hide the event that comes next.
            if line.contains('{') {
                return Err("a line has something before its event".to_owned());
            }
            let head = missiond_process::text::truncate(line, MAX_NOISE_BYTES);
            let text = format!("the agent printed a line that is no event: {head}");
            return Ok(vec![Decoded::Event(TurnEvent::Warning(text))]);
        }
        let value: Value =
            serde_json::from_str(line).map_err(|error| format!("a line is broken JSON: {error}"))?;
        let mut decoded = Vec::new();
        for rule in self.rules {
            if !rule.when.iter().all(|(pointer, expected)| value.pointer(pointer) == Some(expected)) {
                continue;
            }
            if rule.absent.iter().any(|pointer| value.pointer(pointer).is_some_and(|found| !found.is_null()))
            {
                continue;
            }
            match &rule.each {
                None => decoded.push(self.emit(rule, &value, &value)?),
                Some(pointer) => {
                    for item in items(&value, pointer)? {
                        if rule.item.iter().all(|(pointer, expected)| item.pointer(pointer) == Some(expected))
                        {
                            decoded.push(self.emit(rule, item, &value)?);
                        }
                    }
                }
            }
        }
        Ok(decoded)
    }

    fn emit(&self, rule: &EventRule, item: &Value, line: &Value) -> Result<Decoded, String> {
        let fields = Fields { pointers: &rule.fields, item, line };
        Ok(match rule.emit {
            Emit::Conversation => {
                let text = fields.required(ClosedField::Conversation, "conversation")?;
                let conversation = text.parse().map_err(|error| format!("{error}"))?;
                Decoded::Event(TurnEvent::Conversation(conversation))
            }
            Emit::Text => Decoded::Event(TurnEvent::Text(fields.text(ClosedField::Text).unwrap_or_default())),
            Emit::Warning => {
                Decoded::Event(TurnEvent::Warning(fields.text(ClosedField::Text).unwrap_or_default()))
            }
            Emit::Status => Decoded::Event(TurnEvent::Status {
                status: rule.status.unwrap_or(AgentStatus::Thinking),
                evidence: "the agent's own event".to_owned(),
            }),
            Emit::ToolCall => {
                let id = fields.required(ClosedField::Id, "tool call id")?;
                let tool = fields.required(ClosedField::Tool, "tool name")?;
                let input = fields.get(ClosedField::Input).cloned().unwrap_or(Value::Null);
                Decoded::Event(TurnEvent::ToolCall(ToolCall::new(id, tool, input, &self.workspace)))
            }
            Emit::ToolResult => {
                let content = fields.text(ClosedField::Content).unwrap_or_default();
                let is_error = fields.flag(ClosedField::IsError);
                let says_never_ran =
                    rule.never_ran_prefix.as_ref().is_some_and(|prefix| content.starts_with(prefix.as_str()));
                Decoded::Event(TurnEvent::ToolResult {
                    call: fields.required(ClosedField::Id, "tool call id")?,
                    is_error,
                    never_ran: is_error && says_never_ran,
                    content: event_text(&content),
                })
            }
            Emit::Result => Decoded::End(fields.turn_end()),
        })
    }
}

/// The items of a line. A plain text in their place holds none; anything else could hide some.
fn items<'a>(line: &'a Value, pointer: &str) -> Result<&'a [Value], String> {
    match line.pointer(pointer) {
        None | Some(Value::Null | Value::String(_)) => Ok(&[]),
        Some(Value::Array(items)) if items.len() > MAX_ITEMS => {
            Err(format!("a line has {} items at {pointer}; {MAX_ITEMS} are the most", items.len()))
        }
        Some(Value::Array(items)) if !items.iter().all(Value::is_object) => {
            Err(format!("a line has an item at {pointer} that is no object"))
        }
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("a line has something else than a list at {pointer}")),
    }
}

struct Fields<'a> {
    pointers: &'a BTreeMap<ClosedField, String>,
    item: &'a Value,
    line: &'a Value,
}

impl<'a> Fields<'a> {
    fn get(&self, field: ClosedField) -> Option<&'a Value> {
        let pointer = self.pointers.get(&field)?;
        let found = match pointer.strip_prefix('^') {
            Some(pointer) => self.line.pointer(pointer),
            None => self.item.pointer(pointer),
        };
        found.filter(|value| !value.is_null())
    }

    /// A text as it is; anything else as JSON, so that nothing that an agent says is lost.
    fn text(&self, field: ClosedField) -> Option<String> {
        self.get(field).map(|value| match value {
            Value::String(text) => text.clone(),
            // Tool results come as a text or as a list of blocks with a text each.
            Value::Array(blocks)
                if blocks.iter().all(|block| block.get("text").is_some_and(Value::is_string)) =>
            {
                blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        })
    }

    fn required(&self, field: ClosedField, what: &str) -> Result<String, String> {
        self.get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && text.len() <= 1024)
            .map(str::to_owned)
            .ok_or_else(|| format!("a line has no {what} where the agent's data file says it is"))
    }

    fn flag(&self, field: ClosedField) -> bool {
        self.get(field).is_some_and(|value| value.as_bool().unwrap_or(true))
    }

    fn number(&self, field: ClosedField) -> u64 {
        self.get(field).and_then(Value::as_u64).unwrap_or(0)
    }

    fn turn_end(&self) -> TurnEnd {
        let text = self.text(ClosedField::Text).unwrap_or_default();
        let subtype = self.text(ClosedField::Subtype);
        let failed =
            self.flag(ClosedField::IsError) || subtype.as_deref().is_some_and(|subtype| subtype != "success");
        let error = failed.then(|| {
            let errors: Vec<&str> = self
                .get(ClosedField::Errors)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            match (errors.is_empty(), text.is_empty(), subtype.filter(|subtype| subtype != "success")) {
                (false, _, _) => errors.join("; "),
                (true, false, _) => text.clone(),
                (true, true, Some(subtype)) => subtype,
                (true, true, None) => "no reason given".to_owned(),
            }
        });
        let tokens = [ClosedField::InputTokens, ClosedField::CacheWriteTokens, ClosedField::CacheReadTokens];
        TurnEnd {
            text,
            error,
            usage: Usage {
                cost_usd: self
                    .get(ClosedField::CostUsd)
                    .and_then(Value::as_f64)
                    .filter(|cost| cost.is_finite()),
                input_tokens: tokens.into_iter().map(|field| self.number(field)).fold(0, u64::saturating_add),
                output_tokens: self.number(ClosedField::OutputTokens),
            },
        }
    }
}
