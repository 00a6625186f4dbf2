//! Puts the evidence together.

use super::layout::{self, PromptBox};
use super::observation::{Activity, Evidence, Observation, Status};
use super::profile::Profile;
use super::{dialog, pattern};
use crate::{Row, Snapshot};

/// How many rows under the prompt box may hold the program's own line; a person's status line can stand above it.
const FOOTER_ROWS: usize = 3;

impl Profile {
    /// Says what the agent is doing, from one snapshot.
    ///
    /// The lowest structure on the screen decides: a dialog under the last prompt box waits, else the box is there
    /// and the rows around it and the title say whether the agent works.
    #[must_use]
    pub fn observe(&self, snapshot: &Snapshot) -> Observation {
        let mut seen = Observation {
            status: Status::Unknown,
            dialog: None,
            draft: None,
            view: None,
            retrying: false,
            evidence: Vec::new(),
        };
        let rows = &snapshot.rows;
        if let Some(exit) = &snapshot.exit {
            seen.status = Status::Exited;
            seen.evidence.push(Evidence { rule: "exit".to_owned(), rows: None, text: exit.to_string() });
            return seen;
        }
        let prompt = layout::prompt_box(&self.layout, rows);
        let under = prompt.as_ref().map_or(0, |prompt| prompt.bottom + 1)..rows.len();
        if let Some(found) = dialog::find(self, rows, under, snapshot.size.cols()) {
            seen.status = Status::Confirming;
            seen.evidence.push(Evidence {
                rule: found.rule,
                rows: Some(found.rows),
                text: found.dialog.question.clone(),
            });
            seen.dialog = Some(found.dialog);
            return seen;
        }
        match prompt {
            Some(prompt) => self.observe_box(snapshot, &prompt, &mut seen),
            None if layout::is_blank(rows) => {
                seen.status = Status::Starting;
                seen.evidence.push(Evidence {
                    rule: "blank".to_owned(),
                    rows: Some(0..rows.len()),
                    text: String::new(),
                });
            }
            None => self.observe_view(snapshot, &mut seen),
        }
        seen
    }

    fn observe_view(&self, snapshot: &Snapshot, seen: &mut Observation) {
        let rows = &snapshot.rows;
        let Some(rule) = rows.iter().rposition(|row| layout::is_rule(&self.layout, row)) else { return };
        let Some(row) = (rule + 1..rows.len()).find(|n| !rows[*n].text.is_empty()) else { return };
        let text = rows[row].text.trim();
        let Some(view) = self.views.iter().find(|view| pattern::any(&view.footer, text)) else { return };
        seen.view = Some(view.name.clone());
        seen.evidence.push(Evidence {
            rule: format!("views.{}", view.name),
            rows: Some(row..row + 1),
            text: text.to_owned(),
        });
        seen.status = match self.title_says_busy(snapshot, seen) {
            true => Status::Busy(Activity::Thinking),
            false => Status::Idle { draft: false },
        };
    }

    fn title_says_busy(&self, snapshot: &Snapshot, seen: &mut Observation) -> bool {
        let busy = pattern::any(&self.title.busy, &snapshot.title);
        if busy {
            let text = snapshot.title.to_string();
            seen.evidence.push(Evidence { rule: "title.busy".to_owned(), rows: None, text });
        }
        busy
    }

    fn observe_box(&self, snapshot: &Snapshot, prompt: &PromptBox, seen: &mut Observation) {
        let rows = &snapshot.rows;
        seen.draft = layout::draft(&self.layout, rows, prompt);
        seen.evidence.push(Evidence {
            rule: "layout.prompt".to_owned(),
            rows: Some(prompt.top..prompt.bottom + 1),
            text: seen.draft.clone().unwrap_or_default(),
        });

        let status = self.status_row(rows, prompt);
        if let Some(row) = status {
            let text = rows[row].text.clone();
            seen.retrying = pattern::any(&self.busy.retry, without_glyph(&text));
            seen.evidence.push(Evidence { rule: "busy.status".to_owned(), rows: Some(row..row + 1), text });
        }
        if let Some((row, text)) = self.footer(rows, prompt) {
            seen.evidence.push(Evidence { rule: "busy.footer".to_owned(), rows: Some(row..row + 1), text });
        }
        self.title_says_busy(snapshot, seen);
        // One of the three is enough: the status line is hidden while an answer streams, the footer while a person
        // types, and the title may be switched off.
        if seen.evidence.len() == 1 {
            seen.status = Status::Idle { draft: seen.draft.is_some() };
            return;
        }
        let activity = match self.tool_row(rows, status.unwrap_or(prompt.top)) {
            Some(row) => {
                let text = rows[row].text.clone();
                seen.evidence.push(Evidence { rule: "busy.tool".to_owned(), rows: Some(row..row + 1), text });
                Activity::ToolRunning
            }
            None if status.is_some() => Activity::Thinking,
            None => Activity::Responding,
        };
        seen.status = Status::Busy(activity);
    }

    /// The status line: the first row above the box that isn't indented (tips and task lists are), if it is one.
    fn status_row(&self, rows: &[Row], prompt: &PromptBox) -> Option<usize> {
        let row = (0..prompt.top).rev().find(|n| {
            let text = &rows[*n].text;
            !text.is_empty() && !text.starts_with(' ')
        })?;
        let text = rows[row].text.as_str();
        let glyph = text.chars().next()?;
        let rest = text[glyph.len_utf8()..].strip_prefix(' ')?;
        (self.busy.glyphs.contains(glyph) && pattern::any(&self.busy.status, rest)).then_some(row)
    }

    fn footer(&self, rows: &[Row], prompt: &PromptBox) -> Option<(usize, String)> {
        let under = (prompt.bottom + 1..rows.len()).filter(|n| !rows[*n].text.is_empty()).take(FOOTER_ROWS);
        for n in under {
            // A menu that opens here begins in column 0, the program's own line doesn't.
            let Some(line) = rows[n].text.strip_prefix("  ") else { continue };
            let left = line.split("   ").next().unwrap_or_default();
            if let Some(part) = left.split(" · ").find(|part| pattern::any(&self.busy.footer, part.trim())) {
                return Some((n, part.trim().to_owned()));
            }
        }
        None
    }

    /// The row that says that a tool runs, in the last message above `end`.
    fn tool_row(&self, rows: &[Row], end: usize) -> Option<usize> {
        for n in (0..end).rev() {
            let text = rows[n].text.as_str();
            if pattern::any(&self.busy.tool, text.trim()) && text.starts_with(' ') {
                return Some(n);
            }
            if layout::is_message(&self.layout, &rows[n]) {
                return None;
            }
        }
        None
    }
}

fn without_glyph(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(_, rest)| rest)
}
