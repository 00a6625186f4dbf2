//! What a script comes down to: the commands that it might run.

use std::{borrow::Cow, rc::Rc};

use crate::{
    path::{is_environment, names_secret},
    preset::Act,
    text::shown,
};

/// The commands of a script, in the order in which they would run.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) commands: Vec<Command>,
    /// For each scope the one it lies in; the first is the script's own. A scope is a shell that other shells don't follow
    /// when it changes its directory.
    pub(crate) scopes: Vec<usize>,
    /// What keeps the commands from being all there is, in words a person understands.
    pub(crate) problem: Option<String>,
    /// Whether it is too much to judge.
    pub(crate) too_complex: bool,
    /// Texts the shell would run on the way, where the script was only skimmed: substitutions.
    pub(crate) nested: Vec<String>,
}

/// How a command follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Join {
    /// First, or after `;`, a newline, `||` or something not understood.
    #[default]
    Then,
    /// After `&&`.
    And,
    /// After `|`.
    Pipe,
}

/// One command: its words and the files it is connected to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    pub(crate) join: Join,
    pub(crate) words: Vec<Word>,
    /// Files read (`<`) and written (`>`).
    pub(crate) redirects: Vec<(bool, Word)>,
    /// The command whose output it reads.
    pub(crate) input: Option<usize>,
    /// The text of here-documents it is fed.
    pub(crate) fed: Vec<String>,
    /// Variables set for it, or by it.
    pub(crate) variables: Vec<(String, Word)>,
    pub(crate) scope: usize,
    /// Commands of one group may run at the same time, or in turn.
    pub(crate) group: usize,
    /// Whether it may be skipped while what follows it runs.
    pub(crate) branch: bool,
    /// Whether its shell ends where it fails.
    pub(crate) must: bool,
    /// Whether it runs when its shell ends, wherever that is by then.
    pub(crate) late: bool,
    /// Whether its errors are among what it prints.
    pub(crate) merges: bool,
    /// Whether it may follow something else than the command before it.
    pub(crate) loose: bool,
    /// Whether its output or input goes elsewhere.
    pub(crate) connected: bool,
    /// Whether the directory it runs in can't be told.
    pub(crate) lost: bool,
    /// The command that runs this one, where that one is understood.
    pub(crate) inside: Option<usize>,
    /// Whether it is understood as one that runs others, which follow.
    pub(crate) wraps: bool,
    /// Whether what it runs can't be told from its words.
    pub(crate) opaque: bool,
    /// What else it does.
    pub(crate) acts: Vec<(Act, String)>,
    /// What in it isn't literal.
    pub(crate) doubts: Vec<String>,
}

/// One word after quotes are taken off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Whether the text is all there is: nothing in it is filled in by the shell.
    pub(crate) known: bool,
    /// How much of the text stands before the first thing that isn't known.
    pub(crate) firm: Option<usize>,
    /// Whether it holds an unquoted wildcard.
    pub(crate) glob: bool,
    /// Whether it stands for one of the names that its wildcards match, instead of for all of them.
    pub(crate) one: bool,
    /// Whether it starts with an unquoted `~` that stands for the home directory.
    pub(crate) tilde: bool,
    /// Whether the output of another command is filled in.
    pub(crate) substituted: bool,
    /// Whether any part was quoted.
    pub(crate) quoted: bool,
    /// Whether what is filled in may make several words of it, or none.
    pub(crate) splits: bool,
    /// What is known of what is filled in, where the text isn't all there is. A sign stands for it in the text.
    pub(crate) kind: Kind,
    /// The word as a pattern, where all that isn't known of it are numbers and names.
    pub(crate) pattern: Option<Rc<str>>,
    /// Whether it starts with what `git rev-parse --show-toplevel` prints, in place of its text up to the first `)`.
    pub(crate) root: bool,
    /// Whether it starts with the directory that the shell was in, in place of its text's `.`.
    pub(crate) here: bool,
    /// Files that lie below the directory that the text names, instead of that directory.
    pub(crate) below: Option<Below>,
    /// Whether the names of these files are taken apart at their blanks, so that each may be several words.
    pub(crate) parted: bool,
    /// Where the files lie of which this is one, in a word that isn't known but for that: what another command finds.
    pub(crate) found: Option<Rc<[Self]>>,
}

/// What kind of text something is that isn't known, from what most is known of to the least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Digits.
    Number,
    /// Letters, digits, `_`, `.` and `-`, of which the first two begin it; or nothing.
    Name,
    /// What git calls a commit: a hash, or the name of a branch or a tag.
    Revision,
    /// Anything.
    #[default]
    Any,
}

/// Which of the files below a directory are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Below {
    /// Any, the directory itself among them.
    All,
    /// Those whose names fit one of the patterns.
    Named(Vec<String>),
    /// Some, by conditions that say nothing of names.
    Some,
}

impl Word {
    pub(crate) fn literal(text: &str) -> Self {
        Self { text: text.to_owned(), known: true, ..Self::default() }
    }

    /// Whether it is digits, known or not.
    pub(crate) fn is_number(&self) -> bool {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        let known = self.known || self.kind == Kind::Number;
        known && !self.glob && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether all that isn't known of it is of this kind, or more is known of it.
    pub(crate) fn is_of(&self, kind: Kind) -> bool {
        self.known || self.kind <= kind
    }

    /// Of what kind it is as a value of a variable that may hold another one too.
    pub(crate) fn value_kind(&self) -> Kind {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        // One that spells out a key or its kin says too much to be any name.
        let secret = || names_secret(&self.text) || is_environment(&self.text.to_lowercase());
        let name = self.text.chars().all(plain) && !self.text.starts_with(['.', '-', '_']) && !secret();
        match self.known {
            _ if self.is_number() => Kind::Number,
            _ if self.glob || self.tilde || self.here || self.root || self.below.is_some() => Kind::Any,
            true if name => Kind::Name,
            true => Kind::Any,
            // Between names a dash or a dot is one of a name.
            false if self.kind <= Kind::Name && name => Kind::Name,
            false => {
                if self.kind == Kind::Revision && self.text == "0" {
                    Kind::Revision
                } else {
                    Kind::Any
                }
            }
        }
    }

    /// The word as a pattern for what it may come to.
    pub(crate) fn as_pattern(&self) -> Option<&str> {
        if self.known {
            Some(self.text.as_str()).filter(|text| self.glob || !text.contains(['*', '?', '[', '\\']))
        } else {
            self.pattern.as_deref()
        }
    }

    /// The word as one of the files that its pattern stands for, where that is all that is known of it.
    pub(crate) fn meant(self) -> Self {
        match self.pattern.as_deref() {
            Some(pattern) if !self.known && is_path_pattern(pattern) => {
                Self { text: pattern.to_owned(), known: true, glob: true, one: true, pattern: None, ..self }
            }
            _ => self,
        }
    }

    /// The word with a sign for what isn't known of it.
    fn shown(&self) -> Cow<'_, str> {
        if self.substituted && self.text == "-" {
            Cow::from("/dev/fd/…")
        } else if self.below.is_some() {
            Cow::from(format!("{}/…", self.text.trim_end_matches('/')))
        } else if self.known {
            Cow::from(&self.text)
        } else {
            Cow::from(format!("{}…", self.text))
        }
    }
}

/// Whether a pattern leads nowhere else where its names are empty.
fn is_path_pattern(pattern: &str) -> bool {
    let dots = |part: &str| part.contains('*') && matches!(part.replace('*', "").as_str(), "." | "..");
    let leads = pattern
        .split_once('/')
        .is_some_and(|(first, _)| !first.is_empty() && first.bytes().all(|b| b == b'*'));
    !leads && !pattern.split('/').any(dots)
}

impl Command {
    /// The command as one line, for showing.
    pub(crate) fn shown(&self) -> String {
        shown(&self.words.iter().map(Word::shown).collect::<Vec<_>>().join(" ")).to_string()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirects.is_empty()
    }
}
