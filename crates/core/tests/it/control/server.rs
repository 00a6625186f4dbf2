//! Calls: many at a time, given up half-way, and at the end of the server.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use missiond_core::control::{
    Authority, BindError, Client, ClientError, ClientErrorKind, ClientOptions, ControlHandler, ControlServer,
    ErrorKind, EventStream, GateHandler, GateServer, OwnerLock, ProjectPaths, Request, Response,
    ServerOptions, Sessions,
};
use missiond_core::{NewTask, Recipient, TaskId};

use super::support::{Handler, Log, Owned, PATIENCE, Project, until};

#[test]
fn c4_everything_can_be_shared_and_moved_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug + ?Sized>() {}
    fn movable<T: Send>(_: T) {}
    shared::<ControlServer>();
    shared::<GateServer>();
    shared::<Client>();
    shared::<EventStream>();
    shared::<Authority>();
    shared::<Sessions>();
    shared::<OwnerLock>();
    shared::<ProjectPaths>();
    shared::<dyn ControlHandler>();
    shared::<dyn GateHandler>();
    let futures =
        |client: &'static Client, events: &'static mut EventStream, paths: &'static ProjectPaths| {
            movable(client.call(Request::Status));
            movable(client.events(missiond_core::Seq(0), true));
            movable(events.next());
            movable(Client::connect(paths));
        };
    let server = |server: ControlServer| movable(server.shutdown());
    let _ = (futures, server);
}

fn wait() -> Request {
    Request::Wait { id: TaskId::generate() }
}

/// A call that the handler works on until it is released, and that does not end with its caller.
fn slow() -> Request {
    Request::StopSlot { slot: "one".parse().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_are_served_at_a_time() {
    let owned = Owned::new();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let client = owned.client().await;
        clients.spawn(async move {
            for _ in 0..5 {
                assert!(matches!(client.call(Request::Status).await, Ok(Response::Status(_))));
            }
            // Stays connected until all have been served.
            client
        });
    }
    assert_eq!(clients.join_all().await.len(), 200);
    assert_eq!(owned.handler.finished.load(SeqCst), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_client_do_not_wait_for_each_other() {
    let owned = Owned::new();
    let client = Arc::new(owned.client().await);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.call(wait()).await }
    });
    until("the wait has begun", || owned.handler.begun.load(SeqCst) == 1).await;
    client.call(Request::Status).await.unwrap();
    let error =
        client.call(Request::Submit { request: Box::new(NewTask::new("no such role")) }).await.unwrap_err();
    assert_eq!(error.to_string(), "no such role");
    assert_eq!(error.kind(), ClientErrorKind::Reply(ErrorKind::Invalid));
    owned.handler.released.notify_one();
    assert!(matches!(waiting.await.unwrap(), Ok(Response::Done)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_with_its_caller_and_nothing_else_does() {
    let owned = Owned::new();
    let client = owned.client().await;
    let handler = &owned.handler;
    let begun = |count| until("the call has begun", move || handler.begun.load(SeqCst) == count);
    tokio::select! {
        answer = client.call(wait()) => panic!("{answer:?}"),
        () = begun(1) => {}
    }
    until("the wait was dropped", || owned.handler.dropped.load(SeqCst) == 1).await;

    tokio::select! {
        answer = client.call(slow()) => panic!("{answer:?}"),
        () = begun(2) => {}
    }
    // The client can be used on, while the mission still works on the call.
    client.call(Request::Status).await.unwrap();
    owned.handler.released.notify_one();
    until("the call was carried out", || owned.handler.finished.load(SeqCst) == 2).await;
    assert_eq!(owned.handler.dropped.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_only_silence_counts_against_a_long_wait() {
    let mut options = ServerOptions::default();
    options.alive = Duration::from_millis(20);
    options.call = Duration::from_millis(2500);
    let owned = Owned::with(options);
    let mut limits = ClientOptions::default();
    limits.silence = Duration::from_secs(1);
    let client = Arc::new(owned.client_with(limits).await);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.call(wait()).await }
    });
    // A call that is not open-ended takes its 2.5 s and fails; the wait goes on beyond that.
    let error = client.call(slow()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Reply(ErrorKind::Unavailable), "{error}");
    assert!(error.to_string().contains("did not answer within"), "{error}");
    assert!(!waiting.is_finished());
    owned.handler.released.notify_waiters();
    assert!(matches!(waiting.await.unwrap(), Ok(Response::Done)));

    // A server that gives no sign of life.
    let mut mute = ServerOptions::default();
    mute.alive = PATIENCE * 2;
    let owned = Owned::with(mute);
    let mut limits = ClientOptions::default();
    limits.silence = Duration::from_secs(1);
    let error = owned.client_with(limits).await.call(wait()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TimedOut, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_a_handler_that_panics_costs_its_connection_only() {
    let mut options = ServerOptions::default();
    options.max_connections = 1;
    let owned = Owned::with(options);
    for _ in 0..3 {
        let client = loop {
            // The one place is free again as soon as the failed connection is gone.
            match Client::connect(&owned.project.paths).await {
                Ok(client) => break client.unwrap(),
                Err(error) => {
                    assert_eq!(error.kind(), ClientErrorKind::Reply(ErrorKind::Unavailable), "{error}");
                }
            }
        };
        let error = client.call(Request::Messages { limit: 1 }).await.unwrap_err();
        assert!(matches!(error, ClientError::Lost { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_an_answer_over_the_limit_is_an_error_that_says_so() {
    let owned = Owned::new();
    let client = owned.client().await;
    let request = Request::SendMessage { to: Recipient::Person, text: "x".repeat(64) };
    let error = client.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Reply(ErrorKind::Invalid));
    assert!(error.to_string().contains("ask for less"), "{error}");
    client.call(Request::Status).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_answers_whoever_waits() {
    let mut options = ServerOptions::default();
    options.grace = PATIENCE;
    let owned = Owned::with(options);
    let client = Arc::new(owned.client().await);
    let calls: Vec<_> = [wait(), slow()]
        .into_iter()
        .map(|request| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.call(request).await })
        })
        .collect();
    until("both calls have begun", || owned.handler.begun.load(SeqCst) == 2).await;
    let socket = owned.server.path().to_owned();
    let ending = tokio::spawn(owned.server.shutdown());
    until("the wait was dropped", || owned.handler.dropped.load(SeqCst) == 1).await;
    assert!(!ending.is_finished(), "a call is still being worked on");
    owned.handler.released.notify_one();
    ending.await.unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Reply(ErrorKind::Unavailable), "{error}");
    assert!(matches!(answers[1], Ok(Response::Done)), "{:?}", answers[1]);
    assert!(!socket.exists());
    drop(owned.lock);
    assert!(Client::connect(&owned.project.paths).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_dropped_leaves_nothing() {
    let owned = Owned::new();
    let client = Arc::new(owned.client().await);
    let call = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.call(slow()).await }
    });
    until("the call has begun", || owned.handler.begun.load(SeqCst) == 1).await;
    let socket = owned.server.path().to_owned();
    drop(owned.server);
    assert!(!socket.exists());
    assert!(matches!(call.await.unwrap(), Err(ClientError::Lost { .. })));
    until("the call's future is gone", || owned.handler.dropped.load(SeqCst) == 1).await;
    assert_eq!(Arc::strong_count(&owned.handler), 1, "a task still holds the handler");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_on_which_somebody_answers_is_not_taken() {
    let project = Project::new();
    let lock = project.lock();
    let bind = || {
        let authority = Authority::new(Sessions::new(project.paths.session_scope())).unwrap();
        ControlServer::bind(
            &lock,
            Arc::new(Handler::default()),
            Log::new(),
            authority,
            ServerOptions::default(),
        )
    };
    let socket = project.paths.control_socket();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(matches!(bind(), Err(BindError::InUse { path }) if path == socket));
    drop(listener);
    assert!(socket.exists(), "what a dead owner leaves");
    drop(bind().unwrap());
    std::fs::write(&socket, "precious").unwrap();
    assert!(matches!(bind(), Err(BindError::NotASocket { path }) if path == socket));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let project = Project::new();
    let authority = Authority::new(Sessions::new("scope")).unwrap();
    let handler = Arc::new(Handler::default());
    let bound =
        ControlServer::bind(&project.lock(), handler, Log::new(), authority, ServerOptions::default());
    assert!(matches!(bound, Err(BindError::NoRuntime { .. })));
}
