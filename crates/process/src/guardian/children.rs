//! Finding and signalling the guardian's tree from `/proc`, on stack buffers only.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::process::{Pid, PidfdFlags};

use super::pid;

/// How many processes one signal reaches. What is beyond still gets SIGKILL, which goes by generations.
const MAX_SIGNALLED: usize = 1024;

/// Sends SIGKILL to every child of this process, and to each child's process group.
///
/// Only children: their pids can't have been reused, since only we can reap them. Their own children become ours when
/// they die, so calling this until no child is left ends the tree. The groups catch a fork bomb that would outrun us:
/// the kernel signals a group at once, and a fork under way restarts. A child's group holds only processes of the
/// tree, because the main program began a session of its own and no process can join a group of another session.
pub(super) fn kill_all() {
    let own_group = rustix::process::getpgid(None).ok();
    each_child(rustix::process::getpid(), &mut |child| {
        let group = rustix::process::getpgid(Some(child)).ok();
        if let Some(group) = group.filter(|_| group != own_group) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
    });
}

/// Sends a signal to every descendant of this process, parents first.
pub(super) fn signal_all(number: i32) {
    let mut found = [0_i32; MAX_SIGNALLED];
    let mut count = 0;
    let own = rustix::process::getpid();
    let mut next = 0;
    let mut parent = own;
    loop {
        each_child(parent, &mut |child| {
            if let Some(place) = found.get_mut(count) {
                *place = child.as_raw_nonzero().get();
                count += 1;
                signal_child_of(child, parent, own, number);
            }
        });
        match found.get(next).filter(|_| next < count).and_then(|number| pid(*number)) {
            Some(process) => parent = process,
            None => return,
        }
        next += 1;
    }
}

/// Signals a process if it still is the child it was found as; its pid may have been reused meanwhile.
fn signal_child_of(child: Pid, parent: Pid, own: Pid, number: i32) {
    let raw = child.as_raw_nonzero().get();
    match rustix::process::pidfd_open(child, PidfdFlags::empty()) {
        Ok(handle) => {
            let now = parent_of(child);
            if now == Some(parent) || now == Some(own) {
                // SAFETY: the call takes numbers and a null pointer. The number comes from the caller's `Signal`.
                unsafe {
                    let handle = std::os::fd::AsRawFd::as_raw_fd(&handle);
                    libc::syscall(libc::SYS_pidfd_send_signal, handle, number, std::ptr::null::<u8>(), 0);
                }
            }
        }
        // SAFETY: the call takes numbers only.
        Err(_) if parent == own => unsafe {
            libc::kill(raw, number);
        },
        Err(_) => {}
    }
}

/// Calls `each` for every child of a process, of whichever thread.
fn each_child(parent: Pid, each: &mut dyn FnMut(Pid)) {
    if !each_child_by_list(parent, each) {
        each_child_by_scan(parent, each);
    }
}

/// Reads `/proc/PID/task/TID/children`. False if the kernel has no such file (`CONFIG_PROC_CHILDREN`).
fn each_child_by_list(parent: Pid, each: &mut dyn FnMut(Pid)) -> bool {
    let path = Text::<64>::new().bytes(b"/proc/").number(parent).bytes(b"/task");
    let Some(tasks) = path.open(OFlags::DIRECTORY) else { return true };
    let mut buffer = [MaybeUninit::<u8>::uninit(); 1024];
    let mut entries = RawDir::new(tasks, &mut buffer);
    let mut supported = true;
    while let Some(Ok(entry)) = entries.next() {
        let Some(task) = parse(entry.file_name().to_bytes()).and_then(pid_any) else { continue };
        let path = Text::<64>::new()
            .bytes(b"/proc/")
            .number(parent)
            .bytes(b"/task/")
            .number(task)
            .bytes(b"/children");
        match path.open(OFlags::empty()) {
            Some(list) => each_number(&list, each),
            // A thread that ended just now has no file either; the list of the main thread tells the two apart.
            None if task == parent && rustix::process::test_kill_process(parent).is_ok() => supported = false,
            None => {}
        }
    }
    supported
}

/// Calls `each` for every number in a list separated by spaces.
fn each_number(list: &OwnedFd, each: &mut dyn FnMut(Pid)) {
    let mut buffer = [0_u8; 1024];
    let mut number = 0_i32;
    while let Ok(read @ 1..) = rustix::io::read(list, &mut buffer[..]) {
        for byte in buffer.iter().take(read) {
            if byte.is_ascii_digit() {
                number = number.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
            } else if let Some(child) = pid(std::mem::take(&mut number)) {
                each(child);
            }
        }
    }
    if let Some(child) = pid(number) {
        each(child);
    }
}

/// Looks at every process for its parent.
fn each_child_by_scan(parent: Pid, each: &mut dyn FnMut(Pid)) {
    let Some(proc) = Text::<64>::new().bytes(b"/proc").open(OFlags::DIRECTORY) else { return };
    let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(proc, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let process = parse(entry.file_name().to_bytes()).and_then(pid);
        if let Some(process) = process.filter(|process| parent_of(*process) == Some(parent)) {
            each(process);
        }
    }
}

/// The parent, from `/proc/PID/stat`: `pid (name) state ppid …`, where the name may hold anything.
fn parent_of(process: Pid) -> Option<Pid> {
    let stat = Text::<64>::new().bytes(b"/proc/").number(process).bytes(b"/stat").open(OFlags::empty())?;
    let mut buffer = [0_u8; 512];
    let read = rustix::io::read(&stat, &mut buffer[..]).ok()?;
    let text = buffer.get(..read)?;
    let after_name = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = text.get(after_name..)?.split(|byte| *byte == b' ');
    parse(fields.nth(2)?).and_then(pid_any)
}

fn parse(digits: &[u8]) -> Option<i32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn pid_any(number: i32) -> Option<Pid> {
    Pid::from_raw(number)
}

/// A path built without allocating. It is always followed by a NUL; what doesn't fit is left out.
struct Text<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Text<N> {
    fn new() -> Self {
        Self { bytes: [0; N], used: 0 }
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            if self.used + 1 < N
                && let Some(place) = self.bytes.get_mut(self.used)
            {
                *place = *byte;
                self.used += 1;
            }
        }
        self
    }

    fn number(self, pid: Pid) -> Self {
        let mut digits = [0_u8; 10];
        let mut rest = pid.as_raw_nonzero().get().unsigned_abs();
        let mut first = digits.len();
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            first = place;
            if rest == 0 {
                break;
            }
        }
        self.bytes(digits.get(first..).unwrap_or_default())
    }

    fn open(&self, flags: OFlags) -> Option<OwnedFd> {
        let path = CStr::from_bytes_until_nul(&self.bytes).ok()?;
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty()).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::{Command, Stdio};

    use super::{each_child_by_list, each_child_by_scan, parent_of, parse};

    #[test]
    fn both_ways_find_the_same_children() {
        let mut children: Vec<_> =
            (0..3).map(|_| Command::new("sleep").arg("100").stdin(Stdio::null()).spawn().unwrap()).collect();
        let mut expected: Vec<i32> = children.iter().map(|child| child.id().cast_signed()).collect();
        expected.sort_unstable();
        let own = rustix::process::getpid();
        let mut listed = Vec::new();
        let supported = each_child_by_list(own, &mut |child| listed.push(child.as_raw_nonzero().get()));
        let mut scanned = Vec::new();
        each_child_by_scan(own, &mut |child| scanned.push(child.as_raw_nonzero().get()));
        for child in &mut children {
            assert_eq!(parent_of(rustix::process::Pid::from_child(child)), Some(own));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        listed.sort_unstable();
        scanned.sort_unstable();
        // Other tests of this process may have children of their own.
        let contains_all = |found: &[i32]| expected.iter().all(|child| found.contains(child));
        assert!(contains_all(&scanned), "{scanned:?} lacks some of {expected:?}");
        if supported {
            assert!(contains_all(&listed), "{listed:?} lacks some of {expected:?}");
        }
    }

    #[test]
    fn numbers() {
        for (digits, expected) in [
            ("", None),
            ("0", Some(0)),
            ("4194304", Some(4_194_304)),
            ("99999999999", None),
            ("1a", None),
            ("-1", None),
        ] {
            assert_eq!(parse(digits.as_bytes()), expected, "{digits:?}");
        }
    }
}
