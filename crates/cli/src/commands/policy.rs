//! `policy`: ask the policy without an agent.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use missiond_core::access::Access;
use missiond_core::adapters::PolicyGate;
use missiond_core::project::{policy_at, workspace_of};
use missiond_core::text::escape_line;
use missiond_core::{Error, SlotId};
use missiond_policy::{
    Checked, Decision, Disk, MAX_LINE_BYTES, MAX_POLICY_BYTES, Policies, Preset, check_line,
};

use crate::cli::Format;
use crate::context::Context;
use crate::exit::{Exit, UsageError};
use crate::output::{FAINT, GREEN, RED, YELLOW, count, cut, line, remark, to_json};

/// Ask the policy
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Check(Check),
    Import(Import),
    /// Print the table that defines the presets, as Markdown
    Presets,
}

/// Judge tool calls, one JSON object a line on standard input
///
/// A line is `{"id", "tool_name", "tool_input", "cwd"}`, with a `tool_name` such as Bash or Write; the directories need not
/// exist. For each there is a line with the verdict: the decision, the rule it rests on, the reason and the risk, the commands
/// that were found in the call and the effects that were weighed. A line that is no call is denied, and says why; the others go
/// on. Without a preset the policy of the project is asked.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Ask this preset alone, without any project: read-only, strict, standard or permissive.
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// The directory that the agent works in; if it is left out, the one that each call is made in.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// The role of the agent, for rules that name one; without it those that restrict hold.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The slot of the agent, likewise.
    #[arg(long, value_name = "SLOT")]
    slot: Option<SlotId>,
    /// The kind of agent, likewise.
    #[arg(long, value_name = "KIND")]
    agent: Option<String>,
    /// A policy file that holds besides the project's, as `missiond up --policy` has it.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    policy: Option<PathBuf>,
}

/// Carry an agent's own permissions over into a policy
///
/// The policy is printed as TOML, for `.missiond/policy.toml`. What cannot be carried over stands in it as comments, and is
/// reported on standard error. Nothing becomes allowed that the agent's own file does not allow.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Whose file it is: Claude Code's settings.json, or rules of Codex.
    #[arg(long, value_name = "AGENT")]
    from: Source,
    /// The file.
    file: PathBuf,
}

/// An agent whose permissions can be carried over.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Source {
    Claude,
    Codex,
}

impl Policy {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Check(check) => check.run(context),
            Self::Import(import) => import.run(context),
            Self::Presets => {
                line(missiond_policy::presets_markdown().trim_end())?;
                Ok(Exit::OK)
            }
        }
    }
}

impl Import {
    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = context.directory.join(&self.file);
        let shown = escape_line(&self.file.to_string_lossy());
        let mut text = String::new();
        // One byte over the limit is enough to know that the file is too long.
        let limit = MAX_POLICY_BYTES as u64 + 1;
        std::fs::File::open(&path)
            .and_then(|file| file.take(limit).read_to_string(&mut text))
            .with_context(|| format!("{shown} cannot be read"))?;
        let imported = match self.from {
            Source::Claude => missiond_policy::Policy::from_claude_settings(&text, &shown),
            Source::Codex => missiond_policy::Policy::from_codex_rules(&text, &shown),
        };
        let (policy, problems) = imported.map_err(|error| Error::Policy(error.to_string()))?;
        for problem in &problems {
            remark(format!("{YELLOW}not as it was{YELLOW:#}: {}", escape_line(problem)));
        }
        line(policy.trim_end())?;
        Ok(Exit::OK)
    }
}

impl Check {
    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (root, gate) = self.gate(context)?;
        let named = self.workspace.as_ref().map(|workspace| context.directory.join(workspace));
        let place = |cwd: &Path| {
            let workspace = match (&named, &root) {
                (Some(named), _) => named.clone(),
                // As the hook has it.
                (None, Some(root)) => workspace_of(cwd, root),
                (None, None) => cwd.to_owned(),
            };
            let mut surroundings = gate.surroundings(&workspace, root.as_ref().unwrap_or(&workspace));
            // What would be asked is the answer here.
            surroundings.can_ask = true;
            surroundings.role.clone_from(&self.role);
            surroundings.slot = self.slot.as_ref().map(ToString::to_string);
            surroundings.agent.clone_from(&self.agent);
            surroundings
        };
        let format = context.stream_format();
        let mut stdin = std::io::stdin().lock();
        let (mut number, mut wrong) = (0_u64, 0_u64);
        let mut text = Vec::new();
        loop {
            text.clear();
            let most = MAX_LINE_BYTES as u64 + 2;
            let read = (&mut stdin).take(most).read_until(b'\n', &mut text);
            if read.context("standard input cannot be read")? == 0 {
                break;
            }
            number += 1;
            if !text.ends_with(b"\n") && text.len() as u64 == most {
                // The rest of a line that is too long for this is no line of its own.
                stdin.skip_until(b'\n').context("standard input cannot be read")?;
            }
            let call = text.trim_ascii();
            if call.is_empty() {
                continue;
            }
            let policies = self.slot.as_ref().map_or(gate.policies(), |slot| gate.policies_of(slot));
            let checked = check_line(policies, call, named.as_deref(), place, &Disk);
            if let Some(error) = &checked.error {
                wrong += 1;
                remark(format!("{YELLOW}line {number} is no tool call{YELLOW:#}: {}", escape_line(error)));
            }
            print(format, &checked)?;
        }
        if wrong > 0 {
            remark(format!("{} no tool calls, and denied", count(wrong, "line")));
        }
        Ok(Exit::OK)
    }

    /// The gate, and the root of the project if it is a project's.
    fn gate(&self, context: &Context) -> anyhow::Result<(Option<PathBuf>, PolicyGate)> {
        let Some(name) = &self.preset else {
            Access::refuse_inside_slot()?;
            let context = context.with_policy(self.policy.as_deref());
            let (root, gate) = policy_at(&context.directory, &context.options)?;
            return Ok((Some(root), gate));
        };
        let preset = Preset::named(name).ok_or_else(|| {
            let known = Preset::ALL.map(Preset::as_str).join(", ");
            UsageError(format!("there is no preset `{}`; the presets are {known}", escape_line(name)))
        })?;
        let policies = Policies::new([missiond_policy::Policy::preset(preset)]);
        let policies = policies.map_err(|error| Error::Policy(error.to_string()))?;
        Ok((None, PolicyGate::new(policies, Vec::new())))
    }
}

fn print(format: Format, checked: &Checked) -> anyhow::Result<()> {
    if format != Format::Table {
        return line(to_json(checked, false)?);
    }
    let verdict = &checked.explanation.verdict;
    let style = match verdict.decision {
        Decision::Allow => GREEN,
        Decision::Ask => YELLOW,
        Decision::Deny => RED,
    };
    let decision = verdict.decision.as_str();
    let id = checked.id.as_ref().map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let id = id.map(|id| format!("{}  ", escape_line(&cut(&id, 40)))).unwrap_or_default();
    let rule = verdict.rule.as_ref().map(|rule| rule.as_str()).unwrap_or_default();
    line(format!(
        "{style}{decision:<5}{style:#}  {id}{}  {FAINT}{} risk, {}{FAINT:#}",
        escape_line(&verdict.reason),
        verdict.risk,
        escape_line(rule)
    ))
}
