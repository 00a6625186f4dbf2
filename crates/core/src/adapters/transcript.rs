//! Following the files in which an agent writes down what it does.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agents::TranscriptProfile;
use crate::headless::{Decoded, Decoder, TurnEnd};
use crate::ids::ConversationId;
use crate::ports::TurnEvent;

/// The most names that are looked at to find a conversation, and the most files of it that are followed.
const MAX_NAMES: usize = 1_000_000;
const MAX_FILES: usize = 1_000;
/// How long after a search for the conversation the next one comes: the first of these, then twice as long each time up to
/// the second, and the third once it is found.
const SEARCH_AGAIN: Duration = Duration::from_millis(100);
const SEARCH_LATER: Duration = Duration::from_secs(2);
const SEARCH_ONCE_FOUND: Duration = Duration::from_secs(10);
/// The longest line, and the most that one look reads of one file.
const MAX_LINE_BYTES: usize = 16 << 20;
const MAX_READ_BYTES: u64 = 64 << 20;
/// How much of what was read is compared again by the next look.
const REMEMBERED_BYTES: usize = 256;

/// What is read of a conversation's files, from where the last look ended.
#[derive(Debug)]
pub(super) struct Transcript {
    profile: TranscriptProfile,
    shelves: Vec<Shelf>,
    workspace: PathBuf,
    /// Each file, and how far it was read: up to the end of its last complete line.
    read: HashMap<PathBuf, Place>,
    /// How the turn ended, if the agent writes that down and has done so.
    end: Option<TurnEnd>,
}

/// Where the next look at a file begins, and how it is known that this is still so.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Device and inode: a file of the same name may be another one.
    file: (u64, u64),
    offset: u64,
    /// The bytes right before.
    before: Vec<u8>,
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
            shelves: Shelf::all(&directory, &profile.files, conversation.as_str()),
            workspace: workspace.to_owned(),
            read: HashMap::new(),
            end: None,
        })
    }

    /// Leaves out what is there already: it belongs to earlier turns.
    pub(super) fn skip_to_end(&mut self) -> Result<(), String> {
        self.search_again();
        for file in self.files(Instant::now())? {
            let place = end_of(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            self.read.insert(file, place);
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

    /// Has the next look search everywhere. Otherwise a search comes the more seldom the longer it finds nothing, and more
    /// seldom still once the conversation is found, since the directory of all conversations only ever grows.
    pub(super) fn search_again(&mut self) {
        self.shelves.iter_mut().for_each(|shelf| shelf.next = None);
    }

    /// Reads what was written since the last look. Blocks; a look takes as long as the disk does.
    ///
    /// Agents only ever append to these files. One that is gone, shorter than it was, or another one than it was could
    /// have held calls that nobody has seen, and is an error.
    pub(super) fn look(&mut self, now: Instant) -> Result<Vec<TurnEvent>, String> {
        let mut events = Vec::new();
        let files = self.files(now)?;
        let is_gone = |(file, place): &(&PathBuf, &Place)| place.offset > 0 && !files.contains(file);
        if let Some((gone, _)) = self.read.iter().find(is_gone) {
            return Err(format!("{} is gone, a part of the agent's transcript", gone.display()));
        }
        let decoder = Decoder::new(&self.profile.events, &self.workspace);
        for file in files {
            let (lines, place) = read_lines(&file, self.read.remove(&file).unwrap_or_default())
                .map_err(|error| format!("{}: {error}", file.display()))?;
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
            self.read.insert(file, place);
        }
        Ok(events)
    }

    fn files(&mut self, now: Instant) -> Result<Vec<PathBuf>, String> {
        let mut files = Vec::new();
        for shelf in &mut self.shelves {
            shelf.search(now)?;
            for root in &shelf.roots {
                for pattern in &shelf.patterns {
                    each_name(root, pattern, &mut { MAX_NAMES }, &mut |path| {
                        // One too many is enough to know.
                        if files.len() <= MAX_FILES && path.is_file() {
                            files.push(path);
                        }
                    })?;
                }
                if files.len() > MAX_FILES {
                    return Err(format!(
                        "{} has more than {MAX_FILES} files of this conversation, so the agent's transcript cannot be followed",
                        root.display()
                    ));
                }
            }
        }
        Ok(files)
    }
}

/// The directories among which the conversation is searched: what stands in some patterns before the component that names
/// it.
#[derive(Debug)]
struct Shelf {
    directory: PathBuf,
    prefix: Vec<String>,
    /// The rest of each of these patterns.
    patterns: Vec<Vec<String>>,
    /// The directories that hold something of the conversation.
    roots: Vec<PathBuf>,
    /// When the next search is due and what it came after; `None` for at once.
    next: Option<(Instant, Duration)>,
}

impl Shelf {
    fn all(directory: &Path, patterns: &[String], conversation: &str) -> Vec<Self> {
        let mut shelves: Vec<Self> = Vec::new();
        for pattern in patterns {
            let components: Vec<String> = pattern.split('/').map(str::to_owned).collect();
            let naming = components.iter().position(|component| component.contains("{conversation}"));
            // Where none names it, every file is the conversation's.
            let (prefix, rest) = components.split_at(naming.unwrap_or(0));
            let rest =
                rest.iter().map(|component| component.replace("{conversation}", conversation)).collect();
            match shelves.iter_mut().find(|shelf| shelf.prefix == prefix) {
                Some(shelf) => shelf.patterns.push(rest),
                None => shelves.push(Self {
                    directory: directory.to_owned(),
                    prefix: prefix.to_owned(),
                    patterns: vec![rest],
                    roots: Vec::new(),
                    next: None,
                }),
            }
        }
        shelves
    }

    /// Searches for the directories that hold something of the conversation, if that is due.
    fn search(&mut self, now: Instant) -> Result<(), String> {
        if !self.prefix.iter().any(|component| component == "*") {
            self.roots = vec![self.prefix.iter().fold(self.directory.clone(), |path, name| path.join(name))];
            return Ok(());
        }
        if self.next.is_some_and(|(due, _)| now < due) {
            return Ok(());
        }
        let names = self.patterns.iter().filter_map(|pattern| pattern.first()).collect::<BTreeSet<_>>();
        let mut roots = Vec::new();
        each_name(&self.directory, &self.prefix, &mut { MAX_NAMES }, &mut |path| {
            if names.iter().any(|name| path.join(name).exists()) {
                roots.push(path);
            }
        })?;
        let pause = match self.next {
            _ if !roots.is_empty() => SEARCH_ONCE_FOUND,
            None => SEARCH_AGAIN,
            Some((_, pause)) => (pause * 2).min(SEARCH_LATER),
        };
        self.roots = roots;
        self.next = Some((now + pause, pause));
        Ok(())
    }
}

/// Gives every path that the components stand for, whether there is such a file or not; at most so many names are listed.
fn each_name(
    directory: &Path,
    components: &[String],
    room: &mut usize,
    give: &mut dyn FnMut(PathBuf),
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let Some((component, rest)) = components.split_first() else {
        give(directory.to_owned());
        return Ok(());
    };
    if component != "*" {
        return each_name(&directory.join(component), rest, room, give);
    }
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        // It is made with the first file in it; and a file among directories has no entries.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        *room = room.checked_sub(1).ok_or_else(|| {
            format!(
                "{} has more than {MAX_NAMES} names, so the agent's transcript cannot be found",
                directory.display()
            )
        })?;
        each_name(&entry.map_err(failed)?.path(), rest, room, give)?;
    }
    Ok(())
}

/// The place behind everything that is in a file. One without a line has no such place: it may be no transcript at all,
/// and then it may be replaced.
fn end_of(file: &Path) -> std::io::Result<Place> {
    let mut open = BufReader::new(File::open(file)?);
    let found = open.get_ref().metadata()?;
    let identity = (found.dev(), found.ino());
    if open.by_ref().take(MAX_LINE_BYTES as u64).skip_until(b'\n')? == 0 {
        return Ok(Place { file: identity, ..Place::default() });
    }
    open.seek(SeekFrom::Current(-1))?;
    let mut last = [0];
    open.read_exact(&mut last)?;
    if last != *b"\n" {
        return Ok(Place { file: identity, ..Place::default() });
    }
    let offset = found.len();
    let from = offset.saturating_sub(REMEMBERED_BYTES as u64);
    open.seek(SeekFrom::Start(from))?;
    let mut before = Vec::new();
    open.take(offset - from).read_to_end(&mut before)?;
    Ok(Place { file: identity, offset, before })
}

/// The complete lines behind a place, and the place behind them.
fn read_lines(file: &Path, last: Place) -> std::io::Result<(Vec<String>, Place)> {
    let changed = |how: &str| {
        Err(std::io::Error::other(format!("it {how}, so what the agent did since cannot be known")))
    };
    let mut open = File::open(file)?;
    let found = open.metadata()?;
    let identity = (found.dev(), found.ino());
    if last.offset > 0 && last.file != identity {
        return changed("is no longer the file that it was");
    }
    if found.len() < last.offset {
        return changed("is shorter than it was");
    }
    open.seek(SeekFrom::Start(last.offset - last.before.len() as u64))?;
    let mut bytes = Vec::new();
    open.take(MAX_READ_BYTES).read_to_end(&mut bytes)?;
    if !bytes.starts_with(&last.before) {
        return changed("was written over");
    }
    let begin = last.before.len();
    let Some(end) = bytes[begin..].iter().rposition(|byte| *byte == b'\n').map(|end| begin + end + 1) else {
        if bytes.len() - begin > MAX_LINE_BYTES {
            return Err(std::io::Error::other("a line of it is longer than 16 MiB"));
        }
        return Ok((Vec::new(), Place { file: identity, ..last }));
    };
    let lines = bytes[begin..end].split(|byte| *byte == b'\n');
    let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let before = bytes[end.saturating_sub(REMEMBERED_BYTES)..end].to_vec();
    Ok((lines, Place { file: identity, offset: last.offset + (end - begin) as u64, before }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::{MAX_FILES, SEARCH_AGAIN, SEARCH_LATER, SEARCH_ONCE_FOUND, Transcript};
    use crate::agents::Profiles;
    use crate::ports::TurnEvent;

    const TEXT: &str =
        r#"{"type":"assistant","isSidechain":false,"message":{"content":[{"type":"text","text":"said"}]}}"#;

    fn transcript(directory: &Path) -> Transcript {
        let profiles = Profiles::embedded().unwrap();
        let profile = profiles.get(&"claude".parse().unwrap()).unwrap();
        let section = &profile.pty.as_ref().unwrap().transcript;
        let set = |name: &str| (name == "CLAUDE_CONFIG_DIR").then(|| directory.as_os_str().to_owned());
        Transcript::new(section, &"c-1".parse().unwrap(), Path::new("/project"), set).unwrap()
    }

    fn look(transcript: &mut Transcript) -> Result<Vec<TurnEvent>, String> {
        transcript.search_again();
        transcript.look(Instant::now())
    }

    fn lines(count: usize) -> String {
        format!("{TEXT}\n").repeat(count)
    }

    #[test]
    fn what_is_appended_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().join("projects/p");
        fs::create_dir_all(&project).unwrap();
        let file = project.join("c-1.jsonl");
        fs::write(&file, lines(2)).unwrap();
        let mut transcript = transcript(directory.path());
        transcript.skip_to_end().unwrap();
        assert_eq!(look(&mut transcript).unwrap(), [], "what was there belongs to earlier turns");
        for end in [&TEXT[..40], &TEXT[40..], "\n", ""] {
            fs::write(&file, fs::read_to_string(&file).unwrap() + end).unwrap();
            let expected: &[TurnEvent] =
                if end == "\n" { &[TurnEvent::Text("said".to_owned())] } else { &[] };
            assert_eq!(look(&mut transcript).unwrap(), expected, "after {end:?}");
        }
        // A file beside it that holds no lines may be replaced and removed.
        let beside = project.join("c-1/subagents");
        fs::create_dir_all(&beside).unwrap();
        for text in ["{\"a\":1}", "{}"] {
            fs::write(beside.join("new"), text).unwrap();
            fs::rename(beside.join("new"), beside.join("agent.meta.json")).unwrap();
            assert_eq!(look(&mut transcript).unwrap(), []);
        }
        fs::remove_file(beside.join("agent.meta.json")).unwrap();
        assert_eq!(look(&mut transcript).unwrap(), []);
    }

    /// Each of these could have taken a call away that nobody has seen.
    #[test]
    fn a_transcript_that_is_not_only_appended_to_is_an_error() {
        type Change = fn(&Path);
        let changes: [(Change, &str); 5] = [
            (|file| fs::write(file, lines(2)).unwrap(), "shorter"),
            (|file| fs::write(file, "").unwrap(), "shorter"),
            (|file| fs::write(file, lines(5).replace("said", "sad!")).unwrap(), "written over"),
            (
                |file| {
                    fs::write(file.with_extension("new"), lines(5)).unwrap();
                    fs::rename(file.with_extension("new"), file).unwrap();
                },
                "no longer the file",
            ),
            (|file| fs::remove_file(file).unwrap(), "is gone"),
        ];
        for seen_before in [false, true] {
            for (change, expected) in changes {
                let directory = tempfile::tempdir().unwrap();
                let project = directory.path().join("projects/p");
                fs::create_dir_all(&project).unwrap();
                let file = project.join("c-1.jsonl");
                let mut transcript = transcript(directory.path());
                if seen_before {
                    fs::write(&file, lines(3)).unwrap();
                    transcript.skip_to_end().unwrap();
                } else {
                    transcript.skip_to_end().unwrap();
                    fs::write(&file, lines(3)).unwrap();
                    assert_eq!(look(&mut transcript).unwrap().len(), 3);
                }
                change(&file);
                let error = look(&mut transcript).unwrap_err();
                assert!(error.contains(expected) && error.contains("c-1.jsonl"), "{expected}: {error}");
            }
        }
    }

    /// Every task leaves a directory there, since each works in one of its own.
    #[test]
    fn a_conversation_is_found_among_many() {
        let directory = tempfile::tempdir().unwrap();
        let projects = directory.path().join("projects");
        fs::create_dir_all(projects.join("p")).unwrap();
        for number in 0..10_001 {
            fs::write(projects.join(number.to_string()), "").unwrap();
        }
        let mut transcript = transcript(directory.path());
        transcript.skip_to_end().unwrap();
        fs::write(projects.join("p/c-1.jsonl"), lines(1)).unwrap();
        assert_eq!(look(&mut transcript).unwrap().len(), 1);
    }

    #[test]
    fn all_conversations_are_searched_seldom() {
        let directory = tempfile::tempdir().unwrap();
        let project = |name: &str| directory.path().join("projects").join(name);
        for name in ["p", "q"] {
            fs::create_dir_all(project(name)).unwrap();
        }
        let mut transcript = transcript(directory.path());
        let mut now = Instant::now();
        let mut looked_after = |transcript: &mut Transcript, time: Duration| {
            now += time;
            transcript.look(now).unwrap().len()
        };
        let instant = Duration::from_nanos(1);
        assert_eq!(looked_after(&mut transcript, Duration::ZERO), 0);
        assert_eq!(looked_after(&mut transcript, SEARCH_AGAIN), 0);
        fs::write(project("p").join("c-1.jsonl"), lines(2)).unwrap();
        assert_eq!(looked_after(&mut transcript, 2 * SEARCH_AGAIN - instant), 0, "it searched at once");
        assert_eq!(looked_after(&mut transcript, instant), 2);
        // Once it is found, its own files are followed without a search.
        fs::create_dir_all(project("p").join("c-1/subagents")).unwrap();
        fs::write(project("p").join("c-1/subagents/a"), lines(3)).unwrap();
        assert_eq!(looked_after(&mut transcript, instant), 3);
        fs::write(project("q").join("c-1.jsonl"), lines(4)).unwrap();
        assert_eq!(looked_after(&mut transcript, SEARCH_LATER), 0, "it searched although it was found");
        assert_eq!(looked_after(&mut transcript, SEARCH_ONCE_FOUND), 4);
        fs::create_dir_all(project("r")).unwrap();
        fs::write(project("r").join("c-1.jsonl"), lines(5)).unwrap();
        transcript.search_again();
        assert_eq!(looked_after(&mut transcript, Duration::ZERO), 5, "it was told to search");
    }

    #[test]
    fn more_files_than_are_followed_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let subagents = directory.path().join("projects/p/c-1/subagents");
        fs::create_dir_all(&subagents).unwrap();
        let mut transcript = transcript(directory.path());
        for number in 0..MAX_FILES {
            fs::write(subagents.join(number.to_string()), lines(1)).unwrap();
        }
        assert!(look(&mut transcript).unwrap().len() == MAX_FILES);
        fs::write(subagents.join("one more"), lines(1)).unwrap();
        let error = look(&mut transcript).unwrap_err();
        assert!(error.contains("1000 files"), "{error}");
        assert!(transcript.skip_to_end().unwrap_err().contains("1000 files"));
    }
}
