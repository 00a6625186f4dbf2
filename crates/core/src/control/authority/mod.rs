//! Who may speak to which socket, told by who started whom.
//!
//! The rules are pure functions over a snapshot of the peer's ancestry ([`judge_control`], [`judge_gate`],
//! [`judge_tags`]); [`Authority`] takes the snapshot from `/proc` and applies them. Whatever cannot be told is refused.
//!
//! A process belongs to a slot when one of these is among its ancestors or itself: a registered guardian ([`Sessions`]),
//! a process named `missiond-guard`, a process whose environment carries a session tag. The guardian is a child
//! subreaper, so a process that forked twice, called setsid and emptied its environment still descends from it.
//!
//! When the owner itself runs inside a slot of some other mission (somebody develops missiond with missiond), the owner's
//! own ancestors and their tags prove nothing about the peer and don't count.
//!
//! This stops mistakes and injected prompts, not an attacker with the same user id; see [`control`](crate::control).
//! One gap is known and narrow: a process id may be given to another process between `connect` and the check. The check
//! begins at once, and the kernel hands out ids in turn, so it would take a whole round of ids in that moment.

mod judge;
mod proc;
mod sessions;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use judge::{
    Context, Guardian, Lineage, Peer, ProcessInfo, Refusal, judge_control, judge_gate, judge_tags,
};
pub(in crate::control) use proc::start_time;
pub use sessions::{SessionGuard, Sessions};

use crate::ids::SlotId;
use proc::Tag;

/// How long a check may take. It reads a few small files; but a read of another process's environment touches that
/// process's memory, which can hang.
const CHECK_LIMIT: Duration = Duration::from_secs(5);
/// How many checks run at a time, and so how many threads a hanging one can cost.
const CHECKS_AT_ONCE: usize = 8;

/// A caller that was let in, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, pid {}", self.uid, self.pid)
    }
}

/// Applies the rules to peers.
#[derive(Debug)]
pub struct Authority {
    sessions: Arc<Sessions>,
    own_uid: u32,
    own: Lineage,
    own_tags: HashSet<String>,
    checks: Arc<tokio::sync::Semaphore>,
}

impl Authority {
    /// Looks at this process's own ancestry and reads the rest when it is asked.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when `/proc` does not show us our own ancestry: then nobody could be told apart.
    pub fn new(sessions: Arc<Sessions>) -> Result<Arc<Self>, Refusal> {
        let own = proc::lineage(std::process::id())?;
        let own_tags = own.processes.iter().filter_map(|process| proc::tag(process.pid).carried()).collect();
        Ok(Arc::new(Self {
            sessions,
            own_uid: rustix::process::geteuid().as_raw(),
            own,
            own_tags,
            checks: Arc::new(tokio::sync::Semaphore::new(CHECKS_AT_ONCE)),
        }))
    }

    /// The registry that says which guardian belongs to which slot.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Whether the peer may use the control socket.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why not.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn check_control(self: &Arc<Self>, peer: Peer) -> Result<(), Refusal> {
        let this = Arc::clone(self);
        self.bounded(move || this.check_control_blocking(peer)).await
    }

    /// Whether the peer may use the gate of this slot.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why not.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn check_gate(self: &Arc<Self>, peer: Peer, slot: &SlotId) -> Result<(), Refusal> {
        let (this, slot) = (Arc::clone(self), slot.clone());
        self.bounded(move || this.check_gate_blocking(peer, &slot)).await
    }

    fn check_control_blocking(&self, peer: Peer) -> Result<(), Refusal> {
        let lineage = lineage_of(peer)?;
        let guardians = self.sessions.guardians();
        let context = self.context(&guardians);
        judge_control(peer, &lineage, &context)?;
        // Only now: reading an environment touches memory of a process that may wish us ill.
        let tags = tags_of(&lineage, &context)?;
        judge_tags(peer, &tags, &self.own_tags)
    }

    fn check_gate_blocking(&self, peer: Peer, slot: &SlotId) -> Result<(), Refusal> {
        let lineage = lineage_of(peer)?;
        let guardians = self.sessions.guardians();
        let context = self.context(&guardians);
        if judge_gate(peer, &lineage, slot, &context)? {
            return Ok(());
        }
        // An agent may be faster than the registration of its guardian; then its tag speaks for it.
        let expected = self.sessions.tag_of(slot);
        let carried = lineage.processes.iter().find_map(|process| proc::tag(process.pid).carried());
        if carried.is_some() && carried == expected.map(|tag| tag.to_string()) {
            Ok(())
        } else {
            Err(Refusal::OutsideSlot { pid: lineage.pid(), slot: slot.clone() })
        }
    }

    fn context<'a>(&'a self, guardians: &'a [Guardian]) -> Context<'a> {
        Context { own_uid: self.own_uid, own: &self.own, guardians }
    }

    async fn bounded(
        &self,
        check: impl FnOnce() -> Result<(), Refusal> + Send + 'static,
    ) -> Result<(), Refusal> {
        let checks = Arc::clone(&self.checks);
        let checked = async move {
            let permit = checks.acquire_owned().await;
            let thread = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                check()
            });
            thread.await.unwrap_or(Err(Refusal::Unreadable { reason: "the check itself failed".to_owned() }))
        };
        tokio::time::timeout(CHECK_LIMIT, checked)
            .await
            .unwrap_or(Err(Refusal::TooSlow { after: CHECK_LIMIT }))
    }
}

/// Whether this process itself descends from a slot, and how that shows: for commands that steer a project which has no
/// owner to ask. What cannot be told counts as yes.
///
/// It reads a few files below `/proc`.
pub fn inside_slot() -> Option<String> {
    let lineage = match proc::lineage(std::process::id()) {
        Ok(lineage) => lineage,
        Err(refusal) => return Some(refusal.to_string()),
    };
    let nobody = Lineage::default();
    let own_uid = rustix::process::geteuid().as_raw();
    let context = Context { own_uid, own: &nobody, guardians: &[] };
    let peer = Peer { pid: Some(lineage.pid()), uid: own_uid };
    let outside = judge_control(peer, &lineage, &context)
        .and_then(|()| tags_of(&lineage, &context))
        .and_then(|tags| judge_tags(peer, &tags, &HashSet::new()));
    outside.err().map(|refusal| refusal.to_string())
}

fn lineage_of(peer: Peer) -> Result<Lineage, Refusal> {
    proc::lineage(peer.pid.filter(|pid| *pid != 0).ok_or(Refusal::Nameless)?)
}

/// The tags that the lineage carries, without those of processes that are our own ancestors.
fn tags_of(lineage: &Lineage, context: &Context<'_>) -> Result<Vec<(u32, String)>, Refusal> {
    let mut tags = Vec::new();
    for (generation, process) in lineage.processes.iter().enumerate() {
        if context.own.contains(process) {
            break;
        }
        match proc::tag(process.pid) {
            Tag::None => {}
            Tag::Carried(tag) => tags.push((process.pid, tag)),
            Tag::Gone if generation == 0 => return Err(Refusal::Vanished { pid: process.pid }),
            // A server that began as root, such as sshd, hides its memory even from its user; so does every process of
            // another user. Only the peer itself has no business hiding from us.
            Tag::Hidden if generation == 0 && process.uid == context.own_uid => {
                return Err(Refusal::Hidden { pid: process.pid });
            }
            Tag::Gone | Tag::Hidden => {}
        }
    }
    Ok(tags)
}
