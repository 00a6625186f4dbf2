//! The configuration as typed values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::keys;
use crate::config::layers::{Config, ConfigError, Entry, Origin};
use crate::ids::AgentKind;
use crate::model::SlotConfig;

/// The configuration of one project as a [`Mission`](crate::Mission) uses it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long to wait for an agent to become ready or to react.
    pub communication_timeout: Duration,
    /// The agent kind of tasks that name none, when no slot is configured.
    pub default_agent: Option<AgentKind>,
    /// A directory that all agents of the project may read and write, absolute.
    pub shared_directory: PathBuf,
    /// How long one turn may take.
    pub turn_timeout: Duration,
    /// What the branches of agents begin with, before a slash.
    pub branch_prefix: String,
    /// How many agents may be at work at once.
    pub max_concurrent_agents: usize,
    /// How long a question waits for a person before it counts as a no.
    pub approval_timeout: Duration,
    /// The file of the audit log, absolute.
    pub audit_log_path: PathBuf,
    /// How many days an old file of the audit log is kept.
    pub audit_keep_days: u32,
    /// Which verdicts are synced to the disk before they are told: `risky` or `each`.
    pub audit_sync: String,
    /// The policy preset beneath the project's rules.
    pub default_policy: String,
    /// Whether agents run under our hooks.
    pub enable_hooks: bool,
    /// The directory in which workspaces are made, absolute.
    pub workspace_base: PathBuf,
    /// What a workspace is called, with `{repo}` and `{issue_id}`.
    pub naming_pattern: String,
    /// The configured slots.
    pub slots: Vec<SlotConfig>,
}

impl Settings {
    /// Reads them out of a configuration; relative paths start at `root`, and `variable` looks the environment up.
    ///
    /// # Errors
    ///
    /// When a path names an environment variable that is not set, or a value is not what its key takes.
    pub fn from_config(
        config: &Config,
        root: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let text = |name: &str| config.get(name).and_then(|entry| entry.value.as_str());
        let duration =
            |name: &str| text(name).and_then(keys::parse_duration).unwrap_or(Duration::from_secs(30));
        let base = expand("worktree.base_path", text("worktree.base_path").unwrap_or("../"), variable)?;
        let shared = text("agent.shared_directory").unwrap_or(".missiond/shared");
        let shared = expand("agent.shared_directory", shared, variable)?;
        let audit = text("security.audit_log_path").unwrap_or(".missiond/audit.jsonl");
        let audit = expand("security.audit_log_path", audit, variable)?;
        let audit = lexical(&root.join(audit));
        let entry = config.get("security.audit_log_path");
        if let Some(Entry { value, origin: origin @ Origin::Project(_) }) = entry
            && (!audit.starts_with(root.join(".missiond")) || leads_through_link(root, &audit))
        {
            // A repository could have us write wherever the person can; it may hold links too.
            return Err(ConfigError::BadValue {
                origin: origin.clone(),
                key: "security.audit_log_path".to_owned(),
                expected:
                    "a path below the project's `.missiond` and through no link; elsewhere only your own configuration may put it"
                        .to_owned(),
                found: format!("`{}`", crate::text::escape_line(&value.to_string())),
            });
        }
        let default_agent = match config.get("agent.default") {
            None => None,
            Some(entry) => Some(entry.value.as_str().unwrap_or_default().parse().map_err(
                |error: crate::ParseIdError| ConfigError::BadValue {
                    origin: entry.origin.clone(),
                    key: "agent.default".to_owned(),
                    expected: error.expected.to_owned(),
                    found: format!("`{}`", error.text),
                },
            )?),
        };
        Ok(Self {
            communication_timeout: duration("agent.communication_timeout"),
            default_agent,
            shared_directory: lexical(&root.join(shared)),
            turn_timeout: duration("agent.turn_timeout"),
            branch_prefix: text("core.default_branch_prefix").unwrap_or("feature").to_owned(),
            max_concurrent_agents: config
                .get("core.max_concurrent_agents")
                .and_then(|entry| entry.value.as_integer())
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(10),
            approval_timeout: duration("security.approval_timeout"),
            audit_log_path: audit,
            audit_keep_days: config
                .get("security.audit_keep_days")
                .and_then(|entry| entry.value.as_integer())
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(365),
            audit_sync: text("security.audit_sync").unwrap_or("risky").to_owned(),
            default_policy: text("security.default_policy").unwrap_or("standard").to_owned(),
            enable_hooks: config
                .get("security.enable_hooks")
                .and_then(|entry| entry.value.as_bool())
                .unwrap_or(true),
            workspace_base: lexical(&root.join(base)),
            naming_pattern: text("worktree.naming_pattern").unwrap_or("{repo}-{issue_id}").to_owned(),
            slots: config.slots().to_vec(),
        })
    }
}

/// Expands a leading `~` and every `${VAR}`.
fn expand(key: &str, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, ConfigError> {
    let look_up = |name: &str| {
        variable(name)
            .ok_or_else(|| ConfigError::UnsetVariable { key: key.to_owned(), variable: name.to_owned() })
    };
    let mut expanded = String::new();
    let mut rest = text;
    if rest == "~" || rest.starts_with("~/") {
        expanded.push_str(&look_up("HOME")?);
        rest = &rest[1..];
    }
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        expanded.push_str(&rest[..start]);
        expanded.push_str(&look_up(&rest[start + 2..start + length])?);
        rest = &rest[start + length + 1..];
    }
    expanded.push_str(rest);
    Ok(PathBuf::from(expanded))
}

/// Takes `.` and `..` out of an absolute path without looking at the file system: the directory may not exist yet.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Whether anything between the root and what the path names is a link.
fn leads_through_link(root: &Path, path: &Path) -> bool {
    let mut between = path.ancestors().skip(1).take_while(|above| above.starts_with(root) && *above != root);
    between.any(|above| above.symlink_metadata().is_ok_and(|found| found.is_symlink()))
}
