use super::{
    git::without_options,
    known,
    reader::Reader,
    script::{Kind, Word},
    special::special,
    walk::program,
};
use crate::{
    path::{Access, names_secret},
    preset::Act,
};

/// A command whose options are known.
#[derive(Debug)]
pub(super) struct Spec {
    /// Its first words.
    pub(super) name: &'static str,
    pub(super) act: Act,
    pub(super) operands: Operands,
    pub(super) options: Options,
}

/// What the words that aren't options are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    /// There may be none.
    None,
    /// Words that name no file.
    Text,
    /// Words that name no file, for a program that some shells let calculate: `a[$(ls)]` would run something.
    Inert,
    /// Numbers, for the same reason.
    Number,
    /// A format that starts with `+`.
    Format,
    /// Files that are read.
    Read,
    /// At most one file that is read: a second one would be written.
    ReadOne,
    /// Files that are read, and never something to be fetched.
    Local,
    Write,
    Delete,
    /// Files that are read, and last the place they are copied to.
    Copy,
    /// Files that vanish, and last the place they are moved to.
    Move,
    /// A pattern, then files that are read.
    Pattern,
    /// A jq filter, then files that are read.
    Filter,
    /// A sed script that only prints lines by number, then files that are read.
    SedPrint,
    /// A file mode, then files that are changed.
    Mode,
    /// Names of targets of a makefile, none of which sounds as if it reached outside.
    Targets,
    /// The name of a script, which doesn't sound so either, then files that are read.
    Script,
    /// Some of these words.
    Only(&'static [&'static str]),
    /// The name of one git remote.
    Remote,
    /// A revision or files that git puts back; before `--` only a revision.
    Checkout,
    /// Files that git puts back.
    Restore,
    /// Files whose changes git puts aside.
    Stash,
}

impl Operands {
    /// Whether the operand at this place may be anything, or is judged where it is used.
    pub(super) fn takes_unknown(self, at: usize) -> bool {
        let names_nothing = match self {
            Self::Text | Self::Number | Self::Pattern => true,
            Self::Inert => at > 0,
            _ => false,
        };
        names_nothing || self.is_path(at)
    }

    /// Whether the operand at this place is judged as a path, with whatever a wildcard in it matches.
    pub(super) fn is_path(self, at: usize) -> bool {
        match self {
            Self::Read
            | Self::ReadOne
            | Self::Local
            | Self::Write
            | Self::Delete
            | Self::Copy
            | Self::Move
            | Self::Stash => true,
            Self::Pattern | Self::Filter | Self::SedPrint | Self::Mode | Self::Script => at > 0,
            Self::None
            | Self::Text
            | Self::Inert
            | Self::Number
            | Self::Format
            | Self::Targets
            | Self::Only(_)
            | Self::Remote
            | Self::Checkout
            | Self::Restore => false,
        }
    }

    /// Whether the operands are read at most.
    pub(super) fn reads(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Inert
                | Self::Read
                | Self::ReadOne
                | Self::Local
                | Self::Pattern
                | Self::SedPrint
        )
    }

    /// Whether the operands may be files that another command finds.
    pub(super) fn takes_found(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Read
                | Self::Local
                | Self::Write
                | Self::Delete
                | Self::Pattern
                | Self::Mode
                | Self::SedPrint
        )
    }
}

/// The options of a command. An entry is the option, and what follows it: nothing, `=` a text, `<` a file that is
/// read, `>` a file that is written, `?` a number that may touch it, `+` a number that must follow, `:` a text that only
/// counts when it touches it, `*` a pattern for names of files; `^` stands for whatever else its name may go on with, and `!`
/// after an option refuses it. `-#` is a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Options {
    /// Any but those that start with one of the refused ones; the second list has those that take a value.
    Except(&'static [&'static str], &'static [&'static str]),
    /// These, where letters may be run together.
    Only(&'static [&'static str]),
    /// These, with one dash and whole words, as `find` and `go` have them.
    Words(&'static [&'static str]),
}

/// Parts of the names of targets and scripts that reach beyond the workspace.
const REACHING: &[&str] = &["install", "deploy", "publish", "release", "push", "upload", "login"];
/// Words of such names.
const REACHING_WORDS: &[&str] = &[
    "drop",
    "destroy",
    "nuke",
    "wipe",
    "delete",
    "prod",
    "production",
    "terraform",
    "k8s",
    "kubectl",
    "kube",
    "helm",
];
/// What is done to a database.
const TO_DATABASES: &[&str] = &["reset", "purge", "clean", "clear", "restore", "truncate"];

/// What in the name of a target or a script reaches beyond the workspace.
pub(super) fn reaching(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let words = || name.split(['-', '_', ':', '.', '/']);
    let of_databases = || words().any(|word| ["db", "database"].contains(&word));
    let among = |list: &'static [&'static str]| list.iter().find(|known| words().any(|word| word == **known));
    let found = REACHING.iter().find(|part| name.contains(**part)).or_else(|| among(REACHING_WORDS));
    found.or_else(|| among(TO_DATABASES).filter(|_| of_databases())).copied()
}

/// What a command that was understood does.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) act: Act,
    /// The files it names.
    pub(crate) paths: Vec<(Access, Word)>,
    /// What it takes with everything in it, where that isn't told by the access itself.
    pub(crate) whole: Vec<(Access, Word)>,
    /// What it moves, or copies with everything in it.
    pub(crate) moved: Option<Box<Moved>>,
    /// The directory it changes into before anything else.
    pub(crate) directory: Option<Word>,
}

impl Use {
    /// With the files that patterns stand for in the place of names that aren't known.
    pub(super) fn meant(mut self) -> Self {
        let unknown = |word: &Word| !word.known && word.pattern.is_some();
        for (_, word) in self.paths.iter_mut().chain(&mut self.whole).filter(|(_, word)| unknown(word)) {
            *word = std::mem::take(word).meant();
        }
        if let Some(moved) = &mut self.moved {
            for word in moved.from.iter_mut().chain([&mut moved.to]).filter(|word| unknown(word)) {
                *word = std::mem::take(word).meant();
            }
        }
        self
    }
}

/// Files and directories that come to be at another place as they are.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) from: Vec<Word>,
    pub(crate) to: Word,
    /// Whether they come to be in the place of `to` even if that is a directory.
    pub(crate) exactly: bool,
}

impl Moved {
    /// Wherever one of them may come to be.
    pub(crate) fn places(&self) -> impl Iterator<Item = Word> {
        self.inside().chain([self.to.clone()])
    }

    /// Where each of them would lie in the directory `to`; `to` itself for one without a name of its own.
    pub(crate) fn inside(&self) -> impl Iterator<Item = Word> {
        self.from.iter().map(|word| inside(&self.to, word).unwrap_or_else(|| self.to.clone()))
    }
}

/// What is known about a command.
#[derive(Debug)]
pub(crate) enum Effect {
    /// What it does is known.
    Known(Use),
    /// Only what kind of command it is, and why no more.
    Guessed(Act, String),
}

/// Reads a command by the table of known ones.
pub(crate) fn read(words: &[Word]) -> Effect {
    let plain;
    let mut words = words;
    if program(words) != words.first().map_or("", |word| word.text.as_str()) {
        let first = Word::literal(program(words));
        plain = std::iter::once(first).chain(words[1..].iter().cloned()).collect::<Vec<_>>();
        words = &plain;
    }
    special(words).unwrap_or_else(|| by_table(words))
}

/// Reads a command by the table alone.
pub(super) fn by_table(words: &[Word]) -> Effect {
    let (directory, words) = match without_options(words) {
        Ok(found) => found,
        Err(option) => {
            return Effect::Guessed(
                Act::History,
                format!("git's option `{option}` isn't known to be harmless"),
            );
        }
    };
    let words: &[Word] = &words;
    let Some(spec) = known::spec(words) else {
        let name = words.first().map_or("", |word| word.text.as_str());
        return known::by_name(words).map_or_else(
            || Effect::Guessed(Act::UnknownCommand, format!("the command `{name}` isn't known")),
            |(name, act)| {
                // What reaches out is known; what an option does isn't.
                let act =
                    if act == Act::Network && !reaches_plainly(words) { Act::UnknownOption } else { act };
                Effect::Guessed(act, format!("`{name}`: {}", act.row().what))
            },
        );
    };
    let mut reader = Reader::new(spec, words.iter().any(|word| word.text == "--no-dereference"));
    match reader.read(&words[spec.name.split(' ').count()..]) {
        Ok(()) => {
            let mut paths = std::mem::take(&mut reader.paths);
            // What git calls a commit is no file, whatever it is called.
            let revisions = spec.name.starts_with("git ") && spec.name != "git diff --no-index";
            if revisions && spec.act == Act::Inspect && spec.operands == Operands::Read {
                for (_, word) in
                    paths.iter_mut().filter(|(_, word)| !word.known && word.kind <= Kind::Revision)
                {
                    (word.known, word.pattern) = (true, None);
                }
            }
            // git takes a pattern for paths that is quoted for one as well.
            let spelled = |word: &Word| {
                let name = word.text.rsplit('/').next().unwrap_or_default();
                let wild = |text: &str| text.contains(['*', '?', '[']);
                word.known && wild(name) && (names_secret(name) || name.starts_with('.'))
            };
            if let Some((_, word)) =
                paths.iter().find(|(_, word)| spec.name.starts_with("git ") && spelled(word))
            {
                return Effect::Guessed(
                    Act::UnknownOption,
                    format!("`{}`: the pattern `{}` may match protected files", spec.name, word.text),
                );
            }
            // `HEAD:.env` names a file too.
            let in_revisions: Vec<_> = paths
                .iter()
                .filter(|_| spec.name.starts_with("git "))
                .flat_map(|(access, word)| {
                    // `-L1,9:file` and `-L:name:file` too.
                    let parts = [word.text.split_once(':'), word.text.rsplit_once(':')];
                    parts.into_iter().flatten().map(|(_, file)| (*access, Word::literal(file)))
                })
                .filter(|(_, word)| !word.text.is_empty())
                .collect();
            paths.extend(in_revisions);
            let Reader { whole, moved, .. } = reader;
            Effect::Known(Use { act: spec.act, paths, whole, moved, directory })
        }
        Err(problem) => {
            let act = known::by_name(words).map_or(Act::UnknownOption, |(_, act)| act);
            // What reaches out is known; what an option does isn't.
            let act = if act == Act::Network { Act::UnknownOption } else { act };
            Effect::Guessed(act, format!("`{}`: {problem}", spec.name))
        }
    }
}

/// Whether a command that reaches other machines is given only options that say what is fetched and how it is told.
fn reaches_plainly(words: &[Word]) -> bool {
    const OPTIONS: &[&str] = &[
        "-s",
        "-S",
        "-L",
        "-f",
        "-i",
        "-I",
        "-v",
        "-q",
        "-o",
        "-O",
        "-X",
        "-H",
        "-d",
        "-A",
        "-m",
        "-P",
        "-b",
        "-c",
        "-4",
        "-6",
        "-sL",
        "-fsSL",
        "-sS",
        "-sSL",
        "-fsS",
        "-sf",
        "-LO",
        "-qO-",
        "-sSf",
        "--silent",
        "--fail",
        "--location",
        "--head",
        "--output",
        "--request",
        "--header",
        "--data",
        "--data-raw",
        "--data-binary",
        "--json",
        "--form",
        "-F",
        "-T",
        "--upload-file",
        "--depth",
        "--branch",
        "--recursive",
        "--single-branch",
        "--tags",
        "--all",
        "--prune",
        "--rebase",
        "--ff-only",
        "--quiet",
        "--verbose",
        "--heads",
        "--init",
        "--remote",
        "--spider",
        "-zv",
        "-z",
        "-w",
        "--progress",
        "--shallow-since",
        "--unshallow",
        "--bare",
        "--mirror",
        "-p",
        "-u",
        "--user",
        "-k",
    ];
    let plain = |word: &Word| {
        !word.text.starts_with('-') || OPTIONS.contains(&word.text.split('=').next().unwrap_or_default())
    };
    // curl's writes a file.
    let counts =
        |word: &Word| (word.text != "-c" || words[0].text != "curl") && !word.text.contains("%output");
    words[1..].iter().all(|word| plain(word) && counts(word) && !word.text.contains("::"))
        && !words.iter().any(|word| word.text == "foreach")
}

/// Where a file of this name would lie in the directory.
pub(super) fn inside(directory: &Word, file: &Word) -> Option<Word> {
    let name = file.text.trim_end_matches('/').rsplit('/').next().filter(|name| !name.starts_with(".."))?;
    let text = format!("{}/{name}", directory.text.trim_end_matches('/'));
    Some(Word { text, glob: file.glob || directory.glob, ..directory.clone() })
}
