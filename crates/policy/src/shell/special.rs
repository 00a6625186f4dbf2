//! Commands that a table of options can't describe: programs and scripts of the workspace, and those with a language of
//! their own.

use std::ops::Range;

use super::{
    archive::{copy_blocks, split, tar, unpacked, zip},
    danger::likely_use,
    fetch::fetch,
    grammar::{Effect, REACHING, Use, read},
    program_text::{is_plain_awk, is_plain_sed},
    script::{Command, Kind, Word},
    trace::found,
    walk::program,
};
use crate::{path::Access, preset::Act, url::is_local};

/// An interpreter: the options before the script that change nothing about what is run.
struct Interpreter {
    names: &'static [&'static str],
    options: &'static [&'static str],
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &[
            "python",
            "python3",
            "python3.8",
            "python3.9",
            "python3.10",
            "python3.11",
            "python3.12",
            "python3.13",
            "pypy3",
        ],
        options: &["-u", "-B", "-O", "-OO", "-E", "-s", "-S", "-I", "-v", "-q", "-b", "-d"],
    },
    Interpreter {
        names: &["node", "nodejs"],
        options: &[
            "--test",
            "--check",
            "-c",
            "--watch",
            "--enable-source-maps",
            "--no-warnings",
            "--trace-warnings",
            "--test-only",
        ],
    },
    Interpreter { names: &["ruby", "perl"], options: &["-w", "-c"] },
    Interpreter { names: &["java"], options: &["-jar", "-ea", "-enableassertions"] },
    Interpreter { names: &["php"], options: &["-l"] },
    Interpreter { names: &["lua", "Rscript", "tsx", "ts-node", "julia", "elixir"], options: &[] },
    Interpreter {
        names: &["sh", "bash", "zsh", "dash", "ksh", "ash"],
        options: &["-e", "-u", "-x", "-v", "-l", "-n", "-eu", "-ex", "-eux", "-xe"],
    },
    Interpreter { names: &["source", "."], options: &[] },
];

/// Runners of a project's own tools.
const RUNNERS: &[&[&str]] = &[
    &["npx"],
    &["npx", "--no-install"],
    &["npx", "--no"],
    &["npm", "exec"],
    &["npm", "exec", "--"],
    &["pnpm"],
    &["pnpm", "exec"],
    &["yarn"],
    &["yarn", "run"],
    &["yarn", "exec"],
    &["bun", "x"],
    &["bunx"],
    &["uv", "run"],
    &["uv", "run", "--no-sync"],
    &["uv", "run", "--frozen"],
    &["uv", "run", "--offline"],
    &["poetry", "run"],
    &["pipenv", "run"],
    &["pdm", "run"],
    &["hatch", "run"],
    &["bundle", "exec"],
    &["python", "-m"],
    &["python3", "-m"],
];

/// `set`, `export -p`: every variable, and some hold secrets.
fn printed_variables(name: &str, rest: &[Word]) -> Option<Effect> {
    let prints = match name {
        "set" => rest.is_empty(),
        "export" | "declare" | "typeset" | "readonly" => {
            rest.iter().all(|word| ["-p", "-x"].contains(&word.text.as_str()))
        }
        _ => false,
    };
    prints.then(|| Effect::Guessed(Act::UnknownOption, format!("`{name}` prints every variable")))
}

/// `git branch`, `git tag` that only list.
fn listed_branches(words: &[Word]) -> Option<Effect> {
    const LISTING: &[&str] = &[
        "-a",
        "-r",
        "-v",
        "-vv",
        "-l",
        "-n",
        "--all",
        "--remotes",
        "--list",
        "--show-current",
        "--merged",
        "--no-merged",
        "--no-color",
        "--column",
    ];
    let [git, sub, rest @ ..] = words else { return None };
    let lists = git.text == "git"
        && ["branch", "tag"].contains(&sub.text.as_str())
        && rest.iter().all(|word| {
            let value = ["--format=", "--sort="].iter().any(|option| word.text.starts_with(option));
            word.known && (value || LISTING.contains(&word.text.as_str()))
        });
    lists.then(|| known(Act::Inspect, Vec::new()))
}

/// What scripts are told by name that reaches beyond the workspace, or runs code in place.
const ASKED_OF_SCRIPTS: &[&str] = &[
    "install",
    "upload",
    "publish",
    "deploy",
    "push",
    "login",
    "register",
    "shell",
    "tinker",
    "console",
    "dbshell",
    "eval",
    "repl",
    "inspect",
    "uninstall",
    "upgrade",
    "bdist_wininst",
    "approve",
    "reject",
];

/// What is known of a command by its own rules; `None` where the table has to say.
pub(super) fn special(words: &[Word]) -> Option<Effect> {
    let name = program(words);
    if name.contains('/') && words[0].known {
        // A tool of the project is what it is called.
        let base = super::walk::base(&words[0]);
        let named: Vec<Word> =
            std::iter::once(Word::literal(&base)).chain(words[1..].iter().cloned()).collect();
        return Some(match (read(&named), own_program(words, 1)) {
            (Effect::Guessed(Act::UnknownCommand, _), own) => own,
            (Effect::Guessed(act, why), _) => Effect::Guessed(act, why),
            (Effect::Known(tool), Effect::Known(mut own)) if own.act == Act::RunInside => {
                let program = own.paths.pop();
                own.paths.extend(tool.paths);
                own.paths.extend(program);
                own.whole.extend(tool.whole);
                Effect::Known(own)
            }
            (_, own) => own,
        });
    }
    let rest = words.get(1..)?;
    if let [word] = rest
        && ["--version", "--help"].contains(&word.text.as_str())
        && word.known
        && name != "missiond"
    {
        return Some(known(Act::Inspect, Vec::new()));
    }
    if let Some(effect) = printed_variables(name, rest).or_else(|| listed_branches(words)) {
        return Some(effect);
    }
    match name {
        // Without a dash an `e` shows the environment of processes.
        "ps" if rest.iter().enumerate().any(|(at, word)| {
            let letters = word.text.bytes().all(|byte| byte.is_ascii_alphabetic());
            let value = at > 0 && ["-o", "-u", "-U", "-C"].contains(&rest[at - 1].text.as_str());
            letters && !value && word.text.contains('e') && (at == 0 || word.text.len() < 4)
        }) =>
        {
            Some(Effect::Guessed(Act::UnknownOption, "`ps` may show the environment of processes".to_owned()))
        }
        "kill" => own_jobs(rest),
        "bash" | "sh" | "dash" | "zsh" | "php" | "node" if only_parsed(name, rest) => {
            Some(known(Act::Inspect, rest[1..].iter().map(|word| (Access::Read, word.clone())).collect()))
        }
        "python3" | "python" if rest.get(1).is_some_and(|word| word.text == "http.server") => served(rest),
        "find" if rest.iter().any(|word| word.text == "-delete") => deleted(words),
        "awk" | "gawk" | "mawk" => awk(rest),
        "sed" => sed(rest),
        "ln" => link(rest),
        "tar" => tar(rest),
        "curl" | "wget" => fetch(name, rest),
        "man" if rest.iter().any(|word| word.text.contains('/')) => {
            Some(Effect::Guessed(Act::UnknownOption, "`man` shows any file".to_owned()))
        }
        "cmake" | "ctest" if rest.iter().any(reaches_in_cmake) => {
            Some(Effect::Guessed(Act::UnknownOption, "`cmake` may run or install something".to_owned()))
        }
        "set"
            if rest.windows(2).any(|pair| sets_option(&pair[0], &pair[1]))
                || rest.iter().any(hides_option) =>
        {
            Some(Effect::Guessed(
                Act::UnknownOption,
                "`set` changes how the shell reads what follows".to_owned(),
            ))
        }
        "gunzip" | "gzip" | "xz" | "bzip2" | "zstd" => unpacked(words),
        "zip" => zip(rest),
        "split" => split(rest),
        "dd" => copy_blocks(rest),
        "git" if rest.first().is_some_and(|word| word.text == "pull") => pull(rest),
        "git" if rest.first().is_some_and(|word| word.text == "reset") => unstage(rest),
        "git" if rest.first().is_some_and(|word| word.text == "config") => looked_up(&rest[1..]),
        "git" if rest.first().is_some_and(|word| word.text == "worktree") => worktree(&rest[1..]),
        "jar" => listed_archive(rest),
        "git" if rest.first().is_some_and(|word| word.text == "clean") => told_what_would_go(&rest[1..]),
        "cargo" if rest.first().is_some_and(is_toolchain) => without(words, 1..2),
        "pytest" => without_plugins(words),
        "pnpm" | "npm" | "yarn" => in_package(words).or_else(|| run_by(words)),
        "jq" => with_arguments(words),
        "patch" => tried(rest),
        "yq" if rest.iter().any(|word| ["-i", "--inplace"].contains(&word.text.as_str())) => {
            changed_by_yq(words)
        }
        "go" if rest.iter().any(|word| word.text.starts_with("-ldflags")) => linked_plainly(words),
        "printenv" => shown_variable(rest),
        "go" if rest.first().is_some_and(|word| word.text == "run") => run_by_go(words),
        "nc" | "ping" => asked_whether_there(name, rest),
        "sqlite3" => queried(rest),
        _ => interpreted(name, words).or_else(|| run_by(words)),
    }
}

pub(super) fn known(act: Act, paths: Vec<(Access, Word)>) -> Effect {
    Effect::Known(Use { act, paths, whole: Vec::new(), moved: None, directory: None })
}

/// The command without some of its words.
fn without(words: &[Word], left_out: Range<usize>) -> Option<Effect> {
    let rest = words.get(left_out.end..)?;
    Some(read(&[&words[..left_out.start], rest].concat()))
}

/// `cargo +nightly …`
fn is_toolchain(word: &Word) -> bool {
    let name = word.text.strip_prefix('+').unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    word.known && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

/// pytest's `-p no:name`, which switches a plugin off.
fn without_plugins(words: &[Word]) -> Option<Effect> {
    let off = |pair: &[Word]| pair[0].text == "-p" && pair[1].known && pair[1].text.starts_with("no:");
    let at = words.windows(2).position(off)?;
    without(words, at..at + 2)
}

/// Options of package managers that only say of which packages a script is run.
fn in_package(words: &[Word]) -> Option<Effect> {
    let name = words.first()?.text.as_str();
    let first = words.get(1)?.text.as_str();
    let plain = |at: usize| words.get(at).is_some_and(|word| word.known && !word.text.starts_with('-'));
    let taken = match (name, first) {
        ("pnpm", "--filter" | "-F") | ("npm", "-w" | "--workspace") | ("yarn", "workspace") if plain(2) => 2,
        (
            "pnpm",
            "-r" | "--recursive" | "-w" | "--workspace-root" | "-s" | "--silent" | "--stream" | "--parallel",
        )
        | ("npm", "-s" | "--silent" | "-ws" | "--workspaces")
        | ("yarn", "-s" | "--silent") => 1,
        ("pnpm", option) if option.starts_with("--filter=") => 1,
        ("npm", option) if option.starts_with("--workspace=") => 1,
        _ => return None,
    };
    without(words, 1..1 + taken)
}

/// `patch --dry-run`
fn tried(words: &[Word]) -> Option<Effect> {
    let mut paths = Vec::new();
    let mut tries = false;
    let mut words = words.iter();
    while let Some(word) = words.next().filter(|word| word.known && !word.glob) {
        match word.text.as_str() {
            "--dry-run" => tries = true,
            "-R" | "-N" | "-s" | "-f" | "-t" | "-l" | "--verbose" | "--quiet" | "--reverse" | "--forward" => {
            }
            "-p" => drop(words.next()?),
            "-i" => paths.push((Access::Read, words.next()?.clone())),
            text if text
                .strip_prefix("-p")
                .is_some_and(|level| level.bytes().all(|b| b.is_ascii_digit())) => {}
            text if text.starts_with("--input=") => {
                paths.push((Access::Read, Word::literal(&text["--input=".len()..])));
            }
            text if text.starts_with('-') => return None,
            _ => paths.push((Access::Read, word.clone())),
        }
    }
    (tries && words.next().is_none()).then(|| known(Act::Inspect, paths))
}

/// `yq -i`: the files are changed.
fn changed_by_yq(words: &[Word]) -> Option<Effect> {
    let plain: Vec<Word> =
        words.iter().filter(|word| !["-i", "--inplace"].contains(&word.text.as_str())).cloned().collect();
    let Effect::Known(mut used) = super::grammar::by_table(&plain) else { return None };
    let written: Vec<_> = used.paths.iter().map(|(_, word)| (Access::Write, word.clone())).collect();
    used.paths.extend(written);
    used.act = Act::WriteInside;
    Some(Effect::Known(used))
}

/// go's `-ldflags` that only strip or set a text.
fn linked_plainly(words: &[Word]) -> Option<Effect> {
    let at = words.iter().position(|word| word.text.starts_with("-ldflags"))?;
    let word = &words[at];
    let (flags, end) = match word.text.strip_prefix("-ldflags=") {
        Some(flags) if word.known => (flags, at + 1),
        None if word.text == "-ldflags" => {
            (words.get(at + 1).filter(|word| word.known)?.text.as_str(), at + 2)
        }
        _ => return None,
    };
    let mut flags = flags.split_whitespace();
    while let Some(flag) = flags.next() {
        match flag {
            "-s" | "-w" => {}
            "-X" => drop(flags.next().filter(|value| !value.starts_with('-') && value.contains('='))?),
            _ => return None,
        }
    }
    without(words, at..end)
}

/// A script that is parsed and not run.
fn only_parsed(name: &str, words: &[Word]) -> bool {
    let option = match name {
        "php" => "-l",
        "node" => "--check",
        _ => "-n",
    };
    let file = |word: &Word| {
        (word.known || word.found.is_some()) && !word.text.starts_with(['-', '+']) && !word.substituted
    };
    let found = |word: &Word| word.found.is_some();
    // `php -l` alone parses what it is fed.
    (words.len() > 1 || words.len() == 1 && name == "php")
        && words[0].known
        && words[0].text == option
        && words[1..].iter().all(|word| file(word) || found(word))
}

/// `python3 -m http.server PORT --bind 127.0.0.1 --directory DIRECTORY`
fn served(words: &[Word]) -> Option<Effect> {
    let mut paths = Vec::new();
    let mut local = false;
    let mut rest = words.get(2..)?.iter();
    if words.first()?.text != "-m" {
        return None;
    }
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "--bind" | "-b" => local = is_local(&rest.next().filter(|word| word.known)?.text, 0),
            "--directory" | "-d" => paths.push((Access::Read, rest.next()?.clone())),
            text if word.is_of(Kind::Number) && text.bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => return None,
        }
    }
    if paths.is_empty() {
        paths.push((Access::Read, Word::literal(".")));
    }
    local.then(|| known(Act::LocalNetwork, paths))
}

/// jq's variables, which are texts or what a file holds.
fn with_arguments(words: &[Word]) -> Option<Effect> {
    if let Some(at) = words.iter().position(|word| ["--slurpfile", "--rawfile"].contains(&word.text.as_str()))
    {
        let (name, file) = (words.get(at + 1)?, words.get(at + 2)?);
        if !name.known || file.splits {
            return None;
        }
        let Effect::Known(mut used) = without(words, at..at + 3)? else { return None };
        used.paths.push((Access::Read, file.clone()));
        return Some(Effect::Known(used));
    }
    let at = words.iter().position(|word| ["--arg", "--argjson"].contains(&word.text.as_str()))?;
    let name = words.get(at + 1)?;
    (name.known && !words.get(at + 2)?.splits).then(|| without(words, at..at + 3))?
}

/// `git config` that shows a setting, or where it comes from.
fn looked_up(words: &[Word]) -> Option<Effect> {
    const SHOWING: &[&str] = &[
        "--get",
        "--get-all",
        "--get-regexp",
        "--list",
        "-l",
        "--show-origin",
        "--show-scope",
        "--name-only",
        "--local",
        "--global",
        "--system",
        "--bool",
        "--int",
        "--path",
        "get",
        "list",
    ];
    let shows = |word: &&Word| SHOWING.contains(&word.text.as_str());
    let others: Vec<&Word> = words.iter().filter(|word| !shows(word)).collect();
    let key = |word: &&Word| {
        let text = word.text.to_lowercase();
        !text.starts_with('-')
            && !["edit", "set", "unset"].contains(&text.as_str())
            && !text.contains("extraheader")
    };
    let known_words = words.iter().all(|word| word.known && !word.glob);
    // A second word would be what the key is set to.
    (known_words && !words.is_empty() && others.len() <= 1 && others.iter().all(key))
        .then(|| known(Act::Inspect, Vec::new()))
}

/// `git worktree add` of a new one, and `remove` of one in which nothing would be lost.
fn worktree(words: &[Word]) -> Option<Effect> {
    let (sub, rest) = words.split_first()?;
    let mut operands = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "-b" if sub.text == "add" => drop(rest.next().filter(|name| name.is_of(Kind::Revision))?),
            "--detach" | "-d" | "-q" | "--quiet" if sub.text == "add" => {}
            text if text.starts_with('-') || word.splits || word.glob => return None,
            _ => operands.push(word.clone()),
        }
    }
    let access = match (sub.text.as_str(), operands.len()) {
        ("add", 1 | 2) => Access::Write,
        ("remove", 1) => Access::Delete,
        _ => return None,
    };
    Some(known(Act::LocalGit, vec![(access, operands.swap_remove(0))]))
}

/// `jar tf`
fn listed_archive(words: &[Word]) -> Option<Effect> {
    let [mode, file] = words else { return None };
    let lists = ["tf", "-tf", "tvf", "-tvf"].contains(&mode.text.as_str());
    lists.then(|| known(Act::Inspect, vec![(Access::Read, file.clone())]))
}

/// `git clean -n`
fn told_what_would_go(words: &[Word]) -> Option<Effect> {
    let dry = |word: &Word| {
        let letters = word.text.strip_prefix('-').filter(|text| !text.starts_with('-'));
        word.text == "--dry-run" || letters.is_some_and(|letters| letters.contains('n'))
    };
    let only = |word: &Word| {
        let letters = word.text.strip_prefix('-').unwrap_or("?");
        word.known && (word.text == "--dry-run" || letters.bytes().all(|letter| b"ndxX".contains(&letter)))
    };
    (words.iter().any(dry) && words.iter().all(only)).then(|| known(Act::Inspect, Vec::new()))
}

/// `printenv` of variables that hold no secrets.
fn shown_variable(words: &[Word]) -> Option<Effect> {
    const NAMES: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PWD",
        "LANG",
        "LC_ALL",
        "TERM",
        "EDITOR",
        "TMPDIR",
        "TZ",
        "CI",
        "NODE_ENV",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYTHONPATH",
        "GOPATH",
        "GOROOT",
        "GOFLAGS",
        "JAVA_HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTFLAGS",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "CC",
        "CXX",
        "CFLAGS",
        "LD_LIBRARY_PATH",
    ];
    let harmless = |word: &Word| word.known && NAMES.contains(&word.text.as_str());
    (!words.is_empty() && words.iter().all(harmless)).then(|| known(Act::Inspect, Vec::new()))
}

/// `go run` of a package with words for it, which are none of go's.
fn run_by_go(words: &[Word]) -> Option<Effect> {
    let package = |word: &Word| word.known && (word.text.starts_with("./") || word.text.ends_with(".go"));
    let at = words.iter().position(package)?;
    let own = words.iter().skip(at).take_while(|word| word.text.ends_with(".go")).count().max(1);
    let (of_go, given) = words.split_at(at + own);
    let Effect::Known(mut used) = super::grammar::by_table(of_go) else { return None };
    let given: Vec<Word> = of_go[at..=at].iter().chain(given).cloned().collect();
    let Effect::Known(told) = own_program(&given, 1) else { return Some(own_program(&given, 1)) };
    used.paths.extend(told.paths);
    Some(Effect::Known(used))
}

/// Whether something on this machine answers.
fn asked_whether_there(name: &str, words: &[Word]) -> Option<Effect> {
    let mut operands = Vec::new();
    let mut looks = name == "ping";
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "-z" | "-zv" | "-vz" if name == "nc" => looks = true,
            "-v" | "-n" if name == "nc" => {}
            "-c" if name == "ping" => drop(words.next()?),
            "-w" | "-W" => drop(words.next()?),
            text if text.starts_with('-') || !word.known || word.glob => return None,
            text => operands.push(text),
        }
    }
    let (host, ports) = operands.split_first()?;
    let ports: Vec<u16> = ports.iter().map(|port| port.parse().ok()).collect::<Option<_>>()?;
    let local = is_local(host, 0) && ports.iter().all(|port| is_local(host, *port));
    (looks && local).then(|| known(Act::LocalNetwork, Vec::new()))
}

/// A question to a database in a file.
fn queried(words: &[Word]) -> Option<Effect> {
    const FLAGS: &[&str] = &[
        "-header",
        "-noheader",
        "-column",
        "-json",
        "-csv",
        "-line",
        "-list",
        "-readonly",
        "-markdown",
        "-table",
        "-box",
    ];
    const SHOWN: &[&str] = &[".tables", ".schema", ".indexes", ".indices", ".databases"];
    const STATEMENTS: &[&str] = &[
        "select", "explain", "pragma", "with", "insert", "update", "delete", "create", "alter", "drop",
        "replace", "begin", "analyze", "reindex",
    ];
    const REACHING: &[&str] = &[
        "load_extension",
        "fsdir",
        "zipfile",
        "sqlar",
        "writefile",
        "readfile",
        "attach",
        "edit(",
        "fts3_tokenizer",
        "vacuum",
        "_directory",
        "virtual",
    ];
    let operands: Vec<&Word> = words.iter().filter(|word| !FLAGS.contains(&word.text.as_str())).collect();
    let [database, questions @ ..] = operands.as_slice() else { return None };
    let literal = questions.iter().all(|question| question.known && !question.glob);
    if !database.known || !literal || questions.is_empty() || database.text.starts_with(['-', ':']) {
        return None;
    }
    // An address may name any file.
    if database.text.to_lowercase().starts_with("file:") {
        return None;
    }
    let plain = questions.iter().all(|question| {
        let text = question.text.trim().to_lowercase();
        let first = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).next().unwrap_or_default();
        let shows = SHOWN.contains(&first) && !text.contains('\n');
        let asks = STATEMENTS.contains(&first);
        (asks || shows) && !REACHING.iter().any(|word| text.contains(word)) && !text.contains("\n.")
    });
    // It is made where it isn't there.
    plain.then(|| known(Act::WriteInside, vec![(Access::Write, (*database).clone())]))
}

/// A program that is named by its path, or the script at this place: it and the files among its words.
fn own_program(words: &[Word], operands: usize) -> Effect {
    let script = &words[operands - 1];
    let name = script.text.rsplit('/').next().unwrap_or_default().to_lowercase();
    if let Some(reaching) = REACHING.iter().find(|part| name.contains(**part)) {
        return Effect::Guessed(Act::Publish, format!("`{}` may {reaching}", script.text));
    }
    // What a script is told to do counts as well.
    let told = |word: &&Word| {
        let plain =
            word.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_'));
        let lower = word.text.to_lowercase();
        let reaches = ["publish", "deploy", "upload"].iter().any(|part| lower.contains(part));
        plain && !word.text.starts_with('-') && (reaches || ASKED_OF_SCRIPTS.contains(&lower.as_str()))
    };
    if let Some(word) = words[operands..].iter().find(told) {
        return Effect::Guessed(Act::Publish, format!("`{}` is told to {}", script.text, word.text));
    }
    let command = Command { words: words[operands - 1..].to_vec(), ..Command::default() };
    let Use { paths, .. } = likely_use(&command, Act::RunInside);
    let mut paths: Vec<(Access, Word)> = paths;
    paths.retain(|(_, word)| {
        !word.is_of(Kind::Number)
            || word.text.contains(['/', '~'])
            || word.text.starts_with('.')
            || word.text.contains('.')
    });
    paths.push((Access::Read, script.clone()));
    known(Act::RunInside, paths)
}

/// An interpreter that is given a file.
fn interpreted(name: &str, words: &[Word]) -> Option<Effect> {
    let interpreter = INTERPRETERS.iter().find(|interpreter| interpreter.names.contains(&name))?;
    let at = words
        .iter()
        .skip(1)
        .position(|word| !(word.known && interpreter.options.contains(&word.text.as_str())))?
        + 1;
    let script = &words[at];
    // node's debugger takes it for a command of its own.
    let debugs = ["node", "nodejs"].contains(&name) && script.text == "inspect";
    let file = !debugs
        && script.known
        && !script.substituted
        && !script.glob
        && !script.text.starts_with(['-', '@'])
        && !script.text.is_empty();
    (file && script.below.is_none()).then(|| own_program(words, at + 1))
}

/// A tool of the project that is run by another program.
fn run_by(words: &[Word]) -> Option<Effect> {
    let is = |runner: &&&[&str]| {
        runner.len() < words.len()
            && runner.iter().zip(words).all(|(part, word)| word.known && word.text == *part)
    };
    let runner = RUNNERS.iter().filter(is).max_by_key(|runner| runner.len())?;
    let inner = &words[runner.len()..];
    const MODULES: &[&str] = &[
        "pytest", "mypy", "ruff", "black", "flake8", "isort", "pylint", "tox", "nox", "coverage", "pyright",
    ];
    if runner.last() == Some(&"-m") && !MODULES.contains(&program(inner)) {
        return None;
    }
    match read(inner) {
        Effect::Known(used)
            if [Act::Build, Act::RunInside].contains(&used.act) && !inner[0].text.contains('/') =>
        {
            Some(Effect::Known(used))
        }
        _ => None,
    }
}

/// `kill $!`, `kill %1`
fn own_jobs(words: &[Word]) -> Option<Effect> {
    let signal = |word: &&Word| {
        word.text
            .strip_prefix('-')
            .is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    let targets: Vec<&Word> =
        words.iter().skip(usize::from(words.first().as_ref().is_some_and(signal))).collect();
    let own = |word: &&Word| word.text == "$!" || (word.known && word.text.starts_with('%'));
    (!targets.is_empty() && targets.iter().all(own)).then(|| known(Act::SignalOwn, Vec::new()))
}

/// `find … -delete`
fn deleted(words: &[Word]) -> Option<Effect> {
    let others: Vec<Word> = words.iter().filter(|word| word.text != "-delete").cloned().collect();
    // Options that aren't known may do more; and one that follows links finds what lies elsewhere.
    let Effect::Known(_) = read(&others) else { return None };
    Some(known(
        Act::DeleteInside,
        found(&words[1..]).into_iter().map(|word| (Access::Delete, word)).collect(),
    ))
}

fn awk(words: &[Word]) -> Option<Effect> {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        at += match word.text.as_str() {
            "-F" | "-v" => 2,
            text if text.starts_with("-F") || text.starts_with("-v") => 1,
            _ => return None,
        };
    }
    let (text, files) = words.get(at..)?.split_first()?;
    if !text.known || !is_plain_awk(&text.text) || files.iter().any(|word| word.splits) {
        return None;
    }
    // `name=value` among the files sets a variable, and does no harm as the name of a file.
    Some(known(
        Act::Inspect,
        files.iter().map(|word| (Access::Read, word.clone())).filter(|(_, word)| word.text != "-").collect(),
    ))
}

fn sed(words: &[Word]) -> Option<Effect> {
    let mut scripts: Vec<&Word> = Vec::new();
    let mut files = Vec::new();
    let mut in_place = false;
    let mut words = words.iter().peekable();
    let mut given = false;
    while let Some(word) = words.next() {
        if word.splits || (!word.known && word.text.is_empty()) {
            return None;
        }
        match word.text.as_str() {
            "-n" | "-E" | "-r" | "-s" | "-u" | "-z" | "-nE" | "-nr" | "-En" | "-rn" | "--quiet"
            | "--silent" | "--regexp-extended" | "--posix" => {}
            "-i" | "--in-place" | "-Ei" | "-ri" | "-ni" => in_place = true,
            // `-i.bak`: a copy beside the file. `-i` takes what follows it, so that `-iE` isn't `-i -E`.
            text if text.strip_prefix("-i").or_else(|| text.strip_prefix("--in-place=")).is_some_and(
                |suffix| {
                    suffix.starts_with('.')
                        && suffix[1..].chars().all(|c| c.is_ascii_alphanumeric())
                        && suffix.len() < 12
                },
            ) =>
            {
                in_place = true;
            }
            "-e" | "--expression" => {
                scripts.push(words.next()?);
                given = true;
            }
            "-ie" => return None,
            text if text.starts_with('-') && text != "-" => return None,
            _ => files.push(word.clone()),
        }
    }
    if !given {
        if files.is_empty() {
            return None;
        }
        let script = files.remove(0);
        if !script.known || script.glob || !is_plain_sed(&script.text) {
            return None;
        }
    }
    if scripts.iter().any(|script| !script.known || script.glob || !is_plain_sed(&script.text)) {
        return None;
    }
    // On some systems the word after `-i` is a suffix, and may be empty.
    files.retain(|word| !word.text.is_empty() && word.text != "-");
    let (act, access) =
        if in_place { (Act::WriteInside, Access::Write) } else { (Act::Inspect, Access::Read) };
    let reads = files.iter().map(|word| (Access::Read, word.clone()));
    let paths = files.iter().map(|word| (access, word.clone())).chain(reads).collect();
    Some(known(act, paths))
}

/// `ln -s`: what the link leads to is reached by it from then on, so that it must be the agent's own.
fn link(words: &[Word]) -> Option<Effect> {
    let mut operands = Vec::new();
    let mut symbolic = false;
    for word in words {
        match word.text.as_str() {
            "-s" | "-sf" | "-fs" | "-sfn" | "-snf" | "-sv" | "--symbolic" => symbolic = true,
            "-f" | "-n" | "-v" | "--force" | "--no-dereference" => {}
            text if text.starts_with('-') => return None,
            _ if word.known && !word.glob && word.below.is_none() && !word.substituted => {
                operands.push(word.clone());
            }
            _ => return None,
        }
    }
    let [target, link] = operands.as_slice() else { return None };
    if target.tilde || target.text.starts_with('/') {
        return None;
    }
    // Where a relative target leads depends on where the link is; one that goes further up may lead anywhere.
    let upwards = target.text.split('/').any(|part| part == "..");
    let target = match upwards {
        true if symbolic && !link.tilde => {
            Word { text: from_link(&target.text, &link.text)?, ..target.clone() }
        }
        true => return None,
        false => target.clone(),
    };
    // A second name for a file is as good as the file.
    let access = if symbolic { Access::Read } else { Access::Write };
    Some(known(Act::WriteInside, vec![(access, target), (Access::Write, link.clone())]))
}

/// Where a link leads, from where it is made; `None` where that isn't below.
fn from_link(target: &str, link: &str) -> Option<String> {
    let directory = link.trim_end_matches('/').rsplit_once('/').map_or("", |(directory, _)| directory);
    if link.starts_with('/') {
        return None;
    }
    let mut parts = Vec::new();
    for part in directory.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// `git reset` that only takes files out of the index.
fn unstage(words: &[Word]) -> Option<Effect> {
    let mut files = Vec::new();
    let mut only_files = false;
    for word in &words[1..] {
        match word.text.as_str() {
            "--" => only_files = true,
            "-q" | "--quiet" | "--mixed" if !only_files => {}
            "HEAD" if !only_files => {}
            text if !only_files && text.starts_with('-') => return None,
            // A word may be a revision, unless it can't be one.
            text if !(only_files || is_no_revision(text)) => {
                return None;
            }
            _ => files.push((Access::Read, word.clone())),
        }
    }
    Some(known(Act::LocalGit, files))
}

/// `git pull` from a remote of its own, without rewriting anything.
fn pull(words: &[Word]) -> Option<Effect> {
    let rest: Vec<Word> = words[1..]
        .iter()
        .filter(|word| !["--ff-only", "--ff", "--no-rebase", "--no-edit"].contains(&word.text.as_str()))
        .cloned()
        .collect();
    let fetch: Vec<Word> = [Word::literal("git"), Word::literal("fetch")].into_iter().chain(rest).collect();
    match read(&fetch) {
        Effect::Known(used) => Some(Effect::Known(used)),
        Effect::Guessed(..) => None,
    }
}

/// Whether a word can only be a file: a revision holds no dot, or more.
fn is_no_revision(text: &str) -> bool {
    text.contains('.') && !text.contains("..") && !text.contains(['~', '^', '@'])
}

/// A definition or a target of cmake that may name a program, or writes elsewhere.
fn reaches_in_cmake(word: &Word) -> bool {
    const DEFINITIONS: &[&str] = &[
        "CMAKE_BUILD_TYPE",
        "BUILD_TESTING",
        "CMAKE_EXPORT_COMPILE_COMMANDS",
        "BUILD_SHARED_LIBS",
        "CMAKE_CXX_STANDARD",
        "CMAKE_C_STANDARD",
        "CMAKE_VERBOSE_MAKEFILE",
    ];
    const SWITCHES: &[&str] = &["on", "off", "yes", "no", "true", "false", "0", "1"];
    let defined = word.text.strip_prefix("-D").map(|text| {
        let name = text.split(['=', ':']).next().unwrap_or_default();
        (name, text.split_once('=').map(|(_, value)| value.to_lowercase()))
    });
    let harmless = |(name, value): (&str, Option<String>)| {
        DEFINITIONS.contains(&name) || value.is_some_and(|value| SWITCHES.contains(&value.as_str()))
    };
    defined.is_some_and(|definition| !harmless(definition)) || word.text.contains("install")
}

/// Letters of `set` of which `o`, which takes a word, isn't the last.
fn hides_option(word: &Word) -> bool {
    let letters = word.text.strip_prefix(['-', '+']).unwrap_or_default();
    letters.contains('o') && !letters.ends_with('o')
}

/// `set -o` with an option that does more than make the shell stricter.
fn sets_option(option: &Word, value: &Word) -> bool {
    const STRICT: &[&str] = &[
        "errexit",
        "nounset",
        "pipefail",
        "xtrace",
        "noclobber",
        "errtrace",
        "functrace",
        "noglob",
        "verbose",
    ];
    let takes =
        option.text.starts_with(['-', '+']) && !option.text.starts_with("--") && option.text.ends_with('o');
    takes && !STRICT.contains(&value.text.as_str())
}
