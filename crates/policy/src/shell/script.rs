//! What a script comes down to: the commands that it might run.

use std::{borrow::Cow, rc::Rc};

use crate::{preset::Act, text::shown};

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
    /// The text of here-documents it is fed.
    pub(crate) fed: Vec<String>,
    /// Variables set for it, or by it.
    pub(crate) variables: Vec<(String, Word)>,
    pub(crate) scope: usize,
    /// Commands of one group may run at the same time, or in turn.
    pub(crate) group: usize,
    /// Whether it may be skipped while what follows it runs.
    pub(crate) branch: bool,
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
    /// Whether it holds an unquoted wildcard.
    pub(crate) glob: bool,
    /// Whether it starts with an unquoted `~` that stands for the home directory.
    pub(crate) tilde: bool,
    /// Whether the output of another command is filled in.
    pub(crate) substituted: bool,
    /// Whether any part was quoted.
    pub(crate) quoted: bool,
    /// Whether what is filled in may make several words of it, or none.
    pub(crate) splits: bool,
    /// Whether what is filled in is a number.
    pub(crate) number: bool,
    /// Whether it starts with what `git rev-parse --show-toplevel` prints, in place of its text up to the first `)`.
    pub(crate) root: bool,
    /// Whether it starts with the directory that the shell was in, in place of its text's `.`.
    pub(crate) here: bool,
    /// Files that lie below the directory that the text names, instead of that directory.
    pub(crate) below: Option<Below>,
    /// Where the files lie of which this is one, in a word that isn't known but for that: what another command finds.
    pub(crate) found: Option<Rc<[Self]>>,
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
}

impl Word {
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

impl Command {
    /// The command as one line, for showing.
    pub(crate) fn shown(&self) -> String {
        shown(&self.words.iter().map(Word::shown).collect::<Vec<_>>().join(" ")).to_string()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirects.is_empty()
    }
}
