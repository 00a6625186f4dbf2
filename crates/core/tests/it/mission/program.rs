//! This test program as the programs that an agent needs: its hook, and the scripted agent itself.
//!
//! In an embedding program that is [`missiond_core::reexec::dispatch`]; a test program has no `main` of its own.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use missiond_core::Recipient;
use missiond_core::control::gate::ask;
use missiond_core::control::{GateRequest, GateResponse};

/// The test that the program is started as.
const ENTRY: &str = "mission::program::a_hook_that_is_called_wrongly_blocks";
/// Its arguments, a line each.
const ARGUMENTS: &str = "MISSIOND_TEST_PROGRAM";

/// Writes a script that starts this program as `part`: `hook`, `scripted` or `messages`.
pub(super) fn write(directory: &Path, part: &str) -> OsString {
    let program = std::env::current_exe().unwrap();
    let path = directory.join(part);
    // Whatever the test harness prints goes nowhere; the part itself writes to the third descriptor.
    let text = format!(
        "{ARGUMENTS}=$(printf '%s\\n' {part} \"$@\")\nexport {ARGUMENTS}\n\
         exec '{}' --exact {ENTRY} --nocapture 3>&1 >/dev/null\n",
        program.to_str().unwrap()
    );
    std::fs::write(&path, text).unwrap();
    path.into()
}

#[test]
fn a_hook_that_is_called_wrongly_blocks() {
    if let Ok(arguments) = std::env::var(ARGUMENTS) {
        let arguments: Vec<String> = arguments.lines().map(str::to_owned).collect();
        play(&arguments);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg(write(directory.path(), "hook")).args(["--gate"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("`--gate` needs"), "{output:?}");
}

fn play(arguments: &[String]) -> ! {
    let out = std::fs::File::options().write(true).open("/proc/self/fd/3").unwrap();
    rustix::stdio::dup2_stdout(&out).unwrap();
    let (part, rest) = arguments.split_first().unwrap();
    let code = match part.as_str() {
        "hook" => missiond_core::hook::main(rest),
        "messages" => messages(rest),
        "scripted" => missiond_core::scripted::main(rest.iter().cloned()),
        other => panic!("this program has no part {other}"),
    };
    let code = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap();
    std::process::exit(i32::from(code));
}

/// Sends so many messages over a gate, and prints what becomes of each.
#[allow(clippy::print_stdout, reason = "a program of the tests, whose output is read")]
fn messages(arguments: &[String]) -> ExitCode {
    let [gate, count] = arguments else { panic!("a gate and a number are needed: {arguments:?}") };
    for number in 0..count.parse::<u32>().unwrap() {
        let request = GateRequest::Send { to: Recipient::Everyone, text: number.to_string() };
        match ask(Path::new(gate), &request, Duration::from_secs(30)).unwrap() {
            GateResponse::Ok => println!("sent"),
            other => println!("{other:?}"),
        }
    }
    ExitCode::SUCCESS
}
