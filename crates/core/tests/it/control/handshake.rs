//! The first words on a connection, and peers that don't keep to the form.

use std::sync::Arc;
use std::time::Duration;

use missiond_core::control::wire::{Frame, Hello, PROTOCOL, decode, encode};
use missiond_core::control::{
    Client, ClientErrorKind, ClientOptions, ErrorKind, ErrorReply, Response, ServerOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::support::{Owned, PATIENCE, Project, chain};

/// A peer that says what it likes.
struct Raw(UnixStream);

impl Raw {
    async fn connect(owned: &Owned) -> Self {
        Self(UnixStream::connect(owned.server.path()).await.unwrap())
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn greet(&mut self) {
        self.send(&encode(&Hello::ours(), 4096).unwrap()).await;
        assert_eq!(self.receive().await, Some(Frame::Welcome(Hello::ours())));
    }

    /// The next frame; `None` at the end.
    async fn receive(&mut self) -> Option<Frame<Response>> {
        let read = async {
            let length = self.0.read_u32().await.ok()?;
            let mut frame = vec![0; length as usize];
            self.0.read_exact(&mut frame).await.ok()?;
            Some(decode(&frame).unwrap())
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the server neither answers nor closes")
    }
}

fn other_protocol() -> Hello {
    Hello { protocol: PROTOCOL + 1, version: "9.9.9".to_owned() }
}

#[tokio::test]
async fn a_client_of_another_protocol_learns_the_owners_version() {
    let owned = Owned::new();
    let mut raw = Raw::connect(&owned).await;
    raw.send(&encode(&other_protocol(), 4096).unwrap()).await;
    assert_eq!(raw.receive().await, Some(Frame::Welcome(Hello::ours())));
    assert_eq!(raw.receive().await, None);
}

#[tokio::test]
async fn an_owner_of_another_protocol_is_named_with_the_remedy() {
    let project = Project::new();
    let _lock = project.lock();
    let listener = UnixListener::bind(project.paths.control_socket()).unwrap();
    let owner = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(&encode(&Frame::<Response>::Welcome(other_protocol()), 4096).unwrap())
            .await
            .unwrap();
        stream
    });
    let error = Client::connect(&project.paths).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Version);
    let text = chain(&error);
    let ours = format!("this is missiond {} (protocol {PROTOCOL})", env!("CARGO_PKG_VERSION"));
    for part in [ours.as_str(), &format!("missiond 9.9.9 (protocol {})", PROTOCOL + 1), "missiond down"] {
        assert!(text.contains(part), "{text}");
    }
    drop(owner.await.unwrap());
}

#[tokio::test]
async fn d10_a_frame_over_the_limit_is_answered() {
    let owned = Owned::new();
    let is_refusal = |frame: Option<Frame<Response>>| {
        assert!(matches!(&frame, Some(Frame::Error(reply)) if reply.kind == ErrorKind::Invalid), "{frame:?}");
    };
    let mut before_hello = Raw::connect(&owned).await;
    before_hello.send(&5000_u32.to_be_bytes()).await;
    is_refusal(before_hello.receive().await);
    assert_eq!(before_hello.receive().await, None);

    let mut after = Raw::connect(&owned).await;
    after.greet().await;
    after.send(&u32::MAX.to_be_bytes()).await;
    is_refusal(after.receive().await);
    assert_eq!(after.receive().await, None);

    let mut nonsense = Raw::connect(&owned).await;
    nonsense.greet().await;
    nonsense.send(&encode(&serde_json::json!({"type": "make_me_root"}), 4096).unwrap()).await;
    is_refusal(nonsense.receive().await);
    assert_eq!(nonsense.receive().await, None);
}

#[tokio::test]
async fn d3_who_does_not_send_is_not_waited_for() {
    let mut options = ServerOptions::default();
    options.handshake = Duration::from_secs(1);
    options.read = Duration::from_millis(100);
    options.idle = Duration::from_secs(1);
    let owned = Owned::with(options);

    let mut silent = Raw::connect(&owned).await;
    let mut half_a_hello = Raw::connect(&owned).await;
    half_a_hello.send(&[0, 0]).await;
    let mut half_a_request = Raw::connect(&owned).await;
    half_a_request.greet().await;
    half_a_request.send(&[0, 0, 0, 9, b'{']).await;
    let mut idle = Raw::connect(&owned).await;
    idle.greet().await;
    for raw in [&mut silent, &mut half_a_hello, &mut half_a_request, &mut idle] {
        assert_eq!(raw.receive().await, None);
    }
}

#[tokio::test]
async fn c7_an_owner_that_hangs_is_not_waited_for() {
    let mut options = ClientOptions::default();
    options.connect = Duration::from_millis(200);
    let project = Project::new();
    assert!(Client::connect(&project.paths).await.unwrap().is_none(), "nobody owns it");

    let lock = project.lock();
    let error = Client::connect_with(&project.paths, options.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TimedOut);
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");

    // It listens and never accepts.
    let listener = UnixListener::bind(project.paths.control_socket()).unwrap();
    let error = Client::connect_with(&project.paths, options.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TimedOut);
    assert!(error.to_string().contains("gave no answer"), "{error}");

    // And the owner that comes back after a moment is found.
    drop(listener);
    std::fs::remove_file(project.paths.control_socket()).unwrap();
    options.connect = PATIENCE;
    let paths = project.paths.clone();
    let waiting = tokio::spawn(async move { Client::connect_with(&paths, options).await });
    tokio::task::yield_now().await;
    let sessions = missiond_core::control::Sessions::new(project.paths.session_scope());
    let _server = missiond_core::control::ControlServer::bind(
        &lock,
        Arc::new(super::support::Handler::default()),
        super::support::Log::new(),
        missiond_core::control::Authority::new(sessions).unwrap(),
        ServerOptions::default(),
    )
    .unwrap();
    assert!(waiting.await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn an_owner_with_another_runtime_directory_is_found_by_its_lock_file() {
    let owned = Owned::new();
    let elsewhere = owned.project.directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let paths =
        missiond_core::control::ProjectPaths::with_runtime_base(owned.project.root(), elsewhere).unwrap();
    assert_ne!(paths.control_socket(), owned.project.paths.control_socket());
    assert!(Client::connect(&paths).await.unwrap().is_some());
}

#[tokio::test]
async fn d10_one_connection_too_many_is_told_so() {
    let mut options = ServerOptions::default();
    options.max_connections = 2;
    let owned = Owned::with(options);
    let (mut first, mut second) = (Raw::connect(&owned).await, Raw::connect(&owned).await);
    first.greet().await;
    second.greet().await;
    let error = Client::connect(&owned.project.paths).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Reply(ErrorKind::Unavailable));
    assert!(chain(&error).contains("2 connections"), "{}", chain(&error));
    drop(first);
    let deadline = std::time::Instant::now() + PATIENCE;
    while Client::connect(&owned.project.paths).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the room of a closed connection is not given back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_reply_is_an_error_with_its_own_words() {
    let reply = ErrorReply::new(ErrorKind::NotFound, "there is no task 1");
    assert_eq!(reply.to_string(), "there is no task 1");
}
