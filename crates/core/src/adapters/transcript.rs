//! Following the files in which an agent writes down what it does.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::agents::TranscriptProfile;
use crate::headless::{Decoded, Decoder, TurnEnd};
use crate::ids::ConversationId;
use crate::ports::TurnEvent;

/// The most names of one directory that are looked at, and the most files that are followed.
const MAX_ENTRIES: usize = 10_000;
const MAX_FILES: usize = 1_000;
/// The longest line, and the most that one look reads of one file.
const MAX_LINE_BYTES: usize = 16 << 20;
const MAX_READ_BYTES: u64 = 64 << 20;

/// What is read of a conversation's files, from where the last look ended.
#[derive(Debug)]
pub(super) struct Transcript {
    profile: TranscriptProfile,
    directory: PathBuf,
    conversation: String,
    workspace: PathBuf,
    /// How far each file was read: up to the end of its last complete line.
    read: HashMap<PathBuf, u64>,
    /// How the turn ended, if the agent writes that down and has done so.
    end: Option<TurnEnd>,
}

impl Transcript {
    pub(super) fn new(
        profile: &TranscriptProfile,
        conversation: &ConversationId,
        workspace: &Path,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, String> {
        let named = profile.directory_env.as_deref().and_then(&variable).map(PathBuf::from);
        let directory = match (named, profile.directory.strip_prefix("~/")) {
            (Some(directory), _) => directory,
            (None, Some(rest)) => PathBuf::from(
                variable("HOME").ok_or("HOME is not set, so the agent's transcript cannot be found")?,
            )
            .join(rest),
            (None, None) => PathBuf::from(&profile.directory),
        };
        Ok(Self {
            profile: profile.clone(),
            directory,
            conversation: conversation.to_string(),
            workspace: workspace.to_owned(),
            read: HashMap::new(),
            end: None,
        })
    }

    /// Leaves out what is there already: it belongs to earlier turns.
    pub(super) fn skip_to_end(&mut self) -> Result<(), String> {
        for file in self.files() {
            let length = file.metadata().map_err(|error| format!("{}: {error}", file.display()))?.len();
            self.read.insert(file, length);
        }
        Ok(())
    }

    /// Whether there is any file yet.
    pub(super) fn is_there(&self) -> bool {
        !self.read.is_empty()
    }

    /// Whether the end of the turn was read. Not every agent writes one.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The end of the turn, once; whoever begins another turn takes what is left of the last one.
    pub(super) fn take_end(&mut self) -> Option<TurnEnd> {
        self.end.take()
    }

    /// Reads what was written since the last look. Blocks; a look takes as long as the disk does.
    pub(super) fn look(&mut self) -> Result<Vec<TurnEvent>, String> {
        let mut events = Vec::new();
        for file in self.files() {
            let from = self.read.get(&file).copied().unwrap_or(0);
            let (lines, to) =
                read_lines(&file, from).map_err(|error| format!("{}: {error}", file.display()))?;
            let decoder = Decoder::new(&self.profile.events, &self.workspace);
            for line in lines {
                for decoded in
                    decoder.decode(&line).map_err(|problem| format!("{}: {problem}", file.display()))?
                {
                    match decoded {
                        Decoded::Event(event) => events.push(event),
                        Decoded::End(end) => self.end = Some(end),
                    }
                }
            }
            self.read.insert(file, to);
        }
        Ok(events)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for pattern in &self.profile.files {
            let pattern = pattern.replace("{conversation}", &self.conversation);
            let mut found = vec![self.directory.clone()];
            for component in pattern.split('/') {
                found =
                    found.iter().flat_map(|directory| step(directory, component)).take(MAX_ENTRIES).collect();
            }
            files.extend(found.into_iter().filter(|path| path.is_file()));
        }
        files.truncate(MAX_FILES);
        files
    }
}

fn step(directory: &Path, component: &str) -> Vec<PathBuf> {
    if component != "*" {
        let path = directory.join(component);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    // A directory that is not there has no entries; one that cannot be read has none that could be followed.
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().take(MAX_ENTRIES).map(|entry| entry.path()).collect()
}

fn read_lines(file: &Path, from: u64) -> std::io::Result<(Vec<String>, u64)> {
    let mut open = std::fs::File::open(file)?;
    open.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    open.take(MAX_READ_BYTES).read_to_end(&mut bytes)?;
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        if bytes.len() > MAX_LINE_BYTES {
            return Err(std::io::Error::other("a line of it is longer than 16 MiB"));
        }
        return Ok((Vec::new(), from));
    };
    bytes.truncate(end + 1);
    let lines =
        bytes.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    Ok((lines, from + end as u64 + 1))
}
