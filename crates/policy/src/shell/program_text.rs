//! Programs for awk and sed that only look at text.

/// Whether an awk program neither runs nor writes nor reads anything but its input.
pub(super) fn is_plain_awk(text: &str) -> bool {
    const REACHING: &[&str] = &[
        "system", "getline", "ENVIRON", "ARGV", "ARGC", "PROCINFO", "close", "fflush", "SYMTAB", "FUNCTAB",
        "|&",
    ];
    if text.contains('@') || text.contains('`') || REACHING.iter().any(|word| text.contains(word)) {
        return false;
    }
    let mut depth = 0_i32;
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    let mut prints = false;
    let mut word = String::new();
    while let Some(c) = chars.next() {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            before = c;
            continue;
        }
        if ["print", "printf"].contains(&word.as_str()) {
            prints = true;
        }
        word.clear();
        match c {
            '"' => loop {
                match chars.next() {
                    Some('\\') => drop(chars.next()),
                    Some('"') => break,
                    Some(_) => {}
                    None => return false,
                }
            },
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            // A slash where a value can't end begins a pattern.
            '/' if !(before.is_ascii_alphanumeric() || ")]$_".contains(before)) => loop {
                match chars.next() {
                    Some('\\') => drop(chars.next()),
                    Some('/') => break,
                    Some('\n') | None => return false,
                    Some(_) => {}
                }
            },
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                prints = false;
            }
            ';' | '\n' => prints = false,
            '|' if chars.next_if_eq(&'|').is_none() => return false,
            // `print > "file"`; `print (a > b)` looks the same from here.
            '>' if prints => return false,
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    depth == 0
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
        ':' | 'b' | 't' => {
            let end = after.find([';', '\n']).unwrap_or(after.len());
            Some(&after[end..])
        }
        // Text up to the end of the line, which a `\` carries over.
        'a' | 'i' | 'c' => {
            let mut from = 0;
            loop {
                let Some(end) = after[from..].find('\n').map(|at| from + at) else { return Some("") };
                if !after[..end].ends_with('\\') {
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
