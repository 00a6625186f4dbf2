//! Reading the layers and merging them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::keys::{self, KEYS};
use crate::files::read_text;
use crate::ids::SlotId;
use crate::model::SlotConfig;

/// The most bytes that a configuration file may have.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 20;
/// The key of the preset.
const PRESET: &str = "security.default_policy";
/// The most slots that may be configured.
const MAX_SLOTS: usize = 500;

/// What the environment variables of ours begin with.
const VARIABLES: &str = "MISSIOND_";
/// Those that set no key: the log's filter, and what agents are told.
const OTHER_VARIABLES: [&str; 3] = ["MISSIOND_LOG", "MISSIOND_SESSION", "MISSIOND_SHARED_DIRECTORY"];
/// What programs that test missiond may use for themselves.
const TEST_VARIABLES: &str = "MISSIOND_TEST_";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The key's default.
    Default,
    /// The person's file.
    User(PathBuf),
    /// The project's file.
    Project(PathBuf),
    /// An environment variable.
    Environment(String),
    /// An override by the caller, such as a flag.
    Override,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::User(path) => write!(f, "user file {}", path.display()),
            Self::Project(path) => write!(f, "project file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Override => f.write_str("command line"),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Its origin.
    pub origin: Origin,
}

/// Where to read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The person's file; need not exist.
    pub user_file: Option<PathBuf>,
    /// The project's file; need not exist.
    pub project_file: Option<PathBuf>,
    /// Environment variables. Each that begins with `MISSIOND_` must name a key, but for those that mean something else
    /// (`MISSIOND_LOG`, `MISSIOND_SESSION`, `MISSIOND_SHARED_DIRECTORY`, `MISSIOND_TEST_…`); the rest is ignored.
    pub environment: Vec<(String, String)>,
    /// Overrides by dotted name.
    pub overrides: Vec<(String, String)>,
    /// A policy that holds for this run; must exist.
    pub policy_of_run: Option<PathBuf>,
}

/// A slot's `policy` table, and the file that has it.
type PolicyOfSlot = (SlotId, Table, Origin);

/// The merged configuration.
#[derive(Clone, Debug)]
pub struct Config {
    entries: BTreeMap<&'static str, Entry>,
    slots: Vec<SlotConfig>,
    policies_of_slots: Vec<PolicyOfSlot>,
    policies: Vec<(Table, Origin)>,
    /// What the person's own preset is, where the project's file names one.
    preset_of_person: Option<String>,
    /// The person's policy file; need not exist.
    policy_of_person: Option<PathBuf>,
    policy_of_run: Option<PathBuf>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("configuration file {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no TOML.
    #[error("{origin} is malformed")]
    Malformed {
        /// Which file.
        origin: Origin,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A key does not exist.
    #[error("{origin} has the unknown key `{key}`{}; `missiond config show` lists the keys", .nearest.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// Which file.
        origin: Origin,
        /// The key.
        key: String,
        /// A known key that is like it.
        nearest: Option<&'static str>,
    },
    /// An environment variable sets no key.
    #[error(
        "the environment variable `{variable}` sets no key{}; unset it (`missiond config show` lists the keys)",
        .nearest.as_ref().map(|near| format!(", did you mean `{near}`?")).unwrap_or_default()
    )]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// A known one that is like it.
        nearest: Option<String>,
    },
    /// A value does not fit its key.
    #[error("{origin}: `{key}` must be {expected}, and is {found}")]
    BadValue {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What fits.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Two slots have the same id.
    #[error("{origin}: two slots are called `{id}`; give each its own id")]
    DuplicateSlot {
        /// Where.
        origin: Origin,
        /// The id.
        id: String,
    },
    /// A path or a secret names an environment variable that is not set.
    #[error("`{key}` names the environment variable `{variable}`, which is not set")]
    UnsetVariable {
        /// The key.
        key: String,
        /// The variable.
        variable: String,
    },
    /// A file could not be written.
    #[error("configuration file {} cannot be written", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Config {
    /// Reads and merges.
    ///
    /// # Errors
    ///
    /// When a file that is there cannot be read or is malformed, a key or a variable of ours is unknown, or a value does
    /// not fit.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut config = Self {
            entries: BTreeMap::new(),
            slots: Vec::new(),
            policies_of_slots: Vec::new(),
            policies: Vec::new(),
            preset_of_person: None,
            policy_of_person: sources.user_file.as_ref().map(|file| file.with_file_name("policy.toml")),
            policy_of_run: sources.policy_of_run.clone(),
        };
        for key in KEYS {
            if let Some(text) = key.default {
                config
                    .entries
                    .insert(key.name, Entry { value: default_value(text), origin: Origin::Default });
            }
        }
        if let Some(path) = &sources.user_file {
            config.merge_file(path, Origin::User(path.clone()))?;
        }
        if let Some(path) = &sources.project_file {
            config.merge_file(path, Origin::Project(path.clone()))?;
        }
        for (name, text) in &sources.environment {
            if let Some(key) = key_of_variable(name)? {
                config.merge_text(key.name, text, Origin::Environment(name.clone()))?;
            }
        }
        for (name, text) in &sources.overrides {
            config.merge_text(name, text, Origin::Override)?;
        }
        Ok(config)
    }

    /// The value of a key, with its origin; `None` if it has neither a value nor a default, or does not exist.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Every key that has a value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (*name, entry))
    }

    /// The slots of the strongest file that has any.
    pub fn slots(&self) -> &[SlotConfig] {
        &self.slots
    }

    /// The `[policy]` table of every file that has one, in the format of the policy file: none replaces another.
    pub fn policies(&self) -> impl Iterator<Item = (&Table, &Origin)> {
        self.policies.iter().map(|(table, origin)| (table, origin))
    }

    /// The `policy` table of every slot that has one, in the format of the policy file.
    pub fn policies_of_slots(&self) -> impl Iterator<Item = (&SlotId, &Table, &Origin)> {
        self.policies_of_slots.iter().map(|(slot, table, origin)| (slot, table, origin))
    }

    /// The policy file of this run; it must exist.
    pub fn policy_of_run(&self) -> Option<&Path> {
        self.policy_of_run.as_deref()
    }

    /// The person's policy file, beside their configuration; it need not exist.
    pub fn policy_of_person(&self) -> Option<&Path> {
        self.policy_of_person.as_deref()
    }

    /// The preset that holds besides the configured one, where that is what the project's file says: a repository may be
    /// stricter than the person, and never looser.
    pub fn preset_beneath(&self) -> Option<&str> {
        let of_project = matches!(self.get(PRESET)?.origin, Origin::Project(_));
        self.preset_of_person.as_deref().filter(|_| of_project)
    }

    fn merge_file(&mut self, path: &Path, origin: Origin) -> Result<(), ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_path_buf(), source };
        let text = match read_text(path, MAX_FILE_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        let table: Table = toml::from_str(&text)
            .map_err(|source| ConfigError::Malformed { origin: origin.clone(), source: Box::new(source) })?;
        self.merge_table(table, &origin)
    }

    fn merge_table(&mut self, table: Table, origin: &Origin) -> Result<(), ConfigError> {
        for (section, value) in table {
            match (section.as_str(), value) {
                ("slot", value) => (self.slots, self.policies_of_slots) = read_slots(value, origin)?,
                ("policy", Value::Table(rules)) => self.policies.push((rules, origin.clone())),
                (_, Value::Table(keys)) => {
                    for (name, value) in keys {
                        self.merge_value(&format!("{section}.{name}"), value, origin.clone())?;
                    }
                }
                (_, value) => self.merge_value(&section, value, origin.clone())?,
            }
        }
        Ok(())
    }

    fn merge_text(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let key = known(name, &origin)?;
        let value = keys::parse_text(key, text).map_err(|expected| ConfigError::BadValue {
            origin: origin.clone(),
            key: name.to_owned(),
            expected,
            found: format!("`{}`", crate::text::escape_line(text)),
        })?;
        self.entries.insert(key.name, Entry { value, origin });
        Ok(())
    }

    fn merge_value(&mut self, name: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let key = known(name, &origin)?;
        keys::check(key, &value).map_err(|expected| ConfigError::BadValue {
            origin: origin.clone(),
            key: name.to_owned(),
            expected,
            found: format!("`{}`", crate::text::escape_line(&value.to_string())),
        })?;
        if key.name == PRESET && matches!(origin, Origin::Project(_)) {
            let before = self.get(PRESET).and_then(|entry| entry.value.as_str());
            self.preset_of_person = before.map(str::to_owned);
        }
        self.entries.insert(key.name, Entry { value, origin });
        Ok(())
    }
}

/// The key that an environment variable sets; `None` when it is not meant for the configuration.
fn key_of_variable(name: &str) -> Result<Option<&'static keys::Key>, ConfigError> {
    let ours = name.starts_with(VARIABLES) && !name.starts_with(TEST_VARIABLES);
    if !ours || OTHER_VARIABLES.contains(&name) {
        return Ok(None);
    }
    let variables: Vec<String> = KEYS.iter().map(|key| variable_name(key.name)).collect();
    match variables.iter().position(|variable| variable == name) {
        Some(index) => Ok(Some(&KEYS[index])),
        None => Err(ConfigError::UnknownVariable {
            variable: crate::text::escape_line(name),
            nearest: keys::nearest(name, variables.iter().map(String::as_str)).map(str::to_owned),
        }),
    }
}

/// The environment variable that sets a key.
fn variable_name(key: &str) -> String {
    format!("{VARIABLES}{}", key.replace('.', "_").to_ascii_uppercase())
}

fn known(name: &str, origin: &Origin) -> Result<&'static keys::Key, ConfigError> {
    keys::find(name).ok_or_else(|| {
        // A table of its own, which is no key, is only meant where a table stands.
        let tables = ["slot", "policy"].into_iter().filter(|table| *table != name);
        ConfigError::UnknownKey {
            origin: origin.clone(),
            key: crate::text::escape_line(name),
            nearest: keys::nearest(name, KEYS.iter().map(|key| key.name).chain(tables)),
        }
    })
}

fn default_value(text: &str) -> Value {
    let table: Table =
        toml::from_str(&format!("value = {text}")).expect("defaults are written as TOML values");
    table.into_iter().next().expect("the table was written with one key").1
}

/// The slots, and the policies that stand with them.
fn read_slots(value: Value, origin: &Origin) -> Result<(Vec<SlotConfig>, Vec<PolicyOfSlot>), ConfigError> {
    let bad = |expected: &str, found: String| ConfigError::BadValue {
        origin: origin.clone(),
        key: "slot".to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let Value::Array(items) = value else {
        return Err(bad("a list of tables, written `[[slot]]`", value.type_str().to_owned()));
    };
    if items.len() > MAX_SLOTS {
        return Err(bad("at most 500 tables", format!("{} tables", items.len())));
    }
    let mut slots: Vec<SlotConfig> = Vec::new();
    let mut policies = Vec::new();
    for mut item in items {
        let policy = item.as_table_mut().and_then(|slot| slot.remove("policy"));
        let slot: SlotConfig = item
            .try_into()
            .map_err(|source| ConfigError::Malformed { origin: origin.clone(), source: Box::new(source) })?;
        if slots.iter().any(|other| other.id == slot.id) {
            return Err(ConfigError::DuplicateSlot { origin: origin.clone(), id: slot.id.to_string() });
        }
        match policy {
            None => {}
            Some(Value::Table(policy)) => policies.push((slot.id.clone(), policy, origin.clone())),
            Some(other) => {
                return Err(bad("a table as the `policy` of a slot", other.type_str().to_owned()));
            }
        }
        slots.push(slot);
    }
    Ok((slots, policies))
}
