//! The size of a terminal.

use std::fmt;
use std::num::NonZeroU16;

/// A terminal's size in character cells, 1×1 to [`Size::MAX`]×[`Size::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    cols: NonZeroU16,
    rows: NonZeroU16,
}

impl Size {
    /// The largest number of columns or rows; it bounds the memory of a screen.
    pub const MAX: u16 = 1000;

    /// Makes a size of `cols` columns by `rows` rows.
    ///
    /// # Errors
    ///
    /// A side that is zero or over [`Size::MAX`].
    pub fn new(cols: u16, rows: u16) -> Result<Self, SizeError> {
        let side = |n: u16| NonZeroU16::new(n).filter(|n| n.get() <= Self::MAX);
        match (side(cols), side(rows)) {
            (Some(cols), Some(rows)) => Ok(Self { cols, rows }),
            _ => Err(SizeError { cols, rows }),
        }
    }

    /// Columns.
    #[must_use]
    pub fn cols(self) -> u16 {
        self.cols.get()
    }

    /// Rows.
    #[must_use]
    pub fn rows(self) -> u16 {
        self.rows.get()
    }

    pub(crate) fn nonzero(self) -> (NonZeroU16, NonZeroU16) {
        (self.rows, self.cols)
    }
}

impl Default for Size {
    /// 120 columns by 40 rows, at which the dialogs of coding agents fit without scrolling.
    fn default() -> Self {
        let side = |n| NonZeroU16::new(n).expect("a literal that isn't zero");
        Self { cols: side(120), rows: side(40) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.cols, self.rows)
    }
}

/// A terminal size that no screen can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("terminal size {cols}x{rows} is out of range: each side must be 1 to {max}", max = Size::MAX)]
pub struct SizeError {
    cols: u16,
    rows: u16,
}
