//! A project with an owner in this process.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use missiond_core::control::{
    Authority, Caller, Client, ClientOptions, ControlHandler, ControlServer, ErrorKind, ErrorReply,
    GateHandler, GateRequest, GateResponse, MissionStatus, OwnerLock, ProjectPaths, Request, Response,
    ServerOptions, Sessions,
};
use missiond_core::ports::{
    Applied, ApprovalFilter, BoxFuture, Change, Store, StoreError, StoreErrorKind, TaskFilter,
};
use missiond_core::{
    Approval, Decision, Event, EventBody, Message, Seq, Slot, SlotId, Task, TaskId, Verdict,
};
use tokio::sync::{Notify, watch};

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A scratch project and the base of its runtime directory.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) directory: tempfile::TempDir,
    pub(super) paths: ProjectPaths,
}

impl Project {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("root")).unwrap();
        std::fs::create_dir(directory.path().join("run")).unwrap();
        let paths =
            ProjectPaths::with_runtime_base(directory.path().join("root"), directory.path().join("run"))
                .unwrap();
        Self { directory, paths }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(super) fn base(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    pub(super) fn lock(&self) -> Arc<OwnerLock> {
        Arc::new(OwnerLock::acquire(&self.paths, Duration::ZERO).unwrap())
    }
}

/// A project that this process owns, with its control server.
pub(super) struct Owned {
    pub(super) project: Project,
    pub(super) lock: Arc<OwnerLock>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) authority: Arc<Authority>,
    pub(super) handler: Arc<Handler>,
    pub(super) log: Arc<Log>,
    pub(super) server: ControlServer,
}

impl Owned {
    pub(super) fn new() -> Self {
        Self::with(ServerOptions::default())
    }

    pub(super) fn with(options: ServerOptions) -> Self {
        let project = Project::new();
        let lock = project.lock();
        let sessions = Sessions::new(project.paths.session_scope());
        let authority = Authority::new(Arc::clone(&sessions)).unwrap();
        let handler = Arc::new(Handler::default());
        let log = Log::new();
        let server =
            ControlServer::bind(&lock, handler.clone(), log.clone(), Arc::clone(&authority), options)
                .unwrap();
        Self { project, lock, sessions, authority, handler, log, server }
    }

    pub(super) async fn client(&self) -> Client {
        self.client_with(ClientOptions::default()).await
    }

    pub(super) async fn client_with(&self, options: ClientOptions) -> Client {
        Client::connect_with(&self.project.paths, options).await.unwrap().expect("the project has an owner")
    }
}

/// What the handler noticed, and what makes it go on.
#[derive(Debug, Default)]
pub(super) struct Handler {
    pub(super) refusals: Mutex<Vec<(u32, String)>>,
    pub(super) begun: AtomicUsize,
    pub(super) dropped: Arc<AtomicUsize>,
    pub(super) finished: AtomicUsize,
    pub(super) released: Notify,
}

impl ControlHandler for Handler {
    fn handle(&self, _caller: Caller, request: Request) -> BoxFuture<'_, Result<Response, ErrorReply>> {
        Box::pin(async move {
            let mut guard = CountDrop::new(&self.dropped);
            self.begun.fetch_add(1, Ordering::SeqCst);
            let answer = match request {
                Request::Status => {
                    Ok(Response::Status(Box::new(MissionStatus::new("/project", Timestamp::UNIX_EPOCH))))
                }
                // Both take until the test says so; only the first one ends with its caller.
                Request::Wait { .. } | Request::StopSlot { .. } => {
                    self.released.notified().await;
                    Ok(Response::Done)
                }
                Request::Messages { .. } => panic!("the handler of this test fails on purpose"),
                Request::Submit { request } => Err(ErrorReply::new(ErrorKind::Invalid, request.prompt)),
                Request::SendMessage { text, .. } => {
                    let text = text.repeat(1024);
                    let note = |_| {
                        Message::new(
                            None,
                            missiond_core::Recipient::Person,
                            text.as_str(),
                            Timestamp::UNIX_EPOCH,
                        )
                    };
                    Ok(Response::Messages((0..1024).map(note).collect()))
                }
                other => Err(ErrorReply::new(ErrorKind::Internal, format!("not in this test: {other:?}"))),
            };
            guard.disarm();
            self.finished.fetch_add(1, Ordering::SeqCst);
            answer
        })
    }

    fn refused(&self, pid: u32, reason: &str) {
        self.refusals.lock().unwrap().push((pid, reason.to_owned()));
    }
}

impl GateHandler for Handler {
    fn handle(&self, slot: &SlotId, _caller: Caller, request: GateRequest) -> BoxFuture<'_, GateResponse> {
        let slot = slot.clone();
        Box::pin(async move {
            let mut guard = CountDrop::new(&self.dropped);
            self.begun.fetch_add(1, Ordering::SeqCst);
            let answer = match request {
                GateRequest::Judge { call, .. } if call.tool == "Held" => {
                    self.released.notified().await;
                    GateResponse::Verdict(Verdict::deny("released"))
                }
                GateRequest::Judge { call, .. } => GateResponse::Verdict(Verdict::new(
                    Decision::Allow,
                    None,
                    format!("{} in {slot}", call.tool),
                )),
                _ => GateResponse::Ok,
            };
            guard.disarm();
            self.finished.fetch_add(1, Ordering::SeqCst);
            answer
        })
    }

    fn refused(&self, slot: &SlotId, pid: u32, reason: &str) {
        self.refusals.lock().unwrap().push((pid, format!("{slot}: {reason}")));
    }
}

/// Counts futures that were dropped before their end.
struct CountDrop(Option<Arc<AtomicUsize>>);

impl CountDrop {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        Self(Some(Arc::clone(count)))
    }

    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for CountDrop {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// An event log in memory: the one part of a store that the server uses.
#[derive(Debug)]
pub(super) struct Log {
    events: Mutex<VecDeque<Event>>,
    newest: watch::Sender<Seq>,
}

impl Log {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { events: Mutex::default(), newest: watch::Sender::new(Seq(0)) })
    }

    pub(super) fn write(&self, texts: impl IntoIterator<Item = String>) {
        let mut events = self.events.lock().unwrap();
        for text in texts {
            let seq = Seq(events.len() as u64 + 1);
            events.push_back(Event::new(seq, Timestamp::UNIX_EPOCH, None, None, EventBody::Warning { text }));
        }
        self.newest.send_replace(Seq(events.len() as u64));
    }
}

fn not_here<T>() -> Result<T, StoreError> {
    Err(StoreError::new(StoreErrorKind::Invalid, "this log keeps events only"))
}

impl Store for Log {
    fn apply(&self, _: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        Box::pin(async { not_here() })
    }

    fn task(&self, _: TaskId) -> BoxFuture<'_, Result<Task, StoreError>> {
        Box::pin(async { not_here() })
    }

    fn tasks(&self, _: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        Box::pin(async { not_here() })
    }

    fn slots(&self) -> BoxFuture<'_, Result<Vec<Slot>, StoreError>> {
        Box::pin(async { not_here() })
    }

    fn approvals(&self, _: ApprovalFilter) -> BoxFuture<'_, Result<Vec<Approval>, StoreError>> {
        Box::pin(async { not_here() })
    }

    fn messages(&self, _: usize) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        Box::pin(async { not_here() })
    }

    fn events(&self, since: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        Box::pin(async move {
            let events = self.events.lock().unwrap();
            Ok(events.iter().skip(since.0 as usize).take(limit).cloned().collect())
        })
    }

    fn newest(&self) -> watch::Receiver<Seq> {
        self.newest.subscribe()
    }
}

/// Waits on a condition, with a deadline.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The whole chain of an error.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
