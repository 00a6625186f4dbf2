//! What earlier parts of a command wrote, built and copied, as far as later parts run or read it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{Judge, search::environments_of};
use crate::{
    path::{Access, Place, spelled},
    preset::Act,
    shell::{Command, Meaning, Use, Word, git_subcommand, program},
    text::quoted,
    verdict::Verdict,
};

/// What the parts of one command did so far, in the order in which they would run.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    written: HashSet<PathBuf>,
    /// Programs that were just built of the workspace's own files: nothing may have failed since.
    built: HashSet<PathBuf>,
    /// Where what was written went to with the directory that it lies in.
    carried: Vec<PathBuf>,
    /// Copies of directories that hold `.env` files.
    secret_copies: Vec<PathBuf>,
    /// Whether a name was made that may be taken apart at its blanks.
    odd_names: bool,
}

impl Earlier {
    /// What follows runs even where what came before failed.
    pub(super) fn begin(&mut self) {
        self.built.clear();
    }

    /// Whether the program was just built of the workspace's own files.
    pub(super) fn has_built(&self, program: &Path) -> bool {
        self.built.contains(program)
    }

    pub(super) fn has_odd_names(&self) -> bool {
        self.odd_names
    }

    /// Whether `.env` files came to be in this directory, below it, or in one above it.
    pub(super) fn has_secrets(&self, directory: &Path) -> bool {
        self.secret_copies.iter().any(|copy| directory.starts_with(copy) || copy.starts_with(directory))
    }
}

impl Judge<'_> {
    /// Takes down what a command does to what later ones may run or read.
    pub(super) fn take_down(&self, command: &Command, meaning: &Meaning, here: Option<&[PathBuf]>) {
        self.builds(command, meaning, here);
        for cwd in here.into_iter().flatten() {
            self.carries(meaning, cwd);
            self.copies(command, meaning, cwd);
        }
        for path in here.into_iter().flatten().flat_map(|cwd| self.writes(command, meaning, cwd)) {
            let mut earlier = self.earlier.borrow_mut();
            earlier.odd_names |= path.to_string_lossy().contains(char::is_whitespace);
            earlier.written.insert(path);
        }
    }

    /// Takes down what a compiler makes of the workspace's own files: whoever builds it may run it, wherever it is put.
    fn builds(&self, command: &Command, meaning: &Meaning, here: Option<&[PathBuf]>) {
        let (used, Some([cwd])) = (&meaning.used, here) else { return };
        if used.act != Act::Build || command.wraps {
            return;
        }
        let outputs = used.paths.iter().filter(|(access, _)| *access == Access::Write);
        let outputs: Vec<PathBuf> = outputs.map(|(_, word)| self.target(word, cwd)).collect();
        // Whatever else it is built of.
        self.earlier.borrow_mut().built.retain(|path| !outputs.contains(path));
        let fed = !command.fed.is_empty()
            || command.input.is_some()
            || command.words.iter().any(|word| word.text == "-");
        let skipped = command.branch || meaning.guess.is_some() || used.directory.is_some();
        if fed || skipped || !compiles(&command.words) {
            return;
        }
        let own = |path: PathBuf| {
            let located = path.to_str().and_then(|path| self.roots.locate(path, cwd, self.links).ok());
            let own = located
                .is_some_and(|located| located.standing(Access::Read, &self.roots).place == Place::Workspace);
            let apart = |written: &PathBuf| !(written.starts_with(&path) || path.starts_with(written));
            own && self.earlier.borrow().written.iter().all(apart)
        };
        let reads = || used.paths.iter().filter(|(access, _)| *access == Access::Read);
        let known = used.paths.iter().all(|(_, word)| word.known && !word.glob);
        let sources = reads().count() > 0 && reads().map(|(_, word)| self.target(word, cwd)).all(own);
        if known && sources && own(cwd.clone()) {
            self.earlier.borrow_mut().built.extend(outputs);
        }
    }

    /// Takes down where a directory with `.env` files comes to be copied to: what is searched later is not there yet.
    fn copies(&self, command: &Command, meaning: &Meaning, cwd: &Path) {
        let secret = |directory: &PathBuf| !environments_of(self, directory).is_empty();
        let copies: Vec<PathBuf> = if let Some(moved) = &meaning.used.moved {
            let mut sources = moved.from.iter().flat_map(|word| self.targets(word, cwd));
            if !sources.any(|source| secret(&source)) {
                return;
            }
            moved.places().map(|word| self.target(&word, cwd)).collect()
        } else if git_subcommand(&command.words) == Some("worktree") && secret(&self.surroundings.workspace) {
            meaning.used.paths.iter().map(|(_, word)| self.target(word, cwd)).collect()
        } else {
            return;
        };
        self.earlier.borrow_mut().secret_copies.extend(copies);
    }

    /// Takes down where a directory comes to be that something was written into before.
    fn carries(&self, meaning: &Meaning, cwd: &Path) {
        let Some(moved) = &meaning.used.moved else { return };
        let mut earlier = self.earlier.borrow_mut();
        if !earlier.written.is_empty() {
            earlier.carried.extend(moved.places().map(|word| self.target(&word, cwd)));
        }
    }

    /// The files that a command writes.
    fn writes(&self, command: &Command, meaning: &Meaning, cwd: &Path) -> Vec<PathBuf> {
        let redirects = command.redirects.iter().filter(|(writes, _)| *writes).map(|(_, word)| word);
        // What is built comes of what lies in the workspace, and a mode is no content.
        let keeps =
            meaning.guess.is_none() && (meaning.used.act == Act::Build || program(&command.words) == "chmod");
        let used: &[_] =
            if command.words.is_empty() || command.wraps || keeps { &[] } else { &meaning.used.paths };
        let changed = used.iter().filter(|(access, _)| *access == Access::Write).map(|(_, word)| word);
        redirects
            .chain(changed)
            .filter(|word| word.known && !word.text.is_empty())
            .map(|word| match program(&command.words) {
                // What `split` makes starts like this.
                "split" => Word { text: format!("{}*", word.text), ..word.clone() },
                _ => word.clone(),
            })
            .map(|word| self.target(&word, cwd))
            .collect()
    }

    /// A script that an earlier part of the command wrote: code in place, in other words.
    pub(super) fn runs_what_was_written(
        &self,
        command: &Command,
        meaning: &Meaning,
        here: Option<&[PathBuf]>,
    ) -> Option<Verdict> {
        let Earlier { written, carried, .. } = &*self.earlier.borrow();
        if written.is_empty() || command.words.is_empty() || command.wraps {
            return None;
        }
        let named = |names: &[&str]| {
            written
                .iter()
                .any(|path| path.file_name().is_some_and(|name| names.iter().any(|known| name == *known)))
        };
        if program(&command.words) == "git"
            && named(&["HEAD", "config", "objects", "refs", ".git", "gitdir", "commondir"])
        {
            return Some(self.changed_before("the repository"));
        }
        let option =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('-'));
        if command.words.iter().any(|word| word.glob) && written.iter().any(option) {
            return Some(self.changed_before("a wildcard"));
        }
        let Meaning { used: Use { act: Act::RunInside, paths, .. }, guess: None } = meaning else {
            return None;
        };
        let (_, script) = paths.last()?;
        let plain = |path: PathBuf| spelled(&path);
        // One of the names that fit a pattern.
        let fits = |written: &Path, path: &Path| {
            let written = written.to_string_lossy();
            let start = written.find(['*', '?', '[']).map(|at| &written[..at]);
            start.is_some_and(|start| path.to_string_lossy().starts_with(start))
        };
        here?.iter().map(|cwd| self.target(script, cwd)).find(|path| {
            let path = plain(path.to_path_buf());
            // A program may be named without its ending, and by the directory it lies in.
            written.iter().map(|written| plain(written.clone())).any(|written| {
                written == path
                    || written.starts_with(&path)
                    || written.with_extension("") == path
                    || fits(&written, &path)
            }) || carried.iter().any(|place| path.starts_with(plain(place.clone())))
        })?;
        let detail = format!("{} is code that an earlier part of the command wrote", quoted(&script.text));
        Some(self.settle(Act::Interpreter, None, &detail))
    }
}

/// Whether a compiler writes a program: some options only check, or only preprocess.
fn compiles(words: &[Word]) -> bool {
    const PLAIN: &[&str] = &[
        "-o",
        "-O",
        "-g",
        "-W",
        "-std=",
        "-I",
        "-D",
        "-l",
        "-L",
        "-fsanitize",
        "-fno-",
        "-fopenmp",
        "-pthread",
        "-m",
        "-pedantic",
        "-static",
        "--edition",
        "-race",
        "-trimpath",
        "-tags",
        "-ldflags",
        "-v",
    ];
    words[1..].iter().filter(|word| word.text.starts_with('-')).all(|word| {
        word.known && PLAIN.iter().any(|start| word.text.starts_with(start)) && !word.text.starts_with("-Wp,")
    })
}
