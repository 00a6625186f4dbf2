//! The contract of [`Audit`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::contract::patience::{begin_and_drop, within};
use crate::model::{Decision, ToolCall, Verdict};
use crate::ports::{Audit, AuditEntry, Decider};

/// What "within seconds" means here; a caller denies after as long.
const SECONDS: Duration = Duration::from_secs(10);
/// How many verdicts come at once.
const AT_ONCE: usize = 50;

/// Checks the guarantees of [`Audit`]: what it says is on record is there, however many come at once and whatever is in
/// them, and no secret is. `records` gives every record that there is, as text.
///
/// What remains for the implementation's own tests: that a change of the record is seen, and what a full disk does.
///
/// # Panics
///
/// With the guarantee that is broken.
///
/// # Cancel safety
///
/// Dropping the future ends the check.
pub async fn check(audit: Arc<dyn Audit>, records: impl Fn() -> Vec<String>) {
    let before = records().len();
    let mut at_once = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let audit = audit.clone();
        at_once.spawn(async move {
            let entry = entry(&format!("echo {number} of-the-contract"));
            within(SECONDS, "`record` answers within seconds", audit.record(&entry)).await
        });
    }
    while let Some(recorded) = at_once.join_next().await {
        let recorded = recorded.expect("`record` must not panic");
        assert!(recorded.is_ok(), "a verdict must be put on record: {recorded:?}");
    }
    let there = records();
    assert!(there.len() >= before + AT_ONCE, "each verdict that is on record must be there");
    for number in 0..AT_ONCE {
        let wanted = format!("echo {number} of-the-contract");
        assert!(there.iter().any(|record| record.contains(&wanted)), "`{wanted}` must be on record");
    }

    let secret = ["AK", "IAABCDEFGHIJ234567"].concat();
    for command in [secret.clone(), "x".repeat(1 << 20), "\u{0}\u{1b}[2J\u{202e}".to_owned(), String::new()] {
        let entry = entry(&command);
        drop(begin_and_drop(audit.record(&entry)).await);
        let recorded = within(SECONDS, "`record` answers within seconds", audit.record(&entry)).await;
        assert!(recorded.is_ok(), "a verdict must be put on record: {recorded:?}");
    }
    let there = records();
    assert!(!there.iter().any(|record| record.contains(&secret)), "no secret may be on record");
    assert!(there.iter().all(|record| record.len() < 1 << 20), "a record must be bounded");
}

fn entry(command: &str) -> AuditEntry {
    let call = ToolCall::new("c1", "Bash", json!({ "command": command }), "/");
    AuditEntry::new(Timestamp::now(), call, Verdict::new(Decision::Allow, None, "why not"), Decider::Policy)
}
