//! A command as one line of text, in the spellings that rules are held against.

use super::{script::Word, synonym::synonyms};

/// Every spelling that a restriction is held against; none of a command without words. The first is the one that an allow
/// rule sees, in which a word with a space in it can't pass for two.
pub(super) fn forms(words: &[Word]) -> Vec<String> {
    if words.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![joined(words, true), joined(words, false)];
    forms.extend(synonyms(words));
    forms
}

fn joined(words: &[Word], quoted: bool) -> String {
    let mut line = String::with_capacity(words.iter().map(|word| word.text.len() + 3).sum());
    for (at, word) in words.iter().enumerate() {
        line.extend((at > 0).then_some(' '));
        let quotes = quoted && (word.text.is_empty() || word.text.contains(char::is_whitespace));
        line.extend(quotes.then_some('\''));
        line.push_str(&word.text);
        line.extend(quotes.then_some('\''));
    }
    line
}
