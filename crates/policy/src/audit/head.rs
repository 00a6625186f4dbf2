//! The head: where the log ends, kept beside it, and the lock that its writers take.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use super::{chain::Digest, error::AuditError};

/// How long a writer that has the lock is given before the next look, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

const MAGIC: &str = "missiond-audit-head-1";
/// `MAGIC seq hash bytes first opened`, in columns, so that it is overwritten in place: that needs no room on the disk.
const HEAD_BYTES: usize = MAGIC.len() + 4 * 21 + 65 + 1;

/// Where the log ended when a writer last let go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The newest record and its hash.
    pub(super) seq: u64,
    pub(super) hash: Digest,
    /// How long the current file was.
    pub(super) bytes: u64,
    /// The first record of the current file, and when that was written, in seconds since 1970.
    pub(super) first: u64,
    pub(super) opened: u64,
}

impl Head {
    fn to_line(self) -> String {
        let Self { seq, hash, bytes, first, opened } = self;
        format!("{MAGIC} {seq:020} {hash} {bytes:020} {first:020} {opened:020}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        (words.next()? == MAGIC).then_some(())?;
        let seq = words.next()?.parse().ok()?;
        let hash = words.next()?.parse().ok()?;
        let [bytes, first, opened] = [(); 3].map(|()| words.next().and_then(|word| word.parse().ok()));
        let head = Self { seq, hash, bytes: bytes?, first: first?, opened: opened? };
        // Whatever else reads the same is not what we wrote.
        (head.to_line() == text).then_some(head)
    }
}

/// The locked head. Unlocked when dropped, and by the kernel when the process ends in any way.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    file: File,
    path: &'a Path,
}

impl<'a> Locked<'a> {
    /// Takes the lock that writers take, and makes the file if it isn't there.
    pub(super) fn exclusive(path: &'a Path, wait: Duration) -> Result<Self, AuditError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Self::take(path, wait, &options, File::try_lock)
    }

    /// Takes the lock that keeps writers away while it is held.
    pub(super) fn shared(path: &'a Path, wait: Duration) -> Result<Self, AuditError> {
        Self::take(path, wait, OpenOptions::new().read(true), File::try_lock_shared)
    }

    fn take(
        path: &'a Path,
        wait: Duration,
        options: &OpenOptions,
        lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, AuditError> {
        let failed = |source| AuditError::Io { action: "lock", path: path.to_owned(), source };
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let file = open(path, options)?;
            match lock(&file) {
                // Whoever removed the file meanwhile let the next one lock another: ours would be worth nothing.
                Ok(()) if is_still(&file, path) => return Ok(Self { file, path }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            if begun.elapsed() >= wait {
                return Err(AuditError::Locked { path: path.to_owned(), after: wait });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What the head says; `None` where it says nothing, or nothing that can be understood.
    pub(super) fn read(&self) -> Result<Option<Head>, AuditError> {
        let failed = |source| AuditError::Io { action: "read", path: self.path.to_owned(), source };
        let mut text = [0; HEAD_BYTES + 1];
        let mut read = 0;
        while read < text.len() {
            match self.file.read_at(&mut text[read..], read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(std::str::from_utf8(&text[..read]).ok().and_then(Head::parse))
    }

    /// Whether nothing was ever written.
    pub(super) fn is_new(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }

    pub(super) fn write(&self, head: Head) -> Result<(), AuditError> {
        let failed = |source| AuditError::Io { action: "write", path: self.path.to_owned(), source };
        let line = head.to_line();
        self.file.write_all_at(line.as_bytes(), 0).map_err(failed)?;
        if self.file.metadata().map_err(failed)?.len() > HEAD_BYTES as u64 {
            self.file.set_len(HEAD_BYTES as u64).map_err(failed)?;
        }
        Ok(())
    }
}

/// Opens a regular file and nothing else.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<File, AuditError> {
    // A link would have us write into the file that it points to, and opening a pipe would wait for its other end.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.clone().custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(path);
    let is_link = || path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file());
    let file = match opened {
        Ok(file) => file,
        Err(_) if is_link() => return Err(AuditError::NotAFile { path: path.to_owned() }),
        Err(source) => return Err(AuditError::Io { action: "open", path: path.to_owned(), source }),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(AuditError::NotAFile { path: path.to_owned() }),
        Err(source) => Err(AuditError::Io { action: "open", path: path.to_owned(), source }),
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
