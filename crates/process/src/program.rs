//! The last steps of the program-to-be, between the guardian's fork and the exec.
//!
//! Async-signal-safe, like the guardian.

use std::ffi::CString;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::guardian;
use crate::image::Image;
use crate::protocol::{Message, Stage, send};
use crate::spec::PreExec;

/// Everything the program-to-be needs, made before the fork.
pub(crate) struct Preparation {
    pub(crate) terminal: Option<CString>,
    pub(crate) limits: Vec<(Resource, Rlimit)>,
    pub(crate) steps: Vec<PreExec>,
    pub(crate) image: Image,
}

impl Preparation {
    /// Prepares this process, a child of `guardian`, and becomes the program; reports the stage that fails.
    pub(crate) fn run(&self, guardian: Pid, control: BorrowedFd<'_>) -> io::Error {
        let (stage, error) = match self.prepare(guardian) {
            Ok(()) => (Stage::Exec, self.image.execute()),
            Err(failed) => failed,
        };
        let _ = send(control, Message::Failed(stage));
        error
    }

    fn prepare(&self, guardian: Pid) -> Result<(), (Stage, io::Error)> {
        let at = |stage| move |error| (stage, error);
        begin_session(guardian).map_err(at(Stage::Session))?;
        close_on_exec_from(3);
        if let Some(terminal) = &self.terminal {
            take_terminal(terminal).map_err(at(Stage::Terminal))?;
        }
        for (resource, limit) in &self.limits {
            rustix::process::setrlimit(*resource, *limit)
                .map_err(io::Error::from)
                .map_err(at(Stage::Limits))?;
        }
        guardian::unblock_signals();
        self.steps.iter().try_for_each(|step| step()).map_err(at(Stage::PreExec))
    }
}

fn begin_session(guardian: Pid) -> io::Result<()> {
    // The guardian has one thread, so this signal comes exactly when the guardian dies.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(guardian) {
        // It died before the signal was set, so the signal will never come.
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    rustix::process::setsid()?;
    Ok(())
}

fn take_terminal(path: &CString) -> io::Result<()> {
    let terminal = rustix::fs::open(
        path.as_c_str(),
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )?;
    rustix::process::ioctl_tiocsctty(&terminal)?;
    // Non-blocking was for the opening only; programs expect a terminal that blocks.
    rustix::io::ioctl_fionbio(&terminal, false)?;
    rustix::stdio::dup2_stdin(&terminal)?;
    rustix::stdio::dup2_stdout(&terminal)?;
    rustix::stdio::dup2_stderr(&terminal)?;
    Ok(())
}

/// Marks descriptors that the caller's other code forgot to mark. Kernels before 5.11 can't; ours are marked anyway.
fn close_on_exec_from(first: RawFd) {
    // SAFETY: only flags of descriptors change, and only in this forked process.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}
