//! Replies to terminal queries: a program may block until it gets them.
//!
//! Sources: ECMA-48, xterm's "XTerm Control Sequences", the DECRQM and kitty keyboard specifications.

/// The name given to XTVERSION. Agents switch features by it; with this one their screens were measured.
const VERSION: &str = "XTerm(390)";

/// A cell in pixels; nothing is drawn, so any plausible size will do.
const CELL: (u32, u32) = (8, 16);

pub(super) fn to_csi(
    screen: &vt100::Screen,
    i1: Option<u8>,
    i2: Option<u8>,
    params: &[&[u16]],
    c: char,
) -> Vec<u8> {
    let first = params.first().and_then(|p| p.first()).copied().unwrap_or(0);
    let (rows, cols) = screen.size();
    let (row, col) = screen.cursor_position();
    let (row, col) = (row.saturating_add(1).min(rows.get()), col.saturating_add(1).min(cols.get()));
    let text = match (i1, i2, c, first) {
        // Primary device attributes: a VT220 with ANSI colours.
        (None, None, 'c', 0) => "\x1b[?62;22c".to_owned(),
        (Some(b'>'), None, 'c', 0) => "\x1b[>0;276;0c".to_owned(),
        (Some(b'='), None, 'c', 0) => "\x1bP!|00000000\x1b\\".to_owned(),
        (Some(b'>'), None, 'q', 0) => format!("\x1bP>|{VERSION}\x1b\\"),
        (None, None, 'n', 5) => "\x1b[0n".to_owned(),
        (None, None, 'n', 6) => format!("\x1b[{row};{col}R"),
        (Some(b'?'), None, 'n', 6) => format!("\x1b[?{row};{col}R"),
        // The colour scheme is dark, as the background colour says too.
        (Some(b'?'), None, 'n', 996) => "\x1b[?997;1n".to_owned(),
        (None, None, 't', 14) => {
            let (w, h) = CELL;
            format!("\x1b[4;{};{}t", u32::from(rows.get()) * h, u32::from(cols.get()) * w)
        }
        (None, None, 't', 16) => format!("\x1b[6;{};{}t", CELL.1, CELL.0),
        (None, None, 't', 18) => format!("\x1b[8;{rows};{cols}t"),
        // ANSI modes are none of them known.
        (Some(b'$'), None, 'p', mode) => format!("\x1b[{mode};0$y"),
        _ => String::new(),
    };
    text.into_bytes()
}

pub(super) fn to_osc(params: &[&[u8]]) -> Vec<u8> {
    let mut out = String::new();
    match params {
        [b"4", pairs @ ..] => {
            for pair in pairs.chunks_exact(2).filter(|pair| pair[1] == b"?") {
                let Some(index) = std::str::from_utf8(pair[0]).ok().and_then(|n| n.parse::<u8>().ok()) else {
                    continue;
                };
                let (r, g, b) = palette(index);
                out.push_str(&format!("\x1b]4;{index};{}\x1b\\", rgb(r, g, b)));
            }
        }
        [first, rest @ ..] => {
            // `OSC 10 ; ? ; ?` asks for colours 10 and 11: each further parameter is the next colour.
            let Some(start) = std::str::from_utf8(first).ok().and_then(|n| n.parse::<u16>().ok()) else {
                return Vec::new();
            };
            if !(10..=19).contains(&start) {
                return Vec::new();
            }
            for (number, _) in (start..=19).zip(rest).filter(|(_, value)| **value == b"?") {
                // Text and cursor white, backgrounds black.
                let level = if matches!(number, 10 | 12 | 13 | 15 | 18 | 19) { 0xff } else { 0 };
                out.push_str(&format!("\x1b]{number};{}\x1b\\", rgb(level, level, level)));
            }
        }
        [] => {}
    }
    out.into_bytes()
}

/// The reply to a device control string; its content comes without the introducer and the terminator.
pub(super) fn to_dcs(request: &[u8]) -> Vec<u8> {
    if let Some(names) = request.strip_prefix(b"+q") {
        // XTGETTCAP: names in hexadecimal. One that isn't known is answered as invalid, as xterm does.
        let mut out = Vec::new();
        for name in names.split(|b| *b == b';').filter(|name| name.iter().all(u8::is_ascii_hexdigit)) {
            let value: Option<&[u8]> = match name.to_ascii_lowercase().as_slice() {
                b"544e" => Some(b"xterm-256color"),
                b"436f" | b"636f6c6f7273" => Some(b"256"),
                b"524742" => Some(b"8"),
                _ => None,
            };
            out.extend_from_slice(if value.is_some() { b"\x1bP1+r" } else { b"\x1bP0+r" });
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                for byte in value {
                    out.extend_from_slice(format!("{byte:02x}").as_bytes());
                }
            }
            out.extend_from_slice(b"\x1b\\");
        }
        return out;
    }
    if request.starts_with(b"$q") {
        // DECRQSS: no setting can be reported.
        return b"\x1bP0$r\x1b\\".to_vec();
    }
    Vec::new()
}

fn rgb(r: u8, g: u8, b: u8) -> String {
    format!("rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}")
}

/// xterm's colours: 16 named ones, a 6×6×6 cube, 24 greys.
fn palette(index: u8) -> (u8, u8, u8) {
    const NAMED: [(u8, u8, u8); 16] = [
        (0, 0, 0),
        (205, 0, 0),
        (0, 205, 0),
        (205, 205, 0),
        (0, 0, 238),
        (205, 0, 205),
        (0, 205, 205),
        (229, 229, 229),
        (127, 127, 127),
        (255, 0, 0),
        (0, 255, 0),
        (255, 255, 0),
        (92, 92, 255),
        (255, 0, 255),
        (0, 255, 255),
        (255, 255, 255),
    ];
    match index {
        0..=15 => NAMED[usize::from(index)],
        16..=231 => {
            let n = index - 16;
            let level = |n: u8| if n == 0 { 0 } else { 55 + n * 40 };
            (level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232..=255 => {
            let grey = 8 + (index - 232) * 10;
            (grey, grey, grey)
        }
    }
}
