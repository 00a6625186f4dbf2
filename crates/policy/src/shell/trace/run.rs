//! What a command runs in turn.

use super::{
    super::{
        parse::Unparsed,
        script::{Command, Join, Kind, Word},
        walk::base,
    },
    MAX_DEPTH, Tracer, Value,
    ends::Trap,
    listed::listed,
    unwrap::{Wrapped, unwrap},
};
use crate::{preset::Act, text::quoted};

impl Tracer {
    /// A command with its words filled in: what it does to the shell, and what it runs.
    pub(super) fn run(&mut self, command: Command) {
        self.run_as(command, true);
    }

    /// `by_shell`: the shell itself runs it, so that it may be a function.
    fn run_as(&mut self, mut command: Command, by_shell: bool) {
        if self.too_complex {
            return;
        }
        let Some(first) = command.words.first() else {
            if !(command.is_empty()
                && command.variables.is_empty()
                && self.doubts.is_empty()
                && self.acts.is_empty())
            {
                self.push(command);
            }
            return;
        };
        if !first.known || first.glob || first.splits || first.text.is_empty() {
            let shown = if first.text.is_empty() {
                "a word that is filled in".to_owned()
            } else {
                quoted(&first.text).to_string()
            };
            self.doubts.push(format!("{shown} isn't the name of a command"));
            command.opaque = true;
            self.push(command);
            return;
        }
        if first.text.starts_with('=') {
            self.doubts.push("a word that starts with `=` stands for a program in some shells".to_owned());
        }
        let name = first.text.clone();
        if !by_shell && super::super::walk::is_keyword(&name) && name != "time" {
            self.doubts.push(format!("{} is a word of the shell's language", quoted(&name)));
        }
        if name.contains('=') {
            self.doubts.push(format!("{} isn't the name of a command", quoted(&name)));
        }
        if let Some(body) = self.functions.get(&name).cloned().filter(|_| by_shell) {
            return self.call(&name, &body, command);
        }
        self.builtin(&name, &command);
        self.ends(&command, by_shell);
        if !by_shell {
            self.declared(&command, &command.words[1..], false);
            // A program of that name changes nothing here.
            command.branch = true;
        }
        match unwrap(&command.words) {
            Wrapped::Nothing => {
                command.opaque |= super::super::walk::runs_others(&command.words);
                self.push(command);
            }
            Wrapped::Unclear => {
                self.acts.push((Act::Wrapper, format!("what {} runs isn't known", quoted(&name))));
                command.opaque = true;
                self.push(command);
            }
            Wrapped::Command { words, variables } => {
                for (name, value) in &variables {
                    self.steered(name, value);
                }
                self.wrapped(command, |tracer, inner| {
                    tracer.run_as(Command { words, variables, ..inner }, false);
                });
            }
            Wrapped::Elsewhere { directory, words, variables } => {
                for (name, value) in &variables {
                    self.steered(name, value);
                }
                self.wrapped(command, |tracer, inner| {
                    tracer.subshell(|tracer| {
                        let words_of_cd = vec![Word::literal("cd"), directory];
                        tracer.push(Command { words: words_of_cd, join: Join::And, ..Command::default() });
                        tracer.run_as(Command { words, variables, ..inner }, false);
                    });
                });
            }
            Wrapped::Commands(commands) => self.wrapped(command, |tracer, inner| {
                for words in commands {
                    tracer.run_as(Command { words, ..inner.clone() }, false);
                }
            }),
            Wrapped::Script { text, arguments } => self.scripted(command, &text, Some(arguments)),
            Wrapped::Later(text) => {
                if !text.known {
                    self.doubts.push(format!("the script {} isn't literal", quoted(&text.text)));
                    command.opaque = true;
                } else {
                    self.traps.push(Trap { text: text.text.clone(), set: self.set.len() });
                }
                command.wraps = text.known;
                self.push(command);
            }
            Wrapped::Here(text) => self.scripted(command, &text, None),
            Wrapped::Input => self.input(command),
            Wrapped::Fed { words, replaced, at_once } => self.appended(command, &words, replaced, at_once),
        }
    }

    /// A wrapper, and what it runs.
    fn wrapped(&mut self, mut command: Command, inner: impl FnOnce(&mut Self, Command)) {
        if self.depth >= MAX_DEPTH {
            self.too_complex = true;
            return;
        }
        command.wraps = true;
        let next = Command {
            join: Join::And,
            fed: command.fed.clone(),
            input: command.input,
            opaque: command.opaque,
            ..Command::default()
        };
        let piped = std::mem::replace(&mut self.piped, command.input);
        let at = self.push(command);
        let before = self.inside.replace(at);
        self.depth += 1;
        inner(self, next);
        self.depth -= 1;
        (self.inside, self.piped) = (before, piped);
    }

    /// A script that is a word of the command.
    fn scripted(&mut self, mut command: Command, text: &Word, arguments: Option<Vec<Word>>) {
        self.of_another_shell(&command, &text.text);
        if !text.known {
            command.opaque = true;
            self.doubts.push(format!("the script {} isn't literal", quoted(&text.text)));
            self.push(command);
            return;
        }
        let variables = command.variables.clone();
        self.wrapped(command, |tracer, _| {
            let result = match arguments {
                None => tracer.script(&text.text, Join::And),
                Some(arguments) => {
                    let mut result = Ok(());
                    tracer.subshell(|tracer| {
                        // Another shell knows what was handed on.
                        let exported = &tracer.exported;
                        tracer.variables.retain(|name, _| exported.contains(name));
                        for (name, value) in variables {
                            tracer.variables.insert(name, Value::Words(vec![value]));
                        }
                        tracer.functions.clear();
                        // The first is what the script is called.
                        tracer.arguments = Some(arguments.into_iter().skip(1).collect());
                        result = tracer.script(&text.text, Join::And);
                        tracer.uncalled();
                    });
                    result
                }
            };
            tracer.unparsed(result, &text.text);
        });
    }

    pub(super) fn unparsed(&mut self, result: Result<(), Unparsed>, text: &str) {
        match result {
            Ok(()) => {}
            Err(Unparsed::TooComplex(_)) => self.too_complex = true,
            Err(Unparsed::Syntax(problem)) => {
                self.doubts.push(format!("{} can't be parsed: {problem}", quoted(text)));
                self.skim(text);
            }
        }
    }

    /// A shell that reads its script from its input.
    fn input(&mut self, mut command: Command) {
        let echoed = self.before(&command).and_then(|before| {
            let program = before.words.first().map(base)?;
            let literal = before.words.iter().all(|word| word.known && !word.glob);
            match (program.as_ref(), before.words.get(1..)?) {
                ("cat", []) if before.fed.len() == 1 => Some(before.fed[0].clone()),
                ("echo", words) if literal => {
                    let words = words.iter().map(|word| word.text.as_str());
                    Some(
                        words
                            .skip_while(|word| ["-n", "-e", "-E"].contains(word))
                            .collect::<Vec<_>>()
                            .join(" "),
                    )
                }
                ("printf", [word]) if literal && !word.text.contains(['%', '\\']) => Some(word.text.clone()),
                _ => None,
            }
        });
        let escapes = |text: &str| text.contains('\\');
        let texts: Vec<String> = if command.fed.is_empty() {
            echoed.filter(|text| !escapes(text)).into_iter().collect()
        } else {
            command.fed.clone()
        };
        if texts.is_empty() || command.opaque || command.redirects.iter().any(|(writes, _)| !writes) {
            command.opaque = true;
            command.acts.push((Act::Interpreter, "a shell runs whatever its input holds".to_owned()));
            self.push(command);
            return;
        }
        for text in &texts {
            self.of_another_shell(&command, text);
        }
        self.wrapped(command, |tracer, _| {
            tracer.subshell(|tracer| {
                tracer.fed.clear();
                let exported = &tracer.exported;
                tracer.variables.retain(|name, _| exported.contains(name));
                for text in texts {
                    let result = tracer.script(&text, Join::And);
                    tracer.unparsed(result, &text);
                }
            });
        });
    }

    /// The command whose output this one reads.
    pub(super) fn before(&self, command: &Command) -> Option<&Command> {
        self.commands.get(command.input?)
    }

    /// A command whose last words are those that the command before it prints.
    fn appended(
        &mut self,
        command: Command,
        words: &[Word],
        replaced: Option<String>,
        at_once: Option<usize>,
    ) {
        let given = |text: &String| text.split_whitespace().map(Word::literal).collect::<Vec<_>>();
        let listed = match command.fed.as_slice() {
            [] => self.before(&command).and_then(|before| listed(&before.words)).map(|mut files| {
                let whole = |word: &Word| ["-0", "--null"].contains(&word.text.as_str());
                let parted = !command.words.iter().any(whole);
                files.iter_mut().for_each(|files| files.parted = parted && files.below.is_some());
                files
            }),
            [text] if !text.contains(['\'', '"', '\\']) && !command.opaque => {
                let mut words = given(text);
                // A `~` that stood for the home directory before it was fed.
                words.iter_mut().for_each(|word| word.tilde = word.text.starts_with("~/"));
                Some(words)
            }
            _ => None,
        };
        let cut = |word: &Word| word.text.starts_with("-d") || word.text.starts_with("--delim");
        let listed = listed.filter(|_| !command.words.iter().any(cut));
        let kind = command.input.filter(|_| command.fed.is_empty()).map_or(Kind::Any, |at| self.printed(at));
        let more = listed.unwrap_or_else(|| match kind {
            Kind::Any => vec![Word { splits: true, substituted: true, ..Word::default() }],
            kind => {
                let pattern = (kind <= Kind::Name).then(|| "*".into());
                vec![Word { text: "0".to_owned(), kind, pattern, substituted: true, ..Word::default() }]
            }
        });
        let inner: Vec<Vec<Word>> = match &replaced {
            None => {
                let chunk = at_once.unwrap_or(more.len()).max(1);
                more.chunks(chunk).map(|more| words.iter().chain(more).cloned().collect()).collect()
            }
            Some(sign) => more
                .iter()
                .map(|found| {
                    let put = |word: &Word| {
                        if word.text == *sign {
                            found.clone()
                        } else if word.text.contains(sign.as_str()) && is_literal(found) && word.known {
                            Word { text: word.text.replace(sign.as_str(), &found.text), ..word.clone() }
                        } else if word.text.contains(sign.as_str()) {
                            Word { known: false, substituted: true, ..word.clone() }
                        } else {
                            word.clone()
                        }
                    };
                    words.iter().map(put).collect()
                })
                .collect(),
        };
        self.wrapped(command, |tracer, next| {
            for words in inner {
                tracer.run_as(Command { words, fed: Vec::new(), ..next.clone() }, false);
            }
        });
    }
}

fn is_literal(word: &Word) -> bool {
    word.known && !word.glob && !word.splits && word.below.is_none() && !word.tilde
}

impl Tracer {
    /// `sh` is another shell than bash on many systems, to which some of this says something else.
    fn of_another_shell(&mut self, command: &Command, script: &str) {
        const OF_BASH: [&str; 13] = [
            "[[",
            "((",
            "&>",
            "|&",
            "<<<",
            "<(",
            ">(",
            "declare",
            "typeset",
            "function ",
            "$'",
            "+=",
            "coproc",
        ];
        let name = command.words.first().map(base).unwrap_or_default();
        let plain = script.replace("$((", "");
        if ["sh", "dash", "ash", "busybox"].contains(&name.as_ref())
            && let Some(found) = OF_BASH.iter().find(|text| plain.contains(**text))
        {
            self.doubts.push(format!(
                "{} isn't bash everywhere, and to others {} says something else",
                quoted(&name),
                quoted(found.trim())
            ));
        }
    }
}
