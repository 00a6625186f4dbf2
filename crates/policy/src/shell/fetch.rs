//! Commands that fetch from a URL.

use super::{
    grammar::Effect,
    script::{Kind, Word},
    special::known,
};
use crate::{path::Access, preset::Act, url::is_this_machine};

/// Options of curl that take no value and neither read, write nor send anything that isn't named.
const CURL_FLAGS: &str = "sSfivkIgN";

/// Those that take a value which is only text.
const CURL_TEXTS: &[&str] = &[
    "-X",
    "--request",
    "-H",
    "--header",
    "-w",
    "--write-out",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "-A",
    "--user-agent",
];

/// Those whose value is sent, or is a file after `@`.
const CURL_DATA: &[&str] = &["-d", "--data", "--data-raw", "--data-binary", "--json", "--data-urlencode"];

/// Fetching from this machine.
pub(super) fn fetch(name: &str, words: &[Word]) -> Option<Effect> {
    let mut paths = Vec::new();
    let mut urls = Vec::new();
    let fetched_nowhere = words.iter().any(|word| ["--spider", "-qO-", "-O-"].contains(&word.text.as_str()));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.splits || word.glob && word.text.starts_with('-') {
            return None;
        }
        let text = word.text.as_str();
        if !text.starts_with('-') {
            urls.push(word);
            continue;
        }
        if !word.known {
            return None;
        }
        if name == "wget" {
            match text {
                "-q" | "-S" | "-nv" | "--spider" | "--quiet" | "-qO-" => {}
                "-O" | "-qO" | "-O-" => {
                    if text != "-O-" {
                        paths.push((Access::Write, words.next()?.clone()));
                    }
                }
                _ => return None,
            }
            continue;
        }
        if CURL_TEXTS.contains(&text) {
            let value = words.next()?;
            if value.text.contains("%output") || value.splits || (value.text.starts_with('@') && value.known)
            {
                return None;
            }
        } else if CURL_DATA.contains(&text) {
            let value = words.next()?;
            if value.splits || !value.known && !value.text.starts_with(|c: char| c != '@') {
                return None;
            }
            if let Some(file) =
                value.text.split_once('@').map(|(_, file)| file).filter(|_| text != "--data-raw")
            {
                paths.push((Access::Read, Word::literal(file)));
            }
        } else if ["-o", "--output"].contains(&text) {
            paths.push((Access::Write, words.next()?.clone()));
        } else if let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.starts_with('-')) {
            if !letters.chars().all(|c| CURL_FLAGS.contains(c)) {
                return None;
            }
        } else if ![
            "--silent",
            "--show-error",
            "--fail",
            "--include",
            "--verbose",
            "--head",
            "--compressed",
            "--no-progress-meter",
        ]
        .contains(&text)
        {
            return None;
        }
    }
    let local = |word: &&Word| {
        let address = word
            .text
            .split_once("://")
            .map_or_else(|| format!("http://{}", word.text), |_| word.text.clone());
        // What is filled in after the host can't change it.
        let firm = word.firm.and_then(|firm| word.text.get(..firm)).unwrap_or_default();
        let whole = word.known
            || word.is_of(Kind::Number)
            || firm.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        whole && !word.text.contains(['{', '[']) | word.text.contains("[::1]") && is_this_machine(&address)
    };
    // wget names a file by what it fetches.
    let named = name == "curl" || !paths.is_empty() || fetched_nowhere;
    if urls.is_empty() || !urls.iter().all(local) || !named {
        return None;
    }
    paths.retain(|(_, word)| word.text != "-");
    Some(known(Act::LocalNetwork, paths))
}
