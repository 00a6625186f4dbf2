//! Commands that print the names of files.

use super::{
    super::{
        script::{Below, Command, Word},
        walk::base,
    },
    is_digits,
    told::sequence,
    unwrap::found,
};

/// The files that a command prints the names of.
pub(super) fn listed(words: &[Word]) -> Option<Vec<Word>> {
    let program = words.first().map(base)?;
    let rest = &words[1..];
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(&word.text.as_str()));
    let whole = |word: &Word| Word { below: Some(Below::Some), ..word.clone() };
    let operands = || rest.iter().filter(|word| !word.text.starts_with('-'));
    let here = || vec![whole(&Word::literal("."))];
    let letters_have = |letter| {
        let short = |word: &&Word| word.text.starts_with('-') && !word.text.starts_with("--");
        rest.iter().filter(short).any(|word| word.text.contains(letter))
    };
    match program.as_ref() {
        "find" if !has(&["-printf", "-fprintf", "-exec", "-execdir", "-ok", "-okdir", "-ls"]) => {
            // `find .` prints `./name`, which is no option.
            let slashed =
                |word: Word| if word.text == "." { Word { text: "./".to_owned(), ..word } } else { word };
            Some(found(rest).into_iter().map(slashed).collect())
        }
        "git" if has(&["ls-files"]) => {
            let paths: Vec<&Word> =
                rest.iter().filter(|word| !["ls-files", "--"].contains(&word.text.as_str())).collect();
            Some(pathspecs(&paths).unwrap_or_else(here))
        }
        // It prints the names in a directory by themselves, so that they are names in this one; and files as they are given.
        "ls" if !has(&["-R", "--recursive"]) && operands().all(|word| word.known && !word.tilde) => {
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
        "grep" | "egrep" | "fgrep"
            if rest.iter().any(|word| {
                word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('l')
            }) =>
        {
            let named: Vec<Word> = operands().skip(1).map(whole).collect();
            Some(if named.is_empty() { here() } else { named })
        }
        "git"
            if (has(&["diff"]) && has(&["--name-only"]))
                || (has(&["grep"])
                    && (letters_have('l') || has(&["--name-only", "--files-with-matches"]))) =>
        {
            let paths: Vec<&Word> = rest.iter().skip_while(|word| word.text != "--").skip(1).collect();
            Some(pathspecs(&paths).unwrap_or_else(here))
        }
        "rg" if letters_have('l') || has(&["--files-with-matches", "--files"]) => {
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
    let plain = is_silenced(command) && command.fed.is_empty();
    match program.as_ref() {
        "uniq" if command.words.iter().any(|word| word.text.contains('c') && word.text.starts_with('-')) => {
            false
        }
        "sort" | "uniq" => plain && operands.is_empty(),
        // Their number of lines may stand by itself.
        "head" | "tail"
            if command
                .words
                .iter()
                .any(|word| word.text.starts_with("-c") || word.text.starts_with("--b")) =>
        {
            false
        }
        "head" | "tail" => plain && operands.iter().all(|word| is_digits(&word.text)),
        "grep" | "egrep" | "fgrep" => {
            let alters = |word: &Word| {
                word.text.starts_with("--")
                    || word.text.contains(['o', 'c', 'n', 'f', 'H', 'e', 'A', 'B', 'C'])
            };
            plain
                && operands.len() == 1
                && !command.words[1..].iter().any(|word| word.text.starts_with('-') && alters(word))
        }
        _ => false,
    }
}

/// Whether the command is connected to no file but the one in which errors vanish.
pub(super) fn is_silenced(command: &Command) -> bool {
    command.redirects.iter().all(|(writes, word)| *writes && word.known && word.text == "/dev/null")
}
