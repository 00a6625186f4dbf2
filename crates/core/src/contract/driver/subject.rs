//! A driver under test, with an agent that does what the tests need.

use std::fmt;
use std::sync::Arc;

use missiond_process::{SessionTag, tree};

use crate::contract::patience::{PATIENCE, eventually, within};
use crate::ports::{Agent, AgentStart, Driver};

/// A driver, and how to have it start an agent.
#[non_exhaustive]
pub struct Subject {
    /// What is tested.
    pub driver: Arc<dyn Driver>,
    /// How to start an agent; each call gives a start with a session tag of its own, in a workspace that exists, for a
    /// new conversation. The limit of a turn is at least a minute.
    pub start: Box<dyn Fn() -> AgentStart + Send + Sync>,
    /// What the agent can be told.
    pub prompts: Prompts,
}

/// Prompts for an agent of the tests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prompts {
    /// It names its conversation, says something, and ends its turn well with an answer that holds the word `pong`.
    pub answer: String,
    /// It calls the tool `Bash` once with a `command`, which gives back the word `listed`, and ends its turn well.
    pub call: String,
    /// It reports that it failed, with a message that holds the words `on purpose`.
    pub fail: String,
    /// It ends without having said how its turn went.
    pub crash: String,
    /// It says something and works on until it is ended; a process that it started ignores every signal that can be.
    pub hang: String,
}

impl Prompts {
    /// Prompts of their parts, in the order of the fields.
    pub fn new(
        answer: impl Into<String>,
        call: impl Into<String>,
        fail: impl Into<String>,
        crash: impl Into<String>,
        hang: impl Into<String>,
    ) -> Self {
        Self {
            answer: answer.into(),
            call: call.into(),
            fail: fail.into(),
            crash: crash.into(),
            hang: hang.into(),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Subject {
    /// A subject of its parts.
    pub fn new(
        driver: Arc<dyn Driver>,
        start: Box<dyn Fn() -> AgentStart + Send + Sync>,
        prompts: Prompts,
    ) -> Self {
        Self { driver, start, prompts }
    }

    /// Starts an agent, which must work.
    pub(super) async fn agent(&self) -> (Box<dyn Agent>, SessionTag) {
        self.agent_of((self.start)()).await
    }

    pub(super) async fn agent_of(&self, start: AgentStart) -> (Box<dyn Agent>, SessionTag) {
        let tag = start.tag.clone();
        let started = within(PATIENCE, "a start must come to its end", self.driver.start(start)).await;
        let agent =
            started.unwrap_or_else(|error| panic!("an agent whose program is there must start: {error}"));
        (agent, tag)
    }
}

/// The processes of a session.
pub(super) fn processes(tag: &SessionTag) -> Vec<u32> {
    let all = tree::tagged(tag.scope()).unwrap_or_else(|error| panic!("/proc must be readable: {error}"));
    all.into_iter().filter(|process| process.tag == *tag).map(|process| process.pid).collect()
}

pub(super) async fn stop(agent: &mut Box<dyn Agent>, tag: &SessionTag) {
    let stopped = within(PATIENCE, "`stop` must end within the bounds of a kill ladder", agent.stop()).await;
    stopped.unwrap_or_else(|error| panic!("`stop` must end every process of the agent: {error}"));
    assert_eq!(processes(tag), Vec::<u32>::new(), "no process of the agent may be left when `stop` returns");
}

pub(super) async fn none_left(guarantee: &str, tag: &SessionTag) {
    eventually(guarantee, || processes(tag).is_empty()).await;
}
