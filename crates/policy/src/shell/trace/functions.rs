//! Functions: where they are defined, where they are called, and those that nothing calls.

use std::rc::Rc;

use brush_parser::ast;

use super::{
    super::{
        grammar::{Effect, read},
        script::{Command, Join},
    },
    MAX_DEPTH, Tracer, Value,
};
use crate::{preset::Act, text::quoted};

impl Tracer {
    /// Functions that nothing called: what they do is found as well.
    pub(super) fn uncalled(&mut self) {
        // One may define another.
        while !self.too_complex {
            if let Some(body) = self.leftover.pop() {
                self.depth += 1;
                self.arguments = None;
                self.subshell(|tracer| tracer.body(&body));
                self.depth -= 1;
                continue;
            }
            let names = self.functions.keys().filter(|name| !self.called.contains(*name));
            let Some(name) = names.min().cloned() else { return };
            let Some(body) = self.functions.get(&name).cloned() else { return };
            self.called.insert(name);
            self.depth += 1;
            self.arguments = None;
            self.conditional(|tracer| tracer.body(&body));
            self.depth -= 1;
        }
    }

    pub(super) fn define(&mut self, function: &ast::FunctionDefinition) {
        const KNOWN: [&str; 24] = [
            "cd", "pushd", "popd", "exit", "set", "trap", "return", "export", "unset", "shift", "local",
            "declare", "readonly", "typeset", "read", "eval", "source", ".", "command", "builtin", "alias",
            "exec", "let", "getopts",
        ];
        let name = function.fname.value.clone();
        if KNOWN.contains(&name.as_str()) {
            let doubts = vec![format!("a function takes the place of {}", quoted(&name))];
            self.note(doubts, Join::Then);
        }
        if self.conditions > 0 || self.functions.contains_key(&name) {
            self.doubtful.insert(name.clone());
        }
        self.called.remove(&name);
        self.functions.insert(name, Rc::new(function.body.clone()));
    }

    pub(super) fn body(&mut self, body: &ast::FunctionBody) {
        if self.depth >= MAX_DEPTH {
            self.too_complex = true;
            return;
        }
        let fed = self.fed.clone();
        if let Some(redirects) = &body.1 {
            self.connected(redirects, Join::Then);
        }
        self.compound(&body.0, Join::Then);
        self.fed = fed;
    }

    pub(super) fn call(&mut self, name: &str, body: &Rc<ast::FunctionBody>, command: Command) {
        self.called.insert(name.to_owned());
        if self.doubtful.contains(name) {
            self.doubts.push(format!("{} may be a function or not", quoted(name)));
        }
        if self.depth >= MAX_DEPTH {
            self.too_complex = true;
            return;
        }
        let arguments = command.words[1..].to_vec();
        // Its name is what a rule may speak of; what it does follows.
        // A name that a command has too may be either, by the time.
        let known = !matches!(read(&command.words), Effect::Guessed(Act::UnknownCommand, _));
        self.push(Command {
            wraps: !known,
            redirects: Vec::new(),
            fed: Vec::new(),
            variables: Vec::new(),
            ..command.clone()
        });
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
        let piped = std::mem::replace(&mut self.piped, command.input);
        self.depth += 1;
        self.locals.push(Vec::new());
        // It may return before its end.
        self.conditional(|tracer| tracer.body(body));
        for (name, value) in self.locals.pop().into_iter().flatten().rev() {
            match value {
                Some(value) => self.assign(&name, value),
                None => drop(self.variables.remove(&name)),
            }
        }
        self.depth -= 1;
        self.arguments = before;
        (self.fed, self.piped) = (fed, piped);
    }
}
