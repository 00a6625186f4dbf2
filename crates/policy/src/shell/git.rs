//! What stands between `git` and its subcommand.

use std::borrow::Cow;

use super::{script::Word, walk::base};

/// Takes git's harmless options before the subcommand away.
pub(super) fn without_options(words: &[Word]) -> Result<(Option<Word>, Cow<'_, [Word]>), String> {
    if words.first().is_none_or(|word| word.text != "git") {
        return Ok((None, Cow::Borrowed(words)));
    }
    let mut directory = None;
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        match word.text.as_str() {
            "--no-pager" | "-P" => at += 1,
            "-c" if words.get(at + 1).is_some_and(is_harmless_setting) => at += 2,
            "--version" | "-v" | "--help" | "-h" => break,
            "-C" if directory.is_none() && at + 1 < words.len() => {
                directory = Some(words[at + 1].clone());
                at += 2;
            }
            other => return Err(other.to_owned()),
        }
    }
    if at == 1 {
        return Ok((None, Cow::Borrowed(words)));
    }
    let mut rest = vec![words[0].clone()];
    rest.extend_from_slice(&words[at..]);
    Ok((directory, Cow::Owned(rest)))
}

/// Whether a setting of git names no program and no file.
fn is_harmless_setting(word: &Word) -> bool {
    const KEYS: &[&str] = &[
        "user.name",
        "user.email",
        "init.defaultbranch",
        "core.quotepath",
        "core.autocrlf",
        "log.date",
        "diff.renames",
    ];
    let Some((key, value)) = word.text.split_once('=') else { return false };
    let key = key.to_lowercase();
    let quiet = (key == "commit.gpgsign" || key == "tag.gpgsign") && value == "false";
    word.known
        && (KEYS.contains(&key.as_str())
            || key.starts_with("color.")
            || key.starts_with("advice.")
            || quiet
            || (key == "core.pager" && value == "cat"))
}

/// The subcommand of a git command, after whatever options stand before it.
pub(crate) fn git_subcommand(words: &[Word]) -> Option<&str> {
    let (program, rest) = words.split_first()?;
    if base(program) != "git" {
        return None;
    }
    let at = skipped_options(rest, GIT_VALUES);
    rest.get(at).map(|word| word.text.as_str())
}

/// git's options before the subcommand that take the next word.
pub(crate) const GIT_VALUES: &[&str] =
    &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"];

/// How many words at the start are options, or the values of those that take one.
pub(crate) fn skipped_options(words: &[Word], values: &[&str]) -> usize {
    let mut at = 0;
    while let Some(option) = words.get(at).filter(|word| word.text.starts_with('-')) {
        at += if values.contains(&option.text.as_str()) { 2 } else { 1 };
    }
    at
}
