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
        if used.act != Act::Build {
            return None;
        }
        let name = program(words);
        let manifest = words.iter().any(|word| word.text.starts_with("--manifest-path"));
        let files = manifest || !FROM_WHERE_THEY_RUN.contains(&name.as_str());
        let named = used.paths.iter().filter(|(access, _)| {
            // What these two write is their output, and an output runs nothing.
            let output = *access == Access::Write && ["cargo", "go"].contains(&name.as_str());
            files && !output
        });
        let named = named.flat_map(|(_, word)| self.targets(word, start));
        let place = [start.to_owned()].into_iter().chain(named).find(|path| {
            let located = path.to_str().and_then(|path| self.roots.locate(path, start, self.links).ok());
            located.is_some_and(|located| located.standing(Access::Read, &self.roots).place == Place::Temp)
        })?;
        let detail = format!(
            "`{name}` would run what lies in {}, where others may have put it",
            quoted(&place.to_string_lossy())
        );
        Some(self.settle(Act::BuildInTemp, whole, &detail))
    }
}
