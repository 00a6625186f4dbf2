//! The data file of an agent kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::files::read_text;
use crate::ids::AgentKind;
use crate::model::DriverKind;

/// The data files that come with the crate, by agent kind.
const EMBEDDED: [(&str, &str); 2] =
    [("claude", include_str!("claude.toml")), ("scripted", include_str!("scripted.toml"))];

/// The most agent files that a project may have, and the most bytes one of them may hold.
const MAX_FILES: usize = 256;
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What is known of one kind of agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AgentProfile {
    /// The version of this format; 1.
    pub version: u32,
    /// The kind, which is also the file's name.
    pub id: AgentKind,
    /// The name that people know.
    pub name: String,
    /// How to install it, as a sentence for an error.
    pub install: String,
    /// Arguments that would switch its asking off or load settings of somebody else's: a slot that has one is refused.
    #[serde(default)]
    pub forbidden_args: Vec<String>,
    /// The hook protocol that it speaks; `None` for an agent without hooks, which then cannot be gated.
    #[serde(default)]
    pub hooks: Option<HookProtocol>,
    /// How to run it headless.
    #[serde(default)]
    pub headless: Option<HeadlessProfile>,
    /// How to run it in a terminal.
    #[serde(default)]
    pub pty: Option<PtyProfile>,
}

/// The way in which an agent asks before a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HookProtocol {
    /// Claude Code's: a command that gets JSON on standard input, from a settings file.
    Claude,
}

impl HookProtocol {
    /// Arguments that switch the agent's own asking or its hooks off. They hold whatever a data file says.
    fn switches(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &[
                "--dangerously-skip-permissions",
                "--allow-dangerously-skip-permissions",
                "--permission-mode",
                "--permission-prompt-tool",
                "--allowedTools",
                "--allowed-tools",
                "--bare",
                "--safe-mode",
                "--managed-settings",
            ],
        }
    }

    /// Environment variables that do the same; they are emptied.
    pub(crate) fn switch_variables(self) -> &'static [&'static str] {
        match self {
            // Those of `--safe-mode` and `--bare`.
            Self::Claude => &["CLAUDE_CODE_SAFE_MODE", "CLAUDE_CODE_SIMPLE"],
        }
    }

    /// Arguments by which settings come from elsewhere than our file.
    fn sources(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["--settings", "--setting-sources", "--plugin-dir", "--agents"],
        }
    }

    /// The first of the arguments that is one of the flags.
    fn flag<'a>(self, args: &'a [String], flags: &[&str]) -> Option<&'a str> {
        args.iter().map(String::as_str).find(|arg| flags.contains(&flag_of(arg)))
    }
}

fn flag_of(arg: &str) -> &str {
    arg.split_once('=').map_or(arg, |(flag, _)| flag)
}

/// How an agent is run as one process a turn that prints JSON lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HeadlessProfile {
    /// The program, looked up on PATH; `{self}` is the running program, which then re-executes itself.
    pub program: String,
    /// Its arguments. `{settings}` is the file that installs our hooks.
    pub args: Vec<String>,
    /// Arguments that go on with a conversation, `{conversation}`.
    #[serde(default)]
    pub resume: Vec<String>,
    /// How it gets the prompt.
    #[serde(default)]
    pub prompt: PromptWay,
    /// Environment variables that it gets from ours besides the basic ones; a final `*` stands for any ending.
    #[serde(default)]
    pub inherit_env: Vec<String>,
    /// Environment variables that are set for it.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How a line of its output becomes events; every rule that fits applies, in this order.
    #[serde(rename = "event")]
    pub events: Vec<EventRule>,
}

/// How a headless agent gets its prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PromptWay {
    /// On standard input, which is then closed: nothing of it shows in the list of processes.
    #[default]
    Stdin,
}

/// One rule by which a JSON line becomes an event.
///
/// Pointers are those of RFC 6901. They are looked up in the item if the rule has `each`, else in the line; with a
/// leading `^` always in the line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EventRule {
    /// What must hold: pointer = value.
    #[serde(default)]
    pub when: BTreeMap<String, serde_json::Value>,
    /// Pointers at which there must be nothing, or null.
    #[serde(default)]
    pub absent: Vec<String>,
    /// An array, each of whose elements is an item.
    #[serde(default)]
    pub each: Option<String>,
    /// What must hold of the item: pointer = value.
    #[serde(default)]
    pub item: BTreeMap<String, serde_json::Value>,
    /// Which event it becomes.
    pub emit: Emit,
    /// The event's fields: name = pointer.
    #[serde(default)]
    pub fields: BTreeMap<ClosedField, String>,
    /// For `tool_result`: an error whose content begins so is the agent's own word that the call never ran.
    #[serde(default)]
    pub never_ran_prefix: Option<String>,
    /// For `status`: which one.
    #[serde(default)]
    pub status: Option<crate::model::AgentStatus>,
}

/// The events that a rule can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Emit {
    /// The conversation's name (`conversation`).
    Conversation,
    /// A piece of the answer (`text`).
    Text,
    /// A tool call (`id`, `tool`, `input`).
    ToolCall,
    /// A tool's end (`id`, `is_error`, `content`).
    ToolResult,
    /// What the agent does (`status` beside the fields).
    Status,
    /// Something that a person should know (`text`).
    Warning,
    /// The end of the turn (`text`, `is_error`, `subtype`, `cost_usd`, `input_tokens`, …).
    Result,
}

impl Emit {
    /// As it is written in a data file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Text => "text",
            Self::ToolCall => "tool_call",
            Self::ToolResult => "tool_result",
            Self::Status => "status",
            Self::Warning => "warning",
            Self::Result => "result",
        }
    }
}

/// The names of the fields that a rule can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClosedField {
    /// The conversation's name.
    Conversation,
    /// Text.
    Text,
    /// The id of a tool call.
    Id,
    /// The name of a tool.
    Tool,
    /// The arguments of a tool.
    Input,
    /// What a tool gave back.
    Content,
    /// Whether it is an error.
    IsError,
    /// The sort of a result; anything but `success` is an error.
    Subtype,
    /// What went wrong, a list of texts.
    Errors,
    /// United States dollars.
    CostUsd,
    /// Tokens sent.
    InputTokens,
    /// Tokens sent and stored for later.
    CacheWriteTokens,
    /// Tokens sent that had been stored.
    CacheReadTokens,
    /// Tokens written.
    OutputTokens,
}

/// How an agent is run in a terminal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PtyProfile {
    /// The program, looked up on PATH; `{self}` is the running program.
    pub program: String,
    /// Its arguments. `{settings}` is the file that installs our hooks, `{conversation}` a new conversation's name.
    pub args: Vec<String>,
    /// Arguments that go on with a conversation, `{conversation}`.
    #[serde(default)]
    pub resume: Vec<String>,
    /// Environment variables that it gets from ours besides the basic ones; a final `*` stands for any ending.
    #[serde(default)]
    pub inherit_env: Vec<String>,
    /// Environment variables that are set for it.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The rules by which its screen is read: the name of a set that the pty crate brings.
    pub screen: String,
    /// Where it writes down what it does; tool calls are matched with their verdicts there.
    pub transcript: TranscriptProfile,
}

/// Where an agent writes down what it does, as JSON lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TranscriptProfile {
    /// The environment variable that names the directory, if it is set.
    #[serde(default)]
    pub directory_env: Option<String>,
    /// The directory otherwise; a leading `~` is the home directory.
    pub directory: String,
    /// The files below it; `{conversation}` stands for the conversation, and a component `*` for any one name.
    pub files: Vec<String>,
    /// How a line becomes events; every rule that fits applies, in this order.
    #[serde(rename = "event")]
    pub events: Vec<EventRule>,
}

impl AgentProfile {
    /// Reads one data file; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// When it is no TOML, has an unknown key or a version that this program does not know, or would let tool calls of an
    /// agent with hooks run unasked or unseen.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|source| ProfileError::Malformed {
            origin: origin.to_owned(),
            source: Box::new(source),
        })?;
        if profile.version != 1 {
            return Err(ProfileError::Version { origin: origin.to_owned(), found: profile.version });
        }
        match profile.unsafe_part() {
            Some(problem) => Err(ProfileError::Unsafe { origin: origin.to_owned(), problem }),
            None => Ok(profile),
        }
    }

    /// What the file lacks, or has, so that tool calls would run unasked or unseen.
    fn unsafe_part(&self) -> Option<String> {
        let hooks = self.hooks?;
        let without_hooks = |arguments: &str, args: &[String]| {
            let lacks = !args.iter().any(|arg| arg == "{settings}");
            lacks.then(|| format!("{arguments} lack `{{settings}}`, without which no hook is installed"))
        };
        let off = |arguments: &str, args: &[String]| {
            let arg = hooks.flag(args, hooks.switches())?;
            Some(format!("{arguments} hold `{arg}`, which switches the agent's asking or its hooks off"))
        };
        let unseen = |section: &str, events: &[EventRule], needed: &[Emit]| {
            let missing = needed.iter().find(|emit| !events.iter().any(|rule| rule.emit == **emit))?;
            let name = missing.as_str();
            Some(format!("{section} has no event with `emit = \"{name}\"`, so tool calls could run unseen"))
        };
        let headless = self.headless.as_ref().and_then(|section| {
            without_hooks("headless.args", &section.args)
                .or_else(|| off("headless.args", &section.args))
                .or_else(|| off("headless.resume", &section.resume))
                .or_else(|| {
                    unseen("headless", &section.events, &[Emit::ToolCall, Emit::ToolResult, Emit::Result])
                })
        });
        let pty = self.pty.as_ref().and_then(|section| {
            without_hooks("pty.args", &section.args)
                .or_else(|| without_hooks("pty.resume", &section.resume))
                .or_else(|| off("pty.args", &section.args))
                .or_else(|| off("pty.resume", &section.resume))
                .or_else(|| {
                    let events = &section.transcript.events;
                    unseen("pty.transcript", events, &[Emit::ToolCall, Emit::ToolResult])
                })
        });
        headless.or(pty)
    }

    /// The first of these arguments that the agent must not get, also written as `--flag=value`.
    pub fn forbidden<'a>(&self, args: &'a [String]) -> Option<&'a str> {
        let is_forbidden = |arg: &str| self.forbidden_args.iter().any(|forbidden| forbidden == flag_of(arg));
        let by_file = args.iter().map(String::as_str).find(|arg| is_forbidden(arg));
        by_file.or_else(|| {
            let hooks = self.hooks?;
            hooks.flag(args, hooks.switches()).or_else(|| hooks.flag(args, hooks.sources()))
        })
    }

    /// The program that the driver starts.
    pub fn program(&self, driver: DriverKind) -> Option<&str> {
        match driver {
            DriverKind::Headless => self.headless.as_ref().map(|section| section.program.as_str()),
            DriverKind::Pty => self.pty.as_ref().map(|section| section.program.as_str()),
        }
    }
}

/// The agent kinds that a project knows.
#[derive(Clone, Debug)]
pub struct Profiles {
    by_kind: BTreeMap<AgentKind, Arc<AgentProfile>>,
}

impl Profiles {
    /// Those that come with the crate.
    ///
    /// # Errors
    ///
    /// Never, unless the crate itself is broken.
    pub fn embedded() -> Result<Self, ProfileError> {
        let mut by_kind = BTreeMap::new();
        for (kind, text) in EMBEDDED {
            let profile = AgentProfile::parse(text, &format!("{kind}.toml (embedded)"))?;
            by_kind.insert(profile.id.clone(), Arc::new(profile));
        }
        Ok(Self { by_kind })
    }

    /// Those that come with the crate, and over them the `*.toml` files of a directory, which need not exist.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, is malformed, is larger than 1 MiB, or does not bear the name of its agent kind; and
    /// when there are more than 256 files.
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        let mut profiles = Self::embedded()?;
        let unreadable =
            |path: &Path, source| ProfileError::Unreadable { path: path.display().to_string(), source };
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(profiles),
            Err(error) => return Err(unreadable(directory, error)),
        };
        let mut count = 0;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(directory, error))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            count += 1;
            let too_large = || ProfileError::TooLarge { path: path.display().to_string() };
            if count > MAX_FILES {
                return Err(too_large());
            }
            let text = read_text(&path, MAX_FILE_BYTES).map_err(|error| match error.kind() {
                std::io::ErrorKind::FileTooLarge => too_large(),
                _ => unreadable(&path, error),
            })?;
            let origin = path.display().to_string();
            let profile = AgentProfile::parse(&text, &origin)?;
            if path.file_stem().is_none_or(|stem| stem != profile.id.as_str()) {
                return Err(ProfileError::Misnamed { origin, id: profile.id });
            }
            profiles.by_kind.insert(profile.id.clone(), Arc::new(profile));
        }
        Ok(profiles)
    }

    /// One kind.
    pub fn get(&self, kind: &AgentKind) -> Option<&Arc<AgentProfile>> {
        self.by_kind.get(kind)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<AgentProfile>> {
        self.by_kind.values()
    }
}

/// A data file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It cannot be read.
    #[error("agent file `{path}` cannot be read")]
    Unreadable {
        /// Which file or directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what an agent file is.
    #[error("agent file `{origin}` is malformed")]
    Malformed {
        /// Which file.
        origin: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// It was made for another version of the format.
    #[error("agent file `{origin}` has version {found}; this missiond reads version 1")]
    Version {
        /// Which file.
        origin: String,
        /// Its version.
        found: u32,
    },
    /// Tool calls of the agent could run unasked or unseen.
    #[error("agent file `{origin}` cannot be used: {problem}")]
    Unsafe {
        /// Which file.
        origin: String,
        /// What it lacks, or has.
        problem: String,
    },
    /// Its name is not its agent kind.
    #[error("agent file `{origin}` has id `{id}`; rename it to `{id}.toml`")]
    Misnamed {
        /// Which file.
        origin: String,
        /// The kind it says it is.
        id: AgentKind,
    },
    /// It is too large, or there are too many.
    #[error("agent file `{path}` is over 1 MiB, or it is one of more than 256; remove what is not needed")]
    TooLarge {
        /// Which file.
        path: String,
    },
}
