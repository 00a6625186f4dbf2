//! Lock files that a killed git left. Git removes its lock files when it is told to end, but not when it is killed, nor in
//! the moment between making the first one and being ready to remove it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::site::{Home, tree_of};
use crate::{Repository, Result, record};

/// How long processes that are just ending are waited for.
const SETTLE: Duration = Duration::from_millis(500);
/// By how much a file's time may lie before the moment it was made: the kernel's clock for files ticks more slowly.
const TICK: Duration = Duration::from_millis(20);
/// How many files are looked at in search of locks.
const MAX_FILES: usize = 100_000;

/// Where a git of ours worked that was stopped.
pub(crate) struct Stopped<'a> {
    pub(crate) home: &'a Home,
    pub(crate) cwd: &'a Path,
    pub(crate) git_dir: &'a Path,
    /// When it was started.
    pub(crate) since: SystemTime,
}

impl Stopped<'_> {
    /// Deletes the lock files it left: those made since it was started, unless another git may have made them.
    pub(crate) fn clear_locks(&self) {
        let own: Vec<PathBuf> = ["index.lock", "HEAD.lock", "ORIG_HEAD.lock", "reftable/tables.list.lock"]
            .iter()
            .map(|name| self.git_dir.join(name))
            .collect();
        let common_dir = &self.home.common_dir;
        let mut shared =
            vec![common_dir.join("packed-refs.lock"), common_dir.join("reftable/tables.list.lock")];
        shared.extend(locks_below(&common_dir.join("refs")));
        let since = self.since.checked_sub(TICK).unwrap_or(self.since);
        let own_places = [self.cwd.to_owned(), self.git_dir.to_owned()];
        for (locks, places) in [(own, own_places.to_vec()), (shared, self.home.places())] {
            if let Err(error) = clear(&locks, since, &places, SETTLE) {
                tracing::warn!(%error, "a lock file of a git that was stopped is left");
            }
        }
    }
}

impl Repository {
    /// Deletes those of `locks` that can only be from a dead process of ours that began at `since`: made later than
    /// that, while no git works in this repository now. Anybody else's stays.
    pub(crate) fn clear_stale_locks(&self, locks: &[PathBuf], since: SystemTime) -> Result<()> {
        let places = self.git.home().map(Home::places).unwrap_or_default();
        clear(locks, since, &places, Duration::ZERO)
    }
}

impl Home {
    /// Returns the directories in which a git that works in this repository can be expected.
    fn places(&self) -> Vec<PathBuf> {
        let mut places = vec![self.root.clone(), self.common_dir.clone()];
        let admin_dirs = fs::read_dir(self.common_dir.join("worktrees")).into_iter().flatten().flatten();
        places.extend(admin_dirs.filter_map(|admin_dir| tree_of(&admin_dir.path())));
        places
    }
}

/// Deletes the locks made since then, once no git is seen in any of the places.
fn clear(locks: &[PathBuf], since: SystemTime, places: &[PathBuf], patience: Duration) -> Result<()> {
    let made = |lock: &Path| fs::symlink_metadata(lock).and_then(|meta| meta.modified()).ok();
    let stale: Vec<(&PathBuf, SystemTime)> =
        locks.iter().filter_map(|lock| Some((lock, made(lock).filter(|made| *made >= since)?))).collect();
    if stale.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + patience;
    while places.iter().any(|place| processes_in(place).iter().any(is_git)) {
        if Instant::now() >= deadline {
            return Ok(());
        }
        thread::sleep(SETTLE / 50);
    }
    // One that is another by now was made by a git that has come and gone, and perhaps by one that has just come.
    for (lock, _) in stale.into_iter().filter(|(lock, then)| made(lock) == Some(*then)) {
        tracing::warn!(?lock, "deleting the lock file of a git that was killed");
        record::remove_file(lock)?;
    }
    Ok(())
}

fn is_git(pid: &u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("git"))
}

fn locks_below(top: &Path) -> Vec<PathBuf> {
    let (mut todo, mut locks, mut seen) = (vec![top.to_owned()], Vec::new(), 0);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_FILES {
                return locks;
            }
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(path);
            } else if path.extension() == Some(OsStr::new("lock")) {
                locks.push(path);
            }
        }
    }
    locks
}

/// Returns the other processes whose working directory lies in `dir`, as far as this user may see.
fn processes_in(dir: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let me = process::id();
    let inside = |pid: &u32| {
        *pid != me && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(inside).collect()
}

/// The processes that still work in `dir` after those that are just ending had time to: git's own background
/// maintenance outlives a `git commit` by some milliseconds.
pub(crate) fn processes_that_stay_in(dir: &Path) -> Vec<u32> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let pids = processes_in(dir);
        if pids.is_empty() || Instant::now() >= deadline {
            return pids;
        }
        thread::sleep(SETTLE / 50);
    }
}
