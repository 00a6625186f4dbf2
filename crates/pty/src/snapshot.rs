//! What is on a terminal at one moment.

use std::ops::Range;
use std::sync::Arc;

use crate::terminal::clean_title;
use crate::{ExitReport, Size, Terminal};

/// What is on a terminal at one moment. Cloning it is cheap.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The rows of the screen, top first; always as many as `size` has.
    pub rows: Arc<[Row]>,
    /// The window title, without control characters, at most 256 characters.
    pub title: Arc<str>,
    /// Where the cursor is.
    pub cursor: Cursor,
    /// What the program switched on.
    pub modes: Modes,
    /// The number of the last event that this snapshot includes (see [`Event::seq`](crate::Event::seq)); 0 for a
    /// terminal without a session.
    pub seq: u64,
    /// The size of the screen.
    pub size: Size,
    /// How the program ended, once it has.
    pub exit: Option<ExitReport>,
}

impl Snapshot {
    /// Makes a snapshot of plain text, one row a line, for looking at a screen that was saved as text.
    ///
    /// Lines beyond the size are cut, missing ones are blank. Text has no styles, so a placeholder that an agent
    /// draws faint in an empty prompt box reads as a draft.
    #[must_use]
    pub fn from_text(text: &str, title: &str, size: Size) -> Self {
        // Drawn on a screen too wide to wrap on, which is then cut to the size.
        let wide = Size::new(Size::MAX, size.rows()).expect("both sides are in range");
        let mut terminal = Terminal::new(wide);
        for (n, line) in text.lines().take(size.rows().into()).enumerate() {
            let limit = usize::from(Size::MAX) / if line.is_ascii() { 1 } else { 2 };
            let line: String = line.chars().filter(|c| !c.is_control()).take(limit).collect();
            terminal.feed(format!("\x1b[{};1H\x1b[2K{line}", n + 1).as_bytes());
        }
        terminal.resize(size);
        let mut snapshot = terminal.snapshot();
        snapshot.title = clean_title(title.as_bytes()).into();
        snapshot
    }

    /// The rows as text, joined by newlines, without blank rows at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let rows: Vec<&str> = self.rows.iter().map(|row| row.text.as_str()).collect();
        rows.join("\n").trim_end_matches('\n').to_owned()
    }
}

/// One row of a screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The text without trailing blanks.
    pub text: String,
    /// Whether the terminal (not the program) broke the line here, so that the next row continues it.
    pub wrapped: bool,
    /// The byte ranges of `text` that are drawn faint or in grey (placeholders, suggestions).
    pub faint: Vec<Range<usize>>,
    /// The byte ranges of `text` that are drawn in reverse video (selections, a cursor the program draws itself).
    pub inverse: Vec<Range<usize>>,
}

/// The cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cursor {
    /// Column from the left, 0 first.
    pub col: u16,
    /// Row from the top, 0 first.
    pub row: u16,
    /// Whether the program hid it.
    pub hidden: bool,
}

/// Modes that a program switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Modes {
    /// Bracketed paste (2004).
    pub bracketed_paste: bool,
    /// The alternate screen (47, 1049).
    pub alternate_screen: bool,
    /// A synchronized update (2026) has begun and not ended; the snapshot's rows are those from before it.
    pub synchronized: bool,
    /// Focus reports (1004).
    pub focus_events: bool,
    /// Application cursor keys (1): arrows are sent as `ESC O` instead of `ESC [`.
    pub application_cursor: bool,
    /// Any mouse reporting (9, 1000, 1002, 1003).
    pub mouse: bool,
    /// Flags of the kitty keyboard protocol, 0 when off.
    pub kitty_keyboard: u16,
}
