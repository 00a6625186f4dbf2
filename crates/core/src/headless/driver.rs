//! Starting the agent's process and carrying one turn through it.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use missiond_process::{Environment, Input, LineLimits, Lines, Output, Running, SpawnError, SpawnSpec, Tail};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::agents::{HeadlessProfile, HookProtocol};
use crate::headless::answer::Answer;
use crate::headless::decode::{Decoded, Decoder, TurnEnd};
use crate::ids::ConversationId;
use crate::model::{AgentStatus, DriverKind};
use crate::ports::{
    Agent, AgentStart, BoxFuture, Driver, DriverError, TurnControl, TurnError, TurnEvent, TurnOutcome,
    TurnSink,
};

/// How much of the agent's error output is kept for an error message.
const STDERR_TAIL_BYTES: usize = 4096;
/// How long an agent that has reported its result, or has closed its output, may take to end.
const EXIT_GRACE: Duration = Duration::from_secs(10);
/// The most warnings of one turn.
const MAX_LINE_WARNINGS: u32 = 20;

/// Runs agents as one process a turn, as the `[headless]` part of their data file says.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadlessDriver;

impl Driver for HeadlessDriver {
    fn kind(&self) -> DriverKind {
        DriverKind::Headless
    }

    fn start(&self, start: AgentStart) -> BoxFuture<'_, Result<Box<dyn Agent>, DriverError>> {
        Box::pin(async move {
            if start.profile.headless.is_none() {
                return Err(DriverError::Unsupported {
                    agent: start.profile.id.to_string(),
                    driver: DriverKind::Headless,
                });
            }
            let conversation = start.conversation.clone();
            let agent: Box<dyn Agent> =
                Box::new(HeadlessAgent { start, conversation, process: Process::None });
            Ok(agent)
        })
    }
}

/// An agent between and during its turns; there is a process only during one.
#[derive(Debug)]
struct HeadlessAgent {
    start: AgentStart,
    conversation: Option<ConversationId>,
    process: Process,
}

/// What keeps the containment up.
type Guard = Box<dyn Any + Send + Sync>;
type Spawned = Result<Running, SpawnError>;

/// The process of a turn. The guard of its containment lives as long as its tree does.
enum Process {
    None,
    /// On a thread of its own. It is waited for rather than let go, so that a turn which is called off in this moment
    /// leaves nothing that starts later.
    Starting(JoinHandle<(Spawned, Guard)>),
    Running {
        running: Running,
        _guard: Guard,
    },
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Starting(_) => f.write_str("Starting"),
            Self::Running { running, .. } => f.debug_tuple("Running").field(running).finish(),
        }
    }
}

impl Agent for HeadlessAgent {
    fn turn<'a>(
        &'a mut self,
        prompt: &'a str,
        sink: &'a dyn TurnSink,
    ) -> BoxFuture<'a, Result<TurnOutcome, TurnError>> {
        Box::pin(async move {
            let clock = self.start.turn_clock();
            let outcome = tokio::select! {
                outcome = self.run(prompt, sink) => outcome,
                () = clock.over() => Err(TurnError::TimedOut { limit: clock.limit() }),
            };
            // A turn that ended well has no process left; any other must not leave one.
            if let Err(error) = self.stop().await {
                tracing::warn!(slot = %self.start.slot, %error, "processes of an ended turn are left");
            }
            outcome
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), DriverError>> {
        Box::pin(async move {
            if let Process::Starting(starting) = &mut self.process {
                let (spawned, guard) = starting.await.map_err(|error| start_failed(&error))?;
                self.process = match spawned {
                    Ok(running) => Process::Running { running, _guard: guard },
                    Err(_) => Process::None,
                };
            }
            // Taken out only when the tree is gone: if this future is dropped, the next call waits on.
            if let Process::Running { running, .. } = &self.process {
                let ended = running.kill().await;
                self.process = Process::None;
                ended.map(drop).map_err(|error| DriverError::Other(error.to_string()))?;
            }
            Ok(())
        })
    }
}

fn start_failed(error: &tokio::task::JoinError) -> DriverError {
    DriverError::Other(format!("starting the agent's process failed: {error}"))
}

impl HeadlessAgent {
    async fn run(&mut self, prompt: &str, sink: &dyn TurnSink) -> Result<TurnOutcome, TurnError> {
        // Whatever an earlier turn that was dropped has left.
        self.stop().await?;
        let profile = self.start.profile.clone();
        let Some(section) = &profile.headless else {
            return Err(TurnError::Other("the agent's data file has no [headless] section".to_owned()));
        };
        let spec = self.spec(section)?;
        let contained =
            self.start.containment.contain(spec, &self.start.workspace).map_err(DriverError::from)?;
        let starting = tokio::task::spawn_blocking(move || (contained.spec.spawn(), contained.guard));
        self.process = Process::Starting(starting);
        let Process::Starting(starting) = &mut self.process else {
            unreachable!("it was set in the line above")
        };
        let started = starting.await;
        self.process = Process::None;
        let (spawned, guard) = started.map_err(|error| start_failed(&error))?;
        let running = spawned
            .map_err(|source| spawn_error(section.program.clone(), profile.install.clone(), source))?;
        self.process = Process::Running { running, _guard: guard };
        let Process::Running { running: process, .. } = &self.process else {
            unreachable!("it was set in the line above")
        };
        converse(process, section, &self.start, prompt, sink, &mut self.conversation).await
    }

    fn spec(&self, section: &HeadlessProfile) -> Result<SpawnSpec, DriverError> {
        let mut args = section.args.clone();
        if self.conversation.is_some() {
            args.extend(section.resume.iter().cloned());
        }
        args.extend(self.start.args.iter().cloned());
        let settings = self.start.settings.to_string_lossy();
        let conversation = self.conversation.as_ref().map_or("", ConversationId::as_str);
        let args = args.into_iter().map(|arg| match arg.as_str() {
            "{settings}" => settings.clone().into_owned(),
            "{conversation}" => conversation.to_owned(),
            _ => arg,
        });
        let mut spec = SpawnSpec::new(program_path(&section.program), &self.start.workspace).args(args);
        spec.env =
            agent_environment(&section.inherit_env, &section.env, &self.start.env, self.start.profile.hooks);
        spec.stdin = Input::Piped;
        spec.stdout = Output::Piped;
        spec.stderr = Output::Piped;
        spec.tag = Some(self.start.tag.clone());
        Ok(spec)
    }
}

/// The environment of an agent: the basic part of ours, what its data file names of the rest, and what is set for it.
pub(crate) fn agent_environment(
    inherit: &[String],
    set: &BTreeMap<String, String>,
    further: &[(String, OsString)],
    hooks: Option<HookProtocol>,
) -> Environment {
    let mut env = Environment::inherit_basics();
    for name in inherit {
        match name.strip_suffix('*') {
            Some(prefix) => env.inherit_prefix(prefix),
            None => env.inherit(name),
        };
    }
    for (name, value) in set {
        env.set(name, value);
    }
    for (name, value) in further {
        env.set(name, value);
    }
    // Last: no data file and no shell of the person's may switch hooks off.
    for name in hooks.map_or(&[][..], HookProtocol::switch_variables) {
        env.set(name, "");
    }
    env
}

/// The program of a data file as a path: `{self}` is the program that runs now.
pub(crate) fn program_path(program: &str) -> PathBuf {
    // By the kernel's own link, which still leads to this very program when its file was replaced.
    PathBuf::from(if program == "{self}" { "/proc/self/exe" } else { program })
}

/// Tells a missing program, which has a remedy of its own, from any other failure to start one.
pub(crate) fn spawn_error(program: String, install: String, source: SpawnError) -> DriverError {
    match source {
        SpawnError::NotFound { .. } => DriverError::ProgramMissing { program, install },
        source => DriverError::Spawn { program, source },
    }
}

/// Carries the turn through a process that has just been started.
async fn converse(
    process: &Running,
    section: &HeadlessProfile,
    start: &AgentStart,
    prompt: &str,
    sink: &dyn TurnSink,
    conversation: &mut Option<ConversationId>,
) -> Result<TurnOutcome, TurnError> {
    let missing = |what: &str| TurnError::Other(format!("the agent's {what} is not piped"));
    let broken =
        |error: std::io::Error| TurnError::Other(format!("the agent's pipes cannot be used: {error}"));
    let mut stdin = process.take_stdin().ok_or_else(|| missing("input"))?.into_async().map_err(broken)?;
    let stdout = process.take_stdout().ok_or_else(|| missing("output"))?.into_async().map_err(broken)?;
    let stderr = process.take_stderr().ok_or_else(|| missing("error output"))?;
    let tail = Tail::spawn_drain(stderr, STDERR_TAIL_BYTES).map_err(broken)?;
    tell(sink, TurnEvent::Started { pid: process.pid(), guardian: process.guardian_pid() }).await?;

    let feed = async {
        // An agent that ends without reading its prompt says why in its output; a broken pipe would hide it.
        let _ = stdin.write_all(prompt.as_bytes()).await;
        let _ = stdin.shutdown().await;
        drop(stdin);
        std::future::pending::<()>().await;
    };
    let mut listener = Listener {
        decoder: Decoder::new(&section.events, &start.workspace),
        sink,
        status: AgentStatus::Starting,
        answer: Answer::default(),
        warnings: 0,
        end: None,
        conversation,
    };
    // Once the output has ended nobody needs the prompt any more, even if not all of it was read.
    let mut lines = Lines::new(stdout, LineLimits::default());
    tokio::select! {
        heard = listener.listen(&mut lines) => heard?,
        () = feed => {}
    }
    let exit = timeout(EXIT_GRACE, process.wait()).await;
    if exit.is_err() {
        // What it still did before it was ended counts too: a call after the result is a call.
        let _ = process.kill().await;
    }
    match timeout(EXIT_GRACE, listener.listen(&mut lines)).await {
        Ok(heard) => heard?,
        Err(_) => {
            return Err(TurnError::Protocol("the agent's output did not end with its processes".to_owned()));
        }
    }
    let (end, answer) = (listener.end.take(), listener.answer);
    let Some(end) = end else {
        let exit = match exit {
            Ok(Ok(exit)) => exit.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its output and went on".to_owned(),
        };
        let tail = read_tail(tail).await;
        let tail = if tail.is_empty() { tail } else { format!(": {tail}") };
        return Err(TurnError::Exited { exit, tail });
    };
    match end {
        TurnEnd { error: Some(message), usage, .. } => Err(TurnError::Agent { message, usage }),
        TurnEnd { error: None, text, usage } => {
            let odd = match exit {
                Ok(Ok(exit)) if exit.success() => None,
                Ok(Ok(exit)) => Some(exit.to_string()),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("it was still there {} s later", EXIT_GRACE.as_secs())),
            };
            if let Some(odd) = odd {
                let text = format!("the agent reported success and then did not end well: {odd}");
                tell(sink, TurnEvent::Warning(text)).await?;
            }
            let answer = if text.is_empty() { answer } else { Answer::from(&*text) };
            Ok(TurnOutcome { answer: answer.into_text(), conversation: conversation.clone(), usage })
        }
    }
}

struct Listener<'a> {
    decoder: Decoder<'a>,
    sink: &'a dyn TurnSink,
    status: AgentStatus,
    answer: Answer,
    warnings: u32,
    end: Option<TurnEnd>,
    conversation: &'a mut Option<ConversationId>,
}

impl Listener<'_> {
    /// Reads the agent's output to its end; or for a while after the agent's result, since something that the agent
    /// started may hold the output open.
    async fn listen<R: tokio::io::AsyncRead + Unpin>(
        &mut self,
        lines: &mut Lines<R>,
    ) -> Result<(), TurnError> {
        let mut last = None;
        loop {
            if self.end.is_some() && last.is_none() {
                last = Some(Instant::now() + EXIT_GRACE);
            }
            let next = match last {
                None => lines.next().await,
                Some(last) => match tokio::time::timeout_at(last, lines.next()).await {
                    Ok(next) => next,
                    Err(_) => return Ok(()),
                },
            };
            let line = match next {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                // What a line that cannot be read says is not known; it could be a tool call that nobody has judged.
                Err(error) => return Err(TurnError::Protocol(error.to_string())),
            };
            match self.decoder.decode(&line.text) {
                Ok(decoded) => {
                    for item in decoded {
                        self.take(item).await?;
                    }
                }
                Err(problem) => {
                    let head = missiond_process::text::truncate(&line.text, 200);
                    return Err(TurnError::Protocol(format!("{problem}: {head}")));
                }
            }
        }
    }

    async fn take(&mut self, item: Decoded) -> Result<(), TurnError> {
        let event = match item {
            Decoded::End(end) => {
                // A failure that was reported once is not taken back by a later success.
                if self.end.as_ref().is_none_or(|before| before.error.is_none()) {
                    self.end = Some(end);
                }
                return Ok(());
            }
            Decoded::Event(event) => event,
        };
        match &event {
            TurnEvent::Warning(text) => return self.warn(text.clone()).await,
            TurnEvent::Status { status, evidence } => {
                return self.set_status(*status, evidence.clone()).await;
            }
            TurnEvent::Conversation(conversation) => *self.conversation = Some(conversation.clone()),
            TurnEvent::Text(text) => {
                self.answer.add(text);
                self.set_status(AgentStatus::Responding, "text in the agent's stream").await?;
            }
            TurnEvent::ToolCall(call) => {
                let evidence = format!("call of {} in the agent's stream", call.tool);
                self.set_status(AgentStatus::ToolRunning, evidence).await?;
            }
            _ => {}
        }
        let ended = matches!(event, TurnEvent::ToolResult { .. });
        tell(self.sink, event).await?;
        if ended {
            self.set_status(AgentStatus::Thinking, "a tool's result in the agent's stream").await?;
        }
        Ok(())
    }

    async fn set_status(
        &mut self,
        status: AgentStatus,
        evidence: impl Into<String>,
    ) -> Result<(), TurnError> {
        if self.status == status {
            return Ok(());
        }
        self.status = status;
        tell(self.sink, TurnEvent::Status { status, evidence: evidence.into() }).await
    }

    /// Passes a warning on; the first ones only, since an agent may print a million lines that are no events.
    async fn warn(&mut self, text: String) -> Result<(), TurnError> {
        self.warnings = self.warnings.saturating_add(1);
        let text = match self.warnings {
            ..=MAX_LINE_WARNINGS => text,
            warnings if warnings == MAX_LINE_WARNINGS + 1 => {
                "further warnings of this turn are left out".to_owned()
            }
            _ => return Ok(()),
        };
        tell(self.sink, TurnEvent::Warning(text)).await
    }
}

/// The end of the error output, once it has been read to its end or was given a moment to be.
async fn read_tail(tail: Tail) -> String {
    let read = tokio::task::spawn_blocking(move || {
        let _ended = tail.wait_end(Duration::from_millis(500));
        crate::text::escape(tail.text().trim())
    });
    read.await.unwrap_or_default()
}

async fn tell(sink: &dyn TurnSink, event: TurnEvent) -> Result<(), TurnError> {
    match sink.observe(event).await {
        TurnControl::Continue => Ok(()),
        TurnControl::Stop(error) => Err(error),
    }
}
