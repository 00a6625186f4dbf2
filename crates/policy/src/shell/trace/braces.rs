//! `{a,b}` and `{1..5}`: words that stand for several.

use super::pieces::{closing, end_of_back_quotes, end_of_double_quotes, end_of_script};

/// Whether the word holds braces that stand for several words.
pub(super) fn has_braces(raw: &str) -> bool {
    raw.contains('{') && (raw.matches('{').count() > MAX_BRACES || alternatives(raw).is_some())
}

/// The most braces in a word.
const MAX_BRACES: usize = 24;

/// The most words that the braces of one stand for.
const MAX_ALTERNATIVES: usize = 256;

/// The words that the braces of one stand for; `None` where they stand for themselves. Too many are cut off.
pub(super) fn alternatives(raw: &str) -> Option<Vec<String>> {
    if raw.matches('{').count() > MAX_BRACES {
        return None;
    }
    let (start, end, parts) = braces(raw)?;
    let mut all = Vec::new();
    for part in parts {
        let word = format!("{}{part}{}", &raw[..start], &raw[end..]);
        match alternatives(&word) {
            Some(more) => all.extend(more),
            None => all.push(word),
        }
        if all.len() >= MAX_ALTERNATIVES {
            break;
        }
    }
    Some(all)
}

/// The first braces that stand for several words: where they start and end, and the words.
fn braces(raw: &str) -> Option<(usize, usize, Vec<String>)> {
    let bytes = raw.as_bytes();
    let mut opened: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' => at += 1 + raw[at + 1..].find('\'')?,
            b'"' => at += end_of_double_quotes(&raw[at + 1..]).ok()?,
            b'`' => at += end_of_back_quotes(&raw[at + 1..]).ok()?,
            b'$' if raw[at + 1..].starts_with('{') => at += 2 + closing(&raw[at + 2..], '}').ok()?,
            b'$' if raw[at + 1..].starts_with('(') => at += 2 + end_of_script(&raw[at + 2..]).ok()?,
            b'{' => opened.push((at, Vec::new())),
            b',' => {
                if let Some((_, commas)) = opened.last_mut() {
                    commas.push(at);
                }
            }
            b'}' => {
                if let Some((start, commas)) = opened.pop() {
                    let inside = &raw[start + 1..at];
                    let parts = if commas.is_empty() {
                        sequence(inside)
                    } else {
                        let ends = commas.iter().copied().chain([at]);
                        let starts = std::iter::once(start + 1).chain(commas.iter().map(|comma| comma + 1));
                        Some(starts.zip(ends).map(|(from, to)| raw[from..to].to_owned()).collect())
                    };
                    if let Some(parts) = parts {
                        return Some((start, at + 1, parts));
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// `1..5`, `a..e`.
fn sequence(text: &str) -> Option<Vec<String>> {
    let (from, to) = text.split_once("..")?;
    let to = to.split("..").next()?;
    if let (Ok(from), Ok(to)) = (from.parse::<i32>(), to.parse::<i32>()) {
        let step = if from <= to { 1 } else { -1 };
        let count = from.abs_diff(to).min(MAX_ALTERNATIVES as u32) as i32;
        return Some((0..=count).map(|n| (from + n * step).to_string()).collect());
    }
    let (mut from, mut to) = (from.chars(), to.chars());
    match (from.next(), from.next(), to.next(), to.next()) {
        (Some(a), None, Some(b), None) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            let (low, high) = (a.min(b), a.max(b));
            Some((low..=high).map(String::from).collect())
        }
        _ => None,
    }
}
