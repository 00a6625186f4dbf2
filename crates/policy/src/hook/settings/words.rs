//! The words of a command line, as far as they are plain.

/// A word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hook) struct Word {
    /// It, without its quotes. What a shell would put in place of a variable is not there.
    pub(in crate::hook) text: String,
    /// Whether a shell changes it: it holds a variable, a wildcard or a command of its own.
    pub(in crate::hook) expands: bool,
}

/// The words of the first simple command of a line, `None` if its quotes don't match. What follows an operator (`|`, `;`,
/// `&&`, a redirection) is left out.
pub(in crate::hook) fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            ';' | '|' | '&' | '<' | '>' | '(' | ')' => break,
            '#' if word.is_none() => break,
            _ => {
                let word = word.get_or_insert(Word { text: String::new(), expands: false });
                match c {
                    '\'' => loop {
                        match chars.next()? {
                            '\'' => break,
                            c => word.text.push(c),
                        }
                    },
                    '"' => loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => {
                                let next = chars.next()?;
                                if !"\"\\$`\n".contains(next) {
                                    word.text.push('\\');
                                }
                                word.text.push(next);
                            }
                            c => {
                                word.expands |= c == '$' || c == '`';
                                word.text.push(c);
                            }
                        }
                    },
                    '\\' => word.text.push(chars.next()?),
                    c => {
                        word.expands |= "$`*?[".contains(c) || (c == '~' && word.text.is_empty());
                        word.text.push(c);
                    }
                }
            }
        }
    }
    words.extend(word);
    Some(words)
}

/// Whether a command line starts a hook of ours: `missiond hook …`, wherever the program lies.
#[must_use]
pub fn is_ours(command: &str) -> bool {
    let Some(words) = words(command) else { return false };
    let [program, hook, ..] = words.as_slice() else { return false };
    let name = program.text.rsplit('/').next().unwrap_or_default();
    (name == "missiond" || name.starts_with("missiond-")) && hook.text == "hook" && !program.expands
}
