//! The threads of a session: one reads, one writes, one waits for the end.

use std::any::Any;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use missiond_process::KillHandle;

use super::shared::Shared;
use super::{ExitCause, ExitReport};

/// At most this much is one event.
const READ_SIZE: usize = 16 * 1024;

/// How long output may still come after the whole tree is gone. The system delivers what was written at once; only a
/// stranger that holds the terminal open makes this wait end.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// `EIO`: nobody has the terminal's other side open any more, which is how its output ends on Linux.
const EIO: i32 = 5;

pub(super) fn start(
    shared: &Arc<Shared>,
    program: KillHandle,
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
) -> io::Result<()> {
    let (done, read_ended) = sync_channel(1);
    spawn("pty-read", {
        let (shared, program) = (Arc::clone(shared), program.clone());
        move || read(&shared, &program, reader, &done)
    })?;
    spawn("pty-write", {
        let shared = Arc::clone(shared);
        move || write(&shared, writer)
    })?;
    spawn("pty-wait", {
        let shared = Arc::clone(shared);
        move || wait(&shared, &program, &read_ended)
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

fn read(
    shared: &Shared,
    program: &KillHandle,
    mut reader: Box<dyn Read + Send>,
    done: &SyncSender<Option<io::Error>>,
) {
    let mut buffer = vec![0; READ_SIZE];
    let failure = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break None,
            Ok(n) => {
                if let Err(error) = feed(shared, &buffer[..n]) {
                    break Some(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(EIO) => break None,
            Err(error) => break Some(error),
        }
    };
    let failed = failure.is_some();
    // There is room for the one message, and a receiver until it came or doesn't matter any more.
    let _ = done.send(failure);
    if failed && let Err(error) = program.kill_blocking() {
        tracing::error!(%error, "a program whose terminal can't be read could not be ended");
    }
}

/// Has the emulator process output. It is somebody else's code at work on what may be hostile, so a panic in it is an
/// error of this session like one of the system: a thread that just died would leave a frozen screen and no word of it.
fn feed(shared: &Shared, bytes: &[u8]) -> io::Result<()> {
    // What a panic leaves behind is checked before anybody looks at it.
    catch_unwind(AssertUnwindSafe(|| shared.feed(bytes))).map_err(|panic| {
        shared.mend();
        let text = format!("the terminal emulator panicked on its output: {}", message(panic.as_ref()));
        tracing::error!("{text}");
        io::Error::other(text)
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn write(shared: &Shared, mut writer: Box<dyn Write + Send>) {
    while let Some(chunk) = shared.input.take() {
        if let Err(error) = writer.write_all(&chunk) {
            tracing::debug!(%error, "input not written");
            // The program's end is told by the waiting thread; here it only means that nothing more can be typed.
            shared.input.close();
            break;
        }
        shared.input.wrote(chunk.len());
    }
}

fn wait(shared: &Shared, program: &KillHandle, read_ended: &Receiver<Option<io::Error>>) {
    let (exit, mut cause) = match program.wait_blocking(None) {
        Ok(Some(exit)) if shared.was_killed() => (Some(exit), ExitCause::Killed),
        Ok(exit) => (exit, ExitCause::Ended),
        Err(error) => (None, ExitCause::WaitFailed(error.to_string())),
    };
    if let Ok(Some(error)) = read_ended.recv_timeout(DRAIN_LIMIT) {
        cause = ExitCause::ReadFailed(error.to_string());
    }
    shared.finish(ExitReport { exit, cause });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use missiond_process::SpawnSpec;

    use crate::session::shared::PANICS;
    use crate::{EventKind, ExitCause, PtySession, Size};

    #[tokio::test]
    async fn p12_a_panic_of_the_emulator_ends_the_program_and_is_told() {
        for panics in PANICS {
            let script = format!("echo before; read go; printf '\\033]2;{panics}\\007'; sleep 1000");
            let mut spec = SpawnSpec::new("/bin/sh", "/").args(["-c", &script]);
            spec.env.set("PATH", "/usr/local/bin:/usr/bin:/bin");
            let session = PtySession::spawn(spec, Size::default()).unwrap();
            let mut events = session.subscribe();
            let limit = Duration::from_secs(30);
            let there = session.wait_for(limit, |screen| screen.text().contains("before").then_some(()));
            there.await.unwrap();
            session.write(b"\r").unwrap();

            let report = tokio::time::timeout(limit, session.exited()).await.expect("an end");
            assert!(report.exit.is_some(), "{report}");
            let ExitCause::ReadFailed(text) = &report.cause else { panic!("{report}") };
            assert_eq!(text, &format!("the terminal emulator panicked on its output: {panics}"));
            // The last screen can be looked at, if it is still one.
            let last = session.snapshot();
            assert_eq!(last.text().contains("before"), panics == PANICS[0], "{last:?}");
            assert_eq!(last.exit.as_ref(), Some(&report));
            let mut told = None;
            while let Some(event) = tokio::time::timeout(limit, events.next()).await.unwrap() {
                told = Some(event.kind);
            }
            assert_eq!(told, Some(EventKind::Exited(report)));
        }
    }
}
