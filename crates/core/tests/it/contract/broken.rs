//! A suite that cannot fail proves nothing: implementations that break one guarantee each are caught, by its name.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use missiond_core::adapters::{GitWorkspaces, PolicyGate};
use missiond_core::contract;
use missiond_core::headless::HeadlessDriver;
use missiond_core::ports::{
    Agent, AgentStart, Audit, AuditEntry, AuditError, BoxFuture, Clock, Committed, Contained, Containment,
    ContainmentError, Driver, DriverError, Gate, GateError, MergeOutcome, NoContainment, Retired, Seat,
    SystemClock, TurnControl, TurnError, TurnEvent, TurnOutcome, TurnSink, WorkspaceRequest, Workspaces,
    WorkspacesError,
};
use missiond_core::{Decision, DriverKind, ToolCall, Verdict, WorkspaceRecord};
use missiond_process::SpawnSpec;
use tokio::sync::Notify;

use super::{driver, gate_and_seat, place};

/// Runs a suite that has to fail, and wants the broken guarantee in its panic.
pub(super) async fn caught(suite: impl Future<Output = ()> + Send + 'static, guarantee: &str) {
    let Err(error) = tokio::spawn(suite).await else { panic!("nothing was caught: {guarantee}") };
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    assert!(text.unwrap().contains(guarantee), "{text:?} does not name: {guarantee}");
}

/// A clock that does not wait.
#[derive(Debug)]
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn a_hasty_clock() {
    let suite = async {
        contract::clock::check(Arc::new(Hasty), |time| Box::pin(tokio::time::sleep(time))).await;
    };
    caught(suite, "a sleep must not end at once").await;
}

/// An audit that keeps everything as it is, or nothing at all.
#[derive(Debug, Default)]
struct Indiscreet {
    kept: std::sync::Mutex<Vec<String>>,
    keeps: bool,
}

impl Audit for Indiscreet {
    fn record<'a>(&'a self, entry: &'a AuditEntry) -> BoxFuture<'a, Result<(), AuditError>> {
        if self.keeps {
            self.kept.lock().unwrap().push(entry.call.argument());
        }
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn an_indiscreet_audit() {
    for (keeps, guarantee) in
        [(false, "each verdict that is on record must be there"), (true, "no secret may be on record")]
    {
        let audit = Arc::new(Indiscreet { kept: std::sync::Mutex::default(), keeps });
        let there = audit.clone();
        let suite = async move {
            contract::audit::check(audit, move || there.kept.lock().unwrap().clone()).await;
        };
        caught(suite, guarantee).await;
    }
}

/// A containment that forgets one thing.
#[derive(Debug)]
enum Forgetful {
    Environment,
    Tag,
    Workspace,
}

impl Containment for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }

    fn contain(&self, mut spec: SpawnSpec, workspace: &Path) -> Result<Contained, ContainmentError> {
        match self {
            Self::Environment => spec.env = missiond_process::Environment::inherit_basics(),
            Self::Tag => spec.tag = None,
            Self::Workspace => spec.cwd = workspace.parent().unwrap().to_owned(),
        }
        NoContainment.contain(spec, workspace)
    }
}

#[tokio::test]
async fn a_forgetful_containment() {
    for (containment, guarantee) in [
        (Forgetful::Environment, "arguments, environment, directory and output"),
        (Forgetful::Tag, "the session tag must be kept"),
        (Forgetful::Workspace, "arguments, environment, directory and output"),
    ] {
        let suite = async {
            let scratch = tempfile::tempdir().unwrap();
            let workspace = scratch.path().join("workspace");
            std::fs::create_dir(&workspace).unwrap();
            contract::containment::check(Arc::new(containment), &workspace).await;
        };
        caught(suite, guarantee).await;
    }
}

/// A gate with moods, or one that asks where nobody can be asked.
#[derive(Debug)]
struct Moody {
    gate: PolicyGate,
    calls: AtomicUsize,
    always_asks: bool,
}

impl Gate for Moody {
    fn judge<'a>(&'a self, call: &'a ToolCall, seat: &'a Seat) -> BoxFuture<'a, Result<Verdict, GateError>> {
        Box::pin(async move {
            if self.always_asks {
                return Ok(Verdict::new(Decision::Ask, None, "always"));
            }
            let number = self.calls.fetch_add(1, Ordering::SeqCst);
            if number == 20 { Ok(Verdict::deny("a mood")) } else { self.gate.judge(call, seat).await }
        })
    }
}

#[tokio::test]
async fn a_moody_gate() {
    for (always_asks, guarantee) in
        [(false, "the same call must get the same verdict"), (true, "`ask` must be `deny`")]
    {
        let suite = async move {
            let (_repo, gate, seat) = gate_and_seat();
            let gate = Moody { gate, calls: AtomicUsize::new(0), always_asks };
            contract::gate::check(Arc::new(gate), seat).await;
        };
        caught(suite, guarantee).await;
    }
}

/// Workspaces that lose what is not committed, or commit what is not theirs to say.
#[derive(Debug)]
struct Careless {
    git: GitWorkspaces,
    fault: Fault,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    LosesWork,
    ForgetsTheBase,
    RefusesTwice,
    KnowsNamesOnly,
}

impl Workspaces for Careless {
    fn create(&self, request: WorkspaceRequest) -> BoxFuture<'_, Result<WorkspaceRecord, WorkspacesError>> {
        Box::pin(async move {
            let mut record = self.git.create(request).await?;
            if matches!(self.fault, Fault::ForgetsTheBase) {
                record.base.clear();
            }
            Ok(record)
        })
    }

    fn commit<'a>(
        &'a self,
        workspace: &'a WorkspaceRecord,
        message: &'a str,
    ) -> BoxFuture<'a, Result<Option<Committed>, WorkspacesError>> {
        self.git.commit(workspace, message)
    }

    fn retire<'a>(
        &'a self,
        workspace: &'a WorkspaceRecord,
    ) -> BoxFuture<'a, Result<Retired, WorkspacesError>> {
        Box::pin(async move {
            let there = workspace.path.exists();
            let mut workspace = workspace.clone();
            if matches!(self.fault, Fault::KnowsNamesOnly) {
                workspace.made_at = None;
            }
            let retired = self.git.retire(&workspace).await?;
            match self.fault {
                Fault::LosesWork => Ok(Retired::default()),
                Fault::RefusesTwice if !there => {
                    // What an implementation would say that forgets what it has retired.
                    self.git.diff("no-such-branch", &workspace.base).await.map(|_| retired)
                }
                _ => Ok(retired),
            }
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<WorkspaceRecord>, WorkspacesError>> {
        self.git.list()
    }

    fn recover(&self) -> BoxFuture<'_, Result<Vec<String>, WorkspacesError>> {
        self.git.recover()
    }

    fn diff<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<String, WorkspacesError>> {
        self.git.diff(branch, base)
    }

    fn merge<'a>(
        &'a self,
        branch: &'a str,
        message: &'a str,
    ) -> BoxFuture<'a, Result<MergeOutcome, WorkspacesError>> {
        self.git.merge(branch, message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn careless_workspaces() {
    for (fault, guarantee) in [
        (Fault::LosesWork, "work that is not committed must be kept"),
        (Fault::ForgetsTheBase, "a workspace must know where its branch began"),
        (Fault::RefusesTwice, "retiring what is gone must be no error"),
        (Fault::KnowsNamesOnly, "a record of what is gone must not retire what came later"),
    ] {
        let suite = contract::workspaces::check(move || {
            Box::pin(async move { place(|git| Arc::new(Careless { git, fault })) })
        });
        caught(suite, guarantee).await;
    }
}

/// A driver that keeps something to itself.
#[derive(Debug)]
struct Secretive(Secret);

#[derive(Clone, Copy, Debug)]
enum Secret {
    /// It does not tell of its process.
    Process,
    /// It does not heed the sink.
    Stop,
    /// It heeds the sink, and lets the agent go on.
    Agent,
    /// It calls every failure a success.
    Failure,
    /// It does not tell of tool calls.
    Call,
    /// It does not tell of their ends.
    End,
    /// It does not tell what they gave back.
    Content,
}

impl Driver for Secretive {
    fn kind(&self) -> DriverKind {
        DriverKind::Headless
    }

    fn start(&self, start: AgentStart) -> BoxFuture<'_, Result<Box<dyn Agent>, DriverError>> {
        Box::pin(async move {
            let agent = HeadlessDriver.start(start).await?;
            Ok(Box::new(SecretiveAgent { agent, secret: self.0 }) as Box<dyn Agent>)
        })
    }
}

#[derive(Debug)]
struct SecretiveAgent {
    agent: Box<dyn Agent>,
    secret: Secret,
}

impl Agent for SecretiveAgent {
    fn turn<'a>(
        &'a mut self,
        prompt: &'a str,
        sink: &'a dyn TurnSink,
    ) -> BoxFuture<'a, Result<TurnOutcome, TurnError>> {
        Box::pin(async move {
            let secret = self.secret;
            let whisper = Whisper { sink, secret, stopped: Notify::new() };
            let turn = tokio::select! {
                turn = self.agent.turn(prompt, &whisper) => turn,
                () = whisper.stopped.notified() => {
                    return Err(TurnError::Other("called off by the test".to_owned()));
                }
            };
            match (secret, turn) {
                (Secret::Failure, Err(_)) => Ok(TurnOutcome::default()),
                (Secret::Stop, Err(TurnError::Other(_))) => Err(TurnError::Cancelled),
                (_, turn) => turn,
            }
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), DriverError>> {
        self.agent.stop()
    }
}

#[derive(Debug)]
struct Whisper<'a> {
    sink: &'a dyn TurnSink,
    secret: Secret,
    /// The sink has called the turn off.
    stopped: Notify,
}

impl TurnSink for Whisper<'_> {
    fn observe(&self, mut event: TurnEvent) -> BoxFuture<'_, TurnControl> {
        if let (Secret::Content, TurnEvent::ToolResult { content, .. }) = (self.secret, &mut event) {
            content.clear();
        }
        match (self.secret, &event) {
            (Secret::Process, TurnEvent::Started { .. })
            | (Secret::Call, TurnEvent::ToolCall(_))
            | (Secret::End, TurnEvent::ToolResult { .. }) => Box::pin(async { TurnControl::Continue }),
            (Secret::Agent, _) => Box::pin(async {
                let control = self.sink.observe(event).await;
                if matches!(control, TurnControl::Stop(_)) {
                    self.stopped.notify_one();
                    std::future::pending::<()>().await;
                }
                control
            }),
            _ => self.sink.observe(event),
        }
    }

    fn judge(&self, call: ToolCall) -> BoxFuture<'_, Verdict> {
        self.sink.judge(call)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secretive_driver() {
    for (secret, guarantee) in [
        (Secret::Process, "the start of the process must be told"),
        (Secret::Stop, "a turn that the sink stops must end with the sink's error"),
        (Secret::Agent, "no process may be left when a turn ends with an error"),
        (Secret::Failure, "what the agent calls a failure must be one"),
        (Secret::Call, "a tool call must be told"),
        (Secret::End, "a tool's end must be told"),
        (Secret::Content, "what a tool gave back must be told"),
    ] {
        let suite = async move {
            let scratch = tempfile::tempdir().unwrap();
            contract::driver::check(&driver::headless(scratch.path(), Arc::new(Secretive(secret)))).await;
        };
        caught(suite, guarantee).await;
    }
}
