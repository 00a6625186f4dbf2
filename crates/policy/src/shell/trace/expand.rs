//! Words as the shell would fill them in, as far as that can be told.

use super::{
    super::script::{Join, Kind, Word},
    Tracer, Unknown, Value,
    braces::{alternatives, has_braces},
    deeper, environment,
    filling::Filling,
    pieces::{Piece, What, is_plain, pieces},
};
use crate::{
    shell::parse::Unparsed,
    text::{is_invisible, quoted},
};

/// How deep words may lie in words.
const MAX_NESTING: usize = 24;

/// Variables that the shell sets by itself: what a command sets them to doesn't stay.
const OF_THE_SHELL: &[&str] = &[
    "_",
    "PWD",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "MAPFILE",
    "REPLY",
    "RANDOM",
    "SECONDS",
    "LINENO",
    "UID",
    "EUID",
    "PPID",
    "BASHPID",
    "FUNCNAME",
    "BASH_SOURCE",
    "PIPESTATUS",
    "DIRSTACK",
    "GROUPS",
    "BASH_REMATCH",
    "COPROC",
    "EPOCHSECONDS",
    "HISTCMD",
];

/// The longest text that a word comes to.
const MAX_TEXT: usize = 128 << 10;

impl Tracer {
    /// The words that one word comes to.
    pub(super) fn expand(&mut self, raw: &str) -> Vec<Word> {
        if is_plain(raw) {
            return vec![Word::literal(raw)];
        }
        if has_braces(raw) {
            self.doubts.push(format!("{} stands for several words", quoted(raw)));
            return alternatives(raw).unwrap_or_default().iter().flat_map(|raw| self.unbraced(raw)).collect();
        }
        self.unbraced(raw)
    }

    fn unbraced(&mut self, raw: &str) -> Vec<Word> {
        if self.is_too_deep() {
            return Vec::new();
        }
        self.nesting += 1;
        let words = deeper(|| self.taken_apart(raw));
        self.nesting -= 1;
        words
    }

    fn is_too_deep(&mut self) -> bool {
        self.too_complex |= self.nesting >= MAX_NESTING;
        self.too_complex
    }

    fn taken_apart(&mut self, raw: &str) -> Vec<Word> {
        match pieces(raw, false) {
            Ok(pieces) => self.fill(pieces),
            Err(problem) => {
                self.doubts.push(format!("{}: {problem}", quoted(raw)));
                vec![Word { text: raw.to_owned(), splits: true, ..Word::default() }]
            }
        }
    }

    /// The one word that a word comes to where the shell doesn't split it.
    pub(super) fn word(&mut self, raw: &str) -> Word {
        if is_plain(raw) {
            return Word::literal(raw);
        }
        if self.is_too_deep() {
            return Word::default();
        }
        self.nesting += 1;
        let word = match pieces(raw, false) {
            Ok(pieces) => self.whole(pieces),
            Err(problem) => {
                self.doubts.push(format!("{}: {problem}", quoted(raw)));
                Word { text: raw.to_owned(), ..Word::default() }
            }
        };
        self.nesting -= 1;
        word
    }

    /// The text of a here-document.
    pub(super) fn document(&mut self, raw: &str) -> Word {
        match pieces(raw, true) {
            Ok(pieces) => self.whole(pieces),
            Err(problem) => {
                self.doubts.push(format!("a here-document: {problem}"));
                Word { text: raw.to_owned(), ..Word::default() }
            }
        }
    }

    /// Fills in without splitting.
    fn whole(&mut self, pieces: Vec<Piece>) -> Word {
        let pieces = pieces.into_iter().map(|piece| match piece {
            Piece::Variable { name, what, .. } => Piece::Variable { name, what, quoted: true },
            Piece::Output { script, .. } => Piece::Output { script, quoted: true },
            piece => piece,
        });
        let mut words = self.fill(pieces.collect());
        match words.len() {
            0 => Word { quoted: true, ..Word::literal("") },
            1 => words.remove(0),
            _ => Word {
                text: words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
                known: words.iter().all(|word| word.known),
                substituted: words.iter().any(|word| word.substituted),
                quoted: true,
                ..Word::default()
            },
        }
    }

    pub(super) fn fill(&mut self, pieces: Vec<Piece>) -> Vec<Word> {
        let mut filling = Filling::default();
        for piece in pieces {
            match piece {
                Piece::Text { text, quoted } => {
                    let odd = |c: char| {
                        (c.is_control() && !matches!(c, '\n' | '\t'))
                            || (!quoted && !c.is_ascii() && (c.is_whitespace() || is_invisible(c)))
                    };
                    // `@(a|b)`, `!(a)`: one of several names.
                    if !quoted && text.contains('(') {
                        self.doubts.push(format!(
                            "{} stands for names that aren't known",
                            crate::text::quoted(&text)
                        ));
                        filling.current().known = false;
                    }
                    if text.contains(odd) {
                        self.doubts.push(format!(
                            "a character in {} is not what it seems",
                            crate::text::quoted(&text)
                        ));
                    }
                    filling.text(&text, quoted);
                }
                Piece::Spelled(text) => {
                    self.doubts.push(format!("{} is spelled by number", quoted(&text)));
                    filling.text(&text, true);
                }
                Piece::Tilde(name) => match name.as_str() {
                    "" => {
                        filling.text("~", false);
                        filling.current().tilde = true;
                    }
                    "+" => {
                        filling.text(".", true);
                        filling.current().here = true;
                    }
                    _ => {
                        self.doubts.push(format!("`~{name}` stands for a directory that isn't known here"));
                        filling.text(&format!("~{name}"), false);
                        filling.current().known = false;
                    }
                },
                Piece::Variable { name, what, quoted } => self.variable(&name, &what, quoted, &mut filling),
                Piece::Output { script, quoted } => {
                    let value = self.output(&script);
                    filling.value(&value, quoted, false);
                }
                Piece::Number(text) => {
                    self.calculate(&text);
                    let number = Unknown { kind: Kind::Number, ..Unknown::default() };
                    filling.value(&Value::Unknown(number), true, false);
                }
            }
            if filling.length > MAX_TEXT {
                self.too_complex = true;
                break;
            }
        }
        filling.finish()
    }

    fn variable(&mut self, name: &str, what: &What, quoted: bool, filling: &mut Filling) {
        let value = match what {
            What::Length => Value::Unknown(Unknown { kind: Kind::Number, ..Unknown::default() }),
            What::Value => self.value(name, filling.is_empty()),
            What::All => return self.all(name, quoted, filling),
            // Where every element stands in its place, they are numbers.
            What::Keys if self.keyed.contains_key(name) => {
                let kind = self.keyed.get(name).copied().unwrap_or_default();
                Value::Unknown(Unknown { kind, found: true, foreign: false })
            }
            What::Keys => match self.variables.get(name) {
                Some(Value::Words(_) | Value::Found(_)) => {
                    Value::Unknown(Unknown { kind: Kind::Number, ..Unknown::default() })
                }
                _ => Value::Unknown(Unknown { found: true, ..Unknown::default() }),
            },
            What::Indirect => {
                self.doubts.push(format!("`${{!{name}}}` names a variable that isn't known"));
                Value::Unknown(Unknown { foreign: true, ..Unknown::default() })
            }
            What::Changed(rest) => self.changed(name, rest, filling.is_empty()),
        };
        if let Value::Unknown(Unknown { foreign: true, .. }) = value
            && *what == What::Value
        {
            self.doubts.push(format!("`${name}` isn't set in the command"));
        }
        filling.value(&value, quoted, false);
    }

    /// `"$@"`, `${name[@]}`: a word for each element.
    fn all(&mut self, name: &str, quoted: bool, filling: &mut Filling) {
        let value = match name {
            "@" | "*" => self.arguments.clone().map(Value::Words),
            name => self.variables.get(name).cloned(),
        };
        match value {
            // Any number of them.
            Some(value @ Value::Found(_)) => {
                filling.value(&value, quoted, true);
                filling.current().splits = true;
            }
            Some(value) => filling.value(&value, quoted, true),
            None if ["@", "*"].contains(&name) => {
                filling.value(&Value::Unknown(Unknown::default()), false, true);
            }
            None => {
                self.doubts.push(format!("`${name}` isn't set in the command"));
                filling.value(&Value::Unknown(Unknown { foreign: true, ..Unknown::default() }), false, true);
            }
        }
    }

    /// What a variable holds. `start`: the word begins with it.
    pub(super) fn value(&self, name: &str, start: bool) -> Value {
        if OF_THE_SHELL.contains(&name)
            && (self.variables.contains_key(name) || name == "OLDPWD" || name == "_")
        {
            return Value::Unknown(Unknown { found: true, ..Unknown::default() });
        }
        if let Some(value) = self.variables.get(name) {
            // An array stands for its first element.
            return match value {
                Value::Words(words) => Value::Words(words.iter().take(1).cloned().collect()),
                value => value.clone(),
            };
        }
        if let (Ok(at @ 1..), Some(arguments)) = (name.parse::<usize>(), &self.arguments) {
            return Value::Words(arguments.get(at - 1).cloned().into_iter().collect());
        }
        match name {
            "HOME" if start => Value::Words(vec![Word { tilde: true, quoted: true, ..Word::literal("~") }]),
            "PWD" if start => Value::Words(vec![Word { quoted: true, here: true, ..Word::literal(".") }]),
            // The last job that was started.
            "!" => Value::Words(vec![Word { quoted: true, ..Word::literal("$!") }]),
            "HOME" => {
                Value::Words(vec![Word { quoted: true, ..Word { known: false, ..Word::literal("~") } }])
            }
            "PWD" => Value::Unknown(Unknown::default()),
            name if name.parse::<usize>().is_ok_and(|at| at > 0) => Value::Unknown(Unknown::default()),
            name if environment::is_common(name) => {
                let kind = if environment::is_number(name) { Kind::Number } else { Kind::Any };
                Value::Unknown(Unknown { kind, ..Unknown::default() })
            }
            _ => Value::Unknown(Unknown { foreign: true, ..Unknown::default() }),
        }
    }

    /// The output of a script.
    fn output(&mut self, script: &str) -> Value {
        let (from, scope) = (self.commands.len(), self.scopes.len());
        let (fed, piped) = (std::mem::take(&mut self.fed), self.piped.take());
        // `$(< file)` reads a file.
        let doubts = std::mem::take(&mut self.doubts);
        let group = self.group;
        let result = self.nested(script);
        self.group = group;
        (self.fed, self.piped) = (fed, piped);
        let inner = std::mem::replace(&mut self.doubts, doubts);
        self.doubts.extend(inner);
        match result {
            Ok(()) => {}
            Err(Unparsed::TooComplex(_)) => self.too_complex = true,
            Err(Unparsed::Syntax(problem)) => {
                self.doubts.push(format!("{} can't be parsed: {problem}", quoted(script)));
                self.skim(script);
            }
        }
        self.told(from, scope)
    }

    /// Looks for commands in a text that can't be parsed.
    pub(super) fn skim(&mut self, text: &str) {
        let skimmed = crate::shell::lex::lex(text);
        let nested = skimmed.nested.clone();
        for mut command in skimmed.commands {
            command.opaque = true;
            command.join = Join::Then;
            self.push(command);
        }
        // Once is enough: what is deeper is looked for in the opaque commands.
        for text in nested.iter().take(16) {
            for mut command in crate::shell::lex::lex(text).commands {
                command.opaque = true;
                self.push(command);
            }
        }
    }
}
