//! The audit log: a verdict is in it before anybody is told.

use tokio::time::{Instant, timeout_at};

use crate::ids::SlotId;
use crate::mission::panics::unpanicked;
use crate::mission::shared::Shared;
use crate::model::{ToolCall, Verdict};
use crate::ports::{AuditEntry, AuditError, Decider, Seat};

impl Shared {
    /// Gives the verdict back once it is on record, or a no if it can't be put there in time.
    pub(super) async fn audited(
        &self,
        seat: &Seat,
        call: &ToolCall,
        verdict: Verdict,
        by: Decider,
        by_when: Instant,
    ) -> Verdict {
        let mut entry = AuditEntry::new(self.now(), call.clone(), verdict, by);
        entry.slot = Some(seat.slot.clone());
        entry.task = Some(seat.task);
        entry.agent = Some(seat.agent.clone());
        self.put_on_record(entry, by_when).await
    }

    /// A no to a slot that no agent sits in, or whose turn is over.
    pub(super) async fn audited_refusal(
        &self,
        slot: &SlotId,
        call: &ToolCall,
        verdict: Verdict,
        by_when: Instant,
    ) -> Verdict {
        let mut entry = AuditEntry::new(self.now(), call.clone(), verdict, Decider::Failure);
        entry.slot = Some(slot.clone());
        self.put_on_record(entry, by_when).await
    }

    async fn put_on_record(&self, entry: AuditEntry, by_when: Instant) -> Verdict {
        let Some(audit) = &self.config.ports.audit else { return entry.verdict };
        let why = match timeout_at(by_when, unpanicked(audit.record(&entry))).await {
            Ok(Ok(Ok(()))) => return entry.verdict,
            Ok(Ok(Err(error))) => error,
            Ok(Err(panic)) => AuditError(format!("the audit log {panic}")),
            Err(_) => AuditError("it took too long".to_owned()),
        };
        tracing::warn!(error = %crate::error::chain(&why), "a verdict is not in the audit log");
        Verdict::deny(crate::error::chain(&why))
    }
}
