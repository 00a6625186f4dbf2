//! The command line of the hook program.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use missiond_core::hook::{Arguments, ArgumentsError};

#[test]
fn arguments_are_read_in_any_order() {
    let check = |args: &[&str], event: &str, gate: Option<&str>, patience: u64| {
        let read = Arguments::parse(args).unwrap();
        assert_eq!(read.event, event, "{args:?}");
        assert_eq!(read.gate.as_deref(), gate.map(Path::new), "{args:?}");
        assert_eq!(read.patience, Duration::from_secs(patience), "{args:?}");
        assert_eq!(read.directory, None, "{args:?}");
    };
    check(&["pre-tool-use"], "pre-tool-use", None, 3660);
    check(&["--gate", "/run/gate", "stop"], "stop", Some("/run/gate"), 3660);
    check(&["stop", "--patience", "7", "--gate", "--gate"], "stop", Some("--gate"), 7);
    check(&["--agent", "codex", "stop"], "stop", None, 3660);
    for agent in ["claude", "codex", "gemini"] {
        let read = Arguments::parse(&["--agent", agent, "stop"]).unwrap();
        assert_eq!(read.agent.as_deref(), Some(agent));
    }
    assert_eq!(Arguments::parse(&["before-tool"]).unwrap().agent, None);
}

#[test]
fn path_that_is_no_text_is_kept() {
    let path = OsStr::from_bytes(b"/run/\xff");
    let args: [OsString; 3] = ["--gate".into(), path.into(), "stop".into()];
    assert_eq!(Arguments::parse(&args).unwrap().gate.unwrap(), path);
}

#[test]
fn what_is_no_command_line_of_a_hook_is_refused() {
    let check = |args: &[&str], expected: &str| {
        let error: ArgumentsError = Arguments::parse(args).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains('\n'), "{args:?}: {text}");
    };
    check(&[], "the event is missing");
    check(&["--gate", "/run/gate"], "the event is missing");
    check(&[""], "unknown argument ``");
    check(&["--gate"], "`--gate` needs the path");
    check(&["stop", "--patience"], "`--patience` needs a number");
    check(&["stop", "--patience", "0"], "`--patience` needs a number");
    check(&["stop", "--patience", "-1"], "`--patience` needs a number");
    check(&["stop", "--patience", "soon"], "`--patience` needs a number");
    check(&["--agent"], "`--agent` needs claude, codex or gemini");
    check(&["--agent", "opencode", "stop"], "`--agent` needs claude, codex or gemini");
    check(&["stop", "stop"], "unknown argument `stop`");
    check(&["--directory", "x", "stop"], "unknown argument `--directory`");
    check(&["stop", "\u{1b}[2J\n"], "unknown argument `");
}
