//! Run many coding agents side by side: slots, tasks, approvals and one event log.
