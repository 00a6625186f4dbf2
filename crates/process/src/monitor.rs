//! The caller's thread beside each guardian: it hears the guardian, climbs the kill ladder and tells the end.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::Shutdown;
use rustix::process::Pid;
use tokio::sync::watch;

use crate::error::{KillError, WaitError};
use crate::exit::Exit;
use crate::protocol::{Message, Received, receive, send};
use crate::signal::Signal;
use crate::spec::KillLadder;
use crate::tag::SessionTag;
use crate::tree;

/// How long the caller's own SIGKILLs are waited for, when the guardian's did not end the tree.
const FORCE: Duration = Duration::from_secs(1);
/// How long a guardian whose caller let go may take before it is helped; its own grace is half a second.
const LET_GO: Duration = Duration::from_secs(3);
/// How long the tree of a killed guardian is swept.
const SWEEP: Duration = Duration::from_secs(5);

/// How a tree ended.
pub(crate) type Outcome = Result<Exit, WaitError>;

/// The descriptors between caller and guardian.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) control: OwnedFd,
    /// Wakes the monitor.
    pub(crate) wake: OwnedFd,
}

/// What the monitor and every handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pid: u32,
    pub(crate) guardian: u32,
    start_time: Option<u64>,
    ladder: KillLadder,
    tag: Option<SessionTag>,
    /// Gone when the tree is, so that a handle kept for long keeps no descriptor.
    channel: Mutex<Option<Arc<Channel>>>,
    state: Mutex<State>,
    changed: Condvar,
    changed_async: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) outcome: Option<Outcome>,
    kill_wanted: bool,
    let_go: bool,
    /// Counts the ladders that reached their end in vain.
    pub(crate) failed_kills: u64,
    pub(crate) last_failure: Option<KillError>,
}

impl Shared {
    pub(crate) fn with(
        pid: u32,
        guardian: u32,
        start_time: Option<u64>,
        ladder: KillLadder,
        tag: Option<SessionTag>,
        channel: Arc<Channel>,
    ) -> Self {
        Self {
            pid,
            guardian,
            start_time,
            ladder,
            tag,
            channel: Mutex::new(Some(channel)),
            state: Mutex::default(),
            changed: Condvar::new(),
            changed_async: watch::Sender::new(()),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if one did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed_async.subscribe()
    }

    /// Blocks until `done` finds something in the state, or the deadline.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut done: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(found) = done(&state) {
                return Some(found);
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(channel) = self.channel() {
            let _ = send(channel.control.as_fd(), Message::Signal(signal.number()));
        }
    }

    /// Starts the kill ladder, unless it is being climbed already.
    pub(crate) fn want_kill(&self) {
        self.state().kill_wanted = true;
        self.wake();
    }

    /// Tells the guardian that nobody wants the tree any more.
    pub(crate) fn let_go(&self) {
        self.state().let_go = true;
        if let Some(channel) = self.channel() {
            let _ = rustix::net::shutdown(&channel.control, Shutdown::Write);
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(channel) = self.channel() {
            let _ = rustix::io::write(&channel.wake, &1_u64.to_ne_bytes());
        }
    }

    fn channel(&self) -> Option<Arc<Channel>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn close_channel(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
        self.changed_async.send_replace(());
    }
}

/// Runs until the tree is gone and the guardian is reaped.
pub(crate) fn run(shared: &Shared, channel: Arc<Channel>, guardian: Child) {
    let mut monitor = Monitor {
        shared,
        channel,
        guardian,
        reported: None,
        rung: Rung::Idle,
        until: None,
        started: Instant::now(),
    };
    monitor.watch();
    let outcome = monitor.conclude();
    drop(monitor);
    shared.close_channel();
    tracing::debug!(pid = shared.pid, ?outcome, "program and its tree ended");
    shared.change(|state| state.outcome = Some(outcome));
}

struct Monitor<'a> {
    shared: &'a Shared,
    channel: Arc<Channel>,
    guardian: Child,
    /// The main program's end, as the guardian told it.
    reported: Option<Exit>,
    rung: Rung,
    /// When the next rung follows.
    until: Option<Instant>,
    /// When the ladder was begun.
    started: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Idle,
    LetGo,
    Interrupt,
    Terminate,
    Kill,
    Force,
    /// All was tried in vain.
    Exhausted,
}

impl Monitor<'_> {
    /// Serves until the guardian's end of the socket is closed.
    fn watch(&mut self) {
        loop {
            match receive(self.channel.control.as_fd()) {
                Received::Message(Message::Exited(status)) => {
                    self.reported = Some(Exit::from_wait_status(status));
                }
                Received::Message(_) => {}
                Received::Closed => return,
                Received::Nothing => self.pause(),
            }
        }
    }

    fn pause(&mut self) {
        self.take_wishes();
        if self.until.is_some_and(|until| until <= Instant::now()) {
            self.climb();
        }
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut both = [
            PollFd::new(&self.channel.control, PollFlags::IN),
            PollFd::new(&self.channel.wake, PollFlags::IN),
        ];
        let _ = rustix::event::poll(&mut both, left.as_ref());
        let _ = rustix::io::read(&self.channel.wake, &mut [0_u8; 8]);
    }

    fn take_wishes(&mut self) {
        let mut state = self.shared.state();
        let kill = std::mem::take(&mut state.kill_wanted);
        let let_go = std::mem::take(&mut state.let_go);
        drop(state);
        if kill && matches!(self.rung, Rung::Idle | Rung::Exhausted) {
            self.started = Instant::now();
            self.tell(Message::Climb);
            self.climb();
        } else if let_go && matches!(self.rung, Rung::Idle | Rung::Interrupt | Rung::Terminate) {
            // The guardian doesn't hear of further rungs any more.
            self.enter(Rung::LetGo, LET_GO);
        }
    }

    fn climb(&mut self) {
        let ladder = self.shared.ladder;
        match self.rung {
            Rung::Idle if !ladder.interrupt.is_zero() => self.enter(Rung::Interrupt, ladder.interrupt),
            Rung::Idle | Rung::Interrupt if !ladder.terminate.is_zero() => {
                self.enter(Rung::Terminate, ladder.terminate);
            }
            Rung::Idle | Rung::Interrupt | Rung::Terminate | Rung::Exhausted => {
                self.enter(Rung::Kill, ladder.kill);
            }
            Rung::Kill | Rung::LetGo => self.enter(Rung::Force, FORCE),
            Rung::Force => {
                self.rung = Rung::Exhausted;
                self.until = None;
                self.give_up();
            }
        }
    }

    fn enter(&mut self, rung: Rung, wait: Duration) {
        self.rung = rung;
        self.until = Instant::now().checked_add(wait);
        // The guardian can't be deaf to this, and somebody may have stopped it. Its pid is ours until we reap it.
        if let Some(guardian) = Pid::from_raw(self.guardian.id().cast_signed()) {
            let _ = rustix::process::kill_process(guardian, rustix::process::Signal::CONT);
        }
        match rung {
            Rung::Interrupt => self.tell(Message::Signal(libc::SIGINT)),
            Rung::Terminate => {
                self.tell(Message::Signal(libc::SIGTERM));
                // A stopped process sees the SIGTERM only when it goes on.
                self.tell(Message::Signal(libc::SIGCONT));
            }
            Rung::Kill => self.tell(Message::Kill),
            Rung::Force => {
                self.tell(Message::Kill);
                for process in self.survivors() {
                    let _ = tree::kill(process);
                }
            }
            Rung::Idle | Rung::LetGo | Rung::Exhausted => {}
        }
    }

    fn tell(&self, message: Message) {
        let _ = send(self.channel.control.as_fd(), message);
    }

    fn survivors(&self) -> Vec<tree::ProcessId> {
        tree::descendants(self.shared.guardian).unwrap_or_default()
    }

    fn give_up(&self) {
        let pids = self.survivors().iter().map(|process| process.pid).collect();
        let failure = KillError::Survived { pid: self.shared.pid, pids, waited: self.started.elapsed() };
        tracing::warn!(error = %failure, "kill failed");
        self.shared.change(|state| {
            state.failed_kills += 1;
            state.last_failure = Some(failure);
        });
    }

    /// Reaps the guardian and works out how the program ended.
    fn conclude(&mut self) -> Outcome {
        // An error means that somebody else in this process reaps all children; then only the report can tell.
        let orderly = self.guardian.wait().map_or(self.reported.is_some(), |status| status.success());
        if orderly && let Some(exit) = self.reported {
            return Ok(exit);
        }
        tracing::warn!(
            guardian = self.shared.guardian,
            pid = self.shared.pid,
            "the guardian was killed; sweeping"
        );
        let lost = tree::Lost {
            program: self.shared.pid,
            start_time: self.shared.start_time,
            tag: self.shared.tag.as_ref(),
        };
        let leftover = lost.sweep(SWEEP);
        if leftover.is_empty() {
            // Its parent-death signal was SIGKILL.
            Ok(self.reported.unwrap_or(Exit::Signal(libc::SIGKILL)))
        } else {
            Err(WaitError::GuardianLost { guardian: self.shared.guardian, leftover })
        }
    }
}
