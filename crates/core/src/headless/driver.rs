//! Starting the agent's process and carrying one turn through it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use missiond_process::{
    Environment, Input, LineError, LineLimits, Lines, Output, Running, SpawnError, SpawnSpec, Tail,
};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::agents::HeadlessProfile;
use crate::headless::decode::{Decoded, Decoder, TurnEnd};
use crate::ids::ConversationId;
use crate::model::{AgentStatus, DriverKind};
use crate::ports::{
    Agent, AgentStart, BoxFuture, Driver, DriverError, TurnControl, TurnError, TurnEvent, TurnOutcome,
    TurnSink,
};

/// How much of the agent's error output is kept for an error message.
const STDERR_TAIL_BYTES: usize = 4096;
/// How long an agent that has reported its result may take to end.
const EXIT_GRACE: Duration = Duration::from_secs(10);
/// The longest answer that is kept.
const MAX_ANSWER_BYTES: usize = 4 << 20;

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
            let agent: Box<dyn Agent> = Box::new(HeadlessAgent { start, conversation, process: None });
            Ok(agent)
        })
    }
}

/// An agent between and during its turns; there is a process only during one.
#[derive(Debug)]
struct HeadlessAgent {
    start: AgentStart,
    conversation: Option<ConversationId>,
    process: Option<Running>,
}

impl Agent for HeadlessAgent {
    fn turn<'a>(
        &'a mut self,
        prompt: &'a str,
        sink: &'a dyn TurnSink,
    ) -> BoxFuture<'a, Result<TurnOutcome, TurnError>> {
        Box::pin(async move {
            let limit = self.start.turn_timeout;
            let outcome = match timeout(limit, self.run(prompt, sink)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(TurnError::TimedOut { limit }),
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
            let Some(process) = self.process.take() else { return Ok(()) };
            process.kill().await.map(drop).map_err(|error| DriverError::Other(error.to_string()))
        })
    }
}

impl HeadlessAgent {
    async fn run(&mut self, prompt: &str, sink: &dyn TurnSink) -> Result<TurnOutcome, TurnError> {
        let profile = self.start.profile.clone();
        let Some(section) = &profile.headless else {
            return Err(TurnError::Protocol("the agent's data file has no [headless] section".to_owned()));
        };
        let spec = self.spec(section)?;
        let contained =
            self.start.containment.contain(spec, &self.start.workspace).map_err(DriverError::from)?;
        let guard = contained.guard;
        let program = section.program.clone();
        let install = profile.install.clone();
        let running = tokio::task::spawn_blocking(move || contained.spec.spawn())
            .await
            .map_err(|error| DriverError::Other(format!("starting the agent's process failed: {error}")))?
            .map_err(|source| spawn_error(program, install, source))?;
        let process = self.process.insert(running);
        let outcome = converse(process, section, &self.start, prompt, sink, &mut self.conversation).await;
        drop(guard);
        outcome
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
        let mut spec = SpawnSpec::new(program_path(&section.program)?, &self.start.workspace).args(args);
        spec.env = agent_environment(&section.inherit_env, &section.env, &self.start.env);
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
    env
}

/// The program of a data file as a path: `{self}` is the program that runs now.
pub(crate) fn program_path(program: &str) -> Result<PathBuf, DriverError> {
    if program != "{self}" {
        return Ok(PathBuf::from(program));
    }
    std::env::current_exe()
        .map_err(|error| DriverError::Other(format!("the running program cannot be found: {error}")))
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
    process: &mut Running,
    section: &HeadlessProfile,
    start: &AgentStart,
    prompt: &str,
    sink: &dyn TurnSink,
    conversation: &mut Option<ConversationId>,
) -> Result<TurnOutcome, TurnError> {
    let missing = |what: &str| TurnError::Protocol(format!("the agent's {what} is not piped"));
    let broken = |error: std::io::Error| TurnError::Protocol(error.to_string());
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
    };
    let mut listener = Listener {
        decoder: Decoder::new(&section.events, &start.workspace),
        sink,
        status: AgentStatus::Starting,
        answer: String::new(),
        end: None,
        conversation,
    };
    let listen = listener.listen(Lines::new(stdout, LineLimits::default()));
    let ((), heard) = tokio::join!(feed, listen);
    heard?;
    let (end, answer) = (listener.end, listener.answer);

    let grace = if end.is_some() { EXIT_GRACE } else { start.turn_timeout };
    let exit = timeout(grace, process.wait()).await;
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
            let answer = if text.is_empty() { answer } else { bounded(text) };
            Ok(TurnOutcome { answer, conversation: conversation.clone(), usage })
        }
    }
}

struct Listener<'a> {
    decoder: Decoder<'a>,
    sink: &'a dyn TurnSink,
    status: AgentStatus,
    answer: String,
    end: Option<TurnEnd>,
    conversation: &'a mut Option<ConversationId>,
}

impl Listener<'_> {
    /// Reads the agent's output to its end.
    async fn listen<R: tokio::io::AsyncRead + Unpin>(
        &mut self,
        mut lines: Lines<R>,
    ) -> Result<(), TurnError> {
        loop {
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(LineError::TooLong { limit, .. }) => {
                    self.warn(format!("a line of the agent's output over {limit} bytes was left out"))
                        .await?;
                    continue;
                }
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
                    self.warn(format!("{problem}: {head}")).await?;
                }
            }
        }
    }

    async fn take(&mut self, item: Decoded) -> Result<(), TurnError> {
        let event = match item {
            Decoded::End(end) => {
                self.end = Some(end);
                return Ok(());
            }
            Decoded::Event(event) => event,
        };
        match &event {
            TurnEvent::Status { status, evidence } => {
                return self.set_status(*status, evidence.clone()).await;
            }
            TurnEvent::Conversation(conversation) => *self.conversation = Some(conversation.clone()),
            TurnEvent::Text(text) => {
                if self.answer.len() + text.len() <= MAX_ANSWER_BYTES {
                    if !self.answer.is_empty() {
                        self.answer.push_str("\n\n");
                    }
                    self.answer.push_str(text);
                }
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

    async fn warn(&self, text: String) -> Result<(), TurnError> {
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

fn bounded(text: String) -> String {
    if text.len() <= MAX_ANSWER_BYTES {
        return text;
    }
    format!("{}…", missiond_process::text::truncate(&text, MAX_ANSWER_BYTES))
}
