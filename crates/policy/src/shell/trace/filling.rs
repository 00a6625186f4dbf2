//! A word that is put together of what is filled in.

use std::rc::Rc;

use super::{
    super::script::{Kind, Word},
    Value,
};

/// A word that is being put together, and those that are done.
#[derive(Default)]
pub(super) struct Filling {
    done: Vec<Word>,
    current: Option<Word>,
    pub(super) length: usize,
    /// Whether the current word stands for names that fit it as a pattern, and for more than one of them.
    one: bool,
    several: bool,
    /// Whether the current word is nothing but what a command prints, unquoted: no word at all, where that is nothing.
    vanishes: bool,
}

/// Signs that mean something in a pattern.
pub(super) const WILD: [char; 4] = ['*', '?', '[', '\\'];

impl Filling {
    pub(super) fn current(&mut self) -> &mut Word {
        self.current.get_or_insert_with(|| Word { known: true, ..Word::default() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current.as_ref().is_none_or(|word| word.text.is_empty())
    }

    pub(super) fn text(&mut self, text: &str, quoted: bool) {
        self.length += text.len();
        let wild = text.contains(WILD);
        // A pattern with a text that isn't one.
        let mixed = wild && std::mem::take(&mut self.one);
        let word = self.current();
        if text.is_empty() {
            word.quoted |= quoted;
            self.vanishes &= !quoted;
            return;
        }
        self.vanishes = false;
        let word = self.current();
        word.found = None;
        if mixed || touches(word, text) {
            (word.known, word.kind) = (false, Kind::Any);
        }
        word.pattern = word.pattern.take().filter(|_| !wild).map(|before| format!("{before}{text}").into());
        word.text.push_str(text);
        word.quoted |= quoted;
        let replaced = !quoted && text.contains(['*', '?', '[']) && word.text != "[" && word.text != "[[";
        word.glob |= replaced;
        self.several |= replaced;
    }

    pub(super) fn value(&mut self, value: &Value, quoted: bool, each: bool) {
        match value {
            Value::Unknown(unknown) => {
                let word = self.current();
                let bare = word.text.is_empty() && !word.quoted;
                word.found = None;
                word.firm.get_or_insert(word.text.len());
                let named = unknown.kind <= Kind::Name;
                let before = word.as_pattern().map(|before| before.trim_end_matches('*')).filter(|_| named);
                word.pattern = before.map(|before| format!("{before}*").into());
                // A sign stands for whatever it is.
                if unknown.kind != Kind::Any {
                    word.text.push('0');
                }
                let before = if word.known { Kind::Number } else { word.kind };
                word.kind = before.max(unknown.kind);
                word.known = false;
                word.splits |= !quoted && unknown.kind == Kind::Any;
                word.substituted |= unknown.found;
                word.quoted |= quoted;
                self.vanishes = !quoted && unknown.found && (bare || self.vanishes);
            }
            Value::Found(files) => {
                // With anything before or after it, it names another file.
                let whole = self.current.as_ref().is_none_or(|word| word.known && word.text.is_empty());
                let word = self.current();
                word.found = whole.then(|| match quoted {
                    true => Rc::clone(files),
                    false => files.iter().map(|files| Word { parted: true, ..files.clone() }).collect(),
                });
                word.firm.get_or_insert(word.text.len());
                (word.known, word.kind, word.pattern) = (false, Kind::Any, None);
                word.splits |= !quoted;
                word.substituted = true;
                word.quoted |= quoted;
            }
            Value::Words(words) => {
                for (at, word) in words.iter().enumerate() {
                    if at > 0 && each {
                        self.end();
                    } else if at > 0 {
                        self.text(" ", true);
                    }
                    self.filled(word, quoted);
                }
            }
        }
    }

    /// What a variable holds, split where it isn't quoted.
    fn filled(&mut self, value: &Word, quoted: bool) {
        let starts = self.is_empty();
        if quoted {
            self.join(value, &value.text, starts, true);
            return;
        }
        let mut parts = value.text.split(char::is_whitespace).filter(|part| !part.is_empty());
        if value.text.starts_with(char::is_whitespace) {
            self.end();
        }
        if let Some(first) = parts.next() {
            self.join(value, first, starts, false);
            for part in parts {
                self.end();
                self.join(value, part, true, false);
            }
        }
        if value.text.ends_with(char::is_whitespace) {
            self.end();
        }
        if let Some(word) = &mut self.current {
            word.glob |= value.text.contains(['*', '?', '[']);
            word.splits |= value.splits;
        }
    }

    fn join(&mut self, value: &Word, text: &str, starts: bool, quoted: bool) {
        self.length += text.len();
        let one = self.one;
        let word = self.current();
        if !(text.is_empty() && value.known) {
            word.found = None;
        }
        let bare = word.text.is_empty();
        let fresh = bare && !word.quoted;
        let patterns = word.as_pattern().zip(value.as_pattern());
        let pattern = patterns.map(|(before, more)| format!("{before}{more}"));
        let before = if word.known { Kind::Number } else { word.kind };
        let more = if value.known { Kind::Number } else { value.kind };
        // What begins in the middle of a word is no directory that the shell knows; and a pattern beside a text that isn't
        // one, or beside one that the shell replaces, stands for nothing that is known.
        let misplaced = !bare && (value.here || value.root || value.text == "$!");
        let mixed = !bare && (value.glob || one) && {
            let wild = |word: &Word| word.text.contains(WILD);
            (wild(word) && !one) || (wild(value) && !value.glob) || (value.glob && one)
        };
        let broken = misplaced || mixed || touches(word, text);
        word.kind = if broken { Kind::Any } else { before.max(more) };
        if !value.known {
            let firm = value.firm.unwrap_or_default().min(text.len());
            word.firm.get_or_insert(word.text.len() + firm);
        }
        word.known &= value.known && !broken;
        word.pattern = pattern.filter(|_| !word.known && !broken && word.kind <= Kind::Name).map(Into::into);
        word.text.push_str(text);
        word.quoted = true;
        word.here |= value.here && bare;
        word.root |= value.root && bare;
        word.tilde |= value.tilde && starts && text.starts_with('~');
        // A pattern that is filled in stands for one of its matches.
        word.glob |= value.glob;
        word.substituted |= value.substituted;
        if value.below.is_some() {
            word.below.clone_from(&value.below);
        }
        self.one |= value.glob;
        self.several |= value.glob && !value.one && !quoted;
        let empty = !value.known && value.substituted && value.text == "0" && !quoted;
        self.vanishes = empty && (fresh || self.vanishes);
    }

    fn end(&mut self) {
        let one = std::mem::take(&mut self.one);
        let several = std::mem::take(&mut self.several);
        let vanishes = std::mem::take(&mut self.vanishes);
        if let Some(word) = &mut self.current {
            word.one = one && !several;
            word.splits |= vanishes;
        }
        self.done.extend(self.current.take());
    }

    pub(super) fn finish(mut self) -> Vec<Word> {
        self.end();
        self.done
    }
}

/// Whether what follows the name of a directory makes another name of it.
fn touches(word: &Word, text: &str) -> bool {
    let whole = (word.here && word.text == ".") || (word.root && word.text.ends_with(')'));
    // Where there is no job its number is nothing.
    let job = word.text == "$!" && word.known;
    (whole && !text.is_empty() && !text.starts_with('/')) || (job && !text.is_empty())
}
