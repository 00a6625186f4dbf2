use std::path::{Path, PathBuf};

use super::{
    Hit, Judge,
    changes::Changes,
    files::{By, Named},
};
use crate::{
    path::{Access, could_match, is_environment, is_key},
    preset::Act,
    shell::{Word, git_subcommand, program},
    text::quoted,
    verdict::Verdict,
};

/// Commands that take in the contents of whole directories.
const SEARCHING: &[&str] = &["grep", "egrep", "fgrep", "rgrep", "rg", "ag", "ack", "ugrep", "cp", "diff"];

/// Names that are looked for one by one where a directory can't be listed.
const USUAL: &[&str] =
    &[".env", ".envrc", ".env.local", ".env.production", ".env.development", ".env.staging", ".env.test"];

/// grep's options whose value touches them or is the next word.
const GREP_VALUES: &str = "efABCmD";

/// Whether the command takes in the contents of whole directories.
pub(super) fn searches(words: &[Word]) -> bool {
    let git = match git_subcommand(words) {
        Some("grep") => true,
        Some("diff") => words.iter().any(|word| word.text == "--no-index"),
        _ => false,
    };
    git || SEARCHING.contains(&program(words))
}

/// Which of the files in a directory a search prints from.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// None: it doesn't go through directories, or prints nothing, or only files of certain names.
    Nothing,
    /// Those whose names don't start with a dot.
    Visible,
    All,
}

impl Judge<'_> {
    /// A command that may take in everything below the directories it names, or below the one it runs in.
    pub(super) fn search(
        &self,
        words: &[Word],
        paths: &[(Access, Word)],
        start: &Path,
        changes: &Changes,
        whole: Option<Hit<'_>>,
    ) -> Verdict {
        let named = paths.iter().filter(|(access, _)| *access == Access::Read);
        let mut places: Vec<PathBuf> = named.flat_map(|(_, word)| self.targets(word, start)).collect();
        if places.is_empty() {
            places.push(start.to_owned());
        }
        let mut verdict = self.settle(Act::Inspect, None, "nothing private lies there");
        let taken = taken(words);
        let follows = follows_links(words);
        // What comes to be there is not there yet.
        let copied = |place: &PathBuf| {
            (taken != Taken::Nothing && self.earlier.borrow().has_secrets(place))
                || (follows && changes.reach(place))
        };
        if let Some(place) = places.iter().find(|place| copied(place)) {
            verdict = verdict.strictest(self.changed_before(&place.to_string_lossy()));
        }
        for place in &places {
            let Ok(located) = self.roots.locate(&place.to_string_lossy(), start, self.links) else {
                continue;
            };
            for directory in &located.reached {
                if follows && !self.holds_no_link(directory) {
                    let place = place.to_string_lossy();
                    let detail = format!("follows links below {}, which may lead anywhere", quoted(&place));
                    verdict = verdict.strictest(self.settle(Act::UnknownOption, whole, &detail));
                }
                if self.roots.holds_private(directory) {
                    let place = place.to_string_lossy();
                    let detail =
                        format!("looks through {}, in which private or protected files lie", quoted(&place));
                    verdict = verdict.strictest(self.settle(Act::WideSearch, whole, &detail));
                }
                if taken != Taken::Nothing
                    && let Some(name) = self.key_in(directory, words)
                {
                    let detail =
                        format!("looks through {}, in which `{name}` lies", quoted(&place.to_string_lossy()));
                    verdict = verdict.strictest(self.settle(Act::WideSearch, whole, &detail));
                }
                // Each is judged by its own name: a rule may speak of it.
                for name in self.environments(directory, &taken, words) {
                    let file = directory.join(name);
                    let text = file.to_string_lossy();
                    let next = self.reading(Named::itself(&text, start), Access::Read, By::Command, whole);
                    verdict = verdict.strictest(next);
                }
            }
        }
        verdict
    }

    /// The name of a key directly in the directory that the search would print from.
    pub(super) fn key_in(&self, directory: &Path, words: &[Word]) -> Option<String> {
        let names = self.names(directory)?;
        let mut names = names.iter().map(|name| name.to_string_lossy().into_owned());
        names.find(|name| {
            is_key(&name.to_lowercase()) && !excluded(words).any(|pattern| could_match(pattern, name))
        })
    }

    /// The names of `.env` files directly in the directory that the search would print from.
    fn environments(&self, directory: &Path, taken: &Taken, words: &[Word]) -> Vec<String> {
        if *taken == Taken::Nothing {
            return Vec::new();
        }
        let mut names: Vec<String> = match self.names(directory) {
            Some(names) => names.iter().map(|name| name.to_string_lossy().into_owned()).collect(),
            None => {
                let there = USUAL.iter().filter(|name| self.links.exists(&directory.join(name)));
                there.map(|name| (*name).to_owned()).collect()
            }
        };
        names.retain(|name| {
            is_environment(&name.to_lowercase())
                && (*taken == Taken::All || !name.starts_with('.'))
                && !excluded(words).any(|pattern| could_match(pattern, name))
        });
        names
    }
}

/// The `.env` files directly in the directory.
pub(super) fn environments_of(judge: &Judge<'_>, directory: &Path) -> Vec<PathBuf> {
    judge.environments(directory, &Taken::All, &[]).iter().map(|name| directory.join(name)).collect()
}

fn taken(words: &[Word]) -> Taken {
    let texts = || words.iter().skip(1).map(|word| word.text.as_str());
    let has = |options: &[&str]| texts().any(|text| options.iter().any(|option| text.starts_with(option)));
    match program(words) {
        // A first pattern that takes files in leaves out all the others; one that leaves files out takes in the rest.
        "grep" | "egrep" | "fgrep" => {
            let of_names = |text: &&str| {
                text.starts_with("--inc") || (text.starts_with("--exc") && !text.starts_with("--exclude-d"))
            };
            let patterns = texts().find(of_names);
            if patterns.is_some_and(|text| text.starts_with("--inc")) || !is_recursive(words) {
                Taken::Nothing
            } else {
                Taken::All
            }
        }
        // A directory against another is gone through.
        "diff" => Taken::All,
        "rg" => {
            let globs =
                words.windows(2).filter(|pair| ["-g", "--glob", "--iglob"].contains(&pair[0].text.as_str()));
            let attached = texts().filter_map(|text| {
                ["--glob=", "--iglob=", "-g"].iter().find_map(|option| text.strip_prefix(option))
            });
            let globs = globs.map(|pair| pair[1].text.as_str()).chain(attached);
            let typed = has(&["-t", "--type="]) || texts().any(|text| text == "--type");
            let some = globs.into_iter().any(|glob| !glob.is_empty() && !glob.starts_with('!'))
                || (typed && !texts().any(|text| text.ends_with("all")));
            let unrestricted = texts().any(|text| cluster(text).contains(['u', '.']));
            if has(&["--files"]) || some {
                Taken::Nothing
            } else if unrestricted || has(&["--hid", "--no-i", "--unr"]) {
                Taken::All
            } else {
                Taken::Visible
            }
        }
        "rgrep" | "ag" | "ack" | "ugrep" => Taken::All,
        // What isn't tracked is searched only when that is asked for.
        "git" if has(&["--untr", "--no-ex", "--no-in"]) => Taken::All,
        _ => Taken::Nothing,
    }
}

/// Whether it follows the links that it finds in directories.
fn follows_links(words: &[Word]) -> bool {
    let texts = || words.iter().skip(1).map(|word| word.text.as_str());
    let long = |names: &[&str]| {
        texts().any(|text| names.iter().any(|name| text.len() > 4 && name.starts_with(text)))
    };
    match program(words) {
        "grep" | "egrep" | "fgrep" => {
            texts().any(|text| cluster(text).contains('R')) || long(&["--dereference-recursive"])
        }
        "diff" => {
            // What it tells only to differ isn't shown.
            let brief = texts().any(|text| cluster(text).contains('q')) || long(&["--brief"]);
            let kept = texts().any(|text| text == "--no-dereference");
            !kept && !brief && (texts().any(|text| cluster(text).contains('r')) || long(&["--recursive"]))
        }
        _ => false,
    }
}

/// Whether grep goes through the directories it is given.
fn is_recursive(words: &[Word]) -> bool {
    let recurse = |value: &str| value.starts_with("rec");
    words.iter().enumerate().skip(1).any(|(at, word)| {
        let text = word.text.as_str();
        let next = || words.get(at + 1).is_some_and(|word| recurse(&word.text));
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            return name.starts_with("rec")
                || name.starts_with("der")
                || (name.starts_with("di") && value.map_or_else(next, recurse));
        }
        for (at, letter) in cluster(text).char_indices() {
            match letter {
                'r' | 'R' => return true,
                'd' => {
                    let value = &cluster(text)[at + 1..];
                    return if value.is_empty() { next() } else { recurse(value) };
                }
                letter if GREP_VALUES.contains(letter) => return false,
                _ => {}
            }
        }
        false
    })
}

/// Options of one letter that are run together.
fn cluster(text: &str) -> &str {
    text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default()
}

/// Patterns of names that grep leaves out.
fn excluded(words: &[Word]) -> impl Iterator<Item = &str> {
    let attached = words.iter().filter_map(|word| word.text.strip_prefix("--exclude="));
    let next = words.windows(2).filter(|pair| pair[0].text == "--exclude").map(|pair| pair[1].text.as_str());
    attached.chain(next).filter(|pattern| !pattern.contains(['[', '\\', '{', '?']))
}
