//! Words as the shell would fill them in, as far as that can be told.

use std::rc::Rc;

use super::{
    super::script::{Join, Kind, Word},
    Tracer, Unknown, Value, deeper, environment,
    pieces::{Piece, What, alternatives, has_braces, is_plain, pieces},
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
            Some(value @ Value::Found(_)) => filling.value(&value, false, true),
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
    fn value(&self, name: &str, start: bool) -> Value {
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

    /// `${name:-word}` and all the others.
    fn changed(&mut self, name: &str, rest: &str, start: bool) -> Value {
        let operator = OPERATORS
            .iter()
            .find(|operator| rest.starts_with(**operator))
            .map_or(0, |operator| operator.len());
        // What stands after the operator may hold commands, and be what is filled in.
        let (operator, text) = rest.split_at(operator);
        // `${name@P}` runs what the value holds.
        if operator.starts_with('@') {
            self.doubts.push(format!("what `${{{name}{}}}` comes to isn't known", crate::text::shown(rest)));
        }
        if let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            && !index.contains('[')
            && (after.is_empty() || after.starts_with(":-") || after.starts_with('-'))
        {
            let other = self.word(after.trim_start_matches([':', '-']));
            let value = self.element(name, index);
            return match value {
                value if after.is_empty() => value,
                Value::Unknown(Unknown { foreign, kind, .. }) => {
                    Value::Unknown(Unknown { kind: kind.max(other.value_kind()), found: true, foreign })
                }
                _ => Value::Unknown(Unknown { found: true, ..Unknown::default() }),
            };
        }
        let other = self.word(text);
        let known = match self.value(name, start) {
            // The start of a name or a number is one.
            Value::Words(words)
                if is_start(rest) && words.iter().all(|word| word.value_kind() <= Kind::Name) =>
            {
                let kind = words.iter().map(Word::value_kind).max().unwrap_or_default();
                return Value::Unknown(Unknown { kind, found: true, foreign: false });
            }
            Value::Words(words) => words.into_iter().next(),
            Value::Unknown(unknown) if is_start(rest) && unknown.kind <= Kind::Name => {
                return Value::Unknown(unknown);
            }
            Value::Unknown(unknown) => {
                if unknown.foreign {
                    self.doubts
                        .push(format!("`${{{name}{}}}` isn't set in the command", crate::text::shown(rest)));
                }
                if operator.ends_with('=') {
                    self.forget(name, Kind::Any);
                }
                return Value::Unknown(Unknown { kind: Kind::Any, ..unknown });
            }
            Value::Found(_) => {
                if operator.ends_with('=') {
                    self.forget(name, Kind::Any);
                }
                return Value::Unknown(Unknown { found: true, ..Unknown::default() });
            }
        };
        let Some(known) = known else {
            if operator.ends_with('=') {
                self.assign(name, Value::Words(vec![other.clone()]));
            }
            return Value::Words(vec![other]);
        };
        match operator {
            ":=" if known.text.is_empty() && known.known => {
                self.assign(name, Value::Words(vec![other.clone()]));
                Value::Words(vec![other])
            }
            ":-" | "-" | "=" | ":=" | "?" | ":?" if !(known.text.is_empty() && operator.starts_with(':')) => {
                Value::Words(vec![known])
            }
            ":-" | ":=" => Value::Words(vec![other]),
            ":+" | "+" => Value::Words(vec![other]),
            "%" | "%%" | "#" | "##"
                if other.known
                    && known.known
                    && !known.tilde
                    && !known.here
                    && !known.root
                    && !other.tilde =>
            {
                let cut = if known.glob { trimmed_pattern } else { trimmed };
                match cut(&known.text, operator, text) {
                    Some(text) => {
                        let glob = known.glob && text.contains(['*', '?', '[']);
                        Value::Words(vec![Word { text, glob, ..known }])
                    }
                    None => Value::Unknown(Unknown { found: known.substituted, ..Unknown::default() }),
                }
            }
            "/" | "//" | "/%" | "/#"
                if known.known && other.known && !known.tilde && !known.here && !known.root =>
            {
                match replaced(&known, operator, text) {
                    Some(text) => Value::Words(vec![Word { text, ..known }]),
                    None => Value::Unknown(Unknown { found: known.substituted, ..Unknown::default() }),
                }
            }
            _ => Value::Unknown(Unknown { found: known.substituted, ..Unknown::default() }),
        }
    }

    /// An index is calculated, but for an array of names.
    pub(super) fn index(&mut self, name: &str, index: &str) -> Word {
        if self.keyed.contains_key(name) {
            return self.word(index);
        }
        self.calculate(index);
        Word::default()
    }

    /// `${name[index]}`
    fn element(&mut self, name: &str, index: &str) -> Value {
        let at = if index.bytes().all(|byte| byte.is_ascii_digit()) {
            index.parse::<usize>().ok()
        } else {
            self.index(name, index);
            None
        };
        match (self.variables.get(name), at) {
            (Some(Value::Words(words)), Some(at)) => {
                Value::Words(words.get(at).cloned().into_iter().collect())
            }
            (Some(Value::Words(words)), None) => {
                let kind = words.iter().map(Word::value_kind).max().unwrap_or_default();
                Value::Unknown(Unknown { kind, found: true, foreign: false })
            }
            (Some(value), _) => value.clone(),
            (None, _) if self.keyed.contains_key(name) => {
                Value::Unknown(Unknown { found: true, ..Unknown::default() })
            }
            (None, _) => {
                let value = self.value(name, false);
                if let Value::Unknown(Unknown { foreign: true, .. }) = value {
                    let shown = crate::text::shown(index);
                    self.doubts.push(format!("`${{{name}[{shown}]}}` isn't set in the command"));
                }
                value
            }
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

/// What may follow a name in braces, the longer ones first.
const OPERATORS: &[&str] = &[
    ":-", ":=", ":+", ":?", "%%", "##", "//", "/#", "/%", "^^", ",,", "-", "=", "+", "?", "%", "#", "/", "^",
    ",", "@", ":", "[",
];

/// The text without what the pattern takes off its start or end; `None` where the pattern isn't a simple one.
fn trimmed(text: &str, operator: &str, pattern: &str) -> Option<String> {
    let wild = |text: &str| text.contains(['*', '?', '[', '\\', '$', '`', '\'', '"']);
    match operator {
        "%" | "%%" => {
            if !wild(pattern) {
                return Some(text.strip_suffix(pattern).unwrap_or(text).to_owned());
            }
            let start = pattern.strip_suffix('*').filter(|start| !start.is_empty() && !wild(start))?;
            let at = if operator == "%" { text.rfind(start) } else { text.find(start) };
            Some(at.map_or(text, |at| &text[..at]).to_owned())
        }
        _ => {
            if !wild(pattern) {
                return Some(text.strip_prefix(pattern).unwrap_or(text).to_owned());
            }
            let end = pattern.strip_prefix('*').filter(|end| !end.is_empty() && !wild(end))?;
            let at = if operator == "#" { text.find(end) } else { text.rfind(end) };
            Some(at.map_or(text, |at| &text[at + end.len()..]).to_owned())
        }
    }
}

/// The same for the names that fit a pattern: a pattern for what is left of them.
fn trimmed_pattern(text: &str, operator: &str, pattern: &str) -> Option<String> {
    let wild = |text: &str| text.contains(WILD);
    let last = text.rfind(['*', '?']).filter(|_| !text.contains(['[', '\\']))?;
    let (directory, name) = text.rsplit_once('/').map_or((None, text), |(before, name)| (Some(before), name));
    match (operator, pattern) {
        ("%" | "%%", pattern) if !wild(pattern) => {
            let tail = &text[last + 1..];
            tail.ends_with(pattern).then(|| text[..text.len() - pattern.len()].to_owned())
        }
        // An ending that is written out; with `%%` what comes before it may be shorter than what fits.
        ("%" | "%%", ".*") => {
            let dot = text.rfind('.').filter(|dot| *dot > last)?;
            (operator == "%" || !text[..last].contains('.')).then(|| text[..dot].to_owned())
        }
        ("%", "/*") if name != "**" => directory.map(str::to_owned),
        ("##", "*/") => Some(if name == "**" { "*" } else { name }.to_owned()),
        ("#" | "##", pattern) if !wild(pattern) => {
            text.strip_prefix(pattern).filter(|_| !wild(pattern)).map(str::to_owned)
        }
        _ => None,
    }
}

/// `${name/pattern/text}` of a text and a pattern that are known.
fn replaced(value: &Word, operator: &str, rest: &str) -> Option<String> {
    let (pattern, text) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |text: &str| !text.contains(['*', '?', '[', '\\', '$', '`', '\'', '"', '&']);
    if pattern.is_empty() || !plain(pattern) || !plain(text) {
        return None;
    }
    match operator {
        // Where a pattern's names end in it, they do so once.
        "/%" if value.glob => Some(format!("{}{text}", trimmed_pattern(&value.text, "%", pattern)?)),
        _ if value.glob => None,
        "/%" => Some(match value.text.strip_suffix(pattern) {
            Some(before) => format!("{before}{text}"),
            None => value.text.clone(),
        }),
        "/#" => Some(match value.text.strip_prefix(pattern) {
            Some(after) => format!("{text}{after}"),
            None => value.text.clone(),
        }),
        "/" => Some(value.text.replacen(pattern, text, 1)),
        _ => Some(value.text.replace(pattern, text)),
    }
}

/// `:0:8`
fn is_start(rest: &str) -> bool {
    rest.strip_prefix(":0:").or_else(|| rest.strip_prefix("::")).is_some_and(super::is_digits)
}

/// A word that is being put together, and those that are done.
#[derive(Default)]
struct Filling {
    done: Vec<Word>,
    current: Option<Word>,
    length: usize,
    /// Whether the current word stands for names that fit it as a pattern, and for more than one of them.
    one: bool,
    several: bool,
}

/// Signs that mean something in a pattern.
const WILD: [char; 4] = ['*', '?', '[', '\\'];

impl Filling {
    fn current(&mut self) -> &mut Word {
        self.current.get_or_insert_with(|| Word { known: true, ..Word::default() })
    }

    fn is_empty(&self) -> bool {
        self.current.as_ref().is_none_or(|word| word.text.is_empty())
    }

    fn text(&mut self, text: &str, quoted: bool) {
        self.length += text.len();
        let wild = text.contains(WILD);
        // A pattern with a text that isn't one.
        let mixed = wild && std::mem::take(&mut self.one);
        let word = self.current();
        if text.is_empty() {
            word.quoted |= quoted;
            return;
        }
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

    fn value(&mut self, value: &Value, quoted: bool, each: bool) {
        match value {
            Value::Unknown(unknown) => {
                let word = self.current();
                word.found = None;
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
            }
            Value::Found(files) => {
                // With anything before or after it, it names another file.
                let whole = self.current.as_ref().is_none_or(|word| word.known && word.text.is_empty());
                let word = self.current();
                word.found = whole.then(|| Rc::clone(files));
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
        let patterns = word.as_pattern().zip(value.as_pattern());
        let pattern = patterns.map(|(before, more)| format!("{before}{more}"));
        let before = if word.known { Kind::Number } else { word.kind };
        let more = if value.known { Kind::Number } else { value.kind };
        // What begins in the middle of a word is no directory that the shell knows; and a pattern beside a text that isn't
        // one, or beside one that the shell replaces, stands for nothing that is known.
        let misplaced = !bare && (value.here || value.root);
        let mixed = !bare && (value.glob || one) && {
            let wild = |word: &Word| word.text.contains(WILD);
            (wild(word) && !one) || (wild(value) && !value.glob) || (value.glob && one)
        };
        let broken = misplaced || mixed || touches(word, text);
        word.kind = if broken { Kind::Any } else { before.max(more) };
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
    }

    fn end(&mut self) {
        let one = std::mem::take(&mut self.one);
        let several = std::mem::take(&mut self.several);
        if let Some(word) = &mut self.current {
            word.one = one && !several;
        }
        self.done.extend(self.current.take());
    }

    fn finish(mut self) -> Vec<Word> {
        self.end();
        self.done
    }
}

/// Whether what follows the name of a directory makes another name of it.
fn touches(word: &Word, text: &str) -> bool {
    let whole = (word.here && word.text == ".") || (word.root && word.text.ends_with(')'));
    whole && !text.is_empty() && !text.starts_with('/')
}
