//! Words as the shell would fill them in, as far as that can be told.

use std::rc::Rc;

use super::{
    super::script::{Join, Word},
    Tracer, Unknown, Value, deeper, environment, is_digits,
    pieces::{Piece, What, alternatives, has_braces, is_plain, pieces},
    run::listed,
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
                    let unknown = Unknown { number: true, ..Unknown::default() };
                    filling.value(&Value::Unknown(unknown), true, false);
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
            What::Length => Value::Unknown(Unknown { number: true, ..Unknown::default() }),
            What::Value => self.value(name, filling.is_empty()),
            What::All => return self.all(name, quoted, filling),
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
                Value::Unknown(Unknown { number: environment::is_number(name), ..Unknown::default() })
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
        let other = self.word(text);
        let known = match self.value(name, start) {
            Value::Words(words) => words.into_iter().next(),
            Value::Unknown(unknown) => {
                if unknown.foreign {
                    self.doubts
                        .push(format!("`${{{name}{}}}` isn't set in the command", crate::text::shown(rest)));
                }
                if operator.ends_with('=') {
                    self.forget(name, false);
                }
                return Value::Unknown(Unknown { number: false, ..unknown });
            }
            Value::Found(_) => {
                if operator.ends_with('=') {
                    self.forget(name, false);
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
                match trimmed(&known.text, operator, text) {
                    // A pattern that stands for files doesn't after it is cut.
                    Some(text) if !known.glob => Value::Words(vec![Word { text, ..known }]),
                    _ => Value::Unknown(Unknown { found: known.substituted, ..Unknown::default() }),
                }
            }
            _ => Value::Unknown(Unknown { found: known.substituted, ..Unknown::default() }),
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

    /// What the commands since then print, where that can be told.
    fn told(&self, from: usize, scope: usize) -> Value {
        let found = Unknown { found: true, ..Unknown::default() };
        let number = Unknown { number: true, ..found };
        let made = self.commands.get(from..).unwrap_or_default();
        let Some(last) = made.last() else { return Value::Words(vec![Word::literal("")]) };
        let words: Vec<&str> = last.words.iter().map(|word| word.text.as_str()).collect();
        let known = last.words.iter().all(|word| word.known && !word.glob && !word.splits);
        let alone = made.len() == 1
            && last.redirects.is_empty()
            && !last.connected
            && !last.branch
            && last.scope == scope;
        let text = |text: String| Value::Words(vec![Word { quoted: true, ..Word::literal(&text) }]);
        match words.as_slice() {
            ["pwd"] if alone => Value::Words(vec![Word { quoted: true, here: true, ..Word::literal(".") }]),
            ["git", "rev-parse", "--show-toplevel"] if alone => Value::Words(vec![Word {
                quoted: true,
                root: true,
                ..Word::literal("$(git rev-parse --show-toplevel)")
            }]),
            ["cat"] if alone && last.fed.len() == 1 && last.doubts.is_empty() => {
                text(last.fed[0].trim_end_matches('\n').to_owned())
            }
            // A new file of an unguessable name.
            ["mktemp"] | ["mktemp", "-d"] if alone => text("/tmp/tmp.XXXXXXXXXX".to_owned()),
            ["echo", rest @ ..]
                if alone
                    && known
                    && !last.words.iter().any(|word| word.tilde || word.here)
                    && !rest.iter().any(|word| word.starts_with('-') || word.contains('\\')) =>
            {
                text(rest.join(" "))
            }
            ["basename", path]
                if alone
                    && known
                    && !(last.words[1].here || last.words[1].tilde || last.words[1].root)
                    && !path.trim_matches('/').is_empty() =>
            {
                text(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned())
            }
            ["dirname", path]
                if alone
                    && known
                    && !last.words[1].tilde
                    && !last.words[1].here
                    && !last.words[1].root
                    && path.trim_end_matches('/').trim_start_matches('/').contains('/') =>
            {
                let directory =
                    path.trim_end_matches('/').rsplit_once('/').map_or(".", |(directory, _)| directory);
                text(if directory.is_empty() { "/" } else { directory }.to_owned())
            }
            ["nproc", ..]
            | ["date", "+%s" | "+%Y" | "+%Y%m%d" | "+%s%N" | "+%Y%m%d%H%M%S"]
            | ["wc", "-l" | "-c" | "-w"] => Value::Unknown(number),
            _ => match listed(&last.words).filter(|_| alone) {
                Some(files) if files.iter().all(|word| word.known && word.below.is_some()) => {
                    Value::Found(files.into())
                }
                _ => Value::Unknown(found),
            },
        }
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

/// A word that is being put together, and those that are done.
#[derive(Default)]
struct Filling {
    done: Vec<Word>,
    current: Option<Word>,
    length: usize,
}

impl Filling {
    fn current(&mut self) -> &mut Word {
        self.current.get_or_insert_with(|| Word { known: true, ..Word::default() })
    }

    fn is_empty(&self) -> bool {
        self.current.as_ref().is_none_or(|word| word.text.is_empty())
    }

    fn text(&mut self, text: &str, quoted: bool) {
        self.length += text.len();
        let word = self.current();
        if !text.is_empty() {
            word.found = None;
        }
        word.known &= !touches(word, text);
        word.text.push_str(text);
        word.quoted |= quoted;
        word.glob |= !quoted && text.contains(['*', '?', '[']) && word.text != "[" && word.text != "[[";
    }

    fn value(&mut self, value: &Value, quoted: bool, each: bool) {
        match value {
            Value::Unknown(unknown) => {
                let word = self.current();
                word.found = None;
                // A number stands for any number.
                if unknown.number {
                    word.text.push('0');
                }
                word.number = unknown.number && (word.known || word.number);
                word.known = false;
                word.splits |= !quoted && !unknown.number;
                word.substituted |= unknown.found;
                word.quoted |= quoted;
            }
            Value::Found(files) => {
                // With anything before or after it, it names another file.
                let whole = self.current.as_ref().is_none_or(|word| word.known && word.text.is_empty());
                let word = self.current();
                word.found = whole.then(|| Rc::clone(files));
                word.known = false;
                word.number = false;
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
            self.join(value, &value.text, starts);
            return;
        }
        let mut parts = value.text.split(char::is_whitespace).filter(|part| !part.is_empty());
        if value.text.starts_with(char::is_whitespace) {
            self.end();
        }
        if let Some(first) = parts.next() {
            self.join(value, first, starts);
            for part in parts {
                self.end();
                self.join(value, part, true);
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

    fn join(&mut self, value: &Word, text: &str, starts: bool) {
        self.length += text.len();
        let word = self.current();
        if !(text.is_empty() && value.known) {
            word.found = None;
        }
        let bare = word.text.is_empty();
        word.known &= !touches(word, text);
        word.text.push_str(text);
        word.quoted = true;
        word.here |= value.here && bare;
        word.known &= !value.here || bare;
        word.root |= value.root && bare;
        word.known &= !value.root || bare;
        word.tilde |= value.tilde && starts && text.starts_with('~');
        // A pattern that is filled in whole stands for one of its matches; cut or added to, for nothing that is known.
        word.glob |= value.glob;
        word.known &= value.known && (bare || !value.glob);
        word.number |= value.number;
        word.substituted |= value.substituted;
        if value.below.is_some() {
            word.below.clone_from(&value.below);
        }
    }

    fn end(&mut self) {
        self.done.extend(self.current.take());
    }

    fn finish(mut self) -> Vec<Word> {
        self.end();
        self.done
    }
}

pub(super) fn holds_number(word: &Word) -> bool {
    word.number || (word.known && is_digits(&word.text))
}

/// Whether what follows the name of a directory makes another name of it.
fn touches(word: &Word, text: &str) -> bool {
    let whole = (word.here && word.text == ".") || (word.root && word.text.ends_with(')'));
    whole && !text.is_empty() && !text.starts_with('/')
}
