//! Finds what the emulator handles without telling: device control strings (`ESC P … ESC \`), resets (`ESC c`), and
//! sequences that make it work for much longer than their few bytes suggest.

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// Longer requests are read to their end and not answered.
const MAX_REQUEST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    request: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Found {
    /// The content of a device control string, without introducer and terminator.
    Request(Vec<u8>),
    /// A full reset of the terminal.
    Reset,
    /// The last character is to be repeated so often (`CSI n b`).
    Repeat(u16),
    /// A sequence that touches any number of cells: clearing, scrolling.
    Sweep,
}

/// An `ESC` ends whatever was going on, as in the emulator's own parser, so no other kind of string needs a state.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Ground,
    Escape,
    Control(Control),
    Text,
    TextEscape,
}

/// A control sequence (`ESC [ …`) up to here.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Control {
    /// Its first number.
    first: u16,
    /// The first number is over.
    more: bool,
    /// It has bytes that make it mean something else than the same one without them.
    marked: bool,
}

impl Scanner {
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
                (State::Control(control), _) => match control.next(byte) {
                    Some(control) => State::Control(control),
                    None => {
                        self.state = State::Ground;
                        if let Some(found) = control.end(byte) {
                            return Some((at, found));
                        }
                        State::Ground
                    }
                },
                (_, b'[') => State::Control(Control::default()),
                (_, b'P') => {
                    self.request.clear();
                    State::Text
                }
                (_, b'c') => {
                    self.state = State::Ground;
                    return Some((at, Found::Reset));
                }
                // Control characters act at once and leave the sequence open; what is no ASCII is passed over.
                (_, 0x00..=0x1f | 0x7f..) => State::Escape,
                (_, _) => State::Ground,
            };
        }
        None
    }
}

impl Control {
    /// The sequence with this byte; `None` if the byte ends it.
    fn next(mut self, byte: u8) -> Option<Self> {
        match byte {
            b'0'..=b'9' if !self.more => {
                self.first = self.first.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
            }
            b':' | b';' => self.more = true,
            b' '..=b'/' | b'<'..=b'?' => self.marked = true,
            b'@'..=b'~' => return None,
            _ => {}
        }
        Some(self)
    }

    fn end(self, byte: u8) -> Option<Found> {
        match byte {
            b'b' if !self.marked => Some(Found::Repeat(self.first.max(1))),
            b'J' | b'L' | b'M' | b'S' | b'T' => Some(Found::Sweep),
            _ => None,
        }
    }
}
