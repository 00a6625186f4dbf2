//! Lines and tails of streams that may hold anything.

use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use missiond_process::{Exit, Input, LineError, LineLimits, Lines, Output, Tail};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use crate::support::{PATIENCE, sh};

/// A stream that comes in the given pieces, and not at once.
struct Pieces {
    pieces: Vec<Vec<u8>>,
    pending: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.pending = !self.pending;
        if self.pending {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.pieces.is_empty() {
            let piece = self.pieces.remove(0);
            let now = piece.len().min(buffer.remaining());
            buffer.put_slice(&piece[..now]);
            if now < piece.len() {
                self.pieces.insert(0, piece[now..].to_vec());
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A line as the tests see it: its text, or the head of one that was too long.
type Seen = Result<(String, bool), String>;

async fn read_all(pieces: Vec<Vec<u8>>, max_line_bytes: usize) -> Vec<Seen> {
    // An empty piece would be the stream's end.
    let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    let mut lines = Lines::new(Pieces { pieces, pending: false }, LineLimits { max_line_bytes });
    let mut seen = Vec::new();
    loop {
        // Every other read is cancelled once, which must lose nothing.
        let cancelled = tokio::time::timeout(Duration::ZERO, lines.next()).await;
        let next = match cancelled {
            Ok(next) => next,
            Err(_) => lines.next().await,
        };
        match next {
            Ok(Some(line)) => seen.push(Ok((line.text, line.lossy))),
            Ok(None) => return seen,
            Err(LineError::TooLong { limit, head }) => {
                assert_eq!(limit, max_line_bytes);
                seen.push(Err(head));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What the lines of a stream are, said in the plainest way.
fn expected(stream: &[u8], max: usize) -> Vec<Seen> {
    let mut lines: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let read = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max {
            return Err(());
        }
        let text = String::from_utf8_lossy(line).into_owned();
        Ok((text, std::str::from_utf8(line).is_err()))
    };
    lines.into_iter().map(|line| read(line).map_err(|()| String::new())).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn lines_of_any_bytes_in_any_pieces(
        pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab\r\n\n\xff\xc3\xa4".to_vec()), 0..12), 0..12),
        max in 0_usize..10,
    ) {
        let stream: Vec<u8> = pieces.concat();
        let mut seen = block_on(read_all(pieces, max));
        for line in &mut seen {
            if let Err(head) = line {
                head.clear();
            }
        }
        assert_eq!(seen, expected(&stream, max), "{stream:?} with lines up to {max}");
    }

    #[test]
    fn a_tail_is_the_end_of_what_was_pushed(pieces in any::<Vec<Vec<u8>>>(), max in 0_usize..40) {
        let tail = Tail::new(max);
        for piece in &pieces {
            tail.push(piece);
        }
        let all = pieces.concat();
        let text = tail.text();
        if all.len() <= max {
            assert_eq!(text, String::from_utf8_lossy(&all));
        } else {
            let end = String::from_utf8_lossy(&all[all.len() - max..]).into_owned();
            assert!(end.ends_with(&text) && text.chars().count() + 3 >= end.chars().count());
        }
    }
}

#[tokio::test]
async fn c11_a_non_utf8_line_does_not_stop_reading() {
    let mut spec = sh("printf 'one\\n\\377\\376 bad\\ntwo\\r\\nlast'", Path::new("/"));
    spec.stdout = Output::Piped;
    let running = spec.spawn().unwrap();
    let mut lines = Lines::new(running.take_stdout().unwrap().into_async().unwrap(), LineLimits::default());
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        seen.push((line.text, line.lossy));
    }
    let expected = [("one", false), ("\u{fffd}\u{fffd} bad", true), ("two", false), ("last", false)];
    assert_eq!(seen, expected.map(|(text, lossy)| (text.to_owned(), lossy)));
    assert_eq!(running.wait().await, Ok(Exit::Code(0)));
}

#[tokio::test]
async fn c11_an_over_long_line_is_a_typed_error_once_and_reading_goes_on() {
    let script = "echo before; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo after";
    let mut spec = sh(script, Path::new("/"));
    spec.stdout = Output::Piped;
    let running = spec.spawn().unwrap();
    let mut lines = Lines::new(running.take_stdout().unwrap().into_async().unwrap(), LineLimits::default());
    assert_eq!(lines.next().await.unwrap().unwrap().text, "before");
    match lines.next().await {
        Err(LineError::TooLong { limit, head }) => {
            assert_eq!((limit, head.as_str()), (16 << 20, "x".repeat(256).as_str()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lines.next().await.unwrap().unwrap().text, "after");
    assert_eq!(lines.next().await.unwrap(), None);
    assert_eq!(running.wait().await, Ok(Exit::Code(0)));
}

#[tokio::test]
async fn pipes_work_in_async_code_both_ways() {
    let mut spec = sh("while read line; do echo \"<$line>\"; done", Path::new("/"));
    (spec.stdin, spec.stdout) = (Input::Piped, Output::Piped);
    let running = spec.spawn().unwrap();
    let mut stdin = running.take_stdin().unwrap().into_async().unwrap();
    let mut lines = Lines::new(running.take_stdout().unwrap().into_async().unwrap(), LineLimits::default());
    for text in ["a", "b"] {
        stdin.write_all(format!("{text}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, lines.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer.text, format!("<{text}>"));
    }
    drop(stdin);
    assert_eq!(lines.next().await.unwrap(), None);
    assert_eq!(running.wait().await, Ok(Exit::Code(0)));
}

#[test]
fn a_drained_stream_never_blocks_the_program_and_its_end_is_kept() {
    let mut spec = sh(
        "i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done; echo the end >&2",
        Path::new("/"),
    );
    spec.stderr = Output::Piped;
    let running = spec.spawn().unwrap();
    let tail = Tail::spawn_drain(running.take_stderr().unwrap(), 20).unwrap();
    assert_eq!(running.wait_blocking(Some(PATIENCE)), Ok(Some(Exit::Code(0))));
    assert!(tail.wait_end(PATIENCE));
    assert_eq!(tail.text(), "\nline 19999\nthe end\n");
    assert!(!Tail::new(1).wait_end(Duration::from_millis(1)), "nothing ever ends a tail that is pushed to");
}

#[test]
fn writing_to_a_program_that_is_gone_is_an_error() {
    let mut spec = sh("exit 0", Path::new("/"));
    spec.stdin = Input::Piped;
    let running = spec.spawn().unwrap();
    let mut stdin = running.take_stdin().unwrap();
    running.wait_blocking(Some(PATIENCE)).unwrap().unwrap();
    assert_eq!(stdin.write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}
