//! The lock that makes one process the owner of a project.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::authority::start_time;
use crate::control::paths::{PathsError, ProjectPaths, identity};

/// How long [`OwnerLock::acquire`] tries at the least: a look at the lock by [`OwnerLock::ownership`] takes it for an
/// instant, which must not be mistaken for an owner.
const LEAST_WAIT: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(10);
const MAX_RECORD_BYTES: u64 = 16 * 1024;

/// Holds the project. Released when dropped, and by the kernel when the process ends in any way.
///
/// With it comes the directory of the sockets, which is removed when the value is dropped; what an owner leaves that was
/// killed, the next one removes.
#[derive(Debug)]
pub struct OwnerLock {
    file: File,
    paths: ProjectPaths,
    holder: Holder,
}

impl OwnerLock {
    /// Makes the project's directories and takes its lock, trying for `wait` (250 ms at the least).
    ///
    /// Blocks the thread meanwhile; call it from `spawn_blocking` or before a runtime is busy.
    ///
    /// # Errors
    ///
    /// [`LockError::Owned`] when another process holds it to the end; [`LockError::Paths`] or [`LockError::Io`] when the
    /// directories or the file cannot be used.
    pub fn acquire(paths: &ProjectPaths, wait: Duration) -> Result<Self, LockError> {
        paths.prepare_state()?;
        let path = paths.owner_lock();
        let fail = |source| LockError::Io { path: path.clone(), source };
        let deadline = Instant::now() + wait.max(LEAST_WAIT);
        loop {
            let mut file = open(&path, true).map_err(fail)?;
            match file.try_lock() {
                // Whoever removed the file meanwhile let the next one lock another: ours would be worth nothing.
                Ok(()) if is_still(&file, &path) => {
                    // Only now: the owner before us took the directory of the sockets away while it had the lock. And
                    // before the record, since whoever reads that looks there.
                    paths.prepare_runtime()?;
                    let holder = Holder::of_this_process(paths);
                    write_record(&mut file, &holder).map_err(fail)?;
                    return Ok(Self { file, paths: paths.clone(), holder });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(fail(source)),
            }
            if Instant::now() >= deadline {
                let holder = read_record(&mut file);
                return Err(LockError::Owned { root: paths.root().to_owned(), holder: holder.map(Box::new) });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Who owns the project now. Makes nothing and waits for nothing.
    ///
    /// # Errors
    ///
    /// [`LockError::Io`] when the lock file cannot be read.
    pub fn ownership(paths: &ProjectPaths) -> Result<Ownership, LockError> {
        let path = paths.owner_lock();
        let mut file = match open(&path, false) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Ownership::Free),
            Err(source) => return Err(LockError::Io { path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Ownership::Free),
            Err(TryLockError::WouldBlock) => Ok(Ownership::Held(read_record(&mut file).map(Box::new))),
            Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
        }
    }

    /// Whose lock it is.
    pub fn paths(&self) -> &ProjectPaths {
        &self.paths
    }

    /// What the lock file says about us.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // When somebody has removed the lock file, the directory may be another owner's by now.
        if is_still(&self.file, &self.paths.owner_lock())
            && let Err(error) = self.paths.remove_runtime()
        {
            tracing::debug!(%error, "the directory of the sockets was not removed");
        }
        // A record that is left behind does no harm: without the lock nobody believes it.
        if let Err(error) = self.file.set_len(0).and_then(|()| self.file.unlock()) {
            tracing::debug!(%error, "the owner's record was not removed");
        }
    }
}

/// Who holds a project, as the holder wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When that started, in clock ticks since boot (field 22 of proc_pid_stat(5)); tells it from a later one of its pid.
    pub start_time: u64,
    /// Its version of missiond.
    pub version: String,
    /// Since when it holds the project.
    pub since: Timestamp,
    /// Where its sockets lie.
    pub runtime_dir: PathBuf,
}

impl Holder {
    fn of_this_process(paths: &ProjectPaths) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start_time: start_time(pid).unwrap_or(0),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: Timestamp::now(),
            runtime_dir: paths.runtime_dir().to_owned(),
        }
    }
}

/// Whether a project has an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody holds it.
    Free,
    /// Somebody does; `None` while it has not written down who it is.
    Held(Option<Box<Holder>>),
}

/// A project that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it.
    #[error(
        "project {} is owned by {}; use it through its socket or stop it with `missiond down`",
        .root.display(),
        describe(.holder.as_deref())
    )]
    Owned {
        /// The project.
        root: PathBuf,
        /// Who; `None` while it has not written down who it is.
        holder: Option<Box<Holder>>,
    },
    /// A directory cannot be used.
    #[error("the project's directories can't be used")]
    Paths(#[from] PathsError),
    /// The lock file cannot be used.
    #[error("can't lock {}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

pub(super) fn describe(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "another process".to_owned(),
        |holder| {
            let version = crate::text::escape_line(&missiond_process::text::preview(&holder.version, 40));
            format!("pid {} (missiond {version}), since {:.0}", holder.pid, holder.since)
        },
    )
}

fn open(path: &std::path::Path, create: bool) -> io::Result<File> {
    // O_NOFOLLOW: a link would have us write our record into the file that it points to.
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .write(create)
        .create(create)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
}

fn is_still(file: &File, path: &std::path::Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => identity(&ours) == identity(&there),
        _ => false,
    }
}

fn write_record(file: &mut File, holder: &Holder) -> io::Result<()> {
    let mut record = serde_json::to_vec(holder)?;
    record.push(b'\n');
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&record)
}

fn read_record(file: &mut File) -> Option<Holder> {
    let mut record = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(MAX_RECORD_BYTES).read_to_end(&mut record).ok()?;
    serde_json::from_slice(&record).ok()
}
