//! What to run and how.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::environment::Environment;
use crate::error::SpawnError;
use crate::limits::Limits;
use crate::running::Running;
use crate::spawn;
use crate::tag::SessionTag;

/// A step that runs in the new process just before the program does.
pub(crate) type PreExec = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// What to run: everything about a process that is decided before it starts.
///
/// It can be kept and spawned many times. `Debug` shows neither the values of the environment nor the arguments'
/// secrets' values in it; arguments themselves are shown, since a secret doesn't belong there.
#[derive(Clone)]
#[non_exhaustive]
pub struct SpawnSpec {
    /// The program. A bare name is looked up in the `PATH` of [`env`](Self::env), else in the caller's; there only
    /// absolute directories count. A relative path with a `/` is taken from [`cwd`](Self::cwd). No shell is involved.
    pub program: PathBuf,
    /// The arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// The directory the program starts in.
    pub cwd: PathBuf,
    /// The whole environment; empty by default.
    pub env: Environment,
    /// Where standard input comes from; nothing by default.
    pub stdin: Input,
    /// Where standard output goes; nowhere by default.
    pub stdout: Output,
    /// Where standard error goes; nowhere by default.
    pub stderr: Output,
    /// The device of a pseudo-terminal's slave side. It becomes the controlling terminal and descriptors 0, 1 and 2,
    /// so no stream may be piped beside it.
    pub terminal: Option<PathBuf>,
    /// Resource limits; by default only core dumps are off.
    pub limits: Limits,
    /// The tag by which a sweep finds the tree again.
    pub tag: Option<SessionTag>,
    /// How patiently the tree is killed.
    pub ladder: KillLadder,
    pub(crate) steps: Vec<PreExec>,
}

impl SpawnSpec {
    /// Describes a program in a directory, without arguments, environment, input or output.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            cwd: cwd.into(),
            env: Environment::new(),
            stdin: Input::default(),
            stdout: Output::default(),
            stderr: Output::default(),
            terminal: None,
            limits: Limits::default(),
            tag: None,
            ladder: KillLadder::default(),
            steps: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a step that runs in the new process, after the limits are set and just before the program replaces it.
    ///
    /// Steps run in the order they were added, all signals unblocked and at their defaults, every descriptor above 2
    /// marked to be closed by the exec. A step that fails makes the spawn fail.
    ///
    /// # Safety
    ///
    /// The step runs in a process forked from one that may have had threads: it may only do what is async-signal-safe
    /// (system calls yes; locks and allocation no), and it must return.
    pub unsafe fn pre_exec(&mut self, step: Arc<dyn Fn() -> io::Result<()> + Send + Sync>) {
        self.steps.push(step);
    }

    /// Starts the program.
    ///
    /// Blocks for the time of two forks and an exec; needs no async runtime.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] says what was missing or refused. Nothing is left running then.
    pub fn spawn(&self) -> Result<Running, SpawnError> {
        spawn::spawn(self)
    }
}

impl fmt::Debug for SpawnSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnSpec")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .field("env", &self.env)
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("terminal", &self.terminal)
            .field("limits", &self.limits)
            .field("tag", &self.tag)
            .field("ladder", &self.ladder)
            .field("pre_exec_steps", &self.steps.len())
            .finish()
    }
}

/// Where a program's standard input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Input {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe: [`Running::take_stdin`] has the other end. The program waits for its end, so take it and drop it.
    Piped,
}

/// Where a program's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Output {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe: [`Running::take_stdout`] or [`Running::take_stderr`] has the other end. A pipe that nobody reads
    /// blocks the program when it is full; killing it works all the same.
    Piped,
}

/// How long each step of a kill is waited for before the next.
///
/// A step of zero is left out, except the last. The steps are for the whole tree: a main program that ends early
/// shortens none of them for what it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillLadder {
    /// After SIGINT; 1 s by default.
    pub interrupt: Duration,
    /// After SIGTERM; 3 s by default.
    pub terminate: Duration,
    /// After SIGKILL; 5 s by default. What lives then can't be ended, and the kill reports so.
    pub kill: Duration,
}

impl Default for KillLadder {
    fn default() -> Self {
        Self {
            interrupt: Duration::from_secs(1),
            terminate: Duration::from_secs(3),
            kill: Duration::from_secs(5),
        }
    }
}
