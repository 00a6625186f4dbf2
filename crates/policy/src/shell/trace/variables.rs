//! What the variables of a script hold.

use std::{collections::HashSet, rc::Rc};

use super::{
    super::script::{Kind, Word},
    Tracer,
};

/// What a variable holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// These words; one, unless it is an array.
    Words(Vec<Word>),
    /// Something that isn't known.
    Unknown(Unknown),
    /// One of these files.
    Found(Rc<[Word]>),
}

/// What is known of what isn't.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unknown {
    /// Whether it came from outside the script, so that a person must look at it.
    pub(super) foreign: bool,
    /// What kind of text it is.
    pub(super) kind: Kind,
    /// Whether another command found it.
    pub(super) found: bool,
}

impl Tracer {
    pub(super) fn assign(&mut self, name: &str, value: Value) {
        let value = if self.readonly.contains(name) {
            Value::Unknown(Unknown { found: true, ..Unknown::default() })
        } else {
            value
        };
        self.set.push(name.to_owned());
        self.variables.insert(name.to_owned(), value);
    }

    pub(super) fn forget(&mut self, name: &str, kind: Kind) {
        self.assign(name, Value::Unknown(Unknown { kind, found: true, foreign: false }));
    }

    /// Forgets what was set since.
    pub(super) fn unsettle(&mut self, from: usize) {
        let names: HashSet<String> = self.set.drain(from..).collect();
        for name in names {
            let found = |word: &Word| word.substituted;
            let unknown = match self.variables.get(&name) {
                Some(Value::Words(words)) => Unknown {
                    kind: words.iter().map(Word::value_kind).max().unwrap_or_default(),
                    found: words.iter().any(found),
                    foreign: false,
                },
                Some(Value::Unknown(unknown)) => *unknown,
                Some(Value::Found(_)) => Unknown { found: true, ..Unknown::default() },
                None => Unknown::default(),
            };
            self.assign(&name, Value::Unknown(unknown));
        }
    }
}
