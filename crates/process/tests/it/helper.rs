//! Roles that this test binary plays in a process of its own.
//!
//! A test that needs a whole process (to kill it, or to count its descriptors) starts this binary again with the one
//! test below selected and the role in the environment.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{parent_death, stress, tree};

const ROLE: &str = "MISSIOND_PROCESS_TEST_ROLE";
const DIRECTORY: &str = "MISSIOND_PROCESS_TEST_DIRECTORY";

/// Starts this binary in a role, with a directory to work in.
pub(crate) fn start(role: &str, directory: &Path) -> Child {
    command(role, directory).spawn().unwrap()
}

pub(crate) fn command(role: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "helper::plays_its_role", "--nocapture"]);
    command.env(ROLE, role).env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The way into the roles. Started as a test, it shows that the way is open: a role that doesn't exist fails there.
#[test]
fn plays_its_role() {
    let Some(role) = std::env::var_os(ROLE) else {
        let unknown = command("no such role", Path::new("/")).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&unknown.stderr);
        assert!(!unknown.status.success() && said.contains("unknown role \"no such role\""), "{said}");
        return;
    };
    let directory = std::env::var_os(DIRECTORY).unwrap_or_else(|| OsString::from("/"));
    let directory = Path::new(&directory);
    match role.to_str() {
        Some("owner") => parent_death::be_the_owner(directory),
        Some("stress") => stress::spawn_and_drop_many(directory),
        Some("sweeper") => tree::sweep_as_tagged_process(directory),
        _ => panic!("unknown role {role:?}"),
    }
}
