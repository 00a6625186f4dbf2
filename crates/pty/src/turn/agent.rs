//! An agent on its terminal.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use crate::{Observation, Profile, PtySession, WaitError};

/// A coding agent on its terminal: a session and the profile that explains its screen. Clones are the same agent.
///
/// Prompts and answers are typed one after another, so they are never mixed. Nothing else waits for them:
/// [`Agent::observe`] and the session's own methods come at once, and [`Agent::interrupt`] stops what is being typed.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) session: Arc<PtySession>,
    pub(super) profile: Profile,
    pub(super) options: TurnOptions,
    /// Held while something is typed that takes more than one write.
    pub(super) typing: Mutex<()>,
    /// Tells what is being typed that it is to stop.
    pub(super) stop_typing: watch::Sender<()>,
    /// How often the agent was interrupted.
    pub(super) interrupts: AtomicU64,
}

impl Agent {
    /// Puts a session and the profile of the agent that runs in it together.
    #[must_use]
    pub fn new(session: Arc<PtySession>, profile: Profile, options: TurnOptions) -> Self {
        let inner = Inner {
            session,
            profile,
            options,
            typing: Mutex::new(()),
            stop_typing: watch::Sender::new(()),
            interrupts: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &PtySession {
        &self.inner.session
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.inner.profile
    }

    /// What the agent is doing now.
    #[must_use]
    pub fn observe(&self) -> Observation {
        self.inner.profile.observe(&self.inner.session.snapshot())
    }

    /// Runs what types, one at a time, until [`Agent::interrupt`] stops it: then `None`.
    pub(super) async fn typing<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.inner.stop_typing.subscribe();
        let work = async {
            let _typing = self.inner.typing.lock().await;
            work.await
        };
        tokio::select! {
            biased;
            // The sender lives in `self`.
            _ = stop.changed() => None,
            done = work => Some(done),
        }
    }

    /// Waits until `wanted` gives something for what is observed: that the agent is idle after its start, or that it
    /// shows a dialog, say.
    ///
    /// # Errors
    ///
    /// As for [`PtySession::wait_for`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        mut wanted: impl FnMut(&Observation) -> Option<T>,
    ) -> Result<T, WaitError> {
        let profile = &self.inner.profile;
        self.inner.session.wait_for(within, |snapshot| wanted(&profile.observe(snapshot))).await
    }
}

/// The times a turn goes by. The defaults hold for the agents with an embedded profile on a loaded machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TurnOptions {
    /// How long a prompt may take to appear in the box. Default 10 s.
    pub echo: Duration,
    /// How long Enter is held back after the prompt has appeared; some agents take an earlier one for a part of the
    /// paste. Default 60 ms, and never less than 50.
    pub settle: Duration,
    /// How long Enter may take to show before it is pressed again. Default 3 s.
    pub submit: Duration,
    /// How often Enter is pressed at most. Default 3.
    pub submit_attempts: u32,
    /// How long a key in a dialog may take to show. Default 3 s.
    pub key: Duration,
    /// How long the agent must be idle for the turn to be over; it bridges the moment between two steps. Default
    /// 250 ms.
    pub idle: Duration,
    /// How long the agent must be idle if it was never seen busy (a command that it answers by itself). Default 2 s.
    pub idle_unstarted: Duration,
    /// How long a dialog must stand before the turn tells of it: while a hook decides, an agent may draw one for a
    /// moment. Default 120 ms.
    pub dialog: Duration,
    /// How long a screen that no rule explains may last before the turn tells of it. Default 5 s.
    pub unexplained: Duration,
    /// How long a whole turn may take, the waiting for answers included. Default 30 min.
    pub turn: Duration,
}

impl Default for TurnOptions {
    fn default() -> Self {
        Self {
            echo: Duration::from_secs(10),
            settle: Duration::from_millis(60),
            submit: Duration::from_secs(3),
            submit_attempts: 3,
            key: Duration::from_secs(3),
            idle: Duration::from_millis(250),
            idle_unstarted: Duration::from_secs(2),
            dialog: Duration::from_millis(120),
            unexplained: Duration::from_secs(5),
            turn: Duration::from_secs(30 * 60),
        }
    }
}
