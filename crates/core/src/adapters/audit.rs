//! The audit log kept by missiond-policy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use missiond_policy::audit::{AuditLog, AuditOptions, AuditPaths, AuditSync, Judged, Redactor};

use crate::adapters::policy::to_policy;
use crate::config::{Config, Settings};
use crate::error::chain;
use crate::model::Verdict;
use crate::ports::{Audit, AuditEntry, AuditError, BoxFuture, Decider};

/// A file of verdicts in a chain, with the secrets taken out.
#[derive(Clone, Debug)]
pub struct AuditFile {
    log: AuditLog,
    /// Held while a record is written: threads of one process take turns by this, so that the time that a lock is waited for
    /// goes to other processes alone.
    writing: Arc<Mutex<()>>,
}

impl AuditFile {
    /// The audit log of a project. Touches nothing.
    ///
    /// The values of this process's environment variables whose names say that they are secret are kept out of it, and so is
    /// that of the variable which `github.api_token_env` names.
    pub fn load(settings: &Settings, config: &Config) -> Self {
        let mut redactor = Redactor::of_environment(std::env::vars_os());
        let token = config.get("github.api_token_env").and_then(|entry| entry.value.as_str());
        if let Some((name, value)) = token.and_then(|name| Some((name, std::env::var(name).ok()?))) {
            redactor.know(format!("${name}"), value);
        }
        let mut options = AuditOptions::default();
        options.keep_age = Duration::from_secs(u64::from(settings.audit_keep_days) * 86_400);
        options.sync = if settings.audit_sync == "each" { AuditSync::Each } else { AuditSync::Risky };
        Self { log: AuditLog::new(&settings.audit_log_path, options, redactor), writing: Arc::default() }
    }

    /// Where it lies.
    pub fn paths(&self) -> &AuditPaths {
        self.log.paths()
    }

    /// [`Audit::record`] without a runtime. Blocks while it writes.
    ///
    /// # Errors
    ///
    /// When the verdict isn't on record.
    pub fn record_blocking(&self, entry: &AuditEntry) -> Result<(), AuditError> {
        let call = &entry.call;
        let mut judged_call =
            missiond_policy::ToolCall::new(call.tool.clone(), call.input.clone(), call.cwd.clone());
        judged_call.id = Some(call.id.clone()).filter(|id| !id.is_empty());
        let verdict = to_policy(&entry.verdict);
        let task = entry.task.map(|task| task.to_string());
        let mut judged = Judged::new(entry.at, &judged_call, &verdict);
        judged.rule = entry.verdict.rule.as_deref();
        judged.session = entry.session.as_deref();
        judged.slot = entry.slot.as_ref().map(|slot| slot.as_str());
        judged.task = task.as_deref();
        judged.agent = entry.agent.as_ref().map(|agent| agent.as_str());
        let approval = match &entry.by {
            Decider::Person { approval, .. } => Some(*approval),
            Decider::Nobody { approval } => *approval,
            _ => None,
        };
        let approval = approval.map(|approval| approval.to_string());
        judged.approval = approval.as_deref();
        judged.by = match &entry.by {
            Decider::Policy => missiond_policy::audit::Decider::Policy,
            Decider::Person { who, note, .. } => {
                (judged.person, judged.note) = (who.as_deref(), note.as_deref());
                missiond_policy::audit::Decider::Person
            }
            Decider::Nobody { .. } => missiond_policy::audit::Decider::Nobody,
            Decider::Limit => missiond_policy::audit::Decider::Limit,
            Decider::Failure => missiond_policy::audit::Decider::Failure,
        };
        // It guards no data that a panic could leave half done.
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.log.append(&judged).map(drop).map_err(|error| {
            let remedy = if error.is_full() { "free some space, or " } else { "" };
            AuditError(format!("{}; {remedy}name another place in security.audit_log_path", chain(&error)))
        })
    }

    /// Puts a verdict on record and gives it back; a no if it could not be put there.
    pub(crate) fn vouch(&self, entry: AuditEntry) -> Verdict {
        match self.record_blocking(&entry) {
            Ok(()) => entry.verdict,
            Err(error) => Verdict::deny(error.to_string()),
        }
    }
}

impl Audit for AuditFile {
    fn record<'a>(&'a self, entry: &'a AuditEntry) -> BoxFuture<'a, Result<(), AuditError>> {
        let (file, entry) = (self.clone(), entry.clone());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || file.record_blocking(&entry))
                .await
                .map_err(|error| AuditError(error.to_string()))?
        })
    }
}
