//! A sink that remembers, and can be slow or call the turn off.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use missiond_process::{SessionTag, tree};

use crate::model::{ToolCall, Verdict};
use crate::ports::{BoxFuture, TurnControl, TurnError, TurnEvent, TurnSink};

#[derive(Debug)]
pub(super) struct Ear {
    /// When to call the turn off.
    pub(super) stop_at: Option<StopAt>,
    /// How long each event takes it.
    pub(super) pause: Duration,
    tag: SessionTag,
    heard: Mutex<Vec<TurnEvent>>,
    busy: Mutex<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopAt {
    Started,
    Text,
}

/// What a turn is called off with.
pub(super) const REASON: &str = "called off by the test";

impl Ear {
    pub(super) fn new(tag: &SessionTag) -> Self {
        Self {
            stop_at: None,
            pause: Duration::ZERO,
            tag: tag.clone(),
            heard: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// The session that is listened to.
    pub(super) fn tag(&self) -> &SessionTag {
        &self.tag
    }

    pub(super) fn heard(&self) -> Vec<TurnEvent> {
        lock(&self.heard).clone()
    }

    fn hear(&self, event: TurnEvent) -> TurnControl {
        let mut heard = lock(&self.heard);
        if let TurnEvent::Started { pid, guardian } = event {
            assert!(heard.is_empty(), "the start of the process must be told before anything else");
            check_process(pid, guardian, &self.tag);
        } else {
            assert!(
                !heard.is_empty(),
                "the start of the process must be told before anything else: {event:?}"
            );
        }
        let stop = match self.stop_at {
            Some(StopAt::Started) => true,
            Some(StopAt::Text) => matches!(event, TurnEvent::Text(_)),
            None => false,
        };
        heard.push(event);
        if stop { TurnControl::Stop(TurnError::Other(REASON.to_owned())) } else { TurnControl::Continue }
    }
}

/// While the process is there it carries its tag, and descends from its guardian.
fn check_process(pid: u32, guardian: u32, tag: &SessionTag) {
    // A short turn may be over by now; then there is nothing to look at.
    if let Ok(Some(found)) = tree::tag_of(pid) {
        assert_eq!(found, *tag, "every process must carry the tag of its session");
    }
    if let Ok(ancestors) = tree::ancestors(pid)
        && tree::tag_of(pid).is_ok_and(|tag| tag.is_some())
    {
        assert!(
            ancestors.contains(&guardian) || pid == guardian,
            "the guardian must be an ancestor of the agent's process: {guardian}, not of {pid}, {ancestors:?}"
        );
    }
}

impl TurnSink for Ear {
    fn observe(&self, event: TurnEvent) -> BoxFuture<'_, TurnControl> {
        Box::pin(async move {
            assert!(
                !std::mem::replace(&mut *lock(&self.busy), true),
                "an event must wait until the one before it is taken"
            );
            tokio::time::sleep(self.pause).await;
            let control = self.hear(event);
            *lock(&self.busy) = false;
            control
        })
    }

    fn judge(&self, _: ToolCall) -> BoxFuture<'_, Verdict> {
        Box::pin(async { Verdict::deny("the suite lets nothing run that no hook asked about") })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
