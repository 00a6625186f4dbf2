//! What the shell's own commands do to it.

use super::{
    super::script::{Command, Word},
    Tracer, Value, environment,
    run::listed,
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
            "test", "[", "let", "unset", "printf", "read", "declare", "typeset", "local", "export",
            "readonly", "mapfile", "getopts",
        ];
        let names_variable = |pair: &[Word]| ["-v", "-R"].contains(&pair[0].text.as_str()) && !pair[1].known;
        if ["test", "["].contains(&name) && command.words.windows(2).any(names_variable) {
            self.doubts.push("the name of a variable that is looked for isn't literal".to_owned());
        }
        if indexes.contains(&name) {
            let hides = |word: &&Word| word.text.contains('[') && word.text.contains(['$', '`']);
            if let Some(word) = command.words[1..].iter().find(hides) {
                self.doubts.push(format!("{} would be calculated", quoted(&word.text)));
            }
        }
        match name {
            "read" | "mapfile" | "readarray" | "getopts" | "let" | "unset" => {
                let mut names = names();
                if names.is_empty() {
                    names.push("REPLY".to_owned());
                }
                // What is set is told by options in ways that aren't followed.
                let odd = |word: &Word| {
                    word.text.starts_with('-')
                        && !["-r", "-s", "-t", "-v", "-f"].contains(&word.text.as_str())
                };
                if name != "unset" && name != "let" && command.words[1..].iter().any(odd) {
                    let all: Vec<String> = self.variables.keys().cloned().collect();
                    all.iter().for_each(|variable| self.forget(variable, false));
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
                names.iter().for_each(|variable| self.forget(variable, name == "let"));
                // Of what another command prints, a line.
                let plain = |word: &Word| !word.text.starts_with('-') || word.text == "-r";
                if let ("read", [variable]) = (name, names.as_slice())
                    && command.words[1..].iter().all(plain)
                    && command.fed.is_empty()
                    && command.redirects.is_empty()
                    // Other signs would be cut off, a dot before a slash among them.
                    && command.variables.iter().all(|(name, value)| name != "IFS" || (value.known && value.text.is_empty()))
                    && !self.variables.contains_key("IFS")
                    && let Some(before) = self.piped.and_then(|at| self.commands.get(at))
                    && let Some(files) = listed(&before.words)
                    && files.iter().all(|word| word.known && word.below.is_some())
                {
                    self.assign(variable, Value::Found(files.into()));
                }
            }
            "printf" if command.words.get(1).is_some_and(|word| word.text.starts_with("-v")) => {
                names().iter().for_each(|variable| self.forget(variable, false));
            }
            "export" | "declare" | "typeset" | "local" | "readonly" => {
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
                names.iter().for_each(|name| self.forget(name, false));
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
