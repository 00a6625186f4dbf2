//! Playing a script. Where it shows is the [`Stage`]'s matter, so every way of running the agent plays the same.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::scripted::child::{self, Failure};
use crate::scripted::event::{Call, Ending, Event};
use crate::scripted::hooks::{Hooks, Permission};
use crate::scripted::script::{Script, Step};
use crate::scripted::stop::Stop;

/// How much of a tool's output comes back as its result.
const MAX_OUTPUT_BYTES: usize = 30_000;
/// How long a signal that ends the process may take.
const CRASH: Duration = Duration::from_millis(500);
/// Begins the result of a call that never ran because its turn ended before anybody had judged it.
const NEVER_RAN: &str = "<tool_use_error>";

/// Where a turn shows.
pub(super) trait Stage {
    /// Shows what happens. It is on record when this returns.
    fn show(&mut self, event: Event) -> io::Result<()>;

    /// Asks the person about a call that no hook has decided, for this reason.
    fn ask(&mut self, call: &Call, reason: String) -> Choice;
}

/// What the person says about a call.
#[derive(Debug)]
pub(super) enum Choice {
    /// Yes; or to a question, this answer.
    Yes(String),
    /// No, for this reason.
    No(String),
    /// No, and the turn is to stop.
    Stop,
}

/// One agent in its conversation.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) hooks: Hooks,
    pub(super) session: String,
    pub(super) cwd: PathBuf,
}

impl Player {
    /// Plays one turn to its end.
    pub(super) fn play(&self, script: &Script, stage: &mut dyn Stage, stop: &Stop) -> io::Result<()> {
        let mut turn =
            Turn { player: self, stage, stop, begun: Instant::now(), answer: String::new(), calls: 0 };
        let mut ending = Ending::Complete;
        for step in &script.steps {
            if let Step::Fail(message) = step {
                ending = Ending::Failed(message.clone());
                break;
            }
            if turn.step(step)?.is_break() || stop.is_stopped() {
                ending = Ending::Interrupted;
                break;
            }
        }
        turn.end(ending)
    }
}

struct Turn<'a> {
    player: &'a Player,
    stage: &'a mut dyn Stage,
    stop: &'a Stop,
    begun: Instant,
    answer: String,
    calls: u32,
}

/// Whether the turn goes on after a step.
type Flow = std::ops::ControlFlow<()>;

/// A call's result: what came of it, or what went wrong.
type Outcome = Result<String, String>;

impl Turn<'_> {
    fn step(&mut self, step: &Step) -> io::Result<Flow> {
        let place = |path: &String| self.player.cwd.join(path);
        match step {
            Step::ThinkMs(ms) => self.stop.sleep(Duration::from_millis(*ms)),
            Step::Say(text) => {
                self.answer.clone_from(text);
                self.stage.show(Event::Text(text.clone()))?;
            }
            Step::Write { path, content } => {
                let file = place(path);
                let input = json!({ "file_path": file, "content": content });
                return self.tool("Write", input, true, |_, _| write(&file, content));
            }
            Step::Read { path } => {
                let file = place(path);
                return self.tool("Read", json!({ "file_path": file }), true, |_, _| read(&file));
            }
            Step::Bash(command) => {
                return self.tool("Bash", json!({ "command": command }), true, |_, stop| bash(command, stop));
            }
            Step::Unhooked(command) => {
                return self
                    .tool("Bash", json!({ "command": command }), false, |_, stop| bash(command, stop));
            }
            Step::Ask { question, options } => {
                let options: Vec<Value> = options.iter().map(|label| json!({ "label": label })).collect();
                let questions = json!([{ "question": question, "options": options }]);
                let input = json!({ "questions": questions, "question": question });
                return self.tool("AskUserQuestion", input, true, |answer, _| Ok(answer.to_owned()));
            }
            Step::Raw(line) => self.stage.show(Event::Raw(line.clone()))?,
            Step::Crash(signal) => crash(*signal)?,
            // `play` ends the turn before it comes here.
            Step::Fail(_) => {}
        }
        Ok(Flow::Continue(()))
    }

    /// Calls a tool as a model would: announces it, asks the hooks and then the person, runs it or not, reports the
    /// result.
    fn tool(
        &mut self,
        tool: &'static str,
        input: Value,
        hooked: bool,
        run: impl FnOnce(&str, &Stop) -> Outcome,
    ) -> io::Result<Flow> {
        self.calls += 1;
        let call = Call { id: format!("toolu_{}", Uuid::new_v4().simple()), tool, input };
        self.stage.show(Event::Call(call.clone()))?;
        let permission = match hooked {
            true => self.player.hooks.permission(&self.hook_event("PreToolUse", &call), self.stop),
            false => Permission::Allowed(String::new()),
        };
        let choice = match permission {
            Permission::Allowed(reason) => Choice::Yes(reason),
            Permission::Refused(reason) => Choice::No(reason),
            Permission::Undecided(reason) => self.stage.ask(&call, reason),
            Permission::Stopped => Choice::Stop,
        };
        let (outcome, ran) = match &choice {
            Choice::Yes(reason) => (run(reason, self.stop), true),
            Choice::No(reason) => (Err(reason.clone()), false),
            Choice::Stop => {
                (Err(format!("{NEVER_RAN}the turn was interrupted before this call was allowed")), false)
            }
        };
        let (content, is_error) = match outcome {
            Ok(content) => (content, false),
            Err(content) => (content, true),
        };
        if hooked && ran && !self.stop.is_stopped() {
            let mut event = self.hook_event("PostToolUse", &call);
            event["tool_response"] = json!({ "content": content, "is_error": is_error });
            self.player.hooks.report("PostToolUse", &event, self.stop);
        }
        self.stage.show(Event::Result { id: call.id, content, is_error })?;
        Ok(match choice {
            Choice::Stop => Flow::Break(()),
            Choice::Yes(_) | Choice::No(_) => Flow::Continue(()),
        })
    }

    fn end(self, ending: Ending) -> io::Result<()> {
        let hook = match &ending {
            Ending::Complete => Some(("Stop", &self.answer)),
            Ending::Failed(message) => Some(("StopFailure", message)),
            Ending::Interrupted => None,
        };
        if let Some((name, last)) = hook {
            let mut event = self.event(name);
            event["last_assistant_message"] = last.as_str().into();
            self.player.hooks.report(name, &event, self.stop);
        }
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.stage.show(Event::End { ending, answer: self.answer, milliseconds, calls: self.calls })
    }

    fn event(&self, name: &str) -> Value {
        json!({
            "session_id": self.player.session,
            "cwd": self.player.cwd.to_string_lossy(),
            "permission_mode": "default",
            "hook_event_name": name,
        })
    }

    fn hook_event(&self, name: &str, call: &Call) -> Value {
        let mut event = self.event(name);
        event["tool_name"] = call.tool.into();
        event["tool_input"] = call.input.clone();
        event["tool_use_id"] = call.id.as_str().into();
        event
    }
}

/// Dies by a signal, or in the plainest way if it is none that ends a process.
fn crash(signal: i32) -> io::Result<()> {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // Another thread may take the signal, so this one waits for it. Twice, because the runtime's own handler of memory
        // errors gives the first one back to the system.
        for _ in 0..2 {
            kill_process(getpid(), signal)?;
            std::thread::sleep(CRASH);
        }
    }
    std::process::exit(1)
}

fn write(file: &Path, content: &str) -> Outcome {
    let written = (|| {
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(file, content)
    })();
    match written {
        Ok(()) => Ok(format!("wrote {} bytes to {}", content.len(), file.display())),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

fn read(file: &Path) -> Outcome {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let open = std::fs::File::open(file);
    let got = open.and_then(|file| file.take(MAX_OUTPUT_BYTES as u64).read_to_end(&mut bytes));
    match got {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

fn bash(command: &str, stop: &Stop) -> Outcome {
    let finished = match child::run(command, None, None, stop) {
        Ok(finished) => finished,
        Err(Failure::NotStarted(error)) => return Err(format!("the shell could not be started: {error}")),
        Err(Failure::TimedOut | Failure::Stopped) => {
            return Err("the command was ended because the turn was interrupted".to_owned());
        }
    };
    let mut text = String::from_utf8_lossy(&finished.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&finished.stderr));
    let text = missiond_process::text::truncate(&text, MAX_OUTPUT_BYTES);
    match finished.code {
        Some(0) => Ok(text.to_owned()),
        Some(code) => Err(format!("Exit code {code}\n{text}")),
        None => Err(format!("ended by a signal\n{text}")),
    }
}
