//! Untrusted text on its way to a terminal.

use missiond_core::text::{escape, escape_line};

#[test]
fn nothing_that_acts_on_a_terminal_is_left() {
    let check = |text: &str, expected: &str| assert_eq!(escape(text), expected, "{text:?}");
    check("plain, naïve, 日本語, 🚀\n\tand so on", "plain, naïve, 日本語, 🚀\n\tand so on");
    check("\u{1b}]52;c;cHduZWQ=\u{7}", "\\u{1b}]52;c;cHduZWQ=\\u{7}");
    check("\u{9b}2J", "\\u{9b}2J");
    check("safe\r\u{8}", "safe\\u{d}\\u{8}");
    check("if admin\u{202e}", "if admin\\u{202e}");
    check("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}");
    check("\u{e0041}", "\\u{e0041}");
    assert_eq!(escape_line("two\nlines\tand a tab"), "two\\nlines\\tand a tab");
}

proptest::proptest! {
    #[test]
    fn escaped_text_holds_no_control_character(text in proptest::prelude::any::<String>()) {
        let safe = escape(&text);
        proptest::prop_assert!(safe.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
        proptest::prop_assert!(!escape_line(&text).chars().any(char::is_control));
    }

    #[test]
    fn c5_an_event_text_may_be_cut_anywhere(text in "\\PC{0,40}", repeat in 1_usize..2000) {
        let long = text.repeat(repeat);
        let cut = missiond_core::model::event_text(&long);
        proptest::prop_assert!(cut.len() <= missiond_core::model::MAX_EVENT_TEXT_BYTES + '…'.len_utf8());
        proptest::prop_assert!(cut == long || long.starts_with(cut.trim_end_matches('…')));
    }
}
