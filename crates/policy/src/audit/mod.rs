//! The audit log: every verdict on record, in a chain that shows when it was changed.
//!
//! One line of JSON a record. Each names the hash of the one before it (`prev`) and ends with its own (`hash`), the SHA-256
//! of the line's bytes before that field; so no canonical form has to be agreed on, and `sha256sum` can check a line:
//!
//! ```text
//! sed -n '$s/,"hash":"[0-9a-f]*"}$//p' audit.jsonl | tr -d '\n' | sha256sum
//! ```
//!
//! ```
//! use missiond_policy::audit::{AuditLog, AuditOptions, Judged, Redactor, verify};
//! use missiond_policy::{Decision, Risk, ToolCall, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let log = AuditLog::new(directory.path().join("audit.jsonl"), AuditOptions::default(), Redactor::new());
//! let call = ToolCall::new("Bash", serde_json::json!({ "command": "deploy --token=hunter2" }), "/work");
//! let verdict = Verdict::new(Decision::Deny, Risk::High, "not from here");
//!
//! // Only when this is Ok may an agent be told anything but a no.
//! let receipt = log.append(&Judged::new(jiff::Timestamp::now(), &call, &verdict))?;
//!
//! let verified = verify(log.paths(), Some(receipt.hash), AuditOptions::default().lock_wait)?;
//! assert_eq!(verified.fault, None);
//! assert!(!std::fs::read_to_string(log.paths().current())?.contains("hunter2"));
//! # Ok(())
//! # }
//! ```
//!
//! # What it proves, and what it does not
//!
//! [`verify`] finds every record that was edited, removed, put in or moved, also at the end: the head, a file beside the log,
//! says how far it went, and a writer that finds less says so in a record that stays. But there is no key in it. Whoever may
//! write the files and takes the trouble can write all of it anew, head and chain. That shows only against a hash that was
//! noted down where they can't reach it.
//!
//! # The design, and its price
//!
//! The head is locked with flock while a record is written, so that any number of processes keep one chain; the kernel frees
//! the lock of a process that dies. The price is that writers wait for one another, some tens of microseconds each. A record
//! is with the system before the verdict is told and survives every death of a process. Only the risky ones are on the disk
//! too ([`AuditSync`]): that takes milliseconds, and would come before every call.

mod chain;
mod error;
mod files;
mod head;
mod log;
mod read;
mod record;
mod redact;
mod rotate;
mod verify;

pub use chain::{Digest, ParseDigestError};
pub use error::AuditError;
pub use files::AuditPaths;
pub use log::{AuditLog, AuditOptions, AuditSync, Receipt};
pub use read::{AuditFilter, AuditFollow, newest, read};
pub use record::{Call, Decider, Entry, Judged, Record};
pub use redact::{Redactor, is_secret_name};
pub use verify::{Fault, Spot, Verified, verify};
