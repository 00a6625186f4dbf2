//! The drivers, with agents that are real processes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use missiond_core::TaskId;
use missiond_core::adapters::PtyDriver;
use missiond_core::agents::AgentProfile;
use missiond_core::contract::driver::{Prompts, Subject, check};
use missiond_core::headless::HeadlessDriver;
use missiond_core::ports::{AgentStart, Driver, NoContainment};
use missiond_process::SessionTag;

use crate::mission::{scripted_agent, shell_agent};

#[tokio::test(flavor = "multi_thread")]
async fn headless_driver() {
    let scratch = tempfile::tempdir().unwrap();
    check(&headless(scratch.path(), Arc::new(HeadlessDriver))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pty_driver() {
    let scratch = tempfile::tempdir().unwrap();
    let prompts = Prompts::new(
        r#"script:[{"say":"thinking"},{"say":"pong"}]"#,
        r#"script:[{"unhooked":"echo listed"},{"say":"called"}]"#,
        r#"script:[{"fail":"failed on purpose"}]"#,
        r#"script:[{"say":"soon"},{"crash":9}]"#,
        r#"script:[{"say":"working"},{"unhooked":"trap '' INT TERM HUP; while :; do sleep 0.1; done"}]"#,
    );
    let driver = Arc::new(PtyDriver::new(Duration::from_secs(30)));
    check(&subject(scratch.path(), driver, &scripted_agent(scratch.path()), prompts)).await;
}

/// A driver of headless agents under test, with an agent that plays shell scripts.
pub(super) fn headless(scratch: &Path, driver: Arc<dyn Driver>) -> Subject {
    let prompts = Prompts::new(
        "begin; say thinking; finish pong",
        "begin; call call-1 Bash ls; returned call-1 false listed; finish",
        "begin; result success true 'failed on purpose'",
        "begin; say soon; exit 3",
        "begin; say working; (trap '' INT TERM HUP; while :; do sleep 0.1; done) & \
         trap '' INT TERM; while :; do sleep 0.1; done",
    );
    subject(scratch, driver, &shell_agent(scratch), prompts)
}

fn subject(scratch: &Path, driver: Arc<dyn Driver>, profile: &str, prompts: Prompts) -> Subject {
    let profile = Arc::new(AgentProfile::parse(profile, "an agent of the tests").unwrap());
    let workspace = scratch.join("workspace");
    std::fs::create_dir(&workspace).unwrap();
    let settings = scratch.join("settings.json");
    std::fs::write(&settings, "{}").unwrap();
    let state = scratch.join("state");
    let count = AtomicUsize::new(0);
    // One scope a suite, so that suites which run at the same time do not see each other's processes.
    let scope = TaskId::generate().to_string().replace('-', "");
    let start = move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let mut start = AgentStart::new(
            "s1".parse().unwrap(),
            TaskId::generate(),
            profile.clone(),
            workspace.clone(),
            settings.clone(),
            SessionTag::new(&scope, &format!("s{number}")).unwrap(),
            Arc::new(NoContainment),
            Duration::from_secs(60),
        );
        // Where the scripted agent keeps its conversations.
        start.env.push(("XDG_STATE_HOME".to_owned(), state.clone().into()));
        start
    };
    Subject::new(driver, Box::new(start), prompts)
}
