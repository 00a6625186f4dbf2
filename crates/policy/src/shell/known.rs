//! The tables of known commands by their first word, so that a command is held only against those it may be.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    grammar::Spec,
    script::Word,
    table::{COMMANDS, KNOWN_BY_NAME},
};
use crate::preset::Act;

type Index<T> = HashMap<&'static str, Vec<T>>;

static SPECS: LazyLock<Index<&'static Spec>> =
    LazyLock::new(|| by_first_word(COMMANDS.iter().map(|spec| (spec.name, spec))));

static NAMES: LazyLock<Index<&'static (&'static str, Act)>> =
    LazyLock::new(|| by_first_word(KNOWN_BY_NAME.iter().map(|entry| (entry.0, entry))));

fn by_first_word<T>(entries: impl Iterator<Item = (&'static str, T)>) -> Index<T> {
    let mut index = Index::new();
    for (name, entry) in entries {
        index.entry(first_word(name)).or_default().push(entry);
    }
    index
}

fn first_word(name: &'static str) -> &'static str {
    name.split(' ').next().unwrap_or(name)
}

/// The command whose name has the most of the first words, where its options are known.
pub(super) fn spec(words: &[Word]) -> Option<&'static Spec> {
    longest(&SPECS, words, |spec| spec.name).copied()
}

/// The name that has the most of the first words, and what such commands do whatever their options are.
pub(super) fn by_name(words: &[Word]) -> Option<(&'static str, Act)> {
    longest(&NAMES, words, |entry| entry.0).map(|entry| **entry)
}

/// Whether a program of this name, of one word, is known by name alone.
pub(super) fn is_named(name: &str) -> bool {
    NAMES.get(name).is_some_and(|entries| entries.iter().any(|entry| entry.0 == name))
}

fn longest<'i, T>(index: &'i Index<T>, words: &[Word], name: impl Fn(&T) -> &'static str) -> Option<&'i T> {
    let entries = index.get(words.first()?.text.as_str())?;
    let fitting = entries.iter().filter(|entry| starts_with(words, name(entry)));
    fitting.max_by_key(|entry| name(entry).split(' ').count())
}

fn starts_with(words: &[Word], name: &str) -> bool {
    let mut words = words.iter();
    name.split(' ').all(|part| words.next().is_some_and(|word| word.known && !word.glob && word.text == part))
}
