//! What might run inside commands that aren't understood: in wrappers with unknown options, and in texts that can't be parsed.

use std::{borrow::Cow, cell::OnceCell};

use super::{
    carried::{MAX_TEXTS, carried},
    danger::{SCRIPTED, hidden_texts},
    forms::forms,
    lex::lex,
    meaning::Meaning,
    script::{Command, Script, Word},
};
use crate::preset::Act;

/// The most commands that are looked at for one call.
const MAX_CANDIDATES: usize = 2000;

/// The most words all of them may have together: each may name a file that must be looked up.
const MAX_WORDS: usize = 20_000;

/// How deep commands may be hidden in one another.
const MAX_DEPTH: usize = 8;

/// How many words of a wrapper are tried as the start of the command it runs.
const MAX_WRAPPED: usize = 64;

/// A command that might run.
#[derive(Debug)]
pub(crate) struct Candidate<'s> {
    pub(crate) command: Cow<'s, Command>,
    pub(crate) meaning: Meaning,
    /// The command of the call it belongs to.
    pub(crate) top: usize,
    forms: OnceCell<Vec<String>>,
}

impl Candidate<'_> {
    /// Every spelling of the command that a restriction is held against.
    pub(crate) fn forms(&self) -> &[String] {
        self.forms.get_or_init(|| forms(&self.command.words))
    }

    /// The command as an allow rule sees it; nothing for one with a word that isn't known, which is no word that a rule
    /// names.
    pub(crate) fn exact_form(&self) -> &[String] {
        let known = self.command.words.iter().all(|word| word.known && word.below.is_none());
        if known { self.forms().get(..1).unwrap_or_default() } else { &[] }
    }
}

/// Commands that run the command they are given as words.
const WRAPPERS: &[&str] = &[
    "env",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "timeout",
    "gtimeout",
    "time",
    "stdbuf",
    "xargs",
    "parallel",
    "watch",
    "command",
    "builtin",
    "exec",
    "eval",
    "sudo",
    "doas",
    "su",
    "runuser",
    "busybox",
    "toybox",
    "ssh",
    "strace",
    "ltrace",
    "unshare",
    "nsenter",
    "chroot",
    "setpriv",
    "flock",
    "script",
    "chronic",
    "entr",
    "systemd-run",
    "coproc",
    "noglob",
    "nocorrect",
    "trap",
    "tmux",
    "screen",
    "caffeinate",
    "dbus-run-session",
    "npx",
    "proot",
    "faketime",
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "ash",
    "fish",
    "setarch",
    "chrt",
    "taskset",
    "prlimit",
    "sem",
    "batch",
];

/// Words after which a command starts.
const LEADING: &[&str] =
    &["then", "do", "else", "elif", "if", "while", "until", "time", "!", "{", "coproc", "-"];

/// Every command that the script might run, in whatever it is wrapped. `None` where there are too many, or they
/// are too deeply hidden, to be looked at. Each command of the script comes before what is found in it.
pub(crate) fn everything_that_might_run(script: &Script) -> Option<Vec<Candidate<'_>>> {
    // Most hide nothing.
    let mut found = Found { candidates: Vec::with_capacity(script.commands.len()), words: 0 };
    for (top, command) in script.commands.iter().enumerate() {
        found.add(Cow::Borrowed(command), top)?;
        if found.last_is_unknown() {
            passed_on(&command.words, 1, top, &mut found)?;
        }
        let carried = carried(command);
        if let Some(words) = carried.from.and_then(|from| command.words.get(from..)) {
            passed_on(words, 0, top, &mut found)?;
        }
        if carried.texts.len() > MAX_TEXTS {
            return None;
        }
        for script in &carried.texts {
            text(script, top, 1, &mut found)?;
        }
        if !command.opaque {
            continue;
        }
        expand(command, top, 0, &mut found)?;
        // `echo 'rm -rf /' | sh`: the text of one command is the script of the next.
        let is_shell = command.words.first().is_some_and(|word| SHELLS.contains(&base(word).as_ref()));
        if is_shell && let Some(before) = top.checked_sub(1).map(|before| &script.commands[before]) {
            if before.words.first().is_some_and(|word| ["echo", "printf"].contains(&base(word).as_ref())) {
                text(&joined(&before.words[1..]), top, 0, &mut found)?;
            }
            for document in &before.fed {
                text(document, top, 1, &mut found)?;
            }
        }
    }
    let last = script.commands.len().saturating_sub(1);
    for nested in &script.nested {
        text(nested, last, 1, &mut found)?;
    }
    Some(found.candidates)
}

/// Whether the command runs others that its words name, in a way that isn't known here.
pub(super) fn runs_others(words: &[Word]) -> bool {
    let name = words.first().map(base).unwrap_or_default();
    let lists: [&[&str]; 3] = [WRAPPERS, SCRIPTED, &["git", "cargo"]];
    lists.iter().any(|list| list.contains(&name.as_ref()))
}

/// Shells, which read a script from their input.
const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "ash", "fish"];

/// The last component of a program's path, in lower case.
pub(crate) fn base(word: &Word) -> Cow<'_, str> {
    let name = word.text.rsplit('/').next().unwrap_or_default();
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn text(script: &str, top: usize, depth: usize, found: &mut Found<'_>) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let script = lex(script);
    for command in &script.commands {
        found.add(Cow::Owned(command.clone()), top)?;
        expand(command, top, depth + 1, found)?;
    }
    for nested in &script.nested {
        text(nested, top, depth + 1, found)?;
    }
    Some(())
}

/// The words of a program that nothing is known of, which may be a command that it runs. One word alone is more likely the
/// name of something that it does.
fn passed_on(words: &[Word], from: usize, top: usize, found: &mut Found<'_>) -> Option<()> {
    for at in (from..words.len().min(MAX_WRAPPED)).filter(|at| at + 1 < words.len()) {
        push(&words[at..], top, found)?;
    }
    let scripts = words
        .iter()
        .skip(from)
        .filter(|word| word.text.contains([' ', '\t', '\n', ';', '|', '&', '$', '`', '(']));
    for script in scripts.take(MAX_WRAPPED) {
        text(&script.text, top, 1, found)?;
    }
    Some(())
}

/// What is hidden in a command.
fn expand(command: &Command, top: usize, depth: usize, found: &mut Found<'_>) -> Option<()> {
    let start = command.words.iter().position(|word| !is_leading(word)).unwrap_or(command.words.len());
    let words = &command.words[start..];
    let Some(first) = words.first() else { return Some(()) };
    if start > 0 {
        push(words, top, found)?;
    }
    let name = base(first);
    if SHELLS.contains(&name.as_ref()) {
        for document in &command.fed {
            text(document, top, depth + 1, found)?;
        }
    }
    hidden(words, top, depth, found)?;
    let inner = match name.as_ref() {
        "find" | "fd" => words
            .iter()
            .position(|word| ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X"].contains(&word.text.as_str()))
            .map(|at| at + 1..at + 2),
        name if WRAPPERS.contains(&name) => Some(1..MAX_WRAPPED),
        _ => None,
    };
    for at in inner.into_iter().flatten().take_while(|at| *at < words.len()) {
        let ends = |word: &Word| name == "find" && [";", "+"].contains(&word.text.as_str());
        let end = words[at..].iter().position(ends).map_or(words.len(), |end| at + end);
        push(&words[at..end], top, found)?;
        hidden(&words[at..], top, depth, found)?;
    }
    Some(())
}

fn hidden(words: &[Word], top: usize, depth: usize, found: &mut Found<'_>) -> Option<()> {
    for script in hidden_texts(words) {
        text(&script, top, depth + 1, found)?;
    }
    Some(())
}

fn push(words: &[Word], top: usize, found: &mut Found<'_>) -> Option<()> {
    found.add(Cow::Owned(Command { words: words.to_vec(), ..Command::default() }), top)
}

/// What was found, within limits.
struct Found<'s> {
    candidates: Vec<Candidate<'s>>,
    words: usize,
}

impl<'s> Found<'s> {
    /// Whether nothing is known of the last command's program.
    fn last_is_unknown(&self) -> bool {
        self.candidates.last().is_some_and(|candidate| {
            candidate.meaning.guess.is_some() && candidate.meaning.used.act == Act::UnknownCommand
        })
    }

    fn add(&mut self, command: Cow<'s, Command>, top: usize) -> Option<()> {
        self.words += command.words.len();
        if self.candidates.len() == MAX_CANDIDATES || self.words > MAX_WORDS {
            return None;
        }
        let meaning = Meaning::of(&command);
        self.candidates.push(Candidate { command, meaning, top, forms: OnceCell::new() });
        Some(())
    }
}

/// Whether the word stands before a command: a keyword or an assignment.
fn is_leading(word: &Word) -> bool {
    LEADING.contains(&word.text.as_str()) || is_assignment(&word.text)
}

pub(crate) fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        let name = name.split('[').next().unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether the shell gives the word a meaning of its own where a command starts.
pub(crate) fn is_keyword(text: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "for",
        "foreach",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "in",
        "select",
        "function",
        "time",
        "coproc",
        "repeat",
        "end",
        "nocorrect",
        "noglob",
        "!",
        "{",
        "}",
        "[[",
        "]]",
        "-",
    ];
    KEYWORDS.contains(&text)
}

/// Directories of the system's programs, which may be named by their path.
const SYSTEM: &[&str] =
    &["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/", "/opt/homebrew/bin/"];

/// The program a command names, as it is written; one of the system's by its name alone.
pub(crate) fn program(words: &[Word]) -> &str {
    let Some(first) = words.first() else { return "" };
    let name = SYSTEM.iter().find_map(|directory| first.text.strip_prefix(directory));
    name.filter(|name| !name.contains('/') && !name.is_empty()).unwrap_or(&first.text)
}
