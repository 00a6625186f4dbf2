//! Commands that print the names of files.

use super::{
    super::{
        script::{Below, Command, Word},
        walk::base,
    },
    find::found,
    is_digits,
    told::sequence,
};

/// The files that a command prints the names of.
pub(super) fn listed(words: &[Word]) -> Option<Vec<Word>> {
    let program = words.first().map(base)?;
    let rest = &words[1..];
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(&word.text.as_str()));
    let whole = |word: &Word| Word { below: Some(Below::Some), ..word.clone() };
    let operands = || rest.iter().filter(|word| !word.text.starts_with('-'));
    let here = || vec![whole(&Word::literal("."))];
    // Options of one letter that are run together, up to one that takes a value.
    let cluster_has = |letter: char, values: &str| {
        let short = |word: &&Word| word.text.starts_with('-') && !word.text.starts_with("--");
        rest.iter()
            .filter(short)
            .any(|word| word.text[1..].chars().take_while(|c| !values.contains(*c)).any(|c| c == letter))
    };
    let has_start = |start: &str| rest.iter().any(|word| word.text.starts_with(start));
    // Nothing else is printed for any other option.
    let only = |options: &[&str]| {
        rest.iter()
            .filter(|word| word.text.starts_with('-'))
            .all(|word| word.known && options.contains(&word.text.split('=').next().unwrap_or_default()))
    };
    let sub = crate::shell::git::git_subcommand(words);
    match program.as_ref() {
        "find" if !has(&["-printf", "-fprintf", "-exec", "-execdir", "-ok", "-okdir", "-ls"]) => {
            // `find .` prints `./name`, which is no option.
            let slashed =
                |word: Word| if word.text == "." { Word { text: "./".to_owned(), ..word } } else { word };
            Some(found(rest).into_iter().map(slashed).collect())
        }
        "git"
            if sub == Some("ls-files")
                && only(&[
                    "-z",
                    "-m",
                    "-o",
                    "-c",
                    "-d",
                    "--modified",
                    "--others",
                    "--cached",
                    "--deleted",
                    "--exclude-standard",
                    "-co",
                    "--",
                ]) =>
        {
            let paths: Vec<&Word> =
                rest.iter().filter(|word| !["ls-files", "--"].contains(&word.text.as_str())).collect();
            Some(pathspecs(&paths).unwrap_or_else(here))
        }
        // It prints the names in a directory by themselves, so that they are names in this one; and files as they are given.
        "ls" if rest.iter().all(|word| {
            !word.text.starts_with("--")
                && (!word.text.starts_with('-') || word.text[1..].chars().all(|c| "1trSUvXcuaAd".contains(c)))
        }) && operands().all(|word| word.known && !word.tilde) =>
        {
            let directories = operands().filter(|word| word.text.contains('/')).map(|word| {
                let directory =
                    word.text.trim_end_matches('/').rsplit_once('/').map_or(".", |(before, _)| before);
                Word { glob: false, text: directory.to_owned(), below: Some(Below::Some), ..word.clone() }
            });
            let plain = operands().all(|word| {
                word.text.rsplit_once('/').is_none_or(|(directory, _)| {
                    !directory.is_empty() && !directory.contains(['*', '?', '['])
                })
            });
            Some(directories.chain(here()).collect()).filter(|_| plain)
        }
        "grep" | "egrep" | "fgrep" if cluster_has('l', "efABCmdD") && !has_start("--la") => {
            let named: Vec<Word> = operands().skip(1).map(whole).collect();
            Some(if named.is_empty() { here() } else { named })
        }
        "git"
            if (sub == Some("diff")
                && has(&["--name-only"])
                && only(&[
                    "--name-only",
                    "-z",
                    "--cached",
                    "--staged",
                    "--diff-filter",
                    "--relative",
                    "-M",
                    "--no-renames",
                    "--",
                ]))
                || (sub == Some("grep")
                    && (cluster_has('l', "efABCmO") || has(&["--name-only", "--files-with-matches"]))) =>
        {
            let paths: Vec<&Word> = rest.iter().skip_while(|word| word.text != "--").skip(1).collect();
            Some(pathspecs(&paths).unwrap_or_else(here))
        }
        "rg" if cluster_has('l', "gtTefABCmMjrdE") || has(&["--files-with-matches", "--files"]) => {
            let skipped = usize::from(!has(&["--files"]));
            let named: Vec<Word> = operands().skip(skipped).map(whole).collect();
            Some(if named.is_empty() { here() } else { named })
        }
        // What it prints is taken apart once more.
        "seq" => Some(sequence(words)?.iter().map(|number| Word::literal(number)).collect()),
        "echo"
            if rest.iter().all(|word| {
                word.known
                    && !word.glob
                    && !word.text.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c))
            }) =>
        {
            Some(rest.to_vec())
        }
        _ => None,
    }
}

/// The files of a repository that git's patterns for paths leave, where these are plain ones.
fn pathspecs(paths: &[&Word]) -> Option<Vec<Word>> {
    let plain = |word: &&&Word| {
        word.known
            && !word.glob
            && !word.tilde
            && !word.text.starts_with([':', '-', '/'])
            && !word.text.contains(['[', '\\'])
    };
    if paths.is_empty() || !paths.iter().all(|word| plain(&word)) {
        return None;
    }
    let files = paths.iter().map(|word| {
        let wild = word.text.find(['*', '?']);
        let start = wild.map_or(word.text.as_str(), |at| &word.text[..at]);
        let directory = match wild {
            Some(_) => start.rsplit_once('/').map_or(".", |(directory, _)| directory),
            None => start,
        };
        // A `*` takes slashes in as well, so that what follows the last one is a pattern for the name.
        let name = word.text.rsplit('/').next().unwrap_or_default();
        let below = match wild {
            Some(_) => Below::Named(vec![name.to_owned()]),
            None => Below::Some,
        };
        Word { below: Some(below), ..Word::literal(directory) }
    });
    Some(files.collect())
}

/// Whether the command hands the lines of its input on as they are, though not all of them.
pub(super) fn is_filter(command: &Command) -> bool {
    let Some(program) = command.words.first().map(base) else { return false };
    let operands: Vec<&Word> = command.words[1..].iter().filter(|word| !word.text.starts_with('-')).collect();
    let plain = is_silenced(command) && command.fed.is_empty() && !command.merges;
    // Any other option may print something else, or read something else.
    let letters = |known: &str| {
        command.words[1..].iter().filter(|word| word.text.starts_with('-')).all(|word| {
            let key = program == "sort"
                && (word.text.starts_with("-k") || word.text.starts_with("-t"))
                && word.text.len() > 2;
            key || (word.known && word.text[1..].chars().all(|c| known.contains(c)))
        })
    };
    match program.as_ref() {
        "sort" => plain && operands.is_empty() && letters("nrufhVsbdgMRz"),
        "uniq" => plain && operands.is_empty() && letters("udi"),
        "head" | "tail" => plain && counts_lines(&command.words[1..]),
        "grep" | "egrep" | "fgrep" => plain && operands.len() == 1 && letters("viEFwxPsaG"),
        _ => false,
    }
}

/// `-5`, `-n 5`, `-n5`, `--lines=5`: so many lines, whole ones.
fn counts_lines(words: &[Word]) -> bool {
    let number = |text: &str| is_digits(text.trim_start_matches(['+', '-']));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        let counts = match text {
            "-n" => words.next().is_some_and(|word| word.is_number() || (word.known && number(&word.text))),
            _ => {
                let count = text
                    .strip_prefix("--lines=")
                    .or_else(|| text.strip_prefix("-n"))
                    .or_else(|| text.strip_prefix('-'));
                word.known && count.is_some_and(number)
            }
        };
        if !counts {
            return false;
        }
    }
    true
}

/// Whether the command is connected to no file but the one in which errors vanish.
pub(super) fn is_silenced(command: &Command) -> bool {
    command.redirects.iter().all(|(writes, word)| *writes && word.known && word.text == "/dev/null")
}
