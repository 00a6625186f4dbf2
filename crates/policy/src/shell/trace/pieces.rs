//! A word as the parser hands it over, taken apart into what is written and what the shell fills in.
//!
//! The parser's own reader of words isn't used: it takes time that doubles with each substitution in a substitution, and
//! panics on a long number after `~` or in braces. This one goes over the text once.

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it stands.
    Text { text: String, quoted: bool },
    /// Text spelled by number: `$'…'`.
    Spelled(String),
    /// A `~` at the start, and the name after it.
    Tilde(String),
    /// A variable, and what is done to it.
    Variable { name: String, what: What, quoted: bool },
    /// The output of a script.
    Output { script: String, quoted: bool },
    /// What a calculation comes to.
    Number(String),
}

/// What `${…}` does to a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing.
    Value,
    /// `${#name}`
    Length,
    /// `${!name[@]}`
    Keys,
    /// `${!name}`, and whatever else can't be followed.
    Indirect,
    /// `${name[@]}` or `$@`: all elements.
    All,
    /// The rest of the braces: an operator and a word. The word may hold pieces itself.
    Changed(String),
}

/// What is wrong with a word.
pub(super) type Problem = &'static str;

/// Takes a word apart. `document`: the text is that of a here-document, in which quotes stand for themselves.
pub(super) fn pieces(raw: &str, document: bool) -> Result<Vec<Piece>, Problem> {
    let mut reader = Reader { rest: raw, pieces: Vec::new(), quoted: document, document };
    reader.run()?;
    Ok(reader.pieces)
}

/// Whether the word means what it says.
pub(super) fn is_plain(raw: &str) -> bool {
    raw.bytes().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':' | b',' | b'+' | b'@' | b'%')
            || (byte == b'=')
    })
}

struct Reader<'a> {
    rest: &'a str,
    pieces: Vec<Piece>,
    quoted: bool,
    document: bool,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Problem> {
        if !self.document
            && let Some(rest) = self.rest.strip_prefix('~')
        {
            let end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-+".contains(c))).unwrap_or(rest.len());
            if rest[end..].is_empty() || rest[end..].starts_with('/') {
                self.pieces.push(Piece::Tilde(rest[..end].to_owned()));
                self.rest = &rest[end..];
            }
        }
        while let Some(c) = self.next() {
            match c {
                '\\' if self.quoted => match self.peek() {
                    Some(next @ ('$' | '`' | '\\')) => self.take(next),
                    Some('"') if !self.document => self.take('"'),
                    Some('\n') => {
                        self.next();
                    }
                    _ => self.push('\\'),
                },
                '\\' => match self.next() {
                    Some('\n') => {}
                    Some(next) => self.push_as(next, true),
                    None => self.push('\\'),
                },
                '\'' if !self.quoted => self.single_quoted()?,
                '"' if !self.document => {
                    self.quoted = !self.quoted;
                    // `""` is a word too.
                    self.text(true);
                }
                '$' => self.dollar()?,
                '`' => {
                    let script = self.back_quoted()?;
                    self.pieces.push(Piece::Output { script, quoted: self.quoted });
                }
                c => self.push(c),
            }
        }
        if self.quoted && !self.document { Err("a quote isn't closed") } else { Ok(()) }
    }

    fn single_quoted(&mut self) -> Result<(), Problem> {
        let end = self.rest.find('\'').ok_or("a quote isn't closed")?;
        let text = self.rest[..end].to_owned();
        self.text(true).push_str(&text);
        self.rest = &self.rest[end + 1..];
        Ok(())
    }

    fn dollar(&mut self) -> Result<(), Problem> {
        let quoted = self.quoted;
        match self.peek() {
            Some('(') if self.rest.starts_with("((") => {
                // `$((…))` unless the two parentheses aren't closed by two: then it is a subshell in a substitution.
                let inner = &self.rest[2..];
                let end = closing(inner, ')')?;
                if inner[end + 1..].starts_with(')') {
                    self.pieces.push(Piece::Number(inner[..end].to_owned()));
                    self.rest = &inner[end + 2..];
                    return Ok(());
                }
                self.substitution()
            }
            Some('(') => self.substitution(),
            Some('[') => {
                let inner = &self.rest[1..];
                let end = closing(inner, ']')?;
                self.pieces.push(Piece::Number(inner[..end].to_owned()));
                self.rest = &inner[end + 1..];
                Ok(())
            }
            Some('{') => {
                let inner = &self.rest[1..];
                let end = closing(inner, '}')?;
                let (text, rest) = (&inner[..end], &inner[end + 1..]);
                self.pieces.push(braced(text, quoted));
                self.rest = rest;
                Ok(())
            }
            Some('\'') if !quoted => {
                self.next();
                self.spelled()
            }
            // `$"…"` is translated.
            Some('"') if !quoted => Ok(()),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.pieces.push(Piece::Variable { name: name.to_owned(), what: What::Value, quoted });
                self.rest = rest;
                Ok(())
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                self.next();
                let what = if "@*".contains(c) { What::All } else { What::Value };
                self.pieces.push(Piece::Variable { name: c.to_string(), what, quoted });
                Ok(())
            }
            _ => {
                self.push('$');
                Ok(())
            }
        }
    }

    fn substitution(&mut self) -> Result<(), Problem> {
        let inner = &self.rest[1..];
        let end = end_of_script(inner)?;
        self.pieces.push(Piece::Output { script: inner[..end].to_owned(), quoted: self.quoted });
        self.rest = &inner[end + 1..];
        Ok(())
    }

    fn back_quoted(&mut self) -> Result<String, Problem> {
        let mut script = String::new();
        while let Some(c) = self.next() {
            match c {
                '`' => return Ok(script),
                '\\' => match self.next() {
                    Some(c @ ('`' | '\\' | '$')) => script.push(c),
                    Some('"') if self.quoted => script.push('"'),
                    Some(c) => script.extend(['\\', c]),
                    None => break,
                },
                c => script.push(c),
            }
        }
        Err("a back quote isn't closed")
    }

    /// After `$'`.
    fn spelled(&mut self) -> Result<(), Problem> {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\'' => {
                    self.pieces.push(Piece::Spelled(text));
                    return Ok(());
                }
                '\\' => {
                    let decoded = match self.next().ok_or("a quote isn't closed")? {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'e' | 'E' => '\u{1b}',
                        'f' => '\u{c}',
                        'v' => '\u{b}',
                        'c' => self.next().map_or('\0', |c| char::from(c as u8 & 0x1f)),
                        'x' => self.number(16, 2, 0),
                        'u' => self.number(16, 4, 0),
                        'U' => self.number(16, 8, 0),
                        digit @ '0'..='7' => self.number(8, 2, digit.to_digit(8).unwrap_or(0)),
                        c => c,
                    };
                    text.push(decoded);
                }
                c => text.push(c),
            }
        }
        Err("a quote isn't closed")
    }

    fn number(&mut self, base: u32, digits: usize, start: u32) -> char {
        let mut value = start;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(base)) else { break };
            self.next();
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, c: char) {
        self.next();
        self.push_as(c, true);
    }

    fn push(&mut self, c: char) {
        self.push_as(c, self.quoted);
    }

    fn push_as(&mut self, c: char, quoted: bool) {
        self.text(quoted).push(c);
    }

    /// The text being read.
    fn text(&mut self, as_quoted: bool) -> &mut String {
        if !matches!(self.pieces.last(), Some(Piece::Text { quoted, .. }) if *quoted == as_quoted) {
            self.pieces.push(Piece::Text { text: String::new(), quoted: as_quoted });
        }
        match self.pieces.last_mut() {
            Some(Piece::Text { text, .. }) => text,
            _ => unreachable!("a text was pushed just now"),
        }
    }
}

/// What stands between `${` and `}`.
fn braced(text: &str, quoted: bool) -> Piece {
    let (mark, rest) = match text.strip_prefix(['#', '!']) {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['}', ':', '-', '+', '=', '%', '/']) => {
            (text.chars().next(), rest)
        }
        _ => (None, text),
    };
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    // `$@`, `$?` and their kin are one sign.
    let end = if end == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { end };
    let (name, rest) = rest.split_at(end);
    let what = match (mark, rest) {
        // The index of an element is calculated.
        (Some('#'), index) if index.starts_with('[') && !["[@]", "[*]"].contains(&index) => {
            What::Changed(index.to_owned())
        }
        (Some('#'), _) => What::Length,
        (Some('!'), "[@]" | "[*]") => What::Keys,
        (Some(_), _) => What::Indirect,
        (None, "") if ["@", "*"].contains(&name) => What::All,
        (None, "") => What::Value,
        (None, "[@]" | "[*]") => What::All,
        (None, rest) => What::Changed(rest.to_owned()),
    };
    match what {
        // What is in `${#…}` and `${!…}` may hold a substitution in an index.
        What::Length | What::Indirect if rest.contains(['$', '`']) => {
            Piece::Variable { name: name.to_owned(), what: What::Changed(rest.to_owned()), quoted }
        }
        what => Piece::Variable { name: name.to_owned(), what, quoted },
    }
}

/// Where the bracket that is already open is closed, over quotes, escapes and everything that opens by itself.
pub(super) fn closing(text: &str, close: char) -> Result<usize, Problem> {
    let open = match close {
        ')' => '(',
        ']' => '[',
        _ => '{',
    };
    let mut depth = 0_usize;
    let mut double = false;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let next = at + c.len_utf8();
        match c {
            '\\' => {
                at = next + text[next..].chars().next().map_or(0, char::len_utf8);
                continue;
            }
            '\'' if !double => {
                at = next + text[next..].find('\'').ok_or("a quote isn't closed")? + 1;
                continue;
            }
            '"' => double = !double,
            '`' => {
                at = next + end_of_back_quotes(&text[next..])?;
                continue;
            }
            '$' if text[next..].starts_with('(') => {
                at = next + 1 + end_of_script(&text[next + 1..])? + 1;
                continue;
            }
            '$' if text[next..].starts_with('{') => {
                at = next + 1 + closing(&text[next + 1..], '}')? + 1;
                continue;
            }
            c if c == close && !double => {
                if depth == 0 {
                    return Ok(at);
                }
                depth -= 1;
            }
            // In `${…}` a brace is a brace only after a `$`.
            c if c == open && !double && close != '}' => depth += 1,
            _ => {}
        }
        at = next;
    }
    Err("what `$` opens isn't closed")
}

pub(super) fn end_of_back_quotes(text: &str) -> Result<usize, Problem> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '`' => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a back quote isn't closed")
}

/// Where the parenthesis after a script is: over quotes, comments, here-documents and everything that opens by itself.
/// What is taken for a `case` and is none only makes the script end later, where it doesn't parse.
pub(in crate::shell) fn end_of_script(text: &str) -> Result<usize, Problem> {
    let mut documents: Vec<(String, bool)> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    let mut word_starts = true;
    // Whether a command may start here, and how deep the parentheses were where each `case` began.
    let mut command_starts = true;
    let mut cases: Vec<usize> = Vec::new();
    while let Some(c) = text[at..].chars().next() {
        let next = at + c.len_utf8();
        let rest = &text[next..];
        let starts = std::mem::replace(&mut word_starts, c.is_whitespace() || ";&|()<>".contains(c));
        if starts && c.is_ascii_alphabetic() {
            let end =
                text[at..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |end| at + end);
            let whole = text[end..].chars().next().is_none_or(|c| c.is_whitespace() || ";&|()<>".contains(c));
            let word = &text[at..end];
            if whole && command_starts && word == "case" {
                cases.push(depth);
            } else if whole && command_starts && word == "esac" {
                cases.pop();
            }
            const KEYWORDS: &[&str] =
                &["then", "do", "else", "elif", "if", "while", "until", "time", "esac", "fi", "done", "in"];
            command_starts = whole && KEYWORDS.contains(&word);
            word_starts = false;
            at = end;
            continue;
        }
        command_starts = match c {
            ';' | '&' | '|' | '(' | ')' | '\n' | '{' | '!' => true,
            c if c.is_whitespace() => command_starts,
            _ => false,
        };
        at = match c {
            '\\' => next + rest.chars().next().map_or(0, char::len_utf8),
            '\'' => next + rest.find('\'').ok_or("a quote isn't closed")? + 1,
            '"' => next + end_of_double_quotes(rest)?,
            '`' => next + end_of_back_quotes(rest)?,
            '$' if rest.starts_with('(') => next + 1 + end_of_script(&rest[1..])? + 1,
            '$' if rest.starts_with('{') => next + 1 + closing(&rest[1..], '}')? + 1,
            '$' if rest.starts_with('\'') => next + 1 + end_of_spelled(&rest[1..])?,
            '#' if starts => next + rest.find('\n').unwrap_or(rest.len()),
            '<' if rest.starts_with("<<") => next + 2,
            '<' if rest.starts_with('<') => {
                let (document, length) = delimiter(&rest[1..]);
                documents.push(document);
                next + 1 + length
            }
            '\n' if !documents.is_empty() => {
                let mut after = next;
                for (delimiter, cut_tabs) in documents.drain(..) {
                    loop {
                        let line = text[after..].split('\n').next().unwrap_or_default();
                        let compared = if cut_tabs { line.trim_start_matches('\t') } else { line };
                        let ended = after + line.len() >= text.len();
                        after = (after + line.len() + 1).min(text.len());
                        if compared == delimiter {
                            break;
                        }
                        if ended {
                            return Err("a here-document isn't closed");
                        }
                    }
                }
                after
            }
            '(' => {
                depth += 1;
                next
            }
            // The end of a pattern.
            ')' if cases.last() == Some(&depth) => next,
            ')' if depth == 0 => return Ok(at),
            ')' => {
                depth -= 1;
                next
            }
            _ => next,
        };
    }
    Err("what `$(` opens isn't closed")
}

pub(super) fn end_of_double_quotes(text: &str) -> Result<usize, Problem> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let next = at + c.len_utf8();
        let rest = &text[next..];
        at = match c {
            '"' => return Ok(next),
            '\\' => next + rest.chars().next().map_or(0, char::len_utf8),
            '`' => next + end_of_back_quotes(rest)?,
            '$' if rest.starts_with('(') => next + 1 + end_of_script(&rest[1..])? + 1,
            '$' if rest.starts_with('{') => next + 1 + closing(&rest[1..], '}')? + 1,
            _ => next,
        };
    }
    Err("a quote isn't closed")
}

fn end_of_spelled(text: &str) -> Result<usize, Problem> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a quote isn't closed")
}

/// The delimiter of a here-document after `<<`, whether tabs are cut, and how long all of it is.
fn delimiter(text: &str) -> ((String, bool), usize) {
    let cut_tabs = text.starts_with('-');
    let start = usize::from(cut_tabs);
    let start = start + (text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len());
    let mut name = String::new();
    let mut quote = None;
    let mut end = text.len();
    let mut chars = text[start..].char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '\\') => name.extend(chars.next().map(|(_, c)| c)),
            (None, c) if c.is_whitespace() || ";&|()<>".contains(c) => {
                end = start + at;
                break;
            }
            (_, c) => name.push(c),
        }
    }
    ((name, cut_tabs), end)
}
