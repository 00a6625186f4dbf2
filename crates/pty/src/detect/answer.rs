//! The last answer's text, as far as it is still on the screen.

use super::layout::{self, begins_with_glyph};
use super::pattern;
use super::profile::Profile;
use crate::{Row, Snapshot};

impl Profile {
    /// The text of the last answer, as far as it is still on the screen; best effort.
    ///
    /// What the person last asked bounds it above and the prompt box below. Tool calls with their results and the
    /// status line are left out. Lines that the agent wrapped stay wrapped, and what has scrolled off is missing: an
    /// agent's own transcript file is the better source where there is one. `None` if no prompt box or no answer is
    /// on the screen.
    #[must_use]
    pub fn last_answer(&self, snapshot: &Snapshot) -> Option<String> {
        let rows = &snapshot.rows;
        let prompt = layout::prompt_box(&self.layout, rows)?;
        let begins = |row: &Row, glyphs: &[String]| glyphs.iter().any(|g| begins_with_glyph(&row.text, g));
        let asked = rows[..prompt.top].iter().rposition(|row| begins(row, &self.layout.echo));
        let start = asked.map_or(0, |n| n + 1);

        let mut blocks: Vec<String> = Vec::new();
        let mut n = start;
        while n < prompt.top {
            let row = &rows[n];
            // An answer whose beginning scrolled off begins with the first row there is.
            let headless = asked.is_none() && blocks.is_empty() && n == 0 && row.text.starts_with("  ");
            if !begins(row, &self.layout.answer) && !headless {
                n += 1;
                continue;
            }
            let end = (n + 1..prompt.top).find(|n| self.ends_block(&rows[*n])).unwrap_or(prompt.top);
            // Followed by an answer it may as well be the end of a long question.
            let unsure = headless && begins(&rows[end], &self.layout.answer);
            if !unsure && !self.is_tool_call(&rows[n..end]) {
                let text = block_text(&rows[n..end]);
                if !text.is_empty() {
                    blocks.push(text);
                }
            }
            n = end;
        }
        (!blocks.is_empty()).then(|| blocks.join("\n\n"))
    }

    fn ends_block(&self, row: &Row) -> bool {
        let first = row.text.chars().next();
        layout::is_message(&self.layout, row)
            || layout::is_rule(&self.layout, row)
            || first.is_some_and(|c| self.busy.glyphs.contains(c))
    }

    /// A call's result hangs under it by a hook of its own; while it runs, so does its state.
    fn is_tool_call(&self, block: &[Row]) -> bool {
        let mut rest = block.iter().skip(1).map(|row| row.text.trim()).filter(|text| !text.is_empty());
        rest.next()
            .is_some_and(|text| text.starts_with(&self.layout.result) || pattern::any(&self.busy.tool, text))
    }
}

/// Whether the box shows a stand-in for a long paste.
pub(crate) fn is_pasted(profile: &Profile, draft: &str) -> bool {
    pattern::any(&profile.turn.pasted, draft)
}

/// The message of an answer that is an error: its last paragraph begins like one.
pub(crate) fn error_message(profile: &Profile, answer: &str) -> Option<String> {
    let last = answer.rsplit("\n\n").next()?.replace('\n', " ");
    pattern::any(&profile.turn.error, &last).then_some(last)
}

fn block_text(rows: &[Row]) -> String {
    let lines = rows.iter().enumerate().map(|(n, row)| {
        let text = row.text.as_str();
        match text.strip_prefix("  ") {
            Some(rest) => rest,
            // The first row's glyph and its blank.
            None if n == 0 => text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest),
            None => text,
        }
    });
    let lines: Vec<&str> = lines.collect();
    lines.join("\n").trim_matches('\n').trim_end().to_owned()
}
