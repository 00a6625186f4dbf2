//! Profiles: what is known of an agent's screen, as data.

use std::sync::LazyLock;

use serde::Deserialize;

use super::observation::DialogKind;
use super::pattern::Pattern;

/// What is known of one agent's screen.
///
/// The embedded ones are data files that can be replaced: [`Profile::parse`] takes the same format.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    schema: u32,
    id: String,
    measured_with: String,
    pub(super) layout: Layout,
    pub(super) title: Title,
    pub(super) busy: Busy,
    pub(super) turn: TurnRules,
    #[serde(default)]
    pub(super) views: Vec<View>,
    pub(super) dialog: Dialogs,
}

const SCHEMA: u32 = 1;

static CLAUDE: LazyLock<Profile> =
    LazyLock::new(|| embed(include_str!("../../profiles/claude.toml"), "claude"));
static SCRIPTED: LazyLock<Profile> =
    LazyLock::new(|| embed(include_str!("../../profiles/scripted.toml"), "scripted"));

/// The data files that come with the crate, by id.
static EMBEDDED: [(&str, &LazyLock<Profile>); 2] = [("claude", &CLAUDE), ("scripted", &SCRIPTED)];

fn embed(text: &str, id: &str) -> Profile {
    Profile::parse(text, &format!("the embedded {id} profile"))
        .expect("each embedded profile is parsed by a test")
}

impl Profile {
    /// The embedded profile of Claude Code.
    #[must_use]
    pub fn claude() -> Self {
        CLAUDE.clone()
    }

    /// The embedded profile of missiond's scripted agent.
    #[must_use]
    pub fn scripted() -> Self {
        SCRIPTED.clone()
    }

    /// The embedded profile with this id; see [`Profile::embedded_ids`].
    #[must_use]
    pub fn embedded(id: &str) -> Option<Self> {
        EMBEDDED.iter().find(|(known, _)| *known == id).map(|(_, profile)| LazyLock::force(profile).clone())
    }

    /// The ids of all embedded profiles.
    pub fn embedded_ids() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(id, _)| *id)
    }

    /// Parses a profile in TOML. `origin` (a path, say) names it in errors.
    ///
    /// # Errors
    ///
    /// Text that isn't TOML, an unknown or missing key, or another schema version; the message names `origin` and
    /// shows the line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text)
            .map_err(|source| ProfileError::Syntax { origin: origin.to_owned(), source: Box::new(source) })?;
        if profile.schema != SCHEMA {
            return Err(ProfileError::Schema { origin: origin.to_owned(), found: profile.schema });
        }
        for (key, empty) in [
            ("layout.rule", profile.layout.rule.is_empty()),
            ("layout.prompt", profile.layout.prompt.iter().any(String::is_empty)),
            ("layout.message", profile.layout.message.iter().any(String::is_empty)),
            ("dialog.marker", profile.dialog.marker.is_empty()),
            ("dialog.divider", profile.dialog.divider.is_empty()),
        ] {
            if empty {
                return Err(ProfileError::Empty { origin: origin.to_owned(), key });
            }
        }
        Ok(profile)
    }

    /// The agent's id, such as `claude`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The agent's version that the profile was measured with.
    #[must_use]
    pub fn measured_with(&self) -> &str {
        &self.measured_with
    }
}

/// A profile that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Not TOML, or a key that is unknown, missing or of another type.
    #[error("{origin} is not a terminal profile")]
    Syntax {
        /// Where the text came from.
        origin: String,
        /// The line and what is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A version of the format that this crate doesn't know.
    #[error(
        "{origin} has schema {found}, but only schema {SCHEMA} is known: use a profile made for this version"
    )]
    Schema {
        /// Where the text came from.
        origin: String,
        /// The version found.
        found: u32,
    },
    /// A key whose value may not be empty.
    #[error("{origin}: `{key}` may not be empty")]
    Empty {
        /// Where the text came from.
        origin: String,
        /// The key.
        key: &'static str,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    pub(super) rule: String,
    pub(super) prompt: Vec<String>,
    pub(super) message: Vec<String>,
    pub(super) echo: Vec<String>,
    pub(super) answer: Vec<String>,
    pub(super) result: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Title {
    pub(super) busy: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Busy {
    pub(super) glyphs: String,
    pub(super) status: Vec<Pattern>,
    pub(super) retry: Vec<Pattern>,
    pub(super) footer: Vec<Pattern>,
    pub(super) tool: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnRules {
    pub(super) pasted: Vec<Pattern>,
    pub(super) error: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) footer: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dialogs {
    pub(super) marker: String,
    pub(super) hint: Vec<Pattern>,
    pub(super) divider: String,
    pub(super) rules: Vec<DialogRule>,
    #[serde(default)]
    pub(super) notices: Vec<Notice>,
}

/// Every list that is given must have a pattern that fits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DialogRule {
    pub(super) name: String,
    pub(super) kind: DialogKind,
    #[serde(default)]
    pub(super) tool: Option<String>,
    /// The first row of the block.
    #[serde(default)]
    pub(super) header: Vec<Pattern>,
    /// The paragraph right above the options.
    #[serde(default)]
    pub(super) question: Vec<Pattern>,
    /// All text above the options, joined.
    #[serde(default)]
    pub(super) body: Vec<Pattern>,
    /// Any option's label.
    #[serde(default)]
    pub(super) option: Vec<Pattern>,
    /// The hint row.
    #[serde(default)]
    pub(super) hint_is: Vec<Pattern>,
    /// Whether one of the hints must stand under the options.
    #[serde(default = "yes")]
    pub(super) hint: bool,
    #[serde(default)]
    pub(super) argument: Argument,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Argument {
    #[default]
    None,
    /// The rows between header and question, without a faint description at their end and the agent's notes.
    Body,
    /// The first row under the header.
    FirstRow,
    /// The row under the header, where the header is a lead-in.
    SecondRow,
    /// The rows between the two last dividers.
    BetweenDividers,
    Question,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notice {
    pub(super) name: String,
    pub(super) kind: DialogKind,
    pub(super) row: Vec<Pattern>,
    pub(super) key: String,
}
