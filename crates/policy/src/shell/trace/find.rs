//! `find`: which files it finds, and what it runs on them.

use super::{
    super::script::{Below, Word},
    unwrap::Wrapped,
};

/// Options of `find` that end in a command.
const RUNS: &[&str] = &["-exec", "-execdir", "-ok", "-okdir"];

/// Conditions on names, whose value is a pattern.
const NAMES: &[&str] = &["-name", "-iname"];

/// Other conditions that leave files out.
const CONDITIONS: &[&str] = &[
    "-path",
    "-ipath",
    "-wholename",
    "-regex",
    "-iregex",
    "-type",
    "-mtime",
    "-mmin",
    "-ctime",
    "-atime",
    "-size",
    "-newer",
    "-empty",
    "-user",
    "-perm",
    "-mindepth",
    "-links",
    "-inum",
];

/// The commands that `find` runs on what it finds.
pub(super) fn find(words: &[Word]) -> Wrapped {
    // What runs in the directory of each file names other files than it seems to.
    if words.iter().any(|word| ["-execdir", "-okdir"].contains(&word.text.as_str())) {
        return Wrapped::Unclear;
    }
    let found = found(words);
    let mut commands = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if !RUNS.contains(&word.text.as_str()) {
            continue;
        }
        let rest = &words[at..];
        let Some(end) = rest.iter().position(|word| [";", "+"].contains(&word.text.as_str())) else {
            return Wrapped::Unclear;
        };
        for start in &found {
            let inner = rest[..end].iter().map(|word| {
                if word.text == "{}" {
                    start.clone()
                } else if word.text.contains("{}") {
                    Word { known: false, ..word.clone() }
                } else {
                    word.clone()
                }
            });
            commands.push(inner.collect());
        }
        at += end + 1;
    }
    if commands.is_empty() { Wrapped::Nothing } else { Wrapped::Commands(commands) }
}

/// The most places to start from that are told apart.
const MAX_STARTS: usize = 16;

/// What `find` does with what it finds.
const ACTIONS: &[&str] = &[
    "-delete", "-exec", "-execdir", "-ok", "-okdir", "-print", "-print0", "-printf", "-fprint", "-fprint0",
    "-fprintf", "-ls", "-fls", "-quit",
];

/// What `find` with these words finds: for each place it starts from, the files below it.
pub(in crate::shell) fn found(words: &[Word]) -> Vec<Word> {
    let is = |word: &Word, names: &[&str]| names.contains(&word.text.as_str());
    let words: Vec<&Word> =
        words.iter().skip_while(|word| is(word, &["-H", "-P", "-O1", "-O2", "-O3"])).collect();
    let starts = words.iter().take_while(|word| !word.text.starts_with(['-', '(', '!']));
    let mut starts: Vec<Word> = starts.map(|word| (*word).clone()).collect();
    let expression = without_pruned(own(words.iter().copied()));
    let follows = expression.iter().any(|word| is(word, &["-L", "-follow"]));
    if starts.is_empty() {
        starts.push(Word::literal("."));
    }
    // Only what is asked before something is done decides what that is done to.
    let action = expression.iter().position(|word| is(word, ACTIONS));
    let asked = &expression[..action.unwrap_or(expression.len())];
    let has = |names: &[&str]| asked.iter().any(|word| is(word, names));
    let is_not = |word: &Word| is(word, &["!", "-not"]);
    // What a condition leaves out alone leaves it out for certain; several may be in a group.
    let groups = asked.windows(2).any(|pair| is_not(pair[0]) && (pair[1].text == "(" || is_not(pair[1])));
    // A condition that may not hold leaves nothing out for certain.
    let either = |word: &&&Word| is(word, &["-o", "-or", ","]);
    let doubtful = groups || expression.iter().any(|word| either(&word));
    let names: Vec<String> = asked
        .windows(2)
        .enumerate()
        .filter(|(at, pair)| {
            let negated = at.checked_sub(1).is_some_and(|before| is_not(asked[before]));
            !negated && NAMES.contains(&pair[0].text.as_str()) && pair[1].known
        })
        .map(|(_, pair)| pair[1].text.clone())
        .collect();
    // Of several names one must fit: all of them in one group, or nothing is done that only one of them has a part in.
    let grouped = action.is_none() || {
        let mut depth = 0_i32;
        expression.iter().all(|word| {
            depth += i32::from(word.text == "(") - i32::from(word.text == ")");
            depth > 0 || !either(&word)
        })
    };
    let alternatives =
        doubtful && grouped && !has(&["!", "-not", ","]) && !names.is_empty() && !has(CONDITIONS);
    let below = if !names.is_empty() && (!doubtful || alternatives) {
        Below::Named(names)
    } else if doubtful || (!has(CONDITIONS) && names.is_empty()) {
        Below::All
    } else {
        Below::Some
    };
    // More than that aren't told apart.
    let few = starts.len() <= MAX_STARTS;
    starts.truncate(MAX_STARTS);
    starts
        .into_iter()
        .map(|start| Word {
            below: Some(below.clone()),
            // What is found by a link may lie anywhere.
            known: start.known && !follows && few,
            ..start
        })
        .collect()
}

/// The words of `find` without those of the commands that it runs.
pub(crate) fn without_runs(words: &[Word]) -> Vec<Word> {
    own(words.iter()).into_iter().filter(|word| !RUNS.contains(&word.text.as_str())).cloned().collect()
}

/// The words that are `find`'s own.
fn own<'w>(words: impl Iterator<Item = &'w Word>) -> Vec<&'w Word> {
    let mut kept = Vec::new();
    let mut runs = false;
    for word in words {
        if runs {
            runs = ![";", "+"].contains(&word.text.as_str());
            continue;
        }
        runs = RUNS.contains(&word.text.as_str());
        kept.push(word);
    }
    kept
}

/// The words without what is only passed over: `-name x -prune -o`, where something is done with the rest.
fn without_pruned(words: Vec<&Word>) -> Vec<&Word> {
    let is = |word: &Word, names: &[&str]| names.contains(&word.text.as_str());
    let Some(at) = words.windows(2).rposition(|pair| pair[0].text == "-prune" && is(pair[1], &["-o", "-or"]))
    else {
        return words;
    };
    let (pruned, rest) = words.split_at(at + 2);
    let plain = !pruned.iter().any(|word| is(word, ACTIONS));
    if plain && rest.iter().any(|word| is(word, ACTIONS)) { rest.to_vec() } else { words }
}
