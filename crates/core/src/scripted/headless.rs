//! One turn without a terminal: the prompt on standard input, events on standard output.

use std::io::{self, Read as _, Write as _};

use crate::model::NewTask;
use crate::scripted::event::{Call, Event};
use crate::scripted::play::{Choice, Player, Stage};
use crate::scripted::script::Script;
use crate::scripted::stop::Stop;

pub(super) fn run(player: &Player) -> Result<(), String> {
    let limit = NewTask::MAX_PROMPT_BYTES;
    let mut prompt = String::new();
    // One byte more than is taken, to see whether there is one.
    let read = io::stdin().lock().take(limit as u64 + 1).read_to_string(&mut prompt);
    read.map_err(|error| format!("the prompt could not be read: {error}"))?;
    if prompt.len() > limit {
        return Err(format!("the prompt is longer than {limit} bytes; put it into a file and name the file"));
    }
    let script = Script::of_prompt(&prompt).map_err(|error| crate::error::chain(&error))?;
    let mut stage = Lines { session: &player.session };
    let begun = Event::Begun { cwd: player.cwd.to_string_lossy().into_owned() };
    stage
        .show(begun)
        .and_then(|()| player.play(&script, &mut stage, &Stop::default()))
        .map_err(|error| format!("the turn could not be played: {error}"))
}

struct Lines<'a> {
    session: &'a str,
}

impl Stage for Lines<'_> {
    fn show(&mut self, event: Event) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", event.line(self.session))?;
        out.flush()
    }

    /// There is nobody to ask.
    fn ask(&mut self, _call: &Call, reason: String) -> Choice {
        Choice::No(reason)
    }
}
