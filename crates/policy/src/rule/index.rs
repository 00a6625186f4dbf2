//! Where to look for the rules that may speak of something: never fewer than do, and seldom many more.

mod paths;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::paths::Paths;
use super::{
    Rule,
    matcher::{Matcher, Subject},
};
use crate::{
    path::{Access, Links, Located, Roots},
    verdict::Decision,
};

/// Rules by what is literal in their patterns.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// By the tool's name, in lower case.
    tools: HashMap<String, Vec<u32>>,
    /// By the start of an MCP tool's name, in lower case.
    mcp: Starts,
    /// By the start of the command.
    commands: Starts,
    /// By the end of the host, backwards.
    domains: Starts,
    /// By the start of the name, in lower case.
    agents: Starts,
    reads: Paths,
    writes: Paths,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (rule, at) in rules.iter().zip(0_u32..) {
            match &rule.matcher {
                Matcher::Tool(tool) => {
                    index.tools.entry(tool.name.to_ascii_lowercase()).or_default().push(at);
                }
                Matcher::Mcp { server, tool, .. } => {
                    let start = tool.start();
                    let joint = if start.is_empty() { "" } else { "__" };
                    index.mcp.add(&format!("mcp__{server}{joint}{start}").to_ascii_lowercase(), at);
                }
                Matcher::Command { whole, .. } => index.commands.add(whole.start(), at),
                Matcher::Path { access: Access::Read, pattern } => {
                    index.reads.add(pattern, at, rule.effect != Decision::Allow);
                }
                Matcher::Path { pattern, .. } => {
                    index.writes.add(pattern, at, rule.effect != Decision::Allow);
                }
                Matcher::Domain(domain) => index.domains.add(&backwards(domain.end()), at),
                Matcher::Agent(name) => index.agents.add(&ascii_start(name.start()), at),
            }
        }
        index
    }

    /// The rules that may speak of the subject, in any order and some more than once; not those that start from where a
    /// link leads.
    pub(super) fn candidates(&self, subject: Subject<'_>) -> Vec<u32> {
        let mut found = Vec::new();
        match subject {
            Subject::Tool { tool, .. } => {
                let name = tool.name.to_ascii_lowercase();
                found.extend(self.tools.get(&name).into_iter().flatten());
                self.mcp.of(&name, &mut found);
            }
            Subject::Command { exact, loose } => {
                exact.iter().chain(loose).for_each(|text| self.commands.of(text, &mut found));
            }
            Subject::Path { access, below, located, roots, .. } => {
                self.paths(access).of(located, roots, below, &mut found);
            }
            Subject::Domain(host) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                self.domains.of(&backwards(&host), &mut found);
            }
            Subject::Agent(name) => {
                self.agents.of(&name.to_lowercase(), &mut found);
                self.agents.of(&name.trim().to_lowercase(), &mut found);
            }
        }
        found
    }

    /// The rules that restrict and start from where a link leads now.
    pub(super) fn moved(&self, access: Access, roots: &Roots, links: &dyn Links) -> Vec<u32> {
        self.paths(access).moved(roots, links)
    }

    /// The rules with wildcards, and some others, that start from the path or above it as they are spelled.
    pub(super) fn above(&self, access: Access, located: &Located, roots: &Roots) -> Vec<u32> {
        let mut found = Vec::new();
        self.paths(access).above(located, roots, &mut found);
        found
    }

    pub(super) fn has_floating(&self, access: Access) -> bool {
        self.paths(access).has_floating()
    }

    fn paths(&self, access: Access) -> &Paths {
        if access == Access::Read { &self.reads } else { &self.writes }
    }
}

/// Rules by what the text that they match starts with.
#[derive(Debug, Clone, Default)]
struct Starts {
    rules: HashMap<String, Vec<u32>>,
    /// How long the starts are, in bytes, the shortest first.
    lengths: Vec<usize>,
}

impl Starts {
    fn add(&mut self, start: &str, rule: u32) {
        if let Err(at) = self.lengths.binary_search(&start.len()) {
            self.lengths.insert(at, start.len());
        }
        self.rules.entry(start.to_owned()).or_default().push(rule);
    }

    fn of(&self, text: &str, found: &mut Vec<u32>) {
        let lengths = self.lengths.iter().take_while(|length| **length <= text.len());
        for start in lengths.filter_map(|length| text.get(..*length)) {
            found.extend(self.rules.get(start).into_iter().flatten());
        }
    }
}

/// What a text certainly starts with in lower case: the case of other letters may depend on what follows.
fn ascii_start(text: &str) -> String {
    text.chars().take_while(char::is_ascii).map(|c| c.to_ascii_lowercase()).collect()
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}
