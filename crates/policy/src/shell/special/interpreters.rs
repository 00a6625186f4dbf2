//! Programs and scripts of the workspace, and what runs them.

use super::known;
use crate::{
    path::Access,
    preset::Act,
    shell::{
        archive::below,
        danger::likely_use,
        grammar::{Effect, Use, by_table, reaching, read},
        script::{Command, Kind, Word},
        walk::program,
    },
    url::is_local,
};

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
    "migrate:fresh",
    "migrate:refresh",
    "migrate:reset",
    "db:wipe",
    "db:drop",
    "db:reset",
    "db:purge",
    "flush",
    "runner",
    "approve",
    "reject",
];

/// A script that is parsed and not run.
pub(super) fn only_parsed(name: &str, words: &[Word]) -> bool {
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
pub(super) fn served(words: &[Word]) -> Option<Effect> {
    let mut paths = Vec::new();
    let mut local = false;
    let mut rest = words.get(2..)?.iter();
    if words.first()?.text != "-m" {
        return None;
    }
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "--bind" | "-b" => local = is_local(&rest.next().filter(|word| word.known)?.text, 0),
            "--directory" | "-d" => paths.push((Access::Read, below(rest.next()?))),
            text if word.is_of(Kind::Number) && text.bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => return None,
        }
    }
    if paths.is_empty() {
        paths.push((Access::Read, below(&Word::literal("."))));
    }
    local.then(|| known(Act::LocalNetwork, paths))
}

/// `go run` of a package with words for it, which are none of go's.
pub(super) fn run_by_go(words: &[Word]) -> Option<Effect> {
    let package = |word: &Word| word.known && (word.text.starts_with("./") || word.text.ends_with(".go"));
    let at = words.iter().position(package)?;
    let own = words.iter().skip(at).take_while(|word| word.text.ends_with(".go")).count().max(1);
    let (of_go, given) = words.split_at(at + own);
    let Effect::Known(mut used) = by_table(of_go) else { return None };
    let given: Vec<Word> = of_go[at..=at].iter().chain(given).cloned().collect();
    let Effect::Known(told) = own_program(&given, 1) else { return Some(own_program(&given, 1)) };
    used.paths.extend(told.paths);
    Some(Effect::Known(used))
}

/// A program that is named by its path, or the script at this place: it and the files among its words.
pub(super) fn own_program(words: &[Word], operands: usize) -> Effect {
    let script = &words[operands - 1];
    let name = script.text.rsplit('/').next().unwrap_or_default().to_lowercase();
    if let Some(reaching) = reaching(&name) {
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
pub(super) fn interpreted(name: &str, words: &[Word]) -> Option<Effect> {
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
pub(super) fn run_by(words: &[Word]) -> Option<Effect> {
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
