//! One simple command: its words, and the files it is connected to.

use brush_parser::ast;

use super::{
    super::script::{Command, Join, Kind, Word},
    Tracer, Unknown, Value, environment, is_digits,
};
use crate::{preset::Act, text::quoted};

impl Tracer {
    pub(super) fn simple(&mut self, simple: &ast::SimpleCommand, join: Join) {
        let mut command = Command { join, ..Command::default() };
        let mut assigned = Vec::new();
        let mut stays = Vec::new();
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
                Value::Unknown(_) | Value::Found(_) => Word::default(),
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
            } else if self.variables.contains_key(&name) {
                // In some shells, and with some commands, it stays.
                self.forget(&name, Kind::Any);
                stays.push(name.clone());
            }
        }
        if !command.redirects.is_empty() {
            // Where a file can't be opened nothing is declared.
            self.keyed.retain(|name, _| !command.words.iter().any(|word| word.text == *name));
        }
        command.fed.extend(self.fed.iter().cloned());
        if !command.fed.is_empty() {
            command.input = None;
        } else if !command.redirects.iter().any(|(writes, _)| !writes) {
            command.input = self.piped;
        }
        if command.words.is_empty() && simple.word_or_name.is_some() {
            self.doubts.push("the name of the command may be empty".to_owned());
        }
        self.run(command);
        stays.iter().for_each(|name| self.forget(name, Kind::Any));
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
                self.declared(command, &words, true);
                command.words.extend(words);
            }
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                let declares =
                    command.words.first().is_some_and(|word| DECLARING.contains(&word.text.as_str()));
                if declares && command.words.iter().any(|word| word.text == "-A") {
                    let (ast::AssignmentName::VariableName(name)
                    | ast::AssignmentName::ArrayElementName(name, _)) = &assignment.name;
                    let name = Word::literal(name);
                    self.declared(command, std::slice::from_ref(&name), true);
                }
                if before || declares {
                    let (name, value) = self.assignment(assignment);
                    if declares {
                        self.localized(command, &name);
                        let first = match &value {
                            Value::Words(words) => {
                                words.first().cloned().unwrap_or_else(|| Word::literal(""))
                            }
                            Value::Unknown(unknown) => Word { substituted: unknown.found, ..Word::default() },
                            Value::Found(_) => Word { substituted: true, ..Word::default() },
                        };
                        command.words.push(Word {
                            text: format!("{name}={}", first.text),
                            tilde: false,
                            ..first.clone()
                        });
                        self.steered(&name, &first);
                        self.declare(command, &name, value);
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

    /// Words of a builtin that declares variables, which may set some as well.
    pub(super) fn declared(&mut self, command: &Command, words: &[Word], by_shell: bool) {
        let Some(builtin) = command.words.first().filter(|word| DECLARING.contains(&word.text.as_str()))
        else {
            return;
        };
        // Elsewhere, or of an array that is there already, it isn't certain that it is one of names.
        let certain = self.conditions == 0
            && self.branches == 0
            && command.redirects.is_empty()
            && !self.functions.contains_key(&builtin.text);
        let keyed = by_shell && words.iter().chain(&command.words).any(|word| word.text == "-A");
        for word in words.iter().filter(|word| !word.text.starts_with('-')) {
            if keyed && certain && word.known && ["declare", "typeset"].contains(&builtin.text.as_str()) {
                let name = word.text.split('=').next().unwrap_or_default();
                if !self.variables.contains_key(name) {
                    self.keyed.insert(name.to_owned(), Kind::Number);
                }
            }
            if !word.known {
                self.doubts.push(format!("what `{}` sets isn't literal", builtin.text));
                continue;
            }
            match word.text.split_once('=') {
                Some((name, value)) => {
                    let name = name.trim_end_matches('+');
                    let name = name.split('[').next().unwrap_or(name);
                    let value = Word { quoted: true, ..Word::literal(value) };
                    self.localized(command, name);
                    self.steered(name, &value);
                    if word.text.contains("+=") || word.text.contains('[') {
                        self.forget(name, Kind::Any);
                    } else {
                        self.declare(command, name, Value::Words(vec![value]));
                    }
                }
                // A variable of a function is empty at first.
                None if builtin.text == "readonly"
                    || command
                        .words
                        .iter()
                        .chain(words)
                        .any(|word| word.text.starts_with('-') && word.text.contains('r')) =>
                {
                    self.readonly.insert(word.text.clone());
                }
                None if builtin.text != "export" && builtin.text != "readonly" && !self.locals.is_empty() => {
                    self.localized(command, &word.text);
                    self.assign(&word.text, Value::Words(vec![Word { quoted: true, ..Word::literal("") }]));
                }
                None => {}
            }
        }
    }

    /// In a function these make a variable of its own.
    fn localized(&mut self, command: &Command, name: &str) {
        let is = |builtins: &[&str]| {
            command.words.first().is_some_and(|word| builtins.contains(&word.text.as_str()))
        };
        let global = command.words.iter().any(|word| word.text.starts_with('-') && word.text.contains('g'));
        let before = self.variables.get(name).cloned();
        if let Some(locals) =
            self.locals.last_mut().filter(|_| is(&["local", "declare", "typeset"]) && !global)
        {
            locals.push((name.to_owned(), before));
        }
    }

    /// Sets a variable by a builtin that not every shell has, and that not every place allows.
    fn declare(&mut self, command: &Command, name: &str, value: Value) {
        let builtin = command.words.first().map_or("", |word| word.text.as_str());
        if builtin == "readonly"
            || command.words.iter().any(|word| word.text.starts_with('-') && word.text.contains('r'))
        {
            self.assign(name, value);
            self.readonly.insert(name.to_owned());
            return;
        }
        let certain =
            ["export", "readonly"].contains(&builtin) || (!self.locals.is_empty() && builtin == "local");
        if !certain && self.variables.contains_key(name) {
            self.forget(name, Kind::Any);
        } else {
            self.assign(name, value);
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
                // After a colon too the shell fills a `~` in, and so it does in what is added.
                let home = word.value.contains(":~") || (assignment.append && word.value.starts_with('~'));
                let word = self.word(&word.value);
                let word = if home { Word { known: false, ..word } } else { word };
                // Where the shell is now may be another place when it is used.
                let value = if word.here && self.moves {
                    Value::Unknown(Unknown { found: true, ..Unknown::default() })
                } else if word.is_of(Kind::Revision) {
                    Value::Words(vec![word])
                } else {
                    Value::Unknown(Unknown { found: word.substituted, ..Unknown::default() })
                };
                let value = match (assignment.append, self.variables.get(name)) {
                    (false, _) => value,
                    (true, Some(Value::Words(before))) if matches!(value, Value::Words(_)) => {
                        let mut word = before.first().cloned().unwrap_or_default();
                        if let Value::Words(more) = &value {
                            more.iter().for_each(|more| {
                                word.text.push_str(&more.text);
                                word.known &= more.known && !word.glob && !more.glob;
                                (word.kind, word.pattern) = (Kind::Any, None);
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
                    match index {
                        Some(index) => {
                            self.key(name, &index.value);
                            known = false;
                        }
                        // `([k]=v)` may be written `(k v)`.
                        None => {
                            if let Some(kind) = self.keyed.get_mut(name) {
                                *kind = Kind::Any;
                                known = false;
                            }
                        }
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
                self.key(name, index);
                if let ast::AssignmentValue::Scalar(word) = value {
                    let _ = self.word(&word.value);
                }
                (name.clone(), Value::Unknown(Unknown { found: true, ..Unknown::default() }))
            }
        }
    }

    /// The index of an element that is set.
    fn key(&mut self, name: &str, index: &str) {
        let kind = self.index(name, index).value_kind();
        if let Some(known) = self.keyed.get_mut(name) {
            *known = (*known).max(kind);
        }
    }

    /// A variable that makes programs do something else.
    pub(super) fn steered(&mut self, name: &str, value: &Word) {
        let text = if value.known { value.text.as_str() } else { "$" };
        if environment::steers(name, text) {
            self.acts.push((Act::Environment, format!("`{name}` changes what programs do")));
        }
    }

    pub(super) fn redirect(&mut self, redirect: &ast::IoRedirect, command: &mut Command) {
        command.connected |=
            !matches!(redirect, ast::IoRedirect::HereDocument(..) | ast::IoRedirect::HereString(..));
        match redirect {
            ast::IoRedirect::File(number, kind, target) => {
                let input = number.is_none_or(|number| number == 0);
                let word = match target {
                    ast::IoFileRedirectTarget::Fd(_) => {
                        command.merges = true;
                        return;
                    }
                    ast::IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        let word = self.substituted(subshell);
                        let reads = matches!(kind, ast::IoFileRedirectKind::Read);
                        if reads && input {
                            self.unread(command);
                            command.input = self.printer;
                        }
                        command.redirects.push((!reads, word));
                        return;
                    }
                    ast::IoFileRedirectTarget::Filename(word) => self.target(&word.value).meant(),
                    ast::IoFileRedirectTarget::Duplicate(word) => {
                        let word = self.target(&word.value);
                        let text = word.text.strip_suffix('-').unwrap_or(&word.text);
                        if word.known && (text.is_empty() || is_digits(text)) {
                            command.merges = true;
                            return;
                        }
                        word
                    }
                };
                match kind {
                    ast::IoFileRedirectKind::Read => {
                        self.unread(command);
                        command.input = None;
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
                if document.here_end.value.contains(['$', '`']) {
                    self.doubts.push("the end of a here-document isn't literal".to_owned());
                    command.opaque = true;
                    // It may end before commands that are taken for its text.
                    self.skim(&document.doc.value);
                }
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
        command.opaque |= !word.is_of(Kind::Number);
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
                self.tested(inner, words);
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
                    if calculated && !word.is_number() {
                        if word.known {
                            self.calculate(&word.text.clone());
                            if word.text.contains(['$', '`']) {
                                self.doubts.push(format!("{} would be calculated", quoted(&raw.value)));
                            }
                        } else {
                            self.calculates(quoted(&raw.value));
                        }
                    }
                    words.push(word);
                }
            }
        }
    }
}

/// Builtins whose words set variables.
const DECLARING: &[&str] = &["export", "declare", "typeset", "local", "readonly"];
