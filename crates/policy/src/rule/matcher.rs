use serde_json::Value;

use super::{argument::Argument, path_pattern::PathPattern, wildcard::Wildcard};
use crate::{
    path::{Access, Links, Located, Roots},
    text::quoted,
    tool::{self, Kind, Tool},
};

/// The longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 4096;

/// What a rule speaks of.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    /// Every call of a tool.
    Tool(Tool),
    /// The tools of an MCP server whose names match, called with arguments that do.
    Mcp { server: String, tool: Wildcard, arguments: Vec<Argument> },
    /// Commands of a shell.
    Command { whole: Wildcard, longer: Option<Wildcard> },
    /// Files that are read, or written.
    Path { access: Access, pattern: Box<PathPattern> },
    /// Hosts that are fetched from.
    Domain(Wildcard),
    /// Helper agents by the name of their type.
    Agent(Wildcard),
}

/// What a rule is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Tool {
        tool: &'a Tool,
        input: &'a Value,
    },
    /// A command, in the spellings that an allow and that a restriction are held against.
    Command {
        exact: &'a [String],
        loose: &'a [String],
    },
    Path {
        access: Access,
        /// Whether everything below the path is meant with it.
        below: bool,
        located: &'a Located,
        roots: &'a Roots,
        links: &'a dyn Links,
    },
    Domain(&'a str),
    Agent(&'a str),
}

impl Matcher {
    /// Reads `Tool`, `Tool(specifier)`, `mcp__server__tool` or `mcp__server__tool(argument=pattern)`.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("the pattern is longer than {MAX_PATTERN_BYTES} bytes"));
        }
        if pattern.chars().any(char::is_control) {
            return Err(format!("{} holds a control character", quoted(pattern)));
        }
        let (name, specifier) = match pattern.split_once('(') {
            None => (pattern, None),
            Some((name, rest)) => {
                let inside = rest
                    .strip_suffix(')')
                    .ok_or_else(|| format!("{} has no closing `)`", quoted(pattern)))?;
                (name, Some(inside))
            }
        };
        let valid = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*'));
        if !valid {
            return Err(format!(
                "{} doesn't start with a tool's name, as in `Bash(git push:*)`",
                quoted(pattern)
            ));
        }
        if tool::is_mcp(name) {
            return Self::mcp(name, specifier).map_err(|problem| {
                if specifier.is_some() { format!("{}: {problem}", quoted(pattern)) } else { problem }
            });
        }
        if name.contains('*') {
            return Err(format!(
                "{}: a tool's name can't hold `*`, except that of an MCP tool",
                quoted(pattern)
            ));
        }
        let tool = Tool::named(name);
        if !tool.is_known()
            && let Some(meant) = nearest(name, tool::names())
        {
            return Err(format!("there is no tool {}; did you mean `{meant}`?", quoted(name)));
        }
        match specifier {
            None => Ok(Self::Tool(tool)),
            Some(specifier) => {
                Self::specified(&tool, specifier).map_err(|problem| format!("{}: {problem}", quoted(pattern)))
            }
        }
    }

    fn mcp(name: &str, specifier: Option<&str>) -> Result<Self, String> {
        let mut parts = name.splitn(3, "__").skip(1);
        let server = parts.next().unwrap_or_default();
        let tool = parts.next();
        if server.is_empty() || server.contains('*') || tool == Some("") {
            return Err(format!("{} isn't `mcp__server` or `mcp__server__tool`", quoted(name)));
        }
        let arguments = specifier.map(Argument::parse_all).transpose()?.unwrap_or_default();
        Ok(Self::Mcp { server: server.to_owned(), tool: Wildcard::new(tool.unwrap_or("*")), arguments })
    }

    fn specified(tool: &Tool, specifier: &str) -> Result<Self, String> {
        if specifier.trim().is_empty() {
            return Err(format!(
                "nothing stands between the parentheses; write `{}` for every call",
                tool.name
            ));
        }
        if specifier == "*" {
            return Ok(Self::Tool(tool.clone()));
        }
        match tool.kind {
            Kind::Shell => Self::command(specifier),
            Kind::Read | Kind::Search => {
                Ok(Self::Path { access: Access::Read, pattern: Box::new(PathPattern::parse(specifier)?) })
            }
            Kind::Write => {
                Ok(Self::Path { access: Access::Write, pattern: Box::new(PathPattern::parse(specifier)?) })
            }
            Kind::Fetch => {
                let domain = specifier.strip_prefix("domain:").ok_or("write `domain:` and a host name")?;
                let valid = !domain.is_empty()
                    && domain
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '*' | ':' | '[' | ']'));
                if !valid {
                    return Err(format!("{} is no host name", quoted(domain)));
                }
                Ok(Self::Domain(Wildcard::new(&domain.to_ascii_lowercase())))
            }
            Kind::Subagent => Ok(Self::Agent(Wildcard::new(specifier))),
            Kind::WebSearch | Kind::Bookkeeping | Kind::Person | Kind::Unknown => {
                Err(format!("`{}` takes no specifier", tool.name))
            }
        }
    }

    fn command(specifier: &str) -> Result<Self, String> {
        let words: Vec<&str> = specifier.split_whitespace().collect();
        never_matches(&words)?;
        let words = words.join(" ");
        let start = words.strip_suffix(":*").or_else(|| words.strip_suffix(" *"));
        let text = start.unwrap_or(&words).trim_end();
        if text.contains(":*") {
            return Err("`:*` can only stand at the end".to_owned());
        }
        if text.is_empty() {
            return Err("no command stands before the `*`; write `Bash` for every command".to_owned());
        }
        let longer = start.map(|_| Wildcard::new(&format!("{text} *")));
        Ok(Self::Command { whole: Wildcard::new(text), longer })
    }

    /// Whether the rule says more than the tool's name.
    pub(crate) fn is_specific(&self) -> bool {
        !matches!(self, Self::Tool(_))
    }

    /// Whether a rule that restricts speaks of the subject: any doubt counts as yes.
    pub(crate) fn touches(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (Self::Tool(tool), Subject::Tool { tool: called, .. }) => {
                tool.name.eq_ignore_ascii_case(&called.name)
            }
            (Self::Mcp { server, tool, arguments }, Subject::Tool { tool: called, input }) => {
                mcp_rest(server, &called.name.to_ascii_lowercase())
                    .is_some_and(|rest| tool.lowercase().is_match(rest))
                    && arguments.iter().all(|argument| argument.touches(input))
            }
            (Self::Command { whole, longer }, Subject::Command { loose, .. }) => loose.iter().any(|text| {
                whole.is_match(text) || longer.as_ref().is_some_and(|longer| longer.is_match(text))
            }),
            (
                Self::Path { access, pattern },
                Subject::Path { access: wanted, below, located, roots, links },
            ) => {
                same_family(*access, wanted)
                    && (pattern.touches(located, roots, links)
                        || (below && pattern.lies_below(located, roots, links)))
            }
            (Self::Domain(domain), Subject::Domain(host)) => host_matches(domain, host),
            (Self::Agent(name), Subject::Agent(called)) => {
                name.lowercase().is_match(&called.trim().to_lowercase())
            }
            _ => false,
        }
    }

    /// Whether the rule has wildcards that may match something below the path.
    pub(crate) fn floats_over(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (Self::Path { access, pattern }, Subject::Path { access: wanted, located, roots, links, .. }) => {
                same_family(*access, wanted) && pattern.floats_over(located, roots, links)
            }
            _ => false,
        }
    }

    /// Whether a rule that allows speaks of the subject: any doubt counts as no.
    pub(crate) fn covers(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (Self::Tool(tool), Subject::Tool { tool: called, .. }) => tool.name == called.name,
            // A server's name may itself hold `__`; then nobody can tell where it ends.
            (Self::Mcp { server, tool, arguments }, Subject::Tool { tool: called, input }) => {
                let rest =
                    called.name.strip_prefix("mcp__").and_then(|rest| rest.strip_prefix(server.as_str()));
                rest.and_then(|rest| rest.strip_prefix("__"))
                    .is_some_and(|rest| !rest.contains("__") && tool.is_match(rest))
                    && arguments.iter().all(|argument| argument.covers(input))
            }
            (Self::Command { whole, longer }, Subject::Command { exact, .. }) => exact.iter().any(|text| {
                whole.is_match(text) || longer.as_ref().is_some_and(|longer| longer.is_match(text))
            }),
            (Self::Path { access, pattern }, Subject::Path { access: wanted, located, roots, .. }) => {
                same_family(*access, wanted) && pattern.covers(located, roots)
            }
            (Self::Domain(domain), Subject::Domain(host)) => host_matches(domain, host),
            (Self::Agent(name), Subject::Agent(called)) => name.is_match(called),
            _ => false,
        }
    }
}

/// A rule that no command could ever match would be none, and a denial that is none is worse.
fn never_matches(words: &[&str]) -> Result<(), String> {
    const OPERATORS: &[&str] = &["&&", "||", "|", "|&", ";", "&", ">", ">>", "<", "2>", "2>&1", "&>"];
    if let Some(operator) = words.iter().find(|word| OPERATORS.contains(word) || word.ends_with(';')) {
        return Err(format!(
            "a rule is held against one command at a time, and {} isn't part of one; write a rule for each command",
            quoted(operator)
        ));
    }
    let assigns = |word: &&&str| {
        word.split_once('=').is_some_and(|(name, _)| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    if let Some(word) = words.first().filter(|word| words.len() > 1 && assigns(word)) {
        return Err(format!("{} stands before a command and is no part of it; leave it out", quoted(word)));
    }
    if words.iter().any(|word| word.contains('"')) {
        return Err("quotes are taken off before a rule is held against a command: write a word with blanks as `'a b'`, and \
                    any other without quotes"
            .to_owned());
    }
    Ok(())
}

/// The name that was meant, when one is near enough to be a misspelling.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    known
        .map(|known| (distance(known), known))
        .filter(|(far, known)| *far <= 1 + known.len() / 5)
        .min()
        .map(|(_, known)| known)
}

/// A host by name; `*.example.com` stands for the domains below `example.com`, not for itself.
fn host_matches(pattern: &Wildcard, host: &str) -> bool {
    pattern.is_match(host.trim_end_matches('.').to_ascii_lowercase().as_str())
}

fn same_family(rule: Access, wanted: Access) -> bool {
    (rule == Access::Read) == (wanted == Access::Read)
}

/// What follows the server in the name of an MCP tool, in lower case; empty for the server itself.
fn mcp_rest<'a>(server: &str, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix("mcp__")?.strip_prefix(server.to_ascii_lowercase().as_str())?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix("__") }
}
