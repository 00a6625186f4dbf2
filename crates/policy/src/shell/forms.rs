//! A command as one line of text, in the spellings that rules are held against.

use super::{script::Word, synonym::synonyms};

/// The spellings of a command; none of one without words.
#[derive(Debug)]
pub(crate) struct Forms(Vec<String>);

impl Forms {
    pub(super) fn of(words: &[Word]) -> Self {
        if words.is_empty() {
            return Self(Vec::new());
        }
        let mut forms = vec![joined(words, true), joined(words, false)];
        forms.extend(synonyms(words));
        Self(forms)
    }

    /// The command as an allow rule sees it: a word with a space in it can't pass for two.
    pub(crate) fn exact(&self) -> &[String] {
        self.0.get(..1).unwrap_or_default()
    }

    /// Every spelling that a restriction is held against.
    pub(crate) fn all(&self) -> &[String] {
        &self.0
    }
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
