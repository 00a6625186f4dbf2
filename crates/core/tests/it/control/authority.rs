//! Real processes in real slots at the sockets.

use std::sync::Arc;

use missiond_core::SlotId;
use missiond_core::control::{GateServer, ServerOptions, inside_slot};
use missiond_process::{Environment, Running, SpawnSpec};

use super::support::{Owned, Project};
use super::worker::{Found, Job, Workplace, work};

fn slot(name: &str) -> SlotId {
    name.parse().unwrap()
}

fn connect(project: &Project, parent_named: Option<&str>) -> Workplace {
    let parent_named = parent_named.map(str::to_owned);
    Workplace::new(&Job::Connect { root: project.root(), base: project.base(), parent_named })
}

/// Starts the job as the main program of a slot.
fn in_slot(owned: &Owned, workplace: &Workplace, name: &str, tagged: bool) -> Running {
    let (program, arguments) = workplace.command();
    let mut spec = SpawnSpec::new(program, workplace.path()).args(arguments);
    spec.env = Environment::inherit_basics();
    spec.tag = tagged.then(|| owned.project.paths.session_tag(&slot(name)));
    spec.spawn().unwrap()
}

fn assert_refused(owned: &Owned, found: &Found, because: &str) {
    assert!(!found.accepted, "{found:?}");
    assert!(found.answer.contains(because), "{found:?}");
    assert!(found.inside_slot.is_some(), "{found:?}");
    let refusals = owned.handler.refusals.lock().unwrap();
    assert!(
        refusals.iter().any(|(pid, reason)| *pid == found.pid && reason.contains(because)),
        "process {} is not on record: {refusals:?}",
        found.pid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_beside_the_slots_is_let_in() {
    if work().await {
        return;
    }
    let owned = Owned::new();
    // Something runs in a slot meanwhile.
    let agent = SpawnSpec::new("sleep", "/").arg("60").spawn().unwrap();
    let _registered = owned.sessions.register(slot("one"), agent.guardian_pid()).unwrap();
    let workplace = connect(&owned.project, None);
    let mut worker = workplace.start();
    let found = workplace.found().await;
    worker.wait().unwrap();
    assert!(found.accepted, "{found:?}");
    assert_eq!(found.inside_slot.is_some(), inside_slot().is_some(), "{found:?}");
    assert_eq!(*owned.handler.refusals.lock().unwrap(), []);
    agent.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn s8b_an_agent_may_not_use_the_control_socket() {
    let owned = Owned::new();
    let workplace = connect(&owned.project, None);
    let agent = in_slot(&owned, &workplace, "one", true);
    let registered = owned.sessions.register(slot("one"), agent.guardian_pid());
    let found = workplace.found().await;
    agent.wait().await.unwrap();
    drop(registered);
    assert!(found.tagged, "{found:?}");
    assert_refused(&owned, &found, "runs inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn s8b_a_slot_that_nobody_registered_is_known_by_its_guardian() {
    let owned = Owned::new();
    let workplace = connect(&owned.project, None);
    let agent = in_slot(&owned, &workplace, "one", false);
    let found = workplace.found().await;
    agent.wait().await.unwrap();
    assert_refused(&owned, &found, "under guardian");
}

#[tokio::test(flavor = "multi_thread")]
async fn s8b_two_forks_a_new_session_and_an_empty_environment_do_not_help() {
    let owned = Owned::new();
    let workplace = connect(&owned.project, Some("missiond-guard"));
    let (program, arguments) = workplace.command();
    let inner = format!("{} {} >/dev/null 2>&1 </dev/null &", program.display(), arguments.join(" "));
    let mut spec = SpawnSpec::new("/bin/sh", workplace.path()).args([
        "-c",
        "env -i setsid /bin/sh -c \"$1\"; exec sleep 60",
        "sh",
        &inner,
    ]);
    spec.env = Environment::inherit_basics();
    spec.tag = Some(owned.project.paths.session_tag(&slot("one")));
    let agent = spec.spawn().unwrap();
    let _registered = owned.sessions.register(slot("one"), agent.guardian_pid()).unwrap();
    let found = workplace.found().await;
    // It really is what it is meant to be: an orphan in a session of its own that carries no tag.
    assert_eq!((found.parent_name.as_str(), found.tagged), ("missiond-guard", false), "{found:?}");
    assert_ne!(found.session, i32::try_from(agent.pid()).unwrap(), "{found:?}");
    assert_refused(&owned, &found, "runs inside slot one");
    agent.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn s8b_a_tag_alone_is_enough_to_be_refused() {
    let owned = Owned::new();
    let workplace = connect(&owned.project, None);
    let (program, arguments) = workplace.command();
    // No guardian anywhere: as if the agent had killed it.
    let mut worker = std::process::Command::new(program)
        .args(arguments)
        .current_dir(workplace.path())
        .env("MISSIOND_SESSION", "some:slot")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let found = workplace.found().await;
    worker.wait().unwrap();
    assert_refused(&owned, &found, "carries the session tag `some:slot`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_for_its_own_slot_alone() {
    let owned = Owned::new();
    let gate_of = |name: &str| {
        let (handler, authority) = (Arc::clone(&owned.handler), Arc::clone(&owned.authority));
        GateServer::bind(&owned.lock, slot(name), handler, authority, ServerOptions::default()).unwrap()
    };
    let (one, two) = (gate_of("one"), gate_of("two"));
    let ask_one = || Workplace::new(&Job::Ask { gate: one.path().to_owned() });

    // From within: with a registered guardian, and by its tag alone while that is not registered yet.
    for (tagged, register) in [(true, true), (false, true), (true, false)] {
        let workplace = ask_one();
        // The shell waits for a line, so that the registration comes first.
        let (program, arguments) = workplace.command();
        let mut spec = SpawnSpec::new("/bin/sh", workplace.path())
            .args(["-c", "read go; exec \"$@\"", "sh"])
            .arg(program)
            .args(arguments);
        spec.env = Environment::inherit_basics();
        spec.stdin = missiond_process::Input::Piped;
        spec.tag = tagged.then(|| owned.project.paths.session_tag(&slot("one")));
        let agent = spec.spawn().unwrap();
        let registered =
            register.then(|| owned.sessions.register(slot("one"), agent.guardian_pid()).unwrap());
        // The end of the input ends the `read`, too.
        drop(agent.take_stdin());
        let found = workplace.found().await;
        agent.wait().await.unwrap();
        drop(registered);
        assert!(found.accepted, "tagged {tagged}, registered {register}: {found:?}");
        assert_eq!(found.answer, "Bash in one");
    }
    assert_eq!(*owned.handler.refusals.lock().unwrap(), []);

    // From another slot, even with the tag of this one.
    let workplace = Workplace::new(&Job::Ask { gate: two.path().to_owned() });
    let agent = in_slot(&owned, &workplace, "one", true);
    let registered = owned.sessions.register(slot("one"), agent.guardian_pid()).unwrap();
    let found = workplace.found().await;
    agent.wait().await.unwrap();
    drop(registered);
    assert_refused(&owned, &found, "slot two");

    // From outside.
    let workplace = ask_one();
    let mut worker = workplace.start();
    let found = workplace.found().await;
    worker.wait().unwrap();
    assert!(!found.accepted && found.answer.contains("does not run inside slot one"), "{found:?}");
}
