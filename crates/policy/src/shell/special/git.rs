//! git, where what a subcommand does depends on its words.

use super::known;
use crate::{
    path::Access,
    preset::Act,
    shell::{
        grammar::{Effect, read},
        script::{Kind, Word},
    },
};

/// `git branch`, `git tag` that only list.
pub(super) fn listed_branches(words: &[Word]) -> Option<Effect> {
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

/// `git config` that shows a setting, or where it comes from.
pub(super) fn looked_up(words: &[Word]) -> Option<Effect> {
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
pub(super) fn worktree(words: &[Word]) -> Option<Effect> {
    let (sub, rest) = words.split_first()?;
    let mut operands = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "-b" if sub.text == "add" => {
                rest.next().filter(|name| name.is_of(Kind::Revision) && !name.splits)?;
            }
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

/// `git clean -n`
pub(super) fn told_what_would_go(words: &[Word]) -> Option<Effect> {
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

/// `git reset` that only takes files out of the index.
pub(super) fn unstage(words: &[Word]) -> Option<Effect> {
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
pub(super) fn pull(words: &[Word]) -> Option<Effect> {
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
    // `v1.0`, `origin/fix.x`
    let last = text.rsplit('/').next().unwrap_or(text);
    let version = last.trim_start_matches(['v', 'V']).starts_with(|c: char| c.is_ascii_digit());
    let remote = ["origin/", "upstream/", "refs/", "heads/", "tags/", "remotes/"]
        .iter()
        .any(|start| text.starts_with(start));
    text.contains('.') && !text.contains("..") && !text.contains(['~', '^', '@']) && !version && !remote
}
