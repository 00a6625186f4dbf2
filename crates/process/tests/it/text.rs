//! Cutting text.

use missiond_process::text::{preview, truncate, truncate_start};
use proptest::prelude::{any, proptest};

proptest! {
    #[test]
    fn c5_every_cut_of_any_text_is_bounded_and_whole(text in any::<String>(), beyond in 0_usize..8) {
        for max in 0..=text.len() + beyond {
            let shown = preview(&text, max);
            assert!(shown.len() <= max);
            if text.len() <= max {
                assert_eq!(shown, text);
            } else {
                assert!(text.starts_with(shown.trim_end_matches('…')) || text.contains('…'));
            }
            let (start, end) = (truncate(&text, max), truncate_start(&text, max));
            assert!(text.starts_with(start) && text.ends_with(end));
            for cut in [start, end] {
                assert!(cut.len() <= max && cut.len() + 3 >= max.min(text.len()));
            }
        }
    }
}

#[test]
fn previews() {
    for (text, max, expected) in [
        ("", 0, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "…"),
        ("abcde", 4, "a…"),
        ("äöü", 2, "ä"),
        ("äöü", 1, ""),
        ("äöü", 5, "ä…"),
        ("日本語", 8, "日…"),
    ] {
        assert_eq!(preview(text, max), expected, "{text:?} cut to {max}");
    }
}
