//! What the tools of coding agents do, as data.

/// What a tool does with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs a shell command.
    Shell,
    /// Reads the files its arguments name.
    Read,
    /// Looks through a directory, the current one when none is named.
    Search,
    /// Makes or changes the files its arguments name.
    Write,
    /// Fetches a URL.
    Fetch,
    /// Asks a search engine.
    WebSearch,
    /// Starts a helper agent, whose own calls are judged one by one.
    Subagent,
    /// Keeps the agent's own lists, or looks after what the agent started itself.
    Bookkeeping,
    /// Puts a question to a person.
    Person,
    /// Anything else, and what isn't known.
    Unknown,
}

/// A tool by its one name, however the agent spelled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    /// The name in the table below, or the agent's own name for a tool that isn't there.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Arguments that name a file or directory, in any of the agents' tools.
pub(crate) const PATH_ARGUMENTS: &[&str] = &[
    "file_path",
    "filePath",
    "notebook_path",
    "notebookPath",
    "path",
    "absolute_path",
    "absolutePath",
    "dir_path",
    "dirPath",
    "directory",
];

/// Arguments of a shell tool that name the directory it runs in.
pub(crate) const DIRECTORY_ARGUMENTS: &[&str] = &[
    "workdir",
    "cwd",
    "directory",
    "dir_path",
    "dirPath",
    "dir",
    "working_directory",
    "workingDirectory",
    "working_dir",
    "workingDir",
];

/// Arguments of file tools that sound like a path and are none.
pub(crate) const HARMLESS_ARGUMENTS: &[&str] = &[
    "new_source",
    "file_text",
    "fileText",
    "file_type",
    "fileType",
    "output_mode",
    "file_filtering_options",
    "fileFilteringOptions",
    "respect_git_ignore",
    "exclude_directories",
];

/// Arguments of a helper agent that only say what it should do.
pub(crate) const HELPER_ARGUMENTS: &[&str] = &[
    "prompt",
    "description",
    "subagent_type",
    "agent_type",
    "name",
    "model",
    "effort",
    "resume",
    "team_name",
    "max_turns",
    "run_in_background",
];

/// Whether an argument of this name may well hold a path.
pub(crate) fn looks_like_path(key: &str) -> bool {
    const PARTS: &[&str] = &[
        "path", "file", "dir", "folder", "target", "dest", "source", "uri", "url", "cwd", "root", "notebook",
    ];
    let lower = key.to_ascii_lowercase();
    PARTS.iter().any(|part| lower.contains(part))
        || ["to", "from", "src", "location"].contains(&lower.as_str())
}

/// Arguments that hold a command line.
pub(crate) const COMMAND_ARGUMENTS: &[&str] = &["command", "cmd"];

/// One name, what it does, and the other names it goes by. Names are compared without case, `_` and `-`.
const TOOLS: &[(&str, Kind, &[&str])] = &[
    ("Bash", Kind::Shell, &["exec_command", "run_shell_command", "shell", "local_shell"]),
    ("Read", Kind::Read, &["read_file"]),
    ("NotebookRead", Kind::Read, &[]),
    ("Glob", Kind::Search, &["find_files"]),
    ("Grep", Kind::Search, &["search_file_content", "grep_search"]),
    ("LS", Kind::Search, &["list", "list_directory"]),
    ("Edit", Kind::Write, &["replace"]),
    ("Write", Kind::Write, &["write_file"]),
    ("MultiEdit", Kind::Write, &[]),
    ("NotebookEdit", Kind::Write, &[]),
    ("WebFetch", Kind::Fetch, &[]),
    ("WebSearch", Kind::WebSearch, &["google_web_search"]),
    ("Agent", Kind::Subagent, &["Task"]),
    ("BashOutput", Kind::Bookkeeping, &[]),
    ("KillShell", Kind::Bookkeeping, &["KillBash"]),
    ("TaskOutput", Kind::Bookkeeping, &["AgentOutputTool"]),
    ("TaskStop", Kind::Bookkeeping, &[]),
    ("TaskCreate", Kind::Bookkeeping, &[]),
    ("TaskUpdate", Kind::Bookkeeping, &[]),
    ("TaskGet", Kind::Bookkeeping, &[]),
    ("TaskList", Kind::Bookkeeping, &[]),
    ("TodoWrite", Kind::Bookkeeping, &["update_plan", "write_todos"]),
    ("TodoRead", Kind::Bookkeeping, &[]),
    ("CronList", Kind::Bookkeeping, &[]),
    ("SendMessage", Kind::Bookkeeping, &[]),
    ("ReportFindings", Kind::Bookkeeping, &[]),
    ("ToolSearch", Kind::Bookkeeping, &[]),
    ("EnterPlanMode", Kind::Bookkeeping, &[]),
    ("ExitPlanMode", Kind::Person, &["exit_plan_mode"]),
    ("AskUserQuestion", Kind::Person, &["ask_user", "request_user_input"]),
    // Not an agent's own tool: what an orchestrator calls a question on the agent's screen that no tool call caused, such
    // as whether a folder is trusted.
    ("Dialog", Kind::Person, &[]),
    // Known by name so that a rule can name them, and so that a misspelling is noticed. What they do depends on
    // more than their arguments, so that they are asked like an unknown tool.
    ("CronCreate", Kind::Unknown, &[]),
    ("CronDelete", Kind::Unknown, &[]),
    ("EnterWorktree", Kind::Unknown, &[]),
    ("ExitWorktree", Kind::Unknown, &[]),
    ("ScheduleWakeup", Kind::Unknown, &[]),
    ("Skill", Kind::Unknown, &[]),
    ("SlashCommand", Kind::Unknown, &[]),
    ("Workflow", Kind::Unknown, &[]),
    ("ListMcpResources", Kind::Unknown, &["ListMcpResourcesTool"]),
    ("ReadMcpResource", Kind::Unknown, &["ReadMcpResourceTool"]),
    ("ApplyPatch", Kind::Unknown, &[]),
    ("ReadManyFiles", Kind::Unknown, &[]),
    ("SaveMemory", Kind::Unknown, &[]),
    ("ActivateSkill", Kind::Unknown, &[]),
    ("InvokeAgent", Kind::Unknown, &[]),
    ("GetInternalDocs", Kind::Unknown, &[]),
    ("UpdateTopic", Kind::Unknown, &[]),
    ("CompleteTask", Kind::Unknown, &[]),
    ("ViewImage", Kind::Unknown, &[]),
    ("SpawnAgent", Kind::Unknown, &[]),
];

impl Tool {
    /// Looks the name up. MCP tools are never looked up: a server may call its tools what it likes.
    pub(crate) fn named(name: &str) -> Self {
        let known = if is_mcp(name) { None } else { find(name) };
        known.map_or_else(
            || Self { name: name.to_owned(), kind: Kind::Unknown },
            |(name, kind)| Self { name: (*name).to_owned(), kind },
        )
    }

    /// Whether the table holds the tool.
    pub(crate) fn is_known(&self) -> bool {
        !is_mcp(&self.name) && find(&self.name).is_some()
    }
}

/// Whether the name is that of a tool that is known, or of one of a server's (`mcp__…`), of which nobody can know what
/// they do. Any other belongs to an agent of a newer version, or to no agent at all.
#[must_use]
pub fn knows_tool(name: &str) -> bool {
    is_mcp(name) || find(name).is_some()
}

/// Whether the tool belongs to an MCP server.
pub(crate) fn is_mcp(name: &str) -> bool {
    name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("mcp__"))
}

/// The names of the table, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().flat_map(|(name, _, others)| std::iter::once(*name).chain(others.iter().copied()))
}

fn find(name: &str) -> Option<(&'static &'static str, Kind)> {
    TOOLS
        .iter()
        .find(|(known, _, others)| same(known, name) || others.iter().any(|other| same(other, name)))
        .map(|(known, kind, _)| (known, *kind))
}

fn same(one: &str, other: &str) -> bool {
    plain(one).eq(plain(other))
}

fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase())
}
