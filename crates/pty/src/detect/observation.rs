//! The answers a profile gives.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a profile made of a snapshot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observation {
    /// What the agent is doing.
    pub status: Status,
    /// The dialog that waits, with [`Status::Confirming`].
    pub dialog: Option<Dialog>,
    /// What stands in the prompt box, if anything does; a placeholder doesn't count.
    pub draft: Option<String>,
    /// The agent shows this view (a transcript, say) in place of its prompt, so nothing can be submitted.
    pub view: Option<String>,
    /// The agent waits before it tries a failed request again.
    pub retrying: bool,
    /// The rules that decided, with what they matched.
    pub evidence: Vec<Evidence>,
}

impl Observation {
    /// The evidence as lines for people: the status, then rule, place and text of each piece.
    ///
    /// The text comes from the screen with control characters escaped.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut out = format!("status: {}\n", self.status);
        if let Some(dialog) = &self.dialog {
            let tool = dialog.tool.as_deref().unwrap_or("unknown tool");
            out.push_str(&format!("dialog: {} {} ({tool})\n", dialog.id, dialog.kind));
        }
        for evidence in &self.evidence {
            let place = match &evidence.rows {
                Some(rows) if rows.len() == 1 => format!("row {}", rows.start + 1),
                Some(rows) => format!("rows {}-{}", rows.start + 1, rows.end),
                None => "title".to_owned(),
            };
            let text: String = evidence.text.chars().flat_map(char::escape_debug).collect();
            out.push_str(&format!("  {} at {place}: {text}\n", evidence.rule));
        }
        out
    }
}

/// What an agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The screen is still blank.
    Starting,
    /// The prompt box waits for input.
    Idle {
        /// Something stands in the box that wasn't submitted.
        draft: bool,
    },
    /// The agent works.
    Busy(Activity),
    /// A dialog waits for an answer: [`Observation::dialog`].
    Confirming,
    /// The program ended.
    Exited,
    /// No rule explains the screen. Not ready, and not to be taken for anything else.
    Unknown,
}

impl Status {
    /// The state's name: `starting`, `idle`, `thinking`, `responding`, `tool_running`, `confirming`, `exited` or
    /// `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle { .. } => "idle",
            Self::Busy(Activity::Thinking) => "thinking",
            Self::Busy(Activity::Responding) => "responding",
            Self::Busy(Activity::ToolRunning) => "tool_running",
            Self::Confirming => "confirming",
            Self::Exited => "exited",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle { draft: true } => f.write_str("idle (draft)"),
            status => f.write_str(status.as_str()),
        }
    }
}

/// What a busy agent is busy with, as far as its screen shows; the three are told apart less surely than busy and
/// idle are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// It waits for the model.
    Thinking,
    /// An answer is being drawn.
    Responding,
    /// A tool runs.
    ToolRunning,
}

/// A question that an agent's own screen asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialog {
    /// Made from what the dialog says, without its highlight: the same while a person moves through the options,
    /// another once it asks something else. A dialog that is asked twice with the same words has the same id.
    pub id: DialogId,
    /// What sort of question it is.
    pub kind: DialogKind,
    /// The tool that is asked for, where the screen names one. `None` means unknown, and unknown means ask.
    pub tool: Option<String>,
    /// What the tool is to act on (command, path, plan), as far as the screen shows it. `None` where the screen
    /// doesn't tell which of its rows that is, or has lost the first of them.
    pub argument: Option<String>,
    /// The question right above the options.
    pub question: String,
    /// The options, top first. None where only Escape leaves it, as far as the screen shows.
    pub options: Vec<DialogOption>,
}

impl Dialog {
    /// The position of the highlighted option.
    #[must_use]
    pub fn highlighted(&self) -> Option<usize> {
        self.options.iter().position(|option| option.highlighted)
    }
}

/// One option of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialogOption {
    /// Its text as on the screen, wrapped rows joined.
    pub label: String,
    /// The key that stands for it: a number, `enter`, or `text` where something is to be typed.
    pub key: String,
    /// Whether the highlight is on it.
    pub highlighted: bool,
}

/// Tells one dialog from another. See [`Dialog::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DialogId(pub(super) u64);

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for DialogId {
    type Err = std::num::ParseIntError;

    /// Parses the 16 hexadecimal digits that `Display` prints.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// What sort of question a dialog asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DialogKind {
    /// May a tool run?
    Permission,
    /// Is this plan to be carried out?
    Plan,
    /// The agent asks the person something.
    Question,
    /// Is this folder trusted? Never to be answered by default.
    Trust,
    /// A first-run choice.
    Onboarding,
    /// A login is needed.
    Login,
    /// A usage limit was reached.
    RateLimit,
    /// A menu the person opened.
    Menu,
    /// It has the shape of a dialog and no rule knows it: a person has to look.
    Unknown,
}

impl fmt::Display for DialogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permission => "permission",
            Self::Plan => "plan",
            Self::Question => "question",
            Self::Trust => "trust",
            Self::Onboarding => "onboarding",
            Self::Login => "login",
            Self::RateLimit => "rate-limit",
            Self::Menu => "menu",
            Self::Unknown => "unknown",
        })
    }
}

/// One reason for an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The rule's name in the profile.
    pub rule: String,
    /// The rows it looked at, top row 0; `None` for the title.
    pub rows: Option<Range<usize>>,
    /// What it saw there.
    pub text: String,
}
