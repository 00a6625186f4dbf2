//! A terminal emulator without IO: bytes in, a screen and replies out.

mod host;
mod reply;
mod rows;
mod scan;

use std::num::NonZeroU16;
use std::sync::Arc;

use crate::{Cursor, Modes, Row, Size, Snapshot};

pub(crate) use host::clean_title;

use host::Host;
use scan::{Found, Scanner};

/// A terminal emulator without IO.
///
/// It is bounded (its memory depends on its size alone, whatever is fed) and it refuses what a program in it has no
/// business with: the clipboard (OSC 52) can be neither read nor written, and a program can't resize its window.
/// Rows that scroll off are gone.
///
/// A synchronized update (mode 2026) is shown whole: while one is open, [`Terminal::snapshot`] gives the rows from
/// before it. The terminal has no clock; a caller that doesn't want to wait for a program that never ends its update
/// calls [`Terminal::end_frame`].
#[derive(Debug)]
pub struct Terminal {
    parser: Emulator,
    scanner: Scanner,
    /// The beginning of a character at the end of the last feed.
    held: Vec<u8>,
    size: Size,
}

/// U+FE0F, which asks for the emoji form of the character before it.
const WIDENER: &[u8] = "\u{fe0f}".as_bytes();

impl Terminal {
    /// Makes a blank terminal.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let (rows, cols) = emulated(size);
        Self {
            parser: Emulator(vt100::Parser::new_with_callbacks(rows, cols, 0, Host::new(size.cols()))),
            scanner: Scanner::default(),
            held: Vec::new(),
            size,
        }
    }

    /// Processes output of the program and returns what it asked for.
    ///
    /// Cutting the output at other places makes no difference: escape sequences and characters may be split.
    pub fn feed(&mut self, bytes: &[u8]) -> Feed {
        self.feed_for(bytes, usize::MAX).1
    }

    /// Like `feed`, but stops after the sequence with which about so many cells were written: how many of the bytes
    /// that took.
    pub(crate) fn feed_for(&mut self, bytes: &[u8], cells: usize) -> (usize, Feed) {
        let mut rest = bytes;
        let mut written = 0;
        // vt100 hides device control strings, so they are found beside it; the bytes before one are processed first
        // since programs count on replies in the order of their questions.
        while written < cells {
            let Some((used, found)) = self.scanner.next(rest) else {
                self.process(rest);
                rest = &[];
                break;
            };
            let (head, tail) = rest.split_at(used);
            written += used;
            match found {
                Found::Request(request) => {
                    self.process(head);
                    self.parser.0.callbacks_mut().push_reply(&reply::to_dcs(&request));
                }
                Found::Reset => {
                    self.process(head);
                    self.parser.0.callbacks_mut().reset();
                    written += self.cells();
                }
                Found::Repeat(count) => written += self.repeat(head, count),
                Found::Sweep => {
                    self.process(head);
                    written += self.cells();
                }
            }
            rest = tail;
        }
        (bytes.len() - rest.len(), self.parser.0.callbacks_mut().take_feed())
    }

    /// Processes `bytes`, which end with a sequence that repeats a character; how often it did.
    ///
    /// More than fills the screen is cut to that, as xterm does: a few bytes could make the emulator write 65,535
    /// characters.
    fn repeat(&mut self, bytes: &[u8], count: u16) -> usize {
        let most = u16::try_from(self.cells()).unwrap_or(u16::MAX);
        let (head, end) = bytes.split_at(bytes.len().saturating_sub(1));
        self.process(head);
        match count > most {
            // CAN has the emulator forget what it has of the sequence.
            true => self.process(format!("\x18\x1b[{most}b").as_bytes()),
            false => self.process(end),
        }
        count.min(most).into()
    }

    fn cells(&self) -> usize {
        let (rows, cols) = self.parser.0.screen().size();
        usize::from(rows.get()) * usize::from(cols.get())
    }

    /// Lets the emulator process `bytes`, except for what it can't take.
    ///
    /// A variation selector that turns the character in the last column wide makes vt100 0.18.1 panic then or later;
    /// there it is left out, and the character stays narrow. A character that isn't whole yet waits for its rest: the
    /// emulator's parser (vte 0.15.0) draws other things when one is cut.
    fn process(&mut self, bytes: &[u8]) {
        let joined;
        let mut rest = match self.held.is_empty() {
            true => bytes,
            false => {
                joined = [std::mem::take(&mut self.held).as_slice(), bytes].concat();
                joined.as_slice()
            }
        };
        while let Some(at) = rest.windows(WIDENER.len()).position(|window| window == WIDENER) {
            self.parser.0.process(&rest[..at]);
            let (_, cols) = self.parser.0.screen().size();
            if self.parser.0.screen().cursor_position().1 < cols.get() {
                self.parser.0.process(WIDENER);
            }
            rest = &rest[at + WIDENER.len()..];
        }
        let (rest, held) = rest.split_at(rest.len() - unfinished(rest));
        self.held.extend_from_slice(held);
        self.parser.0.process(rest);
    }

    /// Changes the size. Rows are cut or filled with blanks; programs redraw on the signal that goes with it.
    pub fn resize(&mut self, size: Size) {
        let (rows, cols) = emulated(size);
        self.size = size;
        self.parser.0.set_size(rows, cols);
        let host = self.parser.0.callbacks_mut();
        host.cols = size.cols();
        host.frame = None;
    }

    /// What is on the screen. Its `seq` is 0 and `exit` empty: those belong to a session.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let host = self.parser.0.callbacks();
        let screen = self.parser.0.screen();
        let rows = host.frame.clone().unwrap_or_else(|| rows::capture(screen, self.size.cols()));
        Snapshot {
            rows,
            title: Arc::clone(&host.title),
            cursor: self.cursor(),
            modes: self.modes(),
            seq: 0,
            size: self.size,
            exit: None,
        }
    }

    /// Shows an open synchronized update as it stands. Does nothing when there is none.
    pub fn end_frame(&mut self) {
        self.parser.0.callbacks_mut().frame = None;
    }

    /// The size.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The window title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.parser.0.callbacks().title
    }

    /// The cursor, always inside the screen.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let screen = self.parser.0.screen();
        let (row, col) = screen.cursor_position();
        Cursor {
            // After a character in the last column the emulator stands beyond it until the next one wraps.
            col: col.min(self.size.cols() - 1),
            row: row.min(self.size.rows() - 1),
            hidden: screen.hide_cursor(),
        }
    }

    /// The modes that are on.
    #[must_use]
    pub fn modes(&self) -> Modes {
        self.parser.0.callbacks().modes(self.parser.0.screen())
    }

    /// The rows as they stand, also within a synchronized update.
    #[must_use]
    pub fn rows(&self) -> Arc<[Row]> {
        rows::capture(self.parser.0.screen(), self.size.cols())
    }

    /// Bytes that draw this screen, its modes and its title on a blank terminal of the same size.
    #[must_use]
    pub fn formatted(&self) -> Vec<u8> {
        let screen = self.parser.0.screen();
        let mut bytes = Vec::new();
        if screen.alternate_screen() {
            bytes.extend_from_slice(b"\x1b[?1049h");
        }
        bytes.extend_from_slice(screen.state_formatted().as_bytes());
        bytes.extend_from_slice(format!("\x1b]2;{}\x1b\\", self.title()).as_bytes());
        bytes
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let is_beginning = |n: &usize| {
        let tail = &bytes[bytes.len() - n..];
        std::str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(is_beginning).unwrap_or(0)
}

/// The size given to the emulator. It panics when a character turns wide in the only column (vt100 0.18.1, a variation
/// selector after a narrow symbol), so a screen of one column is a view of the first of two.
fn emulated(size: Size) -> (NonZeroU16, NonZeroU16) {
    let (rows, cols) = size.nonzero();
    (rows, cols.max(NonZeroU16::MIN.saturating_add(1)))
}

/// What a piece of output asked of the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feed {
    /// Replies to queries, to be written to the program's input, in the order of the questions.
    pub replies: Vec<u8>,
    /// Whether the title changed.
    pub title_changed: bool,
    /// How often the bell was rung.
    pub bells: u32,
    /// How many requests to read or write the clipboard were refused.
    pub clipboard_refused: u32,
    /// How many queries stayed unanswered because one feed held more than 64 KiB of replies.
    pub replies_dropped: u32,
}

struct Emulator(vt100::Parser<Host>);

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("vt100")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Terminal;
    use crate::Size;

    #[test]
    fn p9_output_is_taken_in_parts_of_bounded_work() {
        const CELLS: usize = 10_000;
        for (cols, rows) in [(80, 24), (1000, 1000)] {
            for (sequence, written) in [
                ("\x1b[65535b", cols * rows),
                ("\x1b[9b", 9),
                ("\x1b[2J", cols * rows),
                ("\x1bc", cols * rows),
            ] {
                let written = written.min(if sequence.ends_with('b') { 65_535 } else { usize::MAX });
                let mut terminal = Terminal::new(Size::new(cols as u16, rows as u16).unwrap());
                terminal.feed(b"x");
                let output = sequence.repeat(16 * 1024 / sequence.len());
                let (used, _) = terminal.feed_for(output.as_bytes(), CELLS);
                let most = CELLS.div_ceil(written + sequence.len()) * sequence.len();
                assert_eq!(used, most.min(output.len()), "{sequence:?} on {cols}x{rows}");
            }
        }
        let plain = "text \x1b[1mbold\x1b[m\r\n".repeat(500);
        assert_eq!(Terminal::new(Size::default()).feed_for(plain.as_bytes(), CELLS).0, plain.len());
    }
}
