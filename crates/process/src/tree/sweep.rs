//! Ending the processes that an earlier owner left behind.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

use super::{GUARDIAN_NAME, Process, ProcessId, ancestors, descendants_in, proc, start_time, tagged};
use crate::tag::SessionTag;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A process that a sweep found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks after boot.
    pub start_time: u64,
    /// Its own tag; `None` for an untagged descendant of a tagged process.
    pub tag: Option<SessionTag>,
    /// Whether it was gone by the deadline. If not, it is in uninterruptible sleep or another user's.
    pub gone: bool,
}

/// Kills every process whose tag has this scope, and its descendants, and waits until they are gone.
///
/// Processes whose tag `keep` accepts stay, with their descendants; so do the caller and its ancestors. Processes that
/// appear while it sweeps are swept too. Returns all that were found, in the order of pids.
///
/// # Errors
///
/// When `/proc` can't be listed. What can't be killed is no error: see [`Swept::gone`].
pub fn sweep(scope: &str, keep: impl Fn(&SessionTag) -> bool, deadline: Duration) -> io::Result<Vec<Swept>> {
    let found = end_all(deadline, || targets(scope, &keep))?;
    let swept = found.into_iter().map(|(process, tag)| {
        let gone = !lives(process);
        Swept { pid: process.pid, start_time: process.start_time, tag, gone }
    });
    Ok(swept.collect())
}

/// Kills what `find` finds, again and again until it finds nothing more and all that it found is gone, or the deadline.
fn end_all<T>(
    deadline: Duration,
    mut find: impl FnMut() -> io::Result<Vec<(ProcessId, T)>>,
) -> io::Result<BTreeMap<ProcessId, T>> {
    let mut found = BTreeMap::new();
    for () in Rounds::until(deadline) {
        for (process, about) in find()? {
            found.entry(process).or_insert(about);
        }
        // A dying process shows no environment some time before it is gone, so it may not be found again while it lives.
        let alive: Vec<ProcessId> = found.keys().copied().filter(|process| lives(*process)).collect();
        if alive.is_empty() {
            break;
        }
        for process in alive {
            if let Err(error) = kill(process) {
                tracing::debug!(pid = process.pid, %error, "could not kill");
            }
        }
    }
    Ok(found)
}

fn targets(
    scope: &str,
    keep: impl Fn(&SessionTag) -> bool,
) -> io::Result<Vec<(ProcessId, Option<SessionTag>)>> {
    let own = std::process::id();
    let mut spared: HashSet<u32> = ancestors(own)?.into_iter().collect();
    spared.insert(own);
    let (kept, condemned): (Vec<_>, Vec<_>) =
        tagged(scope)?.into_iter().partition(|process| keep(&process.tag));
    let condemned: Vec<_> = condemned.into_iter().filter(|process| !spared.contains(&process.pid)).collect();
    let all = proc::all()?;
    let kept_pids: Vec<u32> = kept.iter().map(|process| process.pid).collect();
    spared.extend(&kept_pids);
    spared.extend(descendants_in(&all, &kept_pids).into_iter().map(|stat| stat.pid));
    let roots: Vec<u32> = condemned.iter().map(|process| process.pid).collect();
    let mut targets: BTreeMap<ProcessId, Option<SessionTag>> =
        descendants_in(&all, &roots).into_iter().map(|stat| (stat.id(), None)).collect();
    for process in condemned {
        targets.insert(ProcessId { pid: process.pid, start_time: process.start_time }, Some(process.tag));
    }
    targets.retain(|process, _| !spared.contains(&process.pid));
    Ok(targets.into_iter().collect())
}

/// The tree of a guardian that was killed. Its orphans belong to somebody else now.
pub(crate) struct Lost<'a> {
    pub(crate) program: u32,
    pub(crate) start_time: Option<u64>,
    pub(crate) tag: Option<&'a SessionTag>,
}

impl Lost<'_> {
    /// Kills what can still be told to belong to it, for at most this long, and returns what is left.
    pub(crate) fn sweep(&self, deadline: Duration) -> Vec<u32> {
        let found = end_all(deadline, || Ok(self.find()?.into_iter().map(|process| (process, ())).collect()));
        found
            .unwrap_or_default()
            .into_keys()
            .filter(|process| lives(*process))
            .map(|process| process.pid)
            .collect()
    }

    /// By the program's session, by the very same tag, and what descends from those.
    fn find(&self) -> io::Result<Vec<ProcessId>> {
        let all = proc::all()?;
        let own = std::process::id();
        let mut spared: HashSet<u32> = ancestors(own)?.into_iter().collect();
        spared.insert(own);
        // Another tree of ours may have the same tag, and is not lost.
        let guardians: Vec<u32> = all
            .iter()
            .filter(|stat| stat.parent == own && stat.alive && stat.name == GUARDIAN_NAME.to_bytes())
            .map(|stat| stat.pid)
            .collect();
        spared.extend(descendants_in(&all, &guardians).into_iter().map(|stat| stat.pid));
        let roots: Vec<u32> = all
            .iter()
            .filter(|stat| stat.alive && !spared.contains(&stat.pid) && self.owns(stat))
            .map(|stat| stat.pid)
            .collect();
        let mut found: Vec<ProcessId> =
            all.iter().filter(|stat| roots.contains(&stat.pid)).map(super::Process::id).collect();
        found.extend(descendants_in(&all, &roots).into_iter().map(super::Process::id));
        found.sort_unstable();
        found.dedup();
        found.retain(|process| !spared.contains(&process.pid));
        Ok(found)
    }

    fn owns(&self, stat: &Process) -> bool {
        let in_session = stat.session == self.program
            && self.start_time.is_none_or(|program_start| stat.start_time >= program_start);
        in_session
            || self.tag.is_some_and(|tag| proc::tag(stat.pid).is_ok_and(|found| found.as_ref() == Some(tag)))
    }
}

/// Sends SIGKILL to exactly this process; one that is gone is no error.
pub(crate) fn kill(process: ProcessId) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { return Ok(()) };
    let gone =
        |error: rustix::io::Errno| if error == rustix::io::Errno::SRCH { Ok(()) } else { Err(error.into()) };
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        // The handle names one process for ever, so if that has the right start time now, it is the right one.
        Ok(handle) if lives(process) => {
            rustix::process::pidfd_send_signal(handle, Signal::KILL).or_else(gone)
        }
        Ok(_) => Ok(()),
        Err(error) => gone(error),
    }
}

fn lives(process: ProcessId) -> bool {
    let same = start_time(process.pid).is_ok_and(|start_time| start_time == Some(process.start_time));
    same && proc::stat(process.pid).is_ok_and(|stat| stat.is_some_and(|stat| stat.alive))
}

/// Rounds of a search, with growing pauses between them, at least one and until a deadline.
struct Rounds {
    deadline: Instant,
    pause: Option<Duration>,
}

impl Rounds {
    fn until(deadline: Duration) -> Self {
        let now = Instant::now();
        Self { deadline: now.checked_add(deadline).unwrap_or(now), pause: None }
    }
}

impl Iterator for Rounds {
    type Item = ();

    fn next(&mut self) -> Option<()> {
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        if self.pause.replace(pause).is_some() {
            let left = self.deadline.checked_duration_since(Instant::now())?;
            thread::sleep(pause.min(left));
        }
        Some(())
    }
}
