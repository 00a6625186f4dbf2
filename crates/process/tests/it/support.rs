//! What several tests need.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use missiond_process::{Environment, SpawnSpec};

/// Longer than anything here takes on a busy machine, and short enough to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A shell script in a directory.
pub(crate) fn sh(script: &str, cwd: &Path) -> SpawnSpec {
    let mut spec = SpawnSpec::new("sh", cwd).args(["-c", script]);
    spec.env = Environment::inherit_basics();
    spec
}

/// A command that leaves the session, forks twice, empties its environment, ignores what it can and writes its pid
/// to the file.
pub(crate) fn escapee(file: &str) -> String {
    format!("env -i setsid -f sh -c 'trap \"\" INT TERM HUP; echo $$ > {file}; sleep 1000; sleep 1000'")
}

/// Waits for a condition, and fails the test if it doesn't come.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a pid that a script writes to a file.
pub(crate) fn pid_in(file: &Path) -> u32 {
    let mut pid = None;
    eventually(&format!("a pid in {}", file.display()), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        pid = text.strip_suffix('\n').and_then(|text| text.trim().parse().ok());
        pid.is_some()
    });
    pid.unwrap()
}

/// Whether a process is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Whether a process is there, be it a zombie.
pub(crate) fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
