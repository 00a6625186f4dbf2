//! `${name…}`: a variable, changed on the way.

use super::{
    super::script::{Kind, Word},
    Tracer, Unknown, Value,
    filling::WILD,
};

impl Tracer {
    /// `${name:-word}` and all the others.
    pub(super) fn changed(&mut self, name: &str, rest: &str, start: bool) -> Value {
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
        if let Some((index, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            && !["@", "*"].contains(&index)
        {
            // Whatever is done with the element.
            self.index(name, index);
        }
        if operator == ":" {
            // Where a part begins and how long it is is calculated.
            text.split(':').filter(|part| !part.is_empty()).for_each(|part| self.calculate(part));
        } else if let Some((_, part)) = rest.split_once("]:").filter(|_| operator == "[") {
            part.split(':')
                .filter(|part| !part.starts_with(['-', '+', '=', '?']))
                .for_each(|part| self.calculate(part));
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
                return Value::Unknown(Unknown { found: true, ..Unknown::of(&Value::Words(words)) });
            }
            // It may hold nothing, and what then stands in its place counts as much.
            Value::Words(words) if operator.starts_with(':') && words.iter().any(|word| !word.known) => {
                let kind = Unknown::of(&Value::Words(words)).kind.max(other.value_kind());
                if operator.ends_with('=') {
                    self.forget(name, Kind::Any);
                }
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
            return match operator {
                "=" | ":=" => {
                    self.assign(name, Value::Words(vec![other.clone()]));
                    Value::Words(vec![other])
                }
                "-" | ":-" => Value::Words(vec![other]),
                // Of nothing nothing is left, and nothing takes its place.
                ":+" | "+" | "%" | "%%" | "#" | "##" | "/" | "//" | "/%" | "/#" | "^" | "^^" | "," | ",," => {
                    Value::Words(vec![Word { quoted: true, ..Word::literal("") }])
                }
                _ => Value::Unknown(Unknown { found: true, ..Unknown::default() }),
            };
        };
        match operator {
            ":+" if !known.known => Value::Unknown(Unknown { found: true, ..Unknown::default() }),
            ":+" if known.text.is_empty() => Value::Words(vec![known]),
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

    /// `${name[index]}`, of an index that was calculated.
    fn element(&mut self, name: &str, index: &str) -> Value {
        let at = index.parse::<usize>().ok();
        match (self.variables.get(name), at) {
            (Some(Value::Words(words)), Some(at)) => {
                Value::Words(words.get(at).cloned().into_iter().collect())
            }
            (Some(value @ Value::Words(_)), None) => {
                Value::Unknown(Unknown { found: true, ..Unknown::of(value) })
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
            tail.ends_with(pattern)
                .then(|| text[..text.len() - pattern.len()].to_owned())
                .filter(|rest| is_some_name(rest, text))
        }
        // An ending that is written out; with `%%` what comes before it may be shorter than what fits.
        ("%" | "%%", ".*") => {
            let dot = text.rfind('.').filter(|dot| *dot > last)?;
            (operator == "%" || !text[..last].contains('.'))
                .then(|| text[..dot].to_owned())
                .filter(|rest| is_some_name(rest, text))
        }
        ("%", "/*") if name != "**" => directory.map(str::to_owned),
        ("##", "*/") => Some(if name == "**" { "*" } else { name }.to_owned()),
        ("#" | "##", pattern) if !wild(pattern) => {
            text.strip_prefix(pattern).filter(|_| !wild(pattern)).map(str::to_owned)
        }
        _ => None,
    }
}

/// Whether something is left of every name that fits the pattern: a `*` that begins a name stands for nothing only where the
/// rest of it may begin a name, which a dot doesn't.
pub(super) fn is_some_name(rest: &str, pattern: &str) -> bool {
    let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let literal = name(rest).chars().any(|c| !['*', '?'].contains(&c));
    literal || name(pattern).trim_start_matches('*').starts_with('.') || name(rest).contains('?')
}

/// `${name/pattern/text}` of a text and a pattern that are known.
fn replaced(value: &Word, operator: &str, rest: &str) -> Option<String> {
    let (pattern, text) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |text: &str| !text.contains(['*', '?', '[', '\\', '$', '`', '\'', '"', '&']);
    // Newer shells fill a `~` in.
    if pattern.is_empty() || !plain(pattern) || !plain(text) || text.contains('~') {
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
