//! The regions of a screen: rules, the prompt box, the rows above and under it.

use std::ops::Range;

use super::profile::Layout;
use crate::Row;

/// A prompt box: two rules in column 0 and between them rows of which the first begins with a prompt glyph.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PromptBox {
    /// The upper rule.
    pub(super) top: usize,
    /// The lower rule.
    pub(super) bottom: usize,
}

impl PromptBox {
    /// The rows between the rules.
    pub(super) fn inside(&self) -> Range<usize> {
        self.top + 1..self.bottom
    }
}

/// The lowest prompt box. Nothing that an agent shows can imitate one: all of it is indented.
pub(super) fn prompt_box(layout: &Layout, rows: &[Row]) -> Option<PromptBox> {
    let rules: Vec<usize> = (0..rows.len()).filter(|n| is_rule(layout, &rows[*n])).collect();
    rules.windows(2).rev().find_map(|pair| {
        let (top, bottom) = (pair[0], pair[1]);
        let first = rows.get(top + 1).filter(|_| bottom > top + 1)?;
        layout
            .prompt
            .iter()
            .any(|glyph| begins_with_glyph(&first.text, glyph))
            .then_some(PromptBox { top, bottom })
    })
}

/// Whether a row is a horizontal line from column 0 over more than half of the columns that it has text in. A label in
/// the line is allowed.
pub(super) fn is_rule(layout: &Layout, row: &Row) -> bool {
    let line = layout.rule.as_str();
    let dashes = row.text.matches(line).count();
    row.text.starts_with(&line.repeat(3)) && dashes * 2 > row.text.chars().count()
}

/// Whether a row begins a message of the transcript.
pub(super) fn is_message(layout: &Layout, row: &Row) -> bool {
    layout.message.iter().any(|glyph| begins_with_glyph(&row.text, glyph))
}

/// Whether `text` is the glyph alone or the glyph and a blank.
pub(super) fn begins_with_glyph(text: &str, glyph: &str) -> bool {
    text.strip_prefix(glyph).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// What a person typed into the box, without the glyph, the indentation and text drawn faint (placeholders).
pub(super) fn draft(layout: &Layout, rows: &[Row], prompt: &PromptBox) -> Option<String> {
    let mut lines = Vec::new();
    for (n, row) in rows[prompt.inside()].iter().enumerate() {
        let mut text = row.text.as_str();
        let mut start = 0;
        if n == 0 {
            let glyph = layout.prompt.iter().find(|glyph| begins_with_glyph(text, glyph));
            start = glyph.map_or(0, String::len);
            text = &text[start..];
        }
        let has_faint = row.faint.iter().any(|range| range.end > start);
        let solid: String = text
            .char_indices()
            .filter(|(at, _)| !row.faint.iter().any(|range| range.contains(&(start + at))))
            // The cursor stands on the first character of a placeholder.
            .filter(|(at, _)| !(has_faint && row.inverse.iter().any(|range| range.contains(&(start + at)))))
            .map(|(_, c)| c)
            .collect();
        // Rows after the first are indented by two.
        lines.push(solid.trim_end().strip_prefix("  ").unwrap_or(solid.trim()).to_owned());
    }
    if let Some(first) = lines.first_mut() {
        *first = first.trim_start().to_owned();
    }
    let text = lines.join("\n").trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Whether there is no text on the screen.
pub(super) fn is_blank(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.text.is_empty())
}
