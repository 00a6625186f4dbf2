//! The agent's own questions.

use serde_json::Value;

use crate::scripted::event::Call;
use crate::scripted::play::Choice;
use crate::scripted::tui::keys::Key;
use crate::scripted::tui::screen::{Line, Style, argument, line};
use crate::scripted::tui::text::{clip, fold, wrap};

/// How many options are offered.
const MAX_OPTIONS: usize = 20;
/// How many rows of what is asked about are shown.
const MAX_ROWS: usize = 12;

/// A question on the screen.
#[derive(Debug)]
pub(super) struct Dialog {
    header: &'static str,
    body: String,
    reason: String,
    question: String,
    options: Vec<String>,
    hint: &'static str,
    highlighted: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// May a tool be used? The first option says yes.
    Permission,
    /// A question of the agent's; the answer is an option's text.
    Question,
}

impl Dialog {
    /// The question about a call that no hook has decided, for this reason.
    pub(super) fn about(call: &Call, reason: String) -> Self {
        if call.tool == "AskUserQuestion" {
            return Self::question(call);
        }
        let header = match call.tool {
            "Bash" => "Bash command",
            "Write" => "Write file",
            "Read" => "Read file",
            _ => "Tool call",
        };
        Self {
            header,
            body: argument(call),
            reason,
            question: "Do you want to proceed?".to_owned(),
            options: vec!["Yes".to_owned(), "No".to_owned()],
            hint: "Esc to cancel",
            highlighted: 0,
            kind: Kind::Permission,
        }
    }

    fn question(call: &Call) -> Self {
        let labels = call.input.pointer("/questions/0/options").and_then(Value::as_array);
        let labels = labels.into_iter().flatten().filter_map(|option| option["label"].as_str());
        let mut options: Vec<String> = labels.take(MAX_OPTIONS).map(str::to_owned).collect();
        if options.is_empty() {
            options.push("Go on".to_owned());
        }
        Self {
            header: "Question",
            body: String::new(),
            reason: String::new(),
            question: argument(call),
            options,
            hint: "Enter to select · Esc to cancel",
            highlighted: 0,
            kind: Kind::Question,
        }
    }

    /// What a key chooses, if it does.
    pub(super) fn press(&mut self, key: &Key) -> Option<Choice> {
        let count = self.options.len();
        match key {
            Key::Up => self.highlighted = (self.highlighted + count - 1) % count,
            Key::Down => self.highlighted = (self.highlighted + 1) % count,
            Key::Char(digit) => {
                let number = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                let wanted = number.and_then(|number| number.checked_sub(1)).filter(|at| *at < count)?;
                self.highlighted = wanted;
                return Some(self.chosen());
            }
            Key::Enter => return Some(self.chosen()),
            Key::Escape => return Some(Choice::Stop),
            _ => {}
        }
        None
    }

    fn chosen(&self) -> Choice {
        match (self.kind, self.highlighted) {
            (Kind::Permission, 0) => Choice::Yes("the person at the terminal allowed it".to_owned()),
            (Kind::Permission, _) => Choice::No("the person at the terminal refused it".to_owned()),
            (Kind::Question, at) => Choice::Yes(self.options.get(at).cloned().unwrap_or_default()),
        }
    }

    /// The rows under the rule.
    pub(super) fn lines(&self, cols: usize) -> Vec<Line> {
        let blank = || line(Style::Plain, "");
        let mut lines =
            vec![line(Style::Bold, format!(" {}", clip(self.header, cols.saturating_sub(1)))), blank()];
        if !self.body.is_empty() {
            let rows = fold(&self.body, cols.saturating_sub(3));
            for row in rows.iter().take(MAX_ROWS) {
                lines.push(line(Style::Plain, format!("   {row}")));
            }
            if rows.len() > MAX_ROWS {
                lines.push(line(Style::Faint, format!("   … {} more rows", rows.len() - MAX_ROWS)));
            }
            lines.push(blank());
        }
        if !self.reason.is_empty() {
            for row in wrap(&self.reason, cols.saturating_sub(1)).iter().take(MAX_ROWS) {
                lines.push(line(Style::Faint, format!(" {row}")));
            }
            lines.push(blank());
        }
        for row in wrap(&self.question, cols.saturating_sub(1)).iter().take(MAX_ROWS) {
            lines.push(line(Style::Plain, format!(" {row}")));
        }
        for (n, option) in self.options.iter().enumerate() {
            let (marker, style) =
                if n == self.highlighted { ('›', Style::Bold) } else { (' ', Style::Plain) };
            let label = clip(option, cols.saturating_sub(8));
            lines.push(line(style, format!(" {marker} {}. {label}", n + 1)));
        }
        lines.push(blank());
        lines.push(line(Style::Faint, format!(" {}", clip(self.hint, cols.saturating_sub(1)))));
        lines
    }
}
