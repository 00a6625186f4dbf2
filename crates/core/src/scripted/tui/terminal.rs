//! The terminal: raw while the program runs, as it was afterwards.

use std::io::{self, Write as _};

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// Alternate screen, no cursor, bracketed paste.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J";
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?2004l\x1b[?25h\x1b[?1049l\x1b]0;\x07";

/// The terminal on standard input and output, in raw mode; dropping it restores what was before.
#[derive(Debug)]
pub(super) struct RawTerminal {
    before: Termios,
    shown: Vec<u8>,
}

impl RawTerminal {
    pub(super) fn enter() -> Result<Self, String> {
        if !isatty(io::stdin()) || !isatty(io::stdout()) {
            return Err("`--tui` needs a terminal as its input and output".to_owned());
        }
        let failed = |error: io::Error| format!("the terminal could not be prepared: {error}");
        let before = tcgetattr(io::stdin()).map_err(|error| failed(error.into()))?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(|error| failed(error.into()))?;
        let terminal = Self { before, shown: Vec::new() };
        put(ENTER).map_err(failed)?;
        Ok(terminal)
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
            _ => (24, 80),
        }
    }

    /// The terminal no longer shows what was drawn.
    pub(super) fn forget(&mut self) {
        self.shown.clear();
    }

    /// Draws a whole frame, if it is another than the last one.
    pub(super) fn draw(&mut self, frame: Vec<u8>) -> io::Result<()> {
        if frame != self.shown {
            put(&frame)?;
            self.shown = frame;
        }
        Ok(())
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nobody is left to be told when the terminal is gone.
        let _ = put(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn put(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
