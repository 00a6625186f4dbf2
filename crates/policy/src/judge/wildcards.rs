use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    Hit, Judge,
    files::{By, Named},
};
use crate::{
    path::{Access, Place, Protection, Standing, could_match, could_reach_protected, names_secret},
    preset::Act,
    text::quoted,
    verdict::Verdict,
};

/// The most names of a directory that are looked at.
const MAX_NAMES: usize = 4096;

/// The most directories that are listed for one call.
const MAX_DIRECTORIES: usize = 512;

/// The most files that one wildcard may match.
const MAX_MATCHES: usize = 512;

/// The most files that all wildcards of one call may match.
const MAX_MATCHES_OF_CALL: usize = 4096;

/// The most names that are held against the wildcards of one call.
const MAX_COMPARED: usize = 1 << 16;

/// The longest component with a wildcard, in bytes.
const MAX_COMPONENT: usize = 256;

const WILD: [char; 3] = ['*', '?', '['];

/// The names in a directory; `None` where they can't be told.
type Names = Option<Rc<[OsString]>>;

/// What was looked up in directories for one call: nothing is listed twice, and not without end.
#[derive(Debug, Default)]
pub(super) struct Listed {
    directories: RefCell<HashMap<PathBuf, Names>>,
    compared: Cell<usize>,
    matches: Cell<usize>,
}

impl Judge<'_> {
    /// A word with a wildcard: everything it matches now is judged by its own name, since a match may be a link, or a file
    /// that a rule names. `path` is the word with a leading `~` replaced.
    pub(super) fn wildcard(
        &self,
        word: &str,
        path: &str,
        cwd: &Path,
        access: Access,
        whole: Option<Hit<'_>>,
    ) -> Verdict {
        let matches = self.matches(path, cwd);
        // A match that starts with a dash is an option. Without a match the shell hands the pattern on as it is.
        let known =
            matches.as_ref().is_some_and(|matches| matches.iter().all(|found| !found.starts_with('-')));
        let tame = is_tame(word, &cwd.join(path).to_string_lossy()) || self.is_tame_inside(path, cwd, access);
        let verdict = if known && tame {
            self.settle(Act::Inspect, None, "what the wildcard matches is known")
        } else {
            let detail = format!("what {} matches can't be known", quoted(word));
            self.settle(Act::GlobPath, whole, &detail)
        };
        // `rm -rf ~/*` leaves nothing but the directory.
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let verdict = if access == Access::Delete && !last.is_empty() && last.bytes().all(|byte| byte == b'*')
        {
            self.emptied(path, cwd).into_iter().fold(verdict, Verdict::strictest)
        } else {
            verdict
        };
        let each = matches.iter().flatten();
        each.map(|found| self.reading(Named::itself(found, cwd), access, By::Command, whole))
            .fold(verdict, Verdict::strictest)
    }

    /// Whether a wildcard is plain enough once its matches are judged, since it starts from a directory of the agent's own:
    /// what isn't there yet is the agent's own then too, unless it is called like a key.
    fn is_tame_inside(&self, path: &str, cwd: &Path, access: Access) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(wild) = parts.iter().position(|part| part.contains(WILD)) else { return true };
        let (start, rest) = parts.split_at(wild);
        let whole = cwd.join(if path.starts_with('/') { "/" } else { "" }).join(start.join("/"));
        let located = whole.to_str().and_then(|start| self.roots.locate(start, cwd, self.links).ok());
        let Some(located) = located else { return false };
        let own = match located.standing(Access::Read, &self.roots) {
            Standing { place: Place::Workspace, protection: None } => true,
            // A temporary directory itself is everybody's.
            Standing { place: Place::Temp, protection: None } => {
                located.standing(Access::Write, &self.roots).protection != Some(Protection::Root)
            }
            _ => false,
        };
        let all = |part: &str| part.bytes().all(|byte| byte == b'*');
        let empties = access == Access::Delete
            && matches!(rest, [part] if all(part))
            && located.standing(Access::Delete, &self.roots).protection.is_some();
        own && !empties
            && rest.iter().all(|part| *part != ".." && !(part.starts_with('.') && part.contains(WILD)))
            && rest.iter().all(|part| !names_secret(part))
    }

    /// Everything in a directory is removed: what is said against removing it, unless it is the agent's own.
    fn emptied(&self, path: &str, cwd: &Path) -> Option<Verdict> {
        let whole = cwd.join(path);
        let directory = whole.parent()?;
        let located = self.roots.locate(directory.to_str()?, cwd, self.links).ok()?;
        let standing = located.standing(Access::Delete, &self.roots);
        let own = [Place::Workspace, Place::Temp].contains(&standing.place);
        (!own && standing.protection == Some(Protection::Root)).then(|| {
            self.settle(Act::Root, None, format_args!("empties {}", quoted(&directory.to_string_lossy())))
        })
    }

    /// What the shell would fill in for a word with wildcards; `None` where that can't be told.
    pub(super) fn matches(&self, path: &str, cwd: &Path) -> Option<Vec<String>> {
        let mut found = vec![if path.starts_with('/') { "/" } else { "" }.to_owned()];
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            if !part.contains(WILD) {
                found.iter_mut().for_each(|before| *before = below(before, part));
                continue;
            }
            if part.len() > MAX_COMPONENT {
                return None;
            }
            // For some shells any number of directories; for the others one of anything.
            let deep = part == "**";
            let mut next = Vec::new();
            let mut todo = found;
            while let Some(before) = todo.pop() {
                if deep && parts.peek().is_some() {
                    next.push(before.clone());
                }
                self.matches_in(&before, part, cwd, |name, at| {
                    let name = below(&before, name);
                    if deep && self.links.is_directory(at) {
                        todo.push(name.clone());
                    }
                    next.push(name);
                    next.len() <= MAX_MATCHES
                })?;
            }
            next.sort_unstable();
            next.dedup();
            found = next;
        }
        let all = self.listed.matches.get() + found.len();
        self.listed.matches.set(all);
        (all <= MAX_MATCHES_OF_CALL).then_some(found)
    }

    /// Tells each name in the directory that the pattern matches, and where that is, until it is too much; `None` then, and
    /// where the names can't be told.
    fn matches_in(
        &self,
        directory: &str,
        part: &str,
        cwd: &Path,
        mut each: impl FnMut(&str, &Path) -> bool,
    ) -> Option<()> {
        let directory = if directory.is_empty() { "." } else { directory };
        let located = self.roots.locate(directory, cwd, self.links).ok()?;
        for place in &located.reached {
            if self.links.is_file(place) || self.links.is_absent(place) {
                continue;
            }
            let names = self.names(place)?;
            let compared = self.listed.compared.get() + names.len();
            self.listed.compared.set(compared);
            if compared > MAX_COMPARED {
                return None;
            }
            for name in names.iter().filter(|name| could_match(part, &name.to_string_lossy())) {
                if !each(name.to_str()?, &place.join(name)) {
                    return None;
                }
            }
        }
        Some(())
    }

    /// The names in a directory whose path holds no link; `None` where they can't be told.
    pub(super) fn names(&self, directory: &Path) -> Names {
        let mut directories = self.listed.directories.borrow_mut();
        if let Some(known) = directories.get(directory) {
            return known.clone();
        }
        if directories.len() == MAX_DIRECTORIES {
            return None;
        }
        let names: Names = self.links.names(directory, MAX_NAMES).map(Into::into);
        directories.insert(directory.to_owned(), names.clone());
        names
    }
}

fn below(directory: &str, name: &str) -> String {
    let slash = if directory.is_empty() || directory.ends_with('/') { "" } else { "/" };
    format!("{directory}{slash}{name}")
}

/// Whether a wildcard is plain enough to be let pass once its matches are judged: in one known directory, by one
/// `*` in the stem of a name whose extension is written out, and nothing protected could be among them.
fn is_tame(text: &str, whole: &str) -> bool {
    let (directory, name) = text.rsplit_once('/').unwrap_or(("", text));
    let one_star = name.split_once('*').is_some_and(|(_, rest)| {
        // `json` is where programs keep their tokens.
        !rest.contains(WILD)
            && rest.rsplit_once('.').is_some_and(|(_, ending)| !ending.is_empty() && ending != "json")
    });
    one_star
        && !directory.contains(WILD)
        && !name.starts_with(['.', '?', '['])
        && !name.split('*').next().is_some_and(|start| start.contains(WILD))
        && !could_reach_protected(whole, false)
}
