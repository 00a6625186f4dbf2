//! Short programs.

use std::path::Path;
use std::time::{Duration, Instant};

use missiond_process::{Exit, RunError, SpawnError, SpawnSpec, run};
use tempfile::TempDir;

use crate::support::{PATIENCE, alive, escapee, pid_in, sh};

const MEGABYTE: usize = 1 << 20;

fn script(script: &str) -> SpawnSpec {
    sh(script, Path::new("/"))
}

#[test]
fn input_and_both_outputs_flow_at_once() {
    let input: Vec<u8> = (0..3 * MEGABYTE).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let spec = script("tee /dev/stderr; exit 3");
    let finished = run(&spec, &input, PATIENCE, 4 * MEGABYTE).unwrap();
    assert_eq!(finished.exit, Exit::Code(3));
    assert!(finished.stdout == input && finished.stderr == input, "bytes were lost");
}

#[test]
fn a_program_need_not_read_its_input() {
    let input = vec![b'x'; MEGABYTE];
    for text in ["exit 0", "exec <&-; echo out; exit 0", "head -c 10"] {
        let finished = run(&script(text), &input, PATIENCE, MEGABYTE).unwrap();
        assert_eq!(finished.exit, Exit::Code(0), "{text}");
    }
    // Without input there is none to wait for.
    assert_eq!(run(&script("cat"), b"", PATIENCE, 10).unwrap().stdout, b"");
}

#[test]
fn c7_the_deadline_ends_the_tree_and_the_error_says_so() {
    let directory = TempDir::new().unwrap();
    let deaf = format!("trap '' INT TERM; echo why >&2; {}; sleep 1000; sleep 1000", escapee("escapee"));
    for text in [deaf.as_str(), "exec >&- 2>&-; sleep 1000", "while :; do :; done"] {
        let deadline = Duration::from_millis(300);
        let begun = Instant::now();
        let error = run(&sh(text, directory.path()), b"unread", deadline, MEGABYTE).unwrap_err();
        assert!(begun.elapsed() >= deadline);
        let RunError::Deadline { stderr, deadline: told, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*told, deadline);
        assert_eq!(stderr == "why\n", text == deaf, "{error}");
        assert!(error.to_string().contains("sh"), "{error}");
    }
    assert!(!alive(pid_in(&directory.path().join("escapee"))));
}

#[test]
fn too_much_output_is_a_typed_error() {
    for (text, expected) in [
        ("while :; do echo flood; done", "standard output"),
        ("while :; do echo flood >&2; done", "standard error"),
    ] {
        let error = run(&script(text), b"", PATIENCE, 1000).unwrap_err();
        let RunError::TooMuchOutput { stream, limit: 1000, .. } = error else { panic!("{error:?}") };
        assert_eq!(stream, expected);
    }
    // Exactly the limit is allowed.
    assert_eq!(run(&script("printf 12345"), b"", PATIENCE, 5).unwrap().stdout, b"12345");
    assert!(matches!(run(&script("printf 123456"), b"", PATIENCE, 5), Err(RunError::TooMuchOutput { .. })));
}

#[test]
fn background_programs_that_hold_the_pipes_do_not_hold_the_result() {
    let finished = run(&script("sleep 1000 & echo out"), b"", PATIENCE, MEGABYTE).unwrap();
    assert_eq!((finished.exit, finished.stdout.as_slice()), (Exit::Code(0), b"out\n".as_slice()));
}

#[test]
fn a_missing_program_is_told_as_such() {
    let error = run(&SpawnSpec::new("no-such-program", "/"), b"", PATIENCE, 1).unwrap_err();
    assert!(matches!(error, RunError::Spawn(SpawnError::NotFound { .. })), "{error:?}");
}
