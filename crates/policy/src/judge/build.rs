use std::path::Path;

use super::{Hit, Judge};
use crate::{
    path::{Access, Place},
    preset::Act,
    shell::{Use, Word, program},
    text::quoted,
    verdict::Verdict,
};

/// Builders that take their own files from where they run, unless an option names them.
const FROM_WHERE_THEY_RUN: &[&str] = &["cargo", "npm", "pnpm", "yarn", "make", "mvn", "gradle"];

/// Builders that run nothing of what they read.
const COMPILERS: &[&str] = &["rustc", "gcc", "g++", "cc", "c++", "clang", "clang++", "javac"];

impl Judge<'_> {
    /// A build that runs what lies in a temporary directory. Others may write there: the makefile that is found may be
    /// anybody's.
    pub(super) fn building(
        &self,
        words: &[Word],
        used: &Use,
        start: &Path,
        whole: Option<Hit<'_>>,
    ) -> Option<Verdict> {
        if ![Act::Build, Act::RunInside].contains(&used.act) {
            return None;
        }
        let runs = used.act == Act::RunInside;
        let name = program(words);
        let manifest = words.iter().any(|word| word.text.starts_with("--manifest-path"));
        let elsewhere = words.iter().any(|word| {
            let options: &[&str] = match name {
                "make" | "mvn" => &["-f", "--file", "--directory"],
                "gradle" => &["-p", "--project-dir"],
                _ => &["--directory", "--prefix", "--cwd"],
            };
            word.text.starts_with("-C") || options.iter().any(|option| word.text.starts_with(option))
        });
        let files =
            manifest || elsewhere || !(FROM_WHERE_THEY_RUN.contains(&name) || COMPILERS.contains(&name));
        let named = used.paths.iter().filter(|(access, _)| {
            // What these write is their output, and an output runs nothing.
            let output =
                *access == Access::Write && (["cargo", "go"].contains(&name) || COMPILERS.contains(&name));
            files && !output && !runs
        });
        let named = named.flat_map(|(_, word)| self.targets(word, start));
        // A program that is run by its path is the last of its files.
        let program = used.paths.last().filter(|_| runs).map(|(_, word)| self.target(word, start));
        let place = [start.to_owned()]
            .into_iter()
            .chain(named)
            .chain(program.filter(|path| !self.earlier.borrow().has_built(path)))
            .find(|path| {
                let located = path.to_str().and_then(|path| self.roots.locate(path, start, self.links).ok());
                located.is_some_and(|located| {
                    let place = located.standing(Access::Read, &self.roots).place;
                    place == Place::Temp || (path != start && place != Place::Workspace)
                })
            })?;
        let detail = format!(
            "`{name}` would run what lies at {}, where others may have put it",
            quoted(&place.to_string_lossy())
        );
        Some(self.settle(Act::BuildInTemp, whole, &detail))
    }
}
