//! The words of a command whose options are known, taken apart by the table's row.

use super::{
    grammar::{Moved, Operands, Options, Spec, inside, reaching},
    known,
    operand::{SETTINGS, calculated, is_everything, is_of_tests, is_plain_flags, reaches_out_of_filter},
    script::{Kind, Word},
};
use crate::path::{Access, could_reach_protected};

/// What an entry of [`Options`] may end in.
const VALUES: [char; 9] = ['=', '<', '>', '?', '+', ':', '*', '!', '^'];

/// Reads the words of a command by its row of the table.
pub(super) struct Reader<'a> {
    spec: &'a Spec,
    pub(super) paths: Vec<(Access, Word)>,
    pub(super) whole: Vec<(Access, Word)>,
    pub(super) moved: Option<Box<Moved>>,
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

impl<'a> Reader<'a> {
    pub(super) fn new(spec: &'a Spec, keeps_links: bool) -> Self {
        Self {
            spec,
            paths: Vec::new(),
            whole: Vec::new(),
            moved: None,
            operands: Vec::new(),
            before_dashes: None,
            keeps_links,
            seen: Vec::new(),
        }
    }

    pub(super) fn read(&mut self, words: &[Word]) -> Result<(), String> {
        let mut words = words.iter();
        let mut only_operands = false;
        let harmless_options = matches!(self.spec.options, Options::Except(&[], _));
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if !word.known
                && !only_operands
                && !harmless_options
                && ((word.splits && word.found.is_none() && !self.may_be_none(word))
                    || self.may_be_option(word))
            {
                return Err(format!("{} may be an option", filled(word)));
            }
            let found = (word.found.is_some() && self.spec.operands.reads()) || self.may_be_none(word);
            if word.splits && !found && self.spec.operands != Operands::Text {
                return Err(format!("{} may be several words", filled(word)));
            }
            // What it matches is looked at where it is judged as a path.
            let judged = self.spec.operands.is_path(self.operands.len());
            if word.glob
                && !only_operands
                && !harmless_options
                && !judged
                && text.starts_with(['*', '?', '['])
            {
                return Err(format!("the wildcard `{text}` may match a file whose name is an option"));
            }
            if only_operands || !text.starts_with('-') || text == "-" {
                // After `--` git takes every word for a path, and no longer for a commit.
                let is_path = self.before_dashes.is_some() && self.spec.name.starts_with("git ");
                let kind = if is_path { Kind::Any } else { word.kind };
                self.operands.push(Word { kind, ..word.clone() });
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
                self.option(text, word.is_of(Kind::Number), &mut words)?;
            }
        }
        self.place_operands()
    }

    /// Whether a word that may be none, or several of its kind, changes nothing about what the others are.
    fn may_be_none(&self, word: &Word) -> bool {
        word.splits
            && word.kind != Kind::Any
            && matches!(
                self.spec.operands,
                Operands::Text
                    | Operands::Inert
                    | Operands::Number
                    | Operands::Read
                    | Operands::Local
                    | Operands::Pattern
            )
    }

    /// Whether a word that isn't known may be an option. What isn't known of it may also be nothing.
    fn may_be_option(&self, word: &Word) -> bool {
        let text = word.text.as_str();
        // git refuses to make a name that starts with a dash; what a pager is told is another matter.
        let kind = if self.spec.name.starts_with("git ") && self.spec.name != "git grep" {
            Kind::Revision
        } else {
            Kind::Name
        };
        // Below a directory that is named, a name starts with that one's.
        if let Some(files) = &word.found {
            return files.iter().any(|files| files.text == "." || files.text.starts_with('-'));
        }
        let rest = text.trim_start_matches('0');
        if word.kind <= kind && rest.len() < text.len() {
            return rest.starts_with('-');
        }
        text.is_empty() || (text.starts_with('-') && !text.contains('=') && word.kind != Kind::Number)
    }

    /// An option. `known`: whether its text is all there is.
    fn option<'w>(
        &mut self,
        text: &str,
        known: bool,
        rest: &mut impl Iterator<Item = &'w Word>,
    ) -> Result<(), String> {
        let prefixed = |list: &[&str]| {
            let mut starts = list.iter().filter_map(|entry| entry.strip_suffix('^'));
            let name = text.split('=').next().unwrap_or_default();
            let long =
                |entry: &&str| entry.len() > 2 && entry.trim_end_matches(VALUES) == name && name.len() > 2;
            starts.any(|start| text.starts_with(start)) || list.iter().any(long)
        };
        let whole = text.starts_with("--")
            || match self.spec.options {
                Options::Words(_) => true,
                Options::Only(list) => prefixed(list),
                Options::Except(..) => false,
            };
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
        let starts = |entry: &str| {
            entry.split_once('^').is_some_and(|(start, _)| name.starts_with(start) && !name.contains(','))
        };
        let entry = list.iter().find(|entry| entry.trim_end_matches(VALUES) == name || starts(entry));
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
            // What touches it is a part of its name.
            Some(b'^') => Value::Attached,
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
        if word.glob && !(word.one && value == Value::Text) {
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
        // Settings that stand in place of a file may name programs.
        if matches!(value, Value::Read | Value::Write) && word.text.trim_start().starts_with(['{', '[']) {
            return Err(format!("what `{name}` is given isn't a file"));
        }
        match value {
            Value::Read => self.paths.push((Access::Read, word)),
            Value::Write if ["-", "/dev/stdin"].contains(&word.text.as_str()) => {
                return Err(format!("what `{name}` names is read or written as a stream"));
            }
            Value::Write => {
                // `html:directory`
                if let Some((_, file)) = word.text.rsplit_once(':') {
                    self.paths.push((Access::Write, Word::literal(file)));
                }
                self.paths.push((Access::Write, word));
            }
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
        if !self.spec.operands.reads() {
            operands.iter_mut().for_each(|word| word.found = None);
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
                if let Some(word) = calculated(&operands) {
                    return Err(odd(word));
                }
                if let Some(word) =
                    operands.iter().find(|word| word.text.contains("$(") || word.text.contains('`'))
                {
                    return Err(odd(word));
                }
            }
            Operands::Number => {
                if let Some(word) = operands.iter().find(|word| !word.is_number()) {
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
                let reaching = |word: &&Word| reaching(&word.text).is_some();
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
                    let text = match word.text.split_once('=') {
                        Some(("CFLAGS" | "CXXFLAGS" | "CPPFLAGS", flags)) if is_plain_flags(flags) => {
                            return true;
                        }
                        Some((name, value)) if SETTINGS.contains(&name) => value,
                        _ => &word.text,
                    };
                    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
                        && !text.contains("..")
                        && reaching(&word.text).is_none()
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
                        self.moved = Some(Box::new(Moved { from: operands.clone(), to, exactly }));
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
                // yq's may stand after the name of what it is to do.
                let filters = if self.spec.name == "yq" { operands.len() } else { 1 };
                let mut filters = operands.iter().take(filters);
                if filters.any(|word| reaches_out_of_filter(&word.text.to_lowercase())) {
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

/// How a word that isn't known is called.
pub(super) fn filled(word: &Word) -> &'static str {
    if word.substituted { "what a command prints or a file holds" } else { "a word that isn't literal" }
}
