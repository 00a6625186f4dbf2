//! Starting a program behind its guardian.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::SpawnError;
use crate::guardian;
use crate::image::Image;
use crate::lookup;
use crate::monitor::{self, Channel, Shared};
use crate::pipe::{PipeReader, PipeWriter};
use crate::program::Preparation;
use crate::protocol::{Message, Received, Stage, receive};
use crate::running::Running;
use crate::spec::{Input, Output, SpawnSpec};
use crate::tree;

/// How long the guardian may take to say its first word; it is two system calls away.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A file that another thread's half-done fork still has open for writing can't be executed for a moment.
const BUSY_RETRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(10);
const NUL: &str = "the program's name, its path or an argument holds a NUL byte";
const MONITOR_STACK_BYTES: usize = 256 * 1024;

pub(crate) fn spawn(spec: &SpawnSpec) -> Result<Running, SpawnError> {
    let terminal = check(spec)?;
    let file = lookup::find(spec)?;
    let resources =
        |action| move |source| SpawnError::Resources { program: spec.program.clone(), action, source };
    let (ours, guardians) = socket_pair().map_err(resources("make a socket"))?;
    let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(io::Error::from)
        .map_err(resources("make an event descriptor"))?;
    let (hand_over, tree) = mpsc::sync_channel::<(Arc<Shared>, Arc<Channel>, Child)>(1);
    // The thread comes first: a tree without its monitor could neither be ended in order nor reaped.
    thread::Builder::new()
        .name("guard".to_owned())
        .stack_size(MONITOR_STACK_BYTES)
        .spawn(move || {
            if let Ok((shared, channel, child)) = tree.recv() {
                monitor::run(&shared, channel, child);
            }
        })
        .map_err(resources("start a thread"))?;

    let nul = |_| SpawnError::InvalidSpec { program: spec.program.clone(), reason: NUL };
    let image = Image::new(spec, &file).map_err(nul)?;
    let preparation =
        Preparation { terminal, limits: spec.limits.resolve(), steps: spec.steps.clone(), image };
    let mut command = command(spec, &file);
    interpose_guardian(&mut command, preparation, &ours, guardians);

    let mut child = start(&mut command, &ours).map_err(|source| explain(spec, &file, &ours, source))?;
    // The command holds the guardian's end of the socket; only the guardian may.
    drop(command);
    let Some(pid) = handshake(&ours) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(resources("set up the guardian")(io::ErrorKind::TimedOut.into()));
    };

    let stdin = child.stdin.take().map(|end| PipeWriter { fd: end.into() });
    let stdout = child.stdout.take().map(|end| PipeReader { fd: end.into() });
    let stderr = child.stderr.take().map(|end| PipeReader { fd: end.into() });
    let channel = Arc::new(Channel { control: ours, wake });
    let shared = Arc::new(Shared::new(spec, pid, child.id(), Arc::clone(&channel)));
    let handed_over = hand_over.send((Arc::clone(&shared), channel, child));
    handed_over.expect("the thread waits for exactly this");
    tracing::debug!(pid, guardian = shared.guardian, program = ?spec.program, tag = ?spec.tag, "program started");
    Ok(Running::new(shared, stdin, stdout, stderr))
}

/// Refuses what contradicts itself or can't reach a system call.
fn check(spec: &SpawnSpec) -> Result<Option<CString>, SpawnError> {
    let invalid = |reason| SpawnError::InvalidSpec { program: spec.program.clone(), reason };
    let has_nul = |text: &OsStr| text.as_bytes().contains(&0);
    if has_nul(spec.program.as_os_str()) || spec.args.iter().any(|arg| has_nul(arg)) {
        return Err(invalid(NUL));
    }
    for (name, value) in spec.env.iter() {
        if name.is_empty() || name.as_bytes().contains(&b'=') || has_nul(name) || has_nul(value) {
            return Err(SpawnError::InvalidVariable { name: name.to_owned() });
        }
    }
    let piped = spec.stdin == Input::Piped || spec.stdout == Output::Piped || spec.stderr == Output::Piped;
    if spec.terminal.is_some() && piped {
        return Err(invalid("a stream can't be piped beside a terminal, which takes all three"));
    }
    let directory = |source| SpawnError::WorkingDirectory { cwd: spec.cwd.clone(), source };
    if !spec.cwd.metadata().map_err(directory)?.is_dir() {
        return Err(directory(io::ErrorKind::NotADirectory.into()));
    }
    let terminal = spec.terminal.as_deref().map(|path| CString::new(path.as_os_str().as_bytes()));
    terminal.transpose().map_err(|_| invalid("the terminal's path holds a NUL byte"))
}

/// Only the streams and the directory are `Command`'s business; the rest is the `Image`'s.
fn command(spec: &SpawnSpec, file: &Path) -> Command {
    let mut command = Command::new(file);
    command.current_dir(&spec.cwd);
    let output = |output: Output| match output {
        Output::Null => Stdio::null(),
        Output::Piped => Stdio::piped(),
    };
    command.stdin(match spec.stdin {
        Input::Null => Stdio::null(),
        Input::Piped => Stdio::piped(),
    });
    command.stdout(output(spec.stdout)).stderr(output(spec.stderr));
    command
}

/// Makes the child that `Command` forks the guardian, and the child's child the program.
///
/// `Command` then learns of the program's failures through its own pipe, and waits for the guardian as its child.
fn interpose_guardian(command: &mut Command, preparation: Preparation, ours: &OwnedFd, guardians: OwnedFd) {
    let ours = ours.as_raw_fd();
    let step = move || {
        guardian::reset_signals();
        let control = guardians.as_fd();
        let report = |stage| {
            move |error| {
                let _ = crate::protocol::send(control, Message::Failed(stage));
                error
            }
        };
        rustix::process::setsid().map_err(io::Error::from).map_err(report(Stage::Session))?;
        let own = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(own))
            .map_err(io::Error::from)
            .map_err(report(Stage::Session))?;
        // SAFETY: this process has one thread. The C library's own `fork` is used rather than the bare system call
        // so that its records (thread id, locks) are right in the child, which runs the caller's pre-exec steps.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()).map_err(report(Stage::Fork)),
            0 => {
                // SAFETY: the descriptor is the caller's end, inherited by the fork; its owner lives in the caller.
                // A slow pre-exec step must not hide the caller's death from the guardian.
                unsafe { libc::close(ours) };
                Err(preparation.run(own, control))
            }
            program => guardian::run(control, program),
        }
    };
    // SAFETY: the closure makes system calls on memory prepared here, and allocates nothing. The caller's own steps
    // were promised to be fit for this place by the `unsafe` of `SpawnSpec::pre_exec`.
    unsafe { command.pre_exec(step) };
}

fn start(command: &mut Command, control: &OwnedFd) -> io::Result<Child> {
    for _ in 0..BUSY_RETRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(BUSY_PAUSE),
            done => return done,
        }
        // What the failed attempt said must not be taken for the word of the next one.
        while let Received::Message(_) = receive(control.as_fd()) {}
    }
    command.spawn()
}

/// Waits for the guardian's first word, the program's pid.
fn handshake(control: &OwnedFd) -> Option<u32> {
    let deadline = Instant::now() + HANDSHAKE;
    loop {
        match receive(control.as_fd()) {
            Received::Message(Message::Started(pid)) => return u32::try_from(pid).ok(),
            Received::Message(Message::Failed(_)) | Received::Closed => return None,
            Received::Message(_) | Received::Nothing => {}
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        let left = Timespec::try_from(left).expect("ten seconds fit");
        let _ = rustix::event::poll(&mut [PollFd::new(control, PollFlags::IN)], Some(&left));
    }
}

/// Finds out which step a failed spawn failed at. `Command` has only the error number.
fn explain(spec: &SpawnSpec, file: &Path, control: &OwnedFd, source: io::Error) -> SpawnError {
    let mut failed = None;
    // Every process of the attempt is gone by now, so all messages are there.
    loop {
        match receive(control.as_fd()) {
            Received::Message(Message::Failed(stage)) => failed = Some(stage),
            Received::Message(_) => {}
            Received::Nothing | Received::Closed => break,
        }
    }
    let program: PathBuf = file.to_owned();
    let resources = |action, source| SpawnError::Resources { program: spec.program.clone(), action, source };
    match failed {
        Some(Stage::Session) => resources("begin a session", source),
        Some(Stage::Fork) => resources("fork", source),
        Some(Stage::Terminal) => {
            SpawnError::Terminal { terminal: spec.terminal.clone().unwrap_or_default(), source }
        }
        Some(Stage::Limits) => SpawnError::Limits { source },
        Some(Stage::PreExec) => SpawnError::PreExec { program, source },
        Some(Stage::Exec) => match source.kind() {
            io::ErrorKind::NotFound if file.exists() => SpawnError::MissingInterpreter { program, source },
            io::ErrorKind::NotFound => SpawnError::NotFound { program, searched: vec![file.to_owned()] },
            io::ErrorKind::PermissionDenied => SpawnError::PermissionDenied { program, source },
            _ => SpawnError::Exec { program, source },
        },
        None => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                SpawnError::WorkingDirectory { cwd: spec.cwd.clone(), source }
            }
            _ => resources("fork", source),
        },
    }
}

/// Makes the pair, clear of descriptors 0, 1 and 2, which the child's streams are put on.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let clear = |fd: OwnedFd| if fd.as_raw_fd() > 2 { Ok(fd) } else { fcntl_dupfd_cloexec(&fd, 3) };
    Ok((clear(a)?, clear(b)?))
}

impl Shared {
    fn new(spec: &SpawnSpec, pid: u32, guardian: u32, channel: Arc<Channel>) -> Self {
        let start_time = tree::start_time(pid).ok().flatten();
        Self::with(pid, guardian, start_time, spec.ladder, spec.tag.clone(), channel)
    }
}
