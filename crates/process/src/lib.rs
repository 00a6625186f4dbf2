//! Start a program so that its whole process tree can be watched, limited and ended.
//!
//! A [`SpawnSpec`] says what to run: program, arguments, directory, environment, pipes or a terminal, limits and
//! a session tag. [`SpawnSpec::spawn`] gives a [`Running`], and from then on these hold:
//!
//! * [`Running::wait`] resolves when the main program *and everything it started* is gone.
//! * [`Running::kill`] climbs a bounded ladder INT → TERM → KILL over the whole tree. A grandchild that ignores
//!   SIGTERM, forked twice, called `setsid` or emptied its environment is part of the tree.
//! * Dropping the `Running`, or `kill -9` of the calling process, ends the tree too.
//! * No descriptor of the caller reaches the program except the ones asked for.
//!
//! ```
//! use std::time::Duration;
//! use missiond_process::{Exit, Output, SpawnSpec, run};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A short program: feed it, collect it, never wait for longer than the deadline.
//! let sort = SpawnSpec::new("sort", "/");
//! let finished = run(&sort, b"b\na\n", Duration::from_secs(10), 1 << 20)?;
//! assert_eq!(finished.stdout, b"a\nb\n");
//!
//! // A long one: its background children end with it.
//! let shell = SpawnSpec::new("sh", "/").args(["-c", "sleep 1000 & sleep 1000"]);
//! let running = shell.spawn()?;
//! let exit = running.kill_blocking()?;
//! assert_eq!(exit, Exit::Signal(2));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works, and what that costs
//!
//! Between the caller and the program stands a **guardian**: a process forked, without `exec`, from the caller. It
//! is a child subreaper, so every orphan of the tree becomes its child, and it holds one end of a socket whose
//! other end only the caller has. When that closes, for whatever reason, the guardian ends the tree and exits.
//! A forked guardian needs no helper binary beside the embedding program. The price is one small extra process and
//! one small thread per running program, a copy-on-write image of the caller's memory at the time of the spawn
//! (pages are copied only when the caller changes them), and a caller's command line shown by `ps` for the guardian
//! (its name is `missiond-guard`).
//!
//! What it does not do: it is no sandbox. A program with the caller's uid can kill its guardian. The tree's main
//! program then dies by its parent-death signal, and what is left is found by session and by tag; a process that
//! left its session *and* emptied its environment *and* killed the guardian escapes.
//!
//! A caller that forks without `exec` hands its end of the socket to the fork; the tree then lives until both ends
//! are closed.
//!
//! Linux only (5.9 or later), with `/proc` mounted.

#[cfg(not(target_os = "linux"))]
compile_error!("missiond-process supports Linux only: it stands on child subreapers, pidfds and /proc");

mod environment;
mod error;
mod exit;
mod guardian;
mod image;
mod limits;
mod lines;
mod lookup;
mod monitor;
mod pipe;
mod program;
mod protocol;
mod run;
mod running;
mod signal;
mod spawn;
mod spec;
mod tag;
mod tail;
pub mod text;
pub mod tree;

pub use environment::Environment;
pub use error::{KillError, SpawnError, WaitError};
pub use exit::Exit;
pub use limits::Limits;
pub use lines::{Line, LineError, LineLimits, Lines};
pub use pipe::{PipeReader, PipeWriter};
pub use run::{Finished, RunError, run};
pub use running::{KillHandle, Running};
pub use signal::Signal;
pub use spec::{Input, KillLadder, Output, SpawnSpec};
pub use tag::{InvalidTag, SessionTag, TAG_VARIABLE};
pub use tail::Tail;
