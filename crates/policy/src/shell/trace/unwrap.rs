//! Commands that run other commands, each by the grammar of its own options.

use super::{
    super::{
        script::{Kind, Word},
        walk::{base, program, runs_others},
    },
    ends::may_move,
    find::find,
};

/// What a command runs.
#[derive(Debug)]
pub(super) enum Wrapped {
    /// Nothing: it is no wrapper.
    Nothing,
    /// Something, and its words don't say what.
    Unclear,
    /// The command that starts at a word.
    Command { words: Vec<Word>, variables: Vec<(String, Word)> },
    /// A command in another directory.
    Elsewhere { directory: Word, words: Vec<Word>, variables: Vec<(String, Word)> },
    /// Several commands: those that `find` runs.
    Commands(Vec<Vec<Word>>),
    /// A script, in a shell of its own, and its arguments.
    Script { text: Word, arguments: Vec<Word> },
    /// A script, in this shell.
    Here(Word),
    /// A script, in this shell when it ends.
    Later(Word),
    /// The script that it is fed.
    Input,
    /// A command whose last words are read from the input.
    Fed { words: Vec<Word>, replaced: Option<String>, at_once: Option<usize> },
}

/// A wrapper: its options, as in the table of commands, and how many words stand before the command.
struct Wrapper {
    names: &'static [&'static str],
    options: &'static [&'static str],
    before: usize,
}

const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        names: &["nohup", "builtin", "chronic", "unbuffer", "noglob", "nocorrect"],
        options: &[],
        before: 0,
    },
    Wrapper { names: &["setsid"], options: &["-w", "-f", "-c", "--wait", "--fork", "--ctty"], before: 0 },
    Wrapper { names: &["nice"], options: &["-n=", "--adjustment=", "-#"], before: 0 },
    Wrapper {
        names: &["ionice"],
        options: &["-c=", "-n=", "-t", "--class=", "--classdata=", "--ignore"],
        before: 0,
    },
    Wrapper {
        names: &["timeout", "gtimeout"],
        options: &[
            "-s=",
            "--signal=",
            "-k=",
            "--kill-after=",
            "--preserve-status",
            "--foreground",
            "-v",
            "--verbose",
        ],
        before: 1,
    },
    Wrapper {
        names: &["time"],
        options: &["-p", "-v", "--verbose", "--portability", "-f=", "--format="],
        before: 0,
    },
    Wrapper {
        names: &["stdbuf"],
        options: &["-i=", "-o=", "-e=", "--input=", "--output=", "--error="],
        before: 0,
    },
    Wrapper { names: &["command"], options: &["-p"], before: 0 },
    Wrapper { names: &["exec"], options: &["-a=", "-c", "-l"], before: 0 },
    Wrapper { names: &["caffeinate"], options: &["-d", "-i", "-m", "-s", "-u"], before: 0 },
    Wrapper { names: &["taskset"], options: &["-c"], before: 1 },
    Wrapper { names: &["xvfb-run"], options: &["-a", "--auto-servernum"], before: 0 },
    Wrapper { names: &["busybox", "toybox"], options: &[], before: 0 },
];

const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "ash"];

/// The options of `xargs`.
const XARGS: &[&str] = &[
    "-0",
    "--null",
    "-r",
    "--no-run-if-empty",
    "-t",
    "--verbose",
    "-x",
    "--exit",
    "-n=",
    "--max-args=",
    "-P=",
    "--max-procs=",
    "-L=",
    "--max-lines=",
    "-d=",
    "--delimiter=",
    "-s=",
    "--max-chars=",
    "-I=",
    "--replace=",
];

/// The options of a shell that reads a script from a word. `-l` and `-i` read the person's own start files.
const SHELL_OPTIONS: &[&str] =
    &["-n", "-e", "-u", "-x", "-v", "-l", "-i", "-f", "-o=", "--login", "--norc", "--noprofile", "--posix"];

/// Whether a command of this name may run others, or change what follows.
pub(super) fn is_special(program: &str) -> bool {
    const BUILTINS: &[&str] = &[
        "eval",
        "env",
        "xargs",
        "watch",
        "trap",
        "export",
        "declare",
        "typeset",
        "local",
        "readonly",
        "read",
        "mapfile",
        "readarray",
        "getopts",
        "let",
        "unset",
        "set",
        "shift",
        "source",
        ".",
        "pushd",
        "popd",
        "function",
        "select",
    ];
    let word = Word::literal(program);
    let name = base(&word);
    BUILTINS.contains(&name.as_ref())
        || SHELLS.contains(&name.as_ref())
        || WRAPPERS.iter().any(|wrapper| wrapper.names.contains(&name.as_ref()))
        || (name != "git" && name != "cargo" && runs_others(&[word]))
}

/// What the command with these words runs.
pub(super) fn unwrap(words: &[Word]) -> Wrapped {
    let Some(first) = words.first().filter(|first| first.known && !first.glob) else {
        return Wrapped::Nothing;
    };
    let name = base(first);
    if program(words).contains('/') {
        // A program of the workspace may be called anything, and do what its namesake does.
        return if is_special(&name) || name == "find" { Wrapped::Unclear } else { Wrapped::Nothing };
    }
    let rest = &words[1..];
    if SHELLS.contains(&name.as_ref()) {
        return shell(rest);
    }
    match name.as_ref() {
        "eval" => eval(rest),
        "env" => env(rest),
        "xargs" => xargs(rest),
        "watch" => watch(rest),
        "find" => find(rest),
        "trap" => trap(rest),
        // `command -v` only looks.
        "command" if rest.first().is_some_and(|word| ["-v", "-V"].contains(&word.text.as_str())) => {
            Wrapped::Nothing
        }
        // Without a command it only connects files.
        "exec" if rest.is_empty() => Wrapped::Nothing,
        name => match WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&name)) {
            Some(wrapper) => command(rest, wrapper.options, wrapper.before),
            None => Wrapped::Nothing,
        },
    }
}

fn command(words: &[Word], options: &[&str], before: usize) -> Wrapped {
    let start = skip(words, options).map(|(at, _)| at + before);
    let start = start.filter(|at| *at < words.len() && words[..*at].iter().all(is_literal));
    start.map_or(Wrapped::Unclear, |at| Wrapped::Command {
        words: words[at..].to_vec(),
        variables: Vec::new(),
    })
}

fn is_literal(word: &Word) -> bool {
    word.is_of(Kind::Number) && !word.glob && !word.splits
}

/// The options that were found, each with its value.
type Seen<'w> = Vec<(&'w str, Option<&'w Word>)>;

/// How many words at the start are options and their values, and which options these are; `None` where one isn't known.
fn skip<'w>(words: &'w [Word], options: &[&'w str]) -> Option<(usize, Seen<'w>)> {
    let mut seen = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if !is_literal(word) && (text.is_empty() || text.starts_with('-')) {
            return None;
        }
        if text == "--" {
            return Some((at + 1, seen));
        }
        if !text.starts_with('-') || text == "-" {
            break;
        }
        at += 1;
        let is_number = text.len() > 1 && text[1..].bytes().all(|byte| byte.is_ascii_digit());
        if is_number && options.contains(&"-#") {
            continue;
        }
        if text.starts_with("--") {
            let (name, attached) = text.split_once('=').map_or((text, false), |(name, _)| (name, true));
            let entry = options.iter().find(|entry| entry.trim_end_matches('=') == name)?;
            let takes = entry.ends_with('=');
            if attached && !takes {
                return None;
            }
            let value = match (takes, attached) {
                (true, false) => {
                    at += 1;
                    Some(words.get(at - 1).filter(|word| !word.splits)?)
                }
                (true, true) => Some(word),
                (false, _) => None,
            };
            seen.push((name, value));
            continue;
        }
        for (index, letter) in text.char_indices().skip(1) {
            let end = index + letter.len_utf8();
            let is = |entry: &&&str| {
                entry.starts_with('-') && entry[1..].trim_end_matches('=') == &text[index..end]
            };
            let entry = options.iter().find(is)?;
            if entry.ends_with('=') {
                let value = if end == text.len() {
                    at += 1;
                    Some(words.get(at - 1).filter(|word| !word.splits)?)
                } else {
                    Some(word)
                };
                seen.push((entry.trim_end_matches('='), value));
                break;
            }
            seen.push((entry, None));
        }
    }
    Some((at, seen))
}

/// Variables, then a command.
fn env(words: &[Word]) -> Wrapped {
    const OPTIONS: &[&str] =
        &["-i", "--ignore-environment", "-u=", "--unset=", "-v", "--debug", "-C=", "--chdir="];
    // `env -` is `env -i`.
    let words = words.strip_prefix(&[Word::literal("-")]).unwrap_or(words);
    let Some((at, seen)) = skip(words, OPTIONS) else { return Wrapped::Unclear };
    let mut variables = Vec::new();
    let mut rest = &words[at..];
    while let Some((word, after)) = rest.split_first() {
        let Some((name, value)) = word.text.split_once('=') else { break };
        if name.is_empty() || word.splits {
            return Wrapped::Unclear;
        }
        variables.push((name.to_owned(), Word { text: value.to_owned(), tilde: false, ..word.clone() }));
        rest = after;
    }
    if rest.is_empty() {
        return Wrapped::Nothing;
    }
    let words = rest.to_vec();
    // `--chdir=/` is one word.
    let written = |word: &Word| {
        word.text.split_once('=').map_or_else(|| word.text.clone(), |(_, value)| value.to_owned())
    };
    match seen.iter().find(|(name, _)| ["-C", "--chdir"].contains(name)) {
        None => Wrapped::Command { words, variables },
        Some((_, Some(value))) => {
            let text = written(value);
            let text = text.strip_prefix("-C").map_or(text.clone(), str::to_owned);
            Wrapped::Elsewhere { directory: Word { text, ..(*value).clone() }, words, variables }
        }
        Some((_, None)) => Wrapped::Unclear,
    }
}

fn shell(words: &[Word]) -> Wrapped {
    let mut at = 0;
    let mut reads_word = false;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if !is_literal(word) {
            // A script that isn't known, or the name of one.
            break;
        }
        if !(text.starts_with(['-', '+']) && text.len() > 1) || text == "--" {
            at += usize::from(text == "--");
            break;
        }
        at += 1;
        if text.starts_with("--") {
            if !SHELL_OPTIONS.contains(&text) {
                return Wrapped::Unclear;
            }
            continue;
        }
        for letter in text[1..].chars() {
            let option = format!("-{letter}");
            match SHELL_OPTIONS.iter().find(|entry| entry.trim_end_matches('=') == option) {
                Some(entry) if entry.ends_with('=') => {
                    const STRICT: &[&str] = &["errexit", "nounset", "pipefail", "xtrace"];
                    if !words.get(at).is_some_and(|word| STRICT.contains(&word.text.as_str())) {
                        return Wrapped::Unclear;
                    }
                    at += 1;
                }
                Some(_) => {}
                None if letter == 'c' => reads_word = true,
                // `-s`: the script is read from the input, and these are its arguments.
                None if letter == 's' => return Wrapped::Input,
                None => return Wrapped::Unclear,
            }
        }
    }
    let rest = words.get(at..).unwrap_or_default();
    match (reads_word, rest.split_first()) {
        (true, Some((text, arguments))) => {
            Wrapped::Script { text: text.clone(), arguments: arguments.to_vec() }
        }
        (true, None) => Wrapped::Unclear,
        (false, None) => Wrapped::Input,
        (false, Some((file, _)))
            if ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(&file.text.as_str()) =>
        {
            if file.substituted { Wrapped::Unclear } else { Wrapped::Input }
        }
        // A file that is run.
        (false, Some(_)) => Wrapped::Nothing,
    }
}

fn eval(words: &[Word]) -> Wrapped {
    let words = words.strip_prefix(&[Word::literal("--")]).unwrap_or(words);
    if words.is_empty() { Wrapped::Nothing } else { Wrapped::Here(joined(words)) }
}

fn watch(words: &[Word]) -> Wrapped {
    const OPTIONS: &[&str] = &[
        "-n=",
        "--interval=",
        "-d",
        "-t",
        "-e",
        "-g",
        "-b",
        "-c",
        "-p",
        "--no-title",
        "--errexit",
        "--chgexit",
        "--color",
    ];
    match skip(words, OPTIONS) {
        Some((at, _)) if at < words.len() => {
            Wrapped::Script { text: joined(&words[at..]), arguments: Vec::new() }
        }
        _ => Wrapped::Unclear,
    }
}

/// `trap 'script' SIGNAL…`
fn trap(words: &[Word]) -> Wrapped {
    let words = words.strip_prefix(&[Word::literal("--")]).unwrap_or(words);
    match words {
        [] => Wrapped::Nothing,
        [option] if ["-p", "-l"].contains(&option.text.as_str()) => Wrapped::Nothing,
        // It takes a handler away.
        [first, ..] if first.known && ["-", ""].contains(&first.text.as_str()) => Wrapped::Nothing,
        [_] => Wrapped::Nothing,
        // Before every command, after each that fails, or in a function: who knows where that is.
        [script, signals @ ..]
            if signals.iter().any(|signal| {
                let name = signal.text.to_uppercase();
                let name = name.strip_prefix("SIG").unwrap_or(&name);
                !is_literal(signal)
                    || ["DEBUG", "ERR", "RETURN"].contains(&name)
                    || (!["EXIT", "0"].contains(&name) && may_change_the_shell(&script.text))
            }) =>
        {
            Wrapped::Unclear
        }
        [script, ..] => Wrapped::Later(script.clone()),
    }
}

/// Whether a handler may leave the shell in another directory or with other variables.
fn may_change_the_shell(script: &str) -> bool {
    const WORDS: [&str; 12] = [
        "read", "unset", "export", "declare", "typeset", "local", "set", "shopt", "shift", "eval", "source",
        "let",
    ];
    let mut words = script.split(|c: char| c.is_whitespace() || ";&|(){}".contains(c));
    may_move(script) || script.contains('=') || words.any(|word| word == "." || WORDS.contains(&word))
}

fn joined(words: &[Word]) -> Word {
    Word {
        text: words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "),
        known: words.iter().all(|word| word.known && !word.glob && !word.tilde),
        ..Word::default()
    }
}

fn xargs(words: &[Word]) -> Wrapped {
    let Some((at, seen)) = skip(words, XARGS) else { return Wrapped::Unclear };
    let replaced = seen.iter().find(|(name, _)| ["-I", "--replace"].contains(name));
    let replaced = match replaced {
        None => None,
        Some((_, Some(value))) => {
            let text = value.text.strip_prefix("-I").unwrap_or(&value.text);
            Some(text.strip_prefix("--replace=").unwrap_or(text).to_owned())
        }
        Some((_, None)) => return Wrapped::Unclear,
    };
    let words = words.get(at..).unwrap_or_default();
    let words = if words.is_empty() { vec![Word::literal("echo")] } else { words.to_vec() };
    let at_once = seen.iter().find(|(name, _)| ["-n", "--max-args"].contains(name)).and_then(|(_, value)| {
        let text = value.map(|word| word.text.trim_start_matches("--max-args=").trim_start_matches("-n"))?;
        text.parse().ok().filter(|count| *count > 0)
    });
    Wrapped::Fed { words, replaced: replaced.filter(|text| !text.is_empty()), at_once }
}
