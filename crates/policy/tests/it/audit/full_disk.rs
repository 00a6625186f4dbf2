//! No room: nothing is on record, and that is what is said.

use std::{path::Path, process::Command};

use jiff::Timestamp;
use missiond_policy::{
    Decision, Risk, ToolCall, Verdict,
    audit::{AuditLog, AuditOptions, Judged, Redactor, verify},
};
use serde_json::json;

use super::WAIT;

const ENTRY: &str = "audit::full_disk::file_that_may_not_grow_takes_no_record_and_stays_sound";
const WORK_IN: &str = "MISSIOND_TEST_AUDIT_FULL";

/// Runs itself again under a limit on the size of files, which the kernel enforces as it does that of a disk: a write
/// comes short, and the next one fails. The signal that goes with it is ignored, as whoever sets such a limit does.
#[test]
fn file_that_may_not_grow_takes_no_record_and_stays_sound() {
    if let Some(directory) = std::env::var_os(WORK_IN) {
        return under_a_limit(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let script = format!("trap '' XFSZ; ulimit -f 16; exec \"$1\" {ENTRY} --exact --nocapture");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "sh"]).arg(std::env::current_exe().unwrap()).env(WORK_IN, directory.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // With room again, the log goes on.
    let log = AuditLog::new(directory.path().join("audit.jsonl"), AuditOptions::default(), Redactor::new());
    append(&log, 100).unwrap();
    let verified = verify(log.paths(), None, WAIT).unwrap();
    assert_eq!((verified.fault, verified.torn), (None, Vec::new()));
}

fn append(log: &AuditLog, length: usize) -> Result<(), missiond_policy::audit::AuditError> {
    let call = ToolCall::new("Bash", json!({ "command": "x".repeat(length) }), "/");
    let verdict = Verdict::new(Decision::Allow, Risk::Low, "harmless");
    log.append(&Judged::new(Timestamp::now(), &call, &verdict)).map(drop)
}

fn under_a_limit(directory: &Path) {
    let log = AuditLog::new(directory.join("audit.jsonl"), AuditOptions::default(), Redactor::new());
    let mut taken = 1;
    let error = loop {
        match append(&log, 700) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "the limit never was reached");
    };
    assert!(taken > 5 && error.is_full(), "{taken} {error}");
    for _ in 0..3 {
        assert!(append(&log, 700).unwrap_err().is_full());
    }
    let verified = verify(log.paths(), None, WAIT).unwrap();
    assert_eq!((verified.fault, verified.torn, verified.records), (None, Vec::new(), taken));
}
