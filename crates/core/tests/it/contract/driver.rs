//! The headless driver, with an agent that plays shell scripts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use missiond_core::TaskId;
use missiond_core::agents::AgentProfile;
use missiond_core::contract::driver::{Prompts, Subject, check};
use missiond_core::headless::HeadlessDriver;
use missiond_core::ports::{AgentStart, Driver, NoContainment};
use missiond_process::SessionTag;

use crate::mission::shell_agent;

#[tokio::test(flavor = "multi_thread")]
async fn headless_driver() {
    let scratch = tempfile::tempdir().unwrap();
    check(&subject(scratch.path(), Arc::new(HeadlessDriver))).await;
}

/// A driver under test in a scratch directory.
pub(super) fn subject(scratch: &Path, driver: Arc<dyn Driver>) -> Subject {
    let text = shell_agent("shell", &scratch.join("agent.sh"));
    let profile = Arc::new(AgentProfile::parse(&text, "shell.toml").unwrap());
    let workspace = scratch.join("workspace");
    std::fs::create_dir(&workspace).unwrap();
    let settings = scratch.join("settings.json");
    std::fs::write(&settings, "{}").unwrap();
    let count = AtomicUsize::new(0);
    // One scope a suite, so that suites which run at the same time do not see each other's processes.
    let scope = TaskId::generate().to_string().replace('-', "");
    let start = move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        AgentStart::new(
            "s1".parse().unwrap(),
            TaskId::generate(),
            profile.clone(),
            workspace.clone(),
            settings.clone(),
            SessionTag::new(&scope, &format!("s{number}")).unwrap(),
            Arc::new(NoContainment),
            Duration::from_secs(60),
        )
    };
    let prompts = Prompts::new(
        "begin; say thinking; finish pong",
        "begin; call call-1 Bash ls; returned call-1 false listed; finish",
        "begin; result success true 'failed on purpose'",
        "begin; say soon; exit 3",
        "begin; say working; (trap '' INT TERM HUP; while :; do sleep 0.1; done) & \
         trap '' INT TERM; while :; do sleep 0.1; done",
    );
    Subject::new(driver, Box::new(start), prompts)
}
