//! Text from agents, models, repositories and titles, made safe to print.

/// Escapes whatever could act on a terminal or mislead a reader: control characters other than newline and tab,
/// and the characters that change the direction of text or take no room.
///
/// The escape is Rust's `\u{…}`, so the text stays readable and nothing is dropped.
///
/// ```
/// assert_eq!(missiond_core::text::escape("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
/// ```
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// [`escape`] for a place that has one line only: newlines and tabs are escaped too.
pub fn escape_line(text: &str) -> String {
    escape(text).replace('\n', "\\n").replace('\t', "\\t")
}

fn is_unsafe(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character,
            // Bidirectional marks, embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators, zero-width space, word joiner, byte order mark, soft hyphen.
            | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{00ad}'
            // Interlinear annotations and the tag block, which can hide whole sentences.
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
