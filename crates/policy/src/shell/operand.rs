//! Words that aren't options, and what a program makes of them.

use super::script::{Kind, Word};

/// Whether a word that cargo hands on to a test, a linter or a formatter only picks, shows or counts.
pub(super) fn is_of_tests(word: &Word, command: &str) -> bool {
    const OPTIONS: &[&str] = &[
        "--nocapture",
        "--no-capture",
        "--exact",
        "--test-threads",
        "--skip",
        "--ignored",
        "--include-ignored",
        "--list",
        "--quick",
        "--show-output",
        "--quiet",
        "-q",
        "--color",
        "--check",
        "-D",
        "-W",
        "-A",
        "-F",
        "--deny",
        "--warn",
        "--allow",
        "--no-deps",
        "--sample-size",
        "--warm-up-time",
        "--measurement-time",
        "--noplot",
        "--verbose",
        "--save-baseline",
        "--baseline",
    ];
    let text = word.text.as_str();
    let name = text.split('=').next().unwrap_or_default();
    let lint = ["-D", "-W", "-A", "-F"].iter().any(|option| text.starts_with(option));
    let picks = !text.starts_with('-') && command != "cargo fmt" && !text.contains(['/', '.']);
    word.known && !word.glob && !text.starts_with('@') && (OPTIONS.contains(&name) || lint || picks)
}

/// The word that `printf` would calculate with, where it isn't a number: what is calculated may run something.
pub(super) fn calculated(operands: &[Word]) -> Option<&Word> {
    let (format, words) = operands.split_first()?;
    let text = format.text.replace("%%", "");
    let calculates: Vec<bool> = text
        .split('%')
        .skip(1)
        .map(|rest| {
            let kind = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "-+ #.".contains(c));
            !kind.starts_with(['s', 'b'])
        })
        .collect();
    // One word for each sign, again and again; unless a word may be none or several, or a width takes one too.
    let one_each = format.known && !text.contains('*') && !words.iter().any(|word| word.splits);
    let told = calculates.contains(&true);
    let any = told || !format.is_of(Kind::Number);
    let is =
        |at: usize| if one_each { calculates.get(at % calculates.len().max(1)) == Some(&true) } else { any };
    let calculated = words.iter().enumerate().find(|(at, word)| is(*at) && !word.is_of(Kind::Number));
    calculated.map(|(_, word)| word).or_else(|| Some(format).filter(|_| told && !format.is_of(Kind::Number)))
}

/// Variables of makefiles that name no program, as projects call them.
pub(super) const SETTINGS: &[&str] = &[
    "V",
    "Q",
    "VERBOSE",
    "DEBUG",
    "RELEASE",
    "PROFILE",
    "MODE",
    "CONFIG",
    "BUILD",
    "BUILD_TYPE",
    "TEST",
    "TESTS",
    "FILTER",
    "RUN",
    "COUNT",
    "JOBS",
    "N",
];

/// Whether flags of a compiler only say how it compiles.
pub(super) fn is_plain_flags(flags: &str) -> bool {
    const PLAIN: &[&str] =
        &["-O", "-g", "-W", "-std=", "-D", "-fsanitize=", "-fno-", "-m", "-pedantic", "-I"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,".contains(c);
    flags.split_whitespace().all(|flag| {
        let passes_on = ["-Wl,", "-Wa,", "-Wp,"].iter().any(|start| flag.starts_with(start));
        PLAIN.iter().any(|start| flag.starts_with(start)) && !passes_on && flag.chars().all(plain)
    })
}

/// Whether a filter of jq or yq may read the environment or other files. A field of that name is a field.
pub(super) fn reaches_out_of_filter(filter: &str) -> bool {
    let filled_in = ["env(", "envsubst", "$env", "eval("].iter().any(|name| filter.contains(name));
    let named = ["env", "import", "include", "load"].iter().any(|name| {
        filter.match_indices(name).any(|(at, _)| {
            let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let before = filter[..at].chars().next_back();
            let after = filter[at + name.len()..].chars().next();
            let field = before == Some('.') && !filter[..at].ends_with("..");
            // `load_str` and the like load as well.
            let longer = after.is_some_and(|c| c.is_ascii_alphanumeric() || (c == '_' && *name != "load"));
            !field && !longer && !before.is_some_and(part)
        })
    });
    filled_in || named
}

/// Whether git takes the text for the whole working tree, or for files that aren't written out.
pub(super) fn is_everything(text: &str) -> bool {
    let mut depth = 0_i32;
    for part in text.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
    }
    let below = depth > 0 || text.starts_with('~') || text == "-";
    !below || text.starts_with(':') || text.contains(['*', '?', '['])
}
