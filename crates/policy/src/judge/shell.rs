use std::path::{Path, PathBuf};

use super::{
    Hit, Judge, by_rule,
    changes::Changes,
    files::{By, outside},
    search::searches,
};
use crate::{
    path::Access,
    preset::Act,
    rule::Subject,
    shell::{
        Command, Effect, Join, MAX_COMMAND_BYTES, Script, Use, Word, everything_that_might_run,
        is_assignment, is_keyword, lex, likely_use, program, read, risks, synonyms,
    },
    text::{quoted, shown},
    tool::COMMAND_ARGUMENTS,
    verdict::{Decision, Verdict},
};

/// The most directories a command may turn out to run in.
const MAX_DIRECTORIES: usize = 8;

/// The directories a command may run in; `None` where they can't be told.
pub(super) type Directories = Option<Vec<PathBuf>>;

impl Judge<'_> {
    /// A tool that runs a shell command.
    pub(super) fn shell(&self, whole: Option<Hit<'_>>) -> Verdict {
        let text = match self.command_text() {
            Ok(text) => text,
            Err(verdict) => return *verdict,
        };
        let start = match self.starting_directory() {
            Ok(start) => start,
            Err(problem) => return self.unreadable(&problem),
        };
        if text.len() > MAX_COMMAND_BYTES {
            let problem = format!("the command is longer than {MAX_COMMAND_BYTES} bytes; put it into a file");
            return self.settle(Act::TooComplex, None, &problem);
        }
        let script = lex(&text);
        let Some(candidates) = everything_that_might_run(&script) else {
            return self.settle(Act::TooComplex, None, "too many commands are hidden in this one");
        };
        let directories = self.directories(&script, &start);
        let compound = script.commands.len() > 1;
        let mut verdict = self.plainness(&script);
        if let Some(problem) = self.loosening() {
            let unlike = self.unreadable(&problem);
            verdict = Some(verdict.map_or(unlike.clone(), |before| before.strictest(unlike)));
        }
        let mut add = |next: Verdict, part: &Command, alone: bool| {
            let next = if alone { next } else { Verdict { part: Some(part.shown()), ..next } };
            verdict = Some(match verdict.take() {
                Some(before) => before.strictest(next),
                None => next,
            });
        };
        if let Some(seen) = self.seen {
            candidates.iter().for_each(|candidate| seen.borrow_mut().command(candidate.command.shown()));
        }
        for candidate in &candidates {
            let here = directories.get(candidate.top).and_then(Option::as_deref).unwrap_or_default();
            for next in self.restrictions(&candidate.command, here, whole) {
                let top = script.commands.get(candidate.top);
                let alone = !compound && top.is_some_and(|top| top.words == candidate.command.words);
                add(next, &candidate.command, alone);
            }
        }
        if script.problem.is_none() {
            let changes = self.changes(&script, &candidates, &directories);
            let places = directories.iter().map(Option::as_deref).zip(&changes);
            for (command, (here, changes)) in script.commands.iter().zip(places) {
                add(self.plain(command, here, changes, whole), command, !compound);
            }
        }
        verdict.unwrap_or_else(|| self.unreadable("the command is empty"))
    }

    fn command_text(&self) -> Result<String, Box<Verdict>> {
        let found = COMMAND_ARGUMENTS.iter().filter_map(|key| self.call.input.get(key));
        let values: Vec<_> = found.collect();
        let [value] = values.as_slice() else {
            return Err(Box::new(self.unreadable("there isn't exactly one argument with a command")));
        };
        if !self.call.cwd.is_absolute() {
            return Err(Box::new(self.settle(
                Act::BadPath,
                None,
                "the directory the command runs in isn't absolute",
            )));
        }
        match value {
            serde_json::Value::String(text) => Ok(text.clone()),
            // Words for `execve`. Quoted, they say the same to the lexer, which then needs no second way.
            serde_json::Value::Array(words) if words.iter().all(serde_json::Value::is_string) => {
                let words = words.iter().filter_map(|word| word.as_str());
                Ok(words
                    .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
                    .collect::<Vec<_>>()
                    .join(" "))
            }
            _ => Err(Box::new(self.unreadable("the command isn't text"))),
        }
    }

    /// What is wrong with the script as a whole: that it isn't plain words.
    fn plainness(&self, script: &Script) -> Option<Verdict> {
        let at_start = script.commands.iter().find_map(|command| {
            let Some(word) = command.words.first() else {
                return Some("a redirection without a command".to_owned());
            };
            if is_assignment(&word.text) {
                Some(format!("{} sets a variable before the command", quoted(&word.text)))
            } else if is_keyword(&word.text) {
                Some(format!("{} is a word of the shell's language", quoted(&word.text)))
            } else if word.glob || word.tilde || word.text.is_empty() {
                Some(format!("{} isn't the name of a command", quoted(&word.text)))
            } else {
                None
            }
        });
        let problem = script.problem.clone().or(at_start)?;
        Some(self.settle(Act::NotPlain, None, &format!("the command isn't plain words: {problem}")))
    }

    /// What restricts a command that might run: rules, dangers, and paths nobody may touch. Nothing here allows.
    fn restrictions(&self, command: &Command, here: &[PathBuf], whole: Option<Hit<'_>>) -> Vec<Verdict> {
        let mut found = Vec::new();
        let loose = loose_forms(&command.words);
        let hit = self.hit(Subject::Command { exact: &[], loose: &loose });
        found.extend(hit.filter(|hit| hit.rule.effect != Decision::Allow).map(|hit| by_rule(hit.rule)));
        for (act, detail) in risks(command, &self.surroundings.own_pids) {
            found.push(self.settle(act, None, &detail));
        }
        let used = match read(&command.words) {
            Effect::Known(known) => known,
            Effect::Guessed(act, _) => likely_use(command, act),
        };
        found.extend(here.iter().flat_map(|cwd| self.taken(&used, cwd)));
        let mut paths = used.paths;
        for (writes, word) in &command.redirects {
            paths.push((if *writes { Access::Write } else { Access::Read }, word.clone()));
        }
        for (access, word) in paths.iter().filter(|(_, word)| word.known && !word.text.is_empty()) {
            for cwd in here {
                found.push(self.word(word, cwd, *access, whole));
            }
        }
        // What is asked only by the preset doesn't count: the plain reading asks that itself, and what isn't plain
        // is asked anyway.
        found.retain(|verdict| {
            let by_a_rule = verdict.rule.as_ref().is_some_and(|id| !self.is_preset(id.as_str()));
            verdict.decision == Decision::Deny || (verdict.decision == Decision::Ask && by_a_rule)
        });
        found
    }

    fn is_preset(&self, id: &str) -> bool {
        id.split('/').next() == Some(self.policies.preset.as_str())
    }

    /// A command of plain words.
    fn plain(
        &self,
        command: &Command,
        here: Option<&[PathBuf]>,
        changes: &Changes,
        whole: Option<Hit<'_>>,
    ) -> Verdict {
        let exact = [exact_form(&command.words)];
        let loose = loose_forms(&command.words);
        let hit = self.hit(Subject::Command { exact: &exact, loose: &loose }).or(whole);
        let Some(here) = here else {
            return self.settle(Act::NotPlain, None, "the directory this runs in can't be told");
        };
        let (detail, used) = match read(&command.words) {
            Effect::Known(known) => {
                (format!("{}: {}", quoted(&program(&command.words)), known.act.row().what), known)
            }
            Effect::Guessed(act, why) => (shown(&why), likely_use(command, act)),
        };
        let mut verdict = self.settle(used.act, hit, &detail);
        if program(&command.words) == "cd" {
            let Some(there) = self.changed(&command.words[1..], here) else {
                return self.settle(Act::NotPlain, None, "the directory this changes to can't be told");
            };
            for path in there {
                let text = path.to_string_lossy();
                verdict =
                    verdict.strictest(self.reading(&text, &text, &path, Access::Read, By::Command, hit));
                if self.may_have_changed(&path, changes) {
                    verdict = verdict.strictest(self.changed_before(&text));
                }
            }
        }
        for cwd in here {
            let start = match &used.directory {
                Some(word) => {
                    verdict = verdict.strictest(self.word(word, cwd, Access::Read, hit));
                    let start = self.target(word, cwd);
                    if self.may_have_changed(&start, changes) {
                        verdict = verdict.strictest(self.changed_before(&word.text));
                    }
                    start
                }
                None => cwd.clone(),
            };
            // Where it runs counts as much as what it names.
            let access = match used.act {
                Act::Build | Act::LocalGit | Act::OwnRemote => Access::Write,
                _ => Access::Read,
            };
            let place = start.to_string_lossy();
            verdict = verdict.strictest(self.reading(&place, &place, &start, access, By::Command, hit));
            if program(&command.words) == "git" {
                verdict = verdict.strictest(self.repository(&start, hit));
                if changes.made(&start) {
                    verdict = verdict.strictest(self.changed_before(&place));
                }
            }
            if searches(&command.words) {
                verdict = verdict.strictest(self.search(&command.words, &used.paths, &start, hit));
            }
            for (access, word) in &used.paths {
                verdict = verdict.strictest(self.word(word, &start, *access, hit));
            }
            let more = self.taken(&used, &start).into_iter();
            let more = more.chain(self.building(&command.words, &used, &start, hit));
            let more = more.chain(self.unsettled(&command.words, &used, &start, changes));
            verdict = more.fold(verdict, Verdict::strictest);
        }
        verdict
    }

    /// What rules say against the directories that a command takes with everything in them.
    fn taken(&self, used: &Use, cwd: &Path) -> Vec<Verdict> {
        let mut whole = used.whole.clone();
        if let Some(moved) = &used.moved {
            whole.extend(moved.from.iter().map(|word| (Access::Read, word.clone())));
            whole.extend(moved.inside().map(|word| (Access::Write, word)));
            if moved.exactly || !self.is_directory(&moved.to, cwd) {
                whole.push((Access::Write, moved.to.clone()));
            }
        }
        let known = whole.iter().filter(|(_, word)| word.known && !word.text.is_empty());
        let paths =
            known.flat_map(|(access, word)| self.targets(word, cwd).into_iter().map(|path| (*access, path)));
        paths.filter_map(|(access, path)| self.throughout(path.to_str()?, cwd, access)).collect()
    }

    /// Whether the word names a directory, by a link or not.
    pub(super) fn is_directory(&self, word: &Word, cwd: &Path) -> bool {
        let target = self.target(word, cwd);
        let located = target.to_str().and_then(|path| self.roots.locate(path, cwd, self.links).ok());
        located.is_some_and(|located| located.reached.iter().all(|path| self.links.is_directory(path)))
    }

    /// One word that names a file.
    fn word(&self, word: &Word, cwd: &Path, access: Access, whole: Option<Hit<'_>>) -> Verdict {
        if word.text.is_empty() {
            // The empty name names nothing, and programs refuse it.
            return self.settle(Act::Inspect, None, "an empty word");
        }
        let expanded = if word.tilde {
            match self.expanded(&word.text).map(|path| path.to_string_lossy().into_owned()) {
                Some(path) => path,
                None => {
                    return self.settle(
                        outside(access, By::Command),
                        whole,
                        "`~` is used and there is no home directory",
                    );
                }
            }
        } else {
            word.text.clone()
        };
        let verdict = self.reading(&expanded, &word.text, cwd, access, By::Command, whole);
        if word.glob {
            return verdict.strictest(self.wildcard(&word.text, &expanded, cwd, access, whole));
        }
        verdict
    }

    /// Where `cd` with this word leads.
    pub(super) fn target(&self, word: &Word, cwd: &Path) -> PathBuf {
        let expanded = if word.tilde { self.expanded(&word.text) } else { None };
        cwd.join(expanded.unwrap_or_else(|| PathBuf::from(&word.text)))
    }

    /// What a word names: itself, and whatever its wildcards match.
    pub(super) fn targets(&self, word: &Word, cwd: &Path) -> Vec<PathBuf> {
        let itself = self.target(word, cwd);
        let matches = itself.to_str().filter(|_| word.glob).and_then(|path| self.matches(path, cwd));
        matches.into_iter().flatten().map(PathBuf::from).chain([itself]).collect()
    }

    /// The directories each command of the script may run in.
    fn directories(&self, script: &Script, start: &Path) -> Vec<Directories> {
        let mut all = vec![];
        // Where the line may be now, and where it is if everything since the last `;` went well.
        let mut anywhere: Directories = Some(vec![start.to_owned()]);
        let mut succeeded = anywhere.clone();
        for command in &script.commands {
            let here = if command.join == Join::And { succeeded.clone() } else { anywhere.clone() };
            all.push(here.clone());
            succeeded.clone_from(&here);
            if program(&command.words) != "cd" {
                continue;
            }
            let there = here.and_then(|here| self.changed(&command.words[1..], &here));
            succeeded.clone_from(&there);
            anywhere = anywhere.zip(there).map(|(mut before, after)| {
                before.extend(after);
                before.sort();
                before.dedup();
                before
            });
            anywhere = anywhere.filter(|directories| directories.len() <= MAX_DIRECTORIES);
        }
        all
    }

    fn changed(&self, words: &[Word], here: &[PathBuf]) -> Directories {
        let mut words = words.iter().filter(|word| !["-P", "-L", "--"].contains(&word.text.as_str()));
        match (words.next(), words.next()) {
            (None, None) => Some(vec![self.home()?.to_owned()]),
            (Some(word), None) if word.known && !word.glob && !word.text.starts_with('-') => {
                Some(here.iter().map(|cwd| self.target(word, cwd)).collect())
            }
            _ => None,
        }
    }
}

/// The command as an allow rule sees it: a word with a space in it can't pass for two.
fn exact_form(words: &[Word]) -> String {
    words.iter().map(|word| in_quotes(&word.text)).collect::<Vec<_>>().join(" ")
}

/// The command in every spelling a restriction is held against.
fn loose_forms(words: &[Word]) -> Vec<String> {
    if words.is_empty() {
        return Vec::new();
    }
    let whole = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let mut forms = vec![whole, exact_form(words)];
    forms.extend(synonyms(words));
    forms
}

fn in_quotes(text: &str) -> String {
    if text.is_empty() || text.contains(char::is_whitespace) { format!("'{text}'") } else { text.to_owned() }
}
