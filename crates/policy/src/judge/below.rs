use std::path::Path;

use super::{
    Hit, Judge,
    files::{By, Named},
    search::environments_of,
};
use crate::{
    path::{Access, could_be_secret, could_match},
    preset::Act,
    shell::{Below, Word},
    text::quoted,
    verdict::Verdict,
};

/// Names of directories and files that tools make and that can be made again.
const MADE: &[&str] = &[
    "node_modules",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".ds_store",
    "target",
    "dist",
    "build",
    "coverage",
    ".next",
    ".turbo",
    "thumbs.db",
];

/// Endings of files that tools make, or that are a project's own code and text: nothing that is protected has them.
const OWN: &[&str] = &[
    "o",
    "obj",
    "a",
    "so",
    "d",
    "pyc",
    "pyo",
    "class",
    "tmp",
    "temp",
    "log",
    "bak",
    "orig",
    "rej",
    "swp",
    "swo",
    "gch",
    "out",
    "map",
    "tsbuildinfo",
    "profraw",
    "profdata",
    "gcda",
    "gcno",
    "exe",
    "dll",
    "pdb",
    "rs",
    "py",
    "go",
    "java",
    "c",
    "h",
    "cc",
    "cpp",
    "hpp",
    "cxx",
    "ts",
    "tsx",
    "js",
    "jsx",
    "mjs",
    "css",
    "scss",
    "less",
    "html",
    "vue",
    "svelte",
    "md",
    "txt",
    "rst",
    "rb",
    "php",
    "kt",
    "swift",
    "cs",
    "sql",
    "proto",
    "dart",
    "scala",
    "hs",
    "ml",
    "ex",
    "exs",
    "lua",
    "r",
    "jl",
    "zig",
    "nim",
    "csv",
    "svg",
    "png",
    "snap",
    "new",
    "received",
];

impl Judge<'_> {
    /// Some of the files below a directory, which another command finds.
    pub(super) fn files_below(
        &self,
        directory: &Word,
        below: &Below,
        cwd: &Path,
        access: Access,
        whole: Option<Hit<'_>>,
    ) -> Verdict {
        let target = self.target(directory, cwd);
        let text = target.to_string_lossy();
        if self.earlier.borrow().has_secrets(&target) {
            return self.changed_before(&directory.text);
        }
        if access == Access::Read {
            let mut verdict = self.reading(
                Named { text: &text, shown: &directory.text, cwd },
                Access::Read,
                By::Command,
                whole,
            );
            verdict = self.throughout(&text, cwd, Access::Read).into_iter().fold(verdict, Verdict::strictest);
            if let Below::Named(names) = below {
                for name in names {
                    let file = format!("{}/{name}", text.trim_end_matches('/'));
                    if !name.contains(['*', '?', '[']) {
                        verdict = verdict.strictest(self.reading(
                            Named::itself(&file, cwd),
                            access,
                            By::Command,
                            whole,
                        ));
                    } else if name.contains(|c: char| c.is_alphanumeric()) && could_be_secret(name) {
                        let detail = format!("files named {} may be protected", quoted(name));
                        verdict = verdict.strictest(self.settle(Act::SecretsFile, whole, &detail));
                    }
                }
            }
            let narrow =
                matches!(below, Below::Named(names) if !names.iter().any(|name| could_be_secret(name)));
            let Ok(located) = self.roots.locate(&text, cwd, self.links) else { return verdict };
            for directory in &located.reached {
                if let Some(link) = self.link_out(directory, access) {
                    verdict = verdict.strictest(self.through_link(&link, whole));
                }
                let private = self.roots.holds_private(directory);
                // A name alone doesn't tell a file of the system's from others.
                let own =
                    matches!(below, Below::Named(names) if names.iter().all(|name| is_replaceable(name)));
                if narrow && (own || !private) {
                    continue;
                }
                if private {
                    let detail =
                        format!("reads files below {}, where private or protected ones lie", quoted(&text));
                    verdict = verdict.strictest(self.settle(Act::WideSearch, whole, &detail));
                }
                if let Some(name) = self.key_in(directory, &[]).filter(|name| reads_name(below, name)) {
                    let detail = format!("reads files below {}, where `{name}` lies", quoted(&text));
                    verdict = verdict.strictest(self.settle(Act::WideSearch, whole, &detail));
                }
                for file in environments_of(self, directory) {
                    let text = file.to_string_lossy();
                    verdict = verdict.strictest(self.reading(
                        Named::itself(&text, cwd),
                        Access::Read,
                        By::Command,
                        whole,
                    ));
                }
            }
            return verdict;
        }
        let wider = if *below == Below::All { access } else { Access::Write };
        let mut verdict =
            self.reading(Named { text: &text, shown: &directory.text, cwd }, wider, By::Command, whole);
        verdict = self.throughout(&text, cwd, Access::Write).into_iter().fold(verdict, Verdict::strictest);
        if access == Access::Write
            && let Ok(located) = self.roots.locate(&text, cwd, self.links)
            && let Some(link) = located.reached.iter().find_map(|directory| self.link_out(directory, access))
        {
            verdict = verdict.strictest(self.through_link(&link, whole));
        }
        // Below a directory that lies in the workspace there is no git directory, and no settings of an agent.
        let deep = *below != Below::All
            && self.roots.locate(&text, cwd, self.links).is_ok_and(|located| {
                let within = |path: &std::path::PathBuf| {
                    self.roots.workspace.iter().any(|root| path != root && path.starts_with(root))
                };
                located.reached.iter().all(within)
            });
        let named = matches!(below, Below::Named(names) if names.iter().all(|name| is_replaceable(name)));
        let harmless = named || (deep && *below == Below::Some);
        if !harmless {
            let detail = format!("which files below {} it changes can't be known", quoted(&directory.text));
            verdict = verdict.strictest(self.settle(Act::GlobPath, whole, &detail));
        }
        verdict
    }
}

impl Judge<'_> {
    fn through_link(&self, link: &std::path::Path, whole: Option<Hit<'_>>) -> Verdict {
        let detail = format!(
            "{} among the files is a link that leads elsewhere, or can't be looked through",
            quoted(&link.to_string_lossy())
        );
        self.settle(Act::GlobPath, whole, &detail)
    }
}

/// Whether a file of this name may be among those that are read.
fn reads_name(below: &Below, name: &str) -> bool {
    match below {
        Below::Named(patterns) => patterns.iter().any(|pattern| could_match(pattern, name)),
        Below::All | Below::Some => true,
    }
}

/// Whether a pattern for names means nothing that is protected, in whatever directory.
fn is_replaceable(pattern: &str) -> bool {
    let lower = pattern.to_lowercase();
    if MADE.contains(&lower.as_str()) {
        return true;
    }
    let ending = lower.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    OWN.contains(&ending) && !lower.starts_with('.') && !could_be_secret(&lower)
}
