//! Frames: whatever comes in, and however it is cut.

use missiond_core::control::wire::{Decoder, Frame, Hello, MAX_FRAME_BYTES, WireError, decode, encode};
use missiond_core::control::{GateRequest, Request, Response};
use missiond_core::{NewTask, Seq, TaskId};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn frames_come_back_however_they_are_cut(
        texts in prop::collection::vec(".{0,200}", 0..12),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let stream: Vec<u8> = texts.iter().flat_map(|text| encode(text, 4096).unwrap()).collect();
        let mut decoder = Decoder::new(4096);
        let mut received = Vec::new();
        for piece in cut(&stream, &cuts) {
            decoder.push(&piece);
            while let Some(frame) = decoder.take().unwrap() {
                received.push(decode::<String>(&frame).unwrap());
            }
        }
        prop_assert_eq!(received, texts);
        prop_assert_eq!(decoder.pending(), 0);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32),
        limit in 0_usize..128,
    ) {
        let mut decoder = Decoder::new(limit);
        for piece in &pieces {
            let held = decoder.pending() + piece.len();
            decoder.push(piece);
            prop_assert_eq!(decoder.pending(), held);
            loop {
                match decoder.take() {
                    Ok(Some(frame)) => prop_assert!(frame.len() <= limit),
                    Ok(None) => break,
                    Err(WireError::TooLong { limit: named }) => {
                        prop_assert_eq!(named, limit);
                        // Nothing that follows is taken for a frame.
                        prop_assert!(decoder.take().is_err());
                        return Ok(());
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn any_json_is_a_message_or_an_error(text in json_like()) {
        // Only a panic or an abort would be wrong.
        drop(decode::<Request>(text.as_bytes()));
        drop(decode::<GateRequest>(text.as_bytes()));
        drop(decode::<Frame<Response>>(text.as_bytes()));
        drop(decode::<Hello>(text.as_bytes()));
    }
}

fn json_like() -> impl Strategy<Value = String> {
    let tags =
        ["submit", "events", "judge", "report", "answer", "welcome", "error", "task", "status", "nothing"];
    let leaf = prop::sample::select(vec![
        "null",
        "1",
        "-7.5e300",
        "\"x\"",
        "[]",
        "{}",
        "true",
        "18446744073709551616",
    ]);
    let keys =
        prop::sample::select(vec!["request", "since", "value", "event", "id", "filter", "call", "kind"]);
    let fields = prop::collection::vec((keys, leaf), 0..5);
    (prop::sample::select(tags.to_vec()), fields, prop::option::of(".{0,20}"))
        .prop_map(|(tag, fields, junk)| {
            let fields: String = fields.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect();
            format!("{{\"type\":\"{tag}\"{fields}}}{}", junk.unwrap_or_default())
        })
        .boxed()
        .prop_union(Just("[".repeat(100_000)).boxed())
}

#[test]
fn a_frame_over_the_limit_is_not_made() {
    assert!(matches!(encode("four", 6), Ok(frame) if frame == b"\0\0\0\x06\"four\""));
    assert!(matches!(encode("four", 5), Err(WireError::TooLong { limit: 5 })));
    let big = "x".repeat(MAX_FRAME_BYTES);
    assert!(matches!(encode(&big, usize::MAX), Err(WireError::TooLong { .. })));
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let mut decoder = Decoder::new(MAX_FRAME_BYTES);
    decoder.push(&(MAX_FRAME_BYTES as u32).to_be_bytes());
    assert!(matches!(decoder.take(), Ok(None)));
    assert_eq!(decoder.pending(), 4);
}

#[test]
fn requests_come_back_as_sent() {
    let id = TaskId::generate();
    for request in [
        Request::Status,
        Request::Submit { request: Box::new(NewTask::new("grün \u{0} \u{1F600}")) },
        Request::Cancel { id, reason: "no longer".to_owned() },
        Request::Events { since: Seq(u64::MAX), follow: true },
        Request::SendMessage {
            to: missiond_core::Recipient::Slot("a".parse().unwrap()),
            text: String::new(),
        },
        Request::Shutdown { drain: true },
    ] {
        let frame = encode(&request, MAX_FRAME_BYTES).unwrap();
        assert_eq!(decode::<Request>(&frame[4..]).unwrap(), request);
    }
}
