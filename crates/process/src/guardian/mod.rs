//! The guardian: the process between the caller and the program.
//!
//! It runs in a fork of the caller, so everything below is async-signal-safe: system calls on stack buffers, no
//! allocation, no lock, nothing that can panic.

mod children;

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, WaitOptions};

use crate::protocol::{Message, Received, receive, send};
use crate::tree::GUARDIAN_NAME;

/// How long the tree may take to end after SIGTERM when the caller is gone or the main program ended by itself.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait for the killed to die before looking for new children again.
const KILL_PASS: Duration = Duration::from_millis(5);
const KILL_PASS_MAX: Duration = Duration::from_millis(100);
/// How many signals the kernel has (not so on MIPS, where a wrong size makes the call fail and change nothing).
const KERNEL_SIGNALS: libc::c_long = 64;

/// Guards the tree of `program`, a child of this process, and exits when nothing is left of it.
pub(crate) fn run(control: BorrowedFd<'_>, program: i32) -> ! {
    let _ = rustix::thread::set_name(GUARDIAN_NAME);
    // The working directory must not stay busy because of us.
    let _ = rustix::process::chdir(c"/");
    close_all_but(control.as_raw_fd());
    if let Some(children) = child_events() {
        let mut guardian = Guardian {
            control,
            children,
            program,
            phase: Phase::Watching,
            control_open: true,
            climbed: false,
        };
        guardian.tell(Message::Started(program));
        guardian.work();
    } else {
        // Without child events there is no guarding. The program has its parent-death signal from us.
        let _ = send(control, Message::Failed(crate::protocol::Stage::Session));
    }
    // SAFETY: `_exit` only ends the process. No destructor of the caller's may run here.
    unsafe { libc::_exit(0) }
}

struct Guardian<'a> {
    control: BorrowedFd<'a>,
    /// Readable when a child changed its state.
    children: OwnedFd,
    program: i32,
    phase: Phase,
    control_open: bool,
    /// The caller kills the tree, and its ladder, not the grace, says how long what outlives the main program has.
    climbed: bool,
}

#[derive(Clone, Copy)]
enum Phase {
    /// The main program runs and somebody listens.
    Watching,
    /// What is left was asked to end, and is killed at this time of the monotonic clock.
    Ending { deadline: Duration },
    /// Everything is killed, again and again until nothing is left.
    Killing { pass: Duration },
}

enum Reaped {
    ChildrenLeft,
    NobodyLeft,
}

impl Guardian<'_> {
    fn work(&mut self) {
        loop {
            if let Phase::Killing { .. } = self.phase {
                children::kill_all();
            }
            if let Reaped::NobodyLeft = self.reap() {
                return;
            }
            let timeout = match self.phase {
                Phase::Watching => None,
                Phase::Ending { deadline } => match deadline.checked_sub(now()) {
                    Some(left) if !left.is_zero() => Some(left),
                    _ => {
                        self.phase = Phase::Killing { pass: KILL_PASS };
                        continue;
                    }
                },
                Phase::Killing { pass } => {
                    self.phase = Phase::Killing { pass: pass.saturating_mul(2).min(KILL_PASS_MAX) };
                    Some(pass)
                }
            };
            self.sleep(timeout);
        }
    }

    /// Waits for a child event, a message or the time.
    fn sleep(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.map(timespec);
        let readable = PollFlags::IN;
        let heard = if self.control_open {
            let mut both = [PollFd::new(&self.children, readable), PollFd::new(&self.control, readable)];
            let _ = rustix::event::poll(&mut both, timeout.as_ref());
            let [_, control] = both;
            !control.revents().is_empty()
        } else {
            let mut one = [PollFd::new(&self.children, readable)];
            let _ = rustix::event::poll(&mut one, timeout.as_ref());
            false
        };
        self.clear_child_events();
        if heard {
            self.listen();
        }
    }

    fn listen(&mut self) {
        match receive(self.control) {
            Received::Message(Message::Climb) => self.climbed = true,
            Received::Message(Message::Kill) => self.begin_killing(),
            Received::Message(Message::Signal(number)) if number == libc::SIGKILL => self.begin_killing(),
            Received::Message(Message::Signal(number)) => children::signal_all(number),
            Received::Message(_) | Received::Nothing => {}
            Received::Closed => {
                self.control_open = false;
                self.begin_ending();
            }
        }
    }

    fn begin_ending(&mut self) {
        if let Phase::Watching = self.phase {
            self.phase = Phase::Ending { deadline: now().saturating_add(GRACE) };
            children::signal_all(libc::SIGTERM);
            // A stopped process would never get to see the SIGTERM.
            children::signal_all(libc::SIGCONT);
        }
    }

    fn begin_killing(&mut self) {
        if !matches!(self.phase, Phase::Killing { .. }) {
            self.phase = Phase::Killing { pass: KILL_PASS };
        }
    }

    /// Collects the dead; orphans of the tree have become our children and are among them.
    fn reap(&mut self) -> Reaped {
        let mut ended = false;
        let left = loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if pid.as_raw_nonzero().get() == self.program {
                        ended = true;
                        self.tell(Message::Exited(status.as_raw()));
                    }
                }
                Ok(None) => break Reaped::ChildrenLeft,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break Reaped::NobodyLeft,
            }
        };
        // A caller that climbs a ladder and goes away before its end closes the socket, which ends the tree too.
        if ended && !self.climbed && matches!(left, Reaped::ChildrenLeft) {
            self.begin_ending();
        }
        left
    }

    fn clear_child_events(&self) {
        let mut buffer = [0_u8; size_of::<libc::signalfd_siginfo>()];
        while rustix::io::read(&self.children, &mut buffer[..]).is_ok_and(|read| read > 0) {}
    }

    /// Tells the caller. If it is gone, the closed socket says so soon enough.
    fn tell(&self, message: Message) {
        let _ = send(self.control, message);
    }
}

/// Blocks all signals and sets all to their defaults, before the guardian and the program part.
///
/// The caller's handlers must not run in either: a runtime's handler writes to a pipe that is shared with the caller.
/// Signals the caller ignores would stay ignored by the program, which would make it deaf to the kill ladder, and an
/// ignored SIGCHLD would keep the guardian from learning of any death.
pub(crate) fn reset_signals() {
    // The kernel's own structure of an action is all zeroes for the default, on every architecture, and smaller than
    // this. The C library's call would refuse the numbers it keeps for itself, and those may be ignored too.
    let default = [0_u64; 8];
    // SAFETY: `sigset_t` is plain data that zeroes are valid for; the calls get pointers to live locals. For SIGKILL and
    // SIGSTOP the call fails and changes nothing.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        for number in 1..=KERNEL_SIGNALS {
            let no_old_one = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), no_old_one, KERNEL_SIGNALS / 8);
        }
    }
}

/// Unblocks all signals.
pub(crate) fn unblock_signals() {
    // SAFETY: `sigset_t` is plain data that zeroes are valid for; the calls get pointers to a live local.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Opens a descriptor that is readable when SIGCHLD is pending.
fn child_events() -> Option<OwnedFd> {
    // SAFETY: `sigset_t` is plain data that zeroes are valid for; the calls get pointers to a live local.
    let fd = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
    };
    // SAFETY: a non-negative answer is a descriptor that nobody else owns.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes every descriptor except one: pipes must see their end, and other guardians' sockets must not be held.
fn close_all_but(keep: RawFd) {
    let keep = keep.unsigned_abs();
    let below = keep == 0 || close_range(0, keep.saturating_sub(1));
    if !(below && close_range(keep.saturating_add(1), u32::MAX)) {
        close_one_by_one(keep);
    }
}

fn close_range(first: u32, last: u32) -> bool {
    // SAFETY: this process is a fork that only runs this module; no owner of a closed descriptor ever runs again.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

/// For kernels before 5.9 and filters that refuse `close_range`.
fn close_one_by_one(keep: u32) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(65_536);
    for fd in 0..u32::try_from(limit).unwrap_or(u32::MAX) {
        if fd != keep {
            // SAFETY: as for `close_range`.
            unsafe { libc::close(fd.cast_signed()) };
        }
    }
}

fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call gets a pointer to a live local.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Turns a positive number into a pid.
fn pid(number: i32) -> Option<Pid> {
    (number > 1).then(|| Pid::from_raw(number)).flatten()
}
