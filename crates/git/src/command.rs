//! The one place that starts `git`. Everything above speaks in terms of repositories, so that an in-process
//! implementation can take over command by command.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use missiond_process::{Environment, Exit, RunError, SpawnSpec};
use rustix::fs::Access;

use crate::nested::require_plain_worktree_config;
use crate::owner::Owner;
use crate::site::Home;
use crate::stale::Stopped;
use crate::{Error, Result, Settings};

/// Configuration no `git` of ours may take from the repository: what would run code that an agent can write,
/// open an editor or a prompt, or work in the background after the command has ended.
const CONFIG: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "color.ui=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    // A directory of files that looks like a git directory could be anybody's.
    "safe.bareRepository=explicit",
    // A remote's address must not name a program.
    "protocol.ext.allow=never",
    "advice.addEmbeddedRepo=false",
];

/// How much of stderr goes into an error.
const STDERR_TAIL: usize = 2048;

#[derive(Debug, Clone)]
pub(crate) struct Git {
    settings: Arc<Settings>,
    program: PathBuf,
    /// Once it is known.
    home: Option<Arc<Home>>,
}

/// One command to be run.
pub(crate) struct Call<'a> {
    git: &'a Git,
    cwd: &'a Path,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    reads_only: bool,
    exact: bool,
    anywhere: bool,
    max_output: usize,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Git {
    /// Finds the program; its version is checked by [`Git::check_version`].
    pub(crate) fn find(settings: Settings) -> Result<Self> {
        let program =
            look_up(&settings.git).ok_or_else(|| Error::GitMissing { program: settings.git.clone() })?;
        Ok(Self { settings: Arc::new(settings), program, home: None })
    }

    /// Keeps every command from now on to one repository, unless the command names another git directory.
    pub(crate) fn keep_to(&mut self, home: Home) {
        self.home = Some(Arc::new(home));
    }

    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.as_deref()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A command that changes nothing, not even an index's cached times.
    pub(crate) fn read<'a>(&'a self, cwd: &'a Path, subcommand: &str) -> Call<'a> {
        let mut call = self.write(cwd, subcommand);
        call.reads_only = true;
        call
    }

    pub(crate) fn write<'a>(&'a self, cwd: &'a Path, subcommand: &str) -> Call<'a> {
        Call {
            git: self,
            cwd,
            args: vec![subcommand.into()],
            env: Vec::new(),
            input: Vec::new(),
            reads_only: false,
            exact: false,
            anywhere: false,
            max_output: self.settings.max_output,
        }
    }

    pub(crate) fn check_version(&self) -> Result<()> {
        let out = self.read(Path::new("/"), "version").text()?;
        let version = out.strip_prefix("git version ").unwrap_or(&out).trim();
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
            let detail = format!("{:?}", version.chars().take(100).collect::<String>());
            return Err(Error::UnexpectedOutput { command: "version".to_owned(), detail });
        };
        if (major, minor) < crate::MINIMUM_GIT_VERSION {
            return Err(Error::GitTooOld { found: version.to_owned() });
        }
        Ok(())
    }
}

impl Call<'_> {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Turns off the configured conversion of line ends, so that files go in and out byte for byte.
    pub(crate) fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Says that it needs no repository.
    pub(crate) fn anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }

    /// Runs it and returns whatever it did; a non-zero exit is no error.
    ///
    /// Waits and tries again while another git process holds a lock file it needs (other programs don't know
    /// this crate's own lock).
    pub(crate) fn output(self) -> Result<Output> {
        let give_up = Instant::now() + self.git.settings.lock_wait;
        let mut pause = Duration::from_millis(10);
        loop {
            let output = self.launch()?;
            let Some(lock) = lock_in_the_way(&output) else { return Ok(output) };
            if Instant::now() + pause > give_up {
                return Err(Error::IndexLocked { path: lock });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// Runs it and returns its stdout; any other exit than 0 is an error.
    pub(crate) fn bytes(self) -> Result<Vec<u8>> {
        let (command, cwd) = (self.command(), self.cwd.to_owned());
        let output = self.output()?;
        if output.code == 0 { Ok(output.stdout) } else { Err(output.into_error(command, cwd)) }
    }

    /// Like [`Call::bytes`] for commands whose output is ASCII or is only shown; one trailing newline is cut.
    pub(crate) fn text(self) -> Result<String> {
        let bytes = self.bytes()?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    /// Like [`Call::bytes`] for commands that print one path and a newline.
    pub(crate) fn path(self) -> Result<PathBuf> {
        let bytes = self.bytes()?;
        Ok(PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b"\n").unwrap_or(&bytes))))
    }

    /// Runs it for its exit status alone: 0 is true, 1 is false, anything else an error.
    pub(crate) fn holds(self) -> Result<bool> {
        let (command, cwd) = (self.command(), self.cwd.to_owned());
        let output = self.output()?;
        match output.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(output.into_error(command, cwd)),
        }
    }

    pub(crate) fn command(&self) -> String {
        self.args.first().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn launch(&self) -> Result<Output> {
        if !self.cwd.is_dir() {
            // Otherwise a missing directory would read as a missing program.
            let source = std::io::ErrorKind::NotFound.into();
            return Err(Error::Io { action: "work in", path: self.cwd.to_owned(), source });
        }
        let settings = &self.git.settings;
        let mut spec = SpawnSpec::new(&self.git.program, self.cwd);
        let exact: &[&str] = if self.exact { &["core.autocrlf=false", "core.safecrlf=false"] } else { &[] };
        for setting in CONFIG.iter().chain(exact) {
            spec.args.extend(["-c".into(), setting.into()]);
        }
        spec.args.push("--no-pager".into());
        if self.reads_only {
            spec.args.push("--no-optional-locks".into());
        }
        spec.args.extend(self.args.iter().cloned());
        spec.env = self.environment()?;
        spec.tag = Owner::this_process().tag();
        let since = SystemTime::now();
        let finished = missiond_process::run(&spec, &self.input, settings.deadline, self.max_output)
            .map_err(|error| match error {
                RunError::Deadline { .. } => {
                    self.clear_locks(since);
                    Error::TimedOut { command: self.command(), deadline: settings.deadline }
                }
                RunError::TooMuchOutput { .. } => {
                    self.clear_locks(since);
                    Error::OutputTooLarge { command: self.command(), limit: self.max_output }
                }
                other => Error::Run { program: self.git.program.clone(), source: other.into() },
            })?;
        let code = match finished.exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => {
                self.clear_locks(since);
                128 + signal
            }
        };
        let tail = &finished.stderr[finished.stderr.len().saturating_sub(STDERR_TAIL)..];
        let stderr = String::from_utf8_lossy(tail).trim().to_owned();
        tracing::trace!(command = %self.command(), cwd = ?self.cwd, code, "git");
        Ok(Output { code, stdout: finished.stdout, stderr })
    }

    /// Deletes the lock files that this command left when it was stopped: git takes them away itself, but not when it
    /// is killed, and every later command would wait for them in vain.
    fn clear_locks(&self, since: SystemTime) {
        let Some(home) = self.git.home.as_ref().filter(|_| !self.reads_only && !self.anywhere) else {
            return;
        };
        let named = self.env.iter().find(|(name, _)| name == "GIT_DIR").map(|(_, dir)| PathBuf::from(dir));
        let git_dir = named.or_else(|| {
            let variables = home.variables(self.cwd).ok()?;
            variables.into_iter().find(|(name, _)| *name == "GIT_DIR").map(|(_, dir)| dir)
        });
        // Not in somebody else's repository.
        if let Some(git_dir) = git_dir.filter(|dir| dir.starts_with(&home.common_dir)) {
            Stopped { home, cwd: self.cwd, git_dir: &git_dir, since }.clear_locks();
        }
    }

    fn environment(&self) -> Result<Environment> {
        // `inherit_basics` takes no GIT_* variable, so that a caller inside a git hook doesn't redirect us.
        let mut env = Environment::inherit_basics();
        // Filters are looked up on it, in the directory that git works in.
        if let Some(path) = env::var_os("PATH").and_then(|path| env::join_paths(absolute_dirs(&path)).ok()) {
            env.set("PATH", path);
        }
        for (name, value) in [
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_EDITOR", ":"),
            ("GIT_SEQUENCE_EDITOR", ":"),
            ("GIT_PAGER", "cat"),
            ("GIT_ASKPASS", ""),
            ("SSH_ASKPASS", ""),
        ] {
            env.set(name, value);
        }
        let named = self.env.iter().any(|(name, _)| name == "GIT_DIR");
        if let Some(home) = self.git.home.as_ref().filter(|_| !named && !self.anywhere) {
            for (name, value) in home.variables(self.cwd)? {
                if name == "GIT_DIR" && value != home.common_dir {
                    require_plain_worktree_config(self.git, &home.common_dir, &value)?;
                }
                env.set(name, value);
            }
        }
        for (name, value) in self.git.settings.environment.iter().chain(&self.env) {
            env.set(name, value);
        }
        Ok(env)
    }
}

impl Output {
    pub(crate) fn into_error(self, command: String, cwd: PathBuf) -> Error {
        Error::Git { command, cwd, exit: format!("exit {}", self.code), stderr: self.stderr }
    }
}

/// Splits NUL-terminated output into its records.
pub(crate) fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|byte| *byte == 0).filter(move |_| !bytes.is_empty())
}

pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Returns the lock file that made a command fail. The text is git's, in the C locale that every call sets.
fn lock_in_the_way(output: &Output) -> Option<PathBuf> {
    if output.code == 0 {
        return None;
    }
    let (_, rest) = output.stderr.split_once("Unable to create '")?;
    let (path, _) = rest.split_once("': File exists")?;
    Some(PathBuf::from(path))
}

/// Finds the program, by its path or on `PATH`. A relative entry there would mean another file for every directory that
/// git is started in, among them those that agents write.
fn look_up(program: &Path) -> Option<PathBuf> {
    if program.as_os_str().as_bytes().contains(&b'/') {
        return is_program(program).then(|| std::path::absolute(program).ok()).flatten();
    }
    absolute_dirs(&env::var_os("PATH")?).map(|dir| dir.join(program)).find(|candidate| is_program(candidate))
}

fn absolute_dirs(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    env::split_paths(path).filter(|dir| dir.is_absolute())
}

fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, Access::EXEC_OK).is_ok()
}
