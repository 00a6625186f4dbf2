use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Hit, Judge, by_rule,
    changes::Changes,
    directories::changes_directory,
    files::{By, Named, outside},
    search::searches,
    strictest::Strictest,
};
use crate::{
    path::Access,
    preset::Act,
    rule::Subject,
    shell::{
        Candidate, Command, Effect, Join, MAX_COMMAND_BYTES, Meaning, Use, Word, everything_that_might_run,
        program, read, risks, trace, without_runs,
    },
    text::{quoted, shown},
    tool::COMMAND_ARGUMENTS,
    verdict::{Decision, Verdict},
};

/// The most names of a directory that are looked at where they are copied.
const MAX_BROUGHT: usize = 1000;

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
        let script = trace(&text);
        if script.too_complex {
            if let Some(seen) = self.seen {
                let named = script.commands.iter().filter(|command| !command.words.is_empty());
                named.for_each(|command| seen.borrow_mut().command(command.shown()));
            }
            let problem = script.problem.as_deref().unwrap_or("it is too much to judge");
            return self.settle(Act::TooComplex, None, format_args!("the command is too complex: {problem}"));
        }
        let Some(candidates) = everything_that_might_run(&script) else {
            return self.settle(Act::TooComplex, None, "too many commands are hidden in this one");
        };
        let directories = self.directories(&script, &start);
        let compound = script.commands.len() > 1;
        let mut strictest = Strictest::default();
        if let Some(problem) = script.problem.as_deref() {
            strictest.add(self.not_plain(problem));
        }
        if let Some(problem) = self.loosening() {
            strictest.add(self.unreadable(&problem));
        }
        let mut add = |next: Verdict, part: &Command, alone: bool| {
            strictest.add_with(next.decision, next.risk, || {
                if alone { next } else { Verdict { part: Some(part.shown()), ..next } }
            });
        };
        if let Some(seen) = self.seen {
            let named = candidates.iter().filter(|candidate| !candidate.command.words.is_empty());
            named.for_each(|candidate| seen.borrow_mut().command(candidate.command.shown()));
        }
        for candidate in &candidates {
            let here = directories.get(candidate.top).and_then(Option::as_deref).unwrap_or_default();
            for next in self.restrictions(candidate, here, whole) {
                let top = script.commands.get(candidate.top);
                let alone = !compound && top.is_some_and(|top| top.words == candidate.command.words);
                add(next, &candidate.command, alone);
            }
        }
        if script.problem.is_none() {
            let changes = self.changes(&script, &candidates, &directories);
            let places = directories.iter().map(Option::as_deref).zip(&changes);
            let mut hits: Vec<Option<Hit<'_>>> = Vec::with_capacity(script.commands.len());
            let mut own = Vec::with_capacity(script.commands.len());
            for candidate in &candidates {
                if candidate.top == own.len() {
                    own.push(candidate);
                }
            }
            for (candidate, (here, changes)) in own.into_iter().zip(places) {
                let (command, meaning) = (candidate.command.as_ref(), &candidate.meaning);
                if command.join == Join::Then {
                    self.earlier.borrow_mut().begin();
                }
                // What a wrapper is allowed to run is allowed to run in it.
                let outer = command.inside.and_then(|at| *hits.get(at)?);
                let outer = outer.filter(|hit| hit.rule.effect == Decision::Allow);
                let hit = self.command_hit(candidate, true).or(outer);
                hits.push(hit);
                add(self.plain(command, meaning, here, changes, hit.or(whole)), command, !compound);
                if let Some(next) = self.runs_what_was_written(command, meaning, here) {
                    add(next, command, !compound);
                }
                self.take_down(command, meaning, here);
            }
        }
        strictest.verdict().unwrap_or_else(|| self.unreadable("the command is empty"))
    }

    fn command_hit(&self, command: &Candidate<'_>, may_allow: bool) -> Option<Hit<'_>> {
        if self.policies.rules.is_empty() {
            return None;
        }
        let exact = if may_allow { command.exact_form() } else { &[] };
        self.hit(Subject::Command { exact, loose: command.forms() })
    }

    fn not_plain(&self, problem: impl fmt::Display) -> Verdict {
        self.settle(Act::NotPlain, None, format_args!("not all of the command is literal: {problem}"))
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

    /// What restricts a command that might run: rules, dangers, and paths nobody may touch. Nothing here allows.
    fn restrictions(
        &self,
        candidate: &Candidate<'_>,
        here: &[PathBuf],
        whole: Option<Hit<'_>>,
    ) -> Vec<Verdict> {
        let Candidate { command, meaning, .. } = candidate;
        let mut found = Vec::new();
        let hit = self.command_hit(candidate, false);
        found.extend(hit.filter(|hit| hit.rule.effect != Decision::Allow).map(|hit| by_rule(hit.rule)));
        for (act, detail) in risks(command, &self.surroundings.own_pids) {
            found.push(self.settle(act, None, &detail));
        }
        let used = &meaning.used;
        found.extend(here.iter().flat_map(|cwd| self.taken(used, cwd)));
        let named = used.paths.iter().map(|(access, word)| (*access, word));
        let connected = command.redirects.iter().map(|(writes, word)| (access(*writes), word));
        for (access, word) in
            distinct(named.chain(connected)).filter(|(_, word)| word.known && !word.text.is_empty())
        {
            for cwd in here {
                let mut strictest = Strictest::restricting();
                self.weigh_word(&mut strictest, word, cwd, access, whole);
                found.extend(strictest.verdict());
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

    /// A command that was understood.
    fn plain(
        &self,
        command: &Command,
        meaning: &Meaning,
        here: Option<&[PathBuf]>,
        changes: &Changes,
        hit: Option<Hit<'_>>,
    ) -> Verdict {
        let Some(here) = here else {
            return self.settle(Act::NotPlain, None, "the directory this runs in can't be told");
        };
        let mut strictest = Strictest::default();
        let used = &meaning.used;
        match &meaning.guess {
            _ if command.words.is_empty() || command.wraps => {
                self.weigh(&mut strictest, Act::Inspect, None, "it only connects files");
            }
            None => {
                let program = quoted(program(&command.words));
                let detail = format_args!("{program}: {}{}", used.act.row().what, InDoubt(command));
                self.weigh(&mut strictest, used.act, hit, detail);
            }
            Some(why) => {
                let detail = format_args!("{}{}", shown(why), InDoubt(command));
                self.weigh(&mut strictest, used.act, hit, detail);
            }
        }
        for doubt in &command.doubts {
            strictest.add(self.not_plain(doubt));
        }
        for (act, detail) in &command.acts {
            self.weigh(&mut strictest, *act, hit, detail);
        }
        for (writes, word) in &command.redirects {
            for cwd in here {
                self.weigh_word(&mut strictest, word, cwd, access(*writes), hit);
                if self.may_have_changed(|| self.target(word, cwd), changes) {
                    strictest.add(self.changed_before(&word.text));
                }
            }
        }
        if command.wraps {
            self.wrapping(&mut strictest, command, here, hit);
        } else if !command.words.is_empty() {
            if changes_directory(&command.words) {
                let Some(there) = self.changed(&command.words[1..], here) else {
                    let problem =
                        format_args!("the directory this changes to can't be told{}", InDoubt(command));
                    return self.settle(Act::NotPlain, None, problem);
                };
                for path in there.iter() {
                    let text = path.to_string_lossy();
                    let there = Named::itself(&text, path);
                    self.weigh_path(&mut strictest, there, Access::Read, By::Command, hit);
                    if self.may_have_changed(|| path.clone(), changes) {
                        strictest.add(self.changed_before(&text));
                    }
                }
            }
            for cwd in here {
                self.running(&mut strictest, command, used, cwd, changes, hit);
            }
        }
        strictest.verdict().unwrap_or_else(|| self.unreadable("it isn't known what the command does"))
    }

    /// What a command does itself that runs others.
    fn wrapping(&self, strictest: &mut Strictest, command: &Command, here: &[PathBuf], hit: Option<Hit<'_>>) {
        let name = program(&command.words);
        // What `find` does besides running something.
        if name == "find" {
            let (act, paths, detail) = match read(&without_runs(&command.words)) {
                Effect::Known(known) => (known.act, known.paths, String::new()),
                Effect::Guessed(act, why) => (act, Vec::new(), why),
            };
            self.weigh(strictest, act, hit, &detail);
            for (access, word) in &paths {
                for cwd in here {
                    self.weigh_word(strictest, word, cwd, *access, hit);
                }
            }
        }
        self.weigh(strictest, Act::Inspect, hit, format_args!("{} runs another command", quoted(name)));
    }

    /// What a command does that runs in this directory.
    fn running(
        &self,
        strictest: &mut Strictest,
        command: &Command,
        used: &Use,
        cwd: &Path,
        changes: &Changes,
        hit: Option<Hit<'_>>,
    ) {
        let start = match &used.directory {
            Some(word) => {
                self.weigh_word(strictest, word, cwd, Access::Read, hit);
                let start = self.target(word, cwd);
                if self.may_have_changed(|| start.clone(), changes) {
                    strictest.add(self.changed_before(&word.text));
                }
                Cow::from(start)
            }
            None => Cow::from(cwd),
        };
        // Where it runs counts as much as what it names.
        let access = match used.act {
            Act::Build | Act::LocalGit | Act::OwnRemote => Access::Write,
            _ => Access::Read,
        };
        let place = start.to_string_lossy();
        self.weigh_path(strictest, Named::itself(&place, &start), access, By::Command, hit);
        if program(&command.words) == "git" {
            // What is compared without an index is a file like any other.
            let of_repository = !command.words.iter().any(|word| word.text == "--no-index");
            for (_, word) in used.paths.iter().filter(|(_, word)| word.known && of_repository) {
                strictest.add(self.outside_of_repository(word, &start, hit));
            }
            strictest.add(self.repository(&start, hit));
            if changes.made(&start) {
                strictest.add(self.changed_before(&place));
            }
        }
        if searches(&command.words) {
            strictest.add(self.search(&command.words, &used.paths, &start, changes, hit));
        }
        for (access, word) in distinct(used.paths.iter().map(|(access, word)| (*access, word))) {
            self.weigh_word(strictest, word, &start, access, hit);
        }
        for word in self.brought_along(used, &start) {
            self.weigh_word(strictest, &word, &start, Access::Write, hit);
        }
        let more = self.taken(used, &start).into_iter();
        let more = more.chain(self.building(&command.words, used, &start, hit));
        more.chain(self.unsettled(&command.words, used, &start, changes))
            .for_each(|next| strictest.add(next));
    }

    /// What lies in a directory whose contents are copied (`cp -r d/. .`), by where it comes to lie.
    fn brought_along(&self, used: &Use, cwd: &Path) -> Vec<Word> {
        let Some(moved) = &used.moved else { return Vec::new() };
        let whole = |word: &&Word| {
            word.known && (moved.exactly || word.text.ends_with("/.") || word.text.ends_with('/'))
        };
        let mut brought = Vec::new();
        for from in moved.from.iter().filter(whole) {
            let names = self.links.names(&self.target(from, cwd), MAX_BROUGHT).unwrap_or_default();
            let to = moved.to.text.trim_end_matches('/');
            brought.extend(names.iter().map(|name| Word {
                text: format!("{to}/{}", name.to_string_lossy()),
                glob: false,
                ..moved.to.clone()
            }));
        }
        brought
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

    /// Adds what is to be said of one word that names a file.
    fn weigh_word(
        &self,
        strictest: &mut Strictest,
        word: &Word,
        cwd: &Path,
        access: Access,
        whole: Option<Hit<'_>>,
    ) {
        if let Some(found) = word.found.as_deref().filter(|_| access == Access::Read) {
            for files in found {
                self.weigh_word(strictest, files, cwd, access, whole);
            }
            return;
        }
        if !word.known {
            let detail = format_args!("which file {} names isn't known", quoted(&word.text));
            return strictest.add(self.not_plain(detail));
        }
        // A pipe from or to another command.
        if word.substituted && word.text == "-" {
            return self.weigh(strictest, Act::Inspect, None, "a pipe");
        }
        // What is written there is gone, and nothing comes of it.
        if ["/dev/null", "/dev/stdout", "/dev/stderr"].contains(&word.text.as_str())
            && access != Access::Delete
        {
            return self.weigh(strictest, Act::Inspect, None, "a stream");
        }
        if let Some(below) = &word.below {
            if word.parted && (self.earlier.borrow().has_odd_names() || !self.names_are_whole(word, cwd)) {
                let detail = format!("a name below {} may be taken apart into others", quoted(&word.text));
                strictest.add(self.settle(Act::GlobPath, whole, &detail));
            }
            let directory = Word { below: None, ..word.clone() };
            return strictest.add(self.files_below(&directory, below, cwd, access, whole));
        }
        if word.text.is_empty() {
            // The empty name names nothing, and programs refuse it.
            return self.weigh(strictest, Act::Inspect, None, "an empty word");
        }
        let expanded = if word.root {
            Cow::from(self.target(word, cwd).to_string_lossy().into_owned())
        } else if word.tilde {
            match self.expanded(&word.text).map(|path| path.to_string_lossy().into_owned()) {
                Some(path) => Cow::from(path),
                None => {
                    let act = outside(access, By::Command);
                    return self.weigh(strictest, act, whole, "`~` is used and there is no home directory");
                }
            }
        } else {
            Cow::from(&word.text)
        };
        let path = Named { text: &expanded, shown: &word.text, cwd };
        self.weigh_path(strictest, path, access, By::Command, whole);
        if word.glob {
            strictest.add(self.wildcard(&word.text, &expanded, cwd, access, whole));
        }
    }

    /// Where `cd` with this word leads.
    pub(super) fn target(&self, word: &Word, cwd: &Path) -> PathBuf {
        if word.root {
            let rest = word.text.split_once(')').map_or("", |(_, rest)| rest).trim_start_matches('/');
            let workspace = &self.surroundings.workspace;
            // In a larger repository it is that one's.
            let own = self.links.is_absent(workspace)
                || self.links.exists(&workspace.join(".git"))
                || !self.links.exists(workspace);
            let inside = if own { workspace.join(rest) } else { PathBuf::from("/").join(rest) };
            // Elsewhere it is another repository's, or none; and in a git directory it isn't told.
            let git = cwd.components().any(|part| part.as_os_str() == ".git");
            return if cwd.starts_with(&self.surroundings.workspace) && !git {
                inside
            } else {
                PathBuf::from("/").join(rest)
            };
        }
        let expanded = if word.tilde { self.expanded(&word.text) } else { None };
        cwd.join(expanded.unwrap_or_else(|| PathBuf::from(&word.text)))
    }

    /// What a word names: itself, and whatever its wildcards match.
    pub(super) fn targets(&self, word: &Word, cwd: &Path) -> Vec<PathBuf> {
        let itself = self.target(word, cwd);
        let matches = itself.to_str().filter(|_| word.glob).and_then(|path| self.matches(path, cwd));
        matches.into_iter().flatten().map(PathBuf::from).chain([itself]).collect()
    }
}

/// Each path once, however often a command names it.
fn distinct<'w>(paths: impl Iterator<Item = (Access, &'w Word)>) -> impl Iterator<Item = (Access, &'w Word)> {
    let mut seen = HashSet::new();
    let mut first = None;
    paths.filter(move |(access, word)| {
        let path = (*access, &word.text, word.tilde, word.glob, word.known, &word.below, &word.found);
        // Most name one.
        match first {
            None => {
                first = Some(path);
                true
            }
            Some(first) => first != path && seen.insert(path),
        }
    })
}

/// What a redirect does to its file.
fn access(writes: bool) -> Access {
    if writes { Access::Write } else { Access::Read }
}

/// What isn't literal in a command, to be read after what it does.
struct InDoubt<'a>(&'a Command);

impl fmt::Display for InDoubt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.doubts.first() {
            Some(doubt) => write!(f, "; {doubt}"),
            None => Ok(()),
        }
    }
}
