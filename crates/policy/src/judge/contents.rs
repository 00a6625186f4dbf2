use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{Hit, Judge};
use crate::{
    path::{Access, Located, Place},
    rule::{Rule, Subject},
    shell::Word,
    verdict::Decision,
};

/// The most names of one directory that are looked at.
const MAX_NAMES: usize = 4096;

/// The most names that are looked at for one call.
const MAX_LOOKED_AT: usize = 10_000;

/// The most names that are looked at where commands take them apart.
const MAX_PARTED: usize = 50_000;

/// Directories that builders make and fill: what lies there is theirs, whatever it is called.
const MADE: &[&str] = &[
    "target",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".next",
    ".turbo",
    ".gradle",
];

/// What was found in directories for one call.
#[derive(Debug, Default)]
pub(super) struct Contents<'a> {
    found: RefCell<HashMap<(PathBuf, Access), Option<&'a Rule>>>,
    looked_at: Cell<usize>,
    /// How many names were looked at where commands take them apart.
    parted: Cell<usize>,
    /// How many names were looked at for links.
    linked: Cell<usize>,
}

impl<'a> Judge<'a> {
    /// The strictest rule that speaks of the path, or of what lies in it where that is taken along.
    pub(super) fn hit_throughout(&self, located: &Located, access: Access) -> Option<Hit<'a>> {
        let subject = Subject::Path { access, below: true, located, roots: &self.roots, links: self.links };
        let hit = self.hit(subject);
        let strictness = |hit: Option<Hit<'_>>| hit.map_or(Decision::Allow, |hit| hit.rule.effect);
        if strictness(hit) == Decision::Deny {
            return hit;
        }
        let inside = located.reached.iter().filter_map(|directory| self.rule_inside(directory, access));
        let inside = inside.max_by_key(|rule| rule.effect).map(|rule| Hit { rule, named: true });
        if strictness(inside) > strictness(hit) { inside } else { hit }
    }

    /// Whether no name below the directory comes to an option, or to a path that starts elsewhere, where names are taken apart
    /// at their blanks: `a /b` is a file in a directory that is called `a `. What can't be looked through counts as holding
    /// such a name.
    pub(super) fn names_are_whole(&self, directory: &Word, cwd: &Path) -> bool {
        if !self.links.has_links() {
            return true;
        }
        let target = self.target(directory, cwd);
        let located = target.to_str().and_then(|path| self.roots.locate(path, cwd, self.links).ok());
        let Some(located) = located else { return false };
        let mut todo = located.reached.clone();
        while let Some(directory) = todo.pop() {
            if self.links.is_absent(&directory) || self.links.is_file(&directory) {
                continue;
            }
            let Some(names) = self.links.names(&directory, MAX_NAMES) else { return false };
            self.contents.parted.set(self.contents.parted.get() + names.len());
            if self.contents.parted.get() > MAX_PARTED {
                return false;
            }
            for name in names {
                let text = name.to_string_lossy();
                let parted = text.contains(char::is_whitespace)
                    && (text.ends_with(char::is_whitespace)
                        || text
                            .split(char::is_whitespace)
                            .skip(1)
                            .any(|part| part == ".." || part.starts_with('-')));
                // `xargs` takes quotes and backslashes off.
                if parted || text.contains(['\'', '"', '\\']) {
                    return false;
                }
                if !MADE.contains(&text.as_ref()) && text != ".git" {
                    let path = directory.join(&name);
                    if self.links.is_directory(&path) {
                        todo.push(path);
                    }
                }
            }
        }
        true
    }

    /// A link below the directory that leads to something protected or, where it would be written through, out of the agent's
    /// directories. What can't be looked through counts as holding one, and is named in its place.
    pub(super) fn link_out(&self, directory: &Path, access: Access) -> Option<PathBuf> {
        if !self.links.has_links() {
            return None;
        }
        let mut todo = vec![directory.to_owned()];
        while let Some(directory) = todo.pop() {
            let Some(names) = self.links.names(&directory, MAX_NAMES) else {
                // Nothing is there yet, or more than is looked at.
                if self.links.is_directory(&directory) {
                    return Some(directory);
                }
                continue;
            };
            self.contents.linked.set(self.contents.linked.get() + names.len());
            if self.contents.linked.get() > MAX_PARTED {
                return Some(directory);
            }
            for name in names {
                let path = directory.join(&name);
                if self.links.target(&path).is_none() {
                    let made = name.to_str().is_some_and(|name| MADE.contains(&name) || name == ".git");
                    if !made && self.links.is_directory(&path) {
                        todo.push(path);
                    }
                    continue;
                }
                let located = path.to_str().map(|text| self.roots.locate(text, &directory, self.links));
                let Some(Ok(located)) = located else { return Some(path) };
                let standing = located.standing(access, &self.roots);
                let elsewhere = access != Access::Read && standing.place == Place::Elsewhere;
                if standing.protection.is_some() || elsewhere {
                    return Some(path);
                }
            }
        }
        None
    }

    /// The strictest rule with wildcards that restricts a file somewhere below the directory. What can't be looked through
    /// counts as holding such a file.
    fn rule_inside(&self, directory: &Path, access: Access) -> Option<&'a Rule> {
        let key = (directory.to_owned(), access);
        if let Some(known) = self.contents.found.borrow().get(&key) {
            return *known;
        }
        let found = self.look_inside(directory, access);
        self.contents.found.borrow_mut().insert(key, found);
        found
    }

    fn look_inside(&self, directory: &Path, access: Access) -> Option<&'a Rule> {
        let located = Located::plain(directory);
        let subject =
            Subject::Path { access, below: false, located: &located, roots: &self.roots, links: self.links };
        let floating = || self.policies.rules.floating_over(subject, &self.moved);
        let holds =
            |rule: &Rule| rule.conditions.hold(rule.effect, self.surroundings, &self.roots, self.links);
        if !floating().any(holds) || self.is_made(directory) {
            return None;
        }
        // Only a rule that is in doubt counts the call.
        let in_doubt = || floating().find(|rule| self.applies(rule));
        let mut strictest: Option<&'a Rule> = None;
        let mut todo = vec![directory.to_owned()];
        while let Some(directory) = todo.pop() {
            let Some(names) = self.links.names(&directory, MAX_NAMES) else {
                // A file holds nothing, and neither does what isn't there.
                if self.links.is_file(&directory) || !self.links.exists(&directory) {
                    continue;
                }
                return in_doubt();
            };
            let looked_at = self.contents.looked_at.get() + names.len();
            self.contents.looked_at.set(looked_at);
            if looked_at > MAX_LOOKED_AT {
                return in_doubt();
            }
            for name in names {
                let path = directory.join(&name);
                let made = name.to_str().is_some_and(|name| MADE.contains(&name));
                let located = Located::plain(&path);
                let subject = Subject::Path {
                    access,
                    below: false,
                    located: &located,
                    roots: &self.roots,
                    links: self.links,
                };
                let rule =
                    self.hit(subject).map(|hit| hit.rule).filter(|rule| rule.effect != Decision::Allow);
                match rule {
                    Some(rule) if rule.effect == Decision::Deny => return Some(rule),
                    Some(rule) => strictest = strictest.or(Some(rule)),
                    None => {}
                }
                if !made && self.links.is_directory(&path) {
                    todo.push(path);
                }
            }
        }
        strictest
    }

    /// Whether the directory is, or lies in, one that a builder makes.
    fn is_made(&self, directory: &Path) -> bool {
        let workspace = self.roots.workspace.iter().find_map(|root| directory.strip_prefix(root).ok());
        let below = workspace.or_else(|| directory.file_name().map(Path::new)).unwrap_or(directory);
        below.iter().any(|name| name.to_str().is_some_and(|name| MADE.contains(&name)))
    }
}
