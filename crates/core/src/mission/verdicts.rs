//! Which verdict belongs to which call: by its id, its tool and its arguments.
//!
//! The hook and the agent's stream tell of one call in nearly the same JSON. Claude Code's stream has it as the model wrote
//! it. Its hooks have it as the tool gets it: paths are absolute, arguments that were left out have their defaults, and those
//! that the tool does not know are gone. So paths are compared by where they lead, and every other argument that both name as
//! it is. What only the stream names never reached the tool, and what only the hook names was judged.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash as _, Hasher};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::model::{Decision, ToolCall, Verdict, event_text};

/// The most tool calls of one attempt whose verdicts are kept.
pub(super) const MAX_VERDICTS: usize = 100_000;
/// The arguments that hold a path, and the longest path that is compared as one.
const PATHS: [&str; 3] = ["file_path", "notebook_path", "path"];
const MAX_PATH_BYTES: usize = 4096;
/// Tools whose arguments Claude Code's stream has as the tool gets them, so that nothing is gone from them in the hook.
const WHOLE: [&str; 3] = ["Bash", "Edit", "Write"];

/// Every verdict of one attempt, by the agent's id for the call.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// A secret of this attempt, so that nobody can make two calls with one digest.
    key: RandomState,
    judged: HashMap<String, Judged>,
}

/// A call that somebody asked about.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) call: Print,
    /// `None` until there is a verdict.
    pub(super) given: Option<Given>,
}

/// What was decided.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) decision: Decision,
    /// As [`event_text`] cuts it.
    reason: String,
}

/// What is kept of a call to know it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Print {
    /// Of the tool, and of the arguments if they are no object.
    tool: u64,
    /// Of each argument that is no path, by its name's.
    arguments: Vec<(u64, u64)>,
    paths: [Option<String>; PATHS.len()],
    cwd: PathBuf,
    /// Whether every argument that the stream names must have been judged.
    whole: bool,
}

/// Why a call cannot have a verdict of its own.
#[derive(Debug)]
pub(super) enum Unclaimed {
    /// Another call has its id.
    Taken,
    /// There are too many.
    Full,
}

impl Verdicts {
    pub(super) fn print(&self, call: &ToolCall) -> Print {
        let mut hasher = self.key.build_hasher();
        call.tool.hash(&mut hasher);
        let mut arguments = Vec::new();
        let mut paths = [const { None }; PATHS.len()];
        match &call.input {
            Value::Object(fields) => {
                let is_path = |name: &str, value: &Value| {
                    let place = PATHS.iter().position(|known| *known == name)?;
                    let path = value.as_str().filter(|path| path.len() <= MAX_PATH_BYTES)?;
                    Some((place, path.to_owned()))
                };
                for (name, value) in fields {
                    match is_path(name, value) {
                        Some((place, path)) => paths[place] = Some(path),
                        None => {
                            let mut digest = self.key.build_hasher();
                            feed(value, &mut digest);
                            arguments.push((self.key.hash_one(name), digest.finish()));
                        }
                    }
                }
                arguments.sort_unstable();
            }
            other => feed(other, &mut hasher),
        }
        let whole = WHOLE.contains(&call.tool.as_str());
        Print { tool: hasher.finish(), arguments, paths, cwd: call.cwd.clone(), whole }
    }

    /// Puts a call down before it is judged, so that no other can take its id meanwhile.
    pub(super) fn claim(&mut self, call: &ToolCall) -> Result<(), Unclaimed> {
        let print = self.print(call);
        match self.judged.get(&call.id) {
            Some(judged) if judged.call == print => Ok(()),
            Some(_) => Err(Unclaimed::Taken),
            None if self.judged.len() >= MAX_VERDICTS => Err(Unclaimed::Full),
            None => {
                self.judged.insert(call.id.clone(), Judged { call: print, given: None });
                Ok(())
            }
        }
    }

    /// Notes the verdict on a call that was claimed. Of two on the same call the stricter one stays.
    pub(super) fn give(&mut self, id: &str, verdict: &Verdict) {
        let Some(judged) = self.judged.get_mut(id) else { return };
        if judged.given.as_ref().is_none_or(|given| given.decision <= verdict.decision) {
            let reason = event_text(&verdict.reason);
            judged.given = Some(Given { decision: verdict.decision, reason });
        }
    }

    pub(super) fn of(&self, id: &str) -> Option<&Judged> {
        self.judged.get(id)
    }
}

impl Given {
    /// Whether what a tool is said to have given back is our refusal: agents pass on the reason as it is.
    pub(super) fn is_said_by(&self, content: &str) -> bool {
        self.decision == Decision::Deny && self.reason.trim() == event_text(content).trim()
    }
}

impl Print {
    /// Whether the call that was judged is the one that the agent announced.
    pub(super) fn covers(&self, announced: &Self) -> bool {
        let leads_there = |(judged, announced): (&Option<String>, &Option<String>)| match (judged, announced)
        {
            (Some(judged), Some(announced)) => is_same_path(judged, announced, &self.cwd),
            (None, Some(_)) => !self.whole,
            (_, None) => true,
        };
        let is_same =
            |(name, value): &(u64, u64)| match self.arguments.binary_search_by_key(name, |(name, _)| *name) {
                Ok(at) => self.arguments[at].1 == *value,
                Err(_) => !self.whole,
            };
        self.tool == announced.tool
            && announced.arguments.iter().all(is_same)
            && self.paths.iter().zip(&announced.paths).all(leads_there)
    }
}

/// Feeds a value into a hasher, the fields of objects in the order of their names.
fn feed(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(flag) => (1_u8, flag).hash(hasher),
        Value::Number(number) => (2_u8, number.to_string()).hash(hasher),
        Value::String(text) => (3_u8, text).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| feed(item, hasher));
        }
        Value::Object(fields) => feed_fields(fields.iter().collect(), hasher),
    }
}

fn feed_fields(mut fields: Vec<(&String, &Value)>, hasher: &mut impl Hasher) {
    fields.sort_by_key(|(name, _)| *name);
    (5_u8, fields.len()).hash(hasher);
    for (name, value) in fields {
        name.hash(hasher);
        feed(value, hasher);
    }
}

/// Whether an absolute path is what became of another, which may be relative to `cwd` or to some home directory.
fn is_same_path(judged: &str, announced: &str, cwd: &Path) -> bool {
    if judged == announced {
        return true;
    }
    let announced = announced.trim();
    let judged = normal(Path::new(judged));
    if !judged.is_absolute() {
        return false;
    }
    if let Some(below_home) = announced.strip_prefix("~/") {
        // Whose home it is the agent's environment says; what lies below it must be the same.
        return judged.ends_with(normal(Path::new(below_home)));
    }
    let announced = normal(&cwd.join(announced));
    judged == announced || skeleton(&judged) == skeleton(&announced)
}

/// Without `.`, `..` and doubled slashes, as text: links are not looked at, since agents do not either.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// What is left of a path whatever normal form its Unicode is in: plain characters that carry no mark.
fn skeleton(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut characters = text.chars().peekable();
    let mut skeleton = String::new();
    while let Some(character) = characters.next() {
        let is_marked = characters.peek().is_some_and(|next| ('\u{300}'..='\u{36f}').contains(next));
        if character.is_ascii() && !is_marked {
            skeleton.push(character);
        }
    }
    skeleton
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::{Unclaimed, Verdicts};
    use crate::model::{ToolCall, Verdict};

    fn covers(judged: serde_json::Value, announced: serde_json::Value) -> bool {
        let verdicts = Verdicts::default();
        let judged = ToolCall::new("c1", "Write", judged, "/project/d");
        let announced = ToolCall::new("c1", "Write", announced, "/project");
        verdicts.print(&judged).covers(&verdicts.print(&announced))
    }

    #[test]
    fn a_call_is_known_again_by_the_arguments_that_it_was_made_with() {
        for (judged, announced, expected) in [
            (json!({"command": "ls"}), json!({"command": "ls"}), true),
            (json!({"command": "ls"}), json!({"command": "ls "}), false),
            (json!({"command": "ls"}), json!({"command": "ls", "timeout": 1}), false),
            (json!({"command": "ls", "timeout": null}), json!({"command": "ls"}), true),
            (json!({"a": 1, "b": [true, {}]}), json!({"b": [true, {}], "a": 1}), true),
            (json!({"a": 1, "b": [true, {}]}), json!({"b": [{}, true], "a": 1}), false),
            (json!({"a": ["b", "c"]}), json!({"a": ["bc", ""]}), false),
            (json!({"a": "1"}), json!({"a": 1}), false),
            (json!("ls"), json!("ls"), true),
            (json!(null), json!({}), false),
            // Paths as the hook has them, and as the model wrote them.
            (json!({"file_path": "/project/d/a.txt"}), json!({"file_path": "a.txt"}), true),
            (json!({"file_path": "/project/a.txt"}), json!({"file_path": "a.txt"}), false),
            (json!({"file_path": "/project/a.txt"}), json!({"file_path": "./x/..//../a.txt"}), true),
            (json!({"file_path": "/project/a.txt"}), json!({"file_path": "/project/./a.txt"}), true),
            (json!({"file_path": "/home/me/x/a.txt"}), json!({"file_path": "~/x/a.txt"}), true),
            (json!({"file_path": "/home/me/xx/a.txt"}), json!({"file_path": "~/x/a.txt"}), false),
            (json!({"notebook_path": "/project/d/n"}), json!({"notebook_path": "n"}), true),
            (json!({"notebook_path": "/project/d/n"}), json!({"file_path": "n"}), false),
            (json!({"file_path": "/project/d/a"}), json!({}), true),
            (json!({"file_path": "a"}), json!({"file_path": "./a"}), false),
            (json!({"url": "/project/d/a"}), json!({"url": "a"}), false),
            // One in composed and one in decomposed characters.
            (json!({"path": "/project/d/caf\u{e9}"}), json!({"path": "cafe\u{301}"}), true),
            (json!({"path": "/project/d/caf\u{e9}"}), json!({"path": "cab"}), false),
            (json!({"path": "x".repeat(5000)}), json!({"path": "x".repeat(5000)}), true),
            (json!({"path": format!("/{}", "x".repeat(5000))}), json!({"path": "x".repeat(5000)}), false),
        ] {
            assert_eq!(covers(judged.clone(), announced.clone()), expected, "{judged:.80} {announced:.80}");
        }
    }

    #[test]
    fn an_id_belongs_to_one_call() {
        let call = |input| ToolCall::new("c1", "Bash", input, "/");
        let mut verdicts = Verdicts::default();
        verdicts.claim(&call(json!({"command": "ls"}))).unwrap();
        verdicts.claim(&call(json!({"command": "ls"}))).unwrap();
        assert!(matches!(verdicts.claim(&call(json!({"command": "rm"}))), Err(Unclaimed::Taken)));
        verdicts.give("c1", &Verdict::deny("no"));
        verdicts.give("c1", &Verdict::new(crate::model::Decision::Allow, None, "yes"));
        let given = verdicts.of("c1").unwrap().given.clone().unwrap();
        assert!(given.is_said_by("no\n") && !given.is_said_by("no way") && !given.is_said_by("yes"));
    }
}
