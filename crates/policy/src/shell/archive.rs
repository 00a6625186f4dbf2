//! Commands that pack, unpack, split and copy what is in files.

use super::{
    grammar::{Effect, Use, by_table},
    script::{Below, Word},
    special::known,
};
use crate::{path::Access, preset::Act};

/// Archives that are made or listed. What is unpacked may be anything, and lie anywhere below.
pub(super) fn tar(words: &[Word]) -> Option<Effect> {
    let (mode, rest) = words.split_first()?;
    let letters = mode.text.strip_prefix('-').unwrap_or(&mode.text);
    if !mode.known
        || letters.is_empty()
        || !letters.chars().all(|c| "cxtzjJavf".contains(c))
        || !letters.ends_with('f')
    {
        return None;
    }
    let makes = letters.contains('c');
    let unpacks = letters.contains('x');
    if letters.chars().filter(|c| "cxt".contains(*c)).count() != 1 {
        return None;
    }
    let (archive, mut files) = rest.split_first()?;
    let mut paths = Vec::new();
    let mut left_out = Vec::new();
    if unpacks {
        // What is in it may have any name, so that it must go into a directory that nothing else is in.
        let strips = |word: &Word| word.known && word.text.starts_with("--strip-components=");
        let files: Vec<Word> = files.iter().filter(|word| !strips(word)).cloned().collect();
        let ([option, directory], []) = files.split_at_checked(2)? else { return None };
        let fits = option.text == "-C" && directory.known && !archive.text.contains(':') && archive.known;
        let paths = vec![(Access::Read, archive.clone()), (Access::Delete, directory.clone())];
        return fits.then(|| known(Act::WriteInside, paths));
    }
    while let Some((word, after)) = files.split_first() {
        files = after;
        match word.text.as_str() {
            text if text.starts_with("--exclude=") => {}
            text if text.starts_with('-') => return None,
            _ if word.splits => return None,
            _ => left_out.push((Access::Read, below(word))),
        }
    }
    if archive.text.contains(':') || !archive.known {
        return None;
    }
    paths.push((if makes { Access::Write } else { Access::Read }, archive.clone()));
    if makes {
        paths.extend(left_out.iter().cloned());
    }
    paths.retain(|(_, word)| word.text != "-");
    let whole = if makes { left_out } else { Vec::new() };
    let act = if makes { Act::WriteInside } else { Act::Inspect };
    Some(Effect::Known(Use { act, paths, whole, moved: None, directory: None }))
}

/// What is unpacked comes to be under the name without its ending.
pub(super) fn unpacked(words: &[Word]) -> Option<Effect> {
    const ENDINGS: &[&str] = &[".gz", ".xz", ".bz2", ".zst", ".z", ".lzma"];
    if words.iter().any(|word| ["-l", "--list", "-t"].contains(&word.text.as_str())) {
        return None;
    }
    // What is only printed is read.
    let prints = |word: &Word| {
        word.known && ["-c", "-dc", "-cd", "--stdout", "--to-stdout"].contains(&word.text.as_str())
    };
    if words.iter().any(prints) {
        let level = |word: &Word| {
            word.text
                .strip_prefix('-')
                .is_some_and(|text| text.len() == 1 && text.bytes().all(|b| b.is_ascii_digit()))
        };
        let plain = |word: &&Word| {
            ["-d", "-k", "-f", "-q", "-v"].contains(&word.text.as_str()) || prints(word) || level(word)
        };
        let files: Vec<&Word> = words[1..].iter().filter(|word| !plain(word)).collect();
        let option = |word: &&Word| {
            word.text.starts_with('-') && word.text != "-" || word.splits && word.found.is_none()
        };
        let reads = files.iter().filter(|word| word.text != "-").map(|word| (Access::Read, (*word).clone()));
        return (!files.iter().any(option)).then(|| known(Act::Inspect, reads.collect()));
    }
    let Effect::Known(mut used) = by_table(words) else { return None };
    // By an ending that few use, or in capital letters, a name comes of it that isn't foreseen here.
    let odd = |word: &Word| {
        let lower = word.text.to_lowercase();
        let ending =
            ["-gz", "-z", "_z", ".z", ".gz", ".bz", ".bz2", ".lz", ".lz4", ".xz", ".zst", ".lzma", ".tbz"];
        ending.iter().any(|ending| lower.ends_with(ending))
            && !ENDINGS.iter().chain(&[".tbz", ".tgz"]).any(|ending| word.text.ends_with(ending))
    };
    if let Some((_, word)) = used.paths.iter().find(|(_, word)| odd(word)) {
        let problem = format!("what comes of {} isn't foreseen", crate::text::quoted(&word.text));
        return Some(Effect::Guessed(Act::UnknownOption, problem));
    }
    let made: Vec<(Access, Word)> = used
        .paths
        .iter()
        .filter_map(|(_, word)| {
            let archive = [".tgz", ".tbz", ".tbz2", ".txz", ".tzst"]
                .iter()
                .find_map(|ending| word.text.strip_suffix(ending));
            let text = match archive {
                Some(name) => format!("{name}.tar"),
                None => ENDINGS.iter().find_map(|ending| word.text.strip_suffix(ending))?.to_owned(),
            };
            Some((Access::Write, Word { text, ..word.clone() }))
        })
        .collect();
    used.paths.extend(made);
    Some(Effect::Known(used))
}

pub(super) fn zip(words: &[Word]) -> Option<Effect> {
    let mut operands = Vec::new();
    for word in words {
        match word.text.as_str() {
            "-r" | "-q" | "-9" | "-j" | "-rq" | "-qr" | "-v" => {}
            text if text.starts_with('-') => return None,
            _ if word.splits => return None,
            _ => operands.push(word.clone()),
        }
    }
    let (archive, files) = operands.split_first()?;
    let reads: Vec<(Access, Word)> = files.iter().map(|word| (Access::Read, below(word))).collect();
    let paths = std::iter::once((Access::Write, archive.clone())).chain(reads.clone()).collect();
    Some(Effect::Known(Use { act: Act::WriteInside, paths, whole: reads, moved: None, directory: None }))
}

/// What is unpacked may have any name, so that it must go into a directory that nothing else is in.
pub(super) fn unzip(words: &[Word]) -> Option<Effect> {
    let mut paths = Vec::new();
    let mut into = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "-q" | "-o" | "-n" | "-qo" | "-oq" | "-qq" => {}
            "-d" => into = Some(words.next()?.clone()),
            text if text.starts_with('-') || word.splits || word.glob || !word.known => return None,
            // A second one would name what is in it.
            _ => paths.push((Access::Read, word.clone())),
        }
    }
    let into = into.filter(|into| into.known && !into.glob && paths.len() == 1)?;
    paths.push((Access::Delete, into));
    Some(known(Act::WriteInside, paths))
}

pub(super) fn split(words: &[Word]) -> Option<Effect> {
    let mut operands = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "-l" | "-b" | "-n" | "-a" | "-C" => drop(words.next()?),
            "-d" => {}
            text if text.starts_with('-') && text != "-" || word.splits => return None,
            _ => operands.push(word.clone()),
        }
    }
    let (file, prefix) = operands.split_first()?;
    let made = prefix.first().cloned().unwrap_or_else(|| Word::literal("x"));
    // What is added may complete the name of something protected.
    if made.text.rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return None;
    }
    let paths = [(Access::Read, file.clone()), (Access::Write, made)]
        .into_iter()
        .filter(|(_, word)| word.text != "-")
        .collect();
    (prefix.len() < 2).then(|| known(Act::WriteInside, paths))
}

pub(super) fn copy_blocks(words: &[Word]) -> Option<Effect> {
    let mut paths = Vec::new();
    for word in words {
        let (key, value) = word.text.split_once('=').filter(|_| word.known && !word.glob)?;
        match key {
            "if" => paths.push((Access::Read, Word::literal(value))),
            "of" => paths.push((Access::Write, Word::literal(value))),
            "bs" | "count" | "status" | "seek" | "skip" | "conv" | "ibs" | "obs" | "iflag" | "oflag" => {}
            _ => return None,
        }
    }
    Some(known(Act::WriteInside, paths))
}

/// A file, or everything in a directory.
pub(super) fn below(word: &Word) -> Word {
    Word { below: (!word.glob).then_some(Below::All), ..word.clone() }
}
