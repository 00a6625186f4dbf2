//! What a record says.

use std::{io, path::Path};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    chain::{Digest, MAX_LINE_BYTES, seal, unseal},
    redact::Redactor,
};
use crate::{
    call::ToolCall,
    text::is_invisible,
    verdict::{Decision, Risk, RuleId, Verdict},
};

/// The version of the format.
pub(super) const VERSION: u32 = 1;
/// The longest text of a record besides the input, in bytes.
const MAX_TEXT_BYTES: usize = 4 << 10;
/// The longest name in a record, in bytes.
const MAX_NAME_BYTES: usize = 1 << 10;

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The version of the format, 1.
    pub v: u32,
    /// Its number, from 1 and without a gap, through all files.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
    /// The hash of the record before it; [`Digest::ZERO`] for the first.
    pub prev: Digest,
    /// Its own hash: of the line's bytes up to this field.
    pub hash: Digest,
}

/// What a record says, by its `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Entry {
    /// A call was judged.
    Call(Box<Call>),
    /// The first record of each file.
    Opened {
        /// The file before it, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Old records are taken away, because of their number or age.
    Removed {
        /// The number of the last one of them.
        through: u64,
        /// Its hash, which the oldest record that is left follows.
        last: Digest,
        /// The files.
        files: Vec<String>,
    },
    /// The line before this one was never finished: its writer was killed, or the disk was full. Nobody was told of it.
    Repaired {
        /// How long it is.
        bytes: u64,
        /// Its digest.
        digest: Digest,
    },
    /// The log was not as its last writer left it.
    Gap {
        /// How so.
        why: String,
    },
    /// A kind of a later version.
    #[serde(other)]
    Other,
}

/// A call that was judged. All texts are redacted and cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Call {
    /// The agent's conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The slot that the agent sits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// The task that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The kind of agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The agent's own id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub input: Value,
    /// The directory that relative paths start from.
    pub cwd: String,
    /// What was decided, and told to the agent.
    pub decision: Decision,
    /// Who decided.
    pub by: Decider,
    /// The rule that the policy's verdict rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why.
    pub reason: String,
    /// How much harm the call could do.
    pub risk: Risk,
    /// The part of the call that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The question that a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// The person who answered, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// What the person said to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Who decided on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Decider {
    /// The policy.
    Policy,
    /// A person who was asked.
    Person,
    /// Nobody answered, or could have, which is a no.
    Nobody,
    /// A limit of size, number or time.
    Limit,
    /// Something that failed, which is a no.
    Failure,
}

impl Decider {
    /// The word that stands for it in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Person => "person",
            Self::Nobody => "nobody",
            Self::Limit => "limit",
            Self::Failure => "failure",
        }
    }
}

/// A call and its verdict, as they are to be recorded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judged<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// The call.
    pub call: &'a ToolCall,
    /// The verdict as the agent will be told it.
    pub verdict: &'a Verdict,
    /// Who decided.
    pub by: Decider,
    /// The rule, where the verdict itself can't name it.
    pub rule: Option<&'a str>,
    /// The agent's conversation.
    pub session: Option<&'a str>,
    /// The slot that the agent sits in.
    pub slot: Option<&'a str>,
    /// The task that it works on.
    pub task: Option<&'a str>,
    /// The kind of agent.
    pub agent: Option<&'a str>,
    /// The question that a person was asked.
    pub approval: Option<&'a str>,
    /// The person who answered.
    pub person: Option<&'a str>,
    /// What the person said to the agent.
    pub note: Option<&'a str>,
}

impl<'a> Judged<'a> {
    /// A verdict of the policy, with nothing known of the agent.
    #[must_use]
    pub fn new(at: Timestamp, call: &'a ToolCall, verdict: &'a Verdict) -> Self {
        Self {
            at,
            call,
            verdict,
            by: Decider::Policy,
            rule: None,
            session: None,
            slot: None,
            task: None,
            agent: None,
            approval: None,
            person: None,
            note: None,
        }
    }

    pub(super) fn entry(&self, redactor: &Redactor) -> Entry {
        let text = |text: &str| redactor.text(text, MAX_TEXT_BYTES);
        let name = |text: &str| redactor.text(text, MAX_NAME_BYTES);
        let Self { call, verdict, .. } = self;
        Entry::Call(Box::new(Call {
            session: self.session.map(name),
            slot: self.slot.map(name),
            task: self.task.map(name),
            agent: self.agent.map(name),
            call: call.id.as_deref().map(name),
            tool: name(&call.tool),
            input: redactor.input(&call.input),
            cwd: text(&shown(&call.cwd)),
            decision: verdict.decision,
            by: self.by,
            rule: verdict.rule.as_ref().map(RuleId::as_str).or(self.rule).map(name),
            reason: text(&verdict.reason),
            risk: verdict.risk,
            part: verdict.part.as_deref().map(text),
            approval: self.approval.map(name),
            person: self.person.map(name),
            note: self.note.map(text),
        }))
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What is sealed of a record.
#[derive(Serialize)]
struct Content<'a> {
    v: u32,
    seq: u64,
    at: Timestamp,
    #[serde(flatten)]
    entry: &'a Entry,
    prev: Digest,
}

/// The line of a record, with its end, and its hash.
pub(super) fn line(
    seq: u64,
    at: Timestamp,
    entry: &Entry,
    prev: Digest,
) -> Result<(Vec<u8>, Digest), serde_json::Error> {
    let at = at.round(Unit::Millisecond).unwrap_or(at);
    let mut object = Vec::new();
    let content = Content { v: VERSION, seq, at, entry, prev };
    content.serialize(&mut serde_json::Serializer::with_formatter(&mut object, Plain))?;
    Ok(seal(object))
}

/// Writes JSON in one line, with everything escaped that could act on a terminal or mislead a reader: an audit is looked at
/// with whatever is at hand. JSON itself asks for this only below U+0020.
struct Plain;

impl serde_json::ser::Formatter for Plain {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| c.is_control() || is_invisible(*c)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It has no hash at its end, or is no record otherwise.
    Malformed(String),
    /// Its bytes aren't those that the hash was made of.
    Edited,
}

/// Reads a line, without its end. Whether it follows the one before it is another question.
pub(super) fn read_line(line: &[u8]) -> Result<Record, Flaw> {
    let malformed = |why: &str| Flaw::Malformed(why.to_owned());
    if line.len() > MAX_LINE_BYTES {
        return Err(malformed("it is longer than any record"));
    }
    let (content, claimed) = unseal(line).ok_or_else(|| malformed("it doesn't end with a hash"))?;
    if Digest::of(content) != claimed {
        return Err(Flaw::Edited);
    }
    serde_json::from_slice(line).map_err(|error| Flaw::Malformed(format!("it is no record: {error}")))
}
