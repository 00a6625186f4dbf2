//! One simple command: its words, the files it is connected to, and what it runs in turn.

use brush_parser::ast;

use super::{
    super::{
        parse::Unparsed,
        script::{Below, Command, Join, Word},
        walk::base,
    },
    MAX_DEPTH, Tracer, Unknown, Value, environment,
    expand::holds_number,
    is_digits,
    unwrap::{Wrapped, found, unwrap},
};
use crate::{preset::Act, text::quoted};

impl Tracer {
    pub(super) fn simple(&mut self, simple: &ast::SimpleCommand, join: Join) {
        let mut command = Command { join, ..Command::default() };
        let mut assigned = Vec::new();
        let group = self.group;
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, &mut command, &mut assigned, true);
        }
        if let Some(word) = &simple.word_or_name {
            let words = self.expand(&word.value);
            command.words.extend(words);
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut command, &mut assigned, false);
        }
        for (name, value) in assigned {
            let words = match &value {
                Value::Words(words) => words.first().cloned().unwrap_or_else(|| Word::literal("")),
                Value::Unknown(_) => Word::default(),
            };
            // `IFS` for a command that splits lines says only how.
            let splits = command
                .words
                .first()
                .is_some_and(|word| ["read", "mapfile", "readarray"].contains(&word.text.as_str()));
            if !(name == "IFS" && splits) {
                self.steered(&name, &words);
            }
            command.variables.push((name.clone(), words));
            // Before a command a variable is set for that command alone, which is all the same to the words that were read.
            if simple.word_or_name.is_none() {
                self.assign(&name, value);
            }
        }
        command.fed.extend(self.fed.iter().cloned());
        if command.words.is_empty() && simple.word_or_name.is_some() {
            self.doubts.push("the name of the command may be empty".to_owned());
        }
        self.run(command);
        self.group = group;
    }

    fn item(
        &mut self,
        item: &ast::CommandPrefixOrSuffixItem,
        command: &mut Command,
        assigned: &mut Vec<(String, Value)>,
        before: bool,
    ) {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => self.redirect(redirect, command),
            ast::CommandPrefixOrSuffixItem::Word(word) => {
                let words = self.expand(&word.value);
                command.words.extend(words);
            }
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                let declares =
                    command.words.first().is_some_and(|word| DECLARING.contains(&word.text.as_str()));
                if before || declares {
                    let (name, value) = self.assignment(assignment);
                    if declares {
                        let first = match &value {
                            Value::Words(words) => {
                                words.first().cloned().unwrap_or_else(|| Word::literal(""))
                            }
                            Value::Unknown(unknown) => Word { substituted: unknown.found, ..Word::default() },
                        };
                        command.words.push(Word {
                            text: format!("{name}={}", first.text),
                            tilde: false,
                            ..first.clone()
                        });
                        self.steered(&name, &first);
                        self.assign(&name, value);
                        if ["export", "declare", "typeset"].contains(&command.words[0].text.as_str()) {
                            self.exported.insert(name);
                        }
                    } else {
                        assigned.push((name, value));
                    }
                    return;
                }
                // The shell fills a `~` in after `=` and `:` of such a word.
                if ["=~", ":~"].iter().any(|sign| word.value.contains(sign)) {
                    self.doubts.push(format!("`~` in {} may stand for a directory", quoted(&word.value)));
                }
                let words = self.expand(&word.value);
                command.words.extend(words);
            }
            ast::CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                let word = self.substituted(subshell);
                command.words.push(word);
            }
        }
    }

    /// `<(…)`, `>(…)`: it runs beside the command, which is given a pipe.
    fn substituted(&mut self, subshell: &ast::SubshellCommand) -> Word {
        if self.group.is_none() {
            self.group = Some(self.new_group());
        }
        let (fed, piped) = (std::mem::take(&mut self.fed), self.piped.take());
        let doubts = std::mem::take(&mut self.doubts);
        self.subshell(|tracer| tracer.list(&subshell.list, Join::Then));
        self.doubts.splice(0..0, doubts);
        (self.fed, self.piped) = (fed, piped);
        Word { substituted: true, quoted: true, ..Word::literal("-") }
    }

    fn assignment(&mut self, assignment: &ast::Assignment) -> (String, Value) {
        match (&assignment.name, &assignment.value) {
            (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Scalar(word)) => {
                let word = self.word(&word.value);
                let value = if word.known || word.number {
                    Value::Words(vec![word])
                } else {
                    Value::Unknown(Unknown { found: word.substituted, number: false, foreign: false })
                };
                let value = match (assignment.append, self.variables.get(name)) {
                    (false, _) => value,
                    (true, Some(Value::Words(before))) if matches!(value, Value::Words(_)) => {
                        let mut word = before.first().cloned().unwrap_or_default();
                        if let Value::Words(more) = &value {
                            more.iter().for_each(|more| {
                                word.text.push_str(&more.text);
                                word.known &= more.known;
                                word.splits |= !more.known;
                                word.glob |= more.glob;
                            });
                        }
                        Value::Words(vec![word])
                    }
                    (true, _) => Value::Unknown(Unknown { found: true, ..Unknown::default() }),
                };
                (name.clone(), value)
            }
            (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Array(elements)) => {
                let mut words = match self.variables.get(name) {
                    Some(Value::Words(before)) if assignment.append => before.clone(),
                    _ => Vec::new(),
                };
                let mut known = !assignment.append || self.variables.contains_key(name);
                for (index, element) in elements {
                    if let Some(index) = index {
                        self.calculate(&index.value);
                        known = false;
                    }
                    words.extend(self.expand(&element.value));
                }
                let value = if known {
                    Value::Words(words)
                } else {
                    Value::Unknown(Unknown { found: true, ..Unknown::default() })
                };
                (name.clone(), value)
            }
            (ast::AssignmentName::ArrayElementName(name, index), value) => {
                self.calculate(index);
                if let ast::AssignmentValue::Scalar(word) = value {
                    let _ = self.word(&word.value);
                }
                (name.clone(), Value::Unknown(Unknown { found: true, ..Unknown::default() }))
            }
        }
    }

    /// A variable that makes programs do something else.
    fn steered(&mut self, name: &str, value: &Word) {
        let text = if value.known { value.text.as_str() } else { "$" };
        if environment::steers(name, text) {
            self.acts.push((Act::Environment, format!("`{name}` changes what programs do")));
        }
    }

    pub(super) fn redirect(&mut self, redirect: &ast::IoRedirect, command: &mut Command) {
        match redirect {
            ast::IoRedirect::File(_, kind, target) => {
                let word = match target {
                    ast::IoFileRedirectTarget::Fd(_) => return,
                    ast::IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        self.substituted(subshell);
                        return;
                    }
                    ast::IoFileRedirectTarget::Filename(word) => self.target(&word.value),
                    ast::IoFileRedirectTarget::Duplicate(word) => {
                        let word = self.target(&word.value);
                        let text = word.text.strip_suffix('-').unwrap_or(&word.text);
                        if word.known && (text.is_empty() || is_digits(text)) {
                            return;
                        }
                        word
                    }
                };
                match kind {
                    ast::IoFileRedirectKind::Read => {
                        self.unread(command);
                        command.redirects.push((false, word));
                    }
                    ast::IoFileRedirectKind::DuplicateInput => {
                        self.doubts.push(format!("what {} is connected to isn't known", quoted(&word.text)));
                        command.redirects.push((false, word));
                    }
                    ast::IoFileRedirectKind::ReadAndWrite => {
                        command.redirects.push((false, word.clone()));
                        command.redirects.push((true, word));
                    }
                    _ => command.redirects.push((true, word)),
                }
            }
            ast::IoRedirect::HereDocument(_, document) => {
                self.unread(command);
                if document.requires_expansion {
                    let word = self.document(&document.doc.value);
                    self.fed(word, command);
                } else {
                    command.fed.push(document.doc.value.clone());
                }
            }
            ast::IoRedirect::HereString(_, word) => {
                self.unread(command);
                let word = self.word(&word.value);
                self.fed(Word { text: format!("{}\n", word.text), ..word }, command);
            }
            ast::IoRedirect::OutputAndError(word, _) => {
                let word = self.target(&word.value);
                command.redirects.push((true, word));
            }
        }
    }

    /// The input is another one than the one from outside.
    fn unread(&mut self, command: &mut Command) {
        self.fed.clear();
        command.fed.clear();
    }

    fn fed(&mut self, word: Word, command: &mut Command) {
        // A text that isn't known whole is looked through all the same.
        command.opaque |= !word.known && !word.number;
        command.fed.push(word.text);
    }

    fn target(&mut self, raw: &str) -> Word {
        let mut words = self.expand(raw);
        match words.len() {
            1 => words.remove(0),
            _ => {
                self.doubts.push(format!("{} isn't one file", quoted(raw)));
                words.pop().unwrap_or_default()
            }
        }
    }

    /// `[[ … ]]`
    pub(super) fn test(&mut self, expression: &ast::ExtendedTestExpr, join: Join) {
        let mut words = vec![Word::literal("[[")];
        self.tested(expression, &mut words);
        self.push(Command { join, words, ..Command::default() });
    }

    fn tested(&mut self, expression: &ast::ExtendedTestExpr, words: &mut Vec<Word>) {
        match expression {
            ast::ExtendedTestExpr::And(one, other) | ast::ExtendedTestExpr::Or(one, other) => {
                self.tested(one, words);
                self.tested(other, words);
            }
            ast::ExtendedTestExpr::Not(inner) | ast::ExtendedTestExpr::Parenthesized(inner) => {
                self.tested(inner, words)
            }
            ast::ExtendedTestExpr::UnaryTest(predicate, word) => {
                let word = self.word(&word.value);
                // The name of a variable may hold an index, and that is calculated.
                if matches!(
                    predicate,
                    ast::UnaryPredicate::ShellVariableIsSetAndAssigned
                        | ast::UnaryPredicate::ShellVariableIsSetAndNameRef
                ) && !(word.known && word.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
                {
                    self.doubts.push(format!("{} isn't the name of a variable", quoted(&word.text)));
                }
                words.push(word);
            }
            ast::ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                let calculated = matches!(
                    predicate,
                    ast::BinaryPredicate::ArithmeticEqualTo
                        | ast::BinaryPredicate::ArithmeticNotEqualTo
                        | ast::BinaryPredicate::ArithmeticLessThan
                        | ast::BinaryPredicate::ArithmeticLessThanOrEqualTo
                        | ast::BinaryPredicate::ArithmeticGreaterThan
                        | ast::BinaryPredicate::ArithmeticGreaterThanOrEqualTo
                );
                for raw in [left, right] {
                    let word = self.word(&raw.value);
                    if calculated && !holds_number(&word) {
                        if word.known {
                            self.calculate(&word.text.clone());
                            if word.text.contains(['$', '`']) {
                                self.doubts.push(format!("{} would be calculated", quoted(&raw.value)));
                            }
                        } else {
                            self.calculates(&quoted(&raw.value));
                        }
                    }
                    words.push(word);
                }
            }
        }
    }

    /// A command with its words filled in: what it does to the shell, and what it runs.
    fn run(&mut self, command: Command) {
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
                quoted(&first.text)
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
        match unwrap(&command.words) {
            Wrapped::Nothing => {
                command.opaque |= super::super::walk::runs_others(&command.words);
                self.push(command);
            }
            Wrapped::Unclear => {
                command.opaque = true;
                self.push(command);
            }
            Wrapped::Command { words, variables } => {
                for (name, value) in &variables {
                    self.steered(name, value);
                }
                self.wrapped(command, |tracer, inner| {
                    tracer.run_as(Command { words, variables, ..inner }, false)
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
            Wrapped::Here(text) => self.scripted(command, &text, None),
            Wrapped::Input => self.input(command),
            Wrapped::Fed { words, replaced } => self.appended(command, words, replaced),
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
            opaque: command.opaque,
            ..Command::default()
        };
        let at = self.push(command);
        let before = self.inside.replace(at);
        self.depth += 1;
        inner(self, next);
        self.depth -= 1;
        self.inside = before;
    }

    /// A script that is a word of the command.
    fn scripted(&mut self, mut command: Command, text: &Word, arguments: Option<Vec<Word>>) {
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

    fn unparsed(&mut self, result: Result<(), Unparsed>, text: &str) {
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
        let echoed = self.piped.and_then(|at| self.commands.get(at)).and_then(|before| {
            let program = before.words.first().map(base)?;
            let literal = before.words.iter().all(|word| word.known && !word.glob);
            match (program.as_str(), before.words.get(1..)?) {
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

    /// A command whose last words are those that the command before it prints.
    fn appended(&mut self, command: Command, words: Vec<Word>, replaced: Option<String>) {
        let given = |text: &String| text.split_whitespace().map(Word::literal).collect::<Vec<_>>();
        let listed = match command.fed.as_slice() {
            [] => self.piped.and_then(|at| self.commands.get(at)).and_then(|before| listed(&before.words)),
            [text] if !text.contains(['\'', '"', '\\']) && !command.opaque => {
                let mut words = given(text);
                // A `~` that stood for the home directory before it was fed.
                words.iter_mut().for_each(|word| word.tilde = word.text.starts_with("~/"));
                Some(words)
            }
            _ => None,
        };
        let more =
            listed.unwrap_or_else(|| vec![Word { splits: true, substituted: true, ..Word::default() }]);
        let inner: Vec<Vec<Word>> = match &replaced {
            None => vec![words.iter().chain(&more).cloned().collect()],
            Some(sign) => more
                .iter()
                .map(|found| {
                    let put = |word: &Word| {
                        if word.text == *sign {
                            found.clone()
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

    fn call(&mut self, name: &str, body: &std::rc::Rc<ast::FunctionBody>, command: Command) {
        self.called.insert(name.to_owned());
        if self.doubtful.contains(name) {
            self.doubts.push(format!("{} may be a function or not", quoted(name)));
        }
        if self.depth >= MAX_DEPTH {
            self.too_complex = true;
            return;
        }
        let arguments = command.words[1..].to_vec();
        if !command.is_empty()
            && (!command.redirects.is_empty() || !command.variables.is_empty() || !self.doubts.is_empty())
        {
            let variables = command.variables.clone();
            self.push(Command { words: Vec::new(), fed: Vec::new(), ..command.clone() });
            for (name, value) in variables {
                self.assign(&name, Value::Words(vec![value]));
            }
        }
        let before = self.arguments.replace(arguments);
        let fed = std::mem::replace(&mut self.fed, command.fed);
        self.depth += 1;
        self.body(body);
        self.depth -= 1;
        self.arguments = before;
        self.fed = fed;
    }

    /// What a builtin does to the shell.
    fn builtin(&mut self, name: &str, command: &Command) {
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
            "readonly", "mapfile",
        ];
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
                if name == "unset" {
                    for variable in names.iter().filter(|name| environment::steers(name, "$")) {
                        self.acts.push((Act::Environment, format!("`{variable}` changes what programs do")));
                    }
                }
                if ["unset", "let"].contains(&name) {
                    command.words[1..].iter().for_each(|word| {
                        if !word.known || word.text.contains(['$', '`', '[']) {
                            self.calculates(&quoted(&word.text));
                        }
                    });
                }
                names.iter().for_each(|variable| self.forget(variable, name == "let"));
            }
            "printf" if command.words.get(1).is_some_and(|word| word.text.starts_with("-v")) => {
                names().iter().for_each(|variable| self.forget(variable, false));
            }
            "export" | "declare" | "typeset" | "local" | "readonly" => {
                for word in &command.words[1..] {
                    // A name that stands for another one, or a function that is handed on.
                    if word.text.starts_with('-')
                        && word.text.contains(['n', 'f', 'F'])
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
            "set" | "shift" => {
                if command.words[1..]
                    .iter()
                    .any(|word| !word.text.starts_with(['-', '+']) || word.text == "--")
                    || name == "shift"
                {
                    self.arguments = None;
                }
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

/// Builtins whose words set variables.
const DECLARING: &[&str] = &["export", "declare", "typeset", "local", "readonly"];

/// The files that a command prints the names of.
fn listed(words: &[Word]) -> Option<Vec<Word>> {
    let program = words.first().map(base)?;
    let rest = &words[1..];
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(&word.text.as_str()));
    let whole = |word: &Word| Word { below: Some(Below::Some), ..word.clone() };
    let operands = || rest.iter().filter(|word| !word.text.starts_with('-'));
    let here = || vec![whole(&Word::literal("."))];
    match program.as_str() {
        "find" if !has(&["-printf", "-fprintf", "-exec", "-execdir", "-ok", "-okdir", "-ls"]) => {
            Some(found(words))
        }
        "git" if has(&["ls-files"]) || (has(&["diff"]) && has(&["--name-only"])) => Some(here()),
        "ls" if operands().all(|word| !word.text.contains('/')) => {
            let named: Vec<Word> = operands().map(whole).collect();
            Some(if named.is_empty() { here() } else { named })
        }
        "grep" | "egrep" | "fgrep"
            if rest.iter().any(|word| {
                word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('l')
            }) =>
        {
            let named: Vec<Word> = operands().skip(1).map(whole).collect();
            Some(if named.is_empty() { here() } else { named })
        }
        "rg" if has(&["-l", "--files-with-matches", "--files"]) => {
            let skipped = usize::from(!has(&["--files"]));
            let named: Vec<Word> = operands().skip(skipped).map(whole).collect();
            Some(if named.is_empty() { here() } else { named })
        }
        "echo" => Some(rest.to_vec()),
        _ => None,
    }
}

/// Whether the command hands the lines of its input on as they are, though not all of them.
pub(super) fn is_filter(command: &Command) -> bool {
    let Some(program) = command.words.first().map(base) else { return false };
    let operands: Vec<&Word> = command.words[1..].iter().filter(|word| !word.text.starts_with('-')).collect();
    let plain = command.redirects.is_empty() && command.fed.is_empty();
    match program.as_str() {
        "sort" | "uniq" => plain && operands.is_empty(),
        // Their number of lines may stand by itself.
        "head" | "tail" => plain && operands.iter().all(|word| is_digits(&word.text)),
        "grep" | "egrep" | "fgrep" => {
            let alters = |word: &Word| {
                word.text.starts_with("--")
                    || word.text.contains(['o', 'c', 'n', 'f', 'H', 'e', 'A', 'B', 'C'])
            };
            plain
                && operands.len() == 1
                && !command.words[1..].iter().any(|word| word.text.starts_with('-') && alters(word))
        }
        _ => false,
    }
}
