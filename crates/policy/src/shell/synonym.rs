//! Other spellings of a command that do the same, as data. They only ever restrict.

use super::{
    git::{GIT_VALUES, skipped_options},
    script::Word,
};

/// The most spellings one command is held against.
const MAX_FORMS: usize = 64;

/// A program that is told what to do by its first word.
struct Program {
    name: &'static str,
    /// Options before that word which take the next one.
    values: &'static [&'static str],
    /// Words that stand for the same.
    synonyms: &'static [&'static [&'static str]],
    /// Whether any unambiguous start of a word stands for it.
    cut_short: bool,
}

const CARGO_VALUES: &[&str] =
    &["-C", "-Z", "--config", "--color", "--manifest-path", "--target-dir", "-p", "--package"];

const NPM_VALUES: &[&str] = &[
    "-C",
    "-w",
    "--prefix",
    "--workspace",
    "--registry",
    "--loglevel",
    "--userconfig",
    "--cache",
    "--dir",
    "--cwd",
    "--filter",
    "-F",
    "--tag",
    "--otp",
];

const PROGRAMS: &[Program] = &[
    Program {
        name: "cargo",
        values: CARGO_VALUES,
        synonyms: &[
            &["build", "b"],
            &["check", "c"],
            &["doc", "d"],
            &["test", "t"],
            &["run", "r"],
            &["remove", "rm"],
        ],
        cut_short: false,
    },
    Program {
        name: "npm",
        values: NPM_VALUES,
        synonyms: &[
            &["test", "t", "tst", "run test", "run-script test"],
            &["start", "run start", "run-script start"],
            &["stop", "run stop", "run-script stop"],
            &["restart", "run restart", "run-script restart"],
            &["run", "run-script", "rum", "urn"],
            &[
                "install", "i", "in", "ins", "inst", "insta", "instal", "isnt", "isnta", "isntal", "isntall",
                "add",
            ],
            &["ci", "clean-install", "ic", "install-clean", "isntall-clean"],
            &["install-test", "it"],
            &["install-ci-test", "cit", "clean-install-test", "sit"],
            &["uninstall", "un", "unlink", "remove", "rm", "r"],
            &["update", "up", "upgrade", "udpate"],
            &["exec", "x"],
            &["link", "ln"],
            &["list", "ls", "la", "ll"],
            &["init", "create", "innit"],
            &["adduser", "add-user", "login"],
            &["config", "c"],
            &["view", "v", "info", "show"],
            &["publish"],
            &["unpublish"],
            &["version", "verison"],
            &["dist-tag", "dist-tags"],
            &["owner", "author"],
            &["pack"],
            &["rebuild", "rb"],
            &["access"],
            &["token"],
            &["deprecate"],
        ],
        cut_short: true,
    },
    Program {
        name: "pnpm",
        values: NPM_VALUES,
        synonyms: &[
            &["test", "t", "tst", "run test"],
            &["start", "run start"],
            &["run", "run-script"],
            &["install", "i"],
            &["install-test", "it"],
            &["remove", "rm", "un", "uninstall"],
            &["update", "up", "upgrade"],
            &["link", "ln"],
            &["list", "ls", "la", "ll"],
            &["rebuild", "rb"],
        ],
        cut_short: false,
    },
    Program {
        name: "yarn",
        values: NPM_VALUES,
        synonyms: &[&["test", "run test"], &["start", "run start"], &["install", ""], &["up", "upgrade"]],
        cut_short: false,
    },
    Program { name: "git", values: GIT_VALUES, synonyms: &[&["add", "stage"]], cut_short: false },
];

/// Programs that are also run as a module.
const MODULES: &[&str] = &["python -m", "python3 -m"];

/// Every spelling of the command that a rule which restricts is held against: the words as they are, then those without
/// the program's directory, without options before the subcommand, and with other names of the subcommand.
pub(super) fn synonyms(words: &[Word]) -> Vec<String> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let Some((first, rest)) = texts.split_first() else { return Vec::new() };
    let name = first.rsplit('/').next().unwrap_or(first);
    let mut forms = Vec::new();
    if name != *first {
        forms.push(joined(&[name], rest));
    }
    if let ["-m", module, rest @ ..] = rest
        && ["python", "python3"].contains(&name)
    {
        forms.push(joined(&[*module], rest));
    }
    if ["pytest", "py.test"].contains(&name) {
        forms.extend(["pytest", "py.test"].iter().map(|name| joined(&[*name], rest)));
        forms.extend(MODULES.iter().map(|module| joined(&[*module, "pytest"], rest)));
    }
    let Some(program) = PROGRAMS.iter().find(|program| program.name == name) else { return forms };
    // `cargo +nightly test`
    let toolchain = usize::from(name == "cargo" && rest.first().is_some_and(|word| word.starts_with('+')));
    let at = toolchain + skipped_options(words.get(1 + toolchain..).unwrap_or_default(), program.values);
    let Some(after) = rest.get(at..) else { return forms };
    if at > 0 {
        forms.push(joined(&[name], after));
    }
    let meant = meant(program, after);
    forms.extend(meant.map(|(synonym, rest)| joined(&[name, synonym], rest)).take(MAX_FORMS));
    forms
}

/// Other names of the subcommand, each with the words that follow it.
fn meant<'a>(
    program: &'static Program,
    words: &'a [&'a str],
) -> impl Iterator<Item = (&'static str, &'a [&'a str])> {
    let first = words.first().copied().unwrap_or_default();
    let known = program.synonyms.iter().any(|group| group.contains(&first));
    let matched = move |name: &str| -> Option<&'a [&'a str]> {
        let parts = name.split(' ').filter(|part| !part.is_empty()).count();
        if name.is_empty() {
            return words.is_empty().then_some(words);
        }
        let cut = program.cut_short && !known && !first.is_empty() && parts == 1 && name.starts_with(first);
        let same = words.len() >= parts && name.split(' ').eq(words[..parts].iter().copied());
        (same || cut).then(|| &words[parts..])
    };
    let groups = program.synonyms.iter();
    groups.flat_map(move |group| {
        let rests: Vec<&[&str]> = group.iter().filter_map(|name| matched(name)).take(1).collect();
        rests.into_iter().flat_map(move |rest| group.iter().map(move |name| (*name, rest)))
    })
}

fn joined(start: &[&str], rest: &[&str]) -> String {
    let words = start.iter().chain(rest).copied().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
