use std::path::Path;

use serde_json::Value;

use super::{Hit, Judge, files::By};
use crate::{
    path::{Access, could_reach_protected},
    preset::Act,
    text::quoted,
    verdict::Verdict,
};

/// The most patterns that one call may give.
const MAX_PATTERNS: usize = 256;

/// The most patterns that the braces of one may stand for.
const MAX_ALTERNATIVES: usize = 64;

impl Judge<'_> {
    /// The patterns for names that a search tool is given.
    ///
    /// # Errors
    ///
    /// Which of them can't be read.
    pub(super) fn name_patterns(&self) -> Result<Vec<&str>, String> {
        let listing = self.tool.name == "Glob";
        let Value::Object(fields) = &self.call.input else { return Ok(Vec::new()) };
        let mut patterns = Vec::new();
        for (key, value) in fields {
            let lower = key.to_ascii_lowercase();
            let names = lower.contains("glob") || lower.contains("include");
            // A switch such as `include_hidden` isn't a pattern; a pattern that is one can't be read.
            let switch = value.is_boolean() && !["glob", "include"].contains(&lower.as_str());
            if !(names || (listing && lower.starts_with("pattern"))) || value.is_null() || switch {
                continue;
            }
            let unreadable = || format!("the argument {} isn't text", quoted(key));
            let values = match value {
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                patterns.push(value.as_str().ok_or_else(unreadable)?);
            }
        }
        if patterns.len() > MAX_PATTERNS {
            return Err("its patterns are too many to look through".to_owned());
        }
        Ok(patterns)
    }

    /// One pattern for names, in every way a tool might take it.
    pub(super) fn name_pattern(&self, pattern: &str, start: &Path, whole: Option<Hit<'_>>) -> Verdict {
        let ask = |why: &str| {
            self.settle(Act::GlobPath, whole, format_args!("the pattern {} {why}", quoted(pattern)))
        };
        let mut verdict = self.one_pattern(pattern, start, whole);
        match alternatives(pattern) {
            Some(alternatives) => {
                for alternative in alternatives.iter().filter(|alternative| *alternative != pattern) {
                    verdict = verdict.strictest(self.one_pattern(alternative, start, whole));
                }
            }
            None => verdict = verdict.strictest(ask("stands for more than can be looked at")),
        }
        if slash_in_braces(pattern) {
            verdict = verdict.strictest(ask("chooses between directories"));
        }
        // Some tools take several patterns in one text.
        if pattern.contains([' ', ',']) && !pattern.contains('{') {
            let parts = pattern.split([' ', ',']).filter(|part| !part.is_empty());
            for part in parts.take(MAX_PATTERNS) {
                verdict = verdict.strictest(self.one_pattern(part, start, whole));
            }
        }
        verdict
    }

    fn one_pattern(&self, pattern: &str, start: &Path, whole: Option<Hit<'_>>) -> Verdict {
        let ask = |why: &str| {
            self.settle(Act::GlobPath, whole, format_args!("the pattern {} {why}", quoted(pattern)))
        };
        let mut verdict = self.path(pattern, start, Access::Read, By::Tool, whole);
        // ripgrep takes a pattern for leave to look into hidden files. Listing names reads no file, so that only patterns
        // that ask for hidden ones count there.
        let last = pattern.rsplit('/').next().unwrap_or_default();
        let contents = self.tool.name != "Glob";
        let asks = contents && !pattern.starts_with('!') || last.starts_with(['.', '{', '[']);
        if asks && could_reach_protected(pattern, contents) {
            verdict = verdict.strictest(ask("may match protected files"));
        }
        if pattern.contains("..") {
            verdict = verdict.strictest(ask("leads upwards"));
        }
        // Everything below the directory before the first wildcard is looked through.
        let fixed = pattern.find(['*', '?', '[', '{']).map_or(pattern, |wild| &pattern[..wild]);
        if let Some((directory, _)) = fixed.rsplit_once('/') {
            let directory = if directory.is_empty() { "/" } else { directory };
            verdict = verdict.strictest(self.path(directory, start, Access::Read, By::Tool, whole));
        }
        verdict
    }
}

/// The patterns that the braces of one stand for; `None` where they are too many, or aren't closed.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(next) = todo.pop() {
        // The first brace that closes holds no other, so that the innermost ones are taken first.
        let Some(end) = next.find('}') else {
            if next.contains('{') {
                return None;
            }
            done.push(next);
            continue;
        };
        let start = next[..end].rfind('{')?;
        todo.extend(
            next[start + 1..end]
                .split(',')
                .map(|part| format!("{}{part}{}", &next[..start], &next[end + 1..])),
        );
        if todo.len() + done.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(done)
}

fn slash_in_braces(pattern: &str) -> bool {
    let mut depth = 0_usize;
    pattern.chars().any(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth > 0
    })
}
