//! Finds a dialog block and takes it apart.

use std::ops::Range;

use super::layout;
use super::observation::{Dialog, DialogId, DialogKind, DialogOption};
use super::pattern;
use super::profile::{Argument, DialogRule, Profile};
use crate::Row;

/// More options than any dialog has; a longer list isn't one.
const MAX_OPTIONS: usize = 64;
/// How far agents indent the command in a dialog; what is more is the command's own.
const BODY_INDENT: usize = 3;

pub(super) struct Found {
    pub(super) dialog: Dialog,
    pub(super) rule: String,
    pub(super) rows: Range<usize>,
}

/// The dialog in `region`, which begins under the lowest prompt box (at the top of the screen, if there is none) and
/// goes to the end of the screen.
pub(super) fn find(profile: &Profile, rows: &[Row], region: Range<usize>, cols: u16) -> Option<Found> {
    match Block::locate(profile, rows, region.clone(), cols) {
        Some(block) => block.judge(profile, rows),
        None => notice(profile, rows, region.clone()).or_else(|| without_options(profile, rows, region)),
    }
}

/// A block that says how to leave it and has no numbered options: a view of settings, say. No rule can know it.
fn without_options(profile: &Profile, rows: &[Row], region: Range<usize>) -> Option<Found> {
    let last = region.clone().rev().find(|n| !rows[*n].text.is_empty())?;
    let rule = (region.start..last).rev().find(|n| layout::is_rule(&profile.layout, &rows[*n]))?;
    let text = &rows[rule + 1..last];
    if !pattern::any(&profile.dialog.hint, rows[last].text.trim())
        || text.iter().any(|row| layout::is_message(&profile.layout, row))
    {
        return None;
    }
    Some(Found {
        dialog: Dialog {
            id: fingerprint([joined(text).as_str()]),
            kind: DialogKind::Unknown,
            tool: None,
            argument: None,
            question: text.iter().map(|row| row.text.trim()).find(|text| !text.is_empty())?.to_owned(),
            options: Vec::new(),
        },
        rule: "dialog.hint".to_owned(),
        rows: rule + 1..last + 1,
    })
}

/// A screen that asks for a key without offering options.
fn notice(profile: &Profile, rows: &[Row], region: Range<usize>) -> Option<Found> {
    let last = region.clone().rev().find(|n| !rows[*n].text.is_empty())?;
    if rows[region.clone()].iter().any(|row| layout::is_message(&profile.layout, row)) {
        return None;
    }
    let text = rows[last].text.trim();
    let notice = profile.dialog.notices.iter().find(|notice| pattern::any(&notice.row, text))?;
    let body = joined(&rows[region.start..last]);
    let option = DialogOption { label: text.to_owned(), key: notice.key.clone(), highlighted: false };
    Some(Found {
        dialog: Dialog {
            id: fingerprint([notice.name.as_str(), body.as_str(), text]),
            kind: notice.kind,
            tool: None,
            argument: None,
            question: text.to_owned(),
            options: vec![option],
        },
        rule: format!("dialog.notices.{}", notice.name),
        rows: region.start..last + 1,
    })
}

/// The rows of a dialog: `top` … text … options … hint.
struct Block {
    /// The first row of its text.
    top: usize,
    /// The rule above it is on the screen, so the text is there from its beginning.
    whole: bool,
    /// The row of option 1.
    first_option: usize,
    options: Vec<DialogOption>,
    hint: Option<String>,
    end: usize,
}

impl Block {
    fn locate(profile: &Profile, rows: &[Row], region: Range<usize>, cols: u16) -> Option<Self> {
        let marker = profile.dialog.marker.as_str();
        let blank = |n: &usize| !rows[*n].text.trim().is_empty();
        // The lowest numbered list is the options: what is asked about stands above them and may hold lists of its
        // own.
        let (last, lowest) = region
            .clone()
            .rev()
            .find_map(|n| parse_option(&rows[n].text, marker).map(|option| (n, option)))?;
        if lowest.number > MAX_OPTIONS {
            return None;
        }
        let mut found = vec![(last, lowest)];
        let mut n = last;
        while found[found.len() - 1].1.number > 1 {
            n = n.checked_sub(1).filter(|n| *n >= region.start)?;
            let next = &found[found.len() - 1].1;
            if let Some(option) = parse_option(&rows[n].text, marker)
                && option.column == next.column
                && option.number + 1 == next.number
            {
                found.push((n, option));
            }
        }
        found.reverse();
        let first_option = found[0].0;

        let after = last + 1..region.end;
        let mut tail = after.clone().filter(blank);
        let hint = tail
            .clone()
            .map(|n| rows[n].text.trim())
            .find(|text| pattern::any(&profile.dialog.hint, text))
            .map(str::to_owned);
        if tail.clone().any(|n| layout::is_message(&profile.layout, &rows[n])) {
            return None;
        }
        if found.iter().filter(|(_, option)| option.highlighted).count() > 1 {
            return None;
        }
        // Without a highlight only the hint tells a dialog from a list in some text.
        if hint.is_none() && !found.iter().any(|(_, option)| option.highlighted) {
            return None;
        }

        // The block begins under the nearest rule; if that has scrolled off, at the top of the region. A message in
        // between means that the list belongs to that message.
        let rule = (region.start..first_option).rev().find(|n| layout::is_rule(&profile.layout, &rows[*n]));
        let start = rule.map_or(region.start, |n| n + 1);
        if rows[start..first_option].iter().any(|row| layout::is_message(&profile.layout, row)) {
            return None;
        }
        let top = (start..first_option).find(blank).unwrap_or(first_option);
        let end = tail.next_back().map_or(last + 1, |n| n + 1);
        let options = labels(rows, &found, end, cols, profile);
        Some(Self { top, whole: rule.is_some(), first_option, options, hint, end })
    }

    fn judge(self, profile: &Profile, rows: &[Row]) -> Option<Found> {
        let text = &rows[self.top..self.first_option];
        let header = text.first().map_or("", |row| row.text.trim()).to_owned();
        let question = question(profile, text);
        let body = joined(text);
        let facts = Facts {
            header: &header,
            question: &question,
            body: &body,
            options: &self.options,
            hint: self.hint.as_deref(),
        };
        let rule = profile.dialog.rules.iter().find(|rule| facts.fit(rule));
        if rule.is_none() && self.hint.is_none() {
            return None;
        }
        let labels: Vec<&str> = self.options.iter().map(|o| o.label.trim_end_matches([' ', '✔'])).collect();
        let id = fingerprint([body.as_str()].into_iter().chain(labels));
        let argument = rule.and_then(|rule| argument(profile, rule.argument, rows, &self, &question));
        Some(Found {
            dialog: Dialog {
                id,
                kind: rule.map_or(DialogKind::Unknown, |rule| rule.kind),
                tool: rule.and_then(|rule| rule.tool.clone()),
                argument,
                question,
                options: self.options,
            },
            rule: rule.map_or_else(|| "dialog.hint".to_owned(), |rule| format!("dialog.rules.{}", rule.name)),
            rows: self.top..self.end,
        })
    }
}

struct Facts<'a> {
    header: &'a str,
    question: &'a str,
    body: &'a str,
    options: &'a [DialogOption],
    hint: Option<&'a str>,
}

impl Facts<'_> {
    fn fit(&self, rule: &DialogRule) -> bool {
        let fits =
            |patterns: &[pattern::Pattern], text: &str| patterns.is_empty() || pattern::any(patterns, text);
        (self.hint.is_some() || !rule.hint)
            && fits(&rule.header, self.header)
            && fits(&rule.question, self.question)
            && fits(&rule.body, self.body)
            && fits(&rule.hint_is, self.hint.unwrap_or_default())
            && (rule.option.is_empty() || self.options.iter().any(|o| pattern::any(&rule.option, &o.label)))
    }
}

struct OptionRow {
    number: usize,
    /// The byte column of the number; all before it is blank or the marker, so equal bytes are equal columns.
    column: usize,
    /// The column of the label, in characters.
    label_column: usize,
    label: String,
    highlighted: bool,
}

/// Parses `❯ 2. Label` or `  2. Label` with up to two blanks before.
fn parse_option(text: &str, marker: &str) -> Option<OptionRow> {
    let trimmed = text.trim_start();
    let indent = text.len() - trimmed.len();
    let (highlighted, rest) = match trimmed.strip_prefix(marker) {
        Some(rest) => (true, rest.strip_prefix(char::is_whitespace)?),
        None => (false, trimmed),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number: usize = rest.get(..digits).filter(|_| (1..=2).contains(&digits))?.parse().ok()?;
    let label = rest[digits..].strip_prefix(". ")?;
    let column = if highlighted { indent + 2 } else { indent };
    if number == 0 || !(2..=4).contains(&column) {
        return None;
    }
    Some(OptionRow {
        number,
        column,
        label_column: column + digits + 2,
        label: label.trim().to_owned(),
        highlighted,
    })
}

fn labels(
    rows: &[Row],
    found: &[(usize, OptionRow)],
    end: usize,
    cols: u16,
    profile: &Profile,
) -> Vec<DialogOption> {
    let ends = found.iter().skip(1).map(|(n, _)| *n).chain([end]);
    found
        .iter()
        .zip(ends)
        .map(|((start, option), end)| {
            let mut label = option.label.clone();
            let mut previous = &rows[*start].text;
            // A row under an option continues its label if its first word had no room on the row above; else it is a
            // description.
            for row in &rows[start + 1..end] {
                let text = row.text.trim_start();
                let indent = row.text.len() - text.len();
                let word = text.split(' ').next().unwrap_or_default();
                let room = usize::from(cols).saturating_sub(previous.chars().count() + 1);
                if text.is_empty()
                    || indent != option.label_column
                    || word.chars().count() <= room
                    || layout::is_rule(&profile.layout, row)
                {
                    break;
                }
                label.push(' ');
                label.push_str(text);
                previous = &row.text;
            }
            DialogOption { label, key: option.number.to_string(), highlighted: option.highlighted }
        })
        .collect()
}

/// Where the last paragraph of a dialog's text stands.
fn question_rows(profile: &Profile, text: &[Row]) -> Range<usize> {
    let end = text.iter().rposition(|row| !row.text.trim().is_empty()).map_or(0, |n| n + 1);
    let apart = |row: &Row| row.text.trim().is_empty() || is_divider(profile, row);
    let start = text[..end].iter().rposition(apart).map_or(0, |n| n + 1);
    start..end
}

/// The last paragraph, or the last one that asks something if that doesn't.
fn question(profile: &Profile, text: &[Row]) -> String {
    let mut rest = text;
    loop {
        let rows = question_rows(profile, rest);
        let paragraph = joined(&rest[rows.clone()]);
        if paragraph.contains('?') {
            return paragraph;
        }
        if rows.start == 0 {
            return joined(&text[question_rows(profile, text)]);
        }
        rest = &rest[..rows.start - 1];
    }
}

fn is_divider(profile: &Profile, row: &Row) -> bool {
    row.text.trim_start().starts_with(&profile.dialog.divider.repeat(3))
}

fn joined(rows: &[Row]) -> String {
    let parts: Vec<&str> = rows.iter().map(|row| row.text.trim()).filter(|text| !text.is_empty()).collect();
    parts.join(" ")
}

fn argument(
    profile: &Profile,
    which: Argument,
    rows: &[Row],
    block: &Block,
    question: &str,
) -> Option<String> {
    let text = &rows[block.top..block.first_option];
    let filled = || text.iter().map(|row| row.text.trim()).filter(|text| !text.is_empty());
    let value = match which {
        Argument::None => None,
        Argument::Question => Some(question.to_owned()),
        Argument::FirstRow => filled().nth(1).map(str::to_owned),
        Argument::SecondRow => filled().nth(1).map(str::to_owned),
        Argument::Body => body(profile, text).filter(|_| block.whole),
        Argument::BetweenDividers => {
            let above = &rows[..block.first_option];
            let end = above.iter().rposition(|row| is_divider(profile, row))?;
            let start = above[..end].iter().rposition(|row| is_divider(profile, row))?;
            let lines: Vec<&str> = above[start + 1..end].iter().map(|row| row.text.trim_end()).collect();
            Some(lines.join("\n"))
        }
    };
    value.map(|value| value.trim_end().to_owned()).filter(|value| !value.trim().is_empty())
}

/// What stands between a dialog's header and its question: a command with all its rows, blank ones among them.
///
/// Whoever judges the argument must not be shown a part of it, so `None` wherever the rows don't tell for sure what
/// belongs to it. They tell by how an agent draws them: a command is indented by the agent itself, a description right
/// under it is faint, and the agent's own notes (why it asks) are further to the left, below a blank row.
fn body(profile: &Profile, text: &[Row]) -> Option<String> {
    let blank = |row: &Row| row.text.trim().is_empty();
    let asking = question_rows(profile, text);
    // Anything that follows the question is in no known place.
    joined(&text[asking.clone()]).contains('?').then_some(())?;
    let rows = text.get(1..asking.start)?;
    let rows = &rows[rows.iter().position(|row| !blank(row))?..];
    let margin = indent(&rows[0]).min(BODY_INDENT);

    let note = rows.iter().position(|row| !blank(row) && indent(row) < margin);
    let (rows, notes) = rows.split_at(note.unwrap_or(rows.len()));
    let apart = notes.is_empty() || rows.last().is_some_and(blank);
    if !apart || notes.iter().any(|row| !blank(row) && indent(row) >= margin) {
        return None;
    }
    let trimmed = |rows: &[Row]| rows.iter().rposition(|row| !blank(row)).map_or(0, |n| n + 1);
    let rows = &rows[..trimmed(rows)];
    let described = rows.iter().rposition(|row| blank(row) || !is_faint(row)).map_or(0, |n| n + 1);
    let (lines, description) = rows.split_at(described);
    let lines = &lines[..trimmed(lines)];
    // Two faint paragraphs may both be the description, or one of them the command's. An ellipsis stands for rows that
    // had no room, and a row that the terminal had to wrap goes on at the left edge, as no row of a command does.
    if lines.last().is_some_and(is_faint)
        || description.iter().any(|row| row.text.trim_start().starts_with('…'))
        || lines.iter().any(|row| row.wrapped)
    {
        return None;
    }
    let lines: Vec<&str> = lines.iter().map(|row| row.text.get(margin..).unwrap_or_default()).collect();
    Some(lines.join("\n"))
}

/// How far a row is indented, in bytes, which only counts ASCII blanks.
fn indent(row: &Row) -> usize {
    row.text.len() - row.text.trim_start_matches(' ').len()
}

fn is_faint(row: &Row) -> bool {
    let solid = row.text.char_indices().filter(|(_, c)| !c.is_whitespace());
    let mut solid = solid.filter(|(at, _)| !row.faint.iter().any(|range| range.contains(at)));
    solid.next().is_none()
}

/// FNV-1a over the texts: the same on every machine and in every version, so an id can be kept.
fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> DialogId {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    DialogId(hash)
}
