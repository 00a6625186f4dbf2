//! Policies from the permission files of agents.
//!
//! What can't be carried over is a problem that is reported and stands as a comment in the text. Nothing becomes allowed
//! that wasn't.

mod claude;
mod codex;
mod literals;

use crate::{
    error::Error,
    policy::Policy,
    rule::{Layer, MAX_POLICY_BYTES},
    text::{quoted, shown},
    verdict::Decision,
};

impl Policy {
    /// A policy as TOML from the permissions in Claude Code's `settings.json`, and what couldn't be carried over.
    ///
    /// What Claude Code asks about by itself is asked: a mode in which edits aren't accepted becomes the preset `strict`.
    /// `origin` is named in errors.
    ///
    /// # Errors
    ///
    /// If the text isn't JSON, isn't an object, or holds more than a policy may.
    pub fn from_claude_settings(json: &str, origin: &str) -> Result<(String, Vec<String>), Error> {
        within_limit(json, origin)?;
        claude::draft(json, origin)?.finish(origin)
    }

    /// A policy as TOML from Codex's `prefix_rule(…)` calls, and what couldn't be carried over.
    ///
    /// The file is a program in Starlark. It is not run: calls whose arguments are written out are read, and everything
    /// else is a problem. `origin` is named in errors.
    ///
    /// # Errors
    ///
    /// If the text can't be taken apart, or holds more than a policy may.
    pub fn from_codex_rules(text: &str, origin: &str) -> Result<(String, Vec<String>), Error> {
        within_limit(text, origin)?;
        codex::draft(text, origin)?.finish(origin)
    }
}

fn within_limit(text: &str, origin: &str) -> Result<(), Error> {
    if text.len() > MAX_POLICY_BYTES {
        return Err(Error::TooLong { origin: origin.to_owned(), limit: MAX_POLICY_BYTES });
    }
    Ok(())
}

/// A policy that is being written.
#[derive(Debug, Default)]
struct Draft {
    /// What the agent's file is called.
    source: &'static str,
    /// A preset, and why it is that.
    preset: Option<(&'static str, &'static str)>,
    rules: Vec<DraftRule>,
    problems: Vec<String>,
}

#[derive(Debug, Clone)]
struct DraftRule {
    effect: Decision,
    pattern: String,
    reason: Option<String>,
    matches: Vec<String>,
    not_matches: Vec<String>,
}

impl DraftRule {
    fn new(effect: Decision, pattern: String) -> Self {
        Self { effect, pattern, reason: None, matches: Vec::new(), not_matches: Vec::new() }
    }

    fn toml(&self) -> String {
        let mut text =
            format!("\n[[rule]]\neffect = \"{}\"\nmatch = {}\n", self.effect, quote(&self.pattern));
        if let Some(reason) = &self.reason {
            text.push_str(&format!("reason = {}\n", quote(reason)));
        }
        let list = |texts: &[String]| texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", ");
        if !self.matches.is_empty() {
            text.push_str(&format!("examples.match = [{}]\n", list(&self.matches)));
        }
        if !self.not_matches.is_empty() {
            text.push_str(&format!("examples.not_match = [{}]\n", list(&self.not_matches)));
        }
        text
    }

    /// Whether the rule can be read, by itself.
    fn check(&self) -> Result<(), String> {
        match Policy::parse(&format!("version = 1\n{}", self.toml()), "", Layer::User) {
            Ok(_) => Ok(()),
            Err(Error::Invalid { problem, .. }) => Err(problem),
            Err(error) => Err(error.to_string()),
        }
    }

    fn is_plain(&self) -> bool {
        self.reason.is_none() && self.matches.is_empty() && self.not_matches.is_empty()
    }
}

impl Draft {
    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Adds a rule that can be read, and reports one that can't.
    fn add(&mut self, rule: DraftRule) {
        match rule.check() {
            Ok(()) => self.rules.push(rule),
            Err(problem) => {
                let what = format!("{} {}", rule.effect, quoted(&rule.pattern));
                self.problem(format!("{what} isn't carried over: {}", shown(&problem)));
            }
        }
    }

    fn finish(self, origin: &str) -> Result<(String, Vec<String>), Error> {
        let mut text = format!("# Carried over from {}.\n", self.source);
        for problem in &self.problems {
            text.push_str(&format!("# Not as it was: {problem}\n"));
        }
        text.push_str("version = 1\n");
        if let Some((preset, why)) = self.preset {
            text.push_str(&format!("# {why}\npreset = \"{preset}\"\n"));
        }
        for effect in [Decision::Allow, Decision::Ask, Decision::Deny] {
            let plain = self.rules.iter().filter(|rule| rule.effect == effect && rule.is_plain());
            let patterns: Vec<String> =
                plain.map(|rule| format!("    {},\n", quote(&rule.pattern))).collect();
            if !patterns.is_empty() {
                text.push_str(&format!("\n{effect} = [\n{}]\n", patterns.concat()));
            }
        }
        for rule in self.rules.iter().filter(|rule| !rule.is_plain()) {
            text.push_str(&rule.toml());
        }
        // What is handed out can be read; what can't, such as too many rules, is the reader's error.
        Policy::parse(&text, origin, Layer::User)?;
        Ok((text, self.problems))
    }
}

/// A string in TOML.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
