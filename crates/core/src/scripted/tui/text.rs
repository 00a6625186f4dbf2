//! Fitting text from anywhere into rows of a terminal.

use unicode_width::UnicodeWidthChar as _;

/// Where a row may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Words,
    Anywhere,
}

/// Splits text into rows of at most `width` columns, between words where there are any.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    rows(text, width, Break::Words)
}

/// Splits text into rows of at most `width` columns, wherever a row is full.
pub(super) fn fold(text: &str, width: usize) -> Vec<String> {
    rows(text, width, Break::Anywhere)
}

/// The beginning of a text that fits into one row.
pub(super) fn clip(text: &str, width: usize) -> String {
    let line = crate::text::escape_line(text);
    let mut rows = fold(&line, width.saturating_sub(1)).into_iter();
    let first = rows.next().unwrap_or_default();
    if rows.next().is_some() { format!("{first}…") } else { first }
}

/// How many columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn rows(text: &str, width: usize, end: Break) -> Vec<String> {
    let width = width.max(1);
    let mut rows = Vec::new();
    // What comes from a script or a tool must not act on the terminal.
    for line in crate::text::escape(text).replace('\t', "    ").split('\n') {
        let (mut row, mut used) = (String::new(), 0);
        for mut c in line.chars() {
            let mut wide = c.width().unwrap_or(0);
            if wide > width {
                (c, wide) = ('?', 1);
            }
            if used + wide > width {
                let words = end == Break::Words;
                let blank = row.rfind(' ').filter(|at| words && c != ' ' && *at > 0);
                let rest = blank.map_or_else(String::new, |at| row.split_off(at)[1..].to_owned());
                rows.push(std::mem::replace(&mut row, rest));
                used = columns(&row);
                if words && c == ' ' {
                    // The row's end stands for the blank.
                    continue;
                }
            }
            row.push(c);
            used += wide;
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{clip, fold, wrap};

    #[test]
    fn text_is_split_by_columns_and_harmless() {
        let check = |split: fn(&str, usize) -> Vec<String>, text: &str, width: usize, expected: &[&str]| {
            assert_eq!(split(text, width), expected, "{text:?} in {width}");
        };
        check(wrap, "", 5, &[""]);
        check(wrap, "one two three", 7, &["one two", "three"]);
        check(wrap, "one two three", 8, &["one two", "three"]);
        check(wrap, "unbreakable", 4, &["unbr", "eaka", "ble"]);
        check(wrap, "a\n\nb", 9, &["a", "", "b"]);
        check(fold, "one two", 5, &["one t", "wo"]);
        check(fold, "日本語", 5, &["日本", "語"]);
        check(fold, "日本", 1, &["?", "?"]);
        check(fold, "a\u{1b}[2J", 20, &["a\\u{1b}[2J"]);
        check(fold, "\tx", 9, &["    x"]);
        check(fold, "xy", 0, &["x", "y"]);
    }

    #[test]
    fn clipped_text_is_one_row() {
        assert_eq!(clip("short", 10), "short");
        assert_eq!(clip("a\nb", 10), "a\\nb");
        assert_eq!(clip("0123456789", 5), "0123…");
    }
}
