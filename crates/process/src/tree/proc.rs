//! Reading `/proc`; see proc_pid_stat(5) and proc_pid_environ(5).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use super::{Process, no_process};
use crate::tag::{SessionTag, TAG_VARIABLE};

/// The kernel holds arguments and environment together to 6 MiB.
const MAX_ENVIRONMENT_BYTES: u64 = 8 * 1024 * 1024;
const MAX_STAT_BYTES: u64 = 4096;

/// Every process that can be seen.
pub(super) fn all() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended since is not of interest, nor is one that hides from us.
        found.extend(stat(pid).ok().flatten());
    }
    Ok(found)
}

/// One process; `None` if there is none.
pub(super) fn stat(pid: u32) -> io::Result<Option<Process>> {
    let (bytes, uid) = match read(pid, "stat", MAX_STAT_BYTES) {
        Ok(read) => read,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is malformed"));
    parse_stat(&bytes, uid).map(Some).ok_or_else(malformed)
}

/// The session tag in a process's environment.
pub(super) fn tag(pid: u32) -> io::Result<Option<SessionTag>> {
    let (environment, _) = read(pid, "environ", MAX_ENVIRONMENT_BYTES)
        .map_err(|error| if is_gone(&error) { no_process(pid) } else { error })?;
    let tag = environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(TAG_VARIABLE.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()?.parse().ok()
    });
    Ok(tag)
}

/// What a file of a process holds, and whose the file is.
fn read(pid: u32, file: &str, limit: u64) -> io::Result<(Vec<u8>, u32)> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/{file}"))?;
    let uid = file.metadata()?.uid();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, uid))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Parses `pid (name) state ppid pgrp session …`; the name may hold anything, parentheses and newlines too.
fn parse_stat(bytes: &[u8], uid: u32) -> Option<Process> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(bytes.get(..open)?).ok()?.trim().parse().ok()?;
    let name = bytes.get(open + 1..close)?.to_vec();
    let fields: Vec<&str> =
        std::str::from_utf8(bytes.get(close + 1..)?).ok()?.split_ascii_whitespace().collect();
    Some(Process {
        pid,
        uid,
        name,
        alive: !matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Process, parse_stat};

    #[test]
    fn a_hostile_name_does_not_confuse() {
        let line = b"42 (a) R 1 (\n) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 1\n";
        let expected = Process {
            pid: 42,
            uid: 1000,
            name: b"a) R 1 (\n".to_vec(),
            alive: true,
            parent: 7,
            session: 9,
            start_time: 123_456,
        };
        assert_eq!(parse_stat(line, 1000), Some(expected));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in any::<Vec<u8>>()) {
            let _ = parse_stat(&bytes, 0);
        }
    }
}
