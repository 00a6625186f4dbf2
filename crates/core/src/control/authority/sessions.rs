//! Which guardian holds the tree of which slot.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use missiond_process::SessionTag;

use super::judge::Guardian;
use super::proc;
use crate::ids::SlotId;

/// The guardians of the agents that run now. Whoever starts an agent registers its guardian for as long as it lives.
#[derive(Debug)]
pub struct Sessions {
    scope: String,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    next: u64,
    guardians: HashMap<u64, Guardian>,
}

impl Sessions {
    /// An empty registry; `scope` is that of the project's session tags, see
    /// [`ProjectPaths::session_scope`](crate::control::ProjectPaths::session_scope).
    pub fn new(scope: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { scope: scope.into(), live: Mutex::default() })
    }

    /// Notes that a guardian holds the tree of a slot's agent, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// When the process is gone already, or `/proc` can't be read.
    pub fn register(self: &Arc<Self>, slot: SlotId, guardian_pid: u32) -> io::Result<SessionGuard> {
        let guardian = Guardian { pid: guardian_pid, start_time: proc::start_time(guardian_pid)?, slot };
        let mut live = self.live();
        let key = live.next;
        live.next += 1;
        live.guardians.insert(key, guardian);
        Ok(SessionGuard { sessions: Arc::clone(self), key })
    }

    /// The guardians that are registered now.
    pub fn guardians(&self) -> Vec<Guardian> {
        self.live().guardians.values().cloned().collect()
    }

    /// The tag that everything in the slot is started with; `None` when the scope is no valid one.
    pub fn tag_of(&self, slot: &SlotId) -> Option<SessionTag> {
        SessionTag::new(&self.scope, slot.as_str()).ok()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // No operation on the map can be left half done by a panic.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a guardian registered; dropped when its tree is gone.
#[derive(Debug)]
#[must_use = "the guardian is registered only as long as this lives"]
pub struct SessionGuard {
    sessions: Arc<Sessions>,
    key: u64,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.sessions.live().guardians.remove(&self.key);
    }
}
