//! Waiting with a deadline, and finding processes by a mark in their environment.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

const POLL: Duration = Duration::from_millis(10);

/// Asks `condition` every 10 ms until it has a value.
///
/// # Errors
/// At the deadline; the error says what was waited for.
pub fn wait_until<T>(deadline: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("waited {deadline:?} in vain: {what}");
        }
        thread::sleep(POLL);
    }
}

/// Like [`wait_until`] without blocking the thread.
///
/// # Errors
/// At the deadline; the error says what was waited for.
///
/// # Cancel safety
/// Cancelling only stops asking.
pub async fn wait_until_async<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("waited {deadline:?} in vain: {what}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A process found in /proc.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundProcess {
    /// The process id.
    pub pid: u32,
    /// The parent's process id.
    pub parent: u32,
    /// The arguments, joined by spaces.
    pub command: String,
}

/// Lists the living processes whose environment at the start held `NAME=value`.
///
/// A process that started with another environment isn't found, nor is one of another user (unless this is
/// root), nor a zombie.
///
/// # Errors
/// When /proc can't be read at all.
pub fn with_environment(name: &str, value: &str) -> Result<Vec<FoundProcess>> {
    let mark = format!("{name}={value}");
    let marked = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    Ok(pids()?.into_iter().filter(|pid| marked(*pid)).filter_map(describe).collect())
}

/// Lists the living descendants of a process by their parents' ids; orphans adopted by another are not among them.
///
/// # Errors
/// When /proc can't be read at all.
pub fn descendants(ancestor: u32) -> Result<Vec<FoundProcess>> {
    let all: Vec<FoundProcess> = pids()?.into_iter().filter_map(describe).collect();
    let mut found: Vec<FoundProcess> = Vec::new();
    loop {
        let fresh: Vec<FoundProcess> = all
            .iter()
            .filter(|process| !found.iter().any(|known| known.pid == process.pid))
            .filter(|process| {
                process.parent == ancestor || found.iter().any(|known| known.pid == process.parent)
            })
            .cloned()
            .collect();
        if fresh.is_empty() {
            return Ok(found);
        }
        found.extend(fresh);
    }
}

/// Waits until no process carries the mark.
///
/// # Errors
/// At the deadline, naming the processes that are left.
pub fn assert_none_left(name: &str, value: &str, deadline: Duration) -> Result<()> {
    let gone = || with_environment(name, value).ok().filter(Vec::is_empty);
    if wait_until(deadline, "no marked process is left", gone).is_ok() {
        return Ok(());
    }
    let left = with_environment(name, value)?;
    ensure!(left.is_empty(), "after {deadline:?} processes with {name}={value} are left: {left:?}");
    Ok(())
}

fn pids() -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("/proc can't be read; it must be mounted")?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// `None` for a process that is gone or a zombie.
fn describe(pid: u32) -> Option<FoundProcess> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also parentheses (proc_pid_stat(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = command.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    Some(FoundProcess { pid, parent, command: words.join(" ").trim_end().to_owned() })
}
