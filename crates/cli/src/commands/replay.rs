//! `detect` and `replay`: what an agent is doing, from its screen.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use missiond_core::Error;
use missiond_core::text::escape_line;
use missiond_pty::{CastReader, Evidence, Observation, Profile, Size, Snapshot};
use serde::Serialize;

use crate::context::Context;
use crate::exit::{Exit, UsageError};
use crate::output::{FAINT, STRONG, line, to_json};

/// The most bytes of a screen that are read.
const MAX_SCREEN_BYTES: u64 = 4 << 20;
/// The longest profile.
const MAX_PROFILE_BYTES: u64 = 1 << 20;

/// Say what an agent is doing, from the text of its screen on standard input
///
/// Text has no colours, so that a placeholder which an agent draws faint in an empty prompt box reads as a draft.
#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Whose screen it is: the id of an agent that is known, or the path of a profile.
    #[arg(long, value_name = "AGENT")]
    agent: String,
    /// The window title.
    #[arg(long, value_name = "TITLE", default_value = "")]
    title: String,
    /// The size of the screen; if it is left out, that of the text.
    #[arg(long, value_name = "COLSxROWS", value_parser = size)]
    size: Option<Size>,
}

/// Say what an agent did in a recording of its terminal (asciicast, version 2 or 3, compressed with gzip or not)
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Replay {
    /// Whose terminal it is: the id of an agent that is known, or the path of a profile.
    #[arg(long, value_name = "AGENT")]
    agent: String,
    /// Print a line whenever the agent begins to do something else.
    #[arg(long, group = "what")]
    states: bool,
    /// Print what was told from at this time, in seconds, and the screen that it was told from.
    #[arg(long, value_name = "SECONDS", group = "what", value_parser = seconds)]
    explain: Option<Duration>,
    /// The recording.
    file: PathBuf,
}

/// What is printed of an observation.
#[derive(Serialize)]
struct Seen<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<f64>,
    state: &'static str,
    dialog: Option<DialogSeen<'a>>,
    draft: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retrying: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Vec<EvidenceSeen<'a>>>,
}

#[derive(Serialize)]
struct DialogSeen<'a> {
    id: String,
    kind: String,
    tool: Option<&'a str>,
    argument: Option<&'a str>,
    question: &'a str,
    options: Vec<&'a str>,
    /// Counted from 1.
    highlighted: Option<usize>,
}

#[derive(Serialize)]
struct EvidenceSeen<'a> {
    rule: &'a str,
    /// The first row and the last, counted from 1; none for the title.
    rows: Option<[usize; 2]>,
    text: &'a str,
}

impl<'a> Seen<'a> {
    fn of(seen: &'a Observation, time: Option<Duration>) -> Self {
        let dialog = seen.dialog.as_ref().map(|dialog| DialogSeen {
            id: dialog.id.to_string(),
            kind: dialog.kind.to_string(),
            tool: dialog.tool.as_deref(),
            argument: dialog.argument.as_deref(),
            question: &dialog.question,
            options: dialog.options.iter().map(|option| option.label.as_str()).collect(),
            highlighted: dialog.highlighted().map(|at| at + 1),
        });
        Self {
            // A recording's clock has microseconds.
            t: time.map(|time| (time.as_secs_f64() * 1e6).round() / 1e6),
            state: seen.status.as_str(),
            dialog,
            draft: seen.draft.is_some(),
            view: seen.view.as_deref(),
            retrying: seen.retrying,
            evidence: None,
        }
    }

    fn with_evidence(mut self, seen: &'a Observation) -> Self {
        let shown = |evidence: &'a Evidence| EvidenceSeen {
            rule: &evidence.rule,
            rows: evidence.rows.as_ref().map(|rows| [rows.start + 1, rows.end]),
            text: &evidence.text,
        };
        self.evidence = Some(seen.evidence.iter().map(shown).collect());
        self
    }
}

impl Detect {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let profile = profile(&self.agent, &context.directory)?;
        let mut text = String::new();
        let mut input = std::io::stdin().lock().take(MAX_SCREEN_BYTES + 1);
        input.read_to_string(&mut text).context("the screen on standard input cannot be read as text")?;
        if text.len() as u64 > MAX_SCREEN_BYTES {
            return Err(UsageError(format!("the screen has more than {MAX_SCREEN_BYTES} bytes")).into());
        }
        let size = match self.size {
            Some(size) => size,
            None => size_of(&text)?,
        };
        let screen = Snapshot::from_text(&text, &self.title, size);
        let seen = profile.observe(&screen);
        if context.for_people() {
            explain(&seen)?;
        } else {
            line(to_json(&Seen::of(&seen, None).with_evidence(&seen), false)?)?;
        }
        Ok(Exit::OK)
    }
}

impl Replay {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let profile = profile(&self.agent, &context.directory)?;
        let path = context.directory.join(&self.file);
        let shown = escape_line(&path.display().to_string());
        let recording = CastReader::open(&path).with_context(|| format!("{shown} cannot be replayed"))?;
        let replay = profile.replay(recording);
        if let Some(time) = self.explain {
            let found = replay.at(time).with_context(|| format!("{shown} cannot be replayed"))?;
            let Some((seen, screen)) = found else {
                return Err(Error::Missing(format!("nothing had been drawn by then in {shown}")).into());
            };
            if context.for_people() {
                for (number, row) in screen.rows.iter().enumerate() {
                    line(format!("{FAINT}{:>3}{FAINT:#}  {}", number + 1, escape_line(&row.text)))?;
                }
                explain(&seen)?;
            } else {
                line(to_json(&Seen::of(&seen, Some(time)).with_evidence(&seen), false)?)?;
            }
            return Ok(Exit::OK);
        }
        for change in replay {
            let (time, seen) = change.with_context(|| format!("{shown} cannot be replayed to its end"))?;
            // One object a line is what this prints in every format for programs, and people read it too.
            line(to_json(&Seen::of(&seen, Some(time)), false)?)?;
        }
        Ok(Exit::OK)
    }
}

/// For people: what was seen and why.
fn explain(seen: &Observation) -> anyhow::Result<()> {
    line(format!("{STRONG}{}{STRONG:#}", seen.status))?;
    if let Some(dialog) = &seen.dialog {
        let tool = dialog.tool.as_deref().unwrap_or("an unknown tool");
        line(format!(
            "  {} dialog about {}: {}",
            dialog.kind,
            escape_line(tool),
            escape_line(&dialog.question)
        ))?;
        if let Some(argument) = &dialog.argument {
            line(format!("  {}", escape_line(argument)))?;
        }
        for option in &dialog.options {
            let mark = if option.highlighted { ">" } else { " " };
            line(format!("  {mark} {}  {}", escape_line(&option.key), escape_line(&option.label)))?;
        }
    }
    if let Some(draft) = &seen.draft {
        line(format!("  draft: {}", escape_line(draft)))?;
    }
    for evidence in &seen.evidence {
        let rows = match &evidence.rows {
            Some(rows) if rows.len() > 1 => format!("rows {} to {}", rows.start + 1, rows.end),
            Some(rows) => format!("row {}", rows.start + 1),
            None => "the title".to_owned(),
        };
        line(format!("  {}, {rows}: {}", evidence.rule, escape_line(&evidence.text)))?;
    }
    if seen.evidence.is_empty() {
        line("  no rule explains this screen")?;
    }
    Ok(())
}

/// The profile with this id, or in this file.
fn profile(agent: &str, directory: &Path) -> anyhow::Result<Profile> {
    if let Some(profile) = Profile::embedded(agent) {
        return Ok(profile);
    }
    let shown = escape_line(agent);
    if !agent.contains('/') && !agent.ends_with(".toml") {
        let known: Vec<&str> = Profile::embedded_ids().collect();
        let text = format!(
            "no terminal of `{shown}` is known; known are {}, or the path of a profile",
            known.join(", ")
        );
        return Err(UsageError(text).into());
    }
    let mut text = String::new();
    let file =
        std::fs::File::open(directory.join(agent)).with_context(|| format!("{shown} cannot be read"))?;
    let mut file = file.take(MAX_PROFILE_BYTES + 1);
    file.read_to_string(&mut text).with_context(|| format!("{shown} cannot be read"))?;
    if text.len() as u64 > MAX_PROFILE_BYTES {
        return Err(UsageError(format!("{shown} has more than {MAX_PROFILE_BYTES} bytes")).into());
    }
    Ok(Profile::parse(&text, &shown)?)
}

/// The size that just holds the text.
fn size_of(text: &str) -> anyhow::Result<Size> {
    let side = |count: usize| u16::try_from(count.max(1)).unwrap_or(u16::MAX);
    let cols = text.lines().map(|line| line.chars().count()).max().unwrap_or(1);
    Size::new(side(cols), side(text.lines().count())).map_err(|error| UsageError(error.to_string()).into())
}

fn size(text: &str) -> Result<Size, String> {
    let sides = text.split_once('x').and_then(|(cols, rows)| Some((cols.parse().ok()?, rows.parse().ok()?)));
    let (cols, rows) = sides.ok_or("write it as COLSxROWS, such as 120x40")?;
    Size::new(cols, rows).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "write it in seconds, such as 12.5".to_owned())
}
