//! The answer of a turn, as far as it is kept.

use missiond_process::text::truncate;

/// The longest answer that is kept.
const MAX_BYTES: usize = 4 << 20;

/// What an agent has said in a turn: its first 4 MiB, and then `…` for the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    text: String,
    /// Whether there was more.
    cut: bool,
}

impl Answer {
    /// Adds a text, as a paragraph of its own.
    pub(crate) fn add(&mut self, text: &str) {
        if self.cut {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        let room = MAX_BYTES.saturating_sub(self.text.len());
        self.text.push_str(truncate(text, room));
        if text.len() > room {
            self.cut = true;
            self.text.push('…');
        }
    }

    #[cfg(feature = "pty")]
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        let mut answer = Self::default();
        answer.add(text);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, MAX_BYTES};

    #[test]
    fn a_long_answer_is_cut_once_and_the_cut_shows() {
        let mut answer = Answer::from("begin");
        answer.add(&"ü".repeat(MAX_BYTES / 2 - 3));
        answer.add("never seen");
        let text = answer.into_text();
        assert!(text.starts_with("begin\n\nüü") && text.ends_with("ü…"), "{} bytes", text.len());
        assert!(text.len() <= MAX_BYTES + '…'.len_utf8());
        // What just fits is whole.
        let whole = "x".repeat(MAX_BYTES);
        assert_eq!(Answer::from(&*whole).into_text(), whole);
    }
}
