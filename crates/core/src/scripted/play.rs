//! Playing a script.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::scripted::hooks::{Hooks, Permission};
use crate::scripted::script::{Script, Step};

/// How much of a command's output comes back as the tool's result.
const MAX_OUTPUT_BYTES: usize = 30_000;

/// Plays the script, printing what happens as JSON lines.
pub(super) fn play(script: &Script, hooks: &Hooks, conversation: Option<String>) -> io::Result<()> {
    let mut player = Player {
        hooks,
        session: conversation.unwrap_or_else(|| Uuid::new_v4().to_string()),
        cwd: std::env::current_dir()?.to_string_lossy().into_owned(),
        begun: Instant::now(),
        answer: String::new(),
        turns: 0,
    };
    player.print(
        &json!({ "type": "system", "subtype": "init", "cwd": player.cwd, "session_id": player.session }),
    )?;
    for step in &script.steps {
        if let Step::Fail(message) = step {
            return player.end(Some(message));
        }
        player.step(step)?;
    }
    player.end(None)
}

struct Player<'a> {
    hooks: &'a Hooks,
    session: String,
    cwd: String,
    begun: Instant,
    answer: String,
    turns: u32,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::ThinkMs(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Say(text) => {
                self.answer.clone_from(text);
                self.assistant(&json!({ "type": "text", "text": text }))?;
            }
            Step::Write { path, content } => {
                let file = Path::new(&self.cwd).join(path);
                let input = json!({ "file_path": file, "content": content });
                self.tool("Write", &input, true, |_| write(&file, content))?;
            }
            Step::Read { path } => {
                let file = Path::new(&self.cwd).join(path);
                let input = json!({ "file_path": file });
                self.tool("Read", &input, true, |_| {
                    std::fs::read_to_string(&file).map_err(|e| e.to_string())
                })?;
            }
            Step::Bash(command) => {
                self.tool("Bash", &json!({ "command": command }), true, |_| bash(command))?;
            }
            Step::Unhooked(command) => {
                self.tool("Bash", &json!({ "command": command }), false, |_| bash(command))?;
            }
            Step::Ask { question, options } => {
                let options: Vec<Value> = options.iter().map(|label| json!({ "label": label })).collect();
                let input = json!({ "questions": [{ "question": question, "options": options }], "question": question });
                self.tool("AskUserQuestion", &input, true, |reason| Ok(reason.to_owned()))?;
            }
            Step::Raw(line) => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes())?;
                out.write_all(b"\n")?;
                out.flush()?;
            }
            Step::Crash(signal) => {
                // Signal 0 and numbers that are no signal at all end the process in the plainest way instead.
                if let Some(signal) = Signal::from_named_raw(*signal) {
                    kill_process(getpid(), signal)?;
                }
                std::process::exit(1);
            }
            Step::Fail(_) => unreachable!("play() ends the turn before it comes here"),
        }
        Ok(())
    }

    /// Calls a tool as a model would: announces it, asks the hooks, runs it or not, reports the result.
    fn tool(
        &mut self,
        name: &str,
        input: &Value,
        hooked: bool,
        run: impl FnOnce(&str) -> Result<String, String>,
    ) -> io::Result<()> {
        self.turns += 1;
        let id = format!("toolu_{}", Uuid::new_v4().simple());
        self.assistant(&json!({ "type": "tool_use", "id": id, "name": name, "input": input }))?;
        let event = json!({
            "session_id": self.session,
            "cwd": self.cwd,
            "permission_mode": "default",
            "hook_event_name": "PreToolUse",
            "tool_name": name,
            "tool_input": input,
            "tool_use_id": id,
        });
        let permission =
            if hooked { self.hooks.permission(&event) } else { Permission::Allowed(String::new()) };
        let result = match permission {
            Permission::Allowed(reason) => run(&reason),
            Permission::Refused(reason) => Err(reason),
        };
        let (content, is_error) = match result {
            Ok(content) => (content, false),
            Err(content) => (content, true),
        };
        self.print(&json!({
            "type": "user",
            "message": { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error }
            ] },
            "session_id": self.session,
        }))
    }

    fn assistant(&self, block: &Value) -> io::Result<()> {
        self.print(&json!({
            "type": "assistant",
            "message": { "role": "assistant", "model": "scripted", "content": [block] },
            "session_id": self.session,
        }))
    }

    fn end(&self, error: Option<&str>) -> io::Result<()> {
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.print(&json!({
            "type": "result",
            "subtype": "success",
            "is_error": error.is_some(),
            "duration_ms": milliseconds,
            "num_turns": self.turns,
            "result": error.unwrap_or(&self.answer),
            "session_id": self.session,
            "total_cost_usd": 0.0,
            "usage": { "input_tokens": 0, "output_tokens": 0 },
        }))
    }

    fn print(&self, line: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, line)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

fn write(file: &Path, content: &str) -> Result<String, String> {
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

fn bash(command: &str) -> Result<String, String> {
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the shell could not be started: {error}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let text = missiond_process::text::truncate(&text, MAX_OUTPUT_BYTES).to_owned();
    match output.status.code() {
        Some(0) => Ok(text),
        Some(code) => Err(format!("Exit code {code}\n{text}")),
        None => Err(format!("ended by a signal\n{text}")),
    }
}
