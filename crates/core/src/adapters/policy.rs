//! The gate judged by missiond-policy.
