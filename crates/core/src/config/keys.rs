//! The keys that exist.

use std::time::Duration;

use jiff::SignedDuration;
use toml::Value;

/// One configuration key.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The default as it would be written in TOML; `None` if it has none.
    pub default: Option<&'static str>,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within bounds, both included.
    Integer(i64, i64),
    /// `true` or `false`.
    Bool,
    /// A length of time such as `30s`, `5m` or `2h`, at most so many days.
    Duration(u64),
    /// What names of branches begin with: one git could take as such a name itself.
    Branch,
    /// A name with `{issue_id}` in it, and perhaps `{repo}`.
    Pattern,
    /// A path; `~` and `${VAR}` are expanded, and a relative one starts at the project root.
    Path,
}

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

/// Every key, by name.
pub const KEYS: &[Key] = &[
    key(
        "agent.communication_timeout",
        Kind::Duration(366),
        Some("\"30s\""),
        "How long to wait for an agent to become ready or to react.",
    ),
    key(
        "agent.default",
        Kind::Text,
        None,
        "The agent kind of tasks that name none, when no slot is configured.",
    ),
    key(
        "agent.shared_directory",
        Kind::Path,
        Some("\".missiond/shared\""),
        "A directory that all agents of the project may read and write, told to them as MISSIOND_SHARED_DIRECTORY.",
    ),
    key(
        "agent.turn_timeout",
        Kind::Duration(366),
        Some("\"30m\""),
        "How long one turn may take; the time in which a person is asked does not count.",
    ),
    key(
        "core.auto_cleanup_days",
        Kind::Integer(0, 3650),
        Some("30"),
        "How many days the record of a finished task is kept by cleanup. Reserved: nothing reads it yet.",
    ),
    key(
        "core.default_branch_prefix",
        Kind::Branch,
        Some("\"feature\""),
        "What the branches of agents begin with, before a slash.",
    ),
    key(
        "core.max_concurrent_agents",
        Kind::Integer(1, 500),
        Some("10"),
        "How many agents may be at work at once.",
    ),
    key(
        "github.api_token_env",
        Kind::Text,
        Some("\"GITHUB_TOKEN\""),
        "The environment variable that holds the token for GitHub. Reserved: nothing reads it yet.",
    ),
    key(
        "github.default_owner",
        Kind::Text,
        None,
        "The owner of repositories that are named without one. Reserved: nothing reads it yet.",
    ),
    key(
        "github.default_repo",
        Kind::Text,
        None,
        "The repository of issues that are named by number. Reserved: nothing reads it yet.",
    ),
    key(
        "security.approval_timeout",
        // What agents can be told to wait for a hook is limited; Claude Code's timer overflows after 24 days.
        Kind::Duration(14),
        Some("\"1h\""),
        "How long a question waits for a person before it counts as a no.",
    ),
    key(
        "security.audit_keep_days",
        Kind::Integer(1, 3650),
        Some("365"),
        "How many days an old file of the audit log is kept after its last record.",
    ),
    key(
        "security.audit_log_path",
        Kind::Path,
        Some("\".missiond/audit.jsonl\""),
        "The file of the audit log; its old files lie beside it, in a directory with `.d` behind the name. A project's file may only put it below `.missiond`.",
    ),
    key(
        "security.audit_sync",
        Kind::Word(&["risky", "each"]),
        Some("\"risky\""),
        "Which verdicts are synced to the disk before they are told: the risky ones, or each.",
    ),
    key(
        "security.default_policy",
        Kind::Word(&["read-only", "strict", "standard", "permissive"]),
        Some("\"standard\""),
        "The preset beneath the rules of the policy files. A project's file may only make it stricter than yours.",
    ),
    key(
        "security.enable_hooks",
        Kind::Bool,
        Some("true"),
        "Whether agents run under our hooks; without them no agent is started.",
    ),
    key(
        "worktree.auto_fetch",
        Kind::Bool,
        Some("true"),
        "Whether a workspace begins from a freshly fetched base. Reserved: nothing reads it yet.",
    ),
    key("worktree.base_path", Kind::Path, Some("\"../\""), "The directory in which workspaces are made."),
    key(
        "worktree.naming_pattern",
        Kind::Pattern,
        Some("\"{repo}-{issue_id}\""),
        "What a workspace is called; without an issue, `{issue_id}` is the short id of the task.",
    ),
];

/// Finds a key by its name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known name that an unknown one must have been meant to be: one that is a few letters away, or the same key of
/// another section. A guess that is likely to be wrong is worse than none.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let leaf = |name: &'a str| name.rsplit_once('.').map(|(_, leaf)| leaf);
    let distance = |candidate: &'a str| {
        let elsewhere =
            leaf(candidate).is_some_and(|leaf| lower.rsplit_once('.').is_some_and(|(_, own)| own == leaf));
        let letters = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        if elsewhere { letters.min(1) } else { letters }
    };
    known
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).clamp(1, 4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a value fits its key; if not, what was expected.
pub(super) fn check(key: &Key, value: &Value) -> Result<(), String> {
    let text = value.as_str();
    match key.kind {
        Kind::Text | Kind::Path if text.is_some_and(|text| text.len() > 4096 || text.contains('\0')) => {
            Err("a text of at most 4096 bytes without NUL".to_owned())
        }
        Kind::Text | Kind::Path if text.is_some() => Ok(()),
        Kind::Text => Err("a text".to_owned()),
        Kind::Path => Err("a path, as a text".to_owned()),
        Kind::Branch if text.is_some_and(is_branch) => Ok(()),
        Kind::Branch => Err("the beginning of a branch's name, as git takes it".to_owned()),
        Kind::Pattern if text.is_some_and(is_pattern) => Ok(()),
        Kind::Pattern => Err(
            "a name with `{issue_id}` in it, and perhaps `{repo}`, that can be a directory and part of a branch"
                .to_owned(),
        ),
        Kind::Word(words) if text.is_some_and(|text| words.contains(&text)) => Ok(()),
        Kind::Word(words) => Err(format!("one of {}", words.join(", "))),
        Kind::Integer(least, most) if value.as_integer().is_some_and(|n| (least..=most).contains(&n)) => {
            Ok(())
        }
        Kind::Integer(least, most) => Err(format!("a whole number from {least} to {most}")),
        Kind::Bool if value.as_bool().is_some() => Ok(()),
        Kind::Bool => Err("true or false".to_owned()),
        Kind::Duration(days) => {
            let longest = Duration::from_secs(days * 24 * 3600);
            match text.and_then(parse_duration).filter(|duration| *duration <= longest) {
                Some(_) => Ok(()),
                None => Err(format!(
                    "a length of time such as \"30s\", \"5m\" or \"2h\", above zero and at most {days} days"
                )),
            }
        }
    }
}

/// Whether git takes the text as a branch's name: git-check-ref-format(1). Leaves room for what is to follow.
fn is_branch(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    text.len() <= 100
        && text.split('/').all(part)
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(odd)
}

/// Whether the text names workspaces apart, and each by what can be a directory.
fn is_pattern(text: &str) -> bool {
    let filled = text.replace("{repo}", "r").replace("{issue_id}", "1");
    text.contains("{issue_id}") && !filled.contains(['/', '{', '}']) && is_branch(&filled)
}

/// Reads a length of time above zero.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let signed: SignedDuration = text.parse().ok()?;
    let duration = Duration::try_from(signed).ok()?;
    (!duration.is_zero()).then_some(duration)
}

/// Reads a value as it comes from the environment or the command line: the bare text where the key takes text.
pub(super) fn parse_text(key: &Key, text: &str) -> Result<Value, String> {
    let value = match key.kind {
        Kind::Integer(..) => text.parse().map(Value::Integer).ok(),
        Kind::Bool => text.parse().map(Value::Boolean).ok(),
        _ => Some(Value::String(text.to_owned())),
    };
    let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    check(key, &value).map(|()| value)
}
