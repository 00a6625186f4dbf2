//! The tables of commands in `fixtures/commands`, held against every preset.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use missiond_policy::{Decision, Links, Policies, Policy, Preset, ToolCall, Verdict};
use serde_json::json;

use crate::support::{WORKSPACE, surroundings};

pub const DANGEROUS: Table =
    Table { name: "dangerous.txt", text: include_str!("../fixtures/commands/dangerous.txt") };
pub const BENIGN: Table = Table { name: "benign.txt", text: include_str!("../fixtures/commands/benign.txt") };
pub const ASKED: Table = Table { name: "asked.txt", text: include_str!("../fixtures/commands/asked.txt") };

/// What stands in the directories of the workspace; its others are empty, and nothing else can be told.
const LISTED: [(&str, &[&str]); 3] = [
    (
        "",
        &[
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "Makefile",
            "package.json",
            "src",
            "tests",
            "docs",
            "scripts",
        ],
    ),
    ("src", &["main.rs", "lib.rs", "cart.rs", "test_a.py", "test_b.py", "a.ts"]),
    ("scripts", &["test.sh", "build.sh"]),
];

#[test]
fn the_tables_are_well_formed() {
    let known = |row: &str| Preset::table().iter().any(|known| known.id == row);
    let mut seen = HashMap::new();
    for table in [DANGEROUS, BENIGN, ASKED] {
        for row in table.rows() {
            let unknown = row.rests_on.iter().flatten().find(|id| !known(id));
            assert_eq!(unknown, None, "{} names a row that no preset has", row.place());
            let [.., standard, _] = row.expected;
            let fits = match table.name {
                "dangerous.txt" => !row.expected.contains(&Decision::Allow),
                "benign.txt" => standard == Decision::Allow,
                _ => standard == Decision::Ask,
            };
            assert!(fits, "{} doesn't fit into this table", row.place());
            if let Some(before) = seen.insert(row.command.clone(), row.place()) {
                panic!("{} is in {before} already: {}", row.place(), row.command);
            }
        }
    }
    for (table, least) in [(DANGEROUS, 250), (BENIGN, 300), (ASKED, 150)] {
        let count = table.rows().len();
        assert!(count >= least, "{} has only {count} commands", table.name);
    }
}

#[test]
fn no_preset_allows_a_dangerous_command() {
    let found = judged(DANGEROUS);
    let allowed: Vec<_> =
        found.iter().filter(|(_, _, verdict)| verdict.decision == Decision::Allow).collect();
    assert!(allowed.is_empty(), "{} dangerous verdicts are allow:\n{}", allowed.len(), listed(&allowed));
}

#[test]
fn standard_allows_what_agents_run_all_day() {
    let found = judged(BENIGN);
    let found: Vec<_> = found.iter().filter(|(_, preset, _)| *preset == Preset::Standard).collect();
    let count = found.len();
    let stopped: Vec<_> =
        found.into_iter().filter(|(_, _, verdict)| verdict.decision != Decision::Allow).collect();
    assert!(
        stopped.len() * 100 <= count,
        "{} of {count} harmless commands are stopped; one in a hundred may be:\n{}",
        stopped.len(),
        listed(&stopped)
    );
}

#[test]
fn every_preset_decides_as_the_tables_say() {
    let (mut wrong, mut summary) = (Vec::new(), String::new());
    for table in [DANGEROUS, BENIGN, ASKED] {
        let mut counts = BTreeMap::new();
        for (row, preset, verdict) in judged(table) {
            assert!(!verdict.reason.is_empty(), "{}: no reason under {preset}", row.place());
            let fits =
                row.expected[preset as usize] == verdict.decision && row.rests_on_its_row(preset, &verdict);
            *counts.entry((preset, fits)).or_insert(0) += 1;
            if !fits {
                wrong.push((row, preset, verdict));
            }
        }
        for preset in Preset::ALL {
            let of = |fits| counts.get(&(preset, fits)).copied().unwrap_or(0);
            let (right, all) = (of(true), of(true) + of(false));
            writeln!(summary, "{} under {preset}: {right} of {all} decided as written", table.name).unwrap();
        }
    }
    let wrong: Vec<_> = wrong.iter().collect();
    assert!(wrong.is_empty(), "{} verdicts differ:\n{}{summary}", wrong.len(), listed(&wrong));
}

/// A file of commands under headings.
#[derive(Clone, Copy)]
pub struct Table {
    name: &'static str,
    text: &'static str,
}

/// A command and what its heading says.
#[derive(Clone)]
pub struct Row {
    table: &'static str,
    line: usize,
    expected: [Decision; 4],
    /// For each preset the rows that its verdict may name.
    rests_on: [Vec<&'static str>; 4],
    pub command: String,
}

type Found = (Row, Preset, Verdict);

impl Table {
    pub fn rows(self) -> Vec<Row> {
        let mut heading = None;
        let mut rows = Vec::new();
        for (number, line) in (1..).zip(self.text.lines()) {
            if let Some(text) = line.strip_prefix("## ") {
                let parsed = parse_heading(text);
                heading = Some(parsed.unwrap_or_else(|| panic!("{}:{number}: {text:?}", self.name)));
            } else if !line.is_empty() && !line.starts_with("# ") {
                let Some((expected, rests_on)) = heading.clone() else {
                    panic!("{}:{number} stands under no heading", self.name)
                };
                let command = line.replace('⏎', "\n").replace('␉', "\t");
                rows.push(Row { table: self.name, line: number, expected, rests_on, command });
            }
        }
        rows
    }
}

fn parse_heading(text: &'static str) -> Option<([Decision; 4], [Vec<&'static str>; 4])> {
    let (decisions, rows) = text.split_once(" · ")?;
    let decision = |word: &str| match word {
        "allow" => Some(Decision::Allow),
        "ask" => Some(Decision::Ask),
        "deny" => Some(Decision::Deny),
        _ => None,
    };
    let decisions: Option<Vec<_>> = decisions.split(' ').map(decision).collect();
    let rows: Vec<Vec<_>> = rows.split(' ').map(|of_preset| of_preset.split('|').collect()).collect();
    let rows = match rows.as_slice() {
        [rows] => std::array::from_fn(|_| rows.clone()),
        _ => rows.try_into().ok()?,
    };
    Some((decisions?.try_into().ok()?, rows))
}

impl Row {
    fn place(&self) -> String {
        format!("{}:{}", self.table, self.line)
    }

    fn rests_on_its_row(&self, preset: Preset, verdict: &Verdict) -> bool {
        let named = verdict.rule.as_ref().and_then(|rule| rule.as_str().split_once('/'));
        named.is_some_and(|(scope, row)| {
            scope == preset.as_str() && self.rests_on[preset as usize].contains(&row)
        })
    }
}

fn judged(table: Table) -> Vec<Found> {
    let rows = table.rows();
    let of_preset = |preset| {
        let policies = Policies::new([Policy::preset(preset)]).unwrap();
        let judge = move |row: &Row| {
            let call = ToolCall::new("Bash", json!({ "command": row.command }), WORKSPACE);
            policies.judge_with(&call, &surroundings(), &Shop)
        };
        rows.iter().map(move |row| (row.clone(), preset, judge(row))).collect::<Vec<_>>()
    };
    Preset::ALL.into_iter().flat_map(of_preset).collect()
}

fn listed(found: &[&Found]) -> String {
    let mut text = String::new();
    for (row, preset, verdict) in found {
        let expected = row.expected[*preset as usize];
        let rows = row.rests_on[*preset as usize].join(" or ");
        let rule = verdict.rule.as_ref().map_or("no rule", |rule| rule.as_str());
        writeln!(
            text,
            "{}: {:?}\n    {} by {rule}, not {expected} by {rows}: {}",
            row.place(),
            row.command,
            verdict.decision,
            verdict.reason
        )
        .unwrap();
    }
    text
}

/// The files that the tables speak of; there is no link among them.
#[derive(Debug)]
struct Shop;

impl Links for Shop {
    fn target(&self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn names(&self, directory: &Path, limit: usize) -> Option<Vec<OsString>> {
        let below = directory.strip_prefix(WORKSPACE).ok()?;
        let listed = LISTED.iter().find(|(name, _)| below == Path::new(name));
        let names = listed.map_or(&[][..], |(_, names)| names);
        (names.len() <= limit).then(|| names.iter().map(OsString::from).collect())
    }
}
