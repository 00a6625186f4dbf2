//! Identifiers: newtypes that are parsed once, at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no valid identifier of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: {expected}")]
pub struct ParseIdError {
    /// What the text was meant to be, such as `task id`.
    pub kind: &'static str,
    /// The text, cut to a length that can be printed.
    pub text: String,
    /// What a valid one looks like.
    pub expected: &'static str,
}

impl ParseIdError {
    fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        Self { kind, text: crate::text::escape(missiond_process::text::truncate(text, 80)), expected }
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new one; later ones sort after earlier ones (UUID version 7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The last twelve hexadecimal digits: random, short enough to type and to name a branch with.
            pub fn short(&self) -> String {
                let text = self.0.simple().to_string();
                text[20..].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError::new($kind, text, "a UUID"))
            }
        }
    };
}

uuid_id!(
    /// Names a [`Task`](crate::Task).
    TaskId,
    "task id"
);
uuid_id!(
    /// Names an [`Approval`](crate::Approval).
    ApprovalId,
    "approval id"
);
uuid_id!(
    /// Names a [`Message`](crate::Message).
    MessageId,
    "message id"
);
uuid_id!(
    /// Names a run: one effort on one issue or goal, with its tasks.
    RunId,
    "run id"
);

macro_rules! word_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
                if starts_well && text.len() <= 64 && text.chars().all(plain) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseIdError::new(
                        $kind,
                        text,
                        "1 to 64 of A-Z a-z 0-9 - _ . and the first a letter or a digit",
                    ))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

word_id!(
    /// Names a [`Slot`](crate::Slot); chosen in the configuration.
    SlotId,
    "slot id"
);
word_id!(
    /// What a slot is for (`worker`, `reviewer`, …); a task asks for one.
    Role,
    "role"
);
word_id!(
    /// Names a kind of agent, which is one data file (`claude`, `codex`, `scripted`, …).
    AgentKind,
    "agent kind"
);
word_id!(
    /// Names the model conversation that an agent can resume, in the agent's own terms (`session_id`).
    ConversationId,
    "conversation id"
);

impl Default for Role {
    /// `worker`, the role of a task and of a slot that name none.
    fn default() -> Self {
        Self("worker".to_owned())
    }
}

/// The place of an event in the mission's log: 1, 2, 3, … without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Fences an attempt at a task: only the holder of the newest token may write about the task.
///
/// Tokens grow over the life of a database and are never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(pub u64);

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
