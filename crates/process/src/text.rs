//! Cutting text to a size without cutting a character.

use std::borrow::Cow;

const ELLIPSIS: &str = "…";

/// Cuts `text` to at most `max_bytes` bytes for showing, and marks the cut with `…` where that fits.
///
/// The result is never longer than `max_bytes` and never splits a character.
///
/// ```
/// use missiond_process::text::preview;
///
/// assert_eq!(preview("grün", 5), "grün");
/// assert_eq!(preview("grün und blau", 6), "gr…");
/// ```
#[must_use]
pub fn preview(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    match max_bytes.checked_sub(ELLIPSIS.len()) {
        Some(room) => Cow::Owned(format!("{}{ELLIPSIS}", truncate(text, room))),
        None => Cow::Borrowed(truncate(text, max_bytes)),
    }
}

/// Returns the longest beginning of `text` that has at most `max_bytes` bytes and splits no character.
#[must_use]
pub fn truncate(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// Returns the longest end of `text` that has at most `max_bytes` bytes and splits no character.
#[must_use]
pub fn truncate_start(text: &str, max_bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max_bytes))..]
}
