//! The interactive driver: the agent's own terminal program, by missiond-pty.

use std::sync::Arc;
use std::time::Duration;

use missiond_process::Environment;
use missiond_pty::{
    Choice, Dialog, DialogKind, EndReason, Observation, Profile, PtySession, Size, Status, SubmitError,
    TurnOptions, TurnStep,
};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::adapters::ending::Ending;
use crate::adapters::transcript::Transcript;
use crate::agents::PtyProfile;
use crate::error::chain;
use crate::headless::{Answer, agent_environment, program_path, spawn_error};
use crate::ids::ConversationId;
use crate::model::{AgentStatus, Decision, DriverKind, ToolCall, Usage};
use crate::ports::{
    Agent, AgentStart, BoxFuture, Driver, DriverError, TurnControl, TurnError, TurnEvent, TurnOutcome,
    TurnSink,
};

/// How much later than a turn's own limit the terminal's would end it.
const BEYOND_A_TURN: Duration = Duration::from_secs(366 * 24 * 3600);
/// The size of an agent's terminal: wide enough that most commands in dialogs stand on one line.
const COLUMNS: u16 = 160;
const ROWS: u16 = 50;
/// How often the transcript is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// How long the end of a turn may take to be written to the transcript.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Runs agents in a terminal of their own, as the `[pty]` part of their data file says.
///
/// Prompts are typed and the screen is read for the state. Tool calls are held by the agent's hooks, and matched with
/// their verdicts in the agent's transcript. A dialog that no hook caused is put to the gate; one that asks about a tool
/// is answered with no, because only a hook may let a tool run.
#[derive(Clone, Debug)]
pub struct PtyDriver {
    ready: Duration,
}

impl PtyDriver {
    /// A driver that waits `ready` for an agent to show its prompt.
    pub fn new(ready: Duration) -> Self {
        Self { ready }
    }
}

impl Driver for PtyDriver {
    fn kind(&self) -> DriverKind {
        DriverKind::Pty
    }

    fn start(&self, start: AgentStart) -> BoxFuture<'_, Result<Box<dyn Agent>, DriverError>> {
        Box::pin(async move {
            let Some(section) = start.profile.pty.clone() else {
                return Err(DriverError::Unsupported {
                    agent: start.profile.id.to_string(),
                    driver: DriverKind::Pty,
                });
            };
            let env = agent_environment(&section.inherit_env, &section.env, &start.env, start.profile.hooks);
            let screen = screen_profile(&section.screen)?;
            let conversation = match &start.conversation {
                Some(conversation) => conversation.clone(),
                None => {
                    let new = Uuid::new_v4().to_string();
                    new.parse().map_err(|error| DriverError::Other(format!("{error}")))?
                }
            };
            // Where the agent writes is a matter of its environment, not of ours.
            let variable = |name: &str| env.get(name).map(ToOwned::to_owned);
            let mut transcript =
                Transcript::new(&section.transcript, &conversation, &start.workspace, variable)
                    .map_err(DriverError::Other)?;
            transcript.skip_to_end().map_err(DriverError::Other)?;
            let ending = Ending::new(start.reports.as_ref());
            // Last, so that nothing that fails afterwards leaves a process behind.
            let (session, guard) = spawn(&start, &section, &conversation, env).await?;
            let session = Arc::new(session);
            let mut options = TurnOptions::default();
            // Counted here, where it is known when a person is asked.
            options.turn = start.turn_timeout.saturating_add(BEYOND_A_TURN);
            let agent = missiond_pty::Agent::new(session.clone(), screen, options);
            let agent: Box<dyn Agent> = Box::new(PtyAgent {
                start,
                session,
                agent,
                conversation,
                transcript: Some(transcript),
                ending,
                ready: self.ready,
                answer: Answer::default(),
                _guard: guard,
            });
            Ok(agent)
        })
    }
}

/// What keeps the containment up.
type Guard = Box<dyn std::any::Any + Send + Sync>;

async fn spawn(
    start: &AgentStart,
    section: &PtyProfile,
    conversation: &ConversationId,
    env: Environment,
) -> Result<(PtySession, Guard), DriverError> {
    let args = if start.conversation.is_some() { &section.resume } else { &section.args };
    let args = args.iter().chain(&start.args).map(|arg| match arg.as_str() {
        "{settings}" => start.settings.to_string_lossy().into_owned(),
        "{conversation}" => conversation.to_string(),
        _ => arg.clone(),
    });
    let mut spec = missiond_pty::SpawnSpec::new(program_path(&section.program), &start.workspace).args(args);
    spec.env = env;
    spec.tag = Some(start.tag.clone());
    let contained = start.containment.contain(spec, &start.workspace)?;
    let size = Size::new(COLUMNS, ROWS).map_err(|error| DriverError::Other(error.to_string()))?;
    // The guard goes along, so that it outlives the process also when nobody waits for the start any more.
    let spawned = tokio::task::spawn_blocking(move || {
        PtySession::spawn(contained.spec, size).map(|session| (session, contained.guard))
    });
    spawned
        .await
        .map_err(|error| DriverError::Other(format!("starting the agent's terminal failed: {error}")))?
        .map_err(|error| match error {
            missiond_pty::SpawnError::Program { source, .. } => {
                spawn_error(section.program.clone(), start.profile.install.clone(), *source)
            }
            error => DriverError::Other(chain(&error)),
        })
}

fn screen_profile(name: &str) -> Result<Profile, DriverError> {
    Profile::embedded(name).ok_or_else(|| {
        let known: Vec<&str> = Profile::embedded_ids().collect();
        DriverError::Other(format!(
            "there are no rules for the screen `{}` that the agent's data file names; there are some for: {}",
            crate::text::escape_line(name),
            known.join(", ")
        ))
    })
}

#[derive(Debug)]
struct PtyAgent {
    start: AgentStart,
    session: Arc<PtySession>,
    agent: missiond_pty::Agent,
    conversation: ConversationId,
    /// `None` only while a thread reads it.
    transcript: Option<Transcript>,
    ending: Ending,
    ready: Duration,
    answer: Answer,
    _guard: Guard,
}

impl Agent for PtyAgent {
    fn turn<'a>(
        &'a mut self,
        prompt: &'a str,
        sink: &'a dyn TurnSink,
    ) -> BoxFuture<'a, Result<TurnOutcome, TurnError>> {
        Box::pin(async move {
            let clock = self.start.turn_clock();
            let outcome = tokio::select! {
                outcome = self.run(prompt, sink) => outcome,
                () = clock.over() => Err(TurnError::TimedOut { limit: clock.limit() }),
            };
            // What it would do next is nobody's turn any more.
            if outcome.is_err()
                && let Err(error) = self.stop().await
            {
                tracing::warn!(slot = %self.start.slot, %error, "processes of an ended turn are left");
            }
            outcome
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), DriverError>> {
        Box::pin(async move {
            self.session.kill().await.map(drop).map_err(|error| DriverError::Other(chain(&error)))
        })
    }
}

impl PtyAgent {
    async fn run(&mut self, prompt: &str, sink: &dyn TurnSink) -> Result<TurnOutcome, TurnError> {
        let guardian = self.session.guardian_pid();
        tell(sink, TurnEvent::Started { pid: self.session.pid(), guardian }).await?;
        tell(sink, TurnEvent::Conversation(self.conversation.clone())).await?;
        self.until_idle(sink).await?;
        self.status(sink, AgentStatus::Idle, "its prompt box is there").await?;
        self.answer = Answer::default();
        if let Some(transcript) = &mut self.transcript {
            transcript.take_end();
            transcript.search_again();
        }
        self.ending.begin();
        let agent = self.agent.clone();
        let mut turn = agent.submit(prompt).await.map_err(|error| match error {
            SubmitError::Exited(exit) => TurnError::Exited { exit: exit.to_string(), tail: self.last_rows() },
            error => TurnError::Protocol(chain(&error)),
        })?;
        self.status(sink, AgentStatus::Thinking, "the prompt was submitted").await?;
        let mut unexplained: Option<Instant> = None;
        let end = loop {
            let step = tokio::select! {
                step = turn.next() => Some(step),
                () = tokio::time::sleep(LOOK) => None,
            };
            let news = self.follow(sink).await?;
            if let Some(since) = unexplained {
                if news || self.is_explained() {
                    unexplained = None;
                } else if since.elapsed() >= self.ready {
                    let seconds = self.ready.as_secs();
                    let rows = self.last_rows();
                    let text = format!("nothing has explained the agent's screen for {seconds} s{rows}");
                    return Err(TurnError::Protocol(text));
                }
            }
            let Some(step) = step else { continue };
            match step {
                Some(TurnStep::Status(status)) => {
                    let evidence = self.agent.observe().explain().trim_end().replace('\n', "; ");
                    self.status(sink, agent_status(status), evidence).await?;
                }
                Some(TurnStep::NeedsAnswer(dialog)) => self.answer_dialog(&dialog, sink).await?,
                Some(TurnStep::Ended(outcome)) => break outcome,
                // It may be a dialog that no rule knows, and then nobody would ever answer it.
                Some(TurnStep::Unexplained(_)) => {
                    unexplained.get_or_insert_with(Instant::now);
                    let text = format!("nothing explains the agent's screen{}", self.last_rows());
                    tell(sink, TurnEvent::Warning(text)).await?;
                }
                Some(_) => {}
                None => return Err(TurnError::Protocol("the turn ended without an outcome".to_owned())),
            }
        };
        if let Some(transcript) = &mut self.transcript {
            transcript.search_again();
        }
        match end.reason {
            // Whoever has ended writes no more.
            EndReason::Exited(_) => {
                self.follow(sink).await?;
            }
            _ => self.follow_to_end(sink).await?,
        }
        // The agent's own word on how its turn ended, where it gives one, is better than what its screen looks like.
        let written = self.transcript.as_mut().and_then(Transcript::take_end);
        let usage = written.as_ref().map(|end| end.usage.clone()).unwrap_or_default();
        let reason = match (end.reason, written.map(|end| end.error)) {
            (EndReason::Complete | EndReason::Failed(_), Some(None)) => EndReason::Complete,
            (EndReason::Complete | EndReason::Failed(_), Some(Some(message))) => EndReason::Failed(message),
            (reason, _) => reason,
        };
        match reason {
            EndReason::Complete => {
                let said = std::mem::take(&mut self.answer);
                let answer = if said.is_empty() { end.answer.unwrap_or_default() } else { said.into_text() };
                let conversation = Some(self.conversation.clone());
                Ok(TurnOutcome { answer, conversation, usage })
            }
            EndReason::Failed(message) => Err(TurnError::Agent { message, usage }),
            EndReason::Interrupted => {
                Err(TurnError::Agent { message: "it was interrupted".to_owned(), usage })
            }
            EndReason::Exited(exit) => {
                Err(TurnError::Exited { exit: exit.to_string(), tail: self.last_rows() })
            }
            EndReason::TimedOut => Err(TurnError::TimedOut { limit: self.start.turn_timeout }),
            other => Err(TurnError::Protocol(format!("the turn ended in an unknown way: {other:?}"))),
        }
    }

    /// Waits for the prompt box, with what stands before it (is this folder trusted?) put to the gate.
    async fn until_idle(&mut self, sink: &dyn TurnSink) -> Result<(), TurnError> {
        loop {
            let seen = self.agent.wait_for(self.ready, settled).await;
            let seen = match seen {
                Ok(seen) => seen,
                Err(missiond_pty::WaitError::Exited { exit, .. }) => {
                    return Err(TurnError::Exited { exit: exit.to_string(), tail: self.last_rows() });
                }
                Err(error) => {
                    let text = format!(
                        "the agent did not show its prompt: {}; its screen{}",
                        chain(&error),
                        self.last_rows()
                    );
                    return Err(TurnError::Protocol(text));
                }
            };
            match seen.dialog {
                Some(dialog) => self.answer_dialog(&dialog, sink).await?,
                None => return Ok(()),
            }
        }
    }

    /// Answers a dialog that no hook caused.
    async fn answer_dialog(&mut self, dialog: &Dialog, sink: &dyn TurnSink) -> Result<(), TurnError> {
        self.status(sink, AgentStatus::Confirming, format!("a {} dialog: {}", dialog.kind, dialog.question))
            .await?;
        let pressed = |error: missiond_pty::AnswerError| TurnError::Protocol(chain(&error));
        if matches!(dialog.kind, DialogKind::Permission | DialogKind::Plan) {
            // The hook answers for tools. If the agent asks on its screen, the hook did not answer, and keys must not do it
            // in its place: whoever can stop a hook would get the call past the policy.
            self.agent.answer(dialog.id, Choice::Cancel).await.map_err(pressed)?;
            return Err(TurnError::PolicyBypassed {
                tool: dialog.tool.clone().unwrap_or_else(|| "a tool".to_owned()),
                argument: dialog.argument.clone().unwrap_or_else(|| dialog.question.clone()),
            });
        }
        let options: Vec<&str> = dialog.options.iter().map(|option| option.label.as_str()).collect();
        let input =
            json!({ "kind": dialog.kind.to_string(), "question": dialog.question, "options": options });
        let call = ToolCall::new(format!("dialog-{}", dialog.id), "Dialog", input, &self.start.workspace);
        let verdict = sink.judge(call).await;
        if verdict.decision != Decision::Allow {
            self.agent.answer(dialog.id, Choice::Cancel).await.map_err(pressed)?;
            let message = format!("its {} dialog was not approved: {}", dialog.kind, verdict.reason);
            return Err(TurnError::Agent { message, usage: Usage::default() });
        }
        let yes =
            dialog.options.iter().position(|option| option.label.to_ascii_lowercase().starts_with("yes"));
        let choice = yes.or(dialog.highlighted()).unwrap_or(0);
        self.agent.answer(dialog.id, Choice::Option(choice)).await.map_err(pressed)
    }

    /// Tells what the transcript says since the last look, and whether that was anything.
    async fn follow(&mut self, sink: &dyn TurnSink) -> Result<bool, TurnError> {
        let Some(mut transcript) = self.transcript.take() else {
            return Err(TurnError::Protocol("the agent's transcript is being read already".to_owned()));
        };
        self.ending.hear();
        let looked = tokio::task::spawn_blocking(move || {
            let looked = transcript.look(std::time::Instant::now());
            (transcript, looked)
        });
        let (transcript, looked) = looked
            .await
            .map_err(|error| TurnError::Protocol(format!("reading the transcript failed: {error}")))?;
        self.transcript = Some(transcript);
        let events = looked.map_err(TurnError::Protocol)?;
        let news = !events.is_empty();
        for event in events {
            self.ending.read(&event);
            if let TurnEvent::Text(text) = &event {
                self.answer.add(text);
            }
            tell(sink, event).await?;
        }
        Ok(news)
    }

    /// Whether a rule knows what is on the screen.
    fn is_explained(&self) -> bool {
        let seen = self.agent.observe();
        seen.dialog.is_some() || !matches!(seen.status, Status::Unknown | Status::Starting)
    }

    /// Reads on until the transcript is complete, and insists that there is one: without it nobody knows which tool calls
    /// ran.
    async fn follow_to_end(&mut self, sink: &dyn TurnSink) -> Result<(), TurnError> {
        let deadline = Instant::now() + LAST_LOOK;
        loop {
            let news = self.follow(sink).await?;
            let now = Instant::now();
            self.ending.looked(news, now);
            let there = self.transcript.as_ref().is_some_and(Transcript::is_there);
            let has_ended = self.transcript.as_ref().is_some_and(Transcript::has_ended);
            if has_ended || (there && self.ending.is_complete(now)) {
                return Ok(());
            }
            if now >= deadline {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let missing = match self.transcript.as_ref().is_some_and(Transcript::is_there) {
            false => "the agent wrote no transcript".to_owned(),
            true if self.ending.lacks_words() => {
                format!("the agent's last words did not come to its transcript in {} s", LAST_LOOK.as_secs())
            }
            true => return Ok(()),
        };
        let text = format!("{missing}, so its tool calls cannot be matched with their verdicts");
        Err(TurnError::Protocol(text))
    }

    async fn status(
        &self,
        sink: &dyn TurnSink,
        status: AgentStatus,
        evidence: impl Into<String>,
    ) -> Result<(), TurnError> {
        tell(sink, TurnEvent::Status { status, evidence: evidence.into() }).await
    }

    /// The end of the screen, for an error message.
    fn last_rows(&self) -> String {
        let snapshot = self.session.snapshot();
        let rows: Vec<String> = snapshot
            .rows
            .iter()
            .map(|row| crate::text::escape_line(row.text.trim_end()))
            .filter(|row| !row.is_empty())
            .collect();
        let tail = rows[rows.len().saturating_sub(6)..].join(" | ");
        if tail.is_empty() { tail } else { format!(": {tail}") }
    }
}

/// Something that the driver can act on: the prompt box, or a dialog.
fn settled(seen: &Observation) -> Option<Observation> {
    let ready = matches!(seen.status, Status::Idle { .. }) || seen.dialog.is_some();
    ready.then(|| seen.clone())
}

fn agent_status(status: Status) -> AgentStatus {
    match status {
        Status::Starting => AgentStatus::Starting,
        Status::Idle { .. } => AgentStatus::Idle,
        Status::Busy(missiond_pty::Activity::ToolRunning) => AgentStatus::ToolRunning,
        Status::Busy(missiond_pty::Activity::Responding) => AgentStatus::Responding,
        Status::Confirming => AgentStatus::Confirming,
        Status::Exited => AgentStatus::Exited,
        // A busy agent whose activity is not known has not answered as far as anybody can see.
        _ => AgentStatus::Thinking,
    }
}

async fn tell(sink: &dyn TurnSink, event: TurnEvent) -> Result<(), TurnError> {
    match sink.observe(event).await {
        TurnControl::Continue => Ok(()),
        TurnControl::Stop(error) => Err(error),
    }
}
