//! What holds for every text and every damage.

use std::fs;

use missiond_policy::audit::{Entry, Redactor, newest};
use proptest::{prelude::*, sample::select};

use super::{Scene, WAIT};

fn secretive_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            "password",
            "token",
            "=",
            ": ",
            "\"",
            "'",
            "\\",
            "$",
            "://",
            "@",
            ":",
            "-----BEGIN ",
            "PRIVATE KEY-----",
            "-----END ",
            "Authorization",
            "Bearer ",
            "sk-",
            "eyJ",
            ".",
            "ghp_",
            "AKIA",
            "--",
            "-u ",
            "SG.",
            "é",
            "\u{0}",
            "\n",
            " ",
            "=>",
            "0123456789abcdefghij",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn redacting_never_panics_and_leaves_no_known_value(text in secretive_text(), secret in "[a-z]{8}") {
        let mut redactor = Redactor::new();
        redactor.know("it", secret.as_str());
        let text = format!("{text}{secret}{text}");
        let once = redactor.redact(&text).into_owned();
        prop_assert!(!once.contains(&secret));
    }

    #[test]
    fn value_behind_a_telling_name_never_stays(before in secretive_text(), value in "[a-zA-Z0-9]{6,20}x7") {
        for how in ["\npassword=", " --password=", " --password ", "\npassword: ", "\n\"password\":\""] {
            let text = format!("{before}{how}{value} and more\n");
            prop_assert!(!Redactor::new().redact(&text).contains(&value), "{:?}", text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// One changed byte anywhere in the log is found, and no reader stumbles over it.
    #[test]
    fn every_changed_byte_is_found(place in any::<prop::sample::Index>(), to in any::<u8>()) {
        let scene = Scene::filled(3);
        let mut bytes = fs::read(scene.path()).unwrap();
        let at = place.index(bytes.len());
        let changed = bytes[at] != to;
        bytes[at] = to;
        fs::write(scene.path(), &bytes).unwrap();
        prop_assert_eq!(scene.verify().fault.is_some(), changed);
        newest(scene.log.paths(), &Default::default(), 10, WAIT).unwrap();
    }

    /// Whatever was cut off, the next writer goes on, and it stays found.
    #[test]
    fn every_cut_is_found_and_survived(place in any::<prop::sample::Index>()) {
        let scene = Scene::filled(3);
        let bytes = fs::read(scene.path()).unwrap();
        let cut = place.index(bytes.len() - 1);
        fs::write(scene.path(), &bytes[..cut]).unwrap();
        prop_assert!(scene.verify().fault.is_some());
        scene.call("echo later");
        prop_assert!(scene.verify().fault.is_some());
        let newest = newest(scene.log.paths(), &Default::default(), 1, WAIT).unwrap().0;
        prop_assert!(matches!(newest[0].entry, Entry::Call(_)));
    }

    /// A record that was torn anywhere is no fault, and is repaired.
    #[test]
    fn every_tear_is_repaired(place in any::<prop::sample::Index>()) {
        let scene = Scene::filled(2);
        let (before, head) = (fs::read(scene.path()).unwrap(), fs::read(scene.head()).unwrap());
        scene.call("echo 3");
        let whole = fs::read(scene.path()).unwrap();
        let cut = before.len() + place.index(whole.len() - before.len());
        fs::write(scene.path(), &whole[..cut]).unwrap();
        fs::write(scene.head(), head).unwrap();
        prop_assert_eq!(scene.verify().fault, None);
        scene.call("echo 4");
        prop_assert_eq!(scene.verify().fault, None);
    }
}
