//! Where shells end: by the failure of a command, so that what follows runs only where it went well; and what runs then.

use brush_parser::ast;

use super::{
    super::script::{Command, Join, Word},
    Tracer,
};

/// What runs when a shell ends.
#[derive(Debug)]
pub(super) struct Trap {
    pub(super) text: String,
    /// How many variables had been set when it was.
    pub(super) set: usize,
}

impl Tracer {
    /// What traps run when this shell ends, wherever it is by then.
    pub(super) fn at_the_end(&mut self) {
        for Trap { text, set } in std::mem::take(&mut self.traps) {
            // The shell may end anywhere from where it is set.
            self.unsettle(set.min(self.set.len()));
            let late = std::mem::replace(&mut self.late, true);
            let result = self.script(&text, Join::Then);
            self.unparsed(result, &text);
            self.late = late;
        }
    }

    /// Whether the shell ends where the first command of the list fails: `cd x || exit`, or after `set -e`.
    pub(super) fn must_succeed(&self, list: &ast::AndOrList) -> bool {
        let moves = |name: &str| ["cd", "pushd"].contains(&name) && !self.functions.contains_key(name);
        if list.first.bang || !simple(&list.first).is_some_and(moves) {
            return false;
        }
        match list.additional.as_slice() {
            [] => {
                self.errexit == Some(self.scope)
                    && self.tested == 0
                    && self.conditions == 0
                    && self.branches == 0
            }
            [ast::AndOr::Or(otherwise)] => !otherwise.bang && self.exits(otherwise),
            _ => false,
        }
    }

    /// Whether the success of the pipeline is that of one command that the shell knows by its name.
    pub(super) fn tells(&self, pipeline: &ast::Pipeline) -> bool {
        let [ast::Command::Simple(simple)] = pipeline.seq.as_slice() else { return false };
        let name = simple.word_or_name.as_ref().map(|name| name.value.as_str());
        !pipeline.bang
            && name.is_some_and(|name| {
                !["eval", "source", ".", "command", "builtin", "trap"].contains(&name)
                    && !self.functions.contains_key(name)
                    && !name.contains(['$', '`'])
            })
    }

    /// Whether the shell is sure to end with the pipeline.
    fn exits(&self, pipeline: &ast::Pipeline) -> bool {
        let own = |name: &str| self.functions.contains_key(name);
        if let Some(name) = simple(pipeline) {
            return name == "exit" && !own("exit") && ends_plainly(pipeline);
        }
        let [ast::Command::Compound(ast::CompoundCommand::BraceGroup(group), None)] = pipeline.seq.as_slice()
        else {
            return false;
        };
        let says = |ast::CompoundListItem(and_or, separator): &ast::CompoundListItem| {
            let name = simple(&and_or.first).filter(|_| and_or.additional.is_empty() && !and_or.first.bang);
            matches!(separator, ast::SeparatorOperator::Sequence)
                && name.is_some_and(|name| ["echo", "printf", "exit"].contains(&name) && !own(name))
        };
        let last = group.list.0.last().map(|ast::CompoundListItem(and_or, _)| &and_or.first);
        let exits = |last: &ast::Pipeline| simple(last) == Some("exit") && ends_plainly(last);
        last.is_some_and(exits) && group.list.0.iter().all(says)
    }

    /// `set -e`, and what may take it back.
    pub(super) fn ends(&mut self, command: &Command, by_shell: bool) {
        let Some((name, words)) = command.words.split_first() else { return };
        match name.text.as_str() {
            "set" => {
                let options = options(words);
                let letter = |sign: char| {
                    options
                        .iter()
                        .any(|word| word.text.strip_prefix(sign).is_some_and(|letters| letters.contains('e')))
                };
                let named = |sign: char| {
                    options.windows(2).any(|pair| {
                        pair[0].text.starts_with(sign) && takes_name(&pair[0]) && pair[1].text == "errexit"
                    })
                };
                let plain = words.iter().all(|word| word.known && !word.glob);
                let certain = by_shell
                    && self.tested == 0
                    && self.conditions == 0
                    && self.branches == 0
                    && plain
                    && command.redirects.is_empty();
                if letter('+') || named('+') || !plain {
                    self.errexit = None;
                } else if certain && (letter('-') || named('-')) {
                    self.errexit = Some(self.scope);
                }
            }
            "source" | "." | "eval" => self.errexit = None,
            _ => {}
        }
    }
}

/// Whether a command has no words but a number, and is connected to nothing.
fn ends_plainly(pipeline: &ast::Pipeline) -> bool {
    let [ast::Command::Simple(simple)] = pipeline.seq.as_slice() else { return false };
    let words: Vec<_> = simple.suffix.iter().flat_map(|suffix| &suffix.0).collect();
    match words.as_slice() {
        [] => true,
        [ast::CommandPrefixOrSuffixItem::Word(word)] => {
            word.value == "$?" || word.value.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// The name of the one command that a pipeline is, where it is a plain word that nothing stands before.
fn simple(pipeline: &ast::Pipeline) -> Option<&str> {
    let [ast::Command::Simple(simple)] = pipeline.seq.as_slice() else { return None };
    let name = simple.word_or_name.as_ref().filter(|_| simple.prefix.is_none())?;
    Some(name.value.as_str())
}

/// The words of `set` that are options, with the names that some take.
fn options(words: &[Word]) -> &[Word] {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if !word.text.starts_with(['-', '+']) || ["-", "--"].contains(&word.text.as_str()) {
            break;
        }
        at += if takes_name(word) { 2 } else { 1 };
    }
    &words[..at.min(words.len())]
}

fn takes_name(option: &Word) -> bool {
    option.text.ends_with('o') && !option.text.starts_with("--")
}

/// Whether a command of the script may change the directory, however its name is quoted.
pub(super) fn may_move(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !matches!(c, '\'' | '"' | '\\' | '\n')).collect();
    ["cd", "pushd", "popd"].iter().any(|name| text.contains(name) || bare.contains(name))
}
