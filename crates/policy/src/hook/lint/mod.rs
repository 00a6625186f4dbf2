//! Finds hooks that can't work, whoever wrote them.
//!
//! A hook that can't work says nothing: the agent goes on as if it weren't there. What can be told from the settings is
//! told by [`lint`]; what shows only when a hook runs, by [`lint_run`] of how it ended.

mod program;
mod run;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    dialect::Dialect,
    name::EventName,
    settings::{Entry, Found, Settings, SettingsError, SettingsFormat, is_ours, words},
};

pub use run::{Run, lint_run, samples};

/// The least time-out that leaves our own hook time to answer, in seconds.
const OUR_LEAST_SECONDS: f64 = 10.0;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// It may be meant so.
    Warning,
    /// The hook can't do what it is there for.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A hook that can't work, or hardly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What sort of fault it is, in a word that stays the same.
    pub kind: &'static str,
    /// The agent.
    pub agent: Dialect,
    /// The settings file.
    pub path: PathBuf,
    /// The line in it, from 1; 0 where there are none.
    pub line: usize,
    /// The event that the hook is for, if the finding is about one.
    pub event: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

/// A settings file to look over.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SettingsFile<'a> {
    /// The agent that reads it.
    pub agent: Dialect,
    /// Where it lies.
    pub path: &'a Path,
    /// How it is written.
    pub format: SettingsFormat,
    /// What is in it.
    pub text: &'a str,
}

impl<'a> SettingsFile<'a> {
    /// A file of an agent.
    #[must_use]
    pub fn new(agent: Dialect, path: &'a Path, format: SettingsFormat, text: &'a str) -> Self {
        Self { agent, path, format, text }
    }

    /// The hooks in it.
    ///
    /// # Errors
    ///
    /// If the agent couldn't read it.
    pub fn entries(&self) -> Result<Vec<Entry>, SettingsError> {
        Ok(Settings::read(self.agent, self.format, self.text)?.entries)
    }

    fn finding(&self, severity: Severity, kind: &'static str, line: usize) -> Finding {
        Finding {
            severity,
            kind,
            agent: self.agent,
            path: self.path.to_owned(),
            line,
            event: None,
            problem: String::new(),
            remedy: String::new(),
        }
    }
}

/// What is known of the machine and the project that hooks run in.
pub trait Facts {
    /// Whether there is a file, and whether it can be executed.
    fn file(&self, path: &Path) -> Option<bool>;

    /// Whether a program of that name is on `PATH`.
    fn on_path(&self, name: &str) -> bool;

    /// Whether git keeps a file, so that it is in every worktree.
    fn is_tracked(&self, path: &Path) -> bool;

    /// The checkout that the agent works in.
    fn project(&self) -> &Path;

    /// The person's home directory.
    fn home(&self) -> Option<&Path>;

    /// Whether a person has reviewed the hook of that key, which Codex demands before it runs one. `None` if that can't
    /// be told.
    fn is_reviewed(&self, key: &str) -> Option<bool>;

    /// Whether a person trusts the project's folder, without which Gemini CLI runs no hook. `None` if that can't be told.
    fn is_trusted(&self) -> Option<bool>;
}

/// A settings file that is there and can't be read.
#[must_use]
pub fn unreadable(agent: Dialect, path: &Path, why: &dyn std::fmt::Display) -> Finding {
    let file = SettingsFile::new(agent, path, SettingsFormat::Json, "");
    let problem = format!("the file can't be read: {why}");
    let remedy = "see to it that you can read it, and that it is a file".to_owned();
    Finding { problem, remedy, ..file.finding(Severity::Error, "unreadable", 0) }
}

/// Looks a settings file over, and runs nothing.
#[must_use]
pub fn lint(file: &SettingsFile<'_>, facts: &dyn Facts) -> Vec<Finding> {
    let settings = match Settings::read(file.agent, file.format, file.text) {
        Ok(settings) => settings,
        Err(error) => {
            let line = if let SettingsError::Malformed { line, .. } = error { line } else { 1 };
            let problem = format!("{} can't read the file: {error}", file.agent.agent());
            let remedy = "correct the file; until then none of its hooks run".to_owned();
            return vec![Finding { problem, remedy, ..file.finding(Severity::Error, "unreadable", line) }];
        }
    };
    let mut findings = switches(file, &settings);
    if file.agent == Dialect::Gemini && !settings.entries.is_empty() && facts.is_trusted() == Some(false) {
        findings.push(Finding {
            problem: "Gemini CLI runs no hook in a folder that isn't trusted, and this project's isn't"
                .to_owned(),
            remedy: "start `gemini` in the project and trust the folder".to_owned(),
            ..file.finding(Severity::Warning, "untrusted", settings.entries[0].line)
        });
    }
    let of_project = file.path.starts_with(facts.project()) && file.path.ends_with(".codex/hooks.json");
    if of_project && !settings.entries.is_empty() && !facts.is_tracked(file.path) {
        findings.push(Finding {
            problem: "Codex runs these in a linked worktree only if it has a `.codex` directory too, and git keeps none".to_owned(),
            remedy: "commit the file, or install in the scope `user`".to_owned(),
            ..file.finding(Severity::Warning, "worktree", settings.entries[0].line)
        });
    }
    for fault in &settings.malformations {
        findings.push(Finding {
            event: Some(fault.event.clone()),
            problem: fault.problem.clone(),
            remedy: "write it as {\"matcher\": …, \"hooks\": [{\"type\": \"command\", \"command\": …}]}"
                .to_owned(),
            ..file.finding(Severity::Error, "malformed", fault.line)
        });
    }
    for entry in &settings.entries {
        entry_findings(file, &settings, entry, facts, &mut findings);
    }
    findings
}

/// What turns all hooks off at once.
fn switches(file: &SettingsFile<'_>, settings: &Settings) -> Vec<Finding> {
    let known: &[(&[&str], &str)] = match file.agent {
        // The other one counts in the machine's own settings only.
        Dialect::Claude if file.path.ends_with("managed-settings.json") => {
            &[(&["disableAllHooks"], "true"), (&["allowManagedHooksOnly"], "true")]
        }
        Dialect::Claude => &[(&["disableAllHooks"], "true")],
        Dialect::Codex => &[(&["features", "hooks"], "false"), (&["features", "codex_hooks"], "false")],
        Dialect::Gemini => &[(&["hooksConfig", "enabled"], "false")],
    };
    let on = known.iter().filter_map(|(path, value)| {
        let (found, line) = settings.at(path)?;
        found.is(value).then(|| Finding {
            problem: format!("`{}` is {value}, so that no hook of yours runs", path.join(".")),
            remedy: "take it out".to_owned(),
            ..file.finding(Severity::Error, "switched-off", line)
        })
    });
    on.collect()
}

/// What turns hooks off from the environment that an agent is started in.
#[must_use]
pub fn lint_environment(agent: Dialect, is_set: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let known: &[&str] = match agent {
        Dialect::Claude => &["CLAUDE_CODE_SAFE_MODE", "CLAUDE_CODE_SIMPLE"],
        Dialect::Codex | Dialect::Gemini => &[],
    };
    let finding = |name: &&str| Finding {
        severity: Severity::Error,
        kind: "switched-off",
        agent,
        path: PathBuf::from("environment"),
        line: 0,
        event: None,
        problem: format!("`{name}` is set, with which {} runs no hook", agent.agent()),
        remedy: format!("unset {name}"),
    };
    known.iter().filter(|name| is_set(name)).map(finding).collect()
}

fn entry_findings(
    file: &SettingsFile<'_>,
    settings: &Settings,
    entry: &Entry,
    facts: &dyn Facts,
    findings: &mut Vec<Finding>,
) {
    let mut report = |severity, kind, problem: String, remedy: String| {
        findings.push(Finding {
            event: Some(entry.event.clone()),
            problem,
            remedy,
            ..file.finding(severity, kind, entry.line)
        });
    };
    use Severity::{Error, Warning};
    let agent = file.agent;
    let Some(event) = agent.events().find(|event| agent.spelling(event) == entry.event) else {
        let meant = agent.event(&entry.event);
        let meant = agent.events().find(|event| **event == meant).map(|event| agent.spelling(event));
        let meant =
            meant.or_else(|| meant_in_another(agent, &entry.event)).or_else(|| nearest(agent, &entry.event));
        let remedy = meant.map_or_else(
            || {
                format!(
                    "its events are {}",
                    agent.events().map(|event| agent.spelling(event)).collect::<Vec<_>>().join(", ")
                )
            },
            |meant| format!("did you mean `{meant}`?"),
        );
        return report(
            Error,
            "unknown-event",
            format!("{} has no event `{}`", agent.agent(), entry.event),
            remedy,
        );
    };
    let gates = event.is_gating();
    let takes_only_commands = agent != Dialect::Claude;
    if entry.kind != "command" {
        if takes_only_commands {
            let problem = format!("{} doesn't run hooks of type `{}`", agent.agent(), entry.kind);
            report(Error, "unsupported-type", problem, "write it as a command".to_owned());
        }
        return;
    }
    let Some(command) = entry.command.as_deref().filter(|command| !command.trim().is_empty()) else {
        return report(
            Error,
            "malformed",
            "the hook has no command".to_owned(),
            "name the program".to_owned(),
        );
    };
    let ours = is_ours(command);
    for key in &entry.conditions {
        match key.as_str() {
            "async" | "asyncRewake" if gates => report(
                Error,
                "async",
                format!("`{key}` runs the hook beside the agent, which doesn't wait for its answer"),
                format!("take `{key}` out"),
            ),
            "once" | "if" if gates => report(
                if ours { Error } else { Warning },
                "conditional",
                format!("`{key}` leaves calls out, which then run unasked"),
                format!("take `{key}` out, or be sure that it is meant"),
            ),
            _ => {}
        }
    }
    timeout(entry, agent, event, ours, &mut report);
    if event.is_about_a_tool() && gates {
        matcher(entry, agent, ours, &mut report);
    }
    if ours {
        our_event(command, agent, event, &mut report);
    }
    let disabled = settings.at(&["hooksConfig", "disabled"]).or_else(|| settings.at(&["hooks", "disabled"]));
    let name = entry.name.as_deref().unwrap_or(command);
    if agent == Dialect::Gemini && disabled.is_some_and(|(list, _)| list.texts().any(|text| text == name)) {
        report(
            Error,
            "switched-off",
            format!("`{name}` is in the list of disabled hooks"),
            "take it out there".to_owned(),
        );
    }
    if agent == Dialect::Codex && facts.is_reviewed(&review_key(file.path, event, entry)) == Some(false) {
        let severity = if gates { Error } else { Warning };
        let problem = "Codex runs a hook only after a person has reviewed it, and nobody has".to_owned();
        report(
            severity,
            "unreviewed",
            problem,
            "start `codex` in the project and review it, or type /hooks".to_owned(),
        );
    }
    program::check(command, agent, gates, facts, &mut report);
}

/// What Codex calls a hook in the record of what was reviewed.
fn review_key(path: &Path, event: &EventName, entry: &Entry) -> String {
    let (group, hook) = entry.position;
    format!("{}:{}:{group}:{hook}", path.display(), event.kebab().replace('-', "_"))
}

/// Whether the record of reviews holds that key, switched on.
///
/// `config` is the text of the person's `config.toml`; `None` if it can't be read.
#[must_use]
pub fn is_reviewed(config: &str, key: &str) -> Option<bool> {
    let settings = Settings::read(Dialect::Codex, SettingsFormat::Toml, config).ok()?;
    let Some((state, _)) = settings.at(&["hooks", "state"]) else { return Some(false) };
    let switched_off = |entry: Found<'_>| entry.get("enabled").is_some_and(|enabled| enabled.is("false"));
    Some(state.get(key).is_some_and(|entry| entry.get("trusted_hash").is_some() && !switched_off(entry)))
}

/// Whether Gemini CLI would run hooks in a project.
///
/// `settings` is the text of the person's settings and `folders` that of `trustedFolders.json`, empty if there is none.
/// `None` if one of them can't be read.
#[must_use]
pub fn is_trusted(settings: &str, folders: &str, project: &Path) -> Option<bool> {
    let settings = Settings::read(Dialect::Gemini, SettingsFormat::Json, settings).ok()?;
    let asked =
        settings.at(&["security", "folderTrust", "enabled"]).is_none_or(|(enabled, _)| !enabled.is("false"));
    if !asked {
        return Some(true);
    }
    let folders = Settings::read(Dialect::Gemini, SettingsFormat::Json, folders).ok()?;
    // The rule for the deepest folder counts.
    let rule = folders
        .texts()
        .filter_map(|(folder, trust)| {
            let folder = Path::new(folder);
            let folder = if trust == "TRUST_PARENT" { folder.parent()? } else { folder };
            project.starts_with(folder).then(|| (folder.components().count(), trust))
        })
        .max_by_key(|(depth, _)| *depth);
    Some(rule.is_some_and(|(_, trust)| trust == "TRUST_FOLDER" || trust == "TRUST_PARENT"))
}

fn timeout(
    entry: &Entry,
    agent: Dialect,
    event: &EventName,
    ours: bool,
    report: &mut impl FnMut(Severity, &'static str, String, String),
) {
    if let Some(bad) = &entry.bad_timeout {
        let unit = if agent.ticks() == 1 { "seconds" } else { "milliseconds" };
        report(
            Severity::Error,
            "time-out",
            format!("the time-out is {bad}"),
            format!("write a number of {unit}"),
        );
        return;
    }
    let ticks = agent.ticks() as f64;
    let seconds =
        entry.timeout.map_or_else(|| f64::from(agent.default_timeout(event)), |timeout| timeout / ticks);
    if seconds > f64::from(agent.longest_timeout()) {
        report(
            Severity::Error,
            "time-out",
            format!("a time-out of {seconds:.0} s overflows the agent's timer, which then fires at once"),
            format!("write at most {} s", agent.longest_timeout()),
        );
    } else if agent.ticks() > 1 && seconds < 1.0 {
        report(
            Severity::Error,
            "time-out",
            format!("a time-out of {} milliseconds is hardly meant", entry.timeout.unwrap_or_default()),
            format!("{} counts in milliseconds: write {}", agent.agent(), seconds * ticks * ticks),
        );
    } else if ours && event.is_gating() && seconds < OUR_LEAST_SECONDS {
        report(
            Severity::Error,
            "time-out",
            format!("after {seconds} s the call runs, and the hook may take 5 s to answer"),
            "run `missiond hook install` again".to_owned(),
        );
    }
}

fn matcher(
    entry: &Entry,
    agent: Dialect,
    ours: bool,
    report: &mut impl FnMut(Severity, &'static str, String, String),
) {
    let Some(matcher) = entry.matcher.as_deref().map(str::trim) else { return };
    if ["", "*", ".*"].contains(&matcher) {
        return;
    }
    let severity = if ours { Severity::Error } else { Severity::Warning };
    let is_list = matcher.chars().all(|c| c.is_ascii_alphanumeric() || "_|, -".contains(c));
    if !is_list {
        let problem = format!("the matcher `{matcher}` is a pattern; what it leaves out runs unasked");
        return report(
            severity,
            "matcher",
            problem,
            "use `*` and let the hook itself pass what it doesn't care for".to_owned(),
        );
    }
    let named: Vec<&str> = matcher.split(['|', ',']).map(str::trim).filter(|name| !name.is_empty()).collect();
    let tools = agent.weighty_tools();
    for name in &named {
        let other_case = tools.iter().find(|tool| **tool != *name && tool.eq_ignore_ascii_case(name));
        if let Some(meant) = other_case {
            let problem = format!("the matcher names `{name}`, which is no tool: case counts");
            report(Severity::Error, "matcher", problem, format!("write `{meant}`"));
        }
    }
    let left_out: Vec<&str> = tools.iter().filter(|tool| !named.contains(tool)).copied().collect();
    if !left_out.is_empty() {
        let problem = format!("the matcher leaves out {}, which run unasked", left_out.join(", "));
        report(severity, "matcher", problem, "use `*`, or be sure that this is meant".to_owned());
    }
}

/// Whether our hook is called for the event that it stands under.
fn our_event(
    command: &str,
    agent: Dialect,
    event: &EventName,
    report: &mut impl FnMut(Severity, &'static str, String, String),
) {
    let Some(words) = words(command) else { return };
    let after = |option: &str| {
        let at = words.iter().position(|word| word.text == option)?;
        words.get(at + 1).map(|word| word.text.as_str())
    };
    let named = words.last().map(|word| word.text.as_str()).unwrap_or_default();
    let speaks = after("--agent").and_then(Dialect::named).unwrap_or_else(|| Dialect::of_event(named));
    if speaks == agent && agent.event(named) == *event {
        return;
    }
    report(
        Severity::Error,
        "wrong-event",
        format!("our hook is called for `{named}` of {}, so that it blocks every event here", speaks.agent()),
        "run `missiond hook install` again".to_owned(),
    );
}

/// The event that another agent calls so, by the name that it has here.
fn meant_in_another(agent: Dialect, name: &str) -> Option<&'static str> {
    let others = Dialect::ALL.into_iter().filter(|other| *other != agent);
    let meant =
        others.map(|other| other.event(name)).find(|event| agent.events().any(|known| known == event))?;
    agent.events().find(|event| **event == meant).map(|event| agent.spelling(event))
}

fn nearest(agent: Dialect, name: &str) -> Option<&'static str> {
    let near = |event: &'static EventName| {
        let spelling = agent.spelling(event);
        (strsim::jaro_winkler(&spelling.to_lowercase(), &name.to_lowercase()), spelling)
    };
    let best = agent.events().map(near).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}
