//! The directories that commands run in.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use super::Judge;
use crate::shell::{Join, Script, Word, program};

/// The most directories a command may turn out to run in.
const MAX_DIRECTORIES: usize = 8;

/// The directories a command may run in; `None` where they can't be told.
pub(super) type Directories = Option<Rc<[PathBuf]>>;

impl Judge<'_> {
    /// The directories each command of the script may run in.
    pub(super) fn directories(&self, script: &Script, start: &Path) -> Vec<Directories> {
        /// Where a shell may be now, and where it is if everything since the last `;` went well.
        #[derive(Clone)]
        struct Shell {
            anywhere: Directories,
            succeeded: Directories,
            /// Wherever it has been.
            been: Directories,
        }
        let begin: Directories = Some(Rc::from([start.to_owned()]));
        let mut shells: Vec<Option<Shell>> = vec![None; script.scopes.len().max(1)];
        shells[0] = Some(Shell { anywhere: begin.clone(), succeeded: begin.clone(), been: begin });
        let mut all = Vec::with_capacity(script.commands.len());
        for command in &script.commands {
            // A shell starts where the one that started it is.
            let mut outer = command.scope;
            let mut fresh = Vec::new();
            while shells.get(outer).is_some_and(Option::is_none) {
                fresh.push(outer);
                outer = script.scopes.get(outer).copied().unwrap_or_default();
            }
            for scope in fresh {
                let from = shells.get(outer).cloned().flatten();
                let place = from.and_then(|shell| match command.join {
                    _ if command.late => shell.been,
                    Join::And if !command.loose => shell.succeeded,
                    _ => shell.anywhere,
                });
                shells[scope] =
                    Some(Shell { anywhere: place.clone(), succeeded: place.clone(), been: place });
            }
            let Some(Some(shell)) = shells.get_mut(command.scope) else {
                all.push(None);
                continue;
            };
            if command.lost {
                *shell = Shell { anywhere: None, succeeded: None, been: None };
            }
            let here = match command.join {
                _ if command.late => shell.been.clone(),
                Join::And if !command.loose => shell.succeeded.clone(),
                _ => shell.anywhere.clone(),
            };
            all.push(here.clone());
            if command.words.is_empty() {
                continue;
            }
            shell.succeeded.clone_from(&here);
            if program(&command.words) == "popd" {
                // Back to somewhere it has been.
                shell.succeeded.clone_from(&shell.been);
                shell.anywhere.clone_from(&shell.been);
                continue;
            }
            if !changes_directory(&command.words) {
                continue;
            }
            let there = here.clone().and_then(|here| self.changed(&command.words[1..], &here));
            shell.succeeded.clone_from(&there);
            shell.been = shell.been.as_deref().zip(there.as_deref()).map(either);
            shell.been = shell.been.take().filter(|directories| directories.len() <= MAX_DIRECTORIES);
            if command.must && !command.branch {
                shell.anywhere = there;
                continue;
            }
            if command.branch {
                // It may have been passed over.
                shell.succeeded = here.as_deref().zip(there.as_deref()).map(either);
            }
            shell.anywhere = shell.anywhere.as_deref().zip(there.as_deref()).map(either);
            shell.anywhere = shell.anywhere.take().filter(|directories| directories.len() <= MAX_DIRECTORIES);
        }
        all
    }

    pub(super) fn changed(&self, words: &[Word], here: &[PathBuf]) -> Directories {
        let mut words = words.iter().filter(|word| !["-P", "-L", "--"].contains(&word.text.as_str()));
        match (words.next(), words.next()) {
            (None, None) => Some(Rc::from([self.home()?.to_owned()])),
            (Some(word), None) if word.known && !word.glob && !word.text.starts_with(['-', '+']) => {
                Some(here.iter().map(|cwd| self.target(word, cwd)).collect())
            }
            // One of those that a pattern matches; where there is none yet, the pattern stands for it.
            (Some(word), None)
                if word.known
                    && word.one
                    && !word.tilde
                    && !word.text.starts_with(['-', '+', '*'])
                    && !word.text.contains("**") =>
            {
                let mut there = Vec::new();
                for cwd in here {
                    there.push(self.target(word, cwd));
                    there.extend(self.matches(&word.text, cwd)?.iter().map(|found| cwd.join(found)));
                }
                (there.len() <= MAX_DIRECTORIES).then(|| Rc::from(there))
            }
            _ => None,
        }
    }
}

/// Whether the command changes the directory of the shell that runs it.
pub(super) fn changes_directory(words: &[Word]) -> bool {
    ["cd", "pushd"].contains(&program(words))
}

fn either((before, after): (&[PathBuf], &[PathBuf])) -> Rc<[PathBuf]> {
    let mut all = [before, after].concat();
    all.sort();
    all.dedup();
    Rc::from(all)
}
