//! The port to agents: how one is started, given a prompt, and ended.

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use missiond_process::SessionTag;
use tokio::sync::broadcast;

use crate::agents::AgentProfile;
use crate::ids::{ConversationId, SlotId, TaskId};
use crate::model::{AgentStatus, Cause, DriverKind, ToolCall, Usage, Verdict};
use crate::ports::{BoxFuture, Containment};

/// How finely a turn's time is counted.
const TURN_STEP: Duration = Duration::from_millis(250);

/// Starts agents of every kind in one way (headless, through a terminal, …).
///
/// An implementor starts processes by [`missiond_process`] alone, tags them with [`AgentStart::tag`], and never gives an
/// agent a mode that lets tool calls run unasked. A failed start leaves no process behind.
pub trait Driver: Debug + Send + Sync {
    /// Which way it is.
    fn kind(&self) -> DriverKind;

    /// Makes an agent ready for its first prompt.
    ///
    /// # Errors
    ///
    /// When the program is missing or does not become ready.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends every process that it started.
    fn start(&self, start: AgentStart) -> BoxFuture<'_, Result<Box<dyn Agent>, DriverError>>;
}

/// What a driver needs to know to start an agent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentStart {
    /// The slot that it sits in.
    pub slot: SlotId,
    /// Whose turn will be first.
    pub task: TaskId,
    /// What is known of this kind of agent.
    pub profile: Arc<AgentProfile>,
    /// Further arguments, from the slot's configuration.
    pub args: Vec<String>,
    /// The directory where it works, absolute.
    pub workspace: PathBuf,
    /// The conversation to go on with.
    pub conversation: Option<ConversationId>,
    /// The file that installs our hooks for this agent alone; outside the workspace.
    pub settings: PathBuf,
    /// Further environment, over the allowed part of ours.
    pub env: Vec<(String, OsString)>,
    /// Marks every process of the session.
    pub tag: SessionTag,
    /// What confines the process.
    pub containment: Arc<dyn Containment>,
    /// How long one turn may take, the time not counted in which a person is asked: see [`AgentStart::turn_clock`].
    pub turn_timeout: Duration,
    /// How many questions of this agent wait for a person.
    pub open_questions: Arc<AtomicUsize>,
    /// Where the agent's hooks report what happens; subscribe to hear it.
    pub reports: Option<broadcast::Sender<serde_json::Value>>,
}

impl AgentStart {
    /// A start with no further arguments or environment, for a new conversation.
    #[allow(clippy::too_many_arguments, reason = "each is required, and none has a default")]
    pub fn new(
        slot: SlotId,
        task: TaskId,
        profile: Arc<AgentProfile>,
        workspace: PathBuf,
        settings: PathBuf,
        tag: SessionTag,
        containment: Arc<dyn Containment>,
        turn_timeout: Duration,
    ) -> Self {
        Self {
            slot,
            task,
            profile,
            args: Vec::new(),
            workspace,
            conversation: None,
            settings,
            env: Vec::new(),
            tag,
            containment,
            turn_timeout,
            open_questions: Arc::default(),
            reports: None,
        }
    }

    /// The clock of a turn that begins now.
    pub fn turn_clock(&self) -> TurnClock {
        TurnClock { limit: self.turn_timeout, open_questions: self.open_questions.clone() }
    }
}

/// The time of a turn, which stands still while a person is asked: people are given longer than agents.
#[derive(Clone, Debug)]
pub struct TurnClock {
    limit: Duration,
    open_questions: Arc<AtomicUsize>,
}

impl TurnClock {
    /// How long the turn may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits until the turn has taken too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets how long it has waited.
    pub async fn over(&self) {
        let mut left = self.limit;
        while !left.is_zero() {
            let step = left.min(TURN_STEP);
            tokio::time::sleep(step).await;
            if self.open_questions.load(Ordering::Relaxed) == 0 {
                left -= step;
            }
        }
    }
}

/// The live occupant of a slot.
///
/// An implementor ends the whole process tree when the value is dropped.
pub trait Agent: Debug + Send {
    /// Gives it one prompt and waits for the complete answer, telling `sink` what happens meanwhile.
    ///
    /// Whenever `sink` answers [`TurnControl::Stop`], the turn ends with that error. When a turn ends with an error, with
    /// this or any other, the process tree is ended.
    ///
    /// # Errors
    ///
    /// See [`TurnError`]; whatever the agent's own protocol calls an error is one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the agent in an unknown state: call [`Agent::stop`] next.
    fn turn<'a>(
        &'a mut self,
        prompt: &'a str,
        sink: &'a dyn TurnSink,
    ) -> BoxFuture<'a, Result<TurnOutcome, TurnError>>;

    /// Ends every process of the agent, within the bounds of its kill ladder.
    ///
    /// # Errors
    ///
    /// When a process is still there afterwards.
    ///
    /// # Cancel safety
    ///
    /// The ladder goes on when the future is dropped.
    fn stop(&mut self) -> BoxFuture<'_, Result<(), DriverError>>;
}

/// Hears what happens in a turn.
pub trait TurnSink: Debug + Send + Sync {
    /// Takes one event. The agent's output waits until the future is ready, so nothing is lost when the taker is slow.
    fn observe(&self, event: TurnEvent) -> BoxFuture<'_, TurnControl>;

    /// Has something judged that no hook asked about, such as a dialog on the agent's screen; a person may be asked. The
    /// verdict is never `ask`.
    fn judge(&self, call: ToolCall) -> BoxFuture<'_, Verdict>;
}

/// Whether a turn may go on.
#[derive(Debug)]
pub enum TurnControl {
    /// It may.
    Continue,
    /// It ends with this error.
    Stop(TurnError),
}

/// Something that happens in a turn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TurnEvent {
    /// A process of the agent is there.
    Started {
        /// The agent's own process.
        pid: u32,
        /// The process that guards its tree, an ancestor of all that it starts.
        guardian: u32,
    },
    /// What the agent does has changed.
    Status {
        /// What it does now.
        status: AgentStatus,
        /// What shows it.
        evidence: String,
    },
    /// The agent named its conversation.
    Conversation(ConversationId),
    /// The agent said something.
    Text(String),
    /// The agent called a tool. When it was told apart from the tool's end, this comes first.
    ToolCall(ToolCall),
    /// The tool ended, or the call was turned down.
    ToolResult {
        /// The agent's id for the call.
        call: String,
        /// Whether it was an error or a refusal.
        is_error: bool,
        /// Whether the agent itself says that the call never ran (its arguments were malformed, say).
        never_ran: bool,
        /// What it gave back, as text; of a call that was turned down the reason alone, as the verdict gave it. A driver
        /// may cut it as [`event_text`](crate::model::event_text) does.
        content: String,
    },
    /// Something that a person should know about.
    Warning(String),
}

/// What a turn came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TurnOutcome {
    /// The whole answer.
    pub answer: String,
    /// The conversation, for a later turn.
    pub conversation: Option<ConversationId>,
    /// Cost and tokens.
    pub usage: Usage,
}

/// An agent that could not be started or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The agent's program is not there.
    #[error("`{program}` was not found on PATH; {install}")]
    ProgramMissing {
        /// The program.
        program: String,
        /// How to install it.
        install: String,
    },
    /// The agent kind has nothing to say about this driver.
    #[error("agent `{agent}` has no `[{driver}]` section in its data file, so it cannot be run that way")]
    Unsupported {
        /// The agent kind.
        agent: String,
        /// The driver.
        driver: DriverKind,
    },
    /// The program could not be started.
    #[error("`{program}` could not be started")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: missiond_process::SpawnError,
    },
    /// The confinement that was asked for is not to be had.
    #[error("the agent was not started")]
    Containment(#[from] crate::ports::ContainmentError),
    /// Anything else, said in full.
    #[error("{0}")]
    Other(String),
}

impl TurnError {
    /// What sort of failure it is; `None` for a turn that was called off.
    pub fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::Agent { .. } => Cause::Agent,
            Self::Exited { .. } | Self::Protocol(_) => Cause::Exited,
            Self::TimedOut { .. } => Cause::TimedOut,
            Self::PolicyBypassed { .. } => Cause::PolicyBypassed,
            Self::Driver(DriverError::ProgramMissing { .. }) => Cause::ProgramMissing,
            Self::Workspace(_) => Cause::Workspace,
            Self::Driver(_) | Self::Other(_) => Cause::Other,
            Self::Cancelled => return None,
        })
    }
}

/// A turn that did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnError {
    /// The agent said that it failed.
    #[error("the agent reported an error: {message}")]
    Agent {
        /// What it said (untrusted text).
        message: String,
        /// What it cost all the same.
        usage: Usage,
    },
    /// The agent ended without saying how the turn went.
    #[error("the agent ended before its turn did ({exit}){tail}")]
    Exited {
        /// The exit status.
        exit: String,
        /// The end of its error output, introduced by `: `; empty if there was none.
        tail: String,
    },
    /// The agent's output was not what its protocol says.
    #[error("the agent's output could not be read: {0}")]
    Protocol(String),
    /// The turn took too long.
    #[error("the turn took longer than {} s", limit.as_secs())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// A tool call ran that nobody had allowed.
    #[error("policy bypassed: {tool} `{argument}` has no verdict that allows it")]
    PolicyBypassed {
        /// The tool.
        tool: String,
        /// Its main argument, cut to a bounded length.
        argument: String,
    },
    /// Somebody called the task off.
    #[error("cancelled")]
    Cancelled,
    /// Something beside the agent failed, said in full: its workspace, its hooks, the record of what it does.
    #[error("{0}")]
    Other(String),
    /// The directory where the agent works could not be made.
    #[error("{0}")]
    Workspace(String),
    /// The agent could not be started for this turn.
    #[error(transparent)]
    Driver(#[from] DriverError),
}
