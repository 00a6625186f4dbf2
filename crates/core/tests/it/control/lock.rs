//! One owner at a time, whatever end the one before came to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use missiond_core::control::{Client, OwnerLock, Ownership, Request};

use super::support::{PATIENCE, Project, chain};
use super::worker::{Job, Workplace};

#[test]
fn the_second_owner_is_told_who_the_first_is() {
    let project = Project::new();
    assert_eq!(OwnerLock::ownership(&project.paths).unwrap(), Ownership::Free);
    let lock = OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap();
    let began = Instant::now();
    let error = OwnerLock::acquire(&project.paths, Duration::from_millis(300)).unwrap_err();
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < PATIENCE);
    let expected = format!(
        "project {} is owned by pid {} (missiond {}), since {:.0}; use it through its socket or stop it with `missiond down`",
        project.paths.root().display(),
        std::process::id(),
        env!("CARGO_PKG_VERSION"),
        lock.holder().since,
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(
        OwnerLock::ownership(&project.paths).unwrap(),
        Ownership::Held(Some(Box::new(lock.holder().clone())))
    );
    drop(lock);
    assert_eq!(OwnerLock::ownership(&project.paths).unwrap(), Ownership::Free);
    OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap();
}

#[test]
fn a_lock_file_that_is_a_link_is_not_written_through() {
    let project = Project::new();
    project.paths.prepare().unwrap();
    let victim = project.directory.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, project.paths.owner_lock()).unwrap();
    let error = OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap_err();
    assert!(chain(&error).contains("owner.lock"), "{error}");
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn only_one_of_many_gets_it() {
    let project = Project::new();
    let paths = &project.paths;
    let acquired = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| OwnerLock::acquire(paths, Duration::from_millis(300)).ok()))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(acquired.len(), 1);
}

#[test]
fn directory_of_the_sockets_goes_with_its_owner() {
    let project = Project::new();
    let directory = project.paths.runtime_dir();
    let lock = OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap();
    assert!(directory.join("project").exists());
    // As a killed owner leaves them.
    let stale = [project.paths.control_socket(), project.paths.gate_socket(&"gone".parse().unwrap())];
    for socket in &stale {
        drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
    }
    drop(lock);
    assert_eq!(std::fs::read_dir(project.base().join("missiond")).unwrap().count(), 0);

    // What is not ours stays, and the next owner finds its way.
    let lock = OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap();
    let note = directory.join("note");
    std::fs::write(&note, "a person's").unwrap();
    drop(lock);
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "a person's");
    let lock = OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap();
    std::fs::remove_file(note).unwrap();
    // Whoever lost the lock file has lost the directory to the next owner.
    std::fs::remove_file(project.paths.owner_lock()).unwrap();
    let next = OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap();
    drop(lock);
    assert!(directory.join("project").exists());
    drop(next);
    assert!(!directory.exists());
}

#[test]
fn owner_that_ends_takes_nothing_from_one_that_begins() {
    let project = Project::new();
    let paths = &project.paths;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let lock = OwnerLock::acquire(paths, PATIENCE).unwrap();
                    let socket = paths.control_socket();
                    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
                    assert_eq!(
                        std::fs::read(paths.runtime_dir().join("project")).unwrap(),
                        paths.root().as_os_str().as_encoded_bytes()
                    );
                    std::thread::yield_now();
                    assert!(socket.exists(), "somebody took the directory of an owner");
                    drop((listener, lock));
                }
            });
        }
    });
    assert!(!paths.runtime_dir().exists());
    assert_eq!(OwnerLock::ownership(paths).unwrap(), Ownership::Free);
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_after_kill_9_the_next_owner_takes_over() {
    let project = Project::new();
    for _ in 0..3 {
        let workplace = Workplace::new(&Job::Own { root: project.root(), base: project.base() });
        let mut owner = workplace.start();
        workplace.found().await;
        let client = Client::connect(&project.paths).await.unwrap().expect("the worker owns the project");
        client.call(Request::Status).await.unwrap();
        owner.kill().unwrap();
        owner.wait().unwrap();

        // Its socket is still there, its lock is not.
        assert!(project.paths.control_socket().exists());
        let error = client.call(Request::Status).await.unwrap_err();
        assert!(error.to_string().contains("has ended"), "{error}");
        assert!(Client::connect(&project.paths).await.unwrap().is_none());
    }
    let lock = Arc::new(OwnerLock::acquire(&project.paths, Duration::ZERO).unwrap());
    let sessions = missiond_core::control::Sessions::new(project.paths.session_scope());
    let authority = missiond_core::control::Authority::new(sessions).unwrap();
    let server = missiond_core::control::ControlServer::bind(
        &lock,
        Arc::new(super::support::Handler::default()),
        super::support::Log::new(),
        authority,
        missiond_core::control::ServerOptions::default(),
    )
    .unwrap();
    let client = Client::connect(&project.paths).await.unwrap().expect("we own the project");
    client.call(Request::Status).await.unwrap();
    server.shutdown().await;
    assert!(!project.paths.control_socket().exists());
    drop(lock);
    assert!(!project.paths.runtime_dir().exists());
}
