//! The rules, over explicit facts.

use std::collections::HashSet;
use std::time::Duration;

use crate::ids::SlotId;

/// The name of every guardian process.
const GUARDIAN_NAME: &str = "missiond-guard";

/// Who is at the other end of a socket, as the kernel says (`SO_PEERCRED` of unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process that called `connect`; `None` or 0 when it is not visible from our pid namespace.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
}

/// One process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its id.
    pub pid: u32,
    /// Its parent's id; 0 when that is not visible from our pid namespace or there is none.
    pub parent: u32,
    /// When it started, in clock ticks since boot; together with the id it names a process for good.
    pub start_time: u64,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its effective user.
    pub uid: u32,
}

/// A process, its parent, and so on to the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The youngest first.
    pub processes: Vec<ProcessInfo>,
}

impl Lineage {
    /// The youngest one's id; 0 when there is none.
    pub fn pid(&self) -> u32 {
        self.processes.first().map_or(0, |process| process.pid)
    }

    /// Whether this very process is part of it.
    pub fn contains(&self, process: &ProcessInfo) -> bool {
        self.processes.iter().any(|ours| ours.pid == process.pid && ours.start_time == process.start_time)
    }
}

/// The process that holds the tree of one slot's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardian {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Whose tree it holds.
    pub slot: SlotId,
}

impl Guardian {
    fn is(&self, process: &ProcessInfo) -> bool {
        self.pid == process.pid && self.start_time == process.start_time
    }
}

/// What the rules know besides the peer.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The owner's effective user.
    pub own_uid: u32,
    /// The owner and its ancestors.
    pub own: &'a Lineage,
    /// The guardians of all slots.
    pub guardians: &'a [Guardian],
}

/// Whether, by its user and its ancestry, the peer may use the control socket. Its tags are judged by [`judge_tags`].
///
/// # Errors
///
/// [`Refusal`] says why not.
pub fn judge_control(peer: Peer, lineage: &Lineage, context: &Context<'_>) -> Result<(), Refusal> {
    check_peer(peer, lineage, context)?;
    for process in &lineage.processes {
        if context.own.contains(process) {
            return Ok(());
        }
        if let Some(guardian) = context.guardians.iter().find(|guardian| guardian.is(process)) {
            return Err(Refusal::InSlot { pid: lineage.pid(), slot: guardian.slot.clone() });
        }
        if process.name == GUARDIAN_NAME {
            return Err(Refusal::UnderGuardian { pid: lineage.pid(), guardian: process.pid });
        }
    }
    Ok(())
}

/// Whether the tags that the peer and its ancestors carry (with the process that does) let it use the control socket.
///
/// # Errors
///
/// [`Refusal::Tagged`] for any tag that the owner does not carry itself.
pub fn judge_tags(peer: Peer, tags: &[(u32, String)], own_tags: &HashSet<String>) -> Result<(), Refusal> {
    match tags.iter().find(|(_, tag)| !own_tags.contains(tag)) {
        Some((carrier, tag)) => Err(Refusal::Tagged {
            pid: peer.pid.unwrap_or(0),
            carrier: *carrier,
            tag: crate::text::escape_line(&missiond_process::text::preview(tag, 160)),
        }),
        None => Ok(()),
    }
}

/// Whether the peer descends from this slot's guardian; `false` when it descends from no registered guardian at all.
///
/// # Errors
///
/// [`Refusal`] when it is somebody else's process or another slot's.
pub fn judge_gate(
    peer: Peer,
    lineage: &Lineage,
    slot: &SlotId,
    context: &Context<'_>,
) -> Result<bool, Refusal> {
    check_peer(peer, lineage, context)?;
    // The nearest guardian counts: a mission within a slot has guardians of its own.
    let guardian_of = |process| context.guardians.iter().find(|guardian| guardian.is(process));
    match lineage.processes.iter().find_map(guardian_of) {
        Some(guardian) if guardian.slot == *slot => Ok(true),
        Some(guardian) => {
            Err(Refusal::OtherSlot { pid: lineage.pid(), slot: guardian.slot.clone(), wanted: slot.clone() })
        }
        None => Ok(false),
    }
}

fn check_peer(peer: Peer, lineage: &Lineage, context: &Context<'_>) -> Result<(), Refusal> {
    let pid = peer.pid.filter(|pid| *pid != 0).ok_or(Refusal::Nameless)?;
    if lineage.pid() != pid {
        return Err(Refusal::Vanished { pid });
    }
    if peer.uid != context.own_uid && peer.uid != 0 {
        return Err(Refusal::OtherUser { uid: peer.uid, own_uid: context.own_uid });
    }
    Ok(())
}

/// Why a peer was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The kernel does not tell us a process id.
    #[error("the caller's process can't be seen from here (it is in another pid namespace)")]
    Nameless,
    /// It is neither our user nor root.
    #[error("the caller is uid {uid}, and this mission belongs to uid {own_uid}")]
    OtherUser {
        /// The caller's.
        uid: u32,
        /// Ours.
        own_uid: u32,
    },
    /// It ended, or its ancestry could not be followed.
    #[error("process {pid} is gone, so nobody can tell where it came from")]
    Vanished {
        /// Whose trace was lost.
        pid: u32,
    },
    /// Its ancestry kept changing.
    #[error("the ancestry of process {pid} keeps changing")]
    Unsteady {
        /// The caller's.
        pid: u32,
    },
    /// Its ancestry is longer than we follow.
    #[error("process {pid} has more than {limit} ancestors")]
    TooDeep {
        /// The caller's.
        pid: u32,
        /// How many we follow.
        limit: usize,
    },
    /// `/proc` could not be read.
    #[error("the caller's ancestry can't be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The check took too long.
    #[error("the caller's ancestry could not be read within {} s", .after.as_secs())]
    TooSlow {
        /// The limit.
        after: Duration,
    },
    /// It hides its environment from its own user.
    #[error("process {pid} hides its environment, so nobody can tell where it came from")]
    Hidden {
        /// The caller's.
        pid: u32,
    },
    /// It descends from the guardian of a slot of this mission.
    #[error("process {pid} runs inside slot {slot}; an agent may not steer the mission that it works for")]
    InSlot {
        /// The caller's.
        pid: u32,
        /// Which slot.
        slot: SlotId,
    },
    /// It descends from a guardian that this mission does not know.
    #[error("process {pid} runs inside a slot (under guardian {guardian}); an agent may not steer a mission")]
    UnderGuardian {
        /// The caller's.
        pid: u32,
        /// The guardian's.
        guardian: u32,
    },
    /// It or an ancestor carries a session tag.
    #[error(
        "process {pid} runs inside a slot (process {carrier} carries the session tag `{tag}`); an agent may not steer a mission"
    )]
    Tagged {
        /// The caller's.
        pid: u32,
        /// The process that carries the tag.
        carrier: u32,
        /// The tag.
        tag: String,
    },
    /// It belongs to another slot than the gate's.
    #[error("process {pid} runs inside slot {slot}, and this is the gate of slot {wanted}")]
    OtherSlot {
        /// The caller's.
        pid: u32,
        /// Its slot.
        slot: SlotId,
        /// The gate's.
        wanted: SlotId,
    },
    /// It belongs to no slot.
    #[error("process {pid} does not run inside slot {slot}, whose gate this is")]
    OutsideSlot {
        /// The caller's.
        pid: u32,
        /// The gate's.
        slot: SlotId,
    },
}
