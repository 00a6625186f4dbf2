//! Recordings are read and written as asciicast.

use std::io::{Cursor, Write as _};
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use missiond_pty::{
    CastError, CastEvent, CastHeader, CastKind, CastReader, CastVersion, CastWriter, MAX_CAST_LINE_BYTES,
    Size,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn read(text: impl AsRef<[u8]>) -> Result<CastReader, CastError> {
    CastReader::new(Cursor::new(text.as_ref().to_vec()))
}

fn events(reader: CastReader) -> Vec<CastEvent> {
    reader.map(Result::unwrap).collect()
}

fn at(micros: u64, kind: CastKind) -> CastEvent {
    CastEvent::new(Duration::from_micros(micros), kind)
}

fn output(text: &str) -> CastKind {
    CastKind::Output(text.to_owned())
}

#[test]
fn both_versions_are_read() {
    let second = "{\"version\": 2, \"width\": 80, \"height\": 24, \"timestamp\": 1700000000, \"title\": \"t\", \"env\": {}}\n\
        [0.5, \"o\", \"a\\u001b[m\"]\n[1.25, \"i\", \"x\"]\n[2, \"r\", \"100x30\"]\n[2.5, \"m\", \"here\"]\n";
    let reader = read(second).unwrap();
    let header = reader.header().clone();
    assert_eq!((header.size, header.timestamp), (Size::new(80, 24).unwrap(), Some(1_700_000_000)));
    assert_eq!(header.title.as_deref(), Some("t"));
    let expected = [
        at(500_000, output("a\u{1b}[m")),
        at(1_250_000, CastKind::Input("x".to_owned())),
        at(2_000_000, CastKind::Resize(Size::new(100, 30).unwrap())),
        at(2_500_000, CastKind::Marker("here".to_owned())),
    ];
    assert_eq!(events(reader), expected);

    let third = "{\"version\": 3, \"term\": {\"cols\": 80, \"rows\": 24}, \"command\": \"ls\"}\n# a comment\n\n\
        [0.5, \"o\", \"a\"]\n[0.75, \"o\", \"b\"]\n[0.25, \"x\", \"3\"]\n[0, \"q\", \"new\"]\n";
    let reader = read(third).unwrap();
    assert_eq!(reader.header().command.as_deref(), Some("ls"));
    let expected = [
        at(500_000, output("a")),
        at(1_250_000, output("b")),
        at(1_500_000, CastKind::Exit(3)),
        at(1_500_000, CastKind::Other("q".to_owned(), "new".to_owned())),
    ];
    assert_eq!(events(reader), expected);
}

#[test]
fn what_is_written_is_read_again() {
    let header = {
        let mut header = CastHeader::default();
        header.size = Size::new(90, 30).unwrap();
        header.title = Some("a \"title\"".to_owned());
        header.timestamp = Some(7);
        header
    };
    let happened = [
        at(1, output("\u{1b}[1m\r\nünï 語 \u{0}")),
        at(1_000_001, CastKind::Resize(Size::new(1, 1).unwrap())),
        at(1_000_001, CastKind::Input("\u{3}".to_owned())),
        at(9_999_999_999, CastKind::Exit(-1)),
    ];
    for version in [CastVersion::V2, CastVersion::V3] {
        let mut writer = CastWriter::new(Vec::new(), version, &header).unwrap();
        for event in &happened {
            writer.write(event).unwrap();
        }
        let text = writer.into_inner();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&text).unwrap();
        for text in [text, packed.finish().unwrap()] {
            let reader = read(&text).unwrap();
            assert_eq!(*reader.header(), header);
            // Version 2 has no event for the end.
            let least = if version == CastVersion::V2 { 3 } else { 4 };
            assert_eq!(events(reader), happened[..least]);
        }
    }
}

#[test]
fn what_a_killed_recorder_left_is_read_up_to_its_last_whole_line() {
    let header = "{\"version\": 2, \"width\": 80, \"height\": 24}\n";
    let cut = format!("{header}[1, \"o\", \"a\"]\n[2, \"o\", \"b");
    assert_eq!(events(read(&cut).unwrap()), [at(1_000_000, output("a"))]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(format!("{header}[1, \"o\", \"a\"]\n").as_bytes()).unwrap();
    packed.flush().unwrap();
    let so_far = packed.get_ref().clone();
    assert_eq!(events(read(&so_far).unwrap()), [at(1_000_000, output("a"))]);
}

#[test]
fn what_is_no_recording_is_told_with_its_line() {
    let header = "{\"version\": 2, \"width\": 80, \"height\": 24}\n";
    for (text, parts) in [
        ("", &["empty"][..]),
        ("nonsense\n", &["line 1", "header"]),
        ("{\"version\": 1}\n", &["version 1", "2 and 3"]),
        ("{\"version\": 9}\n", &["version 9"]),
        ("{\"version\": 2}\n", &["line 1", "size"]),
        ("{\"version\": 2, \"width\": 0, \"height\": 24}\n", &["line 1", "1"]),
        ("{\"version\": 2, \"width\": 99999, \"height\": 24}\n", &["line 1"]),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
    }
    for (text, part) in [
        ("[1, \"o\"]\n", "line 3"),
        ("[-1, \"o\", \"a\"]\n", "no time"),
        ("[1e300, \"o\", \"a\"]\n", "no time"),
        ("[1, \"r\", \"big\"]\n", "`big` is no size"),
        ("[1, \"r\", \"0x7\"]\n", "line 3"),
        ("[1, \"x\", \"z\"]\n", "exit status"),
        ("{}\n", "line 3"),
        ("[1, \"o\", \"\\ud800\"]\n", "line 3"),
    ] {
        let mut reader = read(format!("{header}\n{text}")).unwrap();
        let error = reader.next().unwrap().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(reader.next().is_none(), "it has ended");
    }
    // A time that goes back happens with what came before it.
    let text = format!("{header}[2, \"o\", \"a\"]\n[1, \"o\", \"b\"]\n");
    assert_eq!(events(read(text).unwrap()), [at(2_000_000, output("a")), at(2_000_000, output("b"))]);
    let damaged = [&[0x1f, 0x8b][..], &[7; 100]].concat();
    assert!(matches!(read(damaged), Err(CastError::Io(_))));
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    let endless = std::io::Read::chain(
        Cursor::new(b"{\"version\": 2, \"width\": 80, \"height\": 24}\n[1, \"o\", \"".to_vec()),
        std::io::repeat(b'a'),
    );
    let mut reader = CastReader::new(endless).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert!(matches!(error, CastError::TooLong { line: 2, limit: MAX_CAST_LINE_BYTES }), "{error}");
}

fn kind() -> impl Strategy<Value = CastKind> {
    let side = 1..=500_u16;
    prop_oneof![
        any::<String>().prop_map(CastKind::Output),
        any::<String>().prop_map(CastKind::Input),
        any::<String>().prop_map(CastKind::Marker),
        (side.clone(), side).prop_map(|(cols, rows)| CastKind::Resize(Size::new(cols, rows).unwrap())),
        any::<i32>().prop_map(CastKind::Exit),
    ]
}

proptest! {
    #[test]
    fn whatever_happened_is_read_as_it_was_written(happened in vec((0..1_000_000_000_000_u64, kind()), 0..50)) {
        let mut clock = 0;
        let happened: Vec<CastEvent> = happened.into_iter().map(|(after, kind)| {
            clock += after / 1000;
            at(clock, kind)
        }).collect();
        let mut writer = CastWriter::new(Vec::new(), CastVersion::V3, &CastHeader::default()).unwrap();
        for event in &happened {
            writer.write(event).unwrap();
        }
        prop_assert_eq!(events(read(writer.into_inner()).unwrap()), happened);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(text in vec(any::<u8>(), 0..300)) {
        let header = b"{\"version\": 3, \"term\": {\"cols\": 80, \"rows\": 24}}\n".to_vec();
        for text in [text.clone(), [header, text].concat()] {
            if let Ok(reader) = read(text) {
                drop(reader.collect::<Vec<_>>());
            }
        }
    }
}
