//! Processes as `/proc` shows them: who descends from whom, who carries which session tag.

mod proc;
mod sweep;

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;

use crate::tag::SessionTag;

pub(crate) use sweep::{Lost, kill};
pub use sweep::{Swept, sweep};

/// The name a guardian has in `ps -o comm` and `/proc/PID/comm`.
pub(crate) const GUARDIAN_NAME: &CStr = c"missiond-guard";

/// More generations than any process has; keeps a walk over a changing tree finite.
const MAX_GENERATIONS: usize = 4096;

/// A process, told from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// The pid.
    pub pid: u32,
    /// When it started, in clock ticks after boot (`/proc/PID/stat`, field 22).
    pub start_time: u64,
}

/// A process as `/proc/PID/stat` describes it; see proc_pid_stat(5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// The pid.
    pub pid: u32,
    /// The effective user, or root for a process that hides its memory.
    pub uid: u32,
    /// The program's name, at most 15 bytes; the program may choose any.
    pub name: Vec<u8>,
    /// Neither a zombie nor dead.
    pub alive: bool,
    /// The parent's pid, 0 for the first process of the pid namespace.
    pub parent: u32,
    /// The session's id.
    pub session: u32,
    /// When it started, in clock ticks after boot.
    pub start_time: u64,
}

impl Process {
    /// The process, told from a later one with the same pid.
    #[must_use]
    pub fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_time: self.start_time }
    }
}

/// A process that carries a session tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tagged {
    /// The pid.
    pub pid: u32,
    /// When it started, in clock ticks after boot.
    pub start_time: u64,
    /// Its tag.
    pub tag: SessionTag,
}

/// Describes one process, `None` if there is no such process; a zombie is one that isn't alive.
///
/// # Errors
///
/// When `/proc` can't be read.
pub fn process(pid: u32) -> io::Result<Option<Process>> {
    proc::stat(pid)
}

/// Lists all living descendants of a process, parents before their children; zombies are left out.
///
/// A snapshot of a changing tree: a process that is forked or orphaned while it is taken may be missing.
///
/// # Errors
///
/// When `/proc` can't be listed.
pub fn descendants(pid: u32) -> io::Result<Vec<ProcessId>> {
    Ok(descendants_in(&proc::all()?, &[pid]).into_iter().map(|stat| stat.id()).collect())
}

/// Lists the parents of a process, its own parent first, up to the first process of the pid namespace.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] when there is no such process.
pub fn ancestors(pid: u32) -> io::Result<Vec<u32>> {
    let mut parent = proc::stat(pid)?.ok_or_else(|| no_process(pid))?.parent;
    let mut found = Vec::new();
    while parent != 0 && found.len() < MAX_GENERATIONS {
        found.push(parent);
        // A parent that ended while we looked has handed its children on; what was found so far is true.
        parent = proc::stat(parent)?.map_or(0, |stat| stat.parent);
    }
    Ok(found)
}

/// Lists the processes whose tag has this scope, so far as their environment may be read (one's own, or as root).
///
/// # Errors
///
/// When `/proc` can't be listed.
pub fn tagged(scope: &str) -> io::Result<Vec<Tagged>> {
    let mut found = Vec::new();
    for stat in proc::all()? {
        let Ok(Some(tag)) = proc::tag(stat.pid) else { continue };
        // The same process still? Else the tag belongs to another.
        if tag.scope() == scope && proc::stat(stat.pid)?.is_some_and(|now| now.id() == stat.id()) {
            found.push(Tagged { pid: stat.pid, start_time: stat.start_time, tag });
        }
    }
    Ok(found)
}

/// Returns the session tag a process was started with.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] when there is no such process, [`io::ErrorKind::PermissionDenied`] when its environment
/// may not be read.
pub fn tag_of(pid: u32) -> io::Result<Option<SessionTag>> {
    proc::tag(pid)
}

pub(crate) fn start_time(pid: u32) -> io::Result<Option<u64>> {
    Ok(proc::stat(pid)?.map(|stat| stat.start_time))
}

fn descendants_in<'a>(all: &'a [Process], roots: &[u32]) -> Vec<&'a Process> {
    let mut children: HashMap<u32, Vec<&Process>> = HashMap::new();
    for stat in all {
        children.entry(stat.parent).or_default().push(stat);
    }
    // Removing each list as it is used keeps this finite even if a changing tree looks like a ring.
    let mut found: Vec<&Process> = roots.iter().filter_map(|root| children.remove(root)).flatten().collect();
    let mut next = 0;
    while let Some(stat) = found.get(next) {
        found.extend(children.remove(&stat.pid).unwrap_or_default());
        next += 1;
    }
    found.retain(|stat| stat.alive);
    found
}

fn no_process(pid: u32) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no process {pid}"))
}
