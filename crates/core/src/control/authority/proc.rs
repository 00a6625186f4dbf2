//! Snapshots of ancestries from `/proc`.
//!
//! Not built on the floor's walk over ancestors: a verdict needs one consistent snapshot with start times and names, and
//! must tell "carries no tag" from "could not be read".

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use missiond_process::TAG_VARIABLE;

use super::judge::{Lineage, ProcessInfo, Refusal};

/// How many ancestors are followed.
const MAX_DEPTH: usize = 512;
/// How often the walk is begun again when a process ended or changed its parent meanwhile.
const MAX_WALKS: usize = 16;
/// The longest environment that is searched: what a program can be given by default is 2 MiB, at most a quarter of its
/// stack limit.
const MAX_ENVIRONMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Room for most environments.
const USUAL_ENVIRONMENT_BYTES: usize = 16 * 1024;

/// What the environment of a process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// It carries no tag.
    None,
    /// It carries this one, well-formed or not.
    Carried(String),
    /// It may not be read, or is too long.
    Hidden,
    /// The process is gone.
    Gone,
}

impl Tag {
    pub(super) fn carried(self) -> Option<String> {
        match self {
            Self::Carried(tag) => Some(tag),
            Self::None | Self::Hidden | Self::Gone => None,
        }
    }
}

/// A process and its ancestors, all of which were there at one moment.
pub(super) fn lineage(pid: u32) -> Result<Lineage, Refusal> {
    let mut previous = None;
    for _ in 0..MAX_WALKS {
        // Two equal walks one after the other: no process can have been exchanged in between without a trace, since a
        // child whose parent ended has another parent from then on.
        let walked = walk(pid)?;
        if previous.as_ref() == Some(&walked) {
            match walked {
                Walk::Whole(lineage) => return Ok(lineage),
                Walk::Lost { parent, child } => {
                    let reason = format!(
                        "/proc does not show process {parent}, the parent of {child}; mount it without hidepid"
                    );
                    return Err(Refusal::Unreadable { reason });
                }
                Walk::Reused => {}
            }
        }
        previous = Some(walked);
    }
    Err(Refusal::Unsteady { pid })
}

/// When a process started, in clock ticks since boot.
pub(in crate::control) fn start_time(pid: u32) -> io::Result<u64> {
    Ok(process(pid)?.start_time)
}

/// The session tag that a process was started with.
pub(super) fn tag(pid: u32) -> Tag {
    // Most fit, and then it is read at once rather than by doubling.
    let mut environment = Vec::with_capacity(USUAL_ENVIRONMENT_BYTES);
    let read = File::open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(MAX_ENVIRONMENT_BYTES + 1).read_to_end(&mut environment));
    match read {
        Ok(_) if environment.len() as u64 > MAX_ENVIRONMENT_BYTES => Tag::Hidden,
        Ok(_) => find_tag(&environment),
        Err(error) if is_gone(&error) => Tag::Gone,
        Err(_) => Tag::Hidden,
    }
}

/// One look at a process and its ancestors.
#[derive(Debug, PartialEq, Eq)]
enum Walk {
    Whole(Lineage),
    /// An ancestor was not there any more, or is hidden.
    Lost {
        parent: u32,
        child: u32,
    },
    /// An ancestor was somebody else with a used id.
    Reused,
}

fn walk(pid: u32) -> Result<Walk, Refusal> {
    let mut processes: Vec<ProcessInfo> = Vec::new();
    let mut next = pid;
    while next != 0 {
        if processes.len() == MAX_DEPTH {
            return Err(Refusal::TooDeep { pid, limit: MAX_DEPTH });
        }
        let process = match process(next) {
            Ok(process) => process,
            Err(error) if is_gone(&error) && next == pid => return Err(Refusal::Vanished { pid }),
            Err(error) if is_gone(&error) => {
                let child = processes.last().map_or(pid, |child| child.pid);
                return Ok(Walk::Lost { parent: next, child });
            }
            Err(error) => return Err(Refusal::Unreadable { reason: format!("/proc/{next}/stat: {error}") }),
        };
        if processes.last().is_some_and(|child| child.start_time < process.start_time) {
            // A parent that is younger than its child is somebody else with a used id.
            return Ok(Walk::Reused);
        }
        next = process.parent;
        processes.push(process);
    }
    Ok(Walk::Whole(Lineage { processes }))
}

fn process(pid: u32) -> io::Result<ProcessInfo> {
    let mut file = File::open(format!("/proc/{pid}/stat"))?;
    // The owner of the files below /proc/<pid> is the effective user, or root for a process that hides its memory.
    let uid = file.metadata()?.uid();
    let mut stat = Vec::with_capacity(512);
    Read::by_ref(&mut file).take(4096).read_to_end(&mut stat)?;
    parse_stat(pid, uid, &stat)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its form is not that of proc_pid_stat(5)"))
}

/// Reads the fields 2 (name), 3 (state), 4 (parent) and 22 (start time) of proc_pid_stat(5). The name may itself hold
/// blanks and brackets; no later field does.
fn parse_stat(pid: u32, uid: u32, stat: &[u8]) -> Option<ProcessInfo> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let mut fields = std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(ProcessInfo { pid, parent, start_time, name, uid })
}

fn find_tag(environment: &[u8]) -> Tag {
    let value_of = |entry: &[u8]| -> Option<String> {
        let value = entry.strip_prefix(TAG_VARIABLE.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    environment.split(|byte| *byte == 0).find_map(value_of).map_or(Tag::None, Tag::Carried)
}

fn is_gone(error: &io::Error) -> bool {
    // ESRCH comes from a read of a file that was opened while the process was there.
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::{Tag, find_tag, parse_stat};

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let rest = "S 41 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 10 11";
        for name in ["sh", "a b", ") S 1 (", "", "missiond-guard"] {
            let process =
                parse_stat(42, 1000, format!("42 ({name}) {rest}\n").as_bytes()).expect("a valid line");
            assert_eq!((process.parent, process.start_time, process.name.as_str()), (41, 98765, name));
        }
        for broken in ["", "42", "42 (sh", "42 (sh) S", "42 )sh( S 41", "42 (sh) S x 1"] {
            assert_eq!(parse_stat(42, 0, broken.as_bytes()), None, "{broken:?}");
        }
    }

    #[test]
    fn only_the_variable_of_that_exact_name_is_the_tag() {
        let check = |environment: &str, expected: Option<&str>| {
            let expected = expected.map_or(Tag::None, |tag| Tag::Carried(tag.to_owned()));
            assert_eq!(find_tag(environment.as_bytes()), expected, "{environment:?}");
        };
        check("", None);
        check("A=1\0MISSIOND_SESSION=s:n\0B=2\0", Some("s:n"));
        check("MISSIOND_SESSION=garbage", Some("garbage"));
        check("MISSIOND_SESSION=", Some(""));
        check("MISSIOND_SESSIONS=s:n\0XMISSIOND_SESSION=s:n\0MISSIOND_SESSION\0", None);
    }
}
