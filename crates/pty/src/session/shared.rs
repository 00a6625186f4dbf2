//! What a session's threads and its callers share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portable_pty::MasterPty;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::input::InputQueue;
use super::{Event, EventKind, ExitReport, SessionError, pty_size};
use crate::{Size, Snapshot, Terminal};

/// How many events a slow subscriber may be behind. An output event holds at most 16 KiB.
const EVENTS: usize = 256;

/// About how many cells the emulator may write while the state is locked: some milliseconds' worth, and more than what
/// is read at once writes as a rule, so that it stays one event.
const CELLS_AT_ONCE: usize = 64 * 1024;

/// How long a synchronized update may keep the screen from being seen.
pub(super) const FRAME_LIMIT: Duration = Duration::from_millis(150);

pub(super) struct Shared {
    state: Mutex<State>,
    /// Whose turn is next to lock the state.
    turn: Mutex<()>,
    pub(super) events: broadcast::Sender<Event>,
    changed: watch::Sender<u64>,
    pub(super) input: InputQueue,
    killed: AtomicBool,
}

struct State {
    terminal: Terminal,
    /// Gone once the program has ended, so that the pair's last side is closed.
    master: Option<Box<dyn MasterPty + Send>>,
    seq: u64,
    exit: Option<ExitReport>,
    snapshot: Option<Snapshot>,
    frame_since: Option<Instant>,
}

impl Shared {
    pub(super) fn new(size: Size, master: Box<dyn MasterPty + Send>) -> Self {
        Self {
            state: Mutex::new(State {
                terminal: Terminal::new(size),
                master: Some(master),
                seq: 0,
                exit: None,
                snapshot: None,
                frame_since: None,
            }),
            turn: Mutex::new(()),
            events: broadcast::Sender::new(EVENTS),
            changed: watch::Sender::new(0),
            input: InputQueue::new(),
            killed: AtomicBool::new(false),
        }
    }

    /// Takes output of the program; called by the reading thread alone.
    pub(super) fn feed(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.feed_some(rest)..];
        }
    }

    /// Takes as much output as may be processed while others wait: how many bytes.
    fn feed_some(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        #[cfg(test)]
        panic_on_demand(&mut state, bytes);
        let (used, feed) = state.terminal.feed_for(bytes, CELLS_AT_ONCE);
        let bytes = &bytes[..used];
        let synchronized = state.terminal.modes().synchronized;
        state.frame_since = synchronized.then(|| state.frame_since.unwrap_or_else(Instant::now));
        self.publish(&mut state, EventKind::Output(bytes.into()));
        if feed.title_changed {
            let title = state.terminal.title().into();
            self.publish(&mut state, EventKind::Title(title));
        }
        if feed.bells > 0 {
            self.publish(&mut state, EventKind::Bell);
        }
        drop(state);
        if feed.clipboard_refused > 0 {
            tracing::debug!(
                count = feed.clipboard_refused,
                "clipboard access by a program on a terminal refused"
            );
        }
        if !feed.replies.is_empty()
            && let Err(error) = self.input.push_reply(&feed.replies)
        {
            tracing::debug!(%error, "replies to terminal queries dropped");
        }
        used
    }

    /// Makes sure that the screen can be looked at after the emulator panicked: as it was left if it is whole, else it
    /// is blank from now on.
    pub(super) fn mend(&self) {
        let mut state = self.lock();
        let look = |state: &State| {
            #[cfg(test)]
            assert!(state.terminal.title() != PANICS[1], "{}", PANICS[1]);
            (state.terminal.snapshot(), state.terminal.formatted())
        };
        if catch_unwind(AssertUnwindSafe(|| look(&state))).is_err() {
            state.terminal = Terminal::new(state.terminal.size());
        }
        state.snapshot = None;
    }

    pub(super) fn resize(&self, size: Size) -> Result<(), SessionError> {
        let mut state = self.lock();
        // Under the lock, so that what the program draws for the new size is taken with the new size.
        let master = state.master.as_ref().ok_or(SessionError::Exited)?;
        master.resize(pty_size(size)).map_err(|error| SessionError::Resize(error.into()))?;
        state.terminal.resize(size);
        self.publish(&mut state, EventKind::Resized(size));
        Ok(())
    }

    pub(super) fn finish(&self, exit: ExitReport) {
        self.input.close();
        let mut state = self.lock();
        state.master = None;
        // A program that ended within an update will not finish it.
        state.terminal.end_frame();
        state.exit = Some(exit.clone());
        self.publish(&mut state, EventKind::Exited(exit));
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot_of(&mut self.lock())
    }

    pub(super) fn redraw(&self) -> (Snapshot, Arc<[u8]>) {
        let mut state = self.lock();
        (self.snapshot_of(&mut state), state.terminal.formatted().into())
    }

    fn snapshot_of(&self, state: &mut State) -> Snapshot {
        if state.frame_since.is_some_and(|since| since.elapsed() >= FRAME_LIMIT) {
            state.frame_since = None;
            state.terminal.end_frame();
            state.snapshot = None;
        }
        if state.snapshot.is_none() {
            let snapshot = state.terminal.snapshot();
            state.snapshot = Some(Snapshot { seq: state.seq, exit: state.exit.clone(), ..snapshot });
        }
        state.snapshot.clone().expect("it was made just above")
    }

    pub(super) fn exit(&self) -> Option<ExitReport> {
        self.lock().exit.clone()
    }

    pub(super) fn note_kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    pub(super) fn changes(&self) -> Changes {
        Changes { changed: self.changed.subscribe() }
    }

    /// Numbers an event and tells it, with the lock held, so that numbers and order agree.
    fn publish(&self, state: &mut State, kind: EventKind) {
        state.seq += 1;
        state.snapshot = None;
        // Nobody listening is no error.
        let _ = self.events.send(Event { seq: state.seq, kind });
        self.changed.send_replace(state.seq);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever waits for the state holds the turn, so the reading thread, with ever more output, can't lock the state
        // again before them.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic in a thread that holds the lock leaves a screen that is wrong at worst.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Output on which the emulator panics in tests: for once, and for good.
#[cfg(test)]
pub(super) const PANICS: [&str; 2] = ["panics once", "panics always"];

#[cfg(test)]
fn panic_on_demand(state: &mut State, bytes: &[u8]) {
    for text in PANICS {
        if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
            state.terminal.feed(format!("\x1b]2;{text}\x07").as_bytes());
            panic!("{text}");
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        let mut out = f.debug_struct("Shared");
        out.field("size", &state.terminal.size()).field("seq", &state.seq).field("exit", &state.exit).finish()
    }
}

/// Wakes somebody up who looks at snapshots. What happened since the last wake-up counts as a change.
#[derive(Debug)]
pub(crate) struct Changes {
    changed: watch::Receiver<u64>,
}

impl Changes {
    /// Waits for a change, or until `deadline`. Cancel safe.
    pub(crate) async fn next(&mut self, deadline: Option<Instant>) {
        let changed = async {
            // The sender lives in the session that the caller holds.
            let _ = self.changed.changed().await;
        };
        match deadline {
            Some(deadline) => {
                let _ = tokio::time::timeout_at(deadline, changed).await;
            }
            None => changed.await,
        }
    }

    /// Like `next`, but earlier where `snapshot` shows an old frame that will have to give way.
    pub(crate) async fn next_of(&mut self, snapshot: &Snapshot, deadline: Instant) {
        let deadline = match snapshot.modes.synchronized {
            true => deadline.min(Instant::now() + FRAME_LIMIT),
            false => deadline,
        };
        self.next(Some(deadline)).await;
    }
}
