//! Parts of missiond that run as processes of their own, inside whatever program embeds it.
//!
//! An agent asks before a tool call by starting a hook program, and the scripted agent is a program too. Neither is a
//! file that has to be installed: the embedding program starts itself again with the hidden first argument
//! `__missiond`, and hands control over with [`dispatch`] before it does anything else.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Carries out a hidden command if the program was started with one; call it first of all in `main`.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = missiond_core::reexec::dispatch() {
///         return code;
///     }
///     // … the program itself
///     ExitCode::SUCCESS
/// }
/// ```
pub fn dispatch() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != "__missiond" {
        return None;
    }
    let command = args.next()?;
    #[allow(unused_variables, reason = "without its features no part takes arguments")]
    let rest: Vec<OsString> = args.collect();
    match &*command.to_string_lossy() {
        #[cfg(all(feature = "git", feature = "policy"))]
        "hook" => Some(crate::hook::main(&rest)),
        #[cfg(feature = "scripted")]
        "scripted" => Some(crate::scripted::main(rest.iter().map(|arg| arg.to_string_lossy().into_owned()))),
        other => Some(unknown(other)),
    }
}

/// The path of the program that runs now, for somebody else to start it again.
///
/// When its file was replaced meanwhile (by an update, say) that is the new one: the old one has no path any more.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn program() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // How Linux marks a file that is gone: proc_pid_exe(5).
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(before) if !path.exists() => Ok(OsString::from_vec(before.to_vec()).into()),
        _ => Ok(path),
    }
}

#[allow(clippy::print_stderr, reason = "this runs as a program of its own")]
fn unknown(command: &str) -> ExitCode {
    eprintln!("missiond: this program was built without the part `{}`", crate::text::escape_line(command));
    // For a hook this is the code that blocks the call.
    ExitCode::from(2)
}
