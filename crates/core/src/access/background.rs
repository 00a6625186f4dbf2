//! A mission that another process runs, started from here.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::access::{Access, AccessError};
use crate::control::{LockError, OwnerLock, Ownership};
use crate::error::Error;
use crate::project::Project;

/// How long a mission in the background may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(30);
/// How much of what it printed is given back.
const TAIL_BYTES: u64 = 2000;

/// What became of a program that was started to run a mission.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Background {
    /// Its mission owns the project and answers.
    Running {
        /// Its process.
        pid: u32,
    },
    /// It has ended.
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of what it printed, as it is: escape it before it is shown.
        output: String,
    },
}

/// Where [`start_in_background`] has the program print to: `.missiond/logs/up.log`.
pub fn background_log(project: &Project) -> PathBuf {
    project.paths.logs_dir().join("up.log")
}

/// Refuses when somebody owns the project.
///
/// # Errors
///
/// [`LockError::Owned`], which names the owner.
pub fn require_free(project: &Project) -> Result<(), Error> {
    match OwnerLock::ownership(&project.paths)? {
        Ownership::Free => Ok(()),
        Ownership::Held(holder) => Err(LockError::Owned { root: project.root().to_owned(), holder }.into()),
    }
}

/// Starts a program that opens the project's mission (with [`Mission::open`](crate::Mission::open)), with its output in
/// [`background_log`], and waits until that mission answers, at most a minute. It is up to the program to leave the
/// terminal's session.
///
/// # Errors
///
/// When the configuration cannot be used, the log cannot be written, the program cannot be started, or it neither answers
/// in time nor ends ([`AccessError::NotAnswering`]); then it goes on.
///
/// # Cancel safety
///
/// When the future is dropped the program may have been started, and goes on.
pub async fn start_in_background(project: &Project, mut program: Command) -> Result<Background, AccessError> {
    // What can be wrong is said here, where somebody reads it.
    project.mission_config()?;
    project.paths.prepare_state().map_err(Error::from)?;
    let path = background_log(project);
    let failed = |what: &str, error: std::io::Error| Error::Internal(format!("{what}: {error}"));
    let unwritable = |error| failed(&format!("the log {} can't be written", path.display()), error);
    let log = open(&path).map_err(unwritable)?;
    let before = log.metadata().map_err(unwritable)?.len();
    program.stdin(Stdio::null()).stdout(log.try_clone().map_err(unwritable)?).stderr(log);
    let mut child = program
        .spawn()
        .map_err(|error| failed("the mission could not be started in the background", error))?;
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let waited = child.try_wait();
        if let Some(status) = waited.map_err(|error| failed("the mission can't be waited for", error))? {
            return Ok(Background::Ended { status, output: tail(&path, before) });
        }
        let owner = OwnerLock::ownership(&project.paths).map_err(Error::from)?;
        if matches!(owner, Ownership::Held(Some(holder)) if holder.pid == child.id())
            && Access::open(project).await.is_ok_and(|access| access.is_running())
        {
            return Ok(Background::Running { pid: child.id() });
        }
        if Instant::now() > deadline {
            return Err(AccessError::NotAnswering { after: START_DEADLINE, log: path });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn open(log: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(log)
}

/// The end of what a log has gained. What cannot be read cannot be shown, and is no reason to say nothing at all.
fn tail(log: &Path, since: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(since.max(end.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}
