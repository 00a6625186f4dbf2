//! Programs for awk and sed that only look at text.

/// Whether an awk program neither runs nor writes nor reads anything but its input.
///
/// Where its texts and regular expressions begin and end is hard to tell, so that a sign counts wherever it stands.
pub(super) fn is_plain_awk(text: &str) -> bool {
    const REACHING: &[&str] = &[
        "system", "getline", "ENVIRON", "ARGV", "ARGC", "PROCINFO", "close", "fflush", "SYMTAB", "FUNCTAB",
        "@", "`",
    ];
    // Other escapes only spell texts.
    let goes_on = text.contains("\\\n") || text.contains("\\\r");
    let pipes = text.replace("||", "").contains('|');
    let redirects = text.contains("print") && text.match_indices('>').any(|(at, _)| !compares(text, at));
    !goes_on && !pipes && !redirects && !REACHING.iter().any(|word| text.contains(word))
}

/// Whether a `>` can only compare: with `=`, in the pattern of the first rule, where nothing is printed yet, or alone with two
/// names or numbers in parentheses.
fn compares(text: &str, at: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + 1..]);
    let operand = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let (left, right) = (before.trim_end(), after.trim_start());
    let (open, close) = (left.trim_end_matches(operand), right.trim_start_matches(operand));
    let between = open.len() < left.len() && close.len() < right.len();
    // `if (a > 0 && …`: nothing but names and numbers stands between, so that no text ends there.
    let asked = before.rfind('(').is_some_and(|open| {
        let word = before[..open].trim_end();
        let inside = &before[open + 1..];
        (word.ends_with("if") || word.ends_with("while"))
            && inside.chars().all(|c| operand(c) || " &|=<>!+-*%.[]".contains(c))
    });
    asked
        || after.starts_with('=')
        || !before.contains('{')
        || (between && open.trim_end().ends_with('(') && close.trim_start().starts_with(')'))
}

/// Whether a sed script neither runs nor writes nor reads anything but its input.
pub(super) fn is_plain_sed(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', ';', '}']);
        if rest.is_empty() {
            return true;
        }
        let Some(after) = command(rest) else { return false };
        rest = after;
    }
}

/// One command with its addresses; what follows it.
fn command(text: &str) -> Option<&str> {
    let mut rest = address(text)?;
    if let Some(second) = rest.strip_prefix(',') {
        rest = address(second.trim_start_matches(['+', '~', ' ']))?;
    }
    rest = rest.trim_start_matches([' ', '!']);
    let letter = rest.chars().next()?;
    let after = &rest[letter.len_utf8()..];
    match letter {
        '{' => Some(after),
        'd' | 'D' | 'p' | 'P' | 'g' | 'G' | 'h' | 'H' | 'x' | 'n' | 'N' | '=' | 'l' | 'z' | 'F' => {
            ended(after)
        }
        'q' | 'Q' => ended(after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')),
        // Some take a label to the end of the line, and some to the first blank.
        ':' | 'b' | 't' => {
            let label = after.trim_start_matches(' ');
            ended(label.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        }
        // Text up to the end of the line, which a `\` carries over.
        'a' | 'i' | 'c' => {
            let mut from = 0;
            loop {
                let Some(end) = after[from..].find('\n').map(|at| from + at) else { return Some("") };
                let escapes = after[..end].len() - after[..end].trim_end_matches('\\').len();
                if escapes % 2 == 0 {
                    return Some(&after[end..]);
                }
                from = end + 1;
            }
        }
        's' | 'y' => {
            let delimiter =
                after.chars().next().filter(|c| !c.is_alphanumeric() && *c != '\\' && *c != '\n')?;
            let first = &after[delimiter.len_utf8()..];
            let second = &first[part(first, delimiter)?..];
            let flags = &second[part(second, delimiter)?..];
            if letter == 'y' {
                return ended(flags);
            }
            // `e` runs, `w` writes.
            ended(flags.trim_start_matches(|c: char| c.is_ascii_digit() || "gpiImM".contains(c)))
        }
        _ => None,
    }
}

/// Past an address, if one is there.
fn address(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(' ');
    let first = text.chars().next()?;
    match first {
        '$' => Some(&text[1..]),
        '0'..='9' => Some(text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '~')),
        '/' => Some(text[1 + part(&text[1..], '/')?..].trim_start_matches(['I', 'M'])),
        '\\' => {
            let delimiter = text[1..].chars().next()?;
            let start = 1 + delimiter.len_utf8();
            Some(text[start + part(&text[start..], delimiter)?..].trim_start_matches(['I', 'M']))
        }
        _ => Some(text),
    }
}

/// Where what follows the delimiter begins.
fn part(text: &str, delimiter: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == delimiter => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// A command ends with the line, a `;` or a `}`.
fn ended(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches([' ', '\t']);
    (rest.is_empty() || rest.starts_with([';', '\n', '}', '#']))
        .then_some(rest)
        .map(|rest| if rest.starts_with('#') { rest.find('\n').map_or("", |end| &rest[end..]) } else { rest })
}
