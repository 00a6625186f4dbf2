use super::{git::without_options, known, script::Word, special::special, walk::program};
use crate::{
    path::{Access, could_reach_protected},
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
    fn takes_unknown(self, at: usize) -> bool {
        match self {
            Self::Text | Self::Read | Self::Local | Self::Write | Self::Delete | Self::Copy | Self::Move => {
                true
            }
            Self::ReadOne | Self::Pattern | Self::Number | Self::Stash => true,
            Self::Inert | Self::Filter | Self::SedPrint | Self::Mode | Self::Script => at > 0,
            Self::None
            | Self::Format
            | Self::Targets
            | Self::Only(_)
            | Self::Remote
            | Self::Checkout
            | Self::Restore => false,
        }
    }

    /// Whether the operands may be files that another command finds.
    fn takes_found(self) -> bool {
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
/// counts when it touches it, `*` a pattern for names of files; `!` after an option refuses it. `-#` is a number.
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
pub(super) const REACHING: &[&str] = &["install", "deploy", "publish", "release", "push", "upload", "login"];

/// What an entry of [`Options`] may end in.
const VALUES: [char; 8] = ['=', '<', '>', '?', '+', ':', '*', '!'];

/// What a command that was understood does.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) act: Act,
    /// The files it names.
    pub(crate) paths: Vec<(Access, Word)>,
    /// What it takes with everything in it, where that isn't told by the access itself.
    pub(crate) whole: Vec<(Access, Word)>,
    /// What it moves, or copies with everything in it.
    pub(crate) moved: Option<Moved>,
    /// The directory it changes into before anything else.
    pub(crate) directory: Option<Word>,
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
    let mut reader = Reader {
        paths: Vec::new(),
        operands: Vec::new(),
        before_dashes: None,
        whole: Vec::new(),
        moved: None,
        keeps_links: words.iter().any(|word| word.text == "--no-dereference"),
        seen: Vec::new(),
        spec,
    };
    match reader.read(&words[spec.name.split(' ').count()..]) {
        Ok(()) => {
            let mut paths = std::mem::take(&mut reader.paths);
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

/// Whether a word that cargo hands on to a test, a linter or a formatter only picks, shows or counts.
fn is_of_tests(word: &Word, command: &str) -> bool {
    const OPTIONS: &[&str] = &[
        "--nocapture",
        "--no-capture",
        "--exact",
        "--test-threads",
        "--skip",
        "--ignored",
        "--include-ignored",
        "--list",
        "--quick",
        "--show-output",
        "--quiet",
        "-q",
        "--color",
        "--check",
        "-D",
        "-W",
        "-A",
        "-F",
        "--deny",
        "--warn",
        "--allow",
        "--no-deps",
    ];
    let text = word.text.as_str();
    let name = text.split('=').next().unwrap_or_default();
    let lint = ["-D", "-W", "-A", "-F"].iter().any(|option| text.starts_with(option));
    let picks = !text.starts_with('-') && command != "cargo fmt" && !text.contains(['/', '.']);
    word.known && !word.glob && !text.starts_with('@') && (OPTIONS.contains(&name) || lint || picks)
}

/// Whether git takes the text for the whole working tree, or for files that aren't written out.
fn is_everything(text: &str) -> bool {
    let mut depth = 0_i32;
    for part in text.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
    }
    let below = depth > 0 || text.starts_with('~') || text == "-";
    !below || text.starts_with(':') || text.contains(['*', '?', '['])
}

struct Reader<'a> {
    spec: &'a Spec,
    paths: Vec<(Access, Word)>,
    whole: Vec<(Access, Word)>,
    moved: Option<Moved>,
    operands: Vec<Word>,
    /// How many operands stand before `--`.
    before_dashes: Option<usize>,
    /// Whether an option keeps the program from following links.
    keeps_links: bool,
    /// The options that took a value.
    seen: Vec<&'static str>,
}

/// What follows an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Text,
    Read,
    Write,
    /// A number that may touch the option.
    Number,
    /// A number that touches the option or is the next word.
    Count,
    /// A text that touches the option: the next word is none of its business.
    Attached,
    /// A pattern for names of files.
    Names,
}

impl Reader<'_> {
    fn read(&mut self, words: &[Word]) -> Result<(), String> {
        let mut words = words.iter();
        let mut only_operands = false;
        let harmless_options = matches!(self.spec.options, Options::Except(&[], _));
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if !word.known && !only_operands && !harmless_options {
                let option = text.is_empty() || (text.starts_with('-') && !text.contains('='));
                if word.splits || (option && !word.number) {
                    return Err("a word that isn't literal may be an option".to_owned());
                }
            }
            if word.splits && self.spec.operands != Operands::Text {
                return Err("a word that isn't literal may be several words".to_owned());
            }
            if word.glob && !only_operands && !harmless_options && text.starts_with(['*', '?', '[']) {
                return Err(format!("the wildcard `{text}` may match a file whose name is an option"));
            }
            if only_operands || !text.starts_with('-') || text == "-" {
                self.operands.push(word.clone());
                // Its options come first.
                only_operands |= self.spec.operands == Operands::Inert;
            } else if text == "--" && self.spec.name.starts_with("cargo ") && self.spec.name != "cargo run" {
                let others: Vec<&Word> = words.collect();
                return match others.iter().find(|word| !is_of_tests(word, self.spec.name)) {
                    Some(word) => Err(format!("what `{}` means to the tool isn't known", word.text)),
                    None => self.place_operands(),
                };
            } else if text == "--" {
                only_operands = true;
                self.before_dashes = Some(self.operands.len());
            } else if word.glob
                && text.split('=').next().is_some_and(|name| name == text || name.contains(['*', '?', '[']))
            {
                return Err(format!("the option `{text}` holds a wildcard"));
            } else {
                self.option(text, word.known || word.number, &mut words)?;
            }
        }
        self.place_operands()
    }

    /// An option. `known`: whether its text is all there is.
    fn option<'w>(
        &mut self,
        text: &str,
        known: bool,
        rest: &mut impl Iterator<Item = &'w Word>,
    ) -> Result<(), String> {
        let whole = matches!(self.spec.options, Options::Words(_)) || text.starts_with("--");
        if whole {
            let (name, attached) =
                text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            return match self.lookup(name)? {
                Value::Attached => Ok(()),
                value if !known && value != Value::Text => {
                    Err(format!("what follows `{name}` isn't literal"))
                }
                Value::None | Value::Number => {
                    // An unknown option's value may well be a file.
                    if let Some(value) = attached {
                        self.paths.push((Access::Read, Word::literal(value)));
                    }
                    Ok(())
                }
                value => self.value(name, value, attached, rest),
            };
        }
        if text[1..].bytes().all(|byte| byte.is_ascii_digit()) {
            let taken = match self.spec.options {
                Options::Except(..) => true,
                Options::Only(list) | Options::Words(list) => list.contains(&"-#"),
            };
            return if taken {
                Ok(())
            } else {
                Err(format!("the option `{text}` isn't known to be harmless"))
            };
        }
        for (at, letter) in text.char_indices().skip(1) {
            let name = format!("-{letter}");
            let after = &text[at + letter.len_utf8()..];
            match self.lookup(&name)? {
                Value::None => {
                    // A letter that isn't in the table may take the rest as a file name.
                    if let Options::Except(..) = self.spec.options
                        && after.contains(['/', '.', '_', '~'])
                    {
                        self.paths.push((Access::Read, Word::literal(after)));
                    }
                }
                Value::Number => {
                    return if after.bytes().all(|byte| byte.is_ascii_digit()) {
                        Ok(())
                    } else {
                        Err(format!("the option `{text}` isn't known to be harmless"))
                    };
                }
                Value::Attached => return Ok(()),
                value => {
                    return self.value(&name, value, Some(after).filter(|after| !after.is_empty()), rest);
                }
            }
        }
        Ok(())
    }

    fn lookup(&mut self, name: &str) -> Result<Value, String> {
        let (list, refused) = match self.spec.options {
            Options::Except(refused, list) => (list, Some(refused)),
            Options::Only(list) | Options::Words(list) => (list, None),
        };
        let entry = list.iter().find(|entry| entry.trim_end_matches(VALUES) == name);
        let unknown = || format!("the option `{name}` isn't known to be harmless");
        let Some(entry) = entry else {
            // Long options may be cut short, so that the start of a refused one is refused too.
            let cut_short = |no: &str| name.len() > 2 && no.starts_with("--") && no.starts_with(name);
            let accepted = refused.is_some_and(|refused| {
                !list.iter().any(|entry| entry.ends_with('!') && cut_short(entry))
                    && !refused
                        .iter()
                        .any(|no| *no == name || (name.starts_with("--") && no.starts_with(name)))
            });
            return if accepted { Ok(Value::None) } else { Err(unknown()) };
        };
        self.seen.push(entry);
        Ok(match entry.as_bytes().last() {
            Some(b'=') => Value::Text,
            Some(b'<') => Value::Read,
            Some(b'>') => Value::Write,
            Some(b'?') => Value::Number,
            Some(b'+') => Value::Count,
            Some(b':') => Value::Attached,
            Some(b'*') => Value::Names,
            Some(b'!') if !self.keeps_links => return Err(unknown()),
            _ => Value::None,
        })
    }

    fn value<'w>(
        &mut self,
        name: &str,
        value: Value,
        attached: Option<&str>,
        rest: &mut impl Iterator<Item = &'w Word>,
    ) -> Result<(), String> {
        let word = match attached {
            Some(text) => Word::literal(text),
            None => rest.next().cloned().ok_or_else(|| format!("the option `{name}` has no value"))?,
        };
        if word.splits || (!word.known && value == Value::Names) {
            return Err(format!("what follows `{name}` isn't literal"));
        }
        if word.glob {
            return Err(format!("the value of `{name}` holds a wildcard that the shell replaces"));
        }
        let word = match attached {
            // A `~` after an option's letters stays as it is.
            Some(_) => Word { tilde: false, ..word },
            None => word,
        };
        if value == Value::Count
            && (word.text.is_empty() || !word.text.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(format!("what follows `{name}` isn't a number"));
        }
        if value == Value::Names && could_reach_protected(&word.text, true) && !word.text.starts_with('!') {
            return Err(format!("the pattern `{}` may match protected files", word.text));
        }
        match value {
            Value::Read => self.paths.push((Access::Read, word)),
            Value::Write => self.paths.push((Access::Write, word)),
            Value::None | Value::Text | Value::Number | Value::Count | Value::Attached | Value::Names => {}
        }
        Ok(())
    }

    fn place_operands(&mut self) -> Result<(), String> {
        let mut operands = std::mem::take(&mut self.operands);
        let took =
            |names: &[&str]| self.seen.iter().any(|seen| names.contains(&seen.trim_end_matches(VALUES)));
        let given = took(&["-e", "-f", "--regexp", "--file", "--files"]);
        let target = took(&["-t", "--target-directory"]);
        let odd = |word: &Word| format!("the word `{}` isn't known to be harmless", word.text);
        let unknown = operands.iter().position(|word| !word.known);
        if let Some(at) = unknown.filter(|at| !self.spec.operands.takes_unknown(*at)) {
            return Err(format!("the word `{}…` isn't literal", operands[at].text));
        }
        let below = operands.iter().any(|word| word.below.is_some());
        if below && !self.spec.operands.takes_found() {
            return Err("which files it is given isn't known".to_owned());
        }
        match self.spec.operands {
            Operands::None => {
                if let Some(word) = operands.first() {
                    return Err(odd(word));
                }
            }
            Operands::Text => {}
            Operands::Inert => {
                // A number is calculated, and what is calculated may run something.
                let format = operands.first().map(|word| word.text.replace("%%", "")).unwrap_or_default();
                let calculates = format.split('%').skip(1).any(|rest| {
                    let kind = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "-+ #.".contains(c));
                    !kind.starts_with(['s', 'b'])
                });
                if let Some(word) = operands.iter().find(|word| !word.known && !word.number && calculates) {
                    return Err(odd(word));
                }
                if let Some(word) =
                    operands.iter().find(|word| word.text.contains("$(") || word.text.contains('`'))
                {
                    return Err(odd(word));
                }
            }
            Operands::Number => {
                if let Some(word) = operands.iter().find(|word| {
                    !word.text.bytes().all(|byte| byte.is_ascii_digit()) || !(word.known || word.number)
                }) {
                    return Err(odd(word));
                }
            }
            Operands::Format => {
                if let Some(word) = operands.iter().find(|word| !word.text.starts_with('+')) {
                    return Err(odd(word));
                }
            }
            Operands::Only(words) => {
                if let Some(word) = operands.iter().find(|word| !words.contains(&word.text.as_str())) {
                    return Err(odd(word));
                }
            }
            Operands::Remote => {
                let plain = |word: &Word| {
                    word.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'))
                        && !word.text.starts_with(['.', '/'])
                };
                let path = |word: &Word| operands.first() == Some(word) && word.text.contains(['/', '.']);
                if let Some(word) = operands.iter().find(|word| !plain(word) || path(word)) {
                    return Err(odd(word));
                }
            }
            Operands::Script => {
                let reaching = |word: &&Word| REACHING.iter().any(|name| word.text.contains(name));
                // `env` prints every variable; a tool of the project's may be named as well as a script.
                let tool =
                    |word: &&Word| ["env", "-"].contains(&word.text.as_str()) || known::is_named(&word.text);
                if let Some(word) = operands.iter().find(reaching).or(operands.first().filter(tool)) {
                    return Err(odd(word));
                }
                self.all(Access::Read, operands);
            }
            Operands::Targets => {
                let plain = |word: &&Word| {
                    word.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
                        && !REACHING.iter().any(|name| word.text.contains(name))
                };
                if let Some(word) = operands.iter().find(|word| !plain(word)) {
                    return Err(odd(word));
                }
            }
            Operands::Read => {
                // Compilers and test runners read options from such a file.
                if let Some(word) = operands.iter().find(|word| word.text.starts_with('@')) {
                    return Err(odd(word));
                }
                self.all(Access::Read, operands);
            }
            Operands::Stash => {
                self.whole.extend(operands.iter().map(|word| (Access::Write, word.clone())));
                self.all(Access::Write, operands);
            }
            Operands::ReadOne if operands.len() > 1 => return Err(odd(&operands[1])),
            Operands::ReadOne => self.all(Access::Read, operands),
            Operands::Local => {
                if let Some(word) =
                    operands.iter().find(|word| word.text.contains('@') || word.text.contains(':'))
                {
                    return Err(odd(word));
                }
                self.all(Access::Read, operands);
            }
            Operands::Checkout | Operands::Restore => self.put_back(operands)?,
            Operands::Write => self.all(Access::Write, operands),
            Operands::Delete => self.all(Access::Delete, operands),
            Operands::Copy | Operands::Move => {
                let to =
                    if target { self.paths.last().map(|(_, word)| word.clone()) } else { operands.pop() };
                let recursive = ["-r", "-R", "-a", "--recursive", "--archive"];
                let takes_whole = self.spec.operands == Operands::Move
                    || self.seen.iter().any(|seen| recursive.contains(seen));
                if let Some(to) = to {
                    self.copied(&operands, &to);
                    self.paths.push((Access::Write, to.clone()));
                    if takes_whole {
                        let exactly = self.seen.contains(&"-T");
                        self.moved = Some(Moved { from: operands.clone(), to, exactly });
                    }
                }
                if self.spec.operands == Operands::Move {
                    self.all(Access::Delete, operands.iter().cloned());
                }
                // What is moved can be read where it comes to be.
                self.all(Access::Read, operands);
            }
            Operands::Pattern if given => self.all(Access::Read, operands),
            Operands::Pattern => self.after_first(operands),
            Operands::Filter => {
                let filter = operands.first().map(|word| word.text.to_lowercase()).unwrap_or_default();
                if ["env", "import", "include"].iter().any(|word| filter.contains(word)) {
                    return Err("the filter may read the environment or other files".to_owned());
                }
                self.after_first(operands);
            }
            Operands::SedPrint => {
                let script = operands.first().map(|word| word.text.as_str()).unwrap_or_default();
                if script.is_empty() || !script.chars().all(|c| c.is_ascii_digit() || ",;p$ ".contains(c)) {
                    return Err("the script does more than print lines by number".to_owned());
                }
                self.all(Access::Read, operands.into_iter().skip(1));
            }
            Operands::Mode => {
                let mode = operands.first().map(|word| word.text.as_str()).unwrap_or_default();
                let special = mode
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|digits| digits.trim_start_matches('0').len() > 3);
                let plain = !special && mode.chars().all(|c| "augorwxX+-=,01234567".contains(c));
                if !plain {
                    return Err(format!("the mode `{mode}` isn't known to be harmless"));
                }
                // The mode of a directory decides about everything in it.
                let recursive = self.seen.iter().any(|seen| ["-R", "--recursive"].contains(seen));
                for word in operands.into_iter().skip(1) {
                    let name = word.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                    let whole = recursive
                        || word.tilde
                        || name.starts_with('.')
                        || word.text.starts_with('/')
                        || word.text.contains("..");
                    self.all(if whole { Access::Delete } else { Access::Write }, [word]);
                }
            }
        }
        Ok(())
    }

    /// What git puts back from a revision or the index.
    fn put_back(&mut self, mut operands: Vec<Word>) -> Result<(), String> {
        let is = |names: &[&str]| self.seen.iter().any(|seen| names.contains(seen));
        if self.spec.operands == Operands::Restore && is(&["--staged", "-S"]) && !is(&["--worktree", "-W"]) {
            // Only the index changes.
            self.all(Access::Read, operands);
            return Ok(());
        }
        if let Some(before) = self.before_dashes.filter(|_| self.spec.operands == Operands::Checkout) {
            if let Some(word) = operands.get(..before).and_then(|words| words.get(1)) {
                return Err(format!("the word `{}` isn't known to be harmless", word.text));
            }
            operands.drain(..before);
        }
        if let Some(word) = operands.iter().find(|word| is_everything(&word.text)) {
            return Err(format!("`{}` may throw away everything that isn't committed", word.text));
        }
        // A directory that everything lies in can't be put back either.
        let absolute = operands.iter().filter(|word| word.tilde || word.text.starts_with('/')).cloned();
        let absolute: Vec<Word> = absolute.collect();
        self.all(Access::Delete, absolute);
        self.whole.extend(operands.iter().map(|word| (Access::Write, word.clone())));
        self.all(Access::Write, operands);
        Ok(())
    }

    /// Files that are read after a word that is none. A wildcard there may stand for several words, of which only the
    /// first is none.
    fn after_first(&mut self, operands: Vec<Word>) {
        let skipped = usize::from(operands.first().is_some_and(|word| !word.glob));
        self.all(Access::Read, operands.into_iter().skip(skipped));
    }

    fn all(&mut self, access: Access, words: impl IntoIterator<Item = Word>) {
        self.paths.extend(words.into_iter().filter(|word| word.text != "-").map(|word| (access, word)));
    }

    /// What is copied into a directory keeps its name there.
    fn copied(&mut self, from: &[Word], to: &Word) {
        // Files of an ending that nothing protected has may have any name.
        let harmless = |word: &&Word| {
            let ending = word.text.rsplit_once('.').map_or("", |(_, ending)| ending);
            !word.glob
                || ["", "json", "toml", "yml", "yaml", "sh", "lock"].contains(&ending)
                || ending.contains(['*', '?', '[', '/'])
        };
        let named = from.iter().filter(harmless).filter_map(|word| Some((Access::Write, inside(to, word)?)));
        self.paths.extend(named);
    }
}

/// Where a file of this name would lie in the directory.
fn inside(directory: &Word, file: &Word) -> Option<Word> {
    let name = file.text.trim_end_matches('/').rsplit('/').next().filter(|name| !name.starts_with(".."))?;
    let text = format!("{}/{name}", directory.text.trim_end_matches('/'));
    Some(Word { text, glob: file.glob || directory.glob, ..directory.clone() })
}
