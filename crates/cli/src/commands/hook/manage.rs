//! `hook install`, `uninstall` and `lint`: the hooks in the settings of agents that people start themselves.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use missiond_core::access::Access;
use missiond_core::adapters::hooks::{
    self, Change, LintOptions, Linted, Scope, agents_on_path, goes_with_worktree, installation, own_program,
    removal,
};
use missiond_core::text::escape_line;
use missiond_policy::hook::Dialect;
use missiond_policy::hook::lint::{Finding, Severity};
use serde::Serialize;

use crate::context::Context;
use crate::exit::{Exit, UsageError};
use crate::output::{FAINT, GREEN, RED, STRONG, YELLOW, count, line, one, remark};

#[derive(Debug, Subcommand)]
pub(super) enum Manage {
    Install(Install),
    Uninstall(Uninstall),
    Lint(Lint),
}

/// Let agents that you start yourself ask the policy
///
/// Writes our hook into the agent's settings, for the events on which it waits for leave: a tool call, a request for
/// permission, a prompt. All else in the file stays as it is, and a file that the agent could not read is left alone. The
/// program is named by an absolute path, so that the hook works in every worktree. A mission needs none of this.
#[derive(Debug, Args)]
pub(super) struct Install {
    #[command(flatten)]
    target: Target,
}

/// Take our hook out of the settings of agents
///
/// Removes what `hook install` wrote, wherever in the file it is now, and nothing else.
#[derive(Debug, Args)]
pub(super) struct Uninstall {
    #[command(flatten)]
    target: Target,
}

/// Find hooks that can't work, ours and others
///
/// A hook that can't work says nothing: the agent goes on as if it weren't there. This reads all settings in which the
/// agents look for hooks and lists what can't work, with the line and the remedy: missing programs, events that don't
/// exist, switches that turn hooks off, paths that are dead in another worktree, tools that a matcher leaves out.
///
/// With `--run` it also runs every hook, on events that the agent really sent, in a scratch directory and for at most 10 s
/// each: that runs code which other people wrote, with your rights. Without it nothing is run.
///
/// Exit code 1 if anything found is an error.
#[derive(Debug, Args)]
pub(super) struct Lint {
    /// Look at this agent's hooks; may be given more than once. If it is left out, at all agents'.
    #[arg(long, value_name = "AGENT", value_enum)]
    agent: Vec<Agent>,
    /// Run every hook, other people's too, to see what it does.
    #[arg(long)]
    run: bool,
}

#[derive(Debug, Args)]
struct Target {
    /// Which agent; may be given more than once. If it is left out, all whose program is on PATH.
    #[arg(long, value_name = "AGENT", value_enum)]
    agent: Vec<Agent>,
    /// Whose settings: yours for all projects, the repository's, or yours for this project (Claude Code only).
    #[arg(long, value_name = "SCOPE", value_enum, default_value = "user")]
    scope: Whose,
    /// Only show what would change.
    #[arg(long, visible_alias = "print")]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Agent {
    Claude,
    Codex,
    Gemini,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whose {
    User,
    Project,
    Local,
}

impl Agent {
    fn dialect(self) -> Dialect {
        match self {
            Self::Claude => Dialect::Claude,
            Self::Codex => Dialect::Codex,
            Self::Gemini => Dialect::Gemini,
        }
    }
}

impl Whose {
    fn scope(self) -> Scope {
        match self {
            Self::User => Scope::User,
            Self::Project => Scope::Project,
            Self::Local => Scope::Local,
        }
    }
}

#[derive(Serialize)]
struct Shown {
    dry_run: bool,
    changes: Vec<ShownChange>,
}

#[derive(Serialize)]
struct ShownChange {
    agent: &'static str,
    scope: &'static str,
    path: PathBuf,
    changed: bool,
    removed: Vec<String>,
    added: Vec<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    files: &'a [PathBuf],
    hooks: usize,
    runs: usize,
    left_out: usize,
    findings: &'a [Finding],
}

impl Manage {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        // Whoever is judged by a hook has no say in which there are.
        Access::refuse_inside_slot()?;
        match self {
            Self::Install(command) => command.target.carry_out(context, true),
            Self::Uninstall(command) => command.target.carry_out(context, false),
            Self::Lint(command) => command.run(context),
        }
    }
}

impl Target {
    fn carry_out(self, context: &Context, install: bool) -> anyhow::Result<Exit> {
        let agents = if self.agent.is_empty() { agents_on_path() } else { dialects(&self.agent) };
        if agents.is_empty() {
            let none = "none of claude, codex and gemini is on PATH; name one with --agent".to_owned();
            return Err(UsageError(none).into());
        }
        let scope = self.scope.scope();
        let program = own_program().context("it can't be told where this program lies")?;
        // All are looked at before the first is changed.
        let changes: Vec<Change> = agents
            .into_iter()
            .map(|agent| match install {
                true => installation(agent, scope, &context.directory, &program),
                false => removal(agent, scope, &context.directory),
            })
            .collect::<Result<_, _>>()?;
        if !self.dry_run {
            for change in &changes {
                change.make()?;
            }
        }
        let shown = Shown { dry_run: self.dry_run, changes: changes.iter().map(ShownChange::of).collect() };
        one(context.format, &shown, || shown.print(install))?;
        if install && context.for_people() {
            advise(&changes, &program);
        }
        Ok(Exit::OK)
    }
}

/// What a person should know of what was installed.
fn advise(changes: &[Change], program: &std::path::Path) {
    if goes_with_worktree(program) {
        let path = escape_line(&program.display().to_string());
        remark(format!("{YELLOW}the hook is {path}, which goes away with its worktree{YELLOW:#}"));
    }
    for change in changes {
        if change.agent == Dialect::Codex {
            remark(
                "Codex runs a new hook only after you have reviewed it: start `codex`, or type /hooks there",
            );
        }
        if change.agent == Dialect::Gemini {
            remark(
                "Gemini CLI runs hooks only in folders that you trust; it asks when it is started in a new one",
            );
        }
        if (change.agent, change.scope) == (Dialect::Codex, Scope::Project) {
            remark(
                "in a linked worktree Codex runs it only if that has a `.codex` directory too, so commit the file",
            );
        }
        if change.scope == Scope::Project {
            remark(format!(
                "{} is for everybody who uses the repository, and names a program of this machine",
                escape_line(&change.path.display().to_string())
            ));
        }
    }
}

impl Shown {
    fn print(&self, install: bool) -> anyhow::Result<()> {
        for change in &self.changes {
            let path = escape_line(&change.path.display().to_string());
            let what = match (change.changed, self.dry_run, install) {
                (false, _, true) => "is installed already",
                (false, _, false) => "is not installed",
                (true, true, _) => "would change",
                (true, false, true) => "installed",
                (true, false, false) => "removed",
            };
            line(format!("{STRONG}{}{STRONG:#}  {what}  {FAINT}{path}{FAINT:#}", change.agent))?;
            if self.dry_run {
                for text in &change.removed {
                    line(format!("{RED}-{}{RED:#}", escape_line(text)))?;
                }
                for text in &change.added {
                    line(format!("{GREEN}+{}{GREEN:#}", escape_line(text)))?;
                }
            }
        }
        Ok(())
    }
}

impl ShownChange {
    fn of(change: &Change) -> Self {
        let old: Vec<&str> = change.before.as_deref().unwrap_or_default().lines().collect();
        let new: Vec<&str> = change.after.lines().collect();
        let same =
            |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
        let start = same(&mut old.iter().zip(&new));
        let end = same(&mut old[start..].iter().rev().zip(new[start..].iter().rev()));
        let lines =
            |lines: &[&str]| lines[start..lines.len() - end].iter().map(|line| (*line).to_owned()).collect();
        Self {
            agent: change.agent.as_str(),
            scope: change.scope.as_str(),
            path: change.path.clone(),
            changed: change.is_needed(),
            removed: lines(&old),
            added: lines(&new),
        }
    }
}

impl Lint {
    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut options = LintOptions::default();
        options.agents = dialects(&self.agent);
        options.run = self.run;
        let linted = hooks::lint(&context.directory, &options)?;
        let report = Report {
            files: &linted.files,
            hooks: linted.hooks,
            runs: linted.runs,
            left_out: linted.left_out,
            findings: &linted.findings,
        };
        one(context.format, &report, || print(&linted))?;
        let failed = linted.findings.iter().any(|finding| finding.severity == Severity::Error);
        Ok(if failed { Exit::FAILURE } else { Exit::OK })
    }
}

fn print(linted: &Linted) -> anyhow::Result<()> {
    for finding in &linted.findings {
        let style = if finding.severity == Severity::Error { RED } else { YELLOW };
        let mut place = escape_line(&finding.path.display().to_string());
        if finding.line > 0 {
            place.push_str(&format!(":{}", finding.line));
        }
        let event =
            finding.event.as_deref().map(|event| format!("  {}", escape_line(event))).unwrap_or_default();
        let word = finding.severity.as_str();
        line(format!(
            "{style}{word:<8}{style:#} {STRONG}{place}{STRONG:#}{event}  {FAINT}{}{FAINT:#}",
            finding.kind
        ))?;
        line(format!("         {}", escape_line(&finding.problem)))?;
        line(format!("         {FAINT}→ {}{FAINT:#}", escape_line(&finding.remedy)))?;
    }
    let hooks = count(linted.hooks as u64, "hook");
    let files = count(linted.files.len() as u64, "file");
    let errors = linted.findings.iter().filter(|finding| finding.severity == Severity::Error).count() as u64;
    let warnings = linted.findings.len() as u64 - errors;
    if linted.left_out > 0 {
        let left_out = count(linted.left_out as u64, "hook");
        remark(format!(
            "{YELLOW}not run for want of time: {left_out}; look at one agent at a time{YELLOW:#}"
        ));
    }
    remark(format!("{hooks} in {files}: {}, {}", count(errors, "error"), count(warnings, "warning")));
    Ok(())
}

fn dialects(agents: &[Agent]) -> Vec<Dialect> {
    agents.iter().map(|agent| agent.dialect()).collect()
}
