//! One lock per common git directory, held over every change of ours to refs and worktree administration.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::owner::Owner;
use crate::{Error, Result};

/// The held lock; dropping it releases it, and so does the end of the process.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock file at `path`, waiting at most `wait` for other processes and threads.
    pub(crate) fn take(path: &Path, wait: Duration, doing: &str) -> Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open", path))?;
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::io("lock", path)(error.into())),
            }
            if began.elapsed() >= wait {
                let owner = holder(&mut file);
                return Err(Error::LockHeld { path: path.to_owned(), owner, waited: wait });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        // Only for the message of somebody who waits in vain, so failing to write it doesn't matter.
        let note = format!("{}\n{doing}\n", Owner::this_process().to_text());
        if file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).is_ok() {
            drop(file.write_all(note.as_bytes()));
        }
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Explicitly, since a process forked meanwhile may hold a copy of the descriptor for a moment.
        flock(&self.file, FlockOperation::Unlock).ok();
    }
}

fn holder(file: &mut File) -> String {
    let mut note = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(4096).read_to_string(&mut note));
    let mut lines = note.lines();
    match (read, lines.next().and_then(Owner::parse)) {
        (Ok(_), Some(owner)) => {
            format!("{} to {}", owner.describe(), lines.next().unwrap_or("work").escape_debug())
        }
        _ => "an unknown process".to_owned(),
    }
}
