//! The threads of a session: one reads, one writes, one waits for the end.

use std::io::{self, Read, Write};
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
            Ok(n) => shared.feed(&buffer[..n]),
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
