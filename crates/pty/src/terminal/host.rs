//! What the emulator reports besides the screen: title, bell, modes it doesn't know, and queries.

use std::sync::Arc;

use super::{Feed, reply, rows};
use crate::{Modes, Row};

const MAX_TITLE_CHARS: usize = 256;
const MAX_REPLIES: usize = 64 * 1024;
const MAX_KITTY_STACK: usize = 16;

#[derive(Debug)]
pub(super) struct Host {
    pub(super) title: Arc<str>,
    /// The rows from before an open synchronized update.
    pub(super) frame: Option<Arc<[Row]>>,
    synchronized: bool,
    /// The columns that are seen, which may be fewer than the emulator has.
    pub(super) cols: u16,
    focus_events: bool,
    color_scheme_reports: bool,
    kitty: Vec<u16>,
    feed: Feed,
}

impl Host {
    pub(super) fn new(cols: u16) -> Self {
        Self {
            title: "".into(),
            frame: None,
            synchronized: false,
            cols,
            focus_events: false,
            color_scheme_reports: false,
            kitty: Vec::new(),
            feed: Feed::default(),
        }
    }

    pub(super) fn take_feed(&mut self) -> Feed {
        std::mem::take(&mut self.feed)
    }

    /// Forgets the modes that the emulator doesn't know, as a full reset of the terminal does.
    pub(super) fn reset(&mut self) {
        *self = Self { title: Arc::clone(&self.title), feed: self.take_feed(), ..Self::new(self.cols) };
    }

    pub(super) fn modes(&self, screen: &vt100::Screen) -> Modes {
        Modes {
            bracketed_paste: screen.bracketed_paste(),
            alternate_screen: screen.alternate_screen(),
            synchronized: self.synchronized,
            focus_events: self.focus_events,
            application_cursor: screen.application_cursor(),
            mouse: screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
            kitty_keyboard: self.kitty.last().copied().unwrap_or(0),
        }
    }

    pub(super) fn push_reply(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.feed.replies.len() + bytes.len() > MAX_REPLIES {
            self.feed.replies_dropped = self.feed.replies_dropped.saturating_add(1);
        } else {
            self.feed.replies.extend_from_slice(bytes);
        }
    }

    fn set_mode(&mut self, screen: &vt100::Screen, mode: u16, on: bool) {
        match mode {
            1004 => self.focus_events = on,
            2026 => {
                if on && !self.synchronized {
                    self.frame = Some(rows::capture(screen, self.cols));
                } else if !on {
                    self.frame = None;
                }
                self.synchronized = on;
            }
            2031 => self.color_scheme_reports = on,
            _ => {}
        }
    }

    /// The state of a private mode as DECRQM reports it: 0 not known, 1 set, 2 reset.
    fn mode_state(&self, screen: &vt100::Screen, mode: u16) -> u8 {
        let modes = self.modes(screen);
        let mouse = screen.mouse_protocol_mode();
        let on = match mode {
            1 => modes.application_cursor,
            7 => true,
            25 => !screen.hide_cursor(),
            47 | 1049 => modes.alternate_screen,
            1000 => mouse == vt100::MouseProtocolMode::PressRelease,
            1002 => mouse == vt100::MouseProtocolMode::ButtonMotion,
            1003 => mouse == vt100::MouseProtocolMode::AnyMotion,
            1004 => self.focus_events,
            1006 => screen.mouse_protocol_encoding() == vt100::MouseProtocolEncoding::Sgr,
            2004 => modes.bracketed_paste,
            2026 => self.synchronized,
            2031 => self.color_scheme_reports,
            _ => return 0,
        };
        if on { 1 } else { 2 }
    }

    fn kitty(&mut self, kind: u8, params: &[&[u16]]) {
        let first = param(params, 0);
        match kind {
            b'>' => {
                if self.kitty.len() == MAX_KITTY_STACK {
                    self.kitty.remove(0);
                }
                self.kitty.push(first);
            }
            b'<' => self.kitty.truncate(self.kitty.len().saturating_sub(usize::from(first.max(1)))),
            _ => {
                let old = self.kitty.pop().unwrap_or(0);
                self.kitty.push(match param(params, 1) {
                    2 => old | first,
                    3 => old & !first,
                    _ => first,
                });
            }
        }
    }
}

impl vt100::Callbacks for Host {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.feed.bells = self.feed.bells.saturating_add(1);
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        let title = clean_title(title);
        if *title != *self.title {
            self.title = title.into();
            self.feed.title_changed = true;
        }
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.feed.clipboard_refused = self.feed.clipboard_refused.saturating_add(1);
    }

    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.feed.clipboard_refused = self.feed.clipboard_refused.saturating_add(1);
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        i1: Option<u8>,
        i2: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        match (i1, i2, c) {
            (Some(b'?'), None, 'h' | 'l') => {
                for mode in params.iter().filter_map(|p| p.first()) {
                    self.set_mode(screen, *mode, c == 'h');
                }
            }
            (Some(b'?'), Some(b'$'), 'p') => {
                let mode = param(params, 0);
                let state = self.mode_state(screen, mode);
                self.push_reply(format!("\x1b[?{mode};{state}$y").as_bytes());
            }
            (Some(b'?'), None, 'u') => {
                let flags = self.kitty.last().copied().unwrap_or(0);
                self.push_reply(format!("\x1b[?{flags}u").as_bytes());
            }
            (Some(kind @ (b'>' | b'<' | b'=')), None, 'u') => self.kitty(kind, params),
            _ => {
                let reply = reply::to_csi(screen, i1, i2, params, c);
                self.push_reply(&reply);
            }
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        if params.first() == Some(&&b"52"[..]) {
            self.feed.clipboard_refused = self.feed.clipboard_refused.saturating_add(1);
        }
        let reply = reply::to_osc(params);
        self.push_reply(&reply);
    }
}

/// A title as people may see it: no control characters, bounded.
pub(crate) fn clean_title(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(MAX_TITLE_CHARS).collect()
}

fn param(params: &[&[u16]], n: usize) -> u16 {
    params.get(n).and_then(|p| p.first()).copied().unwrap_or(0)
}
