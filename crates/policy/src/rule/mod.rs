//! Rules as people write them, and what they match.

mod argument;
mod condition;
mod example;
mod file;
mod index;
mod matcher;
mod path_pattern;
mod set;
mod wildcard;

use serde::{Deserialize, Serialize};

pub(crate) use condition::Conditions;
pub(crate) use example::Example;
pub(crate) use file::parse;
pub use file::{MAX_POLICY_BYTES, MAX_RULES};
pub(crate) use matcher::{Matcher, Subject};
pub(crate) use set::{Moved, RuleSet};

use crate::{
    preset::Preset,
    verdict::{Decision, Risk, RuleId},
};

/// Where a policy comes from. A later layer adds to an earlier one; it never takes a deny away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Layer {
    /// The person's own file.
    User,
    /// The project's file, read from the project root only.
    Project,
    /// One run.
    Run,
    /// One slot.
    Slot,
}

impl Layer {
    /// The word that stands for the layer in rule ids.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
            Self::Run => "run",
            Self::Slot => "slot",
        }
    }
}

/// One rule of a policy.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(crate) id: RuleId,
    pub(crate) effect: Decision,
    pub(crate) pattern: String,
    pub(crate) matcher: Matcher,
    pub(crate) conditions: Conditions,
    pub(crate) reason: Option<String>,
    pub(crate) risk: Risk,
    pub(crate) line: usize,
    /// Whether the id was made from the pattern, so that a second rule with it says the same.
    pub(crate) generated: bool,
}

impl Rule {
    /// The rule's id, `layer/id`.
    #[must_use]
    pub fn id(&self) -> &RuleId {
        &self.id
    }

    /// The rule's id without its layer.
    pub(crate) fn name(&self) -> &str {
        self.id.as_str().split_once('/').map_or("", |(_, name)| name)
    }

    /// What the rule does to the calls it matches.
    #[must_use]
    pub fn effect(&self) -> Decision {
        self.effect
    }

    /// The pattern as it is written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Why the rule is there, in its author's words.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The risk of the calls it matches.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.risk
    }

    /// The line it stands on, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

/// What a policy file says, checked.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) preset: Option<Preset>,
    pub(crate) default: Option<Decision>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) examples: Vec<Example>,
}
