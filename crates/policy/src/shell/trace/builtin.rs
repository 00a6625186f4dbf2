//! What the shell's own commands do to it.

use super::{
    super::script::{Command, Kind, Word},
    Tracer, Value, environment,
    listed::listed,
};
use crate::{preset::Act, text::quoted};

impl Tracer {
    /// What a builtin does to the shell.
    pub(super) fn builtin(&mut self, name: &str, command: &Command) {
        let names = || -> Vec<String> {
            let words = command.words[1..].iter().filter(|word| !word.text.starts_with('-'));
            let name = |word: &Word| {
                word.text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
            };
            words.map(name).filter(|name| !name.is_empty()).collect()
        };
        // An index is calculated, and what is calculated may run something.
        let indexes = [
            "test",
            "[",
            "let",
            "unset",
            "printf",
            "read",
            "declare",
            "typeset",
            "local",
            "export",
            "readonly",
            "mapfile",
            "readarray",
            "getopts",
        ];
        let names_variable = |pair: &[Word]| ["-v", "-R"].contains(&pair[0].text.as_str()) && !pair[1].known;
        if ["test", "["].contains(&name) && command.words.windows(2).any(names_variable) {
            self.doubts.push("the name of a variable that is looked for isn't literal".to_owned());
        }
        if indexes.contains(&name) {
            let hides = |word: &&Word| word.text.contains('[') && word.text.contains(['$', '`']);
            // The element of an array, by an index that is more than a number.
            let element = |word: &Word| {
                word.text.split_once('[').is_some_and(|(name, rest)| {
                    let index = rest.split(']').next().unwrap_or_default();
                    let named = !name.is_empty()
                        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                    named && !index.bytes().all(|byte| byte.is_ascii_digit()) && !["@", "*"].contains(&index)
                })
            };
            let named = command.words.windows(2).find(|pair| {
                let takes_name = match name {
                    "test" | "[" => ["-v", "-R"].contains(&pair[0].text.as_str()),
                    "printf" => pair[0].text == "-v",
                    _ => true,
                };
                takes_name && element(&pair[1])
            });
            if let Some(word) = command.words[1..].iter().find(hides).or(named.map(|pair| &pair[1])) {
                self.doubts.push(format!("{} would be calculated", quoted(&word.text)));
            }
        }
        match name {
            "read" | "mapfile" | "readarray" | "getopts" | "let" | "unset" => {
                let reading = Reading::of(name, &command.words[1..]);
                let mut names = match &reading {
                    Some(reading) => reading.names.clone(),
                    None => names(),
                };
                if names.is_empty() {
                    names.push(if name == "read" { "REPLY" } else { "MAPFILE" }.to_owned());
                }
                // What is set is told by options in ways that aren't followed.
                if reading.is_none() && name != "unset" && name != "let" {
                    let all: Vec<String> = self.variables.keys().cloned().collect();
                    all.iter().for_each(|variable| self.forget(variable, Kind::Any));
                }
                if name == "let" {
                    for word in &command.words[1..] {
                        self.calculate(&word.text.clone());
                    }
                }
                if name != "unset" && name != "let" {
                    names.iter().for_each(|variable| self.steered(variable, &Word::default()));
                }
                if name == "unset" {
                    self.keyed.retain(|name, _| !names.contains(name));
                    for function in &names {
                        if self.conditions > 0 {
                            self.doubtful.insert(function.clone());
                        } else if let Some(body) = self.functions.remove(function) {
                            self.leftover.push(body);
                        }
                    }
                    for variable in names.iter().filter(|name| environment::steers(name, "$")) {
                        self.acts.push((Act::Environment, format!("`{variable}` changes what programs do")));
                    }
                }
                if ["unset", "let"].contains(&name) {
                    command.words[1..].iter().for_each(|word| {
                        if !word.known || word.text.contains(['$', '`', '[']) {
                            self.calculates(quoted(&word.text));
                        }
                    });
                }
                let kind = if name == "let" { Kind::Number } else { Kind::Any };
                names.iter().for_each(|variable| self.forget(variable, kind));
                // Other signs would be cut off, a dot before a slash among them.
                let whole = command
                    .variables
                    .iter()
                    .all(|(name, value)| name != "IFS" || (value.known && value.text.is_empty()))
                    && !self.variables.contains_key("IFS");
                // Of what another command prints, a line.
                if let (Some(Reading { lines: true, .. }), [variable, ..]) = (&reading, names.as_slice())
                    && let Some(at) = command.input
                    && !self.variables.contains_key("IFS")
                {
                    let ifs =
                        command.variables.iter().find(|(name, _)| name == "IFS").map(|(_, value)| value);
                    if ifs.is_none_or(|value| value.known) {
                        let kind = self.read_first(at, ifs.map(|value| value.text.as_str()), names.len());
                        self.forget(variable, kind);
                    }
                }
                if let (Some(Reading { lines: true, .. }), [variable]) = (reading, names.as_slice())
                    && whole
                    && let Some(before) = self.before(command)
                    && let Some(files) = listed(&before.words)
                    && files.iter().all(|word| word.known && word.below.is_some())
                {
                    self.assign(variable, Value::Found(files.into()));
                }
            }
            "printf" if command.words.get(1).is_some_and(|word| word.text.starts_with("-v")) => {
                names().iter().for_each(|variable| self.forget(variable, Kind::Any));
            }
            "export" | "declare" | "typeset" | "local" | "readonly" => {
                // A connection that fails keeps it from setting anything, and so does where it stands.
                let astray = name == "local" && self.functions.is_empty();
                if astray || !command.redirects.is_empty() {
                    let set = command.words[1..]
                        .iter()
                        .filter_map(|word| Some(word.text.split_once('=')?.0.to_owned()));
                    set.collect::<Vec<_>>().iter().for_each(|name| self.forget(name, Kind::Any));
                }
                for word in &command.words[1..] {
                    // A name that stands for another one, or a function that is handed on.
                    if word.text.starts_with('-')
                        && word.text.contains(['n', 'f', 'F', 'i', 'u', 'l'])
                        && !(name == "export" && word.text == "-n")
                    {
                        self.doubts
                            .push(format!("what `{name} {}` makes of names isn't followed", word.text));
                    }
                    if !word.known && !word.text.contains('=') {
                        self.doubts.push(format!("what `{name}` sets isn't literal"));
                    }
                    if name != "local" && !word.text.contains('=') && !word.text.starts_with('-') {
                        self.exported.insert(word.text.clone());
                    }
                }
            }
            "set" | "shift"
                if command.words[1..]
                    .iter()
                    .any(|word| !word.text.starts_with(['-', '+']) || word.text == "--")
                    || name == "shift" =>
            {
                self.arguments = None;
            }
            "source" | "." => {
                let names: Vec<String> = self.variables.keys().cloned().collect();
                names.iter().for_each(|name| self.forget(name, Kind::Any));
                // What sets a project's tools up stays where it is.
                let stays = command
                    .words
                    .get(1)
                    .is_some_and(|word| word.known && word.text.ends_with("/bin/activate"));
                self.loses = !stays;
            }
            _ => {}
        }
    }
}

/// What `read` and `mapfile` are told to set.
struct Reading {
    names: Vec<String>,
    /// Whether to whole lines of their input.
    lines: bool,
}

impl Reading {
    /// `None` where the words don't tell.
    fn of(builtin: &str, words: &[Word]) -> Option<Self> {
        let mut found = Self { names: Vec::new(), lines: true };
        let array = match builtin {
            "read" => false,
            "mapfile" | "readarray" => true,
            _ => return None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if !word.known || word.glob {
                return None;
            }
            match word.text.as_str() {
                "-r" | "-s" | "-e" if !array => {}
                "-rs" | "-sr" | "-er" | "-re" if !array => {}
                "-t" if array => {}
                // The end of a line: nothing, for one that NUL ends.
                "-d" | "-rd" => found.lines &= words.next().filter(|word| word.known)?.text.is_empty(),
                "-td" if array => found.lines &= words.next().filter(|word| word.known)?.text.is_empty(),
                "-p" if !array => drop(words.next()?),
                "-a" | "-ra" if !array => {
                    found.names.push(variable(words.next()?)?);
                    found.lines = false;
                }
                // Not from the input, or not a whole line.
                "-t" | "-n" | "-N" | "-u" if !array => {
                    words.next()?;
                    found.lines = false;
                }
                "-n" | "-s" | "-O" | "-u" if array => {
                    words.next()?;
                    found.lines = false;
                }
                text if text.starts_with('-') => return None,
                _ => found.names.push(variable(word)?),
            }
        }
        Some(found)
    }
}

/// The name of a variable.
fn variable(word: &Word) -> Option<String> {
    let name = word.text.as_str();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (word.known && plain && name.starts_with(|c: char| !c.is_ascii_digit())).then(|| name.to_owned())
}
