//! What a part of a script sets, without going through it.

use brush_parser::ast;

/// What is found in the body of a loop before it is gone through.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The variables it sets, and whether only to numbers.
    pub(super) names: Vec<(String, bool)>,
    /// The programs it names.
    pub(super) programs: Vec<String>,
    /// Whether it changes the directory.
    pub(super) moves: bool,
    /// Whether it may set anything.
    pub(super) anything: bool,
}

/// Builtins that set the variables their words name.
const SETTING: &[&str] = &[
    "read",
    "mapfile",
    "readarray",
    "getopts",
    "declare",
    "local",
    "export",
    "readonly",
    "typeset",
    "printf",
    "let",
    "unset",
];

impl Scan {
    pub(super) fn list(&mut self, list: &ast::CompoundList) {
        for ast::CompoundListItem(and_or, _) in &list.0 {
            self.pipeline(&and_or.first);
            for next in &and_or.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = next;
                self.pipeline(pipeline);
            }
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) {
        for command in &pipeline.seq {
            match command {
                ast::Command::Simple(simple) => self.simple(simple),
                ast::Command::Compound(compound, _) => self.compound(compound),
                ast::Command::Function(function) => self.compound(&function.body.0),
                ast::Command::ExtendedTest(..) => {}
            }
        }
    }

    fn compound(&mut self, command: &ast::CompoundCommand) {
        match command {
            ast::CompoundCommand::Arithmetic(calculation) => self.calculation(&calculation.expr.value),
            ast::CompoundCommand::ArithmeticForClause(clause) => {
                for part in [&clause.initializer, &clause.condition, &clause.updater].into_iter().flatten() {
                    self.calculation(&part.value);
                }
                self.list(&clause.body.list);
            }
            ast::CompoundCommand::BraceGroup(group) => self.list(&group.list),
            ast::CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            ast::CompoundCommand::ForClause(clause) => {
                self.names.push((clause.variable_name.clone(), false));
                self.list(&clause.body.list);
            }
            ast::CompoundCommand::CaseClause(clause) => {
                clause.cases.iter().filter_map(|case| case.cmd.as_ref()).for_each(|list| self.list(list));
            }
            ast::CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for part in clause.elses.iter().flatten() {
                    part.condition.iter().for_each(|condition| self.list(condition));
                    self.list(&part.body);
                }
            }
            ast::CompoundCommand::WhileClause(clause) | ast::CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
            ast::CompoundCommand::Coprocess(coprocess) => {
                if let ast::Command::Compound(compound, _) = &*coprocess.body {
                    self.compound(compound);
                }
            }
        }
    }

    fn simple(&mut self, command: &ast::SimpleCommand) {
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        // What is set for the one that reads a line doesn't stay.
        let reads = command.word_or_name.as_ref().is_some_and(|word| word.value == "read");
        for (before, item) in prefix.map(|item| (true, item)).chain(suffix.clone().map(|item| (false, item)))
        {
            match item {
                ast::CommandPrefixOrSuffixItem::AssignmentWord(_, word) if before && reads => {
                    self.default(&word.value);
                }
                ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => self.assignment(assignment),
                ast::CommandPrefixOrSuffixItem::Word(word) => self.default(&word.value),
                _ => {}
            }
        }
        let Some(program) = &command.word_or_name else { return };
        let program = program.value.as_str();
        match program {
            "cd" | "pushd" | "popd" => self.moves = true,
            "eval" | "source" | "." | "set" | "shift" | "trap" => self.anything = true,
            "command" | "builtin" => {
                let words = suffix.filter_map(|item| match item {
                    ast::CommandPrefixOrSuffixItem::Word(word) => Some(word.value.as_str()),
                    _ => None,
                });
                let words: Vec<&str> = words.collect();
                self.moves |= words.contains(&"cd");
                self.anything |= words.iter().any(|word| ["eval", "read", "."].contains(word));
            }
            program if SETTING.contains(&program) => {
                let mut taken = false;
                for item in suffix {
                    if let ast::CommandPrefixOrSuffixItem::Word(word) = item {
                        // What `read -d` takes is no name.
                        let delimits =
                            program == "read" && ["-d", "-rd", "-p"].contains(&word.value.as_str());
                        if std::mem::replace(&mut taken, delimits) && !word.value.contains(['$', '`']) {
                            continue;
                        }
                        // Which name that is shows only when it is filled in.
                        self.anything |=
                            word.value.contains(['"', '\'', '$', '`', '\\']) && program != "printf";
                        let name: String = word
                            .value
                            .chars()
                            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                            .collect();
                        if !name.is_empty() {
                            self.names.push((name, false));
                        }
                    }
                }
            }
            // What it names isn't known here.
            program if program.contains(['$', '`', '\'', '"', '\\']) => {
                self.moves = true;
                self.anything = true;
            }
            _ => {}
        }
        self.programs.push(program.to_owned());
    }

    fn assignment(&mut self, assignment: &ast::Assignment) {
        let (ast::AssignmentName::VariableName(name) | ast::AssignmentName::ArrayElementName(name, _)) =
            &assignment.name;
        let number = match &assignment.value {
            ast::AssignmentValue::Scalar(word) => {
                let value = word.value.trim_matches('"');
                self.default(value);
                super::is_digits(value)
                    || (value.starts_with("$((") && value.ends_with("))") && value.matches("$(").count() == 1)
            }
            ast::AssignmentValue::Array(_) => false,
        };
        self.names.push((name.clone(), number));
    }

    /// `${name:=value}` sets the variable.
    fn default(&mut self, word: &str) {
        for (at, _) in word.match_indices("${") {
            let name: String =
                word[at + 2..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let rest = &word[at + 2 + name.len()..];
            if !name.is_empty() && (rest.starts_with('=') || rest.starts_with(":=")) {
                self.names.push((name, false));
            }
        }
    }

    fn calculation(&mut self, text: &str) {
        super::arithmetic::names(text).for_each(|name| self.names.push((name.to_owned(), true)));
    }
}
