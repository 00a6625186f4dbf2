//! The file in which a conversation is written down, line by line, for whoever checks what the agent did.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::scripted::Conversation;

/// How many conversations are kept besides those of the last hour.
const MAX_KEPT: usize = 100;
const YOUNG: Duration = Duration::from_secs(3600);
/// How many names of the directory are looked at.
const MAX_ENTRIES: usize = 10_000;
/// How much of an earlier conversation is read to be shown.
const MAX_EARLIER_BYTES: u64 = 256 << 10;

/// A conversation's file, open at its end.
#[derive(Debug)]
pub(super) struct Transcript {
    file: File,
}

/// A message of an earlier run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    Prompt(String),
    Text(String),
}

impl Transcript {
    /// Opens the file of a conversation, with what was said before. A conversation that is resumed and whose file is
    /// gone begins anew.
    pub(super) fn open(conversation: &Conversation) -> Result<(Self, Vec<Earlier>), String> {
        let directory = directory(|name| std::env::var_os(name))?;
        let failed = |path: &Path, error: io::Error| format!("the transcript {}: {error}", path.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| failed(&directory, error))?;
        prune(&directory, SystemTime::now());
        let (Conversation::New(name) | Conversation::Resumed(name)) = conversation;
        let path = directory.join(format!("{name}.jsonl"));
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        match conversation {
            Conversation::New(_) => options.create_new(true),
            Conversation::Resumed(_) => options.create(true),
        };
        let mut file = options.open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("there is a conversation {name} already; go on with it by `--resume {name}`")
            }
            _ => failed(&path, error),
        })?;
        let earlier = read_end(&mut file).map_err(|error| failed(&path, error))?;
        if !earlier.is_empty() && !earlier.ends_with(b"\n") {
            // An earlier run was killed within a line.
            file.write_all(b"\n").map_err(|error| failed(&path, error))?;
        }
        Ok((Self { file }, messages(&earlier)))
    }

    /// Adds a line; it is there for other programs when this returns.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())
    }
}

/// Where conversations lie, by the XDG Base Directory Specification.
fn directory(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let base = match variable("XDG_STATE_HOME") {
        Some(state) => PathBuf::from(state),
        None => {
            PathBuf::from(variable("HOME").ok_or("HOME is not set, so there is no place for the transcript")?)
                .join(".local/state")
        }
    };
    if !base.is_absolute() {
        return Err(format!(
            "the state directory `{}` is no absolute path: set XDG_STATE_HOME to one, or unset it",
            base.display()
        ));
    }
    Ok(base.join("missiond/scripted"))
}

/// Removes the oldest conversations, as far as there are too many. A failure only means that they stay.
fn prune(directory: &Path, now: SystemTime) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .take(MAX_ENTRIES)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .filter_map(|path| Some((path.symlink_metadata().ok()?.modified().ok()?, path)))
        .collect();
    found.sort_by_key(|(written, _)| std::cmp::Reverse(*written));
    for (written, path) in found.into_iter().skip(MAX_KEPT) {
        if now.duration_since(written).is_ok_and(|age| age > YOUNG) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn read_end(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_EARLIER_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MAX_EARLIER_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn messages(bytes: &[u8]) -> Vec<Earlier> {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter_map(|line| message(&line))
        .collect()
}

fn message(line: &Value) -> Option<Earlier> {
    let content = line.pointer("/message/content")?;
    match line["type"].as_str()? {
        "user" => Some(Earlier::Prompt(content.as_str()?.to_owned())),
        "assistant" => Some(Earlier::Text(content.pointer("/0/text")?.as_str()?.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::ffi::OsString;
    use std::time::{Duration, SystemTime};

    use super::{Earlier, MAX_KEPT, YOUNG, directory, messages, prune};
    use crate::agents::Profiles;

    #[test]
    fn the_directory_is_the_one_of_the_data_file() {
        let profiles = Profiles::embedded().unwrap();
        let profile = profiles.get(&"scripted".parse().unwrap()).unwrap();
        let told = &profile.pty.as_ref().unwrap().transcript;
        assert_eq!(told.directory_env.as_deref(), Some("XDG_STATE_HOME"));
        let below = told.files[0].strip_suffix("/{conversation}.jsonl").unwrap();
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/x"));
        let by_default = told.directory.replacen('~', "/home/x", 1);
        assert_eq!(directory(home).unwrap().to_str().unwrap(), format!("{by_default}/{below}"));
        let state = |name: &str| (name == "XDG_STATE_HOME").then(|| OsString::from("/state"));
        assert_eq!(directory(state).unwrap().to_str().unwrap(), format!("/state/{below}"));
        assert!(directory(|_| None).unwrap_err().contains("HOME is not set"));
        for relative in ["", "state"] {
            let error = directory(|name| (name == "XDG_STATE_HOME").then(|| relative.into())).unwrap_err();
            assert!(error.contains("XDG_STATE_HOME"), "{error}");
        }
    }

    #[test]
    fn old_conversations_go_and_young_ones_stay() {
        let scratch = tempfile::tempdir().unwrap();
        let count = || std::fs::read_dir(scratch.path()).unwrap().count();
        for number in 0..MAX_KEPT + 20 {
            std::fs::write(scratch.path().join(format!("{number}.jsonl")), "{}\n").unwrap();
        }
        std::fs::write(scratch.path().join("another.txt"), "").unwrap();
        prune(scratch.path(), SystemTime::now());
        assert_eq!(count(), MAX_KEPT + 21, "a young conversation was removed");
        prune(scratch.path(), SystemTime::now() + YOUNG + Duration::from_secs(60));
        assert_eq!(count(), MAX_KEPT + 1);
    }

    #[test]
    fn earlier_messages_are_found_among_anything() {
        let lines = concat!(
            "of a line\"}\n{\"type\":\"user\",\"message\":{\"content\":\"hello\"}}\nnot json\n",
            "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}}\n",
            "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\"}]}}\n",
            "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\"}]}}\n{\"type\":\"result\"}\n\u{ff}"
        );
        let expected = [Earlier::Prompt("hello".to_owned()), Earlier::Text("hi".to_owned())];
        assert_eq!(messages(lines.as_bytes()), expected);
    }
}
