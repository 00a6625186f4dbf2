//! A script, gone through as a shell would go through it: every command it might run, with its words as far as they are
//! literal.
//!
//! Nothing is run, so both ways of every `if` are gone, a loop over known words once for each of them, and any other loop
//! once with whatever its variables might be. A function is gone through where it is called.

mod arithmetic;
mod braces;
mod builtin;
mod changed;
mod ends;
mod environment;
mod expand;
mod filling;
mod find;
mod functions;
mod listed;
mod pieces;
mod run;
mod scan;
mod simple;
mod told;
mod unwrap;
mod variables;

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use brush_parser::ast;

pub(crate) use self::find::without_runs;
pub(super) use self::{find::found, pieces::end_of_script};

use self::{
    ends::{Trap, may_move},
    scan::Scan,
    variables::{Unknown, Value},
};
use super::{
    MAX_COMMAND_BYTES,
    lex::lex,
    parse::{Unparsed, parse},
    script::{Command, Join, Kind, Script, Word},
};

/// The most commands that one script comes down to.
const MAX_COMMANDS: usize = 1000;

/// The most words all of them may have together: each may name a file that must be looked up.
const MAX_WORDS: usize = 20_000;

/// Room on the stack for whatever is done between one part of a script and the next that lies in it.
const ROOM_BYTES: usize = 512 << 10;

/// What is added where there is less.
const MORE_BYTES: usize = 4 << 20;

/// The most items of lists that are gone through.
const MAX_STEPS: usize = 20_000;

/// How deep scripts and functions may lie in one another.
const MAX_DEPTH: usize = 12;

/// The most words that a loop is gone through for.
const MAX_TURNS: usize = 64;

/// Goes through a script. Never fails: what isn't understood is told in [`Script::problem`].
pub(crate) fn trace(text: &str) -> Script {
    if let Some(words) = plain_words(text) {
        let command = Command { words, ..Command::default() };
        return Script { commands: vec![command], scopes: vec![0], ..Script::default() };
    }
    let mut tracer = Tracer { moves: may_move(text), ..Tracer::default() };
    match tracer.script(text, Join::Then) {
        Ok(()) if tracer.too_complex => {
            let mut script = too_complex("it comes down to too many commands");
            script.commands = tracer.commands;
            script
        }
        Ok(()) => {
            tracer.at_the_end();
            tracer.uncalled();
            let doubts = std::mem::take(&mut tracer.doubts);
            tracer.note(doubts, Join::Then);
            Script {
                commands: tracer.commands,
                scopes: tracer.scopes,
                problem: tracer.problem,
                ..Script::default()
            }
        }
        Err(Unparsed::TooComplex(why)) => too_complex(why),
        Err(Unparsed::Syntax(problem)) => {
            let mut skimmed = lex(text);
            skimmed.problem =
                Some(skimmed.problem.unwrap_or_else(|| format!("it can't be parsed: {problem}")));
            for (at, command) in skimmed.commands.iter_mut().enumerate() {
                command.group = at;
                command.opaque = true;
            }
            skimmed.scopes = vec![0];
            skimmed
        }
    }
}

/// Goes down where parts of a script lie in one another: that deep, that the stack of whoever asks may not do.
fn deeper<T>(down: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(ROOM_BYTES, MORE_BYTES, down)
}

fn too_complex(why: &str) -> Script {
    Script { too_complex: true, problem: Some(why.to_owned()), scopes: vec![0], ..Script::default() }
}

/// The words of a text that is one command of plain words, which most are: nothing in it needs a parser.
fn plain_words(text: &str) -> Option<Vec<Word>> {
    let plain = text.len() <= MAX_COMMAND_BYTES
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':' | b',' | b'+' | b'@' | b'%' | b' ' | b'=')
        });
    if !plain {
        return None;
    }
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let first = words.first()?;
    let special =
        first.contains(['=', '%', '+']) || super::walk::is_keyword(first) || unwrap::is_special(first);
    // A word like `a=b` is no file of that name.
    (!special).then(|| words.iter().map(|word| Word::literal(word)).collect())
}

#[derive(Debug, Default)]
struct Tracer {
    commands: Vec<Command>,
    scopes: Vec<usize>,
    problem: Option<String>,
    too_complex: bool,
    words: usize,
    /// How many lists were gone through: a loop in a loop may add no command.
    steps: usize,
    depth: usize,
    /// How deep words lie in words.
    nesting: usize,
    /// Variables that can't be set any more.
    readonly: HashSet<String>,
    /// Whether what is gone through may be skipped while what follows it runs.
    branches: usize,
    scope: usize,
    /// The group that commands belong to, where they share one.
    group: Option<usize>,
    groups: usize,
    lost: bool,
    /// Whether anything changes the directory.
    moves: bool,
    /// Whether the next command loses the directory.
    loses: bool,
    variables: HashMap<String, Value>,
    exported: HashSet<String>,
    /// Arrays whose elements have names, and of what kind these are.
    keyed: HashMap<String, Kind>,
    /// The names of variables in the order in which they were set, with what they held before.
    set: Vec<(String, Option<Value>)>,
    functions: HashMap<String, Rc<ast::FunctionBody>>,
    /// Functions of shells that ended, which nothing called there.
    leftover: Vec<Rc<ast::FunctionBody>>,
    /// Functions that were called, and those that may not be defined when they are.
    called: HashSet<String>,
    doubtful: HashSet<String>,
    /// How many conditions what is gone through depends on.
    conditions: usize,
    /// In how many places whose failure is looked at, so that no shell ends by it.
    tested: usize,
    /// The shell that ends where a command fails.
    errexit: Option<usize>,
    /// Whether the shell ends where the next command fails.
    must: bool,
    /// Whether what runs now may follow something else than the command before it.
    loose: bool,
    /// Whether what is gone through runs when the shell ends, wherever it is then.
    late: bool,
    arguments: Option<Vec<Word>>,
    /// The commands of which this one runs.
    inside: Option<usize>,
    /// What is fed to whatever reads its input.
    fed: Vec<String>,
    /// The command before this one in a pipeline, where that is a single one.
    piped: Option<usize>,
    /// The one command whose output is that of the list that was gone through last.
    printer: Option<usize>,
    /// What isn't literal in the command that is being read.
    doubts: Vec<String>,
    acts: Vec<(crate::preset::Act, String)>,
    /// What runs when this shell ends.
    traps: Vec<Trap>,
    /// In how many functions this is, and the variables of the innermost one with what they held before.
    locals: Vec<Vec<(String, Option<Value>)>>,
    /// Whether anything runs beside what follows.
    background: Option<usize>,
}

impl Tracer {
    /// Goes through a script in this shell.
    fn script(&mut self, text: &str, join: Join) -> Result<(), Unparsed> {
        if self.scopes.is_empty() {
            self.scopes.push(0);
        }
        if self.depth == MAX_DEPTH {
            self.too_complex = true;
            return Ok(());
        }
        self.printer = None;
        let program = parse(text)?;
        self.depth += 1;
        deeper(|| {
            for (at, list) in program.complete_commands.iter().enumerate() {
                self.list(list, if at == 0 { join } else { Join::Then });
                self.printer = self.printer.filter(|_| program.complete_commands.len() == 1);
            }
        });
        self.depth -= 1;
        Ok(())
    }

    /// Goes through a script in a shell of its own.
    fn nested(&mut self, text: &str) -> Result<(), Unparsed> {
        let mut result = Ok(());
        self.subshell(|tracer| result = tracer.script(text, Join::Then));
        result
    }

    fn list(&mut self, list: &ast::CompoundList, mut join: Join) {
        self.printer = None;
        for ast::CompoundListItem(and_or, separator) in &list.0 {
            self.steps += 1;
            self.too_complex |= self.steps > MAX_STEPS;
            if self.too_complex {
                return;
            }
            match separator {
                ast::SeparatorOperator::Sequence => self.and_or(and_or, join),
                ast::SeparatorOperator::Async => {
                    // It runs beside all that follows.
                    let group = self.new_group();
                    let group = *self.background.get_or_insert(group);
                    self.group.get_or_insert(group);
                    self.subshell(|tracer| tracer.and_or(and_or, join));
                }
            }
            join = Join::Then;
            self.printer = self.printer.filter(|_| list.0.len() == 1);
        }
    }

    fn and_or(&mut self, list: &ast::AndOrList, join: Join) {
        self.must = self.must_succeed(list);
        if list.additional.is_empty() {
            self.pipeline(&list.first, join);
            self.must = false;
            return;
        }
        self.tested += 1;
        self.pipeline(&list.first, join);
        self.must = false;
        let from = self.set.len();
        self.conditions += 1;
        // What a command's success says of the one before holds only where that is all that came before it.
        let mut told = self.tells(&list.first);
        let loose = self.loose;
        for next in &list.additional {
            match next {
                ast::AndOr::And(pipeline) => {
                    self.loose = !told;
                    self.pipeline(pipeline, Join::And);
                    told &= self.tells(pipeline);
                }
                ast::AndOr::Or(pipeline) => {
                    told = false;
                    self.unsettle(from);
                    self.branches += 1;
                    self.pipeline(pipeline, Join::Then);
                    self.branches -= 1;
                }
            }
            self.loose = loose;
        }
        self.conditions -= 1;
        self.tested -= 1;
        self.printer = None;
        // `X=1 && Y=2`: setting a variable doesn't fail.
        if !is_assignment(&list.first)
            || !list
                .additional
                .iter()
                .all(|next| matches!(next, ast::AndOr::And(next) if is_assignment(next)))
        {
            self.unsettle(from);
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline, join: Join) {
        let [command] = pipeline.seq.as_slice() else {
            let Some(last) = pipeline.seq.len().checked_sub(1) else {
                // A `!` by itself.
                return self.note(vec!["an operator stands where a command should".to_owned()], join);
            };
            let group = self.new_group();
            let (group, piped, fed) =
                (self.group.replace(self.group.unwrap_or(group)), self.piped, self.fed.clone());
            for (at, command) in pipeline.seq.iter().enumerate() {
                let join = if at == 0 { join } else { Join::Pipe };
                let from = self.commands.len();
                if at < last {
                    self.subshell(|tracer| tracer.command(command, join));
                } else {
                    // In some shells the last one isn't in a shell of its own.
                    self.conditional(|tracer| tracer.command(command, join));
                }
                let made = self.printing(command, from);
                // What only picks or sorts lines hands names on as they are.
                if !made.is_some_and(|at| listed::is_filter(&self.commands[at])) {
                    self.piped = made;
                }
                self.fed.clear();
            }
            self.printer = self.piped;
            (self.group, self.piped, self.fed) = (group, piped, fed);
            return;
        };
        self.branches += usize::from(pipeline.bang);
        let from = self.commands.len();
        self.command(command, join);
        self.printer = self.printing(command, from);
        self.branches -= usize::from(pipeline.bang);
    }

    /// Which of the commands since then writes the output of this one, where that is one alone: what a wrapper runs, and
    /// none of a function.
    fn printing(&self, command: &ast::Command, from: usize) -> Option<usize> {
        let made = self.commands.get(from..)?;
        let last = made.last().filter(|last| matches!(command, ast::Command::Simple(_)) && !last.merges)?;
        let mut part = last;
        loop {
            let beside = |other: &&Command| other.scope == part.scope && other.inside == part.inside;
            if made.iter().filter(beside).count() > 1 {
                return None;
            }
            match part.inside.filter(|at| *at >= from) {
                Some(at) => part = self.commands.get(at)?,
                None => return Some(self.commands.len() - 1),
            }
        }
    }

    fn command(&mut self, command: &ast::Command, join: Join) {
        match command {
            ast::Command::Simple(simple) => self.simple(simple, join),
            ast::Command::Compound(compound, redirects) => {
                let (fed, piped) = (self.fed.clone(), self.piped);
                if let Some(redirects) = redirects {
                    self.connected(redirects, join);
                }
                deeper(|| self.compound(compound, join));
                (self.fed, self.piped) = (fed, piped);
            }
            ast::Command::Function(function) => self.define(function),
            ast::Command::ExtendedTest(test, redirects) => {
                if let Some(redirects) = redirects {
                    self.connected(redirects, join);
                }
                self.test(&test.expr, join);
            }
        }
    }

    /// The files that a compound command is connected to, and what it is fed.
    fn connected(&mut self, redirects: &ast::RedirectList, join: Join) {
        let mut command = Command { join, ..Command::default() };
        for redirect in &redirects.0 {
            self.redirect(redirect, &mut command);
        }
        if !command.fed.is_empty() {
            self.fed = command.fed.clone();
            self.piped = None;
        }
        if command.redirects.iter().any(|(writes, _)| !writes) {
            self.piped = command.input;
        }
        self.push(command);
    }

    fn compound(&mut self, command: &ast::CompoundCommand, join: Join) {
        match command {
            ast::CompoundCommand::Arithmetic(calculation) => {
                self.calculate(&calculation.expr.value);
                self.push(Command { join, words: vec![Word::literal("let")], ..Command::default() });
            }
            ast::CompoundCommand::ArithmeticForClause(clause) => {
                let parts = [&clause.initializer, &clause.condition, &clause.updater];
                let texts: Vec<&str> = parts.into_iter().flatten().map(|part| part.value.as_str()).collect();
                self.looped(&[&clause.body.list], |tracer| {
                    texts.iter().for_each(|text| tracer.calculate(text));
                    tracer.list(&clause.body.list, join);
                });
            }
            ast::CompoundCommand::BraceGroup(group) => self.list(&group.list, join),
            ast::CompoundCommand::Subshell(subshell) => {
                self.subshell(|tracer| tracer.list(&subshell.list, join));
            }
            ast::CompoundCommand::ForClause(clause) => self.for_each(clause, join),
            ast::CompoundCommand::CaseClause(clause) => {
                let _ = self.word(&clause.value.value);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        let _ = self.word(&pattern.value);
                    }
                    let doubts = std::mem::take(&mut self.doubts);
                    self.note(doubts, join);
                    if let Some(list) = &case.cmd {
                        self.conditional(|tracer| tracer.list(list, Join::Then));
                    }
                }
            }
            ast::CompoundCommand::IfClause(clause) => {
                self.tested += 1;
                self.list(&clause.condition, join);
                self.tested -= 1;
                let told = match clause.condition.0.as_slice() {
                    [ast::CompoundListItem(list, ast::SeparatorOperator::Sequence)] => {
                        let rest = list.additional.iter();
                        self.tells(&list.first)
                            && rest
                                .into_iter()
                                .all(|next| matches!(next, ast::AndOr::And(next) if self.tells(next)))
                    }
                    _ => false,
                };
                let join = if told { Join::And } else { Join::Then };
                self.conditional(|tracer| tracer.list(&clause.then, join));
                for part in clause.elses.iter().flatten() {
                    self.conditional(|tracer| {
                        if let Some(condition) = &part.condition {
                            tracer.list(condition, Join::Then);
                        }
                        tracer.list(&part.body, Join::Then);
                    });
                }
            }
            ast::CompoundCommand::WhileClause(clause) | ast::CompoundCommand::UntilClause(clause) => {
                self.looped(&[&clause.0, &clause.1.list], |tracer| {
                    tracer.list(&clause.0, join);
                    tracer.list(&clause.1.list, Join::Then);
                });
            }
            ast::CompoundCommand::Coprocess(coprocess) => {
                let group = self.new_group();
                let group = *self.background.get_or_insert(group);
                self.group.get_or_insert(group);
                self.subshell(|tracer| tracer.command(&coprocess.body, join));
            }
        }
    }

    fn for_each(&mut self, clause: &ast::ForClauseCommand, join: Join) {
        let mut words: Vec<Word> = match &clause.values {
            Some(values) => values.iter().flat_map(|value| self.expand(&value.value)).collect(),
            None => self.arguments.clone().unwrap_or_default(),
        };
        // What is run for nothing is looked at too: it may be run for something elsewhere.
        if words.is_empty() {
            words.push(Word { splits: true, ..Word::default() });
        }
        let doubts = std::mem::take(&mut self.doubts);
        self.note(doubts, join);
        let name = &clause.variable_name;
        let known = words.iter().all(|word| word.known && !word.substituted);
        if known && words.len() <= MAX_TURNS {
            let from = self.set.len();
            self.conditions += 1;
            self.steered(name, &Word::default());
            for (at, word) in words.into_iter().enumerate() {
                if self.too_complex {
                    break;
                }
                let one = word.glob;
                self.assign(name, Value::Words(vec![Word { one, ..word }]));
                self.list(&clause.body.list, if at == 0 { join } else { Join::Then });
            }
            self.conditions -= 1;
            self.unsettle(from);
            return;
        }
        let value = match words.as_slice() {
            [Word { found: Some(files), .. }] => Value::Found(Rc::clone(files)),
            words => Value::Unknown(Unknown {
                kind: words.iter().map(Word::value_kind).max().unwrap_or_default(),
                found: words.iter().any(|word| word.substituted),
                foreign: false,
            }),
        };
        self.looped(&[&clause.body.list], |tracer| {
            tracer.assign(name, value);
            tracer.list(&clause.body.list, join);
        });
    }

    /// What runs again and again: what it sets isn't known when it begins, and its commands run before one another.
    fn looped(&mut self, lists: &[&ast::CompoundList], body: impl FnOnce(&mut Self)) {
        let mut scan = Scan::default();
        lists.iter().for_each(|list| scan.list(list));
        let calls = scan.programs.iter().any(|name| self.functions.contains_key(name.as_str()));
        if scan.anything || calls {
            let names: Vec<String> = self.variables.keys().cloned().collect();
            names.iter().for_each(|name| self.forget(name, Kind::Any));
        }
        for (name, number) in scan.names {
            // The first time round it holds what it held before.
            let before = self.variables.get(&name).map_or(Kind::Number, |value| Unknown::of(value).kind);
            self.forget(&name, if number { before } else { Kind::Any });
        }
        self.lost |= scan.moves || scan.anything || calls;
        let group = self.new_group();
        let group = self.group.replace(self.group.unwrap_or(group));
        self.conditional(body);
        self.group = group;
    }

    /// What may run or not: what it sets isn't known afterwards.
    fn conditional(&mut self, body: impl FnOnce(&mut Self)) {
        let from = self.set.len();
        self.conditions += 1;
        self.branches += 1;
        body(self);
        self.branches -= 1;
        self.conditions -= 1;
        self.unsettle(from);
    }

    /// A shell of its own: what it sets and where it goes is forgotten when it ends.
    fn subshell(&mut self, body: impl FnOnce(&mut Self)) {
        let scope = self.scopes.len();
        self.scopes.push(self.scope);
        let outer = std::mem::replace(&mut self.scope, scope);
        let (variables, exported, lost) = (self.variables.clone(), self.exported.clone(), self.lost);
        let (functions, set, keyed) = (self.functions.clone(), self.set.len(), self.keyed.clone());
        let arguments = self.arguments.clone();
        let traps = std::mem::take(&mut self.traps);
        let must = std::mem::take(&mut self.must);
        body(self);
        self.at_the_end();
        (self.traps, self.must) = (traps, must);
        // They aren't known outside, but what they do is found all the same.
        for (name, body) in std::mem::replace(&mut self.functions, functions) {
            let same = self.functions.get(&name).is_some_and(|outer| Rc::ptr_eq(outer, &body));
            if !same && !self.called.contains(&name) {
                self.leftover.push(body);
            }
        }
        (self.variables, self.exported, self.lost, self.scope, self.arguments) =
            (variables, exported, lost, outer, arguments);
        self.set.truncate(set);
        self.keyed = keyed;
    }

    /// Adds a command.
    fn push(&mut self, mut command: Command) -> usize {
        self.words += command.words.len();
        if self.commands.len() >= MAX_COMMANDS || self.words > MAX_WORDS {
            self.too_complex = true;
            return self.commands.len().saturating_sub(1);
        }
        command.scope = self.scope;
        command.group = match self.group.or(self.background) {
            Some(group) => group,
            None => self.new_group(),
        };
        command.lost = self.lost;
        command.branch |= self.branches > 0;
        command.must = self.must;
        command.loose = self.loose;
        command.late = self.late;
        command.inside = command.inside.or(self.inside);
        command.doubts.append(&mut self.doubts);
        command.acts.append(&mut self.acts);
        self.commands.push(command);
        self.lost |= std::mem::take(&mut self.loses);
        self.commands.len() - 1
    }

    /// Puts down what isn't literal where no command of its own is.
    fn note(&mut self, doubts: Vec<String>, join: Join) {
        if !doubts.is_empty() || !self.acts.is_empty() {
            self.doubts = doubts;
            self.push(Command { join, ..Command::default() });
        }
    }

    fn new_group(&mut self) -> usize {
        self.groups += 1;
        self.groups
    }
}

fn is_assignment(pipeline: &ast::Pipeline) -> bool {
    let filled = |simple: &ast::SimpleCommand| simple.to_string().contains(['$', '`']);
    matches!(pipeline.seq.as_slice(), [ast::Command::Simple(simple)] if simple.word_or_name.is_none() && !filled(simple))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
