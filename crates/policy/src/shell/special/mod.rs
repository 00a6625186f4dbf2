//! Commands that a table of options can't describe: programs and scripts of the workspace, and those with a language of
//! their own.

mod git;
mod interpreters;
mod languages;

use std::ops::Range;

use self::{
    git::{listed_branches, looked_up, pull, told_what_would_go, unstage, worktree},
    interpreters::{interpreted, only_parsed, own_program, run_by, run_by_go, served},
    languages::{awk, changed_by_yq, listed_archive, queried, sed, tried, with_arguments},
};
use super::{
    archive::{copy_blocks, split, tar, unpacked, unzip, zip},
    fetch::fetch,
    grammar::{Effect, Use, reaching, read},
    reader::filled,
    script::Word,
    trace::found,
    walk::program,
};
use crate::{path::Access, preset::Act, url::is_local};

/// `set`, `export -p`: every variable, and some hold secrets.
fn printed_variables(name: &str, rest: &[Word]) -> Option<Effect> {
    let prints = match name {
        "set" => rest.is_empty(),
        "export" | "declare" | "typeset" | "readonly" => {
            rest.iter().all(|word| word.text.starts_with(['-', '+']))
        }
        _ => false,
    };
    prints.then(|| Effect::Guessed(Act::UnknownOption, format!("`{name}` prints every variable")))
}

/// Commands whose options are read here, and take the next word.
const HAND_READ: &[&str] = &[
    "awk", "gawk", "mawk", "split", "nc", "ping", "patch", "curl", "wget", "zip", "tar", "jq", "yq",
    "python", "python3",
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
    // Where a word may be none, another one would stand in its place.
    let apart = rest.iter().find(|word| word.splits && word.found.is_none());
    if let Some(word) = apart.filter(|_| HAND_READ.contains(&name)) {
        let problem = format!("`{name}`: {} may be several words, or none", filled(word));
        return Some(Effect::Guessed(
            super::known::by_name(words).map_or(Act::UnknownOption, |(_, act)| act),
            problem,
        ));
    }
    if let Some(effect) = printed_variables(name, rest).or_else(|| listed_branches(words)) {
        return Some(effect);
    }
    match name {
        // Without a dash an `e` shows the environment of processes.
        "ps" if rest.iter().enumerate().any(|(at, word)| {
            let letters = word.text.bytes().all(|byte| byte.is_ascii_alphabetic());
            let value = at > 0 && ["-o", "-u", "-U", "-C"].contains(&rest[at - 1].text.as_str());
            letters && !value && word.text.contains('e')
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
        "nx" | "turbo" | "lerna" if rest.iter().any(|word| reaching(&word.text).is_some()) => {
            Some(Effect::Guessed(Act::Publish, format!("`{name}` may do more than build")))
        }
        "gunzip" | "gzip" | "xz" | "bzip2" | "zstd" => unpacked(words),
        "zip" => zip(rest),
        "unzip" => unzip(rest),
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
