//! The tables of known commands by their first word, so that a command is held only against those it may be.

use std::{cmp::Reverse, collections::HashMap, sync::LazyLock};

use super::{
    grammar::Spec,
    script::Word,
    table::{COMMANDS, KNOWN_BY_NAME},
};
use crate::preset::Act;

/// Names of commands by their first word, those of the most words first.
type Index<T> = HashMap<&'static str, Vec<(Vec<&'static str>, T)>>;

static SPECS: LazyLock<Index<&'static Spec>> =
    LazyLock::new(|| by_first_word(COMMANDS.into_iter().flatten().map(|spec| (spec.name, spec))));

static NAMES: LazyLock<Index<&'static (&'static str, Act)>> =
    LazyLock::new(|| by_first_word(KNOWN_BY_NAME.iter().map(|entry| (entry.0, entry))));

fn by_first_word<T>(entries: impl Iterator<Item = (&'static str, T)>) -> Index<T> {
    let mut index = Index::new();
    for (name, entry) in entries {
        let names: Vec<&str> = name.split(' ').collect();
        index.entry(names[0]).or_default().push((names, entry));
    }
    index.values_mut().for_each(|entries| entries.sort_by_key(|(names, _)| Reverse(names.len())));
    index
}

/// The command whose name has the most of the first words, where its options are known.
pub(super) fn spec(words: &[Word]) -> Option<&'static Spec> {
    longest(&SPECS, words).copied()
}

/// The name that has the most of the first words, and what such commands do whatever their options are.
pub(super) fn by_name(words: &[Word]) -> Option<(&'static str, Act)> {
    longest(&NAMES, words).map(|entry| **entry)
}

/// Whether a program of this name, of one word, is known by name alone.
pub(super) fn is_named(name: &str) -> bool {
    NAMES.get(name).is_some_and(|entries| entries.iter().any(|(names, _)| names.len() == 1))
}

fn longest<'i, T>(index: &'i Index<T>, words: &[Word]) -> Option<&'i T> {
    let entries = index.get(words.first()?.text.as_str())?;
    let fits = |names: &[&str]| {
        let literal = |(word, name): (&Word, &&str)| word.known && !word.glob && word.text == *name;
        names.len() <= words.len() && words.iter().zip(names).all(literal)
    };
    entries.iter().find(|(names, _)| fits(names)).map(|(_, entry)| entry)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_in_a_table_once() {
        for names in [
            COMMANDS.into_iter().flatten().map(|spec| spec.name).collect::<Vec<_>>(),
            KNOWN_BY_NAME.iter().map(|entry| entry.0).collect(),
        ] {
            let mut once = HashSet::new();
            let twice: Vec<_> = names.iter().filter(|name| !once.insert(**name)).collect();
            assert!(twice.is_empty(), "{twice:?}");
        }
    }

    #[test]
    fn the_longest_name_is_found() {
        let found = |text: &str| {
            let words: Vec<Word> = text.split(' ').map(Word::literal).collect();
            spec(&words).map(|spec| spec.name)
        };
        for spec in COMMANDS.into_iter().flatten() {
            assert_eq!(found(spec.name), Some(spec.name));
            assert_eq!(found(&format!("{} --", spec.name)), Some(spec.name));
        }
        assert_eq!(found("no-such-program"), None);
    }
}
