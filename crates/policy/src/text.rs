//! Text from outside, made safe to show.

use std::fmt::{self, Write as _};

/// The longest quotation in a reason, in characters.
const MAX_QUOTED: usize = 200;

/// Text with what could act on a terminal or turn the reading direction escaped, cut at [`MAX_QUOTED`] characters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if self.0.len() <= MAX_QUOTED && self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        for (count, c) in self.0.chars().enumerate() {
            if count == MAX_QUOTED {
                return f.write_char('…');
            }
            if c.is_control() || is_invisible(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Text to be shown as it is meant to be seen.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown(text)
}

/// Text to be shown in backquotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", Shown(self.0))
    }
}

/// [`shown`] in backquotes.
pub(crate) fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// Whether the character takes no room or changes the reading direction: what is seen isn't what is there.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether the character looks like a slash or a backslash and isn't one.
pub(crate) fn looks_like_slash(c: char) -> bool {
    matches!(
        c,
        '\u{2044}'
            | '\u{2215}'
            | '\u{2216}'
            | '\u{2571}'
            | '\u{27cb}'
            | '\u{27cd}'
            | '\u{29f5}'
            | '\u{29f8}'
            | '\u{29f9}'
            | '\u{3033}'
            | '\u{fe68}'
            | '\u{ff0f}'
            | '\u{ff3c}'
            | '\u{1735}'
    )
}
