//! The presets, as one table of what is done × what happens.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::verdict::{Decision, Risk, RuleId};

/// A ready-made policy. Each is stricter than the next; written rules come on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Looking only.
    ReadOnly,
    /// Looking; every change is asked.
    Strict,
    /// Working in the workspace; what reaches beyond it is asked or denied.
    #[default]
    Standard,
    /// As little as possible is asked.
    Permissive,
}

impl Preset {
    /// All presets, strictest first.
    pub const ALL: [Self; 4] = [Self::ReadOnly, Self::Strict, Self::Standard, Self::Permissive];

    /// The preset of this name in policies.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// The preset's name in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Permissive => "permissive",
        }
    }

    /// The table that defines the presets.
    #[must_use]
    pub fn table() -> &'static [PresetRow] {
        TABLE
    }

    /// The id of the preset's rule for an act.
    pub(crate) fn rule(self, act: Act) -> RuleId {
        static IDS: LazyLock<Vec<[String; Preset::ALL.len()]>> = LazyLock::new(|| {
            TABLE.iter().map(|row| Preset::ALL.map(|preset| format!("{preset}/{}", row.id))).collect()
        });
        RuleId::fixed(&IDS[act as usize][self as usize])
    }

    /// What the preset does to the calls of one row.
    #[must_use]
    pub fn decides(self, row: &PresetRow) -> Decision {
        row.decisions[self as usize]
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of [`Preset::table`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PresetRow {
    /// The row's id; the id of a preset's rule is `preset/row`.
    pub id: &'static str,
    /// What the row speaks of.
    pub what: &'static str,
    /// How much harm it could do.
    pub risk: Risk,
    /// What a written allow rule can do about an `ask` of this row.
    pub lift: Lift,
    decisions: [Decision; 4],
    pub(crate) act: Act,
}

/// What a written allow rule can do about an `ask` of a preset. Nothing lifts a `deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lift {
    /// Any allow rule lifts it, and the policy's `default` stands in for the `ask`.
    Default,
    /// Any allow rule lifts it.
    Rule,
    /// Only an allow rule that says more than the tool's name lifts it; for a path, one that names the path.
    Named,
    /// Nothing lifts it.
    Never,
}

/// What a call does, as far as the presets tell calls apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Lists,
    Helper,
    Person,
    Inspect,
    ReadInside,
    ReadOutside,
    NamedOutside,
    GlobPath,
    ChangedBefore,
    WideSearch,
    WriteInside,
    DeleteInside,
    WriteOutside,
    DeleteOutside,
    Build,
    BuildInTemp,
    RunInside,
    LocalGit,
    ForeignRepository,
    OwnRemote,
    LocalNetwork,
    Network,
    Install,
    Publish,
    History,
    Container,
    Interpreter,
    Environment,
    Wrapper,
    UnknownCommand,
    UnknownOption,
    UnknownTool,
    Unreadable,
    NotPlain,
    SecretsFile,
    SecretsFileChange,
    StartupCode,
    ProjectPolicy,
    KernelRead,
    KernelWrite,
    GitInside,
    AgentSettings,
    State,
    Runtime,
    Credentials,
    Root,
    BadPath,
    SignalOwn,
    Signal,
    SignalUnnamed,
    Privilege,
    Device,
    Shutdown,
    OrchestratorLook,
    Orchestrator,
    OrchestratorControl,
    TooComplex,
}

impl Act {
    pub(crate) fn row(self) -> &'static PresetRow {
        &TABLE[self as usize]
    }
}

/// The rows stand in the order of the acts.
const _: () = {
    let mut at = 0;
    while at < TABLE.len() {
        assert!(TABLE[at].act as usize == at, "the rows stand in the order of the acts");
        at += 1;
    }
    assert!(Act::TooComplex as usize + 1 == TABLE.len(), "every act has a row");
};

const fn row(
    act: Act,
    id: &'static str,
    decisions: [Decision; 4],
    lift: Lift,
    risk: Risk,
    what: &'static str,
) -> PresetRow {
    PresetRow { id, what, risk, lift, decisions, act }
}

const A: Decision = Decision::Allow;
const Q: Decision = Decision::Ask;
const D: Decision = Decision::Deny;

#[rustfmt::skip]
const TABLE: &[PresetRow] = &[
    // read-only, strict, standard, permissive
    row(Act::Lists, "lists", [A, A, A, A], Lift::Rule, Risk::Low, "keeping its own task list, looking after what it started"),
    row(Act::Helper, "helper-agent", [A, A, A, A], Lift::Rule, Risk::Low, "starting a helper agent, whose calls are judged one by one"),
    row(Act::Person, "question", [Q, Q, Q, Q], Lift::Named, Risk::Low, "putting a question or a plan to a person"),
    row(Act::Inspect, "inspect", [A, A, A, A], Lift::Rule, Risk::Low, "commands that only look"),
    row(Act::ReadInside, "read-inside", [A, A, A, A], Lift::Rule, Risk::Low, "reading in the workspace or a temporary directory"),
    row(Act::ReadOutside, "read-outside", [Q, Q, A, A], Lift::Rule, Risk::Medium, "reading elsewhere by a tool of the agent"),
    row(Act::NamedOutside, "named-outside", [Q, Q, A, A], Lift::Rule, Risk::Medium, "a command that names a path elsewhere, or runs elsewhere"),
    row(Act::GlobPath, "glob", [Q, Q, Q, Q], Lift::Rule, Risk::Medium, "a path with a wildcard whose matches can't be known"),
    row(Act::ChangedBefore, "changed-before", [Q, Q, Q, Q], Lift::Never, Risk::Medium, "a path that an earlier part of the same command may have changed"),
    row(Act::WideSearch, "wide-search", [Q, Q, Q, Q], Lift::Named, Risk::High, "looking through a directory in which private or protected files lie"),
    row(Act::WriteInside, "write-inside", [D, Q, A, A], Lift::Rule, Risk::Low, "making or changing files in the workspace or a temporary directory"),
    row(Act::DeleteInside, "delete-inside", [D, Q, A, A], Lift::Rule, Risk::Medium, "deleting in the workspace or a temporary directory"),
    row(Act::WriteOutside, "write-outside", [D, D, D, Q], Lift::Named, Risk::High, "making or changing files elsewhere"),
    row(Act::DeleteOutside, "delete-outside", [D, D, D, Q], Lift::Named, Risk::High, "deleting elsewhere"),
    row(Act::Build, "build", [D, Q, A, A], Lift::Rule, Risk::Low, "building and testing in the workspace"),
    row(Act::BuildInTemp, "build-in-temp", [D, Q, Q, Q], Lift::Named, Risk::High, "building and running what lies outside the workspace, where others may have put it"),
    row(Act::RunInside, "run-inside", [D, Q, A, A], Lift::Rule, Risk::Medium, "running programs and scripts of the workspace"),
    row(Act::LocalGit, "local-git", [D, Q, A, A], Lift::Rule, Risk::Low, "git in the workspace that keeps history and stays local"),
    row(Act::ForeignRepository, "foreign-repository", [Q, Q, Q, Q], Lift::Named, Risk::High, "git in a repository that isn't the workspace's, whose configuration may run code"),
    row(Act::OwnRemote, "own-remote", [Q, Q, A, A], Lift::Rule, Risk::Medium, "fetching from the repository's own remotes"),
    row(Act::LocalNetwork, "localhost", [Q, Q, A, A], Lift::Rule, Risk::Low, "fetching from this machine"),
    row(Act::Network, "network", [Q, Q, Q, A], Lift::Rule, Risk::Medium, "reaching other machines"),
    row(Act::Install, "install", [D, Q, Q, Q], Lift::Rule, Risk::High, "installing packages"),
    row(Act::Publish, "publish", [D, Q, Q, Q], Lift::Rule, Risk::High, "pushing, publishing, and changing things on other machines"),
    row(Act::History, "history", [D, Q, Q, Q], Lift::Rule, Risk::High, "rewriting git history, changing git's configuration, throwing work away"),
    row(Act::Container, "container", [D, Q, Q, Q], Lift::Rule, Risk::High, "containers, virtual machines and clusters"),
    row(Act::Interpreter, "interpreter", [Q, Q, Q, Q], Lift::Named, Risk::Medium, "interpreters that are given code in place, which can do anything"),
    row(Act::Environment, "environment", [Q, Q, Q, Q], Lift::Never, Risk::High, "setting variables that make programs run other code or reach other places"),
    row(Act::Wrapper, "wrapper", [Q, Q, Q, Q], Lift::Named, Risk::Medium, "commands that run other commands"),
    row(Act::UnknownCommand, "unknown-command", [Q, Q, Q, A], Lift::Default, Risk::Medium, "commands that aren't known"),
    row(Act::UnknownOption, "unknown-option", [Q, Q, Q, Q], Lift::Rule, Risk::Medium, "options of known commands that aren't known to be harmless"),
    row(Act::UnknownTool, "unknown-tool", [Q, Q, Q, Q], Lift::Default, Risk::Medium, "tools that aren't known, MCP tools among them"),
    row(Act::Unreadable, "unreadable", [Q, Q, Q, Q], Lift::Never, Risk::Medium, "calls whose arguments aren't as expected"),
    row(Act::NotPlain, "not-plain", [Q, Q, Q, Q], Lift::Never, Risk::Medium, "commands whose words aren't literal, or that can't be parsed"),
    row(Act::SecretsFile, "env-file", [Q, Q, Q, Q], Lift::Named, Risk::High, "reading `.env` and its kin"),
    row(Act::SecretsFileChange, "env-file-change", [D, Q, Q, Q], Lift::Named, Risk::High, "changing `.env` and its kin"),
    row(Act::StartupCode, "startup-code", [D, Q, Q, Q], Lift::Named, Risk::High, "changing configuration that later runs code"),
    row(Act::ProjectPolicy, "project-policy", [D, Q, Q, Q], Lift::Named, Risk::High, "changing the policy and configuration in a workspace"),
    row(Act::KernelRead, "kernel-read", [Q, Q, Q, Q], Lift::Named, Risk::Medium, "reading `/proc`, `/sys` and `/dev`"),
    row(Act::KernelWrite, "kernel-write", [D, D, D, D], Lift::Never, Risk::Critical, "writing to `/proc`, `/sys` and `/dev`"),
    row(Act::GitInside, "git-directory", [D, D, D, D], Lift::Never, Risk::High, "changing the inside of a git directory"),
    row(Act::AgentSettings, "agent-settings", [D, D, D, D], Lift::Never, Risk::Critical, "changing settings that could switch hooks off"),
    row(Act::State, "own-state", [D, D, D, D], Lift::Never, Risk::Critical, "touching the orchestrator's own state"),
    row(Act::Runtime, "runtime-directory", [D, D, D, D], Lift::Never, Risk::Critical, "touching sockets and private files of other programs in a temporary directory"),
    row(Act::Credentials, "credentials", [D, D, D, D], Lift::Never, Risk::Critical, "touching keys and credentials"),
    row(Act::Root, "root-directory", [D, D, D, D], Lift::Never, Risk::Critical, "removing or changing a directory that everything else lies in"),
    row(Act::BadPath, "bad-path", [D, D, D, D], Lift::Never, Risk::High, "paths that can't be judged"),
    row(Act::SignalOwn, "signal-own", [D, Q, A, A], Lift::Rule, Risk::Low, "signals to what the same command started"),
    row(Act::Signal, "signal", [D, Q, Q, Q], Lift::Named, Risk::High, "signals to a process that is named by number"),
    row(Act::SignalUnnamed, "signal-others", [D, D, D, D], Lift::Never, Risk::Critical, "signals to processes found by name, by port, or belonging to the orchestrator"),
    row(Act::Privilege, "privilege", [D, D, D, D], Lift::Never, Risk::Critical, "gaining privileges, changing the system's accounts, mounts or modules"),
    row(Act::Device, "device", [D, D, D, D], Lift::Never, Risk::Critical, "formatting, partitioning or overwriting devices"),
    row(Act::Shutdown, "shutdown", [D, D, D, D], Lift::Never, Risk::Critical, "stopping the machine"),
    row(Act::OrchestratorLook, "orchestrator-look", [A, A, A, A], Lift::Rule, Risk::Low, "the orchestrator's version and its help"),
    row(Act::Orchestrator, "orchestrator", [Q, Q, Q, Q], Lift::Named, Risk::High, "other commands of the orchestrator"),
    row(Act::OrchestratorControl, "orchestrator-control", [D, D, D, D], Lift::Never, Risk::Critical, "approving, rejecting, cancelling or configuring: that is for people"),
    row(Act::TooComplex, "too-complex", [D, D, D, D], Lift::Never, Risk::High, "commands too long or too deeply nested to judge"),
];

/// The presets as a Markdown table, as it stands in the crate's `PRESETS.md`.
#[must_use]
pub fn presets_markdown() -> String {
    let mut text = String::from(
        "| Row | What | read-only | strict | standard | permissive | Risk | An allow rule lifts an `ask` |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in TABLE {
        let lift = match (row.decisions.contains(&Q), row.lift) {
            (false, _) => "–",
            (true, Lift::Default) => "yes (this is `default`)",
            (true, Lift::Rule) => "yes",
            (true, Lift::Named) => "if it names it",
            (true, Lift::Never) => "no",
        };
        let [read_only, strict, standard, permissive] = row.decisions;
        text.push_str(&format!(
            "| `{}` | {} | {read_only} | {strict} | {standard} | {permissive} | {} | {lift} |\n",
            row.id, row.what, row.risk
        ));
    }
    text
}
