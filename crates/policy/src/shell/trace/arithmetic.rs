//! What a calculation reads and runs.

use std::{collections::BTreeSet, fmt};

use super::{
    super::script::{Kind, Word},
    Tracer, Unknown, Value, environment,
    pieces::{Piece, pieces},
};
use crate::preset::Act;

/// The longest calculation that is looked through.
const MAX_CALCULATION: usize = 2048;
/// The most variables in one.
const MAX_NAMES: usize = 64;

impl Tracer {
    /// `((…))`, `$((…))`: the shell takes what a variable in it holds for a calculation once more, which may run commands.
    pub(super) fn calculate(&mut self, text: &str) {
        let mut plain = String::new();
        match pieces(text, true) {
            Ok(pieces) => {
                for piece in pieces {
                    if let Piece::Text { text, .. } = &piece {
                        plain.push_str(text);
                    } else {
                        plain.push(' ');
                        let words = self.fill(vec![piece]);
                        if words.iter().any(|word| !word.is_of(Kind::Number)) {
                            self.calculates("the output of a command");
                        }
                        // What is filled in is read like the rest.
                        for word in words.iter().filter(|word| word.known) {
                            if word.text.contains(['$', '`', '[']) {
                                self.doubts
                                    .push(format!("{} would be calculated", crate::text::quoted(&word.text)));
                            }
                            plain.push_str(&word.text);
                        }
                    }
                }
            }
            Err(problem) => {
                self.doubts.push(format!("the calculation {}: {problem}", crate::text::quoted(text)));
            }
        }
        // Some take `$((command))` for a command in a subshell in a substitution.
        let mut words = text.split_whitespace();
        if let (Some(first), Some(second)) = (words.next(), words.next())
            && first.starts_with(|c: char| c.is_ascii_alphabetic())
            && second.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-' && second.len() > 1)
        {
            drop(self.nested(text));
        }
        if plain.len() > MAX_CALCULATION {
            self.doubts.push("a calculation is too long".to_owned());
            return;
        }
        let mut all: BTreeSet<String> = names(&plain).map(str::to_owned).collect();
        // What a variable holds is a calculation too, and names others.
        let mut todo: Vec<String> = all.iter().cloned().collect();
        while let Some(name) = todo.pop() {
            let Some(Value::Words(words)) = self.variables.get(&name) else { continue };
            for word in words.iter().filter(|word| word.known && !word.is_number()) {
                let more = names(&word.text).map(str::to_owned).filter(|name| !all.contains(name));
                todo.extend(more.collect::<BTreeSet<_>>());
            }
            all.extend(todo.iter().cloned());
            if all.len() > MAX_NAMES {
                self.doubts.push("a calculation names too much".to_owned());
                return;
            }
        }
        for name in all {
            if is_set(&plain, &name) {
                self.steered(&name, &Word::default());
            }
            match self.variables.get(&name) {
                Some(Value::Words(words)) if words.iter().all(Word::is_number) => {}
                Some(Value::Unknown(Unknown { kind: Kind::Number, .. })) => {}
                Some(Value::Words(words))
                    if words.iter().all(|word| word.known && !word.text.contains(['$', '`', '['])) => {}
                Some(Value::Words(words)) if words.iter().any(|word| word.text.contains(['$', '`'])) => {
                    self.doubts.push(format!("what `{name}` holds would be calculated"));
                }
                None if environment::is_number(&name) => {}
                // A variable that isn't set counts as 0; one of the environment is what it is.
                None if is_set(text, &name) => {}
                None => self.doubts.push(format!("`{name}` isn't set in the command")),
                _ => self.calculates(format_args!("`{name}`")),
            }
            if is_set(text, &name) {
                self.assign(&name, Value::Unknown(Unknown { kind: Kind::Number, ..Unknown::default() }));
            }
        }
    }

    pub(super) fn calculates(&mut self, what: impl fmt::Display) {
        self.acts.push((
            Act::Interpreter,
            format!("what {what} holds is calculated with, which may run a command"),
        ));
    }
}

/// The names of variables in a calculation.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// Whether the calculation sets the variable.
fn is_set(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].trim_end();
        let after = text[at + name.len()..].trim_start();
        let assigns = after.starts_with('=') && !after.starts_with("==");
        let changes = ["+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^=", "++", "--"];
        assigns
            || changes.iter().any(|sign| after.starts_with(sign))
            || before.ends_with("++")
            || before.ends_with("--")
    })
}
