//! Recorded sessions with known truth: `fixtures/<agent>/<scenario>-<cols>x<rows>/`.
//!
//! `session.cast.gz` is an asciicast v2 of a real agent against a scripted model server; `truth.jsonl` says what was
//! the case when, from what the server did and what was typed, never from the screen.

use std::path::{Path, PathBuf};

use missiond_pty::{CastEvent, CastKind, CastReader, Observation, Profile, Size, Snapshot, Terminal};
use serde_json::Value;

pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) size: Size,
    pub(crate) events: Vec<CastEvent>,
    pub(crate) truth: Vec<Interval>,
}

pub(crate) struct Interval {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) state: String,
    pub(crate) detail: Value,
}

pub(crate) fn all(agent: &str) -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(agent);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no recordings of {agent}");
    paths.iter().map(|path| load(path)).collect()
}

pub(crate) fn one(agent: &str, name: &str) -> Recording {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(agent).join(name))
}

fn load(path: &Path) -> Recording {
    let reader = CastReader::open(&path.join("session.cast.gz")).unwrap();
    let size = reader.header().size;
    let events = reader.map(Result::unwrap);
    let truth = std::fs::read_to_string(path.join("truth.jsonl")).unwrap();
    let truth =
        truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).map(|interval| Interval {
            start: interval["t0"].as_f64().unwrap(),
            end: interval["t1"].as_f64().unwrap(),
            state: interval["state"].as_str().unwrap().to_owned(),
            detail: interval["detail"].clone(),
        });
    Recording {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        size,
        events: events.collect(),
        truth: truth.collect(),
    }
}

impl Recording {
    /// Calls `look` after each output and resize, with its time.
    pub(crate) fn play(&self, mut look: impl FnMut(f64, Snapshot)) {
        let mut terminal = Terminal::new(self.size);
        for event in &self.events {
            match &event.kind {
                CastKind::Output(text) => {
                    terminal.feed(text.as_bytes());
                }
                CastKind::Resize(size) => terminal.resize(*size),
                _ => continue,
            }
            look(event.time.as_secs_f64(), terminal.snapshot());
        }
    }

    /// What the profile says over time: each observation holds from its time to the next.
    pub(crate) fn observe(
        &self,
        profile: &Profile,
        mut edit: impl FnMut(&mut Snapshot),
    ) -> Vec<(f64, Observation)> {
        let mut seen = Vec::new();
        self.play(|time, mut snapshot| {
            edit(&mut snapshot);
            seen.push((time, profile.observe(&snapshot)));
        });
        seen
    }
}
