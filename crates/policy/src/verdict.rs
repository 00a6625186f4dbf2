use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// What happens to a tool call. The order is that of strictness: `Allow < Ask < Deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may run.
    Allow,
    /// A person decides.
    Ask,
    /// It must not run. No other rule changes this.
    Deny,
}

impl Decision {
    /// The word that stands for the decision in policies and in hook answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much harm a tool call could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing that isn't undone easily.
    Low,
    /// Something a person would want to know about.
    Medium,
    /// Work, privacy or another machine is at stake.
    High,
    /// The machine, its keys, or the control of the agents is at stake.
    Critical,
}

impl Risk {
    /// The word that stands for the risk in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a rule: `layer/id` for a written one, `preset/row` for one of a preset.
///
/// It stays the same when other rules are added, moved or removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(Cow<'static, str>);

impl RuleId {
    pub(crate) fn new(scope: &str, name: &str) -> Self {
        Self(Cow::Owned(format!("{scope}/{name}")))
    }

    /// The id of a rule that is there in every program.
    pub(crate) const fn fixed(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The answer to one tool call, with what it rests on.
///
/// `reason` and `part` may quote the call, so control and direction characters in them are escaped and they are
/// cut at a few hundred characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Allow, ask or deny.
    pub decision: Decision,
    /// The rule that decided; `None` where the call couldn't even be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// Why, in a sentence that the agent and the person are shown.
    pub reason: String,
    /// How much harm the call could do.
    pub risk: Risk,
    /// The part that decided, where the call has parts (one command of a compound command).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// A verdict, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The commands that the call might run, each as one line with control characters escaped: those that it names, and
    /// those found in what it wraps, quotes or feeds to a shell, as far as that can be told. At most 200.
    pub commands: Vec<String>,
    /// What was weighed, by the ids of the rows of [`Preset::table`](crate::Preset::table), in the order in which it was
    /// found. Not all of it need happen.
    pub effects: Vec<&'static str>,
}

impl Verdict {
    /// A verdict that rests on no rule.
    #[must_use]
    pub fn new(decision: Decision, risk: Risk, reason: impl Into<String>) -> Self {
        Self { decision, rule: None, reason: reason.into(), risk, part: None }
    }

    /// The stricter of two verdicts; the first where they are equally strict.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        if (other.decision, other.risk) > (self.decision, self.risk) { other } else { self }
    }

    /// The verdict where nobody can be asked: `ask` has become `deny`.
    #[must_use]
    pub fn when_nobody_can_answer(mut self) -> Self {
        if self.decision == Decision::Ask {
            self.decision = Decision::Deny;
            self.reason.push_str("; nobody can be asked here, so it is denied");
        }
        self
    }
}
