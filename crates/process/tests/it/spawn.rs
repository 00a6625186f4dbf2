//! Starting programs: what they get, and what is said when they can't start.

use std::error::Error;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use missiond_process::{Environment, Exit, Finished, Input, Output, SpawnError, SpawnSpec, run, tree};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::support::{PATIENCE, sh};

fn finish(spec: &SpawnSpec) -> Finished {
    run(spec, b"", PATIENCE, 1 << 20).unwrap()
}

fn output(spec: &SpawnSpec) -> String {
    let finished = finish(spec);
    assert!(finished.exit.success(), "{finished:?}");
    String::from_utf8(finished.stdout).unwrap()
}

fn executable(directory: &TempDir, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn the_environment_is_what_was_named_and_nothing_else() {
    let mut spec = SpawnSpec::new("env", "/");
    assert_eq!(output(&spec), "");
    spec.env.set("B", "2").set("A", "1").set("C", "3").unset("C").inherit("MISSIOND_NO_SUCH_VARIABLE");
    spec.tag = Some("scope:name".parse().unwrap());
    assert_eq!(output(&spec), "A=1\nB=2\nMISSIOND_SESSION=scope:name\n");
    assert_eq!(spec.env.get("A"), Some("1".as_ref()));
    spec.env.set("TOKEN", "hunter2");
    let shown = format!("{spec:?}");
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    let basics = Environment::inherit_basics();
    assert_eq!(basics.get("PATH").map(ToOwned::to_owned), std::env::var_os("PATH"));
    assert!(basics.iter().all(|(name, _)| !name.to_string_lossy().starts_with("CARGO")));
}

#[test]
fn arguments_and_directory_are_passed_as_they_are() {
    let directory = TempDir::new().unwrap();
    let hostile = directory.path().join("a\"; touch pwned; \"$(touch pwned)");
    fs::create_dir(&hostile).unwrap();
    let script = "pwd; printf '%s|' \"$0\" \"$@\"";
    let spec = sh(script, &hostile).args(["name", "a b", "", "$(touch pwned)", "*", "'\"\n"]);
    assert_eq!(output(&spec), format!("{}\nname|a b||$(touch pwned)|*|'\"\n|", hostile.display()));
    assert_eq!(fs::read_dir(&hostile).unwrap().count(), 0);
}

#[test]
fn a_program_is_found_by_path_or_by_directory() {
    let directory = TempDir::new().unwrap();
    executable(&directory, "tool", "#!/bin/sh\necho \"tool $0\"\n", 0o755);
    let here = directory.path();
    let absolute = SpawnSpec::new(here.join("tool"), "/");
    let relative = SpawnSpec::new("./tool", here);
    let mut by_path = SpawnSpec::new("tool", "/");
    by_path.env.set("PATH", format!("/nowhere:{}", here.display()));
    for spec in [absolute, relative, by_path] {
        assert!(output(&spec).starts_with("tool /"), "{spec:?}");
    }
    // A relative entry of PATH would mean the working directory, where an agent may have put anything.
    let mut planted = SpawnSpec::new("tool", here);
    for path in [".", "", ":.:"] {
        planted.env.set("PATH", path);
        assert!(matches!(planted.spawn(), Err(SpawnError::NotFound { .. })), "PATH={path:?}");
    }
}

/// A spec that can't start, and what its error must say.
#[test]
fn failures_are_typed_and_name_the_thing() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let shown = here.display();
    executable(&directory, "no-mode", "#!/bin/sh\n", 0o644);
    executable(&directory, "no-interpreter", "#!/no/such/interpreter\n", 0o755);
    executable(&directory, "no-program", "\x7fELF nonsense", 0o755);
    let mut lost = SpawnSpec::new("no-such-program", here);
    lost.env.set("PATH", "/nowhere:/elsewhere");
    let mut bad_variable = SpawnSpec::new("true", here);
    bad_variable.env.set("A=B", "1");
    let mut bad_value = SpawnSpec::new("true", here);
    bad_value.env.set("A", "1\0");
    let mut no_terminal = SpawnSpec::new("true", here);
    no_terminal.terminal = Some("/no/such/terminal".into());
    let mut null_terminal = SpawnSpec::new("true", here);
    null_terminal.terminal = Some("/dev/null".into());
    let mut contradiction = null_terminal.clone();
    contradiction.stdin = Input::Piped;
    let mut failing_step = SpawnSpec::new("true", here);
    // SAFETY: the step only makes an error of a number.
    unsafe { failing_step.pre_exec(Arc::new(|| Err(io::Error::from_raw_os_error(libc::EDOM)))) };
    let huge = SpawnSpec::new("true", here).arg("x".repeat(8 << 20));
    type Check = fn(&SpawnError) -> bool;
    let cases: Vec<(SpawnSpec, Check, String)> = vec![
        (lost, |e| matches!(e, SpawnError::NotFound { .. }), "/nowhere:/elsewhere".into()),
        (
            SpawnSpec::new("./gone", here),
            |e| matches!(e, SpawnError::NotFound { .. }),
            format!("searched {shown}/gone"),
        ),
        (SpawnSpec::new("", here), |e| matches!(e, SpawnError::InvalidSpec { .. }), "empty".into()),
        (
            SpawnSpec::new("./no-mode", here),
            |e| matches!(e, SpawnError::PermissionDenied { .. }),
            "chmod".into(),
        ),
        (SpawnSpec::new(here, "/"), |e| matches!(e, SpawnError::PermissionDenied { .. }), format!("{shown}")),
        (
            SpawnSpec::new("./no-interpreter", here),
            |e| matches!(e, SpawnError::MissingInterpreter { .. }),
            "no-interpreter".into(),
        ),
        (SpawnSpec::new("./no-program", here), |e| matches!(e, SpawnError::Exec { .. }), "no-program".into()),
        (
            SpawnSpec::new("true", "/no/such/directory"),
            |e| matches!(e, SpawnError::WorkingDirectory { .. }),
            "/no/such/directory".into(),
        ),
        (
            SpawnSpec::new("true", here.join("no-mode")),
            |e| matches!(e, SpawnError::WorkingDirectory { .. }),
            "no-mode".into(),
        ),
        (bad_variable, |e| matches!(e, SpawnError::InvalidVariable { .. }), "A=B".into()),
        (bad_value, |e| matches!(e, SpawnError::InvalidVariable { .. }), "\"A\"".into()),
        (
            SpawnSpec::new("true", here).arg("a\0b"),
            |e| matches!(e, SpawnError::InvalidSpec { .. }),
            "NUL".into(),
        ),
        (no_terminal, |e| matches!(e, SpawnError::Terminal { .. }), "/no/such/terminal".into()),
        (null_terminal, |e| matches!(e, SpawnError::Terminal { .. }), "/dev/null".into()),
        (contradiction, |e| matches!(e, SpawnError::InvalidSpec { .. }), "terminal".into()),
        (failing_step, |e| matches!(e, SpawnError::PreExec { .. }), "true".into()),
        (huge, |e| matches!(e, SpawnError::Exec { .. }), "true".into()),
    ];
    for (spec, is_expected, part) in cases {
        let error = spec.spawn().unwrap_err();
        let shown = error.to_string();
        assert!(is_expected(&error), "{:?} gave {error:?}", spec.program);
        assert!(shown.contains(&part), "{shown:?} lacks {part:?}");
        if let SpawnError::PreExec { source, .. } = &error {
            assert_eq!(source.raw_os_error(), Some(libc::EDOM));
            assert!(error.source().is_some());
        }
        // A spec that failed leaves nothing behind: the same thread can spawn at once.
        assert!(finish(&SpawnSpec::new("true", "/")).exit.success());
    }
}

#[test]
fn steps_run_in_the_program_just_before_it() {
    let mut spec = SpawnSpec::new("sh", "/").args(["-c", "umask; ulimit -n"]);
    spec.limits.open_files = Some(50);
    // SAFETY: the step makes one system call.
    unsafe {
        spec.pre_exec(Arc::new(|| {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027));
            Ok(())
        }));
    }
    assert_eq!(output(&spec), "0027\n50\n");
}

#[test]
fn limits_hold_for_the_program() {
    let mut spec =
        SpawnSpec::new("sh", "/").args(["-c", "ulimit -c; ulimit -n; ulimit -t; ulimit -f; ulimit -v"]);
    spec.limits.open_files = Some(64);
    spec.limits.cpu_seconds = Some(100);
    spec.limits.file_size_bytes = Some(512 * 7);
    spec.limits.address_space_bytes = Some(1 << 30);
    assert_eq!(output(&spec), format!("0\n64\n100\n7\n{}\n", 1 << 20));
    // More than the caller may have is no error but the caller's own limit.
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
    let mut spec = SpawnSpec::new("sh", "/").args(["-c", "ulimit -n"]);
    spec.limits.open_files = Some(u64::MAX - 1);
    assert_eq!(output(&spec), format!("{own}\n"));
}

#[test]
fn a_program_over_its_file_limit_ends_by_signal() {
    let directory = TempDir::new().unwrap();
    let mut spec = sh("exec dd if=/dev/zero of=big bs=1024 count=100", directory.path());
    spec.limits.file_size_bytes = Some(4096);
    assert_eq!(finish(&spec).exit, Exit::Signal(libc::SIGXFSZ));
}

#[test]
fn no_descriptor_leaks_and_no_signal_stays_blocked_or_ignored() {
    // A descriptor that other code forgot to mark.
    let leak = OpenOptions::new().read(true).custom_flags(0).open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    // A signal that the caller ignores; nothing else here uses it.
    // SAFETY: no handler is installed, so none can run.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    let script = "grep -E 'Sig(Blk|Ign):' /proc/self/status | tr -d '\\t\\n'; exec ls /proc/self/fd";
    let mut spec = SpawnSpec::new("sh", "/").args(["-c", script]);
    // The last one is the directory that `ls` reads.
    let expected = "SigBlk:0000000000000000SigIgn:00000000000000000\n1\n2\n3\n";
    assert_eq!(output(&spec), expected, "the marked one is {}", leak.as_raw_fd());
    // Nor does the guardian hold anything but its socket and its signals.
    spec = SpawnSpec::new("sleep", "/").arg("1000");
    (spec.stdin, spec.stdout, spec.stderr) = (Input::Piped, Output::Piped, Output::Piped);
    let running = spec.spawn().unwrap();
    let held: Vec<String> = fs::read_dir(format!("/proc/{}/fd", running.guardian_pid()))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    assert!(
        held.iter().all(|target| target.contains("signalfd") || target.starts_with("socket:")),
        "{held:?}"
    );
    assert!(held.len() <= 2, "{held:?}");
}

#[test]
fn the_terminal_becomes_the_controlling_one() {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let script = "tty; for fd in 0 1 2; do [ -t $fd ] && echo $fd; done; echo controlling > /dev/tty; read line; \
                  echo got $line >&2; stty size; printf 'done\\n'; read line";
    let mut spec = SpawnSpec::new("sh", "/").args(["-c", script]);
    spec.terminal = Some(slave.clone().into());
    let running = spec.spawn().unwrap();
    assert!(running.take_stdin().is_none() && running.take_stdout().is_none());
    let mut master = File::from(master);
    master.write_all(b"typed\n").unwrap();
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"done\r\n") {
        master.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    let seen = String::from_utf8(seen).unwrap().replace("\r\n", "\n").replacen("typed\n", "", 1);
    assert_eq!(seen, format!("{slave}\n0\n1\n2\ncontrolling\ngot typed\n0 0\ndone\n"));
    // Closing the master hangs the terminal up, and the program ends by SIGHUP.
    drop(master);
    assert_eq!(running.wait_blocking(Some(PATIENCE)), Ok(Some(Exit::Signal(libc::SIGHUP))));
}

#[test]
fn exits_are_told_as_a_shell_would() {
    for (script, exit, shell, shown) in [
        ("exit 0", Exit::Code(0), 0, "exit code 0"),
        ("exit 255", Exit::Code(255), 255, "exit code 255"),
        ("kill -9 $$", Exit::Signal(9), 137, "signal 9 (SIGKILL)"),
        ("kill -TERM $$", Exit::Signal(15), 143, "signal 15 (SIGTERM)"),
        ("kill -40 $$", Exit::Signal(40), 168, "signal 40"),
    ] {
        let finished = finish(&sh(script, Path::new("/")));
        assert_eq!(finished.exit, exit, "{script}");
        assert_eq!((exit.shell_code(), exit.to_string().as_str()), (shell, shown));
        assert_eq!(exit.success(), shell == 0);
    }
}

#[test]
fn c7_dropping_the_input_pipe_is_the_programs_end_of_input() {
    let mut spec = sh("cat > /dev/null; exit 5", Path::new("/"));
    spec.stdin = Input::Piped;
    let running = spec.spawn().unwrap();
    let mut stdin = running.take_stdin().unwrap();
    stdin.write_all(b"some").unwrap();
    assert_eq!(running.wait_blocking(Some(Duration::from_millis(50))), Ok(None));
    drop(stdin);
    assert_eq!(running.wait_blocking(Some(PATIENCE)), Ok(Some(Exit::Code(5))));
}

#[test]
fn a_program_that_is_still_open_for_writing_elsewhere_is_tried_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("copy");
    fs::copy("/bin/sleep", &path).unwrap();
    let writer = OpenOptions::new().append(true).open(&path).unwrap();
    let mut spec = SpawnSpec::new(path, "/").arg("1000");
    let (mut attempts, attempt) = io::pipe().unwrap();
    // SAFETY: the step makes one system call.
    unsafe { spec.pre_exec(Arc::new(move || Ok(rustix::io::write(&attempt, b".").map(|_| ())?))) };
    let spawning = std::thread::spawn(move || spec.spawn());
    // The second attempt proves that the first has failed.
    attempts.read_exact(&mut [0; 2]).unwrap();
    drop(writer);
    let running = spawning.join().unwrap().unwrap();
    assert_eq!(
        tree::ancestors(running.pid()).unwrap()[0],
        running.guardian_pid(),
        "the pid is of an earlier attempt"
    );
}

#[test]
fn tags_are_parsed() {
    use missiond_process::SessionTag;
    for (text, expected) in [
        ("a:b", Some(("a", "b"))),
        ("Proj-1._x:slot.2", Some(("Proj-1._x", "slot.2"))),
        ("a", None),
        (":", None),
        ("a:", None),
        (":b", None),
        ("a:b:c", None),
        ("a b:c", None),
        ("ä:b", None),
    ] {
        let tag = text.parse::<SessionTag>().ok();
        assert_eq!(tag.as_ref().map(|tag| (tag.scope(), tag.name())), expected, "{text:?}");
        assert!(tag.is_none_or(|tag| tag.as_str() == text));
    }
    assert!(SessionTag::new(&"x".repeat(64), "y").is_ok());
    assert!(SessionTag::new(&"x".repeat(65), "y").is_err());
}
