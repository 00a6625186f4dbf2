//! The audit log at its boundary.

mod chain;
mod full_disk;
mod properties;
mod reading;
mod redaction;
mod rotation;
mod tamper;
mod torn;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use missiond_policy::{
    Decision, Risk, ToolCall, Verdict,
    audit::{AuditLog, AuditOptions, AuditPaths, Judged, Receipt, Redactor, Verified, verify},
};
use serde_json::json;

pub const WAIT: Duration = Duration::from_secs(5);

/// A log in a directory of its own.
pub struct Scene {
    pub directory: tempfile::TempDir,
    pub log: AuditLog,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(AuditOptions::default())
    }

    pub fn with(options: AuditOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = AuditLog::new(directory.path().join("audit.jsonl"), options, Redactor::new());
        Self { directory, log }
    }

    /// With so many calls on record, each a command with its number.
    pub fn filled(calls: usize) -> Self {
        let scene = Self::new();
        for number in 1..=calls {
            scene.call(&format!("echo {number}"));
        }
        scene
    }

    pub fn call(&self, command: &str) -> Receipt {
        self.call_at(command, Timestamp::now())
    }

    pub fn call_at(&self, command: &str, at: Timestamp) -> Receipt {
        let call = ToolCall::new("Bash", json!({ "command": command }), "/work");
        let verdict = Verdict::new(Decision::Allow, Risk::Low, "a harmless command");
        self.log.append(&Judged::new(at, &call, &verdict)).unwrap()
    }

    pub fn path(&self) -> &Path {
        self.log.paths().current()
    }

    pub fn head(&self) -> PathBuf {
        self.log.paths().directory().join("head")
    }

    pub fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.path()).unwrap().lines().map(str::to_owned).collect()
    }

    pub fn write_lines(&self, lines: &[String]) {
        fs::write(self.path(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }

    /// The old files, the oldest first.
    pub fn old(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.log.paths().directory()).unwrap().map(|entry| entry.unwrap().path());
        let mut old: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
        old.sort();
        old
    }

    pub fn verify(&self) -> Verified {
        verify(self.log.paths(), None, WAIT).unwrap()
    }

    /// Every record is there and follows the one before it.
    pub fn assert_sound(&self, records: u64) {
        let verified = self.verify();
        assert_eq!((&verified.fault, verified.records), (&None, records), "{verified:#?}");
    }

    /// The log is at fault; gives the line that is named and what is said of it.
    pub fn fault(&self) -> (Option<u64>, String) {
        let verified = self.verify();
        let fault = verified.fault.unwrap_or_else(|| panic!("no fault was found in {:?}", self.lines()));
        (fault.spot.map(|spot| spot.line), fault.what)
    }
}

pub fn paths(path: &Path) -> AuditPaths {
    AuditPaths::new(path)
}
