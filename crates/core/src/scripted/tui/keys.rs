//! From the bytes of a terminal to keys. Pure.

/// The most bytes of one paste.
pub(super) const MAX_PASTE_BYTES: usize = crate::model::NewTask::MAX_PROMPT_BYTES;
/// The longest escape sequence that is waited for to its end.
const MAX_SEQUENCE_BYTES: usize = 64;
const PASTE_END: &[u8] = b"\x1b[201~";

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    /// A bracketed paste.
    Paste(String),
    /// A paste longer than [`MAX_PASTE_BYTES`], of which nothing is kept.
    TooLong,
    Enter,
    Newline,
    Backspace,
    Escape,
    Up,
    Down,
    /// The letter that was pressed with Ctrl, in lower case.
    Control(char),
}

/// Makes keys of bytes, in whatever pieces they come.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The beginning of a character or sequence.
    pending: Vec<u8>,
    /// What has come of a paste, and whether it became too long.
    paste: Option<(Vec<u8>, bool)>,
}

impl Keys {
    /// The keys that are complete with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for byte in bytes {
            if self.paste.is_some() {
                keys.extend(self.pasted(*byte));
            } else {
                self.pending.push(*byte);
                self.advance(&mut keys);
            }
        }
        keys
    }

    /// Whether an Escape may have been pressed that only the time tells from the beginning of a sequence.
    pub(super) fn is_unsure(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes what is pending for what it is: nothing more has come for a while.
    pub(super) fn settle(&mut self) -> Option<Key> {
        let pending = std::mem::take(&mut self.pending);
        (pending == b"\x1b").then_some(Key::Escape)
    }

    fn pasted(&mut self, byte: u8) -> Option<Key> {
        let (text, too_long) = self.paste.as_mut()?;
        text.push(byte);
        if !text.ends_with(PASTE_END) {
            if text.len() > MAX_PASTE_BYTES + PASTE_END.len() {
                *too_long = true;
                // The end may have begun.
                text.drain(..text.len() - PASTE_END.len());
            }
            return None;
        }
        let (mut text, too_long) = self.paste.take()?;
        if too_long {
            return Some(Key::TooLong);
        }
        text.truncate(text.len() - PASTE_END.len());
        let text = String::from_utf8_lossy(&text).replace("\r\n", "\n").replace('\r', "\n");
        Some(Key::Paste(text))
    }

    fn advance(&mut self, keys: &mut Vec<Key>) {
        let pending = self.pending.as_slice();
        let key = match pending {
            [0x1b] | [0x1b, b'O' | b'['] => return,
            [0x1b, b'[', .., last] if !(0x40..=0x7e).contains(last) && pending.len() < MAX_SEQUENCE_BYTES => {
                return;
            }
            b"\x1b[200~" => {
                self.paste = Some((Vec::new(), false));
                None
            }
            b"\x1b[A" | b"\x1bOA" => Some(Key::Up),
            b"\x1b[B" | b"\x1bOB" => Some(Key::Down),
            // Escape and a key that came at once after it.
            [0x1b, second] if *second != b'[' && *second != b'O' => {
                let second = *second;
                keys.push(Key::Escape);
                self.pending = vec![second];
                return self.advance(keys);
            }
            [0x1b, ..] => None,
            b"\r" => Some(Key::Enter),
            b"\n" => Some(Key::Newline),
            b"\x7f" | b"\x08" => Some(Key::Backspace),
            [control @ 1..=26] => Some(Key::Control((b'a' + control - 1).into())),
            [byte, ..] if *byte < 0x20 => None,
            bytes => match std::str::from_utf8(bytes) {
                Ok(text) => text.chars().next().map(Key::Char),
                // The rest of the character is yet to come.
                Err(error) if error.error_len().is_none() => return,
                Err(_) => Some(Key::Char(char::REPLACEMENT_CHARACTER)),
            },
        };
        self.pending.clear();
        keys.extend(key);
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Keys, MAX_PASTE_BYTES};

    /// Feeds whole, byte by byte, and settles at the end.
    fn check(bytes: &[u8], expected: &[Key]) {
        for size in [bytes.len().max(1), 1] {
            let mut keys = Keys::default();
            let mut found: Vec<Key> = bytes.chunks(size).flat_map(|chunk| keys.feed(chunk)).collect();
            found.extend(keys.settle());
            assert_eq!(found, expected, "{:?} in chunks of {size}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn bytes_become_keys() {
        check(b"", &[]);
        check("aé日".as_bytes(), &[Key::Char('a'), Key::Char('é'), Key::Char('日')]);
        check(b"\r\n\x7f\x03", &[Key::Enter, Key::Newline, Key::Backspace, Key::Control('c')]);
        check(b"\x1b", &[Key::Escape]);
        check(b"\x1b\x1b", &[Key::Escape, Key::Escape]);
        check(b"\x1bx", &[Key::Escape, Key::Char('x')]);
        check(b"\x1b[A\x1bOB\x1b[1;5C\x1b[3~x", &[Key::Up, Key::Down, Key::Char('x')]);
        check(
            b"\xff\xfex",
            &[Key::Char(char::REPLACEMENT_CHARACTER), Key::Char(char::REPLACEMENT_CHARACTER), Key::Char('x')],
        );
        check(
            b"\x1b[200~a\r\nb\rc \x1b[A\x1b[201~\r",
            &[Key::Paste("a\nb\nc \x1b[A".to_owned()), Key::Enter],
        );
    }

    #[test]
    fn endless_input_is_bounded() {
        let long = [b"\x1b[200~".as_slice(), &vec![b'x'; MAX_PASTE_BYTES + 1000], b"\x1b[201~y"].concat();
        check(&long, &[Key::TooLong, Key::Char('y')]);
        let whole = [b"\x1b[200~".as_slice(), &vec![b'x'; MAX_PASTE_BYTES], b"\x1b[201~"].concat();
        check(&whole, &[Key::Paste("x".repeat(MAX_PASTE_BYTES))]);
        let mut keys = Keys::default();
        keys.feed(&[b"\x1b[".as_slice(), &[b'0'; 100_000]].concat());
        assert!(keys.pending.len() < 100);
    }
}
