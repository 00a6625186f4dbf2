//! Lock files that a killed git left. Git removes its lock files when it is told to end, but not when it is killed, nor in
//! the moment between making the first one and being ready to remove it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::{Repository, Result, record};

/// How long [`processes_that_stay_in`] waits for processes that are just ending.
const SETTLE: Duration = Duration::from_millis(500);

impl Repository {
    /// Deletes those of `locks` that can only be from a dead process of ours that began at `since`: made later than
    /// that, while no git works in this repository now. Anybody else's stays.
    pub(crate) fn clear_stale_locks(&self, locks: &[PathBuf], since: SystemTime) -> Result<()> {
        let later = |lock: &&PathBuf| {
            fs::symlink_metadata(lock).and_then(|meta| meta.modified()).is_ok_and(|made| made >= since)
        };
        let stale: Vec<&PathBuf> = locks.iter().filter(later).collect();
        if stale.is_empty() || self.git_at_work()? {
            return Ok(());
        }
        for lock in stale {
            tracing::warn!(?lock, "deleting the lock file of a git that was killed");
            record::remove_file(lock)?;
        }
        Ok(())
    }

    fn git_at_work(&self) -> Result<bool> {
        let mut places = vec![self.common_dir().to_owned()];
        places.extend(self.worktrees()?.into_iter().map(|worktree| worktree.path));
        let is_git = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("git"))
        };
        Ok(places.iter().any(|place| processes_in(place).iter().any(is_git)))
    }
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
