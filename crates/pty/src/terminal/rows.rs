//! The emulator's cells as rows of text.

use std::ops::Range;
use std::sync::Arc;

use crate::Row;

/// The first `cols` columns of all rows.
pub(super) fn capture(screen: &vt100::Screen, cols: u16) -> Arc<[Row]> {
    (0..screen.size().0.get()).map(|row| capture_row(screen, row, cols)).collect()
}

fn capture_row(screen: &vt100::Screen, row: u16, cols: u16) -> Row {
    let mut out = Row { wrapped: screen.row_wrapped(row), ..Row::default() };
    // Blanks are only written once something follows them, so trailing ones never are.
    let mut blanks = 0;
    for col in 0..cols {
        let Some(cell) = screen.cell(row, col) else { break };
        if cell.is_wide_continuation() {
            continue;
        }
        let text = cell.contents();
        if text.is_empty() || text == " " {
            blanks += 1;
            continue;
        }
        out.text.extend(std::iter::repeat_n(' ', blanks));
        blanks = 0;
        let start = out.text.len();
        out.text.push_str(text);
        let range = start..out.text.len();
        if cell.dim() || is_grey(cell.fgcolor()) {
            extend(&mut out.faint, range.clone());
        }
        if cell.inverse() {
            extend(&mut out.inverse, range);
        }
    }
    out
}

/// Many programs draw what is faint in grey instead.
fn is_grey(color: vt100::Color) -> bool {
    match color {
        vt100::Color::Default => false,
        vt100::Color::Idx(index) => index == 8 || (236..=249).contains(&index),
        vt100::Color::Rgb(r, g, b) => {
            let (low, high) = (r.min(g).min(b), r.max(g).max(b));
            high - low <= 12 && (60..=190).contains(&high)
        }
    }
}

fn extend(ranges: &mut Vec<Range<usize>>, next: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => ranges.push(next),
    }
}
