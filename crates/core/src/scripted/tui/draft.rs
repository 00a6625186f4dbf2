//! What stands in the prompt box.

use crate::scripted::tui::keys::MAX_PASTE_BYTES;
use crate::scripted::tui::text::fold;

/// A paste of more lines or bytes than this is shown by a stand-in.
const MAX_PASTE_LINES: usize = 5;
const MAX_SHOWN_PASTE_BYTES: usize = 500;
/// How many rows the box has at most; the end of a longer draft is shown.
const MAX_ROWS: usize = 10;

/// A prompt that is being written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pieces: Vec<Piece>,
    bytes: usize,
    pastes: usize,
}

#[derive(Debug)]
enum Piece {
    Char(char),
    Paste { text: String, label: String },
}

impl Draft {
    /// Adds a character; `false` if there is no room for it.
    pub(super) fn push(&mut self, c: char) -> bool {
        self.reserve(c.len_utf8()) && {
            self.pieces.push(Piece::Char(c));
            true
        }
    }

    /// Adds a paste; `false` if there is no room for all of it, and then nothing of it is added.
    pub(super) fn paste(&mut self, text: String) -> bool {
        if !self.reserve(text.len()) {
            return false;
        }
        let lines = text.split('\n').count();
        if lines <= MAX_PASTE_LINES && text.len() <= MAX_SHOWN_PASTE_BYTES {
            self.pieces.extend(text.chars().map(Piece::Char));
        } else {
            self.pastes += 1;
            let label = format!("[Pasted text #{} +{lines} lines]", self.pastes);
            self.pieces.push(Piece::Paste { text, label });
        }
        true
    }

    pub(super) fn delete_last(&mut self) {
        self.bytes -= match self.pieces.pop() {
            Some(Piece::Char(c)) => c.len_utf8(),
            Some(Piece::Paste { text, .. }) => text.len(),
            None => 0,
        };
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }

    pub(super) fn is_blank(&self) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Char(c) => c.is_whitespace(),
            Piece::Paste { text, .. } => text.trim().is_empty(),
        })
    }

    /// All of it; the box is empty then.
    pub(super) fn take(&mut self) -> String {
        let mut whole = String::with_capacity(self.bytes);
        for piece in &self.pieces {
            match piece {
                Piece::Char(c) => whole.push(*c),
                Piece::Paste { text, .. } => whole.push_str(text),
            }
        }
        self.clear();
        whole
    }

    /// The rows of the box, at least one.
    pub(super) fn rows(&self, width: usize) -> Vec<String> {
        let mut shown = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Char(c) => shown.push(harmless(*c)),
                Piece::Paste { label, .. } => shown.push_str(label),
            }
        }
        let mut rows = fold(&shown, width);
        rows.drain(..rows.len().saturating_sub(MAX_ROWS));
        rows
    }

    fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= MAX_PASTE_BYTES;
        if fits {
            self.bytes += bytes;
        }
        fits
    }
}

/// What the box shows for a character. One that could act or mislead is shown by the replacement character: an escape
/// would be longer than what was typed, and whoever compares the two would find them different.
fn harmless(c: char) -> char {
    let mut bytes = [0; 4];
    let text: &str = c.encode_utf8(&mut bytes);
    if crate::text::escape(text) == text { c } else { char::REPLACEMENT_CHARACTER }
}
