//! What is on the screen: the conversation, the prompt box or a dialog. Pure: state in, rows out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::scripted::event::{Call, Ending, Event};
use crate::scripted::tui::dialog::Dialog;
use crate::scripted::tui::draft::Draft;
use crate::scripted::tui::text::{clip, columns, wrap};
use crate::scripted::tui::transcript::Earlier;

/// How many messages are kept to be shown, and how much of one.
const MAX_BLOCKS: usize = 500;
const MAX_BLOCK_BYTES: usize = 20_000;
const SPINNER: [char; 4] = ['◐', '◓', '◑', '◒'];
/// How long one picture of the spinner stands.
pub(super) const SPIN: Duration = Duration::from_millis(150);

/// All that is drawn.
#[derive(Debug, Default)]
pub(super) struct Screen {
    blocks: VecDeque<Block>,
    pub(super) draft: Draft,
    /// What the agent does, if it does something.
    pub(super) busy: Option<&'static str>,
    pub(super) dialog: Option<Dialog>,
    /// Stands under the box until the next key.
    pub(super) note: Option<String>,
}

#[derive(Debug)]
enum Block {
    Prompt(String),
    Answer(String),
    Call { id: String, title: String, result: Option<(String, bool)> },
    Notice(String),
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Bold,
    Faint,
}

pub(super) fn line(style: Style, text: impl Into<String>) -> Line {
    Line { text: text.into(), style }
}

impl Screen {
    pub(super) fn earlier(&mut self, message: Earlier) {
        self.push(match message {
            Earlier::Prompt(text) => Block::Prompt(text),
            Earlier::Text(text) => Block::Answer(text),
        });
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.push(Block::Notice(text.into()));
    }

    /// Takes in what happened.
    pub(super) fn show(&mut self, event: Event) {
        match event {
            Event::Begun { .. } | Event::Raw(_) => {}
            Event::Prompt(text) => self.push(Block::Prompt(text)),
            Event::Text(text) => {
                self.busy = Some("Thinking");
                self.push(Block::Answer(text));
            }
            Event::Call(call) => {
                self.busy = Some("Working");
                let title = cut(&format!("{}({})", call.tool, argument(&call)));
                self.push(Block::Call { id: call.id, title, result: None });
            }
            Event::Result { id, content, is_error } => {
                self.busy = Some("Thinking");
                let ended = self.blocks.iter_mut().rev().find_map(|block| match block {
                    Block::Call { id: called, result, .. } if *called == id => Some(result),
                    _ => None,
                });
                if let Some(result) = ended {
                    *result = Some((cut(&content), is_error));
                }
            }
            Event::End { ending, .. } => {
                self.busy = None;
                self.dialog = None;
                match ending {
                    Ending::Complete => {}
                    Ending::Failed(message) => self.push(Block::Answer(format!("Turn failed: {message}"))),
                    Ending::Interrupted => self.notice("Interrupted · what should be done instead?"),
                }
            }
        }
    }

    /// The bytes that draw everything on a terminal of so many rows and columns, `elapsed` after the turn began.
    pub(super) fn frame(&self, (rows, cols): (usize, usize), elapsed: Duration) -> Vec<u8> {
        let (mut foot, cursor) = self.foot(cols, elapsed);
        if foot.len() > rows {
            foot.drain(..foot.len() - rows);
        }
        let mut lines = self.conversation(rows - foot.len(), cols);
        let top = lines.len();
        lines.append(&mut foot);

        let mut out = String::from("\x1b[?2026h\x1b[?25l");
        for (n, Line { text, style }) in lines.iter().enumerate() {
            let style = match style {
                Style::Plain => "",
                Style::Bold => "\x1b[1m",
                Style::Faint => "\x1b[2m",
            };
            out.push_str(&format!("\x1b[{};1H\x1b[2K{style}{text}\x1b[0m", n + 1));
        }
        if lines.len() < rows {
            out.push_str(&format!("\x1b[{};1H\x1b[J", lines.len() + 1));
        }
        if let Some((from_end, column)) = cursor
            && let Some(row) = lines.len().checked_sub(from_end).filter(|row| *row >= top)
        {
            out.push_str(&format!("\x1b[{};{}H\x1b[?25h", row + 1, column.min(cols.saturating_sub(1)) + 1));
        }
        let title = if self.busy.is_some() { "◐ scripted agent" } else { "scripted agent" };
        out.push_str(&format!("\x1b]0;{title}\x07\x1b[?2026l"));
        out.into_bytes()
    }

    /// The end of the conversation, as far as there is room.
    fn conversation(&self, room: usize, cols: usize) -> Vec<Line> {
        let mut blocks = Vec::new();
        let mut used = 0;
        for block in self.blocks.iter().rev() {
            if used >= room {
                break;
            }
            let lines = block.lines(cols);
            used += lines.len();
            blocks.push(lines);
        }
        let lines: Vec<Line> = blocks.into_iter().rev().flatten().collect();
        lines[lines.len().saturating_sub(room)..].to_vec()
    }

    /// The dialog, or the status line and the prompt box; and where the cursor is: rows from the end, and the column.
    fn foot(&self, cols: usize, elapsed: Duration) -> (Vec<Line>, Option<(usize, usize)>) {
        let rule = line(Style::Faint, "─".repeat(cols));
        if let Some(dialog) = &self.dialog {
            let mut lines = vec![rule];
            lines.extend(dialog.lines(cols));
            return (lines, None);
        }
        let mut lines = Vec::new();
        if let Some(activity) = self.busy {
            let picture = elapsed.as_millis() / SPIN.as_millis();
            let glyph = SPINNER[usize::try_from(picture).unwrap_or(0) % SPINNER.len()];
            lines.push(line(Style::Bold, format!("{glyph} {activity}… ({}s)", elapsed.as_secs())));
            lines.push(line(Style::Plain, ""));
        }
        lines.push(rule.clone());
        let draft = self.draft.rows(cols.saturating_sub(2));
        let column = 2 + draft.last().map_or(0, |row| columns(row));
        for (n, row) in draft.iter().enumerate() {
            let glyph = if n == 0 { "›" } else { " " };
            lines.push(line(Style::Plain, format!("{glyph} {row}")));
        }
        lines.push(rule);
        let hint = match (self.busy, &self.note) {
            (Some(_), _) => "esc to interrupt",
            (None, Some(note)) => note,
            (None, None) => "enter to send · ctrl+d to leave",
        };
        lines.push(line(Style::Faint, format!("  {}", clip(hint, cols.saturating_sub(2)))));
        (lines, Some((3, column)))
    }

    fn push(&mut self, block: Block) {
        self.blocks.push_back(match block {
            Block::Prompt(text) => Block::Prompt(cut(&text)),
            Block::Answer(text) => Block::Answer(cut(&text)),
            Block::Notice(text) => Block::Notice(cut(&text)),
            call @ Block::Call { .. } => call,
        });
        if self.blocks.len() > MAX_BLOCKS {
            self.blocks.pop_front();
        }
    }
}

impl Block {
    /// The rows of it and a blank one. What is not the program's own stands indented, so that it cannot pass for a rule,
    /// a dialog or the beginning of another message.
    fn lines(&self, cols: usize) -> Vec<Line> {
        let width = cols.saturating_sub(2);
        let mut lines = Vec::new();
        let mut message = |glyph: char, text: &str| {
            for (n, row) in wrap(text, width).into_iter().enumerate() {
                lines.push(line(Style::Plain, format!("{} {row}", if n == 0 { glyph } else { ' ' })));
            }
        };
        match self {
            Self::Prompt(text) => message('›', text),
            Self::Answer(text) => message('•', text),
            Self::Call { title, result, .. } => {
                lines.push(line(Style::Plain, format!("• {}", clip(title, width))));
                let text = match result {
                    None => "Running…".to_owned(),
                    Some((text, is_error)) => outcome(text, *is_error),
                };
                lines.push(line(Style::Plain, format!("  └ {}", clip(&text, cols.saturating_sub(4)))));
            }
            Self::Notice(text) => {
                lines.push(line(Style::Plain, format!("  └ {}", clip(text, cols.saturating_sub(4)))));
            }
        }
        lines.push(line(Style::Plain, ""));
        lines
    }
}

/// A result in one row.
fn outcome(text: &str, is_error: bool) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("(nothing)");
    let more = text.trim_end().lines().count().saturating_sub(1);
    let error = if is_error { "Error: " } else { "" };
    match more {
        0 => format!("{error}{first}"),
        _ => format!("{error}{first} (+{more} lines)"),
    }
}

/// What a call is about, as text of a length that can be drawn again and again.
pub(super) fn argument(call: &Call) -> String {
    let known = ["command", "file_path", "question"].into_iter().find_map(|name| call.input[name].as_str());
    known.map_or_else(|| cut(&call.input.to_string()), cut)
}

fn cut(text: &str) -> String {
    missiond_process::text::preview(text, MAX_BLOCK_BYTES).into_owned()
}
