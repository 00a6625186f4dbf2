//! Every statement that the store runs, in one place.
//!
//! `INDEXED BY` where the planner would rather walk a whole table in the order that is asked for, since it does not know that
//! few of its rows are live.

use crate::model::TaskStatus;

/// The columns that [`rows::task`](super::rows::task) reads, in its order.
macro_rules! task_columns {
    () => {
        "id, request, status, reason, attempts, lease_slot, lease_token, lease_until, workspace, conversation, \
         submitted_at, started_at, finished_at, result"
    };
}

/// The columns that [`rows::approval`](super::rows::approval) reads, in its order.
macro_rules! approval_columns {
    () => {
        "id, task, slot, call, verdict, status, answered_by, note, opened_at, expires_at"
    };
}

pub(super) const SYNC_EVERY_COMMIT: &str = "PRAGMA synchronous = FULL";
pub(super) const SYNC_AT_CHECKPOINTS: &str = "PRAGMA synchronous = NORMAL";
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const SAVE: &str = "SAVEPOINT change";
pub(super) const RELEASE: &str = "RELEASE change";
pub(super) const UNDO: &str = "ROLLBACK TO change";

pub(super) const NEWEST: &str = "SELECT seq FROM events ORDER BY seq DESC LIMIT 1";
pub(super) const INSERT_EVENT: &str =
    "INSERT INTO events (seq, at, task, slot, body) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const EVENTS_SINCE: &str =
    "SELECT seq, at, task, slot, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";

pub(super) const NEXT_TOKEN: &str =
    "UPDATE counters SET value = value + 1 WHERE name = 'lease_token' RETURNING value";

pub(super) const TASK: &str = concat!("SELECT ", task_columns!(), " FROM tasks WHERE id = ?1");
pub(super) const TASK_NUMBER: &str = "SELECT num FROM tasks WHERE id = ?1";
pub(super) const TASK_COUNTS: &str =
    "SELECT status, count(*) FROM tasks INDEXED BY tasks_by_status GROUP BY status";
pub(super) const TASK_STANDING: &str = "SELECT id, status, attempts, lease_slot, lease_token, lease_until, \
     result IS NOT NULL FROM tasks WHERE id = ?1";
pub(super) const TASK_EXISTS: &str = "SELECT 1 FROM tasks WHERE id = ?1";
pub(super) const TASK_LEASED_TO: &str = "SELECT id FROM tasks WHERE lease_slot = ?1";
pub(super) const TASKS_LEASED: &str =
    "SELECT id, lease_slot FROM tasks INDEXED BY tasks_leased_to WHERE lease_slot IS NOT NULL ORDER BY num";
pub(super) const INSERT_TASK: &str =
    "INSERT INTO tasks (id, request, status, submitted_at) VALUES (?1, ?2, ?3, ?4)";
pub(super) const LEASE_TASK: &str = "UPDATE tasks SET status = ?2, reason = NULL, attempts = ?3, lease_slot = ?4, \
     lease_token = ?5, lease_until = ?6, started_at = ?7 WHERE id = ?1";
pub(super) const RENEW_LEASE: &str = "UPDATE tasks SET lease_until = ?2 WHERE id = ?1";
pub(super) const REQUEUE_TASK: &str = "UPDATE tasks SET status = ?2, reason = ?3, lease_slot = NULL, \
     lease_token = NULL, lease_until = NULL WHERE id = ?1";
pub(super) const END_TASK: &str = "UPDATE tasks SET status = ?2, reason = ?3, finished_at = ?4, result = ?5, \
     lease_slot = NULL, lease_token = NULL, lease_until = NULL WHERE id = ?1";
pub(super) const SET_RESULT: &str = "UPDATE tasks SET result = ?2 WHERE id = ?1";
pub(super) const SET_WORKSPACE: &str = "UPDATE tasks SET workspace = ?2 WHERE id = ?1";
pub(super) const SET_CONVERSATION: &str = "UPDATE tasks SET conversation = ?2 WHERE id = ?1";

pub(super) const SLOTS: &str = "SELECT id, config, status, reason, task, pid, since FROM slots ORDER BY id";
pub(super) const SLOT: &str = "SELECT id, config, status, reason, task, pid, since FROM slots WHERE id = ?1";
pub(super) const INSERT_SLOT: &str =
    "INSERT INTO slots (id, config, status, reason, task, pid, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub(super) const CONFIGURE_SLOT: &str = "UPDATE slots SET config = ?2 WHERE id = ?1";
pub(super) const DELETE_SLOT: &str = "DELETE FROM slots WHERE id = ?1";
pub(super) const SET_SLOT: &str =
    "UPDATE slots SET status = ?2, reason = ?3, task = ?4, pid = ?5, since = ?6 WHERE id = ?1";

pub(super) const APPROVALS: &str = concat!("SELECT ", approval_columns!(), " FROM approvals ORDER BY num");
pub(super) const APPROVALS_PENDING: &str = concat!(
    "SELECT ",
    approval_columns!(),
    " FROM approvals INDEXED BY approvals_pending WHERE status = 'pending' ORDER BY num"
);
pub(super) const APPROVAL: &str = concat!("SELECT ", approval_columns!(), " FROM approvals WHERE id = ?1");
pub(super) const APPROVAL_STANDING: &str =
    "SELECT id, task, slot, status, expires_at FROM approvals WHERE id = ?1";
pub(super) const APPROVALS_OPEN_OF: &str = "SELECT id, task, slot FROM approvals INDEXED BY approvals_pending WHERE status = 'pending' AND task = ?1 ORDER BY num";
pub(super) const APPROVALS_OPEN: &str =
    "SELECT id, task, slot FROM approvals INDEXED BY approvals_pending WHERE status = 'pending' ORDER BY num";
pub(super) const INSERT_APPROVAL: &str = "INSERT INTO approvals (id, task, slot, call, verdict, status, opened_at, \
     expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const SETTLE_APPROVAL: &str =
    "UPDATE approvals SET status = ?2, answered_by = ?3, note = ?4 WHERE id = ?1";

pub(super) const MESSAGES: &str =
    "SELECT id, sender, recipient, sent_at, text FROM messages ORDER BY num DESC LIMIT ?1";
pub(super) const MESSAGE_EXISTS: &str = "SELECT 1 FROM messages WHERE id = ?1";
pub(super) const INSERT_MESSAGE: &str =
    "INSERT INTO messages (id, sender, recipient, sent_at, text) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Tasks of some statuses, the newest first, at most `?1` of them. The statuses are our own words, so the text is one of a
/// few and stays in the statement cache.
pub(super) fn tasks_newest_first(statuses: &[TaskStatus]) -> String {
    let among = among(statuses).map(|among| format!(" WHERE {among}")).unwrap_or_default();
    format!(concat!("SELECT ", task_columns!(), " FROM tasks{} ORDER BY num DESC LIMIT ?1"), among)
}

/// Tasks of some statuses on one side of `?1`, those next to it first, at most `?2` of them.
pub(super) fn task_page(statuses: &[TaskStatus], backwards: bool) -> String {
    let among = among(statuses).map(|among| format!(" AND {among}")).unwrap_or_default();
    let (beyond, order) = if backwards { ("<", "DESC") } else { (">", "ASC") };
    format!(
        concat!("SELECT ", task_columns!(), " FROM tasks WHERE num {} ?1{} ORDER BY num {} LIMIT ?2"),
        beyond, among, order
    )
}

fn among(statuses: &[TaskStatus]) -> Option<String> {
    let wanted: Vec<String> = TaskStatus::ALL
        .into_iter()
        .filter(|status| statuses.contains(status))
        .map(|status| format!("'{}'", status.as_str()))
        .collect();
    (!wanted.is_empty()).then(|| format!("status IN ({})", wanted.join(", ")))
}
