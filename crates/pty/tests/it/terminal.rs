//! The emulator: screens, replies to queries, sizes, and any bytes at all.

use missiond_pty::{CastKind, Feed, Size, Snapshot, Terminal};
use proptest::prelude::*;

use crate::recordings;

fn terminal(cols: u16, rows: u16) -> Terminal {
    Terminal::new(Size::new(cols, rows).unwrap())
}

fn reply(query: &str) -> String {
    let mut terminal = terminal(80, 24);
    terminal.feed(b"\x1b[3;5H");
    String::from_utf8(terminal.feed(query.as_bytes()).replies).unwrap()
}

#[test]
fn p15_queries_are_answered() {
    let cases = [
        ("\x1b[c", "\x1b[?62;22c"),
        ("\x1b[0c", "\x1b[?62;22c"),
        ("\x1b[>c", "\x1b[>0;276;0c"),
        ("\x1b[=c", "\x1bP!|00000000\x1b\\"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[6n", "\x1b[3;5R"),
        ("\x1b[?6n", "\x1b[?3;5R"),
        ("\x1b[?996n", "\x1b[?997;1n"),
        ("\x1b[>0q", "\x1bP>|XTerm(390)\x1b\\"),
        ("\x1b[>q", "\x1bP>|XTerm(390)\x1b\\"),
        ("\x1b[?2026$p", "\x1b[?2026;2$y"),
        ("\x1b[?2026h\x1b[?2026$p", "\x1b[?2026;1$y"),
        ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?9999$p", "\x1b[?9999;0$y"),
        ("\x1b[4$p", "\x1b[4;0$y"),
        ("\x1b[?u", "\x1b[?0u"),
        ("\x1b[>7u\x1b[?u", "\x1b[?7u"),
        ("\x1b[>1u\x1b[>2u\x1b[<u\x1b[?u", "\x1b[?1u"),
        ("\x1b[=5u\x1b[=2;2u\x1b[?u", "\x1b[?7u"),
        ("\x1b[14t", "\x1b[4;384;640t"),
        ("\x1b[16t", "\x1b[6;16;8t"),
        ("\x1b[18t", "\x1b[8;24;80t"),
        ("\x1b]10;?\x07", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
        ("\x1b]11;?\x1b\\", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
        ("\x1b]10;?;?\x07", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\\x1b]11;rgb:0000/0000/0000\x1b\\"),
        ("\x1b]4;1;?\x07", "\x1b]4;1;rgb:cdcd/0000/0000\x1b\\"),
        ("\x1b]4;16;?;255;?\x07", "\x1b]4;16;rgb:0000/0000/0000\x1b\\\x1b]4;255;rgb:eeee/eeee/eeee\x1b\\"),
        ("\x1bP+q4d73\x1b\\", "\x1bP0+r4d73\x1b\\"),
        (
            "\x1bP+q544e;zz;436f\x1b\\",
            "\x1bP1+r544e=787465726d2d323536636f6c6f72\x1b\\\x1bP1+r436f=323536\x1b\\",
        ),
        ("\x1bP$qm\x1b\\", "\x1bP0$r\x1b\\"),
        // In the order of the questions, whoever answers them.
        ("\x1b[c\x1bP+q4d73\x1b\\\x1b[5n", "\x1b[?62;22c\x1bP0+r4d73\x1b\\\x1b[0n"),
        // No questions.
        ("\x1b[8;50;100t\x1b]0;title\x07\x1b[u\x1b]4;1;red\x07\x1b]999;?\x07", ""),
    ];
    for (query, wanted) in cases {
        assert_eq!(reply(query), wanted, "{query:?}");
    }
}

#[test]
fn recorded_agents_get_the_replies_they_got_when_recorded() {
    let recording = recordings::one("claude", "b-text-120x40");
    let mut terminal = Terminal::new(recording.size);
    let mut replies = Vec::new();
    let mut recorded = String::new();
    for event in &recording.events {
        match &event.kind {
            CastKind::Output(text) => replies.extend(terminal.feed(text.as_bytes()).replies),
            CastKind::Input(text) if text.starts_with("\x1b[?") || text.starts_with("\x1bP") => {
                recorded.push_str(text);
            }
            _ => {}
        }
    }
    assert!(recorded.contains("\x1b[?2026;2$y"), "{recorded:?}");
    assert_eq!(String::from_utf8(replies).unwrap(), recorded);
}

#[test]
fn the_clipboard_is_refused() {
    let mut terminal = terminal(20, 2);
    let feed = terminal.feed(b"\x1b]52;c;?\x07\x1b]52;c;aGVsbG8=\x07\x1b]52;c;not base64!\x07");
    assert_eq!((feed.replies.len(), feed.clipboard_refused), (0, 3));
}

#[test]
fn titles_are_cleaned_and_cut() {
    let mut terminal = terminal(20, 2);
    let feed = terminal.feed("\x1b]2;✳ a\u{9b}b\x07\x07".as_bytes());
    assert_eq!((terminal.title(), feed.title_changed, feed.bells), ("✳ ab", true, 1));
    assert!(!terminal.feed("\x1b]0;✳ ab\x07".as_bytes()).title_changed);
    terminal.feed(format!("\x1b]2;{}\x07", "é".repeat(400)).as_bytes());
    assert_eq!(terminal.title().chars().count(), 256);
}

#[test]
fn a_synchronized_update_is_seen_whole() {
    let mut terminal = terminal(20, 2);
    terminal.feed(b"before");
    terminal.feed(b"\x1b[?2026h\x1b[2J\x1b[Hhalf");
    assert_eq!(
        (terminal.snapshot().text(), terminal.snapshot().modes.synchronized),
        ("before".to_owned(), true)
    );
    terminal.feed(b" done\x1b[?2026l");
    assert_eq!(terminal.snapshot().text(), "half done");

    terminal.feed(b"\x1b[?2026h\x1b[2J\x1b[Hhangs");
    terminal.end_frame();
    assert_eq!(terminal.snapshot().text(), "hangs");
}

#[test]
fn a_reset_forgets_modes() {
    let mut terminal = terminal(20, 2);
    terminal.feed(b"\x1b[?1004;2004;2026h\x1b[>7ux\x1bcy");
    let modes = terminal.modes();
    assert!(!modes.focus_events && !modes.bracketed_paste && !modes.synchronized, "{modes:?}");
    assert_eq!((modes.kitty_keyboard, terminal.snapshot().text()), (0, "y".to_owned()));
}

#[test]
fn rows_have_text_and_styles() {
    let mut terminal = terminal(12, 3);
    terminal.feed("日本 \x1b[2mfaint\x1b[m \x1b[7mX\x1b[m\r\n\x1b[Ce\u{301}".as_bytes());
    let snapshot = terminal.snapshot();
    let row = &snapshot.rows[0];
    assert_eq!((row.text.as_str(), row.wrapped), ("日本 faint X", false));
    assert_eq!((row.faint.as_slice(), row.inverse.as_slice()), (&[7..12][..], &[13..14][..]));
    assert_eq!(snapshot.rows[1].text, " e\u{301}");
    assert_eq!(snapshot.rows.len(), 3);
    terminal.feed(b"\x1b[2;1Hlonger than twelve");
    let snapshot = terminal.snapshot();
    assert!(snapshot.rows[1].wrapped && !snapshot.rows[2].wrapped, "{:?}", snapshot.rows);
}

#[test]
fn plain_text_becomes_the_same_screen() {
    let size = Size::new(10, 3).unwrap();
    let snapshot = Snapshot::from_text("日本日本日本\n\x1b[31mred\n\nfour", "✳ t\x07", size);
    let rows: Vec<&str> = snapshot.rows.iter().map(|row| row.text.as_str()).collect();
    // Five wide characters fill ten columns; the control character is gone and the fourth line has no room.
    assert_eq!(rows, ["日本日本日", "[31mred", ""]);
    assert_eq!((&*snapshot.title, snapshot.size), ("✳ t", size));
}

#[test]
fn p11_every_size_works() {
    for (cols, rows) in [(1, 1), (1, 1000), (1000, 1), (1000, 1000), (2, 2)] {
        let mut terminal = terminal(cols, rows);
        terminal.feed("日本語 👩‍👩‍👧 text\r\n\x1b[999;999Hx\x1b[6n".as_bytes());
        assert_eq!(terminal.snapshot().rows.len(), usize::from(rows));
    }
    for (cols, rows) in [(0, 1), (1, 0), (1001, 1), (1, 1001), (u16::MAX, u16::MAX)] {
        let error = Size::new(cols, rows).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("terminal size {cols}x{rows} is out of range: each side must be 1 to 1000")
        );
    }
}

#[test]
fn a_flood_of_queries_is_bounded() {
    let feed = terminal(80, 24).feed(&b"\x1b[c".repeat(100_000));
    assert!(feed.replies.len() <= 64 * 1024 && feed.replies_dropped > 0, "{}", feed.replies.len());
    // A string that never ends doesn't grow.
    let mut terminal = terminal(80, 24);
    for _ in 0..1000 {
        assert_eq!(terminal.feed(&[b'x'; 1000]), Feed::default());
        terminal.feed(b"\x1bP+q");
    }
}

#[test]
fn p9_a_character_is_repeated_no_more_than_fills_the_screen() {
    let check = |output: &str, text: &str, col: u16| {
        let mut whole = terminal(10, 2);
        whole.feed(output.as_bytes());
        let mut split = terminal(10, 2);
        for byte in output.as_bytes() {
            split.feed(&[*byte]);
        }
        for terminal in [whole, split] {
            let snapshot = terminal.snapshot();
            let seen = (snapshot.text(), snapshot.cursor.col);
            assert_eq!(seen, (text.to_owned(), col), "{output:?}");
        }
    };
    check("x\x1b[b", "xx", 2);
    check("x\x1b[12b", "xxxxxxxxxx\nxxx", 3);
    // Twenty cells: with the first one and the row that scrolled off, the next character comes after one.
    for repeat in
        ["\x1b[65535b", "\x1b[99999999b", "\x1b[25;3b", "\x1b[2\x005b", "\x1b\u{e9}[25:7b", "\x1bPq\x1b[25b"]
    {
        check(&format!("x{repeat}"), "xxxxxxxxxx\nx", 1);
    }
    // These are other sequences.
    check("x\x1b[?65535b\x1b[65535 b\x1b[65535\x18b", "xb", 2);
}

/// Bytes that look like what programs write, with wide, joined and zero-width characters, and plain noise.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "a",
        "語",
        "🎉",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{200b}",
        "\u{fe0f}",
        "☁\u{fe0f}",
        "\r",
        "\n",
        "\r\n",
        "\t",
        "\x08",
        "\x1b[H",
        "\x1b[2J",
        "\x1b[K",
        "\x1b[1;1H",
        "\x1b[999C",
        "\x1b[5A",
        "\x1b[2;3r",
        "\x1b[r",
        "\x1bM",
        "\x1bc",
        "\x1b[L",
        "\x1b[3M",
        "\x1b[4P",
        "\x1b[9@",
        "\x1b[2X",
        "\x1b[3S",
        "\x1b[2T",
        "\x1b[b",
        "\x1b[9b",
        "\x1b[65535b",
        "\x1b[65",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b[?2026h",
        "\x1b[?2026l",
        "\x1b[?6h",
        "\x1b[6n",
        "\x1b[c",
        "\x1bP+q4d73\x1b\\",
        "\x1bPq",
        "\x1b]0;t\x07",
        "\x1b]11;?\x1b\\",
        "\x1b[7m",
        "\x1b[2m",
        "\x1b[m",
        "\x1b7",
        "\x1b8",
        "\x18",
        "\x1b",
    ]);
    let piece = prop_oneof![
        8 => text.prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
        1 => prop::collection::vec(any::<char>(), 1..4).prop_map(|c| c.into_iter().collect::<String>().into_bytes()),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

fn size() -> impl Strategy<Value = Size> {
    let side = || prop_oneof![4 => 1..6u16, 3 => 1..130u16, 1 => Just(1000u16)];
    (side(), side()).prop_map(|(cols, rows)| Size::new(cols, rows).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p7_p11_any_output_and_any_resizes_are_taken(first in size(), steps in prop::collection::vec((output(), size()), 1..5)) {
        let mut terminal = Terminal::new(first);
        for (bytes, size) in steps {
            terminal.feed(&bytes);
            terminal.resize(size);
            let snapshot = terminal.snapshot();
            prop_assert_eq!(snapshot.rows.len(), usize::from(size.rows()));
            let mut viewer = Terminal::new(size);
            viewer.feed(&terminal.formatted());
            prop_assert_eq!(viewer.title(), terminal.title());
            prop_assert!(snapshot.cursor.col < size.cols() && snapshot.cursor.row < size.rows());
            for row in snapshot.rows.iter() {
                for range in row.faint.iter().chain(&row.inverse) {
                    prop_assert!(row.text.get(range.clone()).is_some(), "{:?}", row);
                }
            }
            let seen = missiond_pty::Profile::claude().observe(&snapshot);
            prop_assert_eq!(seen.dialog.is_some(), seen.status == missiond_pty::Status::Confirming);
        }
    }

    #[test]
    fn split_output_gives_the_same_screen(size in size(), bytes in output(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut whole = Terminal::new(size);
        let feed = whole.feed(&bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut split = Terminal::new(size);
        let mut replies = Vec::new();
        for pair in cuts.windows(2) {
            replies.extend(split.feed(&bytes[pair[0]..pair[1]]).replies);
        }
        prop_assert_eq!(whole.snapshot(), split.snapshot());
        prop_assert_eq!(feed.replies, replies);
    }
}
