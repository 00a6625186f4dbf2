//! Finds what the emulator handles without telling: device control strings (`ESC P … ESC \`) and resets (`ESC c`).

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// Longer requests are read to their end and not answered.
const MAX_REQUEST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct DcsScanner {
    state: State,
    request: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Found {
    /// The content of a device control string, without introducer and terminator.
    Request(Vec<u8>),
    /// A full reset of the terminal.
    Reset,
}

/// An `ESC` ends whatever was going on, as in the emulator's own parser, so no other kind of string needs a state.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Ground,
    Escape,
    Text,
    TextEscape,
}

impl DcsScanner {
    /// Scans `bytes` up to the end of the next find: how many bytes that took, and what it was.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<(usize, Found)> {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Ground {
                at += bytes[at..].iter().position(|b| *b == ESC)?;
            }
            let byte = bytes[at];
            at += 1;
            self.state = match (self.state, byte) {
                (_, CAN | SUB) => State::Ground,
                (State::Text, ESC) => State::TextEscape,
                (State::Text, _) => {
                    if self.request.len() <= MAX_REQUEST {
                        self.request.push(byte);
                    }
                    State::Text
                }
                (State::TextEscape, b'\\') => {
                    self.state = State::Ground;
                    let request = std::mem::take(&mut self.request);
                    if request.len() <= MAX_REQUEST {
                        return Some((at, Found::Request(request)));
                    }
                    State::Ground
                }
                (State::Ground, _) | (_, ESC) => State::Escape,
                (_, b'P') => {
                    self.request.clear();
                    State::Text
                }
                (_, b'c') => {
                    self.state = State::Ground;
                    return Some((at, Found::Reset));
                }
                // Control characters act at once and leave the sequence open.
                (_, 0x00..=0x1f) => State::Escape,
                (_, _) => State::Ground,
            };
        }
        None
    }
}
