//! Which process did something, so that a later one can tell whether it still lives.

use std::fs;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use missiond_process::{SessionTag, tree};

use crate::{Error, Result};

/// The scope of the tag on every `git` of ours; the name after it tells which process started it.
const SCOPE: &str = "missiond-git";
/// How long the leftovers of a dead process may take to be gone.
const LEFTOVERS_DEADLINE: Duration = Duration::from_secs(10);

/// A process: its id, when it started (clock ticks after boot, proc(5) field 22) and during which boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    start: u64,
    boot: String,
}

impl Owner {
    pub(crate) fn this_process() -> Self {
        let pid = process::id();
        Self { pid, start: start_time(pid).unwrap_or_default(), boot: boot_id() }
    }

    /// Stands for no process: what it owns is left for recovery.
    pub(crate) fn nobody() -> Self {
        Self { pid: 0, start: 0, boot: "-".to_owned() }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot_id() && start_time(self.pid) == Some(self.start)
    }

    /// Returns the process for a person to read.
    pub(crate) fn describe(&self) -> String {
        if self.pid == 0 {
            return "a process that gave up and left it for recovery".to_owned();
        }
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        match (self.is_alive(), name.trim()) {
            (true, name) => format!("process {} ({})", self.pid, name.escape_debug()),
            (false, _) => format!("process {}, which has ended", self.pid),
        }
    }

    /// The tag by which the programs this process starts are found when it has died.
    pub(crate) fn tag(&self) -> Option<SessionTag> {
        SessionTag::new(SCOPE, &format!("{}-{}", self.pid, self.start)).ok()
    }

    /// Ends what this dead process started and waits until it is gone, so that nothing writes behind the back of
    /// a recovery.
    pub(crate) fn end_leftovers(&self) -> Result<()> {
        let Some(tag) = self.tag() else { return Ok(()) };
        let proc = Path::new("/proc");
        // First the guardian's turn: it interrupts git, which then takes its lock files away. A kill would leave them.
        let patience = Instant::now() + LEFTOVERS_DEADLINE;
        while Instant::now() < patience {
            let running = tree::tagged(SCOPE).map_err(Error::io("list", proc))?;
            if running.iter().all(|process| process.tag != tag) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let swept =
            tree::sweep(SCOPE, |other| *other != tag, LEFTOVERS_DEADLINE).map_err(Error::io("list", proc))?;
        match swept.iter().find(|process| !process.gone) {
            Some(process) => Err(Error::StillRunning { pid: process.pid }),
            None => Ok(()),
        }
    }

    pub(crate) fn to_text(&self) -> String {
        format!("{} {} {}", self.pid, self.start, self.boot)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, ' ');
        let pid = parts.next()?.parse().ok()?;
        let start = parts.next()?.parse().ok()?;
        Some(Self { pid, start, boot: parts.next()?.to_owned() })
    }
}

/// A zombie does nothing any more, so it counts as gone.
fn start_time(pid: u32) -> Option<u64> {
    let process = tree::process(pid).ok().flatten()?;
    process.alive.then_some(process.start_time)
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
