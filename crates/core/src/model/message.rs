//! Messages between agents and from people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{MessageId, SlotId};

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "to", content = "name")]
#[non_exhaustive]
pub enum Recipient {
    /// One slot.
    Slot(SlotId),
    /// Every slot.
    Everyone,
    /// The people who watch: an inbox item.
    Person,
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slot(slot) => slot.fmt(f),
            Self::Everyone => f.write_str("everyone"),
            Self::Person => f.write_str("person"),
        }
    }
}

/// A text from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// The slot that sent it; `None` for a person.
    pub from: Option<SlotId>,
    /// Who it is for.
    #[serde(flatten)]
    pub to: Recipient,
    /// The text: untrusted, at most [`Message::MAX_TEXT_BYTES`].
    pub text: String,
    /// When it was sent.
    pub sent_at: Timestamp,
}

impl Message {
    /// The longest text: 64 KiB.
    pub const MAX_TEXT_BYTES: usize = 64 * 1024;

    /// A new message.
    pub fn new(from: Option<SlotId>, to: Recipient, text: impl Into<String>, sent_at: Timestamp) -> Self {
        Self { id: MessageId::generate(), from, to, text: text.into(), sent_at }
    }
}
