//! The leaf crates behind core's ports, one file a leaf, each behind the feature of its name.

#[cfg(feature = "policy")]
mod audit;
#[cfg(feature = "git")]
mod git;
#[cfg(all(feature = "git", feature = "policy"))]
pub mod hooks;
#[cfg(feature = "policy")]
mod policy;

#[cfg(feature = "pty")]
mod ending;
#[cfg(feature = "pty")]
mod pty;
#[cfg(feature = "pty")]
mod transcript;

use std::ffi::OsString;
use std::time::Duration;

use crate::agents::HookProtocol;

#[cfg(feature = "policy")]
pub use audit::AuditFile;
#[cfg(feature = "git")]
pub use git::GitWorkspaces;
#[cfg(feature = "git")]
pub(crate) use git::record_of;
#[cfg(feature = "policy")]
pub use policy::PolicyGate;
#[cfg(feature = "policy")]
pub(crate) use policy::to_policy;
#[cfg(feature = "pty")]
pub use pty::PtyDriver;

/// The longest time-out that Claude Code keeps to. A longer one overflows its timer, which then fires at once.
pub(crate) const LONGEST_HOOK: Duration = Duration::from_secs(2_147_000);

/// The text of the file that installs our hooks, in the agent's own format.
#[cfg(feature = "policy")]
pub(crate) fn hook_settings(
    protocol: HookProtocol,
    command: &[OsString],
    patience: Duration,
) -> Result<String, String> {
    policy::hook_settings(protocol, command, patience)
}

/// Without the policy crate nobody knows the hook protocols, and an agent without hooks is not started.
#[cfg(not(feature = "policy"))]
pub(crate) fn hook_settings(
    _protocol: HookProtocol,
    _command: &[OsString],
    _patience: Duration,
) -> Result<String, String> {
    Err("this program was built without the feature `policy`, which knows the hooks of agents".to_owned())
}
