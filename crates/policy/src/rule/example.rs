use serde_json::{Map, Value, json};

use super::{Rule, argument, matcher::Matcher};
use crate::{
    call::{Surroundings, ToolCall},
    policy::Policies,
    text::quoted,
    tool::{Kind, Tool, is_mcp},
};

/// The most examples a policy may have.
pub(super) const MAX_EXAMPLES: usize = 10_000;

/// The longest example, in bytes.
pub(super) const MAX_EXAMPLE_BYTES: usize = 1024;

/// Where the calls of examples are made, and who lives there.
const WORKSPACE: &str = "/workspace";
const HOME: &str = "/home/me";

/// A call that a rule should match, or shouldn't.
#[derive(Debug)]
pub(crate) struct Example {
    /// The place of the rule in its policy.
    pub(crate) rule: usize,
    pub(crate) text: String,
    pub(crate) matches: bool,
    pub(crate) line: usize,
}

impl Example {
    /// Holds the rule against the example as it would be held against a call in `/workspace` with the home `/home/me`,
    /// where no file is a link. The rule's conditions don't count.
    ///
    /// # Errors
    ///
    /// What is wrong with the example, or that the rule doesn't do what it says.
    pub(crate) fn check(&self, rule: &Rule) -> Result<(), String> {
        let key = if self.matches { "match" } else { "not_match" };
        let about = |problem: &str| {
            format!("rule {}: the example {} in `{key}` {problem}", quoted(rule.name()), quoted(&self.text))
        };
        let call = self.call(rule).map_err(|problem| about(&problem))?;
        let mut surroundings = Surroundings::new(WORKSPACE, WORKSPACE);
        surroundings.home = Some(HOME.into());
        let matched = Policies::of_one(rule).speak_of(&call, &surroundings);
        if matched == self.matches {
            return Ok(());
        }
        let does = if matched { "is matched" } else { "isn't matched" };
        Err(about(&format!("{does} by {}", quoted(&rule.pattern))))
    }

    /// The call that the text stands for: `Tool(argument)`, or the argument of the rule's own tool.
    fn call(&self, rule: &Rule) -> Result<ToolCall, String> {
        let text = self.text.as_str();
        let named = text.split_once('(').and_then(|(name, rest)| Some((name, Some(rest.strip_suffix(')')?))));
        let own = rule.pattern.split('(').next().unwrap_or_default();
        let tool = Tool::named(own);
        // A tool that takes no argument can only be told from others by its name.
        let alone = Tool::named(text) == tool || argument_of(tool.kind).is_none();
        let whole = is_mcp(text) || (matches!(rule.matcher, Matcher::Tool(_)) && alone);
        let (name, argument) = match named {
            Some((name, argument)) if is_mcp(name) || Tool::named(name).is_known() => (name, argument),
            _ if whole => (text, None),
            _ => (own, Some(text)),
        };
        let input = argument.map_or_else(|| Ok(json!({})), |argument| input(name, argument))?;
        Ok(ToolCall::new(name, input, WORKSPACE))
    }
}

fn input(name: &str, argument: &str) -> Result<Value, String> {
    if is_mcp(name) {
        let mut fields = Map::new();
        for part in argument::parts(argument)? {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| "isn't written as `mcp__server__tool(argument=value)`".to_owned())?;
            fields.insert(key.trim().to_owned(), value.into());
        }
        return Ok(Value::Object(fields));
    }
    match argument_of(Tool::named(name).kind) {
        Some(key) => Ok(json!({ key: argument })),
        None => Err(format!("gives {} an argument, and it takes none", quoted(name))),
    }
}

/// The argument by which calls of such a tool are told apart.
fn argument_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Shell => Some("command"),
        Kind::Read | Kind::Search | Kind::Write => Some("file_path"),
        Kind::Fetch => Some("url"),
        Kind::Subagent => Some("subagent_type"),
        Kind::WebSearch | Kind::Bookkeeping | Kind::Person | Kind::Unknown => None,
    }
}
