//! Commands with a language of their own for what they do to text and data.

use super::{known, without};
use crate::{
    path::Access,
    preset::Act,
    shell::{
        grammar::{Effect, by_table},
        program_text::{is_plain_awk, is_plain_sed},
        script::Word,
    },
};

/// `patch --dry-run`
pub(super) fn tried(words: &[Word]) -> Option<Effect> {
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
pub(super) fn changed_by_yq(words: &[Word]) -> Option<Effect> {
    let plain: Vec<Word> =
        words.iter().filter(|word| !["-i", "--inplace"].contains(&word.text.as_str())).cloned().collect();
    let Effect::Known(mut used) = by_table(&plain) else { return None };
    let written: Vec<_> = used.paths.iter().map(|(_, word)| (Access::Write, word.clone())).collect();
    used.paths.extend(written);
    used.act = Act::WriteInside;
    Some(Effect::Known(used))
}

/// jq's variables, which are texts or what a file holds.
pub(super) fn with_arguments(words: &[Word]) -> Option<Effect> {
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

/// `jar tf`
pub(super) fn listed_archive(words: &[Word]) -> Option<Effect> {
    let [mode, file] = words else { return None };
    let lists = ["tf", "-tf", "tvf", "-tvf"].contains(&mode.text.as_str());
    lists.then(|| known(Act::Inspect, vec![(Access::Read, file.clone())]))
}

/// A question to a database in a file.
pub(super) fn queried(words: &[Word]) -> Option<Effect> {
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
        // However a function's name is written.
        let bare: String = text.chars().filter(|c| !(c.is_whitespace() || "\"'`[]".contains(*c))).collect();
        let reaches = REACHING.iter().any(|word| text.contains(word) || bare.contains(word));
        (asks || shows) && !reaches && !["/*", "--", "\n."].iter().any(|sign| text.contains(sign))
    });
    // It is made where it isn't there.
    plain.then(|| known(Act::WriteInside, vec![(Access::Write, (*database).clone())]))
}

pub(super) fn awk(words: &[Word]) -> Option<Effect> {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        at += match word.text.as_str() {
            "-F" | "-v" => 2,
            text if text.starts_with("-F") || text.starts_with("-v") => 1,
            _ => return None,
        };
    }
    let (text, files) = words.get(at..)?.split_first()?;
    // gawk reaches other machines by names of files.
    if files.iter().any(|word| word.text.starts_with("/inet")) {
        return None;
    }
    // A wildcard stands for a name that somebody gave a file.
    if !text.known || text.glob || !is_plain_awk(&text.text) || files.iter().any(|word| word.splits) {
        return None;
    }
    // `name=value` among the files sets a variable, and does no harm as the name of a file.
    Some(known(
        Act::Inspect,
        files.iter().map(|word| (Access::Read, word.clone())).filter(|(_, word)| word.text != "-").collect(),
    ))
}

pub(super) fn sed(words: &[Word]) -> Option<Effect> {
    let mut scripts: Vec<&Word> = Vec::new();
    let mut files = Vec::new();
    let mut in_place = false;
    let mut suffix = String::new();
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
                suffix = text.trim_start_matches("-i").trim_start_matches("--in-place=").to_owned();
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
    let mut paths: Vec<_> = files.iter().map(|word| (access, word.clone())).chain(reads).collect();
    // The copy beside each file may have a name that counts.
    if !suffix.is_empty() {
        let copies = files.iter().map(|word| Word { text: format!("{}{suffix}", word.text), ..word.clone() });
        paths.extend(copies.map(|word| (Access::Write, word)));
    }
    Some(known(act, paths))
}
