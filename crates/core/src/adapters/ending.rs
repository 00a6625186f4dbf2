//! When a turn's transcript is complete.
//!
//! An agent writes its transcript a little behind what it does, and not always in order. Its screen says that the turn is
//! over; this says when nothing of the turn is missing in the transcript any more.

use std::collections::HashSet;
use std::time::Duration;

use missiond_process::text::truncate_start;
use serde_json::Value;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::time::Instant;

use crate::ports::TurnEvent;

/// How long, and for how many looks, nothing new may have come if the agent's last words are the last in the transcript.
const QUIET: (Duration, u32) = (Duration::from_millis(250), 2);
/// The same if it is not known which words are the last.
const LONG_QUIET: (Duration, u32) = (Duration::from_secs(1), 3);
/// How much of the agent's words is compared, and how much of what the transcript says is kept for that.
const MAX_WORDS_BYTES: usize = 4 << 10;
const MAX_SAID_BYTES: usize = 64 << 10;
/// The most calls whose results are waited for, and the most reports that are taken at a time.
const MAX_CALLS: usize = 10_000;
const MAX_REPORTS: usize = 1_000;

/// What the agent's hooks report of a turn, compared with what its transcript says.
///
/// A report only says what to wait for. Anybody in the slot can send one, so none makes a transcript complete in which
/// something new has just been.
#[derive(Debug)]
pub(super) struct Ending {
    reports: Option<Receiver<Value>>,
    /// The end of the agent's last words, as its hook for the end of a turn reported them.
    words: Option<String>,
    /// The calls that have ended as the hooks report, and whose results have not been read.
    calls: HashSet<String>,
    /// The end of what the agent has said in this turn, as its transcript has it.
    said: String,
    /// Since when, and for how many looks, nothing new has come.
    quiet: Option<(Instant, u32)>,
}

impl Ending {
    /// Hears every report from now on.
    pub(super) fn new(reports: Option<&Sender<Value>>) -> Self {
        Self {
            reports: reports.map(Sender::subscribe),
            words: None,
            calls: HashSet::new(),
            said: String::new(),
            quiet: None,
        }
    }

    /// Forgets what belongs to earlier turns.
    pub(super) fn begin(&mut self) {
        self.hear();
        self.words = None;
        self.calls.clear();
        self.said.clear();
        self.quiet = None;
    }

    /// Takes the reports that have come. Those on a call come before its result is written.
    pub(super) fn hear(&mut self) {
        let Some(reports) = &mut self.reports else { return };
        for _ in 0..MAX_REPORTS {
            let report = match reports.try_recv() {
                Ok(report) => report,
                // What was missed could only have said what else to wait for.
                Err(TryRecvError::Lagged(_)) => continue,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            };
            let text = |name: &str| report.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            match text("event") {
                Some("Stop" | "StopFailure") => {
                    self.words =
                        text("message").map(|message| squeezed(truncate_start(message, MAX_WORDS_BYTES)));
                    self.words.take_if(|words| words.is_empty());
                }
                Some("PostToolUse") if self.calls.len() < MAX_CALLS => {
                    self.calls.extend(text("call").map(str::to_owned));
                }
                _ => {}
            }
        }
    }

    /// Takes something that the transcript says.
    pub(super) fn read(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Text(text) => {
                self.said.push_str(&squeezed(truncate_start(text, MAX_SAID_BYTES)));
                let surplus = self.said.len() - truncate_start(&self.said, MAX_SAID_BYTES).len();
                self.said.drain(..surplus);
            }
            TurnEvent::ToolResult { call, .. } => {
                self.calls.remove(call);
            }
            _ => {}
        }
    }

    /// Notes that the transcript was looked at after the turn's end, and whether there was anything new.
    pub(super) fn looked(&mut self, news: bool, now: Instant) {
        self.quiet = match self.quiet {
            Some((since, looks)) if !news => Some((since, looks.saturating_add(1))),
            _ => Some((now, 0)),
        };
    }

    /// Whether nothing of the turn is missing any more, as far as anybody can know.
    pub(super) fn is_complete(&self, now: Instant) -> bool {
        let (time, looks) = match &self.words {
            Some(words) if self.said.ends_with(words.as_str()) => QUIET,
            _ => LONG_QUIET,
        };
        let is_quiet =
            self.quiet.is_some_and(|(since, quiet)| now.duration_since(since) >= time && quiet >= looks);
        is_quiet && !self.said.is_empty() && self.calls.is_empty() && !self.lacks_words()
    }

    /// Whether the agent's last words are known and have not been read.
    pub(super) fn lacks_words(&self) -> bool {
        self.words.as_ref().is_some_and(|words| !self.said.contains(words.as_str()))
    }
}

/// Without white space: agents trim what they report, and join its parts in one way or another.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tokio::sync::broadcast::Sender;
    use tokio::time::Instant;

    use super::{Ending, LONG_QUIET, MAX_SAID_BYTES, QUIET};
    use crate::ports::TurnEvent;

    const LOOK: Duration = Duration::from_millis(150);

    fn text(text: &str) -> TurnEvent {
        TurnEvent::Text(text.to_owned())
    }

    fn result(call: &str) -> TurnEvent {
        TurnEvent::ToolResult {
            call: call.to_owned(),
            is_error: false,
            never_ran: false,
            content: String::new(),
        }
    }

    /// Looks on and finds nothing new: after how long the transcript is complete, if it ever is.
    fn complete_after(ending: &mut Ending, news: bool) -> Option<Duration> {
        let begun = Instant::now();
        ending.looked(news, begun);
        (0..100).map(|look| LOOK * look).find(|time| {
            if !time.is_zero() {
                ending.looked(false, begun + *time);
            }
            ending.is_complete(begun + *time)
        })
    }

    fn within(time: Option<Duration>, (least, looks): (Duration, u32)) {
        let most = (least + LOOK).max(LOOK * looks);
        assert!(
            time.is_some_and(|time| time >= least && time <= most),
            "{time:?}, not {least:?} to {most:?}"
        );
    }

    #[test]
    fn without_a_report_one_quiet_look_is_not_the_end() {
        let mut ending = Ending::new(None);
        assert_eq!(complete_after(&mut ending, false), None, "nothing was said");
        ending.read(&text("Let me look."));
        within(complete_after(&mut ending, true), LONG_QUIET);
        // Whatever comes begins it anew.
        ending.looked(true, Instant::now());
        assert!(!ending.is_complete(Instant::now()));
    }

    #[test]
    fn the_last_words_are_waited_for() {
        let reports = Sender::new(8);
        let mut ending = Ending::new(Some(&reports));
        ending.begin();
        ending.read(&text("Let me look."));
        reports.send(json!({ "event": "Stop", "message": "All \n done." })).expect("it is heard");
        ending.hear();
        assert_eq!(complete_after(&mut ending, true), None);
        assert!(ending.lacks_words());
        ending.read(&text("All"));
        ending.read(&text("done."));
        assert!(!ending.lacks_words());
        within(complete_after(&mut ending, true), QUIET);
        // Something came after them, so they are not known to be the last ones.
        ending.read(&text("And more."));
        within(complete_after(&mut ending, true), LONG_QUIET);
        ending.begin();
        assert_eq!(complete_after(&mut ending, false), None, "that was another turn");
    }

    /// The same words stand before the call and after it.
    #[test]
    fn the_result_of_a_call_that_has_run_is_waited_for() {
        let reports = Sender::new(8);
        let mut ending = Ending::new(Some(&reports));
        ending.read(&text("Done."));
        for report in
            [json!({ "event": "PostToolUse", "call": "c-1" }), json!({ "event": "Stop", "message": "Done." })]
        {
            reports.send(report).expect("it is heard");
        }
        ending.hear();
        assert_eq!(complete_after(&mut ending, true), None);
        ending.read(&result("c-1"));
        within(complete_after(&mut ending, true), QUIET);
    }

    #[test]
    fn reports_that_say_nothing_or_too_much_are_harmless() {
        let reports = Sender::new(2);
        let mut ending = Ending::new(Some(&reports));
        let long = "ü".repeat(MAX_SAID_BYTES);
        for report in [json!(null), json!({ "event": "Stop", "message": 7 }), json!({ "event": "Stop" })] {
            reports.send(report).expect("it is heard");
        }
        ending.hear();
        ending.read(&text("ok"));
        within(complete_after(&mut ending, true), LONG_QUIET);
        reports.send(json!({ "event": "StopFailure", "message": long })).expect("it is heard");
        ending.hear();
        assert!(ending.lacks_words());
        ending.read(&text(&long));
        assert!(ending.said.len() <= MAX_SAID_BYTES);
        within(complete_after(&mut ending, true), QUIET);
        drop(reports);
        ending.hear();
    }
}
