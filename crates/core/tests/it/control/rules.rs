//! The rules of authority, over made-up facts.

use std::collections::HashSet;

use missiond_core::SlotId;
use missiond_core::control::Refusal;
use missiond_core::control::authority::{
    Context, Guardian, Lineage, Peer, ProcessInfo, judge_control, judge_gate, judge_tags,
};

/// A lineage of pids, each started at ten times its pid.
fn lineage(processes: &[(u32, &str)]) -> Lineage {
    let parents = processes.iter().skip(1).map(|(pid, _)| *pid).chain([0]);
    let process = |((pid, name), parent): (&(u32, &str), u32)| ProcessInfo {
        pid: *pid,
        parent,
        start_time: u64::from(*pid) * 10,
        name: (*name).to_owned(),
        uid: 1000,
    };
    Lineage { processes: processes.iter().zip(parents).map(process).collect() }
}

fn guardian(pid: u32, start_time: u64, slot: &str) -> Guardian {
    Guardian { pid, start_time, slot: slot.parse().unwrap() }
}

const OWNER: &[(u32, &str)] = &[(100, "missiond"), (50, "bash"), (1, "init")];

fn control(peer: Peer, processes: &[(u32, &str)], guardians: &[Guardian]) -> Result<(), Refusal> {
    let own = lineage(OWNER);
    judge_control(peer, &lineage(processes), &Context { own_uid: 1000, own: &own, guardians })
}

fn peer(pid: u32) -> Peer {
    Peer { pid: Some(pid), uid: 1000 }
}

#[test]
fn control_is_for_those_who_do_not_descend_from_a_slot() {
    let known = [guardian(110, 1100, "one")];
    let slot = || "one".parse::<SlotId>().unwrap();
    let beside = &[(200, "missiond"), (50, "bash"), (1, "init")][..];
    let own_child = &[(200, "client"), (100, "missiond"), (50, "bash"), (1, "init")][..];
    let agent = &[(200, "sh"), (120, "claude"), (110, "missiond-guard"), (100, "missiond"), (1, "init")][..];
    let unknown_guard = &[(200, "sh"), (111, "missiond-guard"), (1, "init")][..];
    let renamed_guard = &[(200, "sh"), (110, "innocent"), (1, "init")][..];
    let in_slot = Err(Refusal::InSlot { pid: 200, slot: slot() });

    assert_eq!(control(peer(200), beside, &known), Ok(()));
    assert_eq!(control(peer(200), own_child, &known), Ok(()));
    assert_eq!(control(peer(200), agent, &known), in_slot);
    assert_eq!(control(peer(200), renamed_guard, &known), in_slot);
    assert_eq!(control(peer(200), agent, &[]), Err(Refusal::UnderGuardian { pid: 200, guardian: 110 }));
    assert_eq!(
        control(peer(200), unknown_guard, &known),
        Err(Refusal::UnderGuardian { pid: 200, guardian: 111 })
    );
    // The guardian itself has no business here either.
    assert!(control(peer(110), &[(110, "missiond-guard"), (100, "missiond")], &known).is_err());
    // A process that got the pid of a guardian that is gone is somebody else.
    assert_eq!(control(peer(110), &[(110, "vim"), (1, "init")], &[guardian(110, 7, "one")]), Ok(()));
}

#[test]
fn what_cannot_be_told_is_refused() {
    let beside = &[(200, "missiond"), (1, "init")][..];
    assert_eq!(control(Peer { pid: None, uid: 1000 }, beside, &[]), Err(Refusal::Nameless));
    assert_eq!(control(peer(0), beside, &[]), Err(Refusal::Nameless));
    assert_eq!(control(peer(201), beside, &[]), Err(Refusal::Vanished { pid: 201 }));
    assert_eq!(control(peer(200), &[], &[]), Err(Refusal::Vanished { pid: 200 }));
    assert_eq!(
        control(Peer { pid: Some(200), uid: 1001 }, beside, &[]),
        Err(Refusal::OtherUser { uid: 1001, own_uid: 1000 })
    );
    assert_eq!(control(Peer { pid: Some(200), uid: 0 }, beside, &[]), Ok(()));
}

#[test]
fn an_owner_that_itself_runs_in_a_slot_lets_its_neighbours_in() {
    let outer = [(40, "claude"), (30, "missiond-guard"), (1, "init")];
    let own = lineage(&[&[(100, "missiond")], &outer[..]].concat());
    let inner = [guardian(110, 1100, "one")];
    let context = Context { own_uid: 1000, own: &own, guardians: &inner };
    let judge = |processes: &[(u32, &str)]| judge_control(peer(200), &lineage(processes), &context);

    assert_eq!(judge(&[&[(200, "client")], &outer[..]].concat()), Ok(()));
    let agent = [&[(200, "sh"), (110, "missiond-guard"), (100, "missiond")], &outer[..]].concat();
    assert_eq!(judge(&agent), Err(Refusal::InSlot { pid: 200, slot: "one".parse().unwrap() }));

    let own_tags = HashSet::from(["outer:slot".to_owned()]);
    let tags = |tag: &str| judge_tags(peer(200), &[(200, tag.to_owned())], &own_tags);
    assert_eq!(tags("outer:slot"), Ok(()));
    assert!(matches!(tags("inner:slot"), Err(Refusal::Tagged { carrier: 200, .. })));
    // Whatever the variable holds, who carries it was started by us or pretends to be.
    assert!(tags("").is_err());
    assert!(tags("\u{1b}[2J").unwrap_err().to_string().contains("\\u{1b}[2J"));
}

#[test]
fn a_gate_looks_at_the_nearest_guardian() {
    let own = lineage(OWNER);
    let guardians = [guardian(110, 1100, "one"), guardian(120, 1200, "two")];
    let context = Context { own_uid: 1000, own: &own, guardians: &guardians };
    let gate = "one".parse::<SlotId>().unwrap();
    let judge = |processes: &[(u32, &str)]| judge_gate(peer(200), &lineage(processes), &gate, &context);
    let other = || Err(Refusal::OtherSlot { pid: 200, slot: "two".parse().unwrap(), wanted: gate.clone() });

    assert_eq!(judge(&[(200, "hook"), (110, "missiond-guard"), (100, "missiond")]), Ok(true));
    assert_eq!(judge(&[(200, "hook"), (120, "missiond-guard"), (100, "missiond")]), other());
    assert_eq!(judge(&[(200, "hook"), (120, "missiond-guard"), (110, "missiond-guard")]), other());
    assert_eq!(judge(&[(200, "hook"), (110, "missiond-guard"), (120, "missiond-guard")]), Ok(true));
    assert_eq!(judge(&[(200, "hook"), (1, "init")]), Ok(false));
    assert_eq!(
        judge_gate(Peer { pid: Some(200), uid: 7 }, &lineage(&[(200, "hook")]), &gate, &context),
        Err(Refusal::OtherUser { uid: 7, own_uid: 1000 })
    );
}
