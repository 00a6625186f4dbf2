//! Tables for people: aligned columns without lines, cut to the terminal's width.

use std::io::IsTerminal as _;

use clap::builder::styling::Style;
use missiond_core::text::escape_line;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::output::{STRONG, line};

const GAP: usize = 2;
/// A column is never cut below this.
const LEAST_WIDTH: usize = 12;

/// A table of text.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One text in one line, escaped.
#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: escape_line(text.as_ref()), style }
    }
}

impl Table {
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.header.len(), "a row has a cell for each column");
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        for text in self.lines(terminal_width()) {
            line(text)?;
        }
        Ok(())
    }

    /// The lines of it; with a width, the last column is cut so that they fit.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let last = self.header.len().saturating_sub(1);
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width());
                cells.chain([self.header[column].width()]).max().unwrap_or(0)
            })
            .collect();
        let before: usize = widths.iter().take(last).map(|width| width + GAP).sum();
        let room = width.map(|width| width.saturating_sub(before).max(LEAST_WIDTH));
        let line = |cells: &mut dyn Iterator<Item = (&str, Style)>| {
            let mut text = String::new();
            for (column, (cell, style)) in cells.enumerate() {
                if column == last {
                    let cell = room.map_or_else(|| cell.to_owned(), |room| cut(cell, room));
                    text.push_str(&format!("{style}{cell}{style:#}"));
                } else {
                    let pad = " ".repeat(widths[column].saturating_sub(cell.width()) + GAP);
                    text.push_str(&format!("{style}{cell}{style:#}{pad}"));
                }
            }
            text.trim_end().to_owned()
        };
        let mut lines = vec![line(&mut self.header.iter().map(|name| (*name, STRONG)))];
        for row in &self.rows {
            lines.push(line(&mut row.iter().map(|cell| (cell.text.as_str(), cell.style))));
        }
        lines
    }
}

/// The width of the terminal that standard output goes to, if it does.
pub(crate) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Cuts text to a width in columns and marks the cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 1;
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken > width {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}
