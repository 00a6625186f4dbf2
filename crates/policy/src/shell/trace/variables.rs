//! What the variables of a script hold.

use std::{collections::HashMap, rc::Rc};

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
        let before = self.variables.insert(name.to_owned(), value);
        self.set.push((name.to_owned(), before));
    }

    pub(super) fn forget(&mut self, name: &str, kind: Kind) {
        // A number that a calculation came to is never nothing.
        self.assign(name, Value::Unknown(Unknown { kind, found: kind != Kind::Number, foreign: false }));
    }

    /// Forgets what was set since: what a variable held before counts as much as what it was set to.
    pub(super) fn unsettle(&mut self, from: usize) {
        let mut before: HashMap<String, Option<Value>> = HashMap::new();
        for (name, value) in self.set.drain(from..) {
            before.entry(name).or_insert(value);
        }
        for (name, before) in before {
            let now = self.variables.get(&name).map_or_else(Unknown::default, Unknown::of);
            // What wasn't set before is no worse than what it is set to.
            let then = before.as_ref().map_or(Unknown { kind: Kind::Number, ..now }, Unknown::of);
            let unknown = Unknown {
                kind: now.kind.max(then.kind),
                found: now.found || then.found,
                foreign: now.foreign || then.foreign,
            };
            self.variables.insert(name.clone(), Value::Unknown(unknown));
            self.set.push((name, before));
        }
    }
}

impl Unknown {
    /// What is known of a value of which it isn't known which of several it is.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Words(words) => Self {
                kind: words.iter().map(Word::value_kind).max().unwrap_or_default(),
                found: words.iter().any(|word| word.substituted),
                foreign: false,
            },
            Value::Unknown(unknown) => *unknown,
            Value::Found(_) => Self { found: true, ..Self::default() },
        }
    }
}
