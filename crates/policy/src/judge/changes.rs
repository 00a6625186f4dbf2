use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{Judge, directories::Directories};
use crate::{
    path::{Access, Located, Roots},
    preset::Act,
    shell::{Candidate, Meaning, Moved, Script, Use, Word, base, git_subcommand},
    text::quoted,
    verdict::Verdict,
};

/// The most places that are kept apart; beyond them everything counts as changed.
const MAX_PLACES: usize = 256;

/// The most commands of a pipeline that are kept apart in what they change.
const MAX_CHANGING: usize = 16;

/// The most directories that are looked through for links before what is copied counts as holding some.
const MAX_LOOKED_THROUGH: usize = 128;

/// The most names in one of them.
const MAX_NAMES: usize = 1024;

/// Commands that make links, or unpack them, where their words don't say.
const LINKING: &[&str] = &[
    "ln", "link", "tar", "bsdtar", "unzip", "7z", "cpio", "pax", "rsync", "patch", "rename", "gh", "svn",
    "hg", "jj",
];

/// git's subcommands that leave the files of the working tree alone.
const KEEPING: &[&str] = &[
    "add",
    "annotate",
    "archive",
    "blame",
    "branch",
    "cat-file",
    "check-ignore",
    "cherry",
    "commit",
    "config",
    "count-objects",
    "describe",
    "diff",
    "diff-tree",
    "fetch",
    "for-each-ref",
    "format-patch",
    "gc",
    "grep",
    "help",
    "init",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge-base",
    "name-rev",
    "notes",
    "push",
    "reflog",
    "remote",
    "rev-list",
    "rev-parse",
    "shortlog",
    "show",
    "show-ref",
    "stage",
    "status",
    "tag",
    "version",
    "whatchanged",
];

/// git's subcommands that change nothing but the working tree they run in.
const OF_WORKING_TREE: &[&str] = &[
    "am",
    "apply",
    "bisect",
    "checkout",
    "cherry-pick",
    "merge",
    "mv",
    "pull",
    "rebase",
    "reset",
    "restore",
    "revert",
    "stash",
    "switch",
];

/// git's subcommands that never follow a link of the working tree: a path beyond one is an error to them.
const PATHSPECS: &[&str] = &[
    "add", "blame", "checkout", "commit", "diff", "log", "ls-files", "restore", "rm", "shortlog", "show",
    "status",
];

/// What earlier parts of a command line may have put in the place of what is there now. The paths of the later parts
/// can't be resolved where it has: what is moved may be a link, or hold one.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    places: Vec<Place>,
    /// Anything in the workspace, by git.
    workspace: bool,
    /// Anything at all.
    anywhere: bool,
    /// Whether what is a directory now may be gone.
    removed: bool,
}

#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    /// Whether the place itself may be a link by now, besides what lies below it.
    itself: bool,
}

impl Changes {
    fn everything() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// Whether the path may lead elsewhere than it does now.
    fn concern(&self, located: &Located, roots: &Roots) -> bool {
        let mut readings = located.reached.iter().chain([&located.spelled]);
        readings.any(|path| {
            let inside = roots.workspace.iter().any(|root| path.starts_with(root) && path != root);
            let root = roots.workspace.contains(path);
            (self.anywhere && !root)
                || (self.workspace && inside)
                || self.places.iter().any(|place| {
                    path.strip_prefix(&place.path)
                        .is_ok_and(|below| place.itself || !below.as_os_str().is_empty())
                })
        })
    }

    /// Whether a wildcard may match something else than it does now.
    fn concern_wildcards(&self) -> bool {
        self.anywhere || self.workspace || !self.places.is_empty()
    }

    /// Whether the directory, or one above it, came to be where it is.
    pub(super) fn made(&self, directory: &Path) -> bool {
        self.anywhere || self.places.iter().any(|place| directory.starts_with(&place.path))
    }

    /// Whether anything at this place, above it or below it may be another than it is now.
    pub(super) fn reach(&self, entry: &Path) -> bool {
        let near = |place: &Place| place.path.starts_with(entry) || entry.starts_with(&place.path);
        self.anywhere || self.workspace || self.places.iter().any(near)
    }

    fn is_empty(&self) -> bool {
        !self.removed && !self.concern_wildcards()
    }

    fn add(&mut self, more: &Self) {
        self.workspace |= more.workspace;
        self.anywhere |= more.anywhere;
        self.removed |= more.removed;
        self.places.extend_from_slice(&more.places);
        if self.places.len() > MAX_PLACES {
            self.places.clear();
            self.anywhere = true;
        }
    }
}

impl Judge<'_> {
    /// For each command of the script, what those before it, and those beside it in a pipeline, may have changed.
    pub(super) fn changes(
        &self,
        script: &Script,
        candidates: &[Candidate<'_>],
        directories: &[Directories],
    ) -> Vec<Rc<Changes>> {
        let mut all = Vec::with_capacity(script.commands.len());
        let mut before = Rc::new(Changes::default());
        let mut candidates = candidates.iter().peekable();
        while all.len() < script.commands.len() {
            let start = all.len();
            let rest = script.commands.get(start + 1..).unwrap_or_default();
            let group = script.commands[start].group;
            let end = start + 1 + rest.iter().take_while(|command| command.group == group).count();
            // What a wrapper runs counts like what is run without one.
            let mut changed: Vec<(usize, Changes)> = Vec::new();
            while let Some(candidate) = candidates.next_if(|candidate| candidate.top < end) {
                let here = directories.get(candidate.top).and_then(Option::as_deref);
                let change = self.change(candidate, here, &before);
                if !change.is_empty() && changed.len() <= MAX_CHANGING {
                    changed.push((candidate.top, change));
                }
            }
            let with = |part: &dyn Fn(usize) -> bool| {
                if changed.is_empty() {
                    return Rc::clone(&before);
                }
                let mut with = Changes::clone(&before);
                changed.iter().filter(|(top, _)| part(*top)).for_each(|(_, change)| with.add(change));
                with.anywhere |= changed.len() > MAX_CHANGING;
                Rc::new(with)
            };
            all.extend((start..end).map(|at| with(&|top| top != at)));
            before = with(&|_| true);
        }
        all
    }

    /// What a command that ran before says against the paths this one names.
    pub(super) fn unsettled(
        &self,
        words: &[Word],
        used: &Use,
        cwd: &Path,
        changes: &Changes,
    ) -> Option<Verdict> {
        if changes.is_empty() {
            return None;
        }
        let reads_file =
            || words.iter().any(|word| word.text.starts_with("-F") || word.text.starts_with("--fi"));
        let pathspecs = git_subcommand(words)
            .is_some_and(|name| PATHSPECS.contains(&name) && !(name == "commit" && reads_file()));
        // What is built may do anything that what it reads could make it do.
        let exempt = |access: Access| pathspecs || (used.act == Act::Build && access == Access::Read);
        let paths = used.paths.iter().filter(|(access, word)| word.known && !exempt(*access));
        let unsettled = paths.map(|(_, word)| word).find(|word| {
            (word.glob && changes.concern_wildcards())
                || self.may_have_changed(|| self.target(word, cwd), changes)
        })?;
        Some(self.changed_before(&unsettled.text))
    }

    /// Whether an earlier command may have put something else in the place of what the path leads to now.
    pub(super) fn may_have_changed(&self, path: impl FnOnce() -> PathBuf, changes: &Changes) -> bool {
        if changes.is_empty() {
            return false;
        }
        let path = path();
        let located = path.to_str().and_then(|path| self.roots.locate(path, Path::new("/"), self.links).ok());
        located.is_none_or(|located| changes.concern(&located, &self.roots))
    }

    pub(super) fn changed_before(&self, path: &str) -> Verdict {
        let detail = format!(
            "an earlier part of the command may change where {} leads; run it by itself",
            quoted(path)
        );
        self.settle(Act::ChangedBefore, None, &detail)
    }

    /// What a command may put in the place of what is there now.
    fn change(&self, candidate: &Candidate<'_>, here: Option<&[PathBuf]>, before: &Changes) -> Changes {
        let (words, meaning) = (&candidate.command.words, &candidate.meaning);
        let name = words.first().map(base).unwrap_or_default();
        let removed = Changes { removed: true, ..Changes::default() };
        match name.as_ref() {
            "rm" | "rmdir" | "unlink" => removed,
            "mv" | "cp" if meaning.guess.is_some() => Changes::everything(),
            "mv" | "cp" => match (&meaning.used.moved, here) {
                (None, _) => Changes::default(),
                (Some(moved), Some(here)) => self.moving(moved, here, before),
                (Some(_), None) => Changes::everything(),
            },
            "git" => match git_subcommand(words) {
                None => Changes::default(),
                Some(name) if KEEPING.contains(&name) => Changes::default(),
                Some("rm" | "clean") => removed,
                Some(name) => self.git_change(name, words, meaning, here, before),
            },
            // What is packed or listed stays as it is.
            "tar" if meaning.guess.is_none() && !words.get(1).is_some_and(|word| word.text.contains('x')) => {
                Changes::default()
            }
            // What is unpacked comes to be below the directory that it goes into.
            "tar" | "unzip" if meaning.guess.is_none() => {
                let into = meaning.used.paths.iter().filter(|(access, _)| *access == Access::Delete);
                self.made_below(into.map(|(_, word)| word), here)
            }
            name if LINKING.contains(&name) => Changes::everything(),
            _ => Changes::default(),
        }
    }

    fn git_change(
        &self,
        name: &str,
        words: &[Word],
        meaning: &Meaning,
        here: Option<&[PathBuf]>,
        before: &Changes,
    ) -> Changes {
        let has = |options: &[&str]| words.iter().any(|word| options.contains(&word.text.as_str()));
        let after = words.iter().skip_while(|word| word.text != name).skip(1);
        let plain: Vec<&str> =
            after.map(|word| word.text.as_str()).filter(|text| !text.starts_with('-')).collect();
        // A new branch from where one stands.
        let branches =
            ["checkout", "switch"].contains(&name) && has(&["-b", "-c", "--create"]) && plain.len() == 1;
        let looks =
            ["stash", "worktree"].contains(&name) && ["list", "show"].contains(plain.first().unwrap_or(&""));
        if branches || looks {
            return Changes::default();
        }
        let Some(here) = here else { return Changes::everything() };
        let known = meaning.guess.is_none().then_some(&meaning.used);
        let directory = known.and_then(|known| known.directory.as_ref());
        let starts: Vec<PathBuf> = here
            .iter()
            .map(|cwd| directory.map_or_else(|| cwd.clone(), |directory| self.target(directory, cwd)))
            .collect();
        match known {
            Some(used) if name == "worktree" => {
                return self.made_below(used.paths.iter().map(|(_, word)| word), Some(&starts));
            }
            Some(Use { moved: Some(moved), .. }) => return self.moving(moved, &starts, before),
            Some(Use { whole, .. }) if name == "restore" || (name == "checkout" && has(&["--"])) => {
                let mut changes = Changes { removed: true, ..Changes::default() };
                for (_, word) in whole {
                    starts.iter().for_each(|start| self.place(&mut changes, &self.target(word, start), true));
                }
                return changes;
            }
            _ => {}
        }
        let inside = |start: &PathBuf| {
            let located =
                start.to_str().and_then(|path| self.roots.locate(path, Path::new("/"), self.links).ok());
            located.is_some_and(|located| {
                located
                    .reached
                    .iter()
                    .all(|path| self.roots.workspace.iter().any(|root| path.starts_with(root)))
            })
        };
        if OF_WORKING_TREE.contains(&name) && starts.iter().all(inside) {
            Changes { workspace: true, removed: true, ..Changes::default() }
        } else {
            Changes::everything()
        }
    }

    /// What is moved, or copied as it is, may be a link or hold one; a plain file isn't and doesn't. Nor does what isn't
    /// there yet: an earlier part of the command makes it, and none did that makes links.
    fn moving(&self, moved: &Moved, here: &[PathBuf], before: &Changes) -> Changes {
        let mut changes = Changes { removed: true, ..Changes::default() };
        for cwd in here {
            let to = self.target(&moved.to, cwd);
            let into = !moved.exactly
                && !before.removed
                && !self.may_have_changed(|| to.clone(), before)
                && self.is_directory(&moved.to, cwd);
            for (word, inside) in moved.from.iter().zip(moved.inside()) {
                let from = self.target(word, cwd);
                let entry = self
                    .entry(&from)
                    .filter(|_| !word.glob && !self.may_have_changed(|| from.clone(), before));
                if entry.as_deref().is_some_and(|entry| !before.reach(entry) && self.holds_no_link(entry)) {
                    continue;
                }
                // A directory is no link itself.
                let itself = !entry.is_some_and(|entry| self.links.is_directory(&entry));
                if word.glob || !into {
                    self.place(&mut changes, &to, itself);
                }
                self.place(&mut changes, &self.target(&inside, cwd), itself);
            }
        }
        changes
    }

    /// Whether there is no link at this place and, within limits, none below it.
    pub(super) fn holds_no_link(&self, entry: &Path) -> bool {
        let mut todo = vec![entry.to_owned()];
        let mut looked = 0;
        while let Some(path) = todo.pop() {
            if self.links.is_file(&path) || self.links.is_absent(&path) {
                continue;
            }
            looked += 1;
            if looked > MAX_LOOKED_THROUGH || !self.links.is_directory(&path) {
                return false;
            }
            let Some(names) = self.links.names(&path, MAX_NAMES) else { return false };
            todo.extend(names.iter().map(|name| path.join(name)));
        }
        true
    }

    /// What comes to be below directories may be links.
    fn made_below<'w>(&self, into: impl Iterator<Item = &'w Word>, here: Option<&[PathBuf]>) -> Changes {
        let Some(here) = here else { return Changes::everything() };
        let mut changes = Changes { removed: true, ..Changes::default() };
        for word in into {
            here.iter().for_each(|cwd| self.place(&mut changes, &self.target(word, cwd), false));
        }
        changes
    }

    fn place(&self, changes: &mut Changes, path: &Path, itself: bool) {
        let located = path.to_str().and_then(|path| self.roots.locate(path, Path::new("/"), self.links).ok());
        let Some(located) = located else {
            changes.anywhere = true;
            return;
        };
        let places = located.reached.iter().chain([&located.spelled]);
        changes.add(&Changes {
            places: places.map(|path| Place { path: path.clone(), itself }).collect(),
            ..Changes::default()
        });
    }

    /// Where the name itself stands, without following what it may be a link to.
    fn entry(&self, path: &Path) -> Option<PathBuf> {
        let parent = self.roots.locate(path.parent()?.to_str()?, Path::new("/"), self.links).ok()?;
        match parent.reached.as_slice() {
            [parent] => Some(parent.join(path.file_name()?)),
            _ => None,
        }
    }
}
